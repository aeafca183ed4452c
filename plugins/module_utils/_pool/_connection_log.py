# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections taken and given back, as the application's log tells it: who kept one, for how long, where in the code.

What pools report in words of their own is read by ``_faults``.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import functools
import itertools
import re
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._needles import Needles
from ansible_collections.sre.runbooks.plugins.module_utils._pool._dialects import EXHAUSTED
from ansible_collections.sre.runbooks.plugins.module_utils._pool._faults import HINTS, Faults

Json = t.Dict[str, t.Any]

#: lines that take and give back a connection; named groups conn, req, at (code location), held (milliseconds) and query, all but
#: the first optional
ACQUIRE = r"acquire conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?(?: query=(?P<query>.+))?"
RELEASE = r"release conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: held_ms=(?P<held>\d+))?(?: query=(?P<query>.+))?"
TIMEOUT = r"connection timeout(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?"

#: held times kept per location: enough for a quantile, bounded however long the log is
SAMPLES = 5000
#: the longest uses that are kept
LONGEST = 10
#: distinct queries that are counted, and what in a query is no part of its shape
MOST_QUERIES = 1000
_LITERAL = re.compile(r"'[^']*'|\b\d+(?:\.\d+)?\b")
#: a date and time as most applications and the kubelet write it
_TIME = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?")
#: the same as a number of seconds or milliseconds since 1970, which JSON loggers write
_EPOCH = re.compile(r'"(?:ts|time|timestamp|timeMillis|@timestamp)": ?"?(\d{10}(?:\.\d{1,9})?|\d{13})\b')
#: what a line that has a time begins with
_TIMED = frozenset("0123456789{[")
#: lines that are looked through at once
_BLOCK = 256
#: with what a pattern begins that only lines with that text can fit, unless it has alternatives or flags; quantifiers belong to what is before them
_LITERAL_HEAD = re.compile(r"(?!.*[|]|.*\(\?[a-zA-Z]+[:)-])[\w =:,/@#%&<>~'\"!;-]{3,}(?![?*{])", re.DOTALL)


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

    @functools.cached_property
    def needles(self) -> Needles | None:
        """What tells the lines that may fit one of the patterns; None where any line may."""
        heads = [_LITERAL_HEAD.match(pattern.pattern) for pattern in (self.acquire, self.release, self.timeout)]
        return Needles([head[0] for head in heads if head]) if all(heads) else None


@dataclasses.dataclass
class Location:
    """What a place in the code did with connections.

    :param held: milliseconds of up to SAMPLES uses.
    :param longest: milliseconds of the longest use that ended.
    """

    acquired: int = 0
    released: int = 0
    timeouts: int = 0
    longest: float = 0.0
    held: list[float] = dataclasses.field(default_factory=list)

    def ended(self, milliseconds: float) -> None:
        """A use is over."""
        self.released += 1
        self.longest = max(self.longest, milliseconds)
        if len(self.held) < SAMPLES:
            self.held.append(milliseconds)


@dataclasses.dataclass
class Holding:
    """A connection that was taken and not given back yet."""

    pod: str
    conn: str
    req: str
    at: str
    since: datetime.datetime | None
    query: str = ""


