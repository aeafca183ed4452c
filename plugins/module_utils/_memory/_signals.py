# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of a memory leak: OOM kills, memory near its limit, growth, and time lost to garbage collection."""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _quantity, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Scraped, Series, Usage
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each, gather
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._memory._growth import seconds_between

#: the pools that hold old objects: Serial, Parallel, CMS, G1, ZGC, Shenandoah, Epsilon, OpenJ9
_OLD = '{0}=~".*([Oo]ld|[Tt]enured|ZHeap|Shenandoah|Epsilon Heap).*",{0}!~".*Young.*"'
_OLD_ID, _OLD_POOL, _OLD_OTEL = (_OLD.format(label) for label in ("id", "pool", "jvm_memory_pool_name"))


def _pools(name: str) -> tuple[str, ...]:
    """Series of what a memory pool outside the heap holds."""
    return (f'jvm_memory_used_bytes{{area="nonheap",id=~"{name}"}}', f'jvm_memory_pool_used_bytes{{pool=~"{name}"}}',
            f'jvm_memory_pool_bytes_used{{pool=~"{name}"}}', f'jvm_memory_used_bytes{{jvm_memory_pool_name=~"{name}"}}')


def _buffers(name: str) -> tuple[str, ...]:
    """Series of what NIO buffers hold."""
    return (f'jvm_buffer_memory_used_bytes{{id=~"{name}"}}', f'jvm_buffer_pool_used_bytes{{pool=~"{name}"}}',
            f'jvm_buffer_memory_used_bytes{{jvm_buffer_pool_name=~"{name}"}}')


