# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every signal that a history can tell of, once: what is read of the pods directly, the same as PromQL, threshold, unit and words.

Detect asks a Prometheus with these rows, ``make alerts`` writes the alert rules and the dashboard from them. Series and thresholds are
those of the direct reads: a row names them, it does not repeat them.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._auth import _signals as auth
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _signals as gateway
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _signals as memory
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _signals as pool

#: how a row's series make one number
FULL = "full"  # a gauge as a share of another one, the fullest pod counts
BUSY = "busy"  # seconds of a counter in a second, the busiest pod counts
SHARE = "share"  # of what a counter counts, what is bad; of all pods together
SLOW = "slow"  # 95th percentile of a histogram; of all pods together
EVENTS = "events"  # how often in the window, of a second gauge where there is one only what that has as 1; of all pods together
GAUGE = "gauge"  # a gauge, the highest pod counts
GROWTH = "growth"  # hours until a gauge reaches another one, judged over days

#: hours to the limit below which growth over days is a signal: time to find and fix it in working hours, a weekend included
HOURS_TO_LIMIT = 72.0

_WORKING_SET = 'container_memory_working_set_bytes{container!="",container!="POD"}'
#: of kube-state-metrics, else of cAdvisor, which says 0 where there is none
_MEMORY_LIMITS = ('kube_pod_container_resource_limits{resource="memory"}', 'container_spec_memory_limit_bytes{container!="",container!="POD"} > 0')
_MEMORY = tuple((_WORKING_SET, limit) for limit in _MEMORY_LIMITS)
_OLD = tuple((used, room) for used, room in zip(memory.JVM_SERIES["old_used"], memory.JVM_SERIES["old_max"], strict=False))
#: of the container's last end, so it counts together with a restart; what cAdvisor counts of kills goes with the container
_OOM_KILLED = 'kube_pod_container_status_last_terminated_reason{reason="OOMKilled"}'
#: seconds since 1970, by cAdvisor
START = 'container_start_time_seconds{container!="",container!="POD"}'


@dataclasses.dataclass(frozen=True)
class Row:
    """One signal.

    :param direct: the signal's name in the direct reads, empty where only a history can tell.
    :param series: candidates in the order in which they are tried; of each the series that the kind needs.
    :param threshold: compared with what is measured; over it is a breach (GROWTH: under it).
    :param holds: how long it must last before it is an alert, Prometheus' ``for``; ``why`` says why so long.
    :param severity: of the alert: ``page`` wakes somebody, ``ticket`` does not.
    :param apart: labels besides the pod that tell its parts apart, such as its pools.
    :param opposite: the direct read counts what goes well, this row what does not.
    :param added_up: the direct read has one number of all pods together; an alert is about the one that is worst.
    """

    incident_type: str
    name: str
    kind: str
    series: tuple[tuple[str, ...], ...]
    threshold: float
    unit: str
    words: str
    holds: str
    why: str
    severity: str = "page"
    direct: str = ""
    apart: tuple[str, ...] = ()
    opposite: bool = False
    added_up: bool = False

    def as_direct(self, value: float) -> float:
        """A value or threshold of this row as the direct read has it, and the other way round."""
        return 1.0 - value if self.opposite else value


