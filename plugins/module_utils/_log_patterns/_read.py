# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in blocks of whole records."""

from __future__ import annotations

import gzip
import os
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._core._text_file import TextFile
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _records

#: bytes that are looked at together; a longer line is cut into lines, and a longer record into records
BLOCK, LONGEST_LINE, LONGEST_RECORD = 4 << 20, 32 << 20, 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Blocks:
    """The blocks of a file, plain or gzip, whatever its encoding.

    :param problems: what could not be read, known once the blocks have been read.
    :param latest: when it was last written, seconds since 1970.
    """

    def __init__(self, path: str) -> None:
        self._text = TextFile(path)
        self.path, self.problems = self._text.path, self._text.problems
        self.latest = self.path.stat().st_mtime

    def __iter__(self) -> t.Iterator[bytes]:
        with self.path.open("rb") as file:
            head = file.read(4096)
        if head[:2] in _UTF16:
            yield from _whole_records(f"{line}\n".encode() for line in self._text)
            return
        packed = head[:2] == b"\x1f\x8b"
        if not packed and sum(byte < 9 or 13 < byte < 27 for byte in head) * 20 > len(head):
            self.problems.append(f"{self.path.name} does not look like text; what is readable in it is counted all the same.")
        opener: t.Any = gzip.open if packed else open
        with opener(self.path, "rb") as file:
            yield from _whole_records(self._pieces(file)) if packed else self._pieces(file, _whole)

    def _pieces(self, file: t.Any, read: t.Callable[[t.Any], bytes] = lambda file: file.read1(BLOCK)) -> t.Iterator[bytes]:
        """What can be read, in the pieces in which it comes: of a file that is cut short, all before the cut."""
        try:
            while piece := read(file):
                yield piece
        except (EOFError, OSError, zlib.error) as error:
            self.problems.append(f"{self.path.name} can be read only in part: {error}")


def _whole(file: t.Any) -> bytes:
    """The next records of a file that can go back to where the last one begins."""
    piece: bytes = file.read(BLOCK)
    cut = _last_record(piece) if len(piece) == BLOCK else 0
    if cut:
        file.seek(cut - len(piece), os.SEEK_CUR)
    return _ended(piece[:cut or None]) if piece else piece


def of_text(text: str) -> t.Iterator[bytes]:
    """The blocks of a text."""
    return _whole_records([text.encode()])


def _whole_records(pieces: t.Iterable[bytes]) -> t.Iterator[bytes]:
    """The pieces, joined and cut again where a record begins."""
    rest: list[bytes] = []
    size = 0
    for piece in pieces:
        rest.append(piece)
        size += len(piece)
        if size < BLOCK:
            continue
        data = b"".join(rest)
        cut = _last_record(data)
        if cut:
            yield _ended(data[:cut])
        rest, size = [data[cut:]], len(data) - cut
    data = b"".join(rest)
    if data:
        yield _ended(data)


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


def _last_record(data: bytes) -> int:
    """Where the last record begins; where that is too long, the end of the last line; 0 in the middle of a line, as far as memory allows."""
    end = data.rfind(b"\n") + 1
    if not end:
        return len(data) if len(data) >= LONGEST_LINE else 0
    for reach in (LONGEST_RECORD >> 6, LONGEST_RECORD):
        least = data.rfind(b"\n", 0, max(0, end - reach)) + 1
        begin = int(_records.last_record(np.frombuffer(data, np.uint8, end), least))
        if begin > least:
            return begin
    return end
