# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump as bytes: a mapped file where any offset may be asked, or a stream that goes by once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import mmap
import os
import pathlib
import tempfile
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require

try:
    from isal import isal_zlib as fast_zlib
except Exception:
    fast_zlib = zlib
try:
    import zstandard
    from zstandard import ZstdError
except Exception:
    zstandard, ZstdError = None, OSError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BLOCK, PACKED = 4 << 20, 1 << 18
#: bytes of a mapped dump that a walk has in memory at a time, about
WINDOW = 8 << 20
#: each has a bitmap of all addresses while objects are numbered
MOST_THREADS = 4

Found = t.TypeVar("Found")


class Stream:
    """A plain, gzip or zstd file, unpacked as it is read; several compressed parts may stand one after another.

    :param problem: why it ended early, known once it has been read.
    """

    def __init__(self, path: str) -> None:
        self.path, self.problem = path, ""
        try:
            self._file = open(path, "rb")
            head = self._file.peek(4)[:4]
        except OSError as error:
            raise InvalidInput(f"Cannot read {path}: {error.strerror}.", "Name a heap dump that this user may read.") from error
        if not head:
            raise InvalidInput(f"{path} is empty (0 bytes): the JVM could not write its dump, or the copy failed.",
                               "Check the room on the disk that it was written to, and make it again.")
        self.compression = "gzip" if head[:2] == GZIP else "zstd" if head == ZSTD else ""
        if self.compression == "zstd":
            require("zstandard")
        self._unpacker = self._new_unpacker()

    def read(self) -> bytes:
        """The next bytes, none at the end; compressed data that are damaged end where the damage is, not before."""
        try:
            while packed := self._file.read(BLOCK if not self.compression else PACKED):
                plain = self._unpack(packed)
                if plain:
                    return plain
        except (OSError, zlib.error, fast_zlib.error, ZstdError) as error:
            self.problem = f"its {self.compression or 'file'} data are damaged ({error})"
            return b""
        if self.compression and not self._unpacker.eof:
            self.problem = f"its {self.compression} data end early"
        return b""

    def _unpack(self, packed: bytes) -> bytes:
        if not self.compression:
            return packed
        parts = []
        while packed:
            if self._unpacker.eof:  # the next of several parts
                self._unpacker = self._new_unpacker()
            parts.append(self._unpacker.decompress(packed))
            packed = self._unpacker.unused_data if self._unpacker.eof else b""
        return b"".join(parts)

    def _new_unpacker(self) -> t.Any:
        return zstandard.ZstdDecompressor().decompressobj() if self.compression == "zstd" else fast_zlib.decompressobj(wbits=31)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def can_be_mapped(path: str) -> bool:
    """Whether the dump lies there as it is: a file, and not compressed."""
    if not pathlib.Path(path).is_file():
        return False
    stream = Stream(path)
    stream.close()
    return not stream.compression


def check_scratch(scratch: str | None) -> None:
    """Refuse a scratch directory that cannot be written to before anything is read."""
    if scratch and not os.access(scratch, os.W_OK | os.X_OK):
        raise InvalidInput(f"The scratch directory {scratch} does not exist, or cannot be written to.", "Name one with room for the whole dump.")


@contextlib.contextmanager
def mapped(path: str, scratch: str | None) -> t.Iterator[Mapping]:
    """The whole dump under one array; a compressed one is unpacked to a nameless file in ``scratch`` first."""
    stream = Stream(path)
    try:
        if stream.compression:
            with _unpacked(stream, scratch) as file:
                yield Mapping(file, stream)
        else:
            with open(path, "rb") as file:
                yield Mapping(file, stream)
    finally:
        stream.close()


class Mapping:
    """Bytes of a file as a uint8 array; what was read can be let go, and is read again from the disk when it is asked for."""

    def __init__(self, file: t.BinaryIO, stream: Stream) -> None:
        self.compression, self.problem = stream.compression, stream.problem
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = np.frombuffer(self._map, np.uint8)

    def let_go(self, begin: int = 0, end: int | None = None) -> None:
        """Give the memory of some bytes back: the pages stay in the system's cache as long as there is room."""
        first = begin - begin % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_DONTNEED, first, (len(self.data) if end is None else end) - first)

    def windows(self, segments: t.Any) -> t.Iterator[t.Any]:
        """The segments, some at a time; what was read of the last ones is let go."""
        numbers = (segments[:, 0] - segments[0, 0]) // WINDOW
        for window in np.split(segments, np.flatnonzero(np.diff(numbers)) + 1):
            yield window
            self.let_go(int(window[0, 0]), int(window[-1, 1]))

    def share(self, segments: t.Any, work: t.Callable[[t.Iterator[t.Any]], Found]) -> list[Found]:
        """Walk over the segments in several threads, each over the windows of its part; what each has found, in the parts' order."""
        parts = np.array_split(segments, max(1, min(len(segments), os.cpu_count() or 1, MOST_THREADS)))
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            return list(pool.map(lambda part: work(self.windows(part)), parts))


def _unpacked(stream: Stream, scratch: str | None) -> t.BinaryIO:
    file = tempfile.TemporaryFile(dir=scratch)
    try:
        while block := stream.read():
            file.write(block)
        file.flush()
    except OSError as error:
        where = scratch or tempfile.gettempdir()
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise RunbookError(f"Cannot unpack {stream.path} to {where}: {what}.",
                           "Free space, or name a scratch directory with room for the whole dump.") from error
    if not file.tell():
        raise InvalidInput(f"{stream.path} cannot be unpacked: {stream.problem or 'nothing is in it'}.", "Copy it again.")
    return t.cast(t.BinaryIO, file)


def header(head: bytes, path: str) -> tuple[str, int, int, int]:
    """Format, bytes of an identifier, milliseconds since 1970, and where the records begin.

    :raises InvalidInput: it is not a heap dump.
    """
    end = head.find(b"\0", 0, 32)
    if not head.startswith(b"JAVA PROFILE 1.0.") or end < 0 or len(head) < end + 13:
        raise InvalidInput(f"{path} is not a heap dump: it begins with {head[:16]!r} instead of 'JAVA PROFILE 1.0.2'.",
                           "Name a file written by jcmd GC.heap_dump, jmap or -XX:+HeapDumpOnOutOfMemoryError.")
    id_bytes = int.from_bytes(head[end + 1:end + 5], "big")
    if id_bytes not in (4, 8):
        raise InvalidInput(f"{path} says that its identifiers have {id_bytes} bytes; 4 and 8 can be read.", "Make the dump again.")
    return head[:end].decode("ascii", "replace"), id_bytes, int.from_bytes(head[end + 5:end + 13], "big"), end + 13


def size_of(path: str) -> int:
    """Bytes of the file as it lies there."""
    return pathlib.Path(path).stat().st_size
