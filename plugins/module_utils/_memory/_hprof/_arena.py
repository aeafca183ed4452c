# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large arrays: in memory, or in nameless files of a scratch directory where memory is short, so that the system can page them."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np

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
