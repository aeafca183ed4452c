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
import dataclasses
import datetime
import json
import re
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import interpolate

Json = t.Dict[str, t.Any]

#: Named groups: client, route, status, request_id, ms or seconds, upstream, upstream_ms or upstream_seconds, and
#: refused, which matches only where the gateway refused on purpose (rate limit, shedding, open circuit).
PRESETS: dict[str, str] = {
    "shop": (
        r"INFO access client=(?P<client>\S+) route=(?P<route>\S+) req=(?P<request_id>\S*) status=(?P<status>\d+) "
        r"ms=(?P<ms>[\d.]+)(?: upstream=(?P<upstream>\S+) upstream_ms=(?P<upstream_ms>\S+) "
        r"refused=(?:(?P<refused>shed|rate_limit|circuit)|\S+))?"),
    # The combined format, and what ingress-nginx adds to it.
    "nginx": (
        r'^(?P<client>\S+) \S+ \S+ \[[^\]]+\] "\S+ (?P<route>\S+)[^"]*" (?P<status>\d+) \d+ "[^"]*" "[^"]*"'
        r"(?: \d+ (?P<seconds>[\d.]+) \[(?P<upstream>[^\]]*)\] \[[^\]]*\] .* (?P<upstream_seconds>[\d.]+|-) \S+ "
        r"(?P<request_id>\S+))?"),
    # Envoy's default format, and Istio's, which has three fields more.
    "envoy": (
        r'^\[[^\]]+\] "\S+ (?P<route>\S+) [^"]*" (?P<status>\d+) (?:(?P<refused>RL|UO)|\S+)(?: \S+ \S+ "[^"]*")? '
        r'\d+ \d+ (?P<ms>\d+) (?P<upstream_ms>\d+|-) "(?P<client>[^"]*)" "[^"]*" "(?P<request_id>[^"]*)" "[^"]*" '
        r'"(?P<upstream>[^"]*)"'),
}
#: group -> the keys of a JSON log to try
JSON_FIELDS: dict[str, tuple[str, ...]] = {
    "client": ("client", "x_forwarded_for", "remote_addr", "downstream_remote_address"),
    "route": ("route", "path", "uri", "request_uri"), "status": ("status", "response_code"),
    "request_id": ("request_id", "req_id", "x_request_id"), "ms": ("ms", "duration_ms", "duration"),
    "seconds": ("request_time",), "upstream": ("upstream", "upstream_cluster", "proxy_upstream_name", "upstream_host"),
    "upstream_ms": ("upstream_ms", "upstream_service_time"), "upstream_seconds": ("upstream_response_time",),
    "refused": ("refused",),
}
BUCKET_SECONDS = 5
#: Milliseconds, a quarter more each time: 1 ms to two minutes.
BOUNDS = tuple(1.25 ** step for step in range(54)) + (float("inf"),)
OTHERS = "(others)"
_VARIABLE = re.compile(r"(?<=/)(?:\d+|[0-9a-f]{8,}|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One request.

    :param at: Unix time, from the kubelet's time stamp.
    :param ms: until it was answered, None where the log does not say; ``upstream_ms`` likewise.
    :param request_id: empty where the log has none.
    :param refused: why the gateway refused it on purpose, empty otherwise.
    """

    at: float
    client: str
    route: str
    status: int
    request_id: str = ""
    ms: float | None = None
    upstream: str = ""
    upstream_ms: float | None = None
    refused: str = ""


class Parser:
    """Lines to entries, in the formats given; the one that fitted last is tried first."""

    def __init__(self, patterns: t.Sequence[str], fields: t.Mapping[str, t.Sequence[str]] | None = None) -> None:
        """Prepare.

        :param patterns: regular expressions with the groups of PRESETS.
        :param fields: keys of JSON lines, None where there are none.
        """
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._fields = fields

    def parse(self, line: str) -> Entry | None:
        """An entry from a line that begins with the kubelet's time; None when it is none."""
        stamp, _space, text = line.partition(" ")
        found = self._json(text) if self._fields is not None and text.startswith("{") else self._match(text)
        if not found or not found.get("status"):
            return None
        return _entry(stamp, found)

    def _match(self, text: str) -> dict[str, t.Any] | None:
        for position, pattern in enumerate(self._patterns):
            match = pattern.search(text)
            if match:
                self._patterns.insert(0, self._patterns.pop(position))
                return match.groupdict()
        return None

    def _json(self, text: str) -> dict[str, t.Any] | None:
        try:
            data = json.loads(text)
        except ValueError:
            return None
        return {group: next((data[key] for key in keys if data.get(key) not in (None, "")), None)
                for group, keys in (self._fields or {}).items()}


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
        self.times, self.upstream_times = Times(), Times()

    def add(self, entry: Entry) -> None:
        """One more request."""
        self.statuses[entry.status] += 1
        if entry.refused:
            self.refused[entry.refused] += 1
        if entry.ms is not None:
            self.times.add(entry.ms)
        if entry.upstream_ms is not None:
            self.upstream_times.add(entry.upstream_ms)

    def summary(self) -> Json:
        """requests, errors (5xx that were not meant), statuses, and percentiles in milliseconds."""
        requests = self.statuses.total()
        meant = sum(count for reason, count in self.refused.items() if reason not in ("rate_limit", "RL"))
        errors = max(0, sum(count for status, count in self.statuses.items() if status >= 500) - meant)
        return {"requests": requests, "errors": errors, "error_share": errors / requests if requests else 0.0,
                "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
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
        self._clients, self._earlier_clients, self._repeats = Frequent(), Frequent(), Repeats()
        self._routes: dict[str, Group] = {}
        self._upstreams: dict[str, Group] = {}
        self._earlier: collections.Counter[int] = collections.Counter()
        self._all = Group()
        self.earliest: float | None = None
        self._gateway_ms = 0.0

    def add(self, entry: Entry) -> None:
        """One more request."""
        if entry.at > self._until:
            return
        self.earliest = entry.at if self.earliest is None else min(self.earliest, entry.at)
        if entry.at < self._recent_from:
            self._earlier[int((self._recent_from - entry.at) // BUCKET_SECONDS)] += 1
            self._earlier_clients.add(entry.client)
            return
        self._clients.add(entry.client)
        self._repeats.add(entry)
        for group in (self._all, self._group(self._routes, entry.route)):
            group.add(entry)
        if entry.upstream and entry.upstream_ms is not None:
            self._group(self._upstreams, entry.upstream).add(entry)
            if entry.ms is not None:
                self._gateway_ms += max(0.0, entry.ms - entry.upstream_ms)

    def summary(self) -> Json:
        """What the log says, as ``gateway_traffic_info`` returns it."""
        seconds = self._until - max(self._recent_from, self.earliest or self._recent_from)
        every, upstream_ms = self._all.summary(), sum(group.upstream_times.total for group in self._upstreams.values())
        return {
            "seconds": round(seconds, 1), "per_second": round(every["requests"] / seconds, 1) if seconds > 0 else 0.0,
            "usual_per_second": self._usual(), "refused": dict(self._all.refused), **every,
            "upstream_time_share": upstream_ms / (upstream_ms + self._gateway_ms) if upstream_ms else None,
            "clients": self._client_rows(seconds), "repeats": self._repeats.summary(),
            "routes": _rows("route", self._routes), "upstreams": _rows("upstream", self._upstreams)}

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

    def _client_rows(self, seconds: float) -> list[Json]:
        total, before = self._clients.counts.total(), self._earlier_seconds()
        return [{"client": client, "requests": count, "share": count / total,
                 "per_second": round(count / seconds, 1) if seconds > 0 else 0.0,
                 "before_per_second": round(self._earlier_clients.counts[client] / before, 1) if before else None}
                for client, count in self._clients.counts.most_common(10)]


def patterns(name: str, regex: str) -> list[str]:
    """The regular expressions of a format; ``auto`` tries all."""
    if regex:
        return [regex]
    return list(PRESETS.values()) if name == "auto" else [PRESETS[name]] if name in PRESETS else []


def _entry(stamp: str, found: t.Mapping[str, t.Any]) -> Entry | None:
    try:
        at = datetime.datetime.fromisoformat(stamp).timestamp()
        return Entry(at, str(found.get("client") or "-").partition(",")[0], _route(str(found.get("route") or "-")),
                     int(found["status"]), str(found.get("request_id") or ""), _ms(found, "ms", "seconds"),
                     _unless_dash(found.get("upstream")), _ms(found, "upstream_ms", "upstream_seconds"),
                     _unless_dash(found.get("refused")))
    except ValueError:
        return None


def _ms(found: t.Mapping[str, t.Any], ms: str, seconds: str) -> float | None:
    for group, factor in ((ms, 1.0), (seconds, 1000.0)):
        value = found.get(group)
        if value not in (None, "", "-"):
            return float(value) * factor
    return None


def _route(path: str) -> str:
    return _VARIABLE.sub("*", path.partition("?")[0])


def _unless_dash(value: t.Any) -> str:
    return "" if value in (None, "-") else str(value)


def _repeats(made: int, distinct: int) -> Json:
    return {"requests": made, "distinct": distinct, "share": 1 - distinct / made, "per_request": round(made / distinct, 2)}


def _rows(name: str, groups: t.Mapping[str, Group]) -> list[Json]:
    rows = [{name: key, **group.summary()} for key, group in groups.items()]
    return sorted(rows, key=lambda row: -row["requests"])[:20]
