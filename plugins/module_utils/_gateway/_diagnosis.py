# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the known causes fits what was measured of a gateway, with the evidence for and against."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Json, Table, rank

#: share of its CPU limit from which a pod has nothing left for bursts
BUSY = 0.8
#: so many times the usual rate is more load; less than the second is ordinary
SURGE, ORDINARY = 2.0, 1.5
#: share of repeated requests that makes a storm, and below which there is none
STORM, CALM = 0.3, 0.1
#: share of the time that requests spend in an upstream from which the gateway only waits
WAITING = 0.8
#: share of an upstream's answers that fail from which it counts as failing
FAILING = 0.1
#: share of the requests from which one client is the one to talk to
DOMINANT = 0.5

FIXES = {
    "load_above_capacity": ("Agree a rate with {who} and set it for good as a rate limit of that client.",
                            "Size the gateway (or its autoscaler) for the peak that this incident has shown."),
    "slow_upstream": ("Find out why {who} is slow: its own pool, database and CPU.",
                      "Keep the circuit breaker on, and a timeout for each route that is shorter than clients wait."),
    "retry_storm": ("Let {who} wait longer after each failed try, with jitter, and stop after a few (a retry budget).",
                    "Answer overload with 429 and Retry-After, which well-behaved clients respect."),
    "gateway_undersized": ("Raise the gateway's CPU limit or its number of pods for good: ordinary load is too much for it.",),
}


@dataclasses.dataclass
class Facts:
    """What was measured, None or empty where it could not be.

    :param pods: of ``gateway_signals_info``; ``window`` its facts.
    :param traffic: of ``gateway_traffic_info``.
    :param slow_ms: 95th percentile from which an upstream is slow.
    :param usual_per_second: the rate that is ordinary.
    """

    pods: t.Sequence[Json]
    window: Json
    traffic: Json
    slow_ms: float
    usual_per_second: float | None

    @property
    def cpu(self) -> float | None:
        """The busiest pod's share of its limit."""
        return max((pod["cpu_share"] for pod in self.pods if pod.get("cpu_share") is not None), default=None)

    @property
    def throttled(self) -> float | None:
        """The share of periods in which the worst pod was stopped."""
        return max((pod["throttled_share"] for pod in self.pods if pod.get("throttled_share") is not None), default=None)

    @property
    def surge(self) -> float | None:
        """How many times the usual rate it is now."""
        now, usual = self.traffic.get("per_second"), self.usual_per_second
        return now / usual if now and usual else None

    @property
    def repeats(self) -> Json | None:
        """Requests that are made again, None where the log has no request ids."""
        return self.traffic.get("repeats")

    @property
    def slow_upstreams(self) -> list[Json]:
        """Upstreams that are slow or fail, the one with most requests first."""
        return [row for row in self.traffic.get("upstreams", ())
                if (row["upstream_p95_ms"] or 0) >= self.slow_ms or _failed(row) >= FAILING * row["requests"]]


def diagnose(facts: Facts) -> list[Candidate]:
    """Rank the causes, the best first."""
    slow = Candidate("slow_upstream", "an upstream that is slow or fails", "circuit_breaker")
    storm = Candidate("retry_storm", "clients that repeat what fails", "rate_limit")
    load = Candidate("load_above_capacity", "more load than the gateway has capacity for", "scale")
    small = Candidate("gateway_undersized", "a gateway that is too small for ordinary load", "scale")
    _weigh_upstreams(facts, slow, load, small)
    _weigh_repeats(facts, storm, load)
    _weigh_rate(facts, load, small)
    _weigh_cpu(facts, slow, load, small)
    _weigh_clients(facts, load)
    return rank((slow, storm, load, small))


def who(facts: Facts, cause: str) -> str:
    """Who is to be talked to about a cause; empty when nobody stands out."""
    if cause == "slow_upstream" and facts.slow_upstreams:
        return facts.slow_upstreams[0]["upstream"]
    if cause == "retry_storm" and facts.repeats:
        return facts.repeats["clients"][0]["client"]
    if cause == "load_above_capacity" and facts.traffic.get("clients"):
        return facts.traffic["clients"][0]["client"]
    return ""


def fixes(facts: Facts, cause: str) -> list[str]:
    """What would prevent the cause for good."""
    return [text.format(who=who(facts, cause) or "the team that owns it") for text in FIXES.get(cause, ())]


