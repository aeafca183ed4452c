# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells why a gateway is overloaded, as facts for the table of causes ``roles/api_gateway_overload/files/causes.yml``."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Json, Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

#: share of an upstream's answers that fail from which it counts as failing
FAILING = 0.1
#: so much above the usual rate of requests a rate limit for all leaves room for
ROOM = 1.5


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured, None or empty where it could not be.

    :param pods: of ``gateway_signals_info``; ``window`` its facts.
    :param traffic: of ``gateway_traffic_info``.
    :param slow_ms: 95th percentile from which an upstream is slow.
    :param usual_per_second: the rate that is ordinary.
    :param limit_of: whose requests a rate limit counts: ``all`` together, or each ``client``'s.
    :param revisions: of ``rollout_history_info``.
    :param at: when that was measured.
    """

    pods: t.Sequence[Json]
    window: Json
    traffic: Json
    slow_ms: float
    usual_per_second: float | None
    revisions: t.Sequence[Json] = ()
    limit_of: str = "all"
    at: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))

    @property
    def cpu(self) -> float | None:
        """The busiest pod's share of its limit."""
        return max((pod["cpu_share"] for pod in self.pods if pod.get("cpu_share") is not None), default=None)

    @property
    def throttled(self) -> float | None:
        """The share of periods in which the worst pod was stopped."""
        return max((pod["throttled_share"] for pod in self.pods if pod.get("throttled_share") is not None), default=None)

    @property
    def per_second(self) -> float | None:
        """The rate of now: that of the access log, or of the metrics."""
        return self.traffic.get("per_second") or self.window.get("per_second")

    @property
    def slow_upstreams(self) -> list[Json]:
        """Upstreams that are slow or fail, the one with most requests first."""
        return [row for row in self.traffic.get("upstreams", ())
                if (row["upstream_p95_ms"] or 0) >= self.slow_ms or _failed(row) >= FAILING * row["requests"]]

    @property
    def loaded_route(self) -> Json | None:
        """The route that has grown most, where the log tells of before; otherwise the one with most requests."""
        routes = self.traffic.get("routes") or ()
        return max(routes, key=lambda row: row.get("per_second", 0.0) - (row.get("before_per_second") or 0.0), default=None)


def facts(found: Measured) -> FactSheet:
    """Every fact of the table."""
    sheet = FactSheet()
    sheet.known_or("cpu", found.cpu, "metrics", "no pod's CPU is known, or none has a limit", "share")
    sheet.known_or("throttled", found.throttled, "cAdvisor", "the nodes may not be asked", "share")
    p95 = found.window.get("p95_seconds")
    sheet.known_or("p95", p95, "metrics", "the metrics have no histogram of response times, or nothing was served", "s")
    _tell_rate(sheet, found)
    _tell_upstreams(sheet, found)
    _tell_repeats(sheet, found)
    _tell_who(sheet, found)
    _tell_release(sheet, found)
    return sheet


def rate_limit(found: Measured) -> float | None:
    """Requests a second, all pods together, that a rate limit should let through: with room what all send usually, or the busiest client does.

    A client that was not there before has no usual rate; where the log does not tell of before, that of the others is what is usual.
    """
    if found.limit_of == "all":
        return None if not found.usual_per_second else ROOM * found.usual_per_second
    clients = found.traffic.get("clients") or ()
    usual = [row["before_per_second"] for row in clients if row.get("before_per_second")] or [row["per_second"] for row in clients[1:]]
    return ROOM * max(usual) if usual else None


def pointless(found: Measured, replicas: int, limit_of_pod: int, shed_routes: t.Sequence[str]) -> dict[str, str]:
    """Steps that cannot make a difference, and why.

    :param replicas: that the step ``scale`` asks for.
    :param limit_of_pod: requests a second that the step ``rate_limit`` lets a pod answer, 0 where it is computed.
    :param shed_routes: prefixes of the routes that the step ``shed`` turns away, empty where that is not known.
    """
    told: dict[str, str] = {}
    if replicas <= len(found.pods):
        told["scale"] = f"there are {len(found.pods)} pods already"
    limit, now = limit_of_pod * len(found.pods) or rate_limit(found), found.per_second
    of = "in all"
    if found.limit_of == "client":
        now, of = max((row["per_second"] for row in found.traffic.get("clients") or ()), default=None), "for each client"
    if limit is None:
        told["rate_limit"] = "what is usual is not known, so no limit can be computed from it (set api_gateway_overload_rate_limit_per_pod)"
    elif now is not None and limit >= now:
        told["rate_limit"] = f"a limit of {limit:.0f} a second {of} refuses nothing of {now:.0f} a second"
    if found.traffic.get("upstreams") and not found.slow_upstreams:
        told["circuit_breaker"] = "every upstream answers quickly, so no circuit would open"
    routes = found.traffic.get("routes") or ()
    if shed_routes and routes and not any(row["route"].startswith(tuple(shed_routes)) for row in routes):
        told["shed"] = f"no request is for {', '.join(shed_routes)}"
    return told


