# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a file out of a pod: compressed on the way, in ranges that can be repeated one by one.

Each range is compressed by itself; gzip members and zstd frames may stand one after another, so the ranges
joined are one valid compressed file. A range that is complete is kept, so an interrupted pull continues.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import errno
import hashlib
import importlib.util
import os
import pathlib
import shutil
import time
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._hprof import HprofCheck

try:
    import zstandard
except Exception:
    pass

T = t.TypeVar("T")
RANGE_BYTES = 32 << 20
STREAMS = 2
ATTEMPTS = 4
#: the exit status of what was killed: for want of memory, or together with its container
KILLED = 137
BLOCK = 1 << 20
STALL_SECONDS = 60.0
#: openssl, where it is there, hashes several times faster than coreutils
_SHA256 = 'if command -v openssl >/dev/null; then openssl dgst -sha256 -r "$1"; else sha256sum "$1"; fi'


@dataclasses.dataclass(frozen=True)
class Compression:
    """How a range is compressed in the pod.

    :param command: reads standard input, writes standard output.
    """

    command: str
    suffix: str


@dataclasses.dataclass(frozen=True)
class Pulled:
    """A file that arrived whole.

    :param sha256: of the file as it is in the pod.
    :param stored_sha256: of the compressed file here.
    """

    bytes: int
    compressed_bytes: int
    sha256: str
    stored_sha256: str
    seconds: float


def choose(tools: t.Mapping[str, str]) -> Compression:
    """The fastest compression that both ends know: zstd, then gzip."""
    if "zstd" in tools and importlib.util.find_spec("zstandard"):
        return Compression(f"{tools['zstd']} -1 -c", ".zst")
    if "pigz" in tools:
        return Compression(f"{tools['pigz']} -1 -c", ".gz")
    if "gzip" in tools:
        return Compression(f"{tools['gzip']} -1 -c", ".gz")
    return Compression("cat", "")


