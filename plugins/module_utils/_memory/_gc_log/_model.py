# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a garbage collection log tells: collections, safepoints, stalls, and what the JVM said of itself."""

from __future__ import annotations

import dataclasses
import datetime
import re

#: kinds of collections: FULL and CYCLE look at the whole heap, MIXED at its fullest old regions, YOUNG at the rest;
#: a PHASE is a pause inside a concurrent cycle
YOUNG, MIXED, FULL, CYCLE, MINOR_CYCLE, PHASE = "young", "mixed", "full", "cycle", "minor cycle", "phase"

#: why an evacuation or a promotion failed: no free memory, or native code that holds a region in place
NO_ROOM, PINNED = "no room", "pinned"

_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


_FLAG = re.compile(r"-XX:(?:([+-])(\w+)|(\w+)=(\S+))")


def has_any(line: str, words: tuple[str, ...]) -> bool:
    """Whether a line has one of the words; a loop, since it is asked of every line."""
    for word in words:
        if word in line:
            return True
    return False


def decimal(text: str) -> float:
    """A number as either half of the world writes it."""
    return float(text.replace(",", "."))


def size(text: str) -> int:
    """Bytes of such as ``14M`` or ``9216.0K``."""
    return int(decimal(text[:-1]) * _UNITS[text[-1]])


def flags(text: str) -> dict[str, str | bool]:
    """The flags of a command line: what is switched on or off, and what has a value."""
    return {plain or valued: value or sign == "+" for sign, plain, valued, value in _FLAG.findall(text)}


@dataclasses.dataclass
class Collection:
    """A garbage collection, or a pause of one.

    :param number: the JVM's own, -1 where the log has none.
    :param at: when it ended, seconds on the log's axis; None where lines have no time.
    :param life: which JVM of the log, 0, 1, …: a restart begins a new one.
    :param pause: seconds that the application stood still.
    :param before: bytes of the heap in use, None where the line does not say; likewise ``after`` and ``capacity``.
    :param promoted: bytes by which the old generation grew, None where unknown.
    :param live: bytes found alive, where the collector says so.
    :param failed: why survivors stayed where they were, NO_ROOM or PINNED; empty where they did not.
    :param late: a concurrent collector had to finish in a stop what it had begun beside the application.
    :param cpu: seconds of processor that its threads got, None where the log does not say; ``real`` are those of the clock meanwhile.
    """

    number: int
    at: float | None
    life: int
    kind: str
    name: str
    cause: str
    pause: float
    before: int | None = None
    after: int | None = None
    capacity: int | None = None
    promoted: int | None = None
    live: int | None = None
    failed: str = ""
    late: bool = False
    cpu: float | None = None
    real: float | None = None


@dataclasses.dataclass(frozen=True)
class Stop:
    """All threads stopped for an operation of the JVM (a safepoint), or one thread waiting for memory (a stall).

    :param seconds: in all.
    :param reaching: seconds of them until the last thread had stopped.
    :param collecting: seconds of them that collections took.
    """

    at: float | None
    reason: str
    seconds: float
    reaching: float = 0.0
    collecting: float = 0.0


@dataclasses.dataclass
class GcLog:
    """A log that was read.

    :param collector: as the JVM names it; empty where the log does not.
    :param heap_max: bytes, 0 where the log does not say.
    :param old_format: lines are those of JDK 8 and older.
    :param flags: of the command line, by name, as the header has them.
    :param lines: of the file, of which ``understood`` were about collections.
    :param unread: collections and pauses that are there and could not be read.
    :param begins: time of the first line understood, ISO 8601; empty where lines have no date.
    """

    collector: str = ""
    version: str = ""
    heap_max: int = 0
    old_format: bool = False
    flags: dict[str, str | bool] = dataclasses.field(default_factory=dict)
    lines: int = 0
    understood: int = 0
    unread: int = 0
    begins: str = ""
    ends: str = ""
    collections: list[Collection] = dataclasses.field(default_factory=list)
    safepoints: list[Stop] = dataclasses.field(default_factory=list)
    stalls: list[Stop] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


class Clock:
    """One axis of seconds from uptime and wall time, which never goes back.

    Uptime is steady, so it wins; a wall clock that is set back does not move the axis back. An uptime that is
    smaller than before is a JVM that has restarted.
    """

    JUMP = 5.0

    def __init__(self) -> None:
        self.life = 0
        self.jumps = 0
        self.at: float | None = None
        self._uptime: float | None = None
        self._wall: datetime.datetime | None = None

    def tick(self, uptime: float | None, wall: datetime.datetime | None) -> float | None:
        """The moment of a line, None while no line had a time."""
        gone = self._gone(wall)
        if uptime is not None:
            self._by_uptime(uptime, gone)
        elif wall is not None:
            self.jumps += gone < -1.0
            self.at = (self.at or 0.0) + max(0.0, gone)
        return self.at

    def restarted(self) -> None:
        """The log says that a JVM begins."""
        if self._uptime is None:
            self.life += 1

    def _by_uptime(self, uptime: float, gone: float) -> None:
        if self.at is None or self._uptime is None:
            self.at = uptime
        elif uptime < self._uptime - 1.0:
            self.life += 1
            self.at += max(0.0, gone)
        else:
            step = uptime - self._uptime
            self.jumps += bool(gone) and abs(gone - step) > self.JUMP
            self.at += max(0.0, step)
        self._uptime = uptime

    def _gone(self, wall: datetime.datetime | None) -> float:
        """Seconds since the wall time before, 0 where either is missing."""
        if wall is None:
            return 0.0
        before, self._wall = self._wall, wall
        return (wall - before).total_seconds() if before is not None else 0.0


def moment(text: str) -> datetime.datetime | None:
    """A time with its zone (UTC where it names none) from ISO 8601, None for anything else."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)