def tables(traffic: Json) -> list[Table]:
    """The figures behind a diagnosis, for the report."""
    repeats = {row["client"]: row for row in (traffic.get("repeats") or {}).get("clients", ())}
    clients = [(row["client"], f"{row['share']:.0%}", row["per_second"], _or_unknown(row["before_per_second"]),
                repeats.get(row["client"], {}).get("per_request", "unknown")) for row in traffic.get("clients", ())]
    routes = [(row["route"], row["requests"], row.get("per_second", ""), _or_unknown(row.get("before_per_second")), f"{row['error_share']:.0%}",
               _statuses(row), _or_unknown(row["p95_ms"]), _or_unknown(row["upstream_p95_ms"])) for row in traffic.get("routes", ())]
    upstreams = [(row["upstream"], row["requests"], _failed(row), _or_unknown(row["upstream_p50_ms"]),
                  _or_unknown(row["upstream_p95_ms"])) for row in traffic.get("upstreams", ())]
    return [Table("Clients", ("client", "share", "a second", "before", "tries a request"), clients),
            Table("Routes", ("route", "requests", "a second", "before", "failed", "statuses", "p95 ms", "upstream p95 ms"), routes),
            Table("Upstreams", ("upstream", "requests", "failed", "p50 ms", "p95 ms"), upstreams)]


def _tell_rate(sheet: FactSheet, found: Measured) -> None:
    now, usual = found.per_second, found.usual_per_second
    sheet.known_or("per_second", now, "access log", "no request was read")
    sheet.known_or("usual_per_second", usual, "access log", "the log does not reach back far enough (set api_gateway_overload_usual_per_second)")
    sheet.known_or("surge", now / usual if now and usual else None, "access log", "the usual rate is not known")
    sheet.known_or("served_share", found.window.get("served_share"), "metrics", "there were no requests", "share")
    errors, ended = found.traffic.get("errors"), found.traffic.get("ended_by") or {}
    share = (1.0 if not ended else ended.get("gateway", 0) / sum(ended.values())) if errors else 0.0 if errors == 0 else None
    sheet.known_or("refused_itself", share, "access log", "the access log does not tell who ended requests", "share")


def _tell_upstreams(sheet: FactSheet, found: Measured) -> None:
    slow, known = found.slow_upstreams, bool(found.traffic.get("upstreams"))
    sheet.known("upstreams_known", known, "access log")
    sheet.known_or("upstream_share", found.traffic.get("upstream_time_share"), "access log", "the access log has no times of upstreams", "share")
    if not known:
        for name in ("slow_upstream", "upstream_p95", "upstream_failed"):
            sheet.unknown(name, "the access log names no upstream", "access log")
        return
    worst = slow[0] if slow else None
    sheet.known("slow_upstream", worst["upstream"] if worst else "", "access log")
    sheet.known("upstream_p95", (worst["upstream_p95_ms"] or 0.0) / 1000 if worst else 0.0, "access log", "s")
    sheet.known("upstream_failed", _failed(worst) / worst["requests"] if worst else 0.0, "access log", "share")


def _tell_repeats(sheet: FactSheet, found: Measured) -> None:
    repeats = found.traffic.get("repeats")
    if not repeats:
        for name in ("repeats", "tries", "most_tries", "repeating_client"):
            sheet.unknown(name, "the access log has no request ids", "access log")
        return
    sheet.known("repeats", repeats["share"], "access log", "share")
    sheet.known("tries", repeats["per_request"], "access log")
    sheet.known("most_tries", float(repeats["most"]), "access log")
    sheet.known("repeating_client", repeats["clients"][0]["client"], "access log")


def _tell_who(sheet: FactSheet, found: Measured) -> None:
    client = next(iter(found.traffic.get("clients") or ()), None)
    route = found.loaded_route
    for prefix, key, row in (("client", "client", client), ("route", "route", route)):
        because = f"the access log names no {key}"
        sheet.known_or(prefix, row[key] if row else None, "access log", because)
        sheet.known_or(f"{prefix}_share", row.get("share") if row else None, "access log", because, "share")
        sheet.known_or(f"{prefix}_per_second", row.get("per_second") if row else None, "access log", because)
        sheet.known_or(f"{prefix}_before", row.get("before_per_second") if row else None, "access log", f"the log does not tell of {key}s before")


def _tell_release(sheet: FactSheet, found: Measured) -> None:
    """Limits that the newest revision lowered; one that only restarts the pods has the limits of the one before."""
    newest = next((row for row in reversed(found.revisions) if not row["restart"]), None)
    if newest is None:
        for name in ("lowered", "release_age", "revisions"):
            sheet.unknown(name, "the rollout history is not known", "rollout history")
        return
    age = (found.at - datetime.datetime.fromisoformat(newest["begun_at"])).total_seconds()
    sheet.known("lowered", _history.lowered(newest), "rollout history")
    sheet.known("release_age", age, "rollout history", "s")
    sheet.known("revisions", len(found.revisions), "rollout history")


def _failed(row: Json) -> int:
    return sum(count for status, count in row["statuses"].items() if int(status) >= 500)


def _statuses(row: Json) -> str:
    return ", ".join(f"{count}× {status}" for status, count in row["statuses"].items())


def _or_unknown(value: t.Any) -> t.Any:
    return "unknown" if value is None else value
