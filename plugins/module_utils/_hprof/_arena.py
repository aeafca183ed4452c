# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large arrays: in memory, or in nameless files of a scratch directory where memory is short, so that the system can page them."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._compiled import np

_SMALL = 1 << 20
_MMAP_THRESHOLD = -3


class Arena:
    """Gives arrays.

    :param on_disk: put them in files; the system writes out what does not fit, and nothing is killed for want of memory.
    """

    def __init__(self, scratch: str | None, on_disk: bool) -> None:
        self.scratch, self.on_disk = scratch, on_disk

    def empty(self, count: int, kind: t.Any) -> t.Any:
        """An array whose content is undefined."""
        size = count * np.dtype(kind).itemsize
        if not self.on_disk or size < _SMALL:
            return np.empty(count, kind)
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            file.truncate(size)
            return np.frombuffer(mmap.mmap(file.fileno(), size), kind)

    def zeros(self, count: int, kind: t.Any) -> t.Any:
        """An array of zeros."""
        array = self.empty(count, kind)
        array[:] = 0
        return array


def give_back_what_is_freed() -> None:
    """Let the C library return large arrays to the system at once: glibc keeps tens of megabytes of the ones it has seen before."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _SMALL)


def available_memory() -> int:
    """Bytes that this process may still take: of the machine, and of its control group."""
    facts = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text("ascii").splitlines())
    free = int(facts["MemAvailable"].split()[0]) << 10
    return min([free, *_left_in_groups()])


def _left_in_groups() -> t.Iterator[int]:
    """What this process's control group and those above it leave, of version 1 and 2; what the cache holds can be had back."""
    for line in pathlib.Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, limit, used = (("memory", "memory.limit_in_bytes", "memory.usage_in_bytes") if controllers
                            else ("", "memory.max", "memory.current"))
        root = pathlib.Path("/sys/fs/cgroup", top)
        group = root / path.lstrip("/")
        for place in (group, *group.parents):
            try:
                facts = dict(entry.split() for entry in (place / "memory.stat").read_text("ascii").splitlines())
                cache = sum(int(facts.get(f"total_{kind}_file", facts.get(f"{kind}_file", 0))) for kind in ("active", "inactive"))
                yield int((place / limit).read_text("ascii")) - int((place / used).read_text("ascii")) + cache
            except (OSError, ValueError):  # no limit, or a container that does not see its group's path but its group as the top
                pass
            if place == root:
                break
