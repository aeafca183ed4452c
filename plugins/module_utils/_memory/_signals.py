# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of a memory leak: OOM kills, memory near its limit, growth, and time lost to garbage collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series, Usage
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each, gather
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

try:
    from kubernetes.utils.quantity import parse_quantity
except ImportError:
    pass

#: concept -> series to try in order: Micrometer, then the Prometheus Java client and JMX exporter
JVM_SERIES: dict[str, tuple[str, ...]] = {
    "old_used": ('jvm_memory_used_bytes{area="heap",id=~".*(Old|Tenured|ZHeap|ZGC Old).*"}',
                 'jvm_memory_pool_used_bytes{pool=~".*(Old|Tenured|ZHeap).*"}',
                 'jvm_memory_pool_bytes_used{pool=~".*(Old|Tenured|ZHeap).*"}'),
    "heap_used": ('jvm_memory_used_bytes{area="heap"}', 'jvm_memory_bytes_used{area="heap"}'),
    "heap_max": ('jvm_memory_max_bytes{area="heap"}', 'jvm_gc_max_data_size_bytes',
                 'jvm_memory_bytes_max{area="heap"}'),
    "gc_seconds": ("jvm_gc_pause_seconds_sum", "jvm_gc_collection_seconds_sum"),
}


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """When memory counts as a signal.

    :param near_limit: share of the container's limit in use.
    :param heap_full: share of the heap's maximum held by old objects.
    :param minutes_to_limit: growth that reaches the maximum sooner than this.
    :param growth_floor: growth below this share of the maximum during the observation is noise.
    :param gc_share: share of the time spent in pauses.
    """

    near_limit: float = 0.9
    heap_full: float = 0.85
    minutes_to_limit: float = 30.0
    growth_floor: float = 0.01
    gc_share: float = 0.1


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a workload's memory is read.

    :param port: of the pods' metrics; 0 when they have none.
    :param series: concept -> series to try in order.
    """

    target: Target
    container: str | None
    port: int
    path: str
    series: t.Mapping[str, t.Sequence[str]]


def read_pods(cluster: Cluster, source: Source) -> list[Json]:
    """What every pod of the workload says of its memory now.

    Each item: pod, started_at, restarts, ooms (times of OOM kills), evicted_at, limit, usage, old_used,
    heap_used, heap_max (bytes), gc_seconds, read_at (seconds, monotonic); None where unknown.
    """
    workload = _workload.read(cluster, source.target)
    label_selector = _workload.selector(workload)
    found = gather(pods=lambda: _workload.pods(cluster, workload),
                   usage=lambda: _pod_metrics.usage(cluster, source.target.namespace, label_selector))
    container = _workload.main_container(workload, source.container)
    series = {concept: [Series.parse(text) for text in texts] for concept, texts in source.series.items()}

    def read_one(pod: Json) -> Json:
        scraped = None
        if source.port and _workload.running(pod):
            scraped = _pod_metrics.scrape(cluster, pod, source.port, source.path)
        facts = _facts(pod, container)
        used = found["usage"].get((pod["metadata"]["name"], container))
        return {**facts, "usage": current_usage(used, facts["started_at"]), **_heap(scraped, series),
                "read_at": time.monotonic()}

    return each(read_one, found["pods"])


def current_usage(used: Usage | None, started_at: str | None) -> float | None:
    """The memory in use; None where the sample is of the container's life before this one."""
    if used is None or (started_at and used.at <= started_at):
        return None
    return used.memory


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, since: str, observe: float) -> Reading:
    """Measure the memory signals.

    :param since: OOM kills and evictions before this time (ISO 8601) do not count.
    :param observe: seconds to watch growth, spent only when nothing is breached at first sight.
    """
    first = read_pods(cluster, source)
    signals = instant_signals(first, thresholds, since)
    latest = first
    if observe and not any(signal.breached for signal in signals):
        time.sleep(observe)
        latest = read_pods(cluster, source)
        signals = instant_signals(latest, thresholds, since) + trend_signals(first, latest, thresholds)
    alive = [pod for pod in latest if pod["evicted_at"] is None]
    measured = bool(alive) and all(pod["usage"] is not None or pod["heap_used"] is not None for pod in alive)
    return Reading(now(), signals, measured, tuple(latest))


def instant_signals(pods: t.Sequence[Json], thresholds: Thresholds, since: str) -> tuple[Signal, ...]:
    """The signals that one reading shows."""
    killed = [pod for pod in pods if any(at >= since for at in pod["ooms"])]
    evicted = [pod for pod in pods if pod["evicted_at"] and pod["evicted_at"] >= since]
    return (
        _count("oom_killed", "OOMKilled", killed, len(pods)),
        _count("evicted", "evicted", evicted, len(pods)),
        _share("memory_near_limit", "memory in use", pods, "usage", "limit", thresholds.near_limit, "the limit"),
        _share("heap_full", "old objects", pods, "old_used", "heap_max", thresholds.heap_full, "the maximum heap"),
    )