def pull(cluster: Cluster, via: Container, remote: str, compression: Compression, target: pathlib.Path,
         tell: t.Callable[[str], None], streams: int = STREAMS) -> Pulled:
    """Bring a file here, compare its size and sha256 at both ends, and check that it is a whole HPROF file.

    :param streams: ranges at once; with one, nothing else runs in the pod meanwhile.
    :param target: where the compressed file goes; ranges wait in a directory beside it until all are there.
    """
    started = time.monotonic()
    size = int(_shell(cluster, via, 'wc -c < "$1"', remote))
    parts = target.with_name(target.name + ".parts")
    parts.mkdir(exist_ok=True, mode=0o700)
    ranges = range((size + RANGE_BYTES - 1) // RANGE_BYTES)
    reader = _Reader(compression, target, size, tell)
    with concurrent.futures.ThreadPoolExecutor(max_workers=streams + 1 if streams > 1 else 1) as pool:
        digest = pool.submit(lambda: _shell(cluster, via, _SHA256, remote, timeout=600).split()[0])
        pulls = [pool.submit(_pull_range, cluster, via, remote, compression, number, parts) for number in ranges]
        try:
            for future in pulls:
                reader.take(future.result())
        except BaseException:
            for future in pulls:
                future.cancel()
            raise
        finally:
            reader.close()
        expected = digest.result()
    reader.refuse_if_wrong(cluster, via, remote, size, expected)
    reader.partial.replace(target)
    shutil.rmtree(parts)
    return Pulled(size, target.stat().st_size, expected, reader.stored.hexdigest(), round(time.monotonic() - started, 2))


class _Reader:
    """Takes the ranges in order: joins them, unpacks them, and checks what comes out."""

    def __init__(self, compression: Compression, target: pathlib.Path, size: int,
                 tell: t.Callable[[str], None]) -> None:
        self.partial = target.with_name(target.name + ".joined")
        self.stored, self.plain, self.check = hashlib.sha256(), hashlib.sha256(), HprofCheck()
        self._suffix, self._size, self._tell, self._told = compression.suffix, size, tell, time.monotonic()
        self._file = open(os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")

    def take(self, part: pathlib.Path) -> None:
        """Take the next range."""
        data = part.read_bytes()
        try:
            self._file.write(data)
        except OSError as error:
            raise _disk_full(self.partial, error) from error
        self.stored.update(data)
        for block in _unpack(data, self._suffix):
            self.plain.update(block)
            self.check.feed(block)
        if time.monotonic() - self._told > 2:
            self._told = time.monotonic()
            self._tell(f"pulled {self.check.bytes >> 20} of {self._size >> 20} MiB")

    def close(self) -> None:
        """Close the joined file."""
        self._file.close()

    def refuse_if_wrong(self, cluster: Cluster, via: Container, remote: str, size: int, expected: str) -> None:
        """Refuse a file that is not the one in the pod, or not a whole dump."""
        if self.check.bytes != size or self.plain.hexdigest() != expected:
            shutil.rmtree(self.partial.with_name(self.partial.name.removesuffix(".joined") + ".parts"))
            raise RunbookError(
                f"Cluster {cluster.name}: {remote} of {via} arrived as {self.check.bytes} bytes with sha256 "
                f"{self.plain.hexdigest()}, but is {size} bytes with {expected} there: the file changed or the stream "
                "was damaged.", "Run again with the same incident_id.")
        problem = self.check.problem()
        if problem:
            raise RunbookError(
                f"Cluster {cluster.name}: the dump {remote} of {via} is not whole: {problem}. What there is, is kept "
                f"in {self.partial}; its histogram can still be read.", "Run again for a new dump.")


def _pull_range(cluster: Cluster, via: Container, remote: str, compression: Compression, number: int,
                parts: pathlib.Path) -> pathlib.Path:
    done = parts / f"{number:05d}"
    if done.exists():
        return done
    count = RANGE_BYTES // BLOCK
    script = f'dd if="$1" bs={BLOCK} skip={number * count} count={count} 2>/dev/null | {compression.command}'
    partial = done.with_suffix(".partial")

    def read() -> pathlib.Path:
        try:
            with open(partial, "wb") as file:
                code, stderr = _exec.stream(cluster, via, ["sh", "-c", script, "pull", remote], file.write, STALL_SECONDS)
        except OSError as error:
            raise _disk_full(partial, error) from error
        if code:
            raise ClusterError(f"Cluster {cluster.name}: reading {remote} in {via} failed ({code}): {stderr[:200]}")
        return partial.rename(done)

    return _patiently(read, f"range {number}")


def _patiently(do: t.Callable[[], T], what: str) -> T:
    """Do what may fail for a moment: a stream that breaks, a container that is killed and starts again with the file still there."""
    for attempt in range(ATTEMPTS):
        try:
            return do()
        except ClusterError as error:
            failure = error
        time.sleep(0.5 * 2 ** attempt)
    raise RunbookError(f"{failure.message} {ATTEMPTS} attempts at {what}.", "What has arrived is kept: run again with the same incident_id to continue.")


def _unpack(data: bytes, suffix: str) -> t.Iterator[bytes]:
    if suffix == ".zst":
        yield from zstandard.ZstdDecompressor().read_to_iter(data, write_size=1 << 20)
    elif suffix == ".gz":
        yield zlib.decompress(data, wbits=31)
    else:
        yield data


def _disk_full(path: pathlib.Path, error: OSError) -> RunbookError:
    what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
    return RunbookError(f"Cannot write {path} on the controller: {what}. What has arrived is kept.",
                        "Free space, or set runbooks_incidents_dir to a directory with room, and run again with the "
                        "same incident_id.")


def _shell(cluster: Cluster, via: Container, script: str, *words: str, timeout: float = 60.0) -> str:
    def ask() -> str:
        done = _exec.run(cluster, via, ["sh", "-c", script, "sh", *words], timeout)
        if done.code:
            failure = ClusterError if done.code == KILLED else RunbookError
            raise failure(f"Cluster {cluster.name}: {script!r} failed in {via} ({done.code}): {done.stderr[:200]}.")
        return done.text.strip()

    return _patiently(ask, "it")