#: what collectors count beside their pauses, while the application runs
_CONCURRENT = ".*(Cycles|Concurrent GC).*"
#: concept -> series to try in order: Micrometer, the Prometheus Java client and the JMX exporter (1.x, then 0.x), OpenTelemetry; then
#: what Go, Node.js, .NET and Python say. docs/metrics.md shows an exposition of each.
JVM_SERIES: dict[str, tuple[str, ...]] = {
    "old_used": (f'jvm_memory_used_bytes{{area="heap",{_OLD_ID}}}', f'jvm_memory_pool_used_bytes{{{_OLD_POOL}}}',
                 f'jvm_memory_pool_bytes_used{{{_OLD_POOL}}}', f'jvm_memory_used_bytes{{{_OLD_OTEL}}}'),
    "old_max": (f'jvm_memory_max_bytes{{area="heap",{_OLD_ID}}}', f'jvm_memory_pool_max_bytes{{{_OLD_POOL}}}',
                f'jvm_memory_pool_bytes_max{{{_OLD_POOL}}}', f'jvm_memory_limit_bytes{{{_OLD_OTEL}}}',
                "jvm_gc_max_data_size_bytes"),
    "heap_used": ('jvm_memory_used_bytes{area="heap"}', 'jvm_memory_bytes_used{area="heap"}', 'jvm_memory_used_bytes{jvm_memory_type="heap"}'),
    "heap_max": ('jvm_memory_max_bytes{area="heap"}', 'jvm_memory_bytes_max{area="heap"}', 'jvm_memory_limit_bytes{jvm_memory_type="heap"}'),
    "heap_committed": ('jvm_memory_committed_bytes{area="heap"}', 'jvm_memory_bytes_committed{area="heap"}',
                       'jvm_memory_committed_bytes{jvm_memory_type="heap"}'),
    "metaspace": _pools("Metaspace"),
    "code_cache": _pools("Code ?(Heap|Cache).*"),
    "classes": ("jvm_classes_loaded_classes", "jvm_classes_currently_loaded", "jvm_classes_loaded", "jvm_class_count"),
    "direct": _buffers("direct"),
    "mapped": _buffers("mapped.*"),
    "threads": ("jvm_threads_live_threads", "jvm_threads_current", "jvm_thread_count", "go_goroutines", "dotnet_thread_pool_thread_count"),
    "requests": ("http_server_requests_seconds_count", "http_server_request_duration_seconds_count", "http_requests_total"),
    "gc_seconds": ("jvm_gc_pause_seconds_sum", f'jvm_gc_collection_seconds_sum{{gc!~"{_CONCURRENT}"}}',
                   f'jvm_gc_duration_seconds_sum{{jvm_gc_name!~"{_CONCURRENT}"}}', "go_gc_duration_seconds_sum",
                   "nodejs_gc_duration_seconds_sum", "v8js_gc_duration_seconds_sum", "dotnet_gc_pause_time_seconds_total"),
    "rss": ("process_resident_memory_bytes", "dotnet_process_memory_working_set_bytes"),
}
#: a series that only this runtime has
RUNTIMES = {"JVM": "jvm_", "Go": "go_", "Node.js": "nodejs_", ".NET": "dotnet_", "Python": "python_"}
#: collectors whose pools may each grow to the whole heap
_SHARED_HEAP = re.compile("ZGC|Shenandoah")


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

    :param port: of the pods' metrics, see ``_pod_metrics.read``; 0 when they have none.
    :param series: concept -> series to try in order.
    """

    target: Target
    container: str | None
    port: int | str
    path: str
    series: t.Mapping[str, t.Sequence[str]]


def read_pods(cluster: Cluster, source: Source) -> list[Json]:
    """What every pod of the workload says of its memory now.

    Each item: pod, leaving (whether it is being deleted), container, started_at, created_at (of the pod), restarts, ooms (times of its OOM
    kills), lived (seconds that the killed container had run), other_ooms (container and time of those of the pod's other containers),
    limit_range (whether a LimitRange set the limit), waiting (why its container does not run, empty where it does), evicted_at,
    evicted_because, limit, usage, usage_at (time of that sample), runtime, what each concept of the series says (bytes, seconds, or a
    count), read_at (seconds, monotonic), why_not (why there are no metrics); None where unknown.
    """
    workload = _workload.read(cluster, source.target)
    label_selector = _workload.selector(workload)
    found = gather(pods=lambda: _workload.pods(cluster, workload),
                   usage=lambda: _pod_metrics.usage(cluster, source.target.namespace, label_selector))
    container = _workload.main_container(workload, source.container, found["pods"], source.port)
    series = {concept: [Series.parse(text) for text in texts] for concept, texts in source.series.items()}
    wanted = str(source.port) not in ("", "0")

    def read_one(pod: Json) -> Json:
        scraped = Scraped(None)
        if wanted and _workload.running(pod):
            scraped = _pod_metrics.read(cluster, pod, source.port, source.path)
        facts = _facts(pod, container)
        heap = _heap(scraped.samples, series)
        used = {name: usage for (owner, name), usage in found["usage"].items() if owner == pod["metadata"]["name"]}
        sample = used.get(container)
        return {**facts, **heap, "usage": _usage(pod, container, used, facts["started_at"], heap["rss"]), "usage_at": sample.at if sample else None,
                "read_at": time.monotonic(), "why_not": scraped.why_not}

    return each(read_one, found["pods"])


def series_of(given: t.Mapping[str, t.Any]) -> dict[str, t.Sequence[str]]:
    """The series to read, what is given in the place of the built-in lists; what is none of them, or no series, is refused."""
    unknown = sorted(set(given) - set(JVM_SERIES))
    if unknown:
        raise InvalidInput(f"series names {', '.join(unknown)}, which is nothing that is read of memory.",
                           f"It may name {', '.join(JVM_SERIES)}. Nothing was sent.")
    chosen = {name: [texts] if isinstance(texts, str) else texts for name, texts in given.items()}
    for text in (text for texts in chosen.values() for text in texts):
        Series.parse(text)
    if "heap_max" in chosen and "old_max" not in chosen:
        chosen["old_max"] = ()  # who names the maximum means it for both
    return {**JVM_SERIES, **chosen}


def _usage(pod: Json, container: str, used: t.Mapping[str, Usage], started_at: str | None, rss: float | None) -> float | None:
    """The memory that counts against the limit: the container's, or the pod's where only that has one; else what the process says."""
    if _pod_limit(pod) is not None and _own_limit(pod, container) is None:
        names = _workload.container_names(pod)
        return sum(used[name].memory for name in names) if names and all(name in used for name in names) else None
    current = current_usage(used.get(container), started_at)
    return rss if current is None else current


def current_usage(used: Usage | None, started_at: str | None) -> float | None:
    """The memory in use; None where the sample is of the container's life before this one."""
    if used is None or (started_at and used.at <= started_at):
        return None
    return used.memory


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, since: str, observe: float, earlier: t.Sequence[Json] = ()) -> Reading:
    """Measure the memory signals.

    :param earlier: an earlier reading of the same measuring, against which pauses are measured. Growth is not: pods that were replaced a moment
        ago grow because they warm up.
    :param since: OOM kills and evictions before this time (ISO 8601) do not count.
    :param observe: seconds to watch growth, spent only when nothing is breached at first sight.
    """
    first = read_pods(cluster, source)
    alone = bool(source.container)  # who names a container means no other
    signals = instant_signals(first, thresholds, since, alone)
    latest = first
    if observe and not any(signal.breached for signal in signals):
        time.sleep(observe)
        latest = read_pods(cluster, source)
        signals = instant_signals(latest, thresholds, since, alone) + trend_signals(first, latest, thresholds)
    if earlier:
        signals += (_gc(_of_same_life(earlier, latest), thresholds),)
    alive = [pod for pod in latest if pod["evicted_at"] is None]
    blind = [pod for pod in alive if not _tells(pod)]
    return Reading(now(), signals, bool(alive) and not blind, tuple(latest), incomplete_because=_why_blind(alive, blind), for_good=_ended(latest, since, alone))


