# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of a degraded authentication service, read from its pods' metrics over a window."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _windows, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Series
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

#: What to read. ``logins``: a counter, whose label ``result_label`` has the value ``ok`` for a success and one of
#: ``ignored`` (a regular expression) for what says nothing of the service. ``validations``: a histogram of seconds, with
#: ``rejected`` for the labels of refused tokens. ``rate_limit_hits``: a counter.
SERIES: dict[str, str] = {
    "logins": "auth_login_attempts_total", "result_label": "result", "ok": "ok", "ignored": "bad_request",
    "validations": "auth_jwt_validation_seconds", "rejected": 'result="rejected"',
    "rate_limit_hits": "auth_rate_limit_hits_total",
}
#: fewer log-ins in a window are chance, and so are fewer failures: a person who mistypes a password tries again
FEW, FEW_FAILED = 5, 3
#: of each pod's log of a minute, the most that is read
LOG_LINES = 20000


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """When something counts as a signal.

    :param login_success: share of the log-ins that succeed, at least.
    :param validation_seconds: 95th percentile of the time that a validation takes, at most.
    :param tokens_rejected: share of the validations that refuse the token, at most.
    :param rate_limit_hits: log-ins that the rate limit turns away in a minute, at most.
    """

    login_success: float = 0.95
    validation_seconds: float = 1.0
    tokens_rejected: float = 0.05
    rate_limit_hits: float = 10.0


@dataclasses.dataclass(frozen=True)
class Source:
    """Where an authentication service is measured.

    :param series: replaces entries of SERIES.
    :param seconds: the window.
    :param rate_limit_pattern: regular expression of the log lines that the rate limit leaves; empty: the log is not read. Limits
        often count by the minute, so that a window of seconds may see none of it.
    """

    target: Target
    container: str | None
    port: int
    path: str
    series: t.Mapping[str, str]
    seconds: float
    rate_limit_pattern: str


def measure(cluster: Cluster, source: Source, thresholds: Thresholds) -> Reading:
    """Measure the signals over one window."""
    workload = _workload.read(cluster, source.target)
    pods = _workload.pods(cluster, workload)
    windows = _windows.watch(cluster, pods, source.port, source.path, source.seconds)
    series = {**SERIES, **source.series}
    facts = traffic(windows, series)
    facts["hits_per_minute"] = max(facts["hits_per_minute"], _hits_in_logs(cluster, workload, pods, source))
    started = {pod["metadata"]["name"]: pod["metadata"]["creationTimestamp"] for pod in pods}
    rows = [{**pod_facts(window, series), "started_at": started[window.pod]} for window in windows]
    answered = bool(windows) and all(window.measured for window in windows)
    return Reading(now(), signals(facts, rows, thresholds), answered, tuple(rows), facts,
                   "not every pod of the service gave its metrics both times, or none is running")


def traffic(windows: t.Sequence[Window], series: t.Mapping[str, str]) -> Json:
    """What the service did in the window.

    :returns: seconds, logins (by result), login_count and login_success (share; both without what is ignored), validations
        and rejected (counts), rejected_share, p95_seconds, rate_limit_hits, hits_per_minute; shares None where nothing
        happened.
    """
    seconds = max((window.seconds for window in windows), default=0.0)
    results: dict[str, float] = {}
    for window in windows:
        for result, count in _grown(window, series["logins"], series["result_label"]).items():
            results[result] = results.get(result, 0.0) + count
    counted = {result: count for result, count in results.items() if not re.fullmatch(series["ignored"], result)}
    logins = sum(counted.values())
    validations = _windows.total(windows, [f"{series['validations']}_count"]) or 0.0
    rejected = _windows.total(windows, [f"{series['validations']}_count{{{series['rejected']}}}"]) or 0.0
    hits = _windows.total(windows, [series["rate_limit_hits"]]) or 0.0
    return {"seconds": seconds, "logins": results, "login_count": logins,
            "login_success": counted.get(series["ok"], 0.0) / logins if logins else None,
            "validations": validations, "rejected": rejected, "rejected_share": rejected / validations if validations else None,
            "p95_seconds": _windows.quantile(windows, series["validations"], 0.95), "rate_limit_hits": hits,
            "hits_per_minute": hits / seconds * 60 if seconds else 0.0}


