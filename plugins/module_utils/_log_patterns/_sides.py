# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which records are of before the incident, and which since."""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _times

#: places of a block at which the time is read
_PROBES = 32
#: lines without a time in a row, such as a stack's, behind which one is looked for
_LINES_WITHOUT_TIME = 50
#: seconds by which threads may overtake each other
_CLOCK_WENT_BACK = 60.0


class Sides:
    """Tells the records of blocks apart by their time.

    :param since: when the incident began, seconds since 1970; None counts everything as since then.
    :param baseline: seconds before it that are looked at.
    :param latest: no record is younger.
    :param first: earliest time seen, last: the latest.
    """

    def __init__(self, since: float | None, baseline: float, latest: float) -> None:
        self.since, self.baseline, self.latest = since, baseline, latest
        self.first: float | None = None
        self.last: float | None = None
        self.went_back = ""

    def split(self, block: bytes) -> t.Iterator[tuple[int, bytes]]:
        """The records of a block: 0 for those before the incident, 1 for those since; older ones are left out."""
        probes = self._probes(block)
        if self.since is None or not probes:
            yield 1, block
            return
        if self._ascending(probes):
            begin, middle = (self._offset(block, at, probes) for at in (self.since - self.baseline, self.since))
            parts = ((0, block[begin:middle]), (1, block[middle:]))
        else:
            parts = self._line_by_line(block)
        yield from ((side, part) for side, part in parts if part)

    def _probes(self, block: bytes) -> list[float]:
        """The times at places all over the block."""
        found = []
        for number in range(_PROBES + 1):
            start = block.rfind(b"\n", 0, max(0, (len(block) - 1) * number // _PROBES)) + 1
            at = self._next_moment(block, start)
            if at is not None:
                found.append(at)
        if found:
            self.first = min(found) if self.first is None else min(self.first, *found)
            self.last = max(found) if self.last is None else max(self.last, *found)
        return found

    def _next_moment(self, block: bytes, start: int) -> float | None:
        """The time of the line that begins there, or of one of the lines behind it."""
        for _line in range(_LINES_WITHOUT_TIME):
            at = _times.moment_at(block, start, self.latest)
            start = block.find(b"\n", start) + 1
            if at is not None or not start or start == len(block):
                return at
        return None

    def _ascending(self, probes: t.Sequence[float]) -> bool:
        for earlier, later in zip(probes, probes[1:], strict=False):
            if later < earlier - _CLOCK_WENT_BACK:
                self.went_back = self.went_back or f"the clock goes back from {_times.iso(earlier)} to {_times.iso(later)}"
                return False
        return True

    def _offset(self, block: bytes, at: float, probes: t.Sequence[float]) -> int:
        """Where the first line of that time or later begins."""
        if at <= probes[0]:
            return 0
        if at > max(probes):
            return len(block)

        def later(offset: int) -> bool:
            start = block.rfind(b"\n", 0, offset) + 1
            for _line in range(_LINES_WITHOUT_TIME):  # they belong to the one before
                found = _times.moment_at(block, start, self.latest)
                if found is not None or not start:
                    return found is not None and found >= at
                start = block.rfind(b"\n", 0, start - 1) + 1
            return False

        place = bisect.bisect_left(range(len(block)), True, key=later)
        return place if place >= len(block) else block.rfind(b"\n", 0, place) + 1

    def _line_by_line(self, block: bytes) -> tuple[tuple[int, bytes], ...]:
        parts: tuple[list[bytes], list[bytes]] = ([], [])
        side: int | None = 1
        since = t.cast(float, self.since)
        for line in block.splitlines(keepends=True):
            at = _times.moment_at(line, 0, self.latest)
            if at is not None:
                side = 1 if at >= since else 0 if at >= since - self.baseline else None
            if side is not None:
                parts[side].append(line)
        return (0, b"".join(parts[0])), (1, b"".join(parts[1]))