def _ended(pods: t.Sequence[Json], since: str, alone: bool = False) -> bool:
    """Whether a pod that stays was killed or evicted since then: that does not become untrue by waiting."""
    return any(at >= since for pod in pods if not pod["leaving"]
               for at in [pod["evicted_at"] or "", *pod["ooms"], *([] if alone else _kills_beside(pod))])


def _kills_beside(pod: Json) -> list[str]:
    """When containers beside it were killed: while one of them is down the pod takes no requests."""
    return [at for _name, at in pod.get("other_ooms", ())]


def _tells(pod: Json) -> bool:
    """Whether a pod's memory can be judged: what it uses against its limit, or its old objects against their room."""
    return (pod["usage"] is not None and pod["limit"] is not None) or (pod["old_used"] is not None and bool(_room(pod)))


def _why_blind(alive: t.Sequence[Json], blind: t.Sequence[Json]) -> str:
    """Why not every pod can be judged; empty where each of them can."""
    if not alive:
        return "no pod is running"
    if not blind:
        return ""
    pod = blind[0]
    said = f"; {pod['why_not']}" if pod["why_not"] else ""
    if pod["limit"] is None:
        return f"{pod['pod']} has no memory limit, and no metrics of its heap{said}: nobody knows how full it is"
    return f"nobody knows how much memory {pod['pod']} uses (no sample of the metrics API yet, or none at all{said})"


def instant_signals(pods: t.Sequence[Json], thresholds: Thresholds, since: str, alone: bool = False) -> tuple[Signal, ...]:
    """The signals that one reading shows.

    :param alone: whether a kill of a container beside the one that is looked at is none of ours.
    """
    killed = [pod for pod in pods if any(at >= since for at in pod["ooms"])]
    evicted = [pod for pod in pods if pod["evicted_at"] and pod["evicted_at"] >= since]
    return (
        _oom_killed(killed, pods, since, alone),
        _count("evicted", "evicted", evicted, len(pods)),
        _share("memory_near_limit", "memory in use", pods, "usage", "limit", thresholds.near_limit, "the limit"),
        _share("heap_full", "old objects", [{**pod, "room": _room(pod)} for pod in pods], "old_used", "room", thresholds.heap_full,
               "what they may take"),
    )