def _of_pools(used: str, *others: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The presets' series for concepts, each with the labels that tell a preset's pools apart."""
    found = []
    for preset in pool.PRESETS.values():
        if preset.shared or not all(concept in preset.series for concept in (used, *others)):
            continue  # what pools share has other labels, which PromQL would have to rename
        versions = [_several(preset.series[concept]) for concept in (used, *others)]
        found += [(version, preset.pool) for version in _side_by_side(versions) if not any("__name__" in text for text in version)]
    return tuple(found)


def _side_by_side(versions: t.Sequence[tuple[str, ...]]) -> t.Iterator[tuple[str, ...]]:
    """The first of each, the second of each; where one has fewer, its last."""
    for number in range(max(map(len, versions))):
        yield tuple(texts[min(number, len(texts) - 1)] for texts in versions)


def _several(series: str | tuple[str, ...]) -> tuple[str, ...]:
    return (series,) if isinstance(series, str) else series


def _logins() -> tuple[tuple[str, ...], ...]:
    """Failed log-ins, and all of them, without what says nothing of the service."""
    found = []
    for preset in auth.PRESETS.values():
        if preset["logins"]:
            all_of_them = _also(preset["logins"], preset["result_label"], "!~", preset["ignored"]) if preset["ignored"] else preset["logins"]
            found.append((_also(all_of_them, preset["result_label"], "!~", preset["ok"]), all_of_them))
    return tuple(found)


def _requests() -> tuple[tuple[str, ...], ...]:
    """Requests that failed, and all of them; what is refused on purpose is taken off, where it can be told."""
    return tuple((_also(preset["requests"], preset["status_label"], "=~", preset.get("bad", "50[234]")), preset["requests"],
                  *([preset["intended"]] if preset["intended"] else [])) for preset in gateway.PRESETS.values())


def _served() -> tuple[tuple[str, ...], ...]:
    """Histograms of seconds; those in milliseconds are left out."""
    return tuple((f"{preset['duration']}_bucket{{{preset['served']}}}",) for preset in gateway.PRESETS.values()
                 if preset["duration"] and preset["duration_scale"] == 1.0)


def _also(series: str, label: str, operator: str, value: str) -> str:
    condition = f'{label}{operator}"{value}"'
    return f"{series[:-1]},{condition}}}" if series.endswith("}") else f"{series}{{{condition}}}"


_MEMORY_T, _POOL_T, _AUTH_T, _GATEWAY_T = memory.Thresholds(), pool.Thresholds(), auth.Thresholds(), gateway.Thresholds()
_POOLS = tuple(dict.fromkeys(label for _version, labels in _of_pools("active", "max") for label in labels))

ROWS: tuple[Row, ...] = (
    Row("memory_leak", "memory_days_to_limit", GROWTH, _MEMORY, HOURS_TO_LIMIT, "h", "memory in use", "1h",
        "days of growth do not hurry: an hour rides out a scrape that failed or a deploy", "ticket"),
    Row("memory_leak", "heap_days_to_limit", GROWTH, _OLD, HOURS_TO_LIMIT, "h", "old objects", "1h",
        "days of growth do not hurry: an hour rides out a scrape that failed or a deploy", "ticket"),
    Row("memory_leak", "memory_near_limit", FULL, _MEMORY, _MEMORY_T.near_limit, "share", "memory in use of the limit", "2m",
        "a collection may come late by a minute; the kernel kills without a warning, so not longer", direct="memory_near_limit"),
    Row("memory_leak", "heap_full", FULL, _OLD, _MEMORY_T.heap_full, "share", "old objects of what they may take", "5m",
        "the next full collection may clear it; two of them in five minutes did not", direct="heap_full"),
    Row("memory_leak", "gc_pauses", BUSY, tuple((text,) for text in memory.JVM_SERIES["gc_seconds"]), _MEMORY_T.gc_share, "share",
        "time in garbage collection", "5m", "a start and a full collection are short", direct="gc_pauses"),
    Row("memory_leak", "oom_killed", EVENTS, (("kube_pod_container_status_restarts_total", _OOM_KILLED),), 0, "kills", "containers killed for their memory",
        "0m", "it has happened, and nothing is gained by waiting", direct="oom_killed"),
    Row("db_pool_exhaustion", "pool_in_use", FULL, tuple(version for version, _labels in _of_pools("active", "max")), _POOL_T.near_capacity, "share",
        "connections in use of the pool", "1m", "a burst takes a pool for seconds; requests fail after 5 to 30 s of waiting",
        direct="pool_in_use", apart=_POOLS),
    Row("db_pool_exhaustion", "pool_waiting", GAUGE, tuple(version for version, _labels in _of_pools("pending")), 0, "requests",
        "requests that wait for a connection", "1m", "some wait for milliseconds in any burst; for a minute is a queue", direct="pool_waiting",
        added_up=True),
    Row("db_pool_exhaustion", "connection_timeouts", EVENTS, tuple(version for version, _labels in _of_pools("timeouts")), _POOL_T.timeouts - 1,
        "requests", "requests that were given no connection", "0m", "each one was somebody's error", direct="connection_timeouts"),
    Row("auth_degradation", "login_failures", SHARE, _logins(), 1 - _AUTH_T.login_success, "share", "log-ins that fail", "0m",
        "two windows say that it lasts and that it is still so", direct="login_success", opposite=True),
    Row("auth_degradation", "validation_seconds", SLOW, ((f"{auth.SERIES['validations']}_bucket",),), _AUTH_T.validation_seconds, "s",
        "95th percentile of a token's validation", "2m", "a percentile of five minutes moves slowly as it is", direct="validation_seconds"),
    Row("auth_degradation", "rate_limit_hits", EVENTS, ((auth.SERIES["rate_limit_hits"],),), 5 * _AUTH_T.rate_limit_hits, "log-ins",
        "log-ins that the rate limit turned away in 5 minutes", "5m", "one client that hammers is no incident; for ten minutes it may be", "ticket",
        direct="rate_limit_hits"),
    Row("api_gateway_overload", "error_share", SHARE, _requests(), _GATEWAY_T.error_share, "share", "requests that fail with 502, 503 or 504", "0m",
        "two windows say that it lasts and that it is still so", direct="error_share"),
    Row("api_gateway_overload", "queue_length", GAUGE, tuple((preset["queue"],) for preset in gateway.PRESETS.values() if preset["queue"]),
        _GATEWAY_T.queue_length, "requests", "requests in the queue", "1m", "a queue that drains within a minute did its work", direct="queue_length"),
    Row("api_gateway_overload", "response_seconds", SLOW, _served(), _GATEWAY_T.response_seconds, "s", "95th percentile of the response time", "2m",
        "a percentile of five minutes moves slowly as it is", direct="response_seconds"),
    Row("crash_loop", "crash_loop", GAUGE, (('kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}',),), 0, "containers",
        "containers in CrashLoopBackOff", "1m", "the kubelet only calls it so after several ends", direct="crash_loop", added_up=True),
)


def of(incident_type: str) -> tuple[Row, ...]:
    """The rows of an incident type; none for one that only direct reads can tell."""
    return tuple(row for row in ROWS if row.incident_type == incident_type)
