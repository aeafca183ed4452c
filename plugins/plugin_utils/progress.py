# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of long work: one line that is rewritten on a terminal, and now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
import typing as t

from ansible import constants as C
from ansible.utils.display import Display

display = Display()

#: seconds between two lines where lines cannot be rewritten: logs of jobs are read later, by the page
LINE_EVERY = 15.0
INDENT = "    "
#: carriage return, erase to the end of the line
ERASE = "\r\x1b[K"
_OURS = "sre.runbooks.console"

# Asked before the fork: a worker has no terminal of its own.
_TERMINAL = sys.stderr.isatty() and sys.stdout.isatty()


def rewrites() -> bool:
    """Whether a line can be rewritten: both streams are a terminal, and the callback erases the line before its own."""
    return _TERMINAL and C.DEFAULT_STDOUT_CALLBACK == _OURS


def teller(host: str) -> t.Callable[[str], None]:
    """Shows the progress of one task on stderr, so that what goes to stdout stays what the callback wrote."""
    shown = time.monotonic()

    def tell(line: str) -> None:
        nonlocal shown
        text = f"{INDENT}… {host}: {line}"
        if rewrites():
            display.display(ERASE + text[:display.columns - 1], stderr=True, newline=False)
        elif time.monotonic() - shown >= LINE_EVERY:
            shown = time.monotonic()
            display.display(text, stderr=True)

    return tell
