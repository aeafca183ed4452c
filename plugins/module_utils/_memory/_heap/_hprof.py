# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks an HPROF file while it streams by: its header, its records, and that it ends where a record ends."""

from __future__ import annotations

import struct

HEADER = b"JAVA PROFILE 1.0."
HEAP_DUMP, HEAP_DUMP_SEGMENT, HEAP_DUMP_END = 0x0C, 0x1C, 0x2C


class HprofCheck:
    """Walks the records of a dump; feed it the bytes in order."""

    def __init__(self) -> None:
        self.bytes = 0
        self._buffer = b""
        self._skip = 0
        self._header_done = False
        self._heap_records = 0
        self._problem = ""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.bytes += len(data)
        if self._problem:
            return
        if self._skip >= len(data) and not self._buffer:
            self._skip -= len(data)
            return
        self._buffer += data
        self._walk()

    def problem(self) -> str:
        """What is wrong with the file, empty if nothing is."""
        if self._problem:
            return self._problem
        if not self._header_done:
            return f"it has no HPROF header ({self.bytes} bytes)"
        if self._skip or self._buffer:
            return f"it ends inside a record, {self._skip} bytes short, at offset {self.bytes}: truncated"
        return "" if self._heap_records else "it has no heap record"

    def _walk(self) -> None:
        view, position = self._buffer, 0
        if not self._header_done:
            end = view.find(b"\0")
            if not view.startswith(HEADER[:len(view)]) or end > 32:
                self._problem = f"it does not begin with {HEADER.decode()}"
                return
            if end < 0 or len(view) < end + 13:
                return
            position, self._header_done = end + 13, True
        while True:
            step = min(self._skip, len(view) - position)
            position, self._skip = position + step, self._skip - step
            if self._skip or len(view) - position < 9:
                break
            tag, _time, length = struct.unpack_from(">BII", view, position)
            self._heap_records += tag in (HEAP_DUMP, HEAP_DUMP_SEGMENT)
            position, self._skip = position + 9, length
        self._buffer = view[position:]
