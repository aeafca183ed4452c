# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a workload's memory, as facts for its table of causes.

Levels are those of the fullest pod, growth is that of the pod in which it was largest. A container that has only started and is not full
says nothing about growth.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _quantity
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _fresh, _growth
from ansible_collections.sre.runbooks.plugins.module_utils._memory._fresh import fill
from ansible_collections.sre.runbooks.plugins.module_utils._memory._growth import Difference, Grown, Heap, Json, Pair

#: a rate since the start of a container says what is usual only if it has run for so many seconds
USUAL_SECONDS = 600.0

METRICS, LOOK, HISTOGRAMS, PROFILE, API, LOGS = "metrics", "cgroup and jcmd", "class histograms", "heap profile", "pods", "log patterns"
#: what an OutOfMemoryError of a JVM was about: the first that fits
_ERRORS = (("metaspace", "Metaspace|Compressed class space"), ("direct", "[Dd]irect buffer memory"), ("threads", "unable to create (new )?native thread"),
           ("gc", "GC overhead limit exceeded"), ("heap", "Java heap space|heap out of memory"))
_NO_HISTOGRAMS = "there are not two class histograms of one life of a container that had settled"
#: as _heap says it of a container without a process called java
NO_JVM = "runs no JVM"
BY_RANGE = "a LimitRange of the namespace"
_NOT_TOLD = "neither its metrics nor a look into the pod tell"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured and captured; bytes and seconds.

    :param pods: of ``memory_signals_info``; ``later`` the same some seconds later, empty where there is no second reading.
    :param at: when the last reading was, ISO 8601; ``since`` what is before it is of an earlier incident.
    :param began: when ``pods`` were read, where there is a later reading.
    :param first: histograms of ``heap_histogram_info``; likewise ``second``; ``why_not`` why there are none.
    :param looks: of ``process_memory_info``, the first and the second time; empty where there was no need.
    :param revisions: of ``rollout_history_info``, oldest first; None where they could not be read.
    :param patterns: of ``log_patterns_info``; None likewise.
    :param warm_up: seconds for which a container that has started says nothing about growth.
    """

    namespace: str
    workload: str
    pods: t.Sequence[Json]
    at: str
    since: str
    later: t.Sequence[Json] = ()
    first: t.Sequence[Json] = ()
    second: t.Sequence[Json] = ()
    why_not: str = ""
    revisions: t.Sequence[Json] | None = None
    patterns: t.Sequence[Json] | None = None
    warm_up: float = 60.0
    looks: tuple[t.Sequence[Json], t.Sequence[Json]] = ((), ())
    began: str = ""

    @property
    def now(self) -> t.Sequence[Json]:
        """The latest reading of the pods that are not evicted, with what a look into them says."""
        looks: dict[str, Json] = {look["pod"]: look.get("memory", {}) for look in (*self.looks[0], *self.looks[1], *self.first, *self.second)}
        return [{**pod, **looks.get(pod["pod"], {})} for pod in self.later or self.pods if not pod["evicted_at"]]

    def age(self, pod: Json) -> float | None:
        """Seconds since its container started."""
        return _growth.seconds_between(pod["started_at"], self.at) if pod.get("started_at") else None

    def is_fresh(self, pod: Json) -> bool:
        """Whether a container has only started, and is not full: it tells nothing of what filled the one before it."""
        return _fresh.is_fresh(pod, self.at, self.warm_up)

    @property
    def settled(self) -> set[str]:
        """The pods that growth is looked for in: what grew while they warmed up counts only where it has filled them."""
        warming = {pod["pod"] for pod in self.pods if self.began and _fresh.is_fresh(pod, self.began, self.warm_up)}
        return {pod["pod"] for pod in self.later or self.pods if not self.is_fresh(pod) and (pod["pod"] not in warming or fill(pod) >= _fresh.FULL_ENOUGH)}

    @property
    def pairs(self) -> list[Pair]:
        """Two looks at each settled pod, by its metrics and by its cgroup and JVM."""
        looked = (*_growth.of_looks(self.first, self.second), *_growth.of_looks(*self.looks))
        return [pair for pair in (*looked, *_growth.of_readings(self.pods, self.later)) if pair.pod in self.settled]

    @property
    def heap(self) -> Heap | None:
        """The settled pod whose live objects grew most."""
        heaps = [heap for heap in _growth.of_heaps(self.first, self.second) if heap.pod in self.settled]
        return max(heaps, key=lambda heap: heap.grown, default=None)


def resident(pod: Json) -> float | None:
    """The memory of the process itself, without files, by the cgroup or by itself."""
    return _first(pod.get("anon"), pod.get("rss"))


def outside_heap(pod: Json) -> float | None:
    """What lies outside the heap at least: the heap may not have touched all that it has taken."""
    used = resident(pod)
    return None if used is None or not pod.get("heap_committed") else max(0.0, used - pod["heap_committed"])


def outside_grown(pair: Pair) -> float | None:
    """How much that grew at least: from the most that it can have been before to the least that it is now."""
    before, after = resident(pair.before), resident(pair.after)
    if before is None or after is None or not pair.before.get("heap_used") or not pair.after.get("heap_committed"):
        return None
    return (after - pair.after["heap_committed"]) - (before - pair.before["heap_used"])


def process_grown(pair: Pair) -> float | None:
    """How much the process grew, by whichever of both looks tell."""
    before, after = resident(pair.before), resident(pair.after)
    if before is None or after is None:
        before, after = pair.before.get("usage"), pair.after.get("usage")
        same_sample = pair.before.get("usage_at") is not None and pair.before["usage_at"] == pair.after.get("usage_at")
        if before is None or after is None or same_sample:
            return None
    return after - before


def facts(found: Measured) -> FactSheet:
    """Every fact of the table."""
    sheet, now = FactSheet(), found.now
    sheet.known("in_namespace", found.namespace)
    sheet.known("workload", found.workload)
    _tell_ends(sheet, found)
    _tell_fullest(sheet, max(now, key=fill, default=None))
    runtime = next((pod["runtime"] for pod in now if pod.get("runtime")), "no JVM" if NO_JVM in found.why_not else None)
    sheet.known_or("runtime", runtime, METRICS, _NOT_TOLD)
    _tell_heap_growth(sheet, found)
    _tell_ages(sheet, found)
    _tell_growth(sheet, found)
    _tell_load(sheet, found)
    _tell_limit(sheet, found)
    _tell_profile(sheet, found)
    _tell_errors(sheet, found)
    return sheet


def tables(found: Measured) -> list[Table]:
    """The figures behind it, for the report."""
    heaps = sorted(((heap, row) for heap in _growth.of_heaps(found.first, found.second) for row in heap.classes), key=lambda pair: -pair[1]["grown_bytes"])
    return [
        Table("Memory of each pod", ("pod", "in use", "limit", "old objects", "heap taken", "outside the heap", "direct buffers", "metaspace", "threads"),
              [(pod["pod"], *(_size(amount) for amount in (pod["usage"], pod["limit"], pod["old_used"], pod.get("heap_committed"), outside_heap(pod),
                                                           pod.get("direct"), pod.get("metaspace"))),
                "?" if pod.get("threads") is None else f"{pod['threads']:.0f}") for pod in found.now]),
        Table("Growing classes", ("class", "objects", "grown", "now", "pod"),
              [(f"`{row['name']}`", f"+{row['grown_instances']}", f"+{size(row['grown_bytes'])}", size(row["bytes"]), heap.pod)
               for heap, row in heaps[:10]]),
    ]


def _tell_ends(sheet: FactSheet, found: Measured) -> None:
    """What became of the pods in the window, and which have only started."""
    pods = found.later or found.pods
    live = [pod for pod in pods if not pod["evicted_at"]]
    fresh = [pod["pod"] for pod in live if found.is_fresh(pod)]
    evicted = [pod for pod in pods if (pod["evicted_at"] or "") >= found.since]
    sheet.known("killed", [pod["pod"] for pod in pods if any(at >= found.since for at in pod["ooms"])], API)
    sheet.known("killed_beside", sorted({name for pod in pods for name, at in pod.get("other_ooms", []) if at >= found.since}), API)
    lived = [pod["lived"] for pod in pods if pod.get("lived") is not None and any(at >= found.since for at in pod["ooms"])]
    sheet.known_or("broke_after", min(lived, default=None), API, "no container was killed, or nobody knows when it had started", "s")
    sheet.known("evicted", [pod["pod"] for pod in evicted], API)
    sheet.known("evicted_because", next((pod.get("evicted_because") or "" for pod in evicted), ""), API)
    sheet.known("not_coming_up", [pod["pod"] for pod in live if pod.get("waiting") == "CrashLoopBackOff" and not pod["ooms"]], API)
    sheet.known("fresh", fresh, API)
    sheet.known("all_fresh", bool(live) and len(fresh) == len(live), API)


def _tell_fullest(sheet: FactSheet, pod: Json | None) -> None:
    """The levels of the fullest pod."""
    said: Json = pod or {}

    def tell(name: str, value: float | None, source: str = METRICS, unit: str = "B") -> None:
        sheet.known_or(name, None if value is None else float(value), source, _NOT_TOLD if pod else "no pod runs", unit)

    usage, limit, outside = said.get("usage"), said.get("limit"), outside_heap(said)
    sheet.known_or("fullest", said.get("pod"), API, "no pod runs")
    sheet.known_or("limit", limit, API, "the container has no memory limit" if pod else "no pod runs", "B")
    tell("usage", usage)
    tell("fill", usage / limit if usage is not None and limit else None, unit="share")
    tell("heap_max", said.get("heap_max"))
    tell("heap_of_limit", said["heap_max"] / limit if said.get("heap_max") and limit else None, unit="share")
    tell("old_used", said.get("old_used"))
    tell("heap_full", _share(said.get("old_used"), said.get("old_max") or said.get("heap_max")), unit="share")
    tell("outside_heap", outside, LOOK)
    tell("outside_share", _share(outside, resident(said)), LOOK, "share")
    for name in ("metaspace", "code_cache", "direct", "mapped"):
        tell(name, said.get(name))
    tell("threads", said.get("threads"), unit="")
    parts = [said.get(name) for name in ("metaspace", "code_cache", "direct")]
    tell("native_rest", None if outside is None or None in parts else max(0.0, outside - sum(t.cast(t.List[float], parts))), LOOK)
    for name in ("shmem", "file"):
        tell(name, said.get(name), LOOK)
    tell("file_share", _share(said.get("file"), _sum(said.get("file"), said.get("anon"))), LOOK, "share")


def _tell_heap_growth(sheet: FactSheet, found: Measured) -> None:
    heap = found.heap
    pod: Json = next((pod for pod in found.now if heap and pod["pod"] == heap.pod), {})
    room = pod.get("heap_max") or pod.get("limit")
    first = next(iter([row for row in heap.classes if _growth.is_own_class(row["name"])] or heap.classes), None) if heap else None
    because = found.why_not or _NO_HISTOGRAMS
    sheet.known_or("live_grown", float(heap.grown) if heap else None, HISTOGRAMS, because, "B")
    sheet.known_or("live_grown_in", float(heap.seconds) if heap else None, HISTOGRAMS, because, "s")
    sheet.known_or("live_grown_pod", heap.pod if heap else None, HISTOGRAMS, because)
    sheet.known_or("live_grown_share", _share(heap.grown, room) if heap else None, HISTOGRAMS, because, "share")
    sheet.known_or("seconds_to_full", _seconds_to(room - heap.live, heap) if heap and room else None, HISTOGRAMS,
                   because if not heap else "the live objects do not grow, or nobody knows how much room they have", "s")
    sheet.known_or("growing_class", (first["name"] if first else "") if heap else None, HISTOGRAMS, because)
    sheet.known_or("growing_objects", (int(first["grown_instances"]) if first else 0) if heap else None, HISTOGRAMS, because)
    sheet.known_or("growing_own_class", bool(first and _growth.is_own_class(first["name"])) if heap else None, HISTOGRAMS, because)


def _tell_ages(sheet: FactSheet, found: Measured) -> None:
    """Replicas of different age are a time series of hours, where two histograms are one of seconds."""
    aged = sorted((pod for pod in found.now if pod["old_used"] is not None and pod["started_at"]), key=lambda pod: pod["started_at"])
    because = "no two pods of different age tell how many old objects they hold"
    oldest, youngest = (aged[0], aged[-1]) if len(aged) > 1 and aged[0]["started_at"] != aged[-1]["started_at"] else (None, None)
    for name, pod in (("oldest", oldest), ("youngest", youngest)):
        sheet.known_or(name, pod["pod"] if pod else None, METRICS, because)
        sheet.known_or(f"{name}_holds", float(pod["old_used"]) if pod else None, METRICS, because, "B")
    room = (oldest["heap_max"] or oldest["limit"]) if oldest else None
    gap = oldest["old_used"] - youngest["old_used"] if oldest and youngest else None
    age = found.age(youngest) if youngest else None
    sheet.known_or("youngest_settled", None if age is None else age >= found.warm_up, API, because)
    sheet.known_or("age_gap", _share(gap, room), METRICS, because, "share")


def _tell_growth(sheet: FactSheet, found: Measured) -> None:
    """What grew outside the heap, and the process as a whole."""
    pairs = found.pairs
    because = "no settled pod was seen twice with it"
    differences: dict[str, tuple[Difference, str]] = {
        "outside": (outside_grown, "B"), "metaspace": (_growth.of("metaspace"), "B"), "classes": (_growth.of("classes"), ""),
        "direct": (_growth.of("direct"), "B"), "threads": (_growth.of("threads"), ""), "process": (process_grown, "B")}
    for name, (difference, unit) in differences.items():
        grown = _growth.most(pairs, difference)
        sheet.known_or(f"{name}_grown", grown.amount if grown else None, f"{METRICS}, {LOOK}", because, unit)
        sheet.known_or(f"{name}_grown_in", grown.seconds if grown else None, f"{METRICS}, {LOOK}", because, "s")
    process = _growth.most(pairs, process_grown)
    fastest = _fastest(found)
    sheet.known_or("growth_rate", fastest.amount / fastest.seconds if fastest else None, f"{METRICS}, {LOOK}", "nothing was seen to grow", "B")
    sheet.known_or("full_again_in", _full_again(found, fastest) if fastest else None, f"{METRICS}, {LOOK}", "nothing was seen to grow", "s")
    sheet.known_or("process_seconds", _seconds_left(found, process), f"{METRICS}, {LOOK}", "it does not grow, or has no limit", "s")
    busy = _growth.most(pairs, _growth.of("gc_seconds"))
    sheet.known_or("gc_share", busy.amount / busy.seconds if busy else None, METRICS, because, "share")


def _fastest(found: Measured) -> Grown | None:
    """What grew fastest, of the process and of those of its parts that tell sooner than it does."""
    heap = Grown(found.heap.pod, found.heap.grown, found.heap.seconds) if found.heap else None
    grown = [heap, *(_growth.most(found.pairs, difference) for difference in (process_grown, _growth.of("direct"), _growth.of("metaspace")))]
    return max((one for one in grown if one and one.amount > 0), key=lambda one: one.amount / one.seconds, default=None)


def _full_again(found: Measured, grown: Grown) -> float | None:
    """Seconds from the start of a container until it is full, at the rate seen: what it held at first is told by its age, or is nothing."""
    pod: Json = next((pod for pod in found.now if pod["pod"] == grown.pod), {})
    age = found.age(pod) if pod else None
    if not pod.get("limit") or pod.get("usage") is None or age is None:
        return None
    rate = grown.amount / grown.seconds
    return (pod["limit"] - max(0.0, pod["usage"] - rate * age)) / rate


def _tell_profile(sheet: FactSheet, found: Measured) -> None:
    """What a process says itself of who made what it holds (Go)."""
    last = max((look for look in (found.looks[1] or found.looks[0]) if look.get("site")), key=lambda look: look["holds"], default=None)
    because = "no process serves a heap profile" if any(found.looks) else "no process was asked"
    sheet.known_or("profile_site", last["site"] if last else None, PROFILE, because)
    sheet.known_or("profile_holds", float(last["holds"]) if last else None, PROFILE, because, "B")
    sheet.known_or("profile_live", float(last["live"]) if last else None, PROFILE, because, "B")


def _tell_load(sheet: FactSheet, found: Measured) -> None:
    """Requests a second now, against those since the containers started."""
    pairs = [pair for pair in _growth.of_readings(found.pods, found.later) if None not in (pair.before.get("requests"), pair.after.get("requests"))]
    usual = [(pair.before["requests"] / age) for pair in pairs if (age := found.age(pair.before)) is not None and age >= USUAL_SECONDS]
    known = pairs and len(usual) == len(pairs)
    sheet.known_or("requests", sum((pair.after["requests"] - pair.before["requests"]) / pair.seconds for pair in pairs) if pairs else None,
                   METRICS, "no pod counts its requests", "a second")
    sheet.known_or("requests_usual", sum(usual) if known else None, METRICS, "not every pod has counted requests for long enough", "a second")


@dataclasses.dataclass(frozen=True)
class Lowered:
    """A memory limit that was lowered.

    :param was: as a quantity, empty where there was none; likewise ``limit``, which holds since.
    :param since: ISO 8601, empty where nothing tells.
    :param by: who did it.
    """

    container: str
    was: str
    limit: str
    since: str
    by: str


def _tell_limit(sheet: FactSheet, found: Measured) -> None:
    """Whether the memory limit was lowered: by a release, its own or that of a container beside it that is killed, or by the namespace."""
    lowered = _lowered_by_range(found) or _lowered_by_release(found)
    names = ("limit_lowered", "limit_lowered_by", "limit_container", "limit_was", "limit_is", "limit_age")
    if lowered is None and found.revisions is None:
        for name in names:
            sheet.unknown(name, "the rollout history is not known", "rollout history")
        return
    source = "pods" if lowered and lowered.by == BY_RANGE else "rollout history"
    sheet.known("limit_lowered", lowered is not None, source)
    sheet.known("limit_lowered_by", lowered.by if lowered else "", source)
    sheet.known("limit_container", lowered.container if lowered else "", source)
    sheet.known("limit_was", lowered.was if lowered else "", source)
    sheet.known("limit_is", lowered.limit if lowered else "", source)
    age = _growth.seconds_between(lowered.since, found.at) if lowered and lowered.since else None
    sheet.known_or("limit_age", age, source, "its revision was used before, and nothing tells when it came back" if lowered else "it was not lowered", "s")


def _lowered_by_release(found: Measured) -> Lowered | None:
    """The last change of a limit, where it went down; of a revision that is used again, since it came back.

    A passing rise that was taken back lowers nothing: what counts as the limit before is what held for longer.
    """
    beside = [name for pod in found.pods for name, at in pod.get("other_ooms", ()) if at >= found.since]
    for container in dict.fromkeys([*(pod["container"] for pod in found.pods), *beside]):
        path = f"[{container}].resources.limits.memory"
        last = next(((row, change) for row in reversed(found.revisions or ()) for change in row["changes"] if change["path"].endswith(path)), None)
        if last and _history.is_lower(last[1]):
            row, change = last
            held = _seconds_by_limit(found.revisions or (), path)
            if held[_as_number(change["after"])] > held[_as_number(change["before"])]:
                continue
            return Lowered(container, change["before"] or "", change["after"], row.get("begun_at") or row["created_at"], f"revision {row['revision']}")
    return None


def _seconds_by_limit(revisions: t.Sequence[Json], path: str) -> dict[float, float]:
    """How long each limit held before the newest use of a revision, as far as the first and the last use of each tell."""
    limit = next((change["before"] for row in revisions for change in row["changes"] if change["path"].endswith(path)), None)
    uses: list[tuple[str, int, float]] = []
    for number, row in enumerate(revisions):
        limit = next((change["after"] for change in row["changes"] if change["path"].endswith(path)), limit)
        uses += [(at, number, _as_number(limit)) for at in (row["created_at"], row.get("begun_at") or row["created_at"])]
    held: dict[float, float] = collections.defaultdict(float)
    for (began, number, value), (ended, following, _value) in itertools.pairwise(sorted(uses)):
        if number != following:  # between two uses of one revision was another, which is gone
            held[value] += _growth.seconds_between(began, ended)
    return held


def _as_number(limit: str | None) -> float:
    """A limit that can be compared; none, and one that cannot be read, allows everything."""
    try:
        return float(_quantity.parse(limit)) if limit else math.inf
    except InvalidInput:
        return math.inf


def _lowered_by_range(found: Measured) -> Lowered | None:
    """A namespace's limit shows in pods of different age: those that came later have less."""
    ranged = [pod for pod in found.pods if pod.get("limit_range") and pod["limit"] and pod.get("created_at") and not pod["evicted_at"]]
    low = min(ranged, key=lambda pod: pod["limit"], default=None)
    high = max((pod for pod in ranged if low and pod["created_at"] < low["created_at"]), key=lambda pod: pod["limit"], default=None)
    if not low or not high or high["limit"] <= low["limit"]:
        return None
    first = min(pod["created_at"] for pod in ranged if pod["limit"] == low["limit"])
    return Lowered(low["container"], _quantity.mebibytes(high["limit"]), _quantity.mebibytes(low["limit"]), first, BY_RANGE)


