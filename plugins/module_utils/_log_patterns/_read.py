# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in blocks of whole records."""

from __future__ import annotations

import gzip
import os
import re
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._core import _wrapped
from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._core._text_file import TextFile
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _records

#: bytes that are looked at together; a longer line is cut into lines, and a longer record into records
BLOCK, LONGEST_LINE, LONGEST_RECORD = 4 << 20, 32 << 20, 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
#: writers of one file whose records are told apart, such as the pods of ``kubectl logs --prefix``
MOST_WRITERS = 1000

_COLOUR = re.compile(_wrapped.COLOUR.encode())
#: what begins a line that says who wrote it, or that docker wrapped
_PREFIX = re.compile(rf"(?:{_wrapped.SOURCE}|{re.escape(_wrapped.DOCKER)})".encode())


class Blocks:
    """The blocks of a file, plain or gzip, whatever its encoding.

    :param problems: what could not be read, known once the blocks have been read.
    :param writers: how many pods or containers the lines name as theirs, known then too; their records come apart.
    :param latest: when it was last written, seconds since 1970.
    """

    def __init__(self, path: str) -> None:
        self._text = TextFile(path)
        self.path, self.problems = self._text.path, self._text.problems
        self.writers = 1
        self.latest = self.path.stat().st_mtime

    def __iter__(self) -> t.Iterator[bytes]:
        with self.path.open("rb") as file:
            head = file.read(4096)
        packed = head[:2] == b"\x1f\x8b"
        opener: t.Any = gzip.open if packed else open
        with opener(self.path, "rb") as file:
            if packed:
                head = next(self._pieces(file), b"")[:4096]
                file.seek(0)
            if head[:2] in _UTF16 or _names_writers(head):
                yield from self._of_writers()
                return
            if not packed and sum(byte < 9 or 13 < byte < 27 for byte in head) * 20 > len(head):
                self.problems.append(f"{self.path.name} does not look like text; what is readable in it is counted all the same.")
            yield from map(_plain, _whole_records(self._pieces(file)) if packed else self._pieces(file, _whole))

    def _of_writers(self) -> t.Iterator[bytes]:
        """The blocks of each one's records: they may have written at the same time."""
        pending: dict[str, list[str]] = {}
        size = 0
        for writer, line in _wrapped.told_apart(self._text):
            own = pending.setdefault(writer if writer in pending or len(pending) < MOST_WRITERS else "", [])
            own += line, "\n"
            size += len(line) + 1
            if size >= BLOCK:
                size = 0
                for own in pending.values():
                    data = "".join(own).encode()
                    cut = _last_record(data)
                    if cut < len(data) or cut >= LONGEST_RECORD:
                        yield data[:cut]
                        own[:] = [data[cut:].decode()]
        self.writers = max(1, len(pending))
        yield from filter(None, ("".join(own).encode() for own in pending.values()))

    def _pieces(self, file: t.Any, read: t.Callable[[t.Any], bytes] = lambda file: file.read1(BLOCK)) -> t.Iterator[bytes]:
        """What can be read, in the pieces in which it comes: of a file that is cut short, all before the cut."""
        try:
            while piece := read(file):
                yield piece
        except (EOFError, OSError, zlib.error) as error:
            problem = f"{self.path.name} can be read only in part: {error}"
            if problem not in self.problems:
                self.problems.append(problem)


def _names_writers(head: bytes) -> bool:
    """Whether most of the first lines begin with the name of who wrote them, or are docker's."""
    lines = [_COLOUR.sub(b"", line) for line in head.split(b"\n")[:-1][:20]] or [head]
    return sum(bool(_PREFIX.match(line)) for line in lines) * 2 > len(lines)


def _plain(block: bytes) -> bytes:
    """The block without colours, and with the pieces joined into which a runtime has cut its lines."""
    if b"\x1b" in block:
        block = _COLOUR.sub(b"", block)
    if b" stdout P" in block or b" stderr P" in block:
        block = "\n".join(_wrapped.unwrapped(block.decode("utf-8", "surrogateescape").split("\n"))).encode("utf-8", "surrogateescape")
    return block


def _whole(file: t.Any) -> bytes:
    """The next records of a file that can go back to where the last one begins."""
    piece: bytes = file.read(BLOCK)
    cut = _last_record(piece) if len(piece) == BLOCK else 0
    if cut:
        file.seek(cut - len(piece), os.SEEK_CUR)
    return _ended(piece[:cut or None]) if piece else piece


def of_text(text: str) -> t.Iterator[bytes]:
    """The blocks of a text."""
    return map(_plain, _whole_records([text.encode()]))


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
        if begin > least + (reach // 2 if least else 0):  # by then it is known what the lines before belong to
            return begin
    return end
