# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory may be taken, and pages of it made ready while the compiler is imported. Imports nothing that takes time.

The host of a virtual machine has to find each page that its guest has not used lately, which takes most of a second a gigabyte; one that was
given back a moment ago is there at once. Importing the compiler takes as long, keeps one processor busy, and needs hardly any memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pathlib
import threading
import typing as t

_MOST = 1 << 30


def make_ready(path: str) -> None:
    """Take as much as the analysis of that file may need, and give it back, in a thread of its own."""
    try:
        size = min(os.stat(path).st_size, _MOST, available_memory() // 2)
    except OSError:  # whoever reads the file says so
        return
    if size > 0:
        threading.Thread(target=_take, args=(size,), daemon=True).start()


def _take(size: int) -> None:
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        region.madvise(mmap.MADV_HUGEPAGE)
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(region)), 0, size)  # lets other threads run


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
