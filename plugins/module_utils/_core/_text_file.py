# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files that may be compressed, cut short, or hardly text at all, read line by line."""

from __future__ import annotations

import codecs
import gzip
import pathlib
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

#: bytes of a line that are read; what follows comes as a line of its own, so that memory stays bounded
LONGEST = 1 << 16
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TextFile:
    """The lines of a file on this machine, plain or gzip.

    :param problems: what could not be read, known once the lines have been read.
    :raises InvalidInput: the file is not there, may not be read, or is empty.
    """

    def __init__(self, path: str) -> None:
        self.path = pathlib.Path(path).expanduser()
        self.problems: list[str] = []
        try:
            with self.path.open("rb") as file:
                self._head = file.read(2)
        except OSError as error:
            raise InvalidInput(f"Cannot read {self.path}: {error.strerror}.", "Name a file that this user may read.") from error
        if not self._head:
            raise InvalidInput(f"{self.path} is empty (0 bytes).", "Check that the log was written and copied whole.")

    def __iter__(self) -> t.Iterator[str]:
        encoding = "utf-16" if self._head in _UTF16 else "utf-8"
        opener: t.Any = gzip.open if self._head == b"\x1f\x8b" else open
        with opener(self.path, "rt", encoding=encoding, errors="replace", newline="\n") as file:
            try:
                while line := file.readline(LONGEST):
                    yield line.rstrip("\r\n")
            except (EOFError, OSError, zlib.error) as error:
                self.problems.append(f"{self.path.name} can be read only in part: {error}")