def pod_facts(window: Window, series: t.Mapping[str, str]) -> Json:
    """What one pod did in all its life: shares of failed log-ins and refused tokens, mean seconds of a validation."""
    results = window.last.by_label(Series.parse(series["logins"]), series["result_label"]) if window.last else {}
    counted = {result: count for result, count in results.items() if not re.fullmatch(series["ignored"], result)}
    logins, ok = sum(counted.values()), counted.get(series["ok"], 0.0)
    count, summed, refused = (window.gauge([text]) or 0.0 for text in (
        f"{series['validations']}_count", f"{series['validations']}_sum", f"{series['validations']}_count{{{series['rejected']}}}"))
    return {"pod": window.pod, "logins": logins, "failed_share": (logins - ok) / logins if logins else None,
            "validations": count, "rejected_share": refused / count if count else None,
            "validation_seconds": summed / count if count else None}


def signals(facts: Json, pods: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """What the figures mean."""
    return (_login_success(facts, thresholds.login_success), _validation(facts, thresholds.validation_seconds),
            _rejected(facts, pods, thresholds.tokens_rejected), _rate_limit(facts, thresholds.rate_limit_hits))


def _hits_in_logs(cluster: Cluster, workload: Json, pods: t.Sequence[Json], source: Source) -> int:
    """How often the logs of the last minute say that the rate limit was hit."""
    if not source.rate_limit_pattern:
        return 0
    wanted, container = re.compile(source.rate_limit_pattern), _workload.main_container(workload, source.container)
    return sum(1 for _at, _pod, text in _logs.tail(cluster, pods, container, 60, LOG_LINES) if wanted.search(text))


def _login_success(facts: Json, threshold: float) -> Signal:
    share, count = facts["login_success"], facts["login_count"]
    if share is None:
        return Signal("login_success", None, threshold, False, "log-ins: there were none")
    failed = ", ".join(f"{number:.0f}× {result}" for result, number in sorted(facts["logins"].items()) if result != "ok" and number)
    text = f"{share:.1%} of {count:.0f} log-ins in {facts['seconds']:.0f} s succeeded (threshold {threshold:.0%})"
    breached = share < threshold and count >= FEW and round((1 - share) * count) >= FEW_FAILED
    return Signal("login_success", share, threshold, breached, f"{text}: {failed}" if failed else text)


def _validation(facts: Json, threshold: float) -> Signal:
    value = facts["p95_seconds"]
    if value is None:
        return Signal("validation_seconds", None, threshold, False, "validations: there were none")
    return Signal("validation_seconds", value, threshold, value > threshold,
                  f"95 % of {facts['validations']:.0f} token validations took up to {value:.2f} s (threshold {threshold:g} s)")


def _rejected(facts: Json, pods: t.Sequence[Json], threshold: float) -> Signal:
    share = facts["rejected_share"]
    if share is None:
        return Signal("tokens_rejected", None, threshold, False, "no token was validated")
    breached = share > threshold and facts["rejected"] >= 2
    refusing = tuple(pod["pod"] for pod in pods if (pod["rejected_share"] or 0) > threshold) if breached else ()
    return Signal("tokens_rejected", share, threshold, breached,
                  f"{share:.1%} of {facts['validations']:.0f} tokens were refused (threshold {threshold:.0%})", refusing)


def _rate_limit(facts: Json, threshold: float) -> Signal:
    rate = facts["hits_per_minute"]
    return Signal("rate_limit_hits", rate, threshold, rate > threshold,
                  f"the rate limit turned {rate:.0f} log-ins a minute away (threshold {threshold:.0f})")


def _grown(window: Window, series: str, label: str) -> dict[str, float]:
    """How much a counter grew in one pod, by one label's value; a counter that fell began anew."""
    if window.first is None or window.last is None:
        return {}
    wanted = Series.parse(series)
    before = window.first.by_label(wanted, label)
    return {value: after - before.get(value, 0.0) if after >= before.get(value, 0.0) else after
            for value, after in window.last.by_label(wanted, label).items()}
