# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections taken and given back, as the application's log tells it: who kept one, for how long, where in the code."""

from __future__ import annotations

import dataclasses
import datetime
import re
import statistics
import typing as t

Json = t.Dict[str, t.Any]

#: lines that take and give back a connection; named groups conn, at (code location) and held (milliseconds), the last two optional
ACQUIRE = r"acquire conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?"
RELEASE = r"release conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: held_ms=(?P<held>\d+))?"
TIMEOUT = r"connection timeout(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?"

#: held times kept per location: enough for a quantile, bounded however long the log is
SAMPLES = 5000


@dataclasses.dataclass(frozen=True)
class Patterns:
    """What lines look like."""

    acquire: t.Pattern[str]
    release: t.Pattern[str]
    timeout: t.Pattern[str]

    @classmethod
    def parse(cls, acquire: str, release: str, timeout: str) -> "Patterns":
        """From regular expressions."""
        return cls(re.compile(acquire), re.compile(release), re.compile(timeout))


@dataclasses.dataclass
class Location:
    """What a place in the code did with connections.

    :param held: milliseconds of up to SAMPLES uses.
    :param open: connections not given back at the end of the log.
    :param longest: milliseconds of the longest use that ended.
    """

    acquired: int = 0
    released: int = 0
    timeouts: int = 0
    open: int = 0
    longest: float = 0.0
    held: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Holding:
    """A connection that was taken and not given back yet."""

    pod: str
    conn: str
    req: str
    at: str
    since: datetime.datetime


class Analysis:
    """Pairs what is taken and given back, line by line; only what is open is kept."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._open: dict[tuple[str, str], Holding] = {}
        self._end: datetime.datetime | None = None
        self.locations: dict[str, Location] = {}
        self.lines = 0

    def read(self, pod: str, lines: t.Iterable[str]) -> None:
        """One replica's log, each line with its time (ISO 8601) in front."""
        for line in lines:
            self.lines += 1
            if match := self._patterns.acquire.search(line):
                self._acquired(pod, line, match)
            elif match := self._patterns.release.search(line):
                self._released(pod, line, match)
            elif match := self._patterns.timeout.search(line):
                self._location(match).timeouts += 1

    def findings(self, older_than: float) -> Json:
        """What the log says.

        Keys: lines, acquired, released, timeouts; leaks: never given back for longer than ``older_than`` seconds, per
        location (at, count, oldest_seconds, pods, requests); locations: at, acquired, released, open, timeouts, median_ms,
        p95_ms, longest_ms, the busiest first by the time that connections were held.
        """
        old = [holding for holding in self._open.values() if self._age(holding) >= older_than]
        for holding in self._open.values():
            self.locations.setdefault(holding.at, Location()).open += 1
        rows = [_row(at, location) for at, location in self.locations.items()]
        return {"lines": self.lines, "acquired": sum(row["acquired"] for row in rows),
                "released": sum(row["released"] for row in rows), "timeouts": sum(row["timeouts"] for row in rows),
                "leaks": self._leaks(old), "locations": sorted(rows, key=lambda row: -(row["p95_ms"] or 0) * row["acquired"])}

    def _acquired(self, pod: str, line: str, match: t.Match[str]) -> None:
        at = _group(match, "at") or "?"
        self.locations.setdefault(at, Location()).acquired += 1
        self._open[pod, match["conn"]] = Holding(pod, match["conn"], _group(match, "req"), at, self._time(line))

    def _released(self, pod: str, line: str, match: t.Match[str]) -> None:
        moment = self._time(line)
        holding = self._open.pop((pod, match["conn"]), None)
        if holding is None:  # taken before the log begins
            return
        held = _group(match, "held")
        milliseconds = float(held) if held else (moment - holding.since).total_seconds() * 1000
        location = self.locations[holding.at]
        location.released += 1
        location.longest = max(location.longest, milliseconds)
        if len(location.held) < SAMPLES:
            location.held.append(milliseconds)

    def _location(self, match: t.Match[str]) -> Location:
        return self.locations.setdefault(_group(match, "at") or "?", Location())

    def _time(self, line: str) -> datetime.datetime:
        moment = datetime.datetime.fromisoformat(line[:19])
        self._end = moment if self._end is None else max(self._end, moment)
        return moment

    def _age(self, holding: Holding) -> float:
        return (self._end - holding.since).total_seconds() if self._end else 0.0

    def _leaks(self, old: t.Sequence[Holding]) -> list[Json]:
        by_location: dict[str, list[Holding]] = {}
        for holding in old:
            by_location.setdefault(holding.at, []).append(holding)
        rows = [{"at": at, "count": len(holdings), "oldest_seconds": max(map(self._age, holdings)),
                 "pods": sorted({holding.pod for holding in holdings}),
                 "requests": [holding.req for holding in holdings[:5]]} for at, holdings in by_location.items()]
        return sorted(rows, key=lambda row: -row["count"])


def _row(at: str, location: Location) -> Json:
    held = sorted(location.held)
    return {"at": at, "acquired": location.acquired, "released": location.released, "open": location.open,
            "timeouts": location.timeouts, "median_ms": statistics.median(held) if held else None,
            "p95_ms": held[int(len(held) * 0.95)] if held else None, "longest_ms": location.longest or None}


def _group(match: t.Match[str], name: str) -> str:
    return match.groupdict().get(name) or ""