class Analysis:
    """Pairs what is taken and given back, line by line; only what is open is kept, and what stands out."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._takes: tuple[tuple[t.Pattern[str], t.Callable[[str, str, t.Any], None]], ...] = (
            (patterns.acquire, self._acquired), (patterns.release, self._released), (patterns.timeout, self._timed_out))
        self._open: dict[tuple[str, str], Holding] = {}
        self._end: datetime.datetime | None = None
        self._log_end: datetime.datetime | None = None
        self._faults = Faults(self._time)
        self._requests: dict[tuple[str, str], list[Holding]] = {}
        self._count: collections.Counter[str] = collections.Counter()
        self.locations: dict[str, Location] = {}
        self.queries: dict[str, Location] = {}
        self.longest: list[Json] = []
        self.peaks: dict[str, Json] = {}
        self.nested: collections.Counter[tuple[str, str]] = collections.Counter()
        self.unmatched = self.twice = 0
        self.lines = 0

    def read(self, pod: str, lines: t.Iterable[str]) -> None:
        """One replica's log; its lines have a date and time somewhere, as the kubelet or the application writes it."""
        last = ""
        rest = iter(lines)
        while block := list(itertools.islice(rest, _BLOCK)):
            self.lines += len(block)
            last = next((line for line in reversed(block) if line[:1] in _TIMED), last)
            self._read(pod, block)
        self._faults.close()
        ended = self._moment(last)
        if ended is not None:
            self._log_end = ended if self._log_end is None else max(self._log_end, ended)

    def _read(self, pod: str, block: t.Sequence[str]) -> None:
        """Lines in order, of which most hold nothing that is looked for."""
        hinted = set(_hints().lines(block))
        needles = self._patterns.needles
        likely = set(needles.lines(block)) if needles else set(range(len(block)))
        done = 0
        for number in sorted(hinted | likely):
            line = block[number]
            match, take = next(((match, take) for pattern, take in self._takes if (match := pattern.search(line))), (None, None)) if number in likely else (
                None, None)
            if match is None and number not in hinted:
                continue
            if done < number:
                self._faults.pass_over(pod, block[done:number])
            done = number + 1
            if take:
                take(pod, line, match)
            else:
                self._faults.read(pod, line, hinted=True)
        self._faults.pass_over(pod, block[done:])

    def findings(self, older_than: float, now: datetime.datetime | None = None) -> Json:
        """What the log says.

        Keys: lines, acquired, released, timeouts; leaks: never given back for longer than ``older_than`` seconds, per
        location (at, count, oldest_seconds, since, pods, requests); locations: at, acquired, released, open, timeouts, median_ms,
        p95_ms, longest_ms, the busiest first by the time that connections were held; queries: the same for each query (as at),
        where the log names them; longest: single uses (at, conn, req, pod, query, ms, open); peaks: for each pod the most that
        were open at once, and when; nested: requests that took a second connection while they held one (outer, inner,
        count); missed: what the pool itself reported as leaked and did not get back (at, count, first, last, current); pools: what pools
        and databases said in their own words (dialect, pool, kind, count, first, last, current, waited_ms, size, active, idle, waiting,
        full, pods, places), where kind is exhausted, refused, unreachable, dead, stalled or full, and what a pool did not say is None;
        unmatched: given back but not taken in this log; twice: taken again without having been given back.

        :param now: until when the log tells, as UTC without a zone; by default until its last line.
        """
        old = [holding for holding in self._open.values() if self._age(holding) >= older_than]
        still = collections.Counter(holding.at for holding in self._open.values())
        faults = self._faults.findings(now or self._log_end)
        waited: collections.Counter[str] = collections.Counter()
        for row in faults["pools"]:
            if row["kind"] == EXHAUSTED:
                waited.update({place["at"]: place["count"] for place in row["places"]})
        places = {**{at: Location() for at in waited}, **self.locations}
        rows = [_row(at, location, still[at], waited[at]) for at, location in places.items()]
        queries = [_row(query, location, 0) for query, location in self.queries.items()]
        return {"lines": self.lines, "acquired": sum(row["acquired"] for row in rows),
                "released": sum(row["released"] for row in rows), "timeouts": sum(row["timeouts"] for row in rows),
                "leaks": self._leaks(old), "locations": sorted(rows, key=_busy), "queries": sorted(queries, key=_busy),
                "longest": self._longest(), "peaks": [{"pod": pod, **peak} for pod, peak in sorted(self.peaks.items())],
                "nested": [{"outer": outer, "inner": inner, "count": count} for (outer, inner), count in self.nested.most_common()],
                **faults, "unmatched": self.unmatched, "twice": self.twice}

    def _acquired(self, pod: str, line: str, match: t.Match[str]) -> None:
        at, req, query = _group(match, "at") or "?", _group(match, "req"), _group(match, "query")
        self.locations.setdefault(at, Location()).acquired += 1
        if before := self._open.get((pod, match["conn"])):
            self.twice += 1
            self._forget(before)
        holding = Holding(pod, match["conn"], req, at, self._time(line), query)
        if req:
            others = self._requests.setdefault((pod, req), [])
            self.nested.update((other.at, at) for other in others)
            others.append(holding)
        self._open[pod, match["conn"]] = holding
        self._count[pod] += 1
        if self._count[pod] > self.peaks.get(pod, {"open": 0})["open"]:
            self.peaks[pod] = {"open": self._count[pod], "at": holding.since.isoformat() if holding.since else ""}

    def _forget(self, holding: Holding) -> None:
        """It is not open any more."""
        del self._open[holding.pod, holding.conn]
        self._count[holding.pod] -= 1
        if holding.req:
            self._requests[holding.pod, holding.req].remove(holding)
            if not self._requests[holding.pod, holding.req]:
                del self._requests[holding.pod, holding.req]

    def _released(self, pod: str, line: str, match: t.Match[str]) -> None:
        moment = self._time(line)
        holding = self._open.get((pod, match["conn"]))
        if holding is None:  # taken before the log begins
            self.unmatched += 1
            return
        self._forget(holding)
        held = _group(match, "held")
        milliseconds = float(held) if held else _seconds(holding.since, moment) * 1000
        query = _LITERAL.sub("?", _group(match, "query") or holding.query)
        self.locations[holding.at].ended(milliseconds)
        if query and (query in self.queries or len(self.queries) < MOST_QUERIES):
            shape = self.queries.setdefault(query, Location())
            shape.acquired += 1
            shape.ended(milliseconds)
        self._note_long({"at": holding.at, "conn": holding.conn, "req": holding.req, "pod": pod, "query": query,
                         "ms": milliseconds, "open": False})

    def _note_long(self, use: Json) -> None:
        if len(self.longest) < LONGEST or use["ms"] > self.longest[-1]["ms"]:
            self.longest = sorted([*self.longest, use], key=lambda row: -row["ms"])[:LONGEST]

    def _longest(self) -> list[Json]:
        """The longest uses, those that are not over among them."""
        kept = [{"at": holding.at, "conn": holding.conn, "req": holding.req, "pod": holding.pod, "query": holding.query,
                 "ms": self._age(holding) * 1000, "open": True} for holding in self._open.values()]
        return sorted([*self.longest, *kept], key=lambda row: -row["ms"])[:LONGEST]

    def _timed_out(self, pod: str, line: str, match: t.Match[str]) -> None:
        self.locations.setdefault(_group(match, "at") or "?", Location()).timeouts += 1

    def _time(self, line: str) -> datetime.datetime | None:
        """The line's time; that of the line before where it has none."""
        moment = self._moment(line)
        if moment is None:
            return self._end
        self._end = moment if self._end is None else max(self._end, moment)
        return moment

    @staticmethod
    def _moment(line: str) -> datetime.datetime | None:
        found = _TIME.search(line)
        try:
            if found is not None:
                year, month, day, clock, fraction = found.groups()
                return datetime.datetime.fromisoformat(f"{year}-{month}-{day}T{clock}.{(fraction or '0').ljust(6, '0')}")
            if epoch := _EPOCH.search(line):
                seconds = float(epoch[1]) / (1000 if len(epoch[1]) == 13 and "." not in epoch[1] else 1)
                return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).replace(tzinfo=None)
        except ValueError:  # digits that are no date
            pass
        return None

    def _age(self, holding: Holding) -> float:
        return _seconds(holding.since, self._end)

    def _leaks(self, old: t.Sequence[Holding]) -> list[Json]:
        by_location: dict[str, list[Holding]] = {}
        for holding in old:
            by_location.setdefault(holding.at, []).append(holding)
        rows = [{"at": at, "count": len(holdings), "oldest_seconds": max(map(self._age, holdings)),
                 "since": min((holding.since.isoformat() for holding in holdings if holding.since), default=""),
                 "pods": sorted({holding.pod for holding in holdings}),
                 "requests": [holding.req for holding in holdings[:5]]} for at, holdings in by_location.items()]
        return sorted(rows, key=lambda row: -row["count"])


def _row(at: str, location: Location, still_open: int, waited: int = 0) -> Json:
    held = sorted(location.held)
    return {"at": at, "acquired": location.acquired, "released": location.released, "open": still_open,
            "timeouts": location.timeouts + waited, "median_ms": statistics.median(held) if held else None,
            "p95_ms": held[int(len(held) * 0.95)] if held else None, "longest_ms": location.longest or None}


def _busy(row: Json) -> float:
    """Sorts the busiest first: by about how long connections were held in all."""
    return -(row["p95_ms"] or 0) * row["acquired"]


def _seconds(begin: datetime.datetime | None, end: datetime.datetime | None) -> float:
    return (end - begin).total_seconds() if begin and end else 0.0


@functools.cache
def _hints() -> Needles:
    return Needles(HINTS)


def _group(match: t.Match[str], name: str) -> str:
    return match.groupdict().get(name) or ""