def tables(traffic: Json) -> list[Table]:
    """The figures behind a diagnosis, for the report."""
    repeats = {row["client"]: row for row in (traffic.get("repeats") or {}).get("clients", ())}
    clients = [(row["client"], f"{row['share']:.0%}", row["per_second"], _or_unknown(row["before_per_second"]),
                repeats.get(row["client"], {}).get("per_request", "unknown")) for row in traffic.get("clients", ())]
    routes = [(row["route"], row["requests"], f"{row['error_share']:.0%}", _statuses(row), _or_unknown(row["p95_ms"]),
               _or_unknown(row["upstream_p95_ms"])) for row in traffic.get("routes", ())]
    upstreams = [(row["upstream"], row["requests"], _failed(row), _or_unknown(row["upstream_p50_ms"]),
                  _or_unknown(row["upstream_p95_ms"])) for row in traffic.get("upstreams", ())]
    return [Table("Clients", ("client", "share", "a second", "before", "tries a request"), clients),
            Table("Routes", ("route", "requests", "failed", "statuses", "p95 ms", "upstream p95 ms"), routes),
            Table("Upstreams", ("upstream", "requests", "failed", "p50 ms", "p95 ms"), upstreams)]


def _weigh_upstreams(facts: Facts, slow: Candidate, load: Candidate, small: Candidate) -> None:
    share = facts.traffic.get("upstream_time_share")
    if facts.slow_upstreams:
        worst = facts.slow_upstreams[0]
        slow.supports(f"{worst['upstream']} takes up to {worst['upstream_p95_ms'] or 0:.0f} ms (p95), and {_failed(worst)} of its "
                      f"{worst['requests']} answers failed", 2)
        for other in (load, small):
            other.opposes(f"{worst['upstream']} is slow or fails: more gateways would only wait for it too")
        if share is not None and share >= WAITING:
            slow.supports(f"{share:.0%} of the time that requests take is spent in upstreams")
    elif facts.traffic.get("upstreams"):
        slow.opposes("every upstream answers quickly", 3)
    if share is not None and share < 1 - WAITING / 2:
        slow.opposes(f"{1 - share:.0%} of the time that requests take is spent in the gateway itself")


def _weigh_repeats(facts: Facts, storm: Candidate, load: Candidate) -> None:
    repeats = facts.repeats
    if not repeats:
        return
    text = f"{repeats['share']:.0%} of the requests are repeats of others ({repeats['per_request']} tries a request)"
    if repeats["share"] >= STORM:
        worst = repeats["clients"][0]
        storm.supports(f"{text}, most by {worst['client']}, which tries {worst['per_request']} times and up to "
                       f"{repeats['most']} times", 4)
        load.opposes(f"{text}: the load is made of them", 2)
    elif repeats["share"] < CALM:
        storm.opposes(text, 3)


def _weigh_rate(facts: Facts, load: Candidate, small: Candidate) -> None:
    if facts.surge is None:
        return
    text = f"{facts.traffic['per_second']:.0f} requests a second, {facts.usual_per_second:.0f} are usual"
    if facts.surge >= SURGE:
        load.supports(f"{text}: {facts.surge:.1f} times as many", 2)
        small.opposes(f"{text}: this is not ordinary load", 2)
    elif facts.surge < ORDINARY:
        load.opposes(f"{text}: the load is ordinary", 3)
        small.supports(f"{text}: the load is ordinary")


def _weigh_cpu(facts: Facts, slow: Candidate, load: Candidate, small: Candidate) -> None:
    if facts.throttled is not None and facts.throttled >= 0.25:
        small.supports(f"the scheduler stops a pod in {facts.throttled:.0%} of the periods")
    if facts.cpu is None:
        return
    text = f"the gateway's busiest pod uses {facts.cpu:.0%} of its CPU limit"
    if facts.cpu >= BUSY:
        load.supports(text)
        small.supports(text, 2)
        slow.opposes(f"{text}, and does not only wait")
    else:
        small.opposes(text, 3)
        load.opposes(text, 2)
        if not facts.traffic.get("upstreams") and (facts.window.get("p95_seconds") or 0) * 1000 >= facts.slow_ms:
            slow.supports(f"{text} while requests take up to {facts.window['p95_seconds']:.1f} s, so it waits; the log does not "
                          "say for whom")


def _weigh_clients(facts: Facts, load: Candidate) -> None:
    clients = facts.traffic.get("clients") or ()
    if not clients:
        return
    top = clients[0]
    before = top["before_per_second"]
    if top["share"] >= DOMINANT and before is not None and top["per_second"] >= SURGE * max(before, 1.0):
        load.supports(f"{top['client']} sends {top['share']:.0%} of the requests: {top['per_second']:.0f} a second, "
                      f"{before:.0f} before")


def _failed(row: Json) -> int:
    return sum(count for status, count in row["statuses"].items() if int(status) >= 500)


def _statuses(row: Json) -> str:
    return ", ".join(f"{count}× {status}" for status, count in row["statuses"].items())


def _or_unknown(value: t.Any) -> t.Any:
    return "unknown" if value is None else value
