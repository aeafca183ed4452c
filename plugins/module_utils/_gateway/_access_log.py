# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's access log, read line by line: who sends what, how it is answered, and what is sent again.

Memory is bounded whatever the log holds: rare clients are counted together, routes are patterns, times are buckets, and
request ids are a sample that is chosen by their hash, so that all requests of a chosen id are in it, on every replica.
"""

from __future__ import annotations

import bisect
import collections
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import interpolate
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._log_formats import UPSTREAM, Entry, looks_like_a_request

Json = t.Dict[str, t.Any]

BUCKET_SECONDS = 5
#: Milliseconds, a quarter more each time: 1 ms to two minutes.
BOUNDS = tuple(1.25 ** step for step in range(54)) + (float("inf"),)
OTHERS = "(others)"
#: share of the lines that seem to be requests and cannot be read from which nothing is said of the share of errors
UNREAD = 0.05


class Times:
    """A histogram of durations."""

    def __init__(self) -> None:
        self._counts = [0] * len(BOUNDS)
        self.total = 0.0

    def add(self, ms: float) -> None:
        """One more."""
        self.total += ms
        self._counts[bisect.bisect_left(BOUNDS, ms)] += 1

    def quantile(self, q: float) -> float | None:
        """In milliseconds, within a quarter; None without any."""
        cumulative, below = {}, 0
        for bound, count in zip(BOUNDS, self._counts, strict=True):
            below += count
            cumulative[bound] = float(below)
        found = interpolate(cumulative, q)
        return None if found is None else round(found, 1)


class Frequent:
    """The most frequent keys of a stream; rare ones are counted together."""

    def __init__(self, limit: int = 1000) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._limit = limit

    def add(self, key: str) -> None:
        """One more."""
        self.counts[key] += 1
        if len(self.counts) > 2 * self._limit:
            kept = dict(self.counts.most_common(self._limit))
            kept[OTHERS] = self.counts.total() - sum(kept.values()) + kept.get(OTHERS, 0)
            self.counts = collections.Counter(kept)


class Repeats:
    """How often each distinct request is made, from all requests of a sample of their ids."""

    def __init__(self, limit: int = 20000) -> None:
        self._limit = limit
        self._mask = 0
        self._made: dict[tuple[str, str], tuple[int, str]] = {}

    def add(self, entry: Entry) -> None:
        """One more request; without an id it cannot be told from others."""
        if not entry.request_id or entry.request_id == "-" or zlib.crc32(entry.request_id.encode()) & self._mask:
            return
        key = (entry.request_id, entry.route)
        self._made[key] = (self._made.get(key, (0, ""))[0] + 1, entry.client)
        while len(self._made) > self._limit:
            self._mask = self._mask * 2 + 1
            self._made = {key: made for key, made in self._made.items() if not zlib.crc32(key[0].encode()) & self._mask}

    def summary(self) -> Json | None:
        """distinct and requests (of the sample), share of repeats, per_request, most, and clients; None without ids."""
        if not self._made:
            return None
        clients: dict[str, list[int]] = {}
        for made, client in self._made.values():
            of_client = clients.setdefault(client, [0, 0])
            of_client[0] += made
            of_client[1] += 1
        rows = [{"client": client, **_repeats(made, distinct)} for client, (made, distinct) in clients.items()]
        return {**_repeats(sum(made for made, _client in self._made.values()), len(self._made)),
                "most": max(made for made, _client in self._made.values()),
                "clients": sorted(rows, key=lambda row: row["distinct"] - row["requests"])[:10]}


class Group:
    """What is known of one route or upstream."""

    def __init__(self) -> None:
        self.statuses: collections.Counter[int] = collections.Counter()
        self.refused: collections.Counter[str] = collections.Counter()
        self.ended_by: collections.Counter[str] = collections.Counter()
        self.flags: collections.Counter[str] = collections.Counter()
        self.times, self.upstream_times = Times(), Times()
        self.tried_again = self._errors = 0

    def add(self, entry: Entry) -> None:
        """One more request."""
        self.statuses[entry.status] += 1
        if entry.refused:
            self.refused[entry.refused] += 1
        elif entry.status >= 500:
            self._errors += 1
        if entry.ended_by:
            self.ended_by[entry.ended_by] += 1
        if entry.flags and (entry.flags in self.flags or len(self.flags) < 100):
            self.flags[entry.flags] += 1
        if entry.attempts is not None and entry.attempts > 1:
            self.tried_again += 1
        if entry.ms is not None:
            self.times.add(entry.ms)
        if entry.upstream_ms is not None:
            self.upstream_times.add(entry.upstream_ms)

    def summary(self) -> Json:
        """requests, errors (5xx that were not meant), statuses, who ended those that failed, and percentiles in milliseconds."""
        requests = self.statuses.total()
        return {"requests": requests, "errors": self._errors, "error_share": self._errors / requests if requests else 0.0,
                "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
                "ended_by": dict(self.ended_by), "tried_again": self.tried_again,
                "p50_ms": self.times.quantile(0.5), "p95_ms": self.times.quantile(0.95),
                "upstream_p50_ms": self.upstream_times.quantile(0.5), "upstream_p95_ms": self.upstream_times.quantile(0.95)}


class Traffic:
    """The recent requests in detail, and how many there were before."""

    def __init__(self, recent_from: float, until: float, groups: int = 200) -> None:
        """Prepare.

        :param recent_from: Unix time from which requests count as recent.
        :param until: Unix time of the last ones that count.
        :param groups: routes and upstreams to tell apart.
        """
        self._recent_from, self._until, self._groups = recent_from, until, groups
        self._clients, self._earlier_clients, self._earlier_routes, self._repeats = Frequent(), Frequent(), Frequent(), Repeats()
        self._routes: dict[str, Group] = {}
        self._upstreams: dict[str, Group] = {}
        self._earlier: collections.Counter[int] = collections.Counter()
        self._all = Group()
        self.earliest: float | None = None
        self._gateway_ms = self._upstream_ms = 0.0
        self._unknown = self._unread = 0

    def add(self, entry: Entry) -> None:
        """One more request."""
        if entry.at > self._until:
            return
        self.earliest = entry.at if self.earliest is None else min(self.earliest, entry.at)
        if entry.at < self._recent_from:
            self._earlier[int((self._recent_from - entry.at) // BUCKET_SECONDS)] += 1
            self._earlier_clients.add(entry.client)
            self._earlier_routes.add(entry.route)
            return
        self._clients.add(entry.client)
        self._repeats.add(entry)
        for group in (self._all, self._group(self._routes, entry.route)):
            group.add(entry)
        if entry.upstream and (entry.upstream_ms is not None or entry.ended_by == UPSTREAM):
            self._group(self._upstreams, entry.upstream).add(entry)
        if entry.upstream_ms is not None:
            self._upstream_ms += entry.upstream_ms
            if entry.ms is not None:
                self._gateway_ms += max(0.0, entry.ms - entry.upstream_ms)

    def skip(self, line: str) -> None:
        """One more line that no format fits."""
        self._unknown += 1
        self._unread += looks_like_a_request(line)

    def summary(self) -> Json:
        """What the log says, as ``gateway_traffic_info`` returns it."""
        seconds = self._until - max(self._recent_from, self.earliest or self._recent_from)
        every, spent = self._all.summary(), self._upstream_ms + self._gateway_ms
        found = {
            "seconds": round(seconds, 1), "per_second": round(every["requests"] / seconds, 1) if seconds > 0 else 0.0,
            "usual_per_second": self._usual(), "refused": dict(self._all.refused), "flags": dict(self._all.flags.most_common(20)), **every,
            "upstream_time_share": self._upstream_ms / spent if self._upstream_ms else None,
            "clients": self._client_rows(seconds), "repeats": self._repeats.summary(),
            "routes": self._with_rates(_rows("route", self._routes), seconds), "upstreams": _rows("upstream", self._upstreams),
            "unknown_lines": self._unknown, "unread_requests": self._unread, "withheld": self._withheld()}
        return {**found, "error_share": None} if found["withheld"] else found

    def _withheld(self) -> str:
        """Why nothing is said of the share of errors, empty where it is."""
        read = self._all.statuses.total() + sum(self._earlier.values())
        if self._unread > UNREAD * (read + self._unread):
            return (f"{self._unread} of {read + self._unread} requests are in no known format, so the share of errors is not known: name the format with "
                    "regex or fields")
        without = self._all.statuses[0]
        if without > UNREAD * self._all.statuses.total() and without > sum(self._all.ended_by.values()):
            return f"{without} of {self._all.statuses.total()} requests have no status that can be read, so the share of errors is not known"
        return ""

    def _group(self, groups: dict[str, Group], key: str) -> Group:
        if key not in groups:
            key = key if len(groups) < self._groups else OTHERS
            groups.setdefault(key, Group())
        return groups[key]

    def _earlier_seconds(self) -> float:
        return self._recent_from - self.earliest if self.earliest is not None and self.earliest < self._recent_from else 0.0

    def _usual(self) -> float | None:
        """The rate that a third of the time before stayed under: the incident may have begun before the recent part."""
        whole = int(self._earlier_seconds() // BUCKET_SECONDS)
        rates = sorted(self._earlier[bucket] / BUCKET_SECONDS for bucket in range(whole))
        return rates[whole // 3] if whole >= 3 else None

    def _with_rates(self, rows: list[Json], seconds: float) -> list[Json]:
        """Routes with their share of the requests, per_second and before_per_second, None where the log does not tell of before."""
        total, before = self._all.statuses.total(), self._earlier_seconds()
        return [{**row, "share": row["requests"] / total if total else 0.0,
                 "per_second": round(row["requests"] / seconds, 1) if seconds > 0 else 0.0,
                 "before_per_second": round(self._earlier_routes.counts[row["route"]] / before, 1) if before else None} for row in rows]

    def _client_rows(self, seconds: float) -> list[Json]:
        total, before = self._clients.counts.total(), self._earlier_seconds()
        return [{"client": client, "requests": count, "share": count / total,
                 "per_second": round(count / seconds, 1) if seconds > 0 else 0.0,
                 "before_per_second": round(self._earlier_clients.counts[client] / before, 1) if before else None}
                for client, count in self._clients.counts.most_common(10)]


def _repeats(made: int, distinct: int) -> Json:
    return {"requests": made, "distinct": distinct, "share": 1 - distinct / made, "per_request": round(made / distinct, 2)}


def _rows(name: str, groups: t.Mapping[str, Group]) -> list[Json]:
    rows = [{name: key, **group.summary()} for key, group in groups.items()]
    return sorted(rows, key=lambda row: -row["requests"])[:20]