def trend_signals(first: t.Sequence[Json], latest: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """The signals that only show over time, from two readings of the same pods."""
    before = {pod["pod"]: pod for pod in first}
    pairs = [(before[pod["pod"]], pod) for pod in latest
             if pod["pod"] in before and before[pod["pod"]]["restarts"] == pod["restarts"]]
    return _growth(pairs, thresholds), _gc(pairs, thresholds)


def minutes_to_limit(before: Json, after: Json, floor: float) -> float | None:
    """How long until a pod's memory reaches its maximum at the rate seen; None when it does not grow."""
    for used, maximum in (("old_used", "heap_max"), ("usage", "limit")):
        if None in (before[used], after[used], after[maximum]):
            continue
        grown, seconds = after[used] - before[used], after["read_at"] - before["read_at"]
        if grown < floor * after[maximum] or seconds <= 0:
            return None
        return (after[maximum] - after[used]) / (grown / seconds) / 60
    return None


def _facts(pod: Json, container: str) -> Json:
    status = _workload.container_status(pod, container)
    limits = _workload.container_spec(pod, container).get("resources", {}).get("limits", {})
    ends = [state["terminated"] for state in (status.get("lastState", {}), status.get("state", {}))
            if "terminated" in state]
    return {
        "pod": pod["metadata"]["name"], "ready": _workload.ready(pod), "restarts": status.get("restartCount", 0),
        "started_at": status.get("state", {}).get("running", {}).get("startedAt"),
        "ooms": [end["finishedAt"] for end in ends if end.get("reason") == "OOMKilled"],
        "evicted_at": evicted_at(pod),
        "limit": float(parse_quantity(limits["memory"])) if "memory" in limits else None,
    }


def evicted_at(pod: Json) -> str | None:
    """When the node evicted the pod, None if it did not: its last condition changed then, at least that it is no longer ready."""
    if pod["status"].get("reason") != "Evicted":
        return None
    changed = [condition["lastTransitionTime"] for condition in pod["status"].get("conditions", []) if condition.get("lastTransitionTime")]
    return max(changed, default=pod["status"].get("startTime", pod["metadata"]["creationTimestamp"]))


def _heap(scraped: Samples | None, series: t.Mapping[str, list[Series]]) -> Json:
    return {concept: scraped.first(candidates) if scraped else None for concept, candidates in series.items()}


def _count(name: str, what: str, pods: list[Json], total: int) -> Signal:
    return Signal(name, float(len(pods)), 1, bool(pods), f"{len(pods)} of {total} pods {what}",
                  tuple(pod["pod"] for pod in pods))


def _share(name: str, what: str, pods: t.Sequence[Json], used: str, maximum: str, threshold: float,
           of: str) -> Signal:
    shares = {pod["pod"]: pod[used] / pod[maximum] for pod in pods if pod[used] is not None and pod[maximum]}
    if not shares:
        return Signal(name, None, threshold, False, f"{what}: not measured")
    highest = max(shares, key=shares.__getitem__)
    over = tuple(pod for pod, share in shares.items() if share > threshold)
    return Signal(name, shares[highest], threshold, bool(over),
                  f"{what} {shares[highest]:.0%} of {of} in {highest} (threshold {threshold:.0%})", over)


def _growth(pairs: list[tuple[Json, Json]], thresholds: Thresholds) -> Signal:
    left = {after["pod"]: minutes for before, after in pairs
            if (minutes := minutes_to_limit(before, after, thresholds.growth_floor)) is not None}
    limit = thresholds.minutes_to_limit
    if not left:
        return Signal("memory_growth", None, limit, False, "memory does not grow")
    soonest = min(left, key=left.__getitem__)
    return Signal("memory_growth", left[soonest], limit, left[soonest] < limit,
                  f"memory of {soonest} reaches its maximum in {left[soonest]:.0f} min at this rate "
                  f"(threshold {limit:.0f} min)", tuple(pod for pod, minutes in left.items() if minutes < limit))


def _gc(pairs: list[tuple[Json, Json]], thresholds: Thresholds) -> Signal:
    shares = {after["pod"]: (after["gc_seconds"] - before["gc_seconds"]) / (after["read_at"] - before["read_at"])
              for before, after in pairs if None not in (before["gc_seconds"], after["gc_seconds"])}
    if not shares:
        return Signal("gc_pauses", None, thresholds.gc_share, False, "garbage collection: not measured")
    worst = max(shares, key=shares.__getitem__)
    return Signal("gc_pauses", shares[worst], thresholds.gc_share, shares[worst] > thresholds.gc_share,
                  f"garbage collection takes {shares[worst]:.0%} of the time in {worst} "
                  f"(threshold {thresholds.gc_share:.0%})",
                  tuple(pod for pod, share in shares.items() if share > thresholds.gc_share))
