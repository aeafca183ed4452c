# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines hold one of many texts: one pass of RE2 over all of them together, whatever the number of texts."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require

re2: t.Any = None
try:
    import re2
except Exception:  # told by Needles
    pass


class Needles:
    """Texts to look for.

    :raises InvalidInput: RE2 is missing.
    """

    def __init__(self, texts: t.Iterable[str]) -> None:
        require("re2")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # of bytes, so that no place has to be counted in characters
        self._any = re2.compile("|".join(map(re.escape, texts)).encode(), options)

    def lines(self, block: t.Sequence[str]) -> list[int]:
        """The numbers of the lines that hold one of the texts, ascending."""
        found: list[int] = []
        text = "\n".join(block).encode("utf-8", "surrogatepass")
        if text.count(b"\n") != len(block) - 1:  # a line of several, as JSON has them
            return [number for number, line in enumerate(block) if self._any.search(line.encode("utf-8", "surrogatepass"))]
        number = at = 0
        while match := self._any.search(text, at):
            number += text.count(b"\n", at, match.start())
            at, needle = match.start(), match[0]
            while at >= 0:  # what is in one line is often in the next one too
                found.append(number)
                number, begin = number + 1, text.find(b"\n", at) + 1
                if not begin:
                    return found
                end = text.find(b"\n", begin)
                at = text.find(needle, begin, end if end >= 0 else len(text))
            at = begin
        return found