def trend_signals(first: t.Sequence[Json], latest: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """The signals that only show over time, from two readings of the same pods."""
    pairs = _of_same_life(first, latest)
    return _growth(pairs, thresholds), _gc(pairs, thresholds)


def _of_same_life(first: t.Sequence[Json], latest: t.Sequence[Json]) -> list[tuple[Json, Json]]:
    """Each pod at both times, if its container is the same."""
    before = {pod["pod"]: pod for pod in first}
    return [(before[pod["pod"]], pod) for pod in latest if pod["pod"] in before and before[pod["pod"]]["restarts"] == pod["restarts"]]


def minutes_to_limit(before: Json, after: Json, floor: float) -> float | None:
    """How long until a pod's memory reaches its maximum at the rate seen, of whatever reaches it first; None when nothing grows.

    The heap may be flat while what lies outside it grows, and the other way round.
    """
    seconds, left = after["read_at"] - before["read_at"], after["limit"] and after["usage"] is not None and after["limit"] - after["usage"]
    outside = [_outside(pod) for pod in (before, after)]
    known = [
        _minutes(before["old_used"], after["old_used"], seconds, _room(after), floor),
        # of one sample of the metrics API, seen twice, nobody knows whether it has grown
        _minutes(before["usage"], after["usage"], _between_samples(before, after, seconds), after["limit"], floor),
        # what the application says of itself is newer than the metrics API, which has the level
        _minutes(*outside, seconds, left + outside[1], floor * after["limit"] / (left + outside[1])) if left and outside[1] else None,
    ]
    return min((minutes for minutes in known if minutes is not None), default=None)


def _minutes(before: float | None, after: float | None, seconds: float, maximum: float | None, floor: float) -> float | None:
    """The same for one amount; growth below a share of the maximum is noise."""
    if before is None or after is None or not maximum or seconds <= 0 or after - before < floor * maximum:
        return None
    return max(0.0, maximum - after) / ((after - before) / seconds) / 60


def _outside(pod: Json) -> float | None:
    """What a JVM says that it holds outside its heap, as far as it says so."""
    known = [amount for name in ("direct", "metaspace", "code_cache") if (amount := pod.get(name)) is not None]
    return sum(known) if known else None


def _between_samples(before: Json, after: Json, seconds: float) -> float:
    """Seconds between two samples of the usage, which are older than the readings."""
    if not before.get("usage_at") or not after.get("usage_at"):
        return seconds
    return seconds_between(before["usage_at"], after["usage_at"])


def _facts(pod: Json, container: str) -> Json:
    status, limit = _workload.container_status(pod, container), _own_limit(pod, container)
    kills = _workload.kills(pod)
    return {
        "pod": pod["metadata"]["name"], "leaving": bool(pod["metadata"].get("deletionTimestamp")), "container": container,
        "ready": _workload.ready(pod), "restarts": status.get("restartCount", 0),
        "started_at": ((status.get("state") or {}).get("running") or {}).get("startedAt"),
        "ooms": [at for name, at in kills if name == container], "other_ooms": [kill for kill in kills if kill[0] != container],
        "lived": _lived(status), "created_at": pod["metadata"].get("creationTimestamp"), "limit_range": _limited_by_range(pod, container),
        "waiting": ((status.get("state") or {}).get("waiting") or {}).get("reason", ""), "evicted_at": evicted_at(pod),
        "evicted_because": pod["status"].get("message", "") if evicted_at(pod) else "", "limit": _pod_limit(pod) if limit is None else limit,
    }


def _lived(status: Json) -> float | None:
    """For how many seconds a container had run when it was last killed for its memory; None where it was not, or nobody knows."""
    ends = [state["terminated"] for state in (status.get("state") or {}, status.get("lastState") or {}) if state.get("terminated")]
    killed = next((end for end in ends if end.get("reason") == "OOMKilled" and end.get("startedAt") and end.get("finishedAt")), None)
    return seconds_between(killed["startedAt"], killed["finishedAt"]) if killed else None


def _limited_by_range(pod: Json, container: str) -> bool:
    """Whether the limit is no wish of the workload's: a LimitRange of the namespace set it when the pod was made, and says so there."""
    said = (pod["metadata"].get("annotations") or {}).get("kubernetes.io/limit-ranger", "")
    return any("memory limit" in part and part.rstrip().endswith(f"container {container}") for part in said.partition(":")[2].split(";"))


def _own_limit(pod: Json, container: str) -> float | None:
    return _memory_of(_workload.container_spec(pod, container))


def _pod_limit(pod: Json) -> float | None:
    """The limit of the pod as a whole, which newer clusters know."""
    return _memory_of(pod["spec"])


def _memory_of(owner: Json) -> float | None:
    amount = ((owner.get("resources") or {}).get("limits") or {}).get("memory")
    return None if amount is None else float(_quantity.parse(amount, "limits.memory"))


def _room(pod: Json) -> float | None:
    """How much old objects may take: with some collectors less than the heap."""
    return pod.get("old_max") or pod["heap_max"]


def evicted_at(pod: Json) -> str | None:
    """When the node evicted the pod, None if it did not: its last condition changed then, at least that it is no longer ready."""
    if pod["status"].get("reason") != "Evicted":
        return None
    changed = [condition["lastTransitionTime"] for condition in pod["status"].get("conditions", []) if condition.get("lastTransitionTime")]
    return max(changed, default=pod["status"].get("startTime", pod["metadata"]["creationTimestamp"]))


def _heap(scraped: Samples | None, series: t.Mapping[str, list[Series]]) -> Json:
    if scraped is None:
        return {**dict.fromkeys(series), "runtime": ""}
    found = {concept: (_maximum if concept.endswith("_max") else Samples.first)(scraped, candidates) for concept, candidates in series.items()}
    return {**found, "runtime": next((name for name, prefix in RUNTIMES.items() if scraped.has(prefix)), "")}


def _maximum(samples: Samples, candidates: t.Sequence[Series]) -> float | None:
    """What pools may take together, by the first candidate that says; -1 stands for no bound of its own."""
    for candidate in candidates:
        bounds = [sample for sample in samples.matching(candidate) if sample.value > 0]
        if bounds:
            shared = any(_SHARED_HEAP.search(label) for sample in bounds for label in sample.labels.values())
            return (max if shared else sum)(sample.value for sample in bounds)
    return None


def _oom_killed(killed: list[Json], pods: t.Sequence[Json], since: str, alone: bool) -> Signal:
    signal = _count("oom_killed", "OOMKilled", killed, len(pods))
    others = [f"{container} in {pod['pod']} at {at}" for pod in pods for container, at in pod.get("other_ooms", ()) if at >= since]
    if not others:
        return signal
    if alone:
        return dataclasses.replace(signal, text=f"{signal.text}; killed too, though not what is looked at here: container {', '.join(others)}")
    beside = {pod["pod"] for pod in pods if any(at >= since for at in _kills_beside(pod))}
    return dataclasses.replace(signal, value=float(len({*signal.pods, *beside})), breached=True, pods=tuple(sorted({*signal.pods, *beside})),
                               text=f"{signal.text}; killed beside it: container {', '.join(others)}")


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