def _tell_errors(sheet: FactSheet, found: Measured) -> None:
    """What the JVM itself said that it had run out of, in the window."""
    if found.patterns is None:
        for name in ("memory_error", "memory_error_says"):
            sheet.unknown(name, "the logs were not analysed", LOGS)
        return
    said = [text for pattern in found.patterns if not pattern.get("last_seen") or pattern["last_seen"] >= found.since
            for text in (pattern["template"], *pattern.get("examples", []))]
    kind, text = next(((kind, text) for kind, expression in _ERRORS for text in said if re.search(expression, text)), ("", ""))
    sheet.known("memory_error", kind, LOGS)
    sheet.known("memory_error_says", text.strip().splitlines()[0][:200] if text else "", LOGS)


def _seconds_left(found: Measured, grown: Grown | None) -> float | None:
    pod: Json = next((pod for pod in found.now if grown and pod["pod"] == grown.pod), {})
    if not grown or grown.amount <= 0 or not pod.get("limit") or pod.get("usage") is None:
        return None
    return max(pod["limit"] - pod["usage"], 0.0) / (grown.amount / grown.seconds)


def _seconds_to(room: float, heap: Heap) -> float | None:
    return max(room, 0.0) / (heap.grown / heap.seconds) if heap.grown > 0 else None


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _size(amount: float | None) -> str:
    return "?" if amount is None else size(amount)
