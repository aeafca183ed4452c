# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the known causes fits what was measured of a workload's memory, with the evidence for and against."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Json, rank

#: a leak that fills the heap later than this is not what killed a pod within the hour
RELEVANT_HOURS = 24.0
#: growth of the JDK's own classes alone is noise (warm-up, caches) unless it fills the heap sooner than this
RELEVANT_HOURS_OF_JDK_CLASSES = 1.0
#: share of the limit that a pod's memory may take before the limit counts as too small
CROWDED = 0.6
#: memory outside the heap that makes up more than this share of the usage points to native memory
NATIVE_SHARE = 0.6
MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Floors:
    """What is less than this is noise, and counts neither for nor against a cause.

    :param growth_bytes: how much live objects must grow between two histograms.
    :param growth_share: the same as a share of the heap's maximum.
    :param age_share: how much more the oldest container must hold than the youngest, as a share of the heap's maximum.
    :param warm_up: seconds for which a container that has started says nothing about growth.
    """

    growth_bytes: float = 1.0 * MIB
    growth_share: float = 0.002
    age_share: float = 0.1
    warm_up: float = 60.0


@dataclasses.dataclass(frozen=True)
class Growth:
    """What two histograms of one container's life show.

    :param seconds: between them.
    :param age: seconds that the container had run at the first; None where it is not known.
    :param grown: bytes that all live objects take more, or less.
    :param live: bytes that they take at the second.
    :param classes: those that grew most: name, grown_bytes, grown_instances, bytes (now), per_second (bytes).
    """

    pod: str
    seconds: float
    age: float | None
    grown: float
    live: float
    classes: t.Sequence[Json]


@dataclasses.dataclass
class Diagnosis:
    """The causes, the best first, and what was measured but counts for nothing."""

    candidates: list[Candidate]
    notes: list[str]


def diagnose(pods: t.Sequence[Json], growths: t.Sequence[Growth], floors: Floors = Floors(), at: str | None = None) -> Diagnosis:
    """Rank the causes.

    :param pods: what ``memory_signals_info`` read of each pod.
    :param growths: of the pods that have two histograms; a pod that has none says nothing.
    :param at: when the pods were read (ISO 8601); None where it is not known.
    """
    leak = Candidate("leak", "objects that are never released", "restart")
    small = Candidate("limit_too_small", "a memory limit that is too small for the working set", "resources")
    native = Candidate("native_memory", "memory outside the Java heap", "restart")
    notes = _weigh_growth(leak, small, pods, growths, floors)
    notes += _weigh_age(leak, small, pods, floors, at)
    _weigh_heap_against_limit(small, pods)
    _weigh_native(native, leak, pods)
    return Diagnosis(rank((leak, small, native)), notes)


def growth_between(first: Json, second: Json, seconds: float, top: int = 10) -> list[Json]:
    """The classes that grew most between two histograms of one pod.

    :param first: class name -> {"instances": int, "bytes": int}; likewise ``second``.
    """
    grown = []
    for name, now in second.items():
        before = first.get(name, {"instances": 0, "bytes": 0})
        delta = now["bytes"] - before["bytes"]
        if delta > 0 and now["instances"] > before["instances"]:
            grown.append({"name": name, "grown_bytes": delta, "grown_instances": now["instances"] - before["instances"],
                          "bytes": now["bytes"], "per_second": delta / seconds if seconds > 0 else 0.0})
    return sorted(grown, key=lambda row: -row["grown_bytes"])[:top]


def seconds_between(earlier: str, later: str) -> float:
    """Seconds between two times, ISO 8601."""
    return (_moment(later) - _moment(earlier)).total_seconds()


def _weigh_growth(leak: Candidate, small: Candidate, pods: t.Sequence[Json], growths: t.Sequence[Growth],
                  floors: Floors) -> list[str]:
    """The pod whose live objects grew most; growth below the floor does not speak against a leak: seconds are short."""
    young = [growth for growth in growths if growth.age is not None and growth.age < floors.warm_up]
    notes = [f"{growth.pod} had started {growth.age:.0f} s before its first histogram: its growth counts for nothing" for growth in young]
    settled = [growth for growth in growths if growth not in young and growth.seconds > 0]
    if not settled:
        return notes
    most = max(settled, key=lambda growth: growth.grown)
    pod: Json = next((pod for pod in pods if pod["pod"] == most.pod), {})
    floor = max(floors.growth_bytes, floors.growth_share * (pod.get("heap_max") or 0))
    if most.grown < floor or not most.classes:
        return [*notes, f"live objects of {most.pod} grew by {size(max(most.grown, 0))} in {most.seconds:.0f} s: noise (less than {size(floor)})"]
    own = [row for row in most.classes if _own_class(row["name"])]
    first, hours = (own or list(most.classes))[0], _hours_to_full(pod, most)
    text = (f"live objects of {most.pod} grew by {size(most.grown)} in {most.seconds:.0f} s, {first['name']} by "
            f"{first['grown_instances']} objects")
    if hours is None:
        leak.supports(text)
    elif hours > (RELEVANT_HOURS if own else RELEVANT_HOURS_OF_JDK_CLASSES):
        leak.opposes(f"{text}: {hours:.0f} h to fill the heap")
        return notes
    else:
        leak.supports(f"{text}: {hours:.1f} h to fill what is left of the heap")
    small.opposes("the live objects grow, so a larger limit only delays the end")
    return notes


def _hours_to_full(pod: Json, growth: Growth) -> float | None:
    if not pod.get("heap_max"):
        return None
    return max(pod["heap_max"] - growth.live, 0) / (growth.grown / growth.seconds) / 3600


def _weigh_age(leak: Candidate, small: Candidate, pods: t.Sequence[Json], floors: Floors, at: str | None) -> list[str]:
    """Replicas of different age are a time series: a leak holds more in the older ones.

    They tell of hours, two histograms only of seconds in which what leaks may not have been asked for.
    """
    aged = sorted((pod for pod in pods if pod["old_used"] is not None and pod["started_at"]), key=lambda pod: pod["started_at"])
    if len(aged) < 2 or aged[0]["started_at"] == aged[-1]["started_at"]:
        return []
    oldest, youngest = aged[0], aged[-1]
    fresh = at is not None and seconds_between(youngest["started_at"], at) < floors.warm_up
    text = (f"the oldest container holds {size(oldest['old_used'])} of old objects ({oldest['pod']}), "
            f"the youngest {size(youngest['old_used'])} ({youngest['pod']})")
    if oldest["old_used"] >= 2 * max(youngest["old_used"], 1):
        if not oldest["heap_max"]:
            return [f"{text}: how much of the heap that is, is not known"]
        if oldest["old_used"] - youngest["old_used"] < floors.age_share * oldest["heap_max"]:
            return [f"{text}: noise (less than {floors.age_share:.0%} of the heap apart)"]
        # What an application holds once it has warmed up is not known of one that has just started: less weight.
        leak.supports(f"{text}, which has only started" if fresh else text, weight=1 if fresh else 2)
    elif not fresh and youngest["limit"] and youngest["old_used"] >= CROWDED * youngest["limit"]:
        small.supports(f"even the youngest container holds {size(youngest['old_used'])} of its {size(youngest['limit'])} limit "
                       f"in old objects ({youngest['pod']})")
    return []


def _weigh_heap_against_limit(small: Candidate, pods: t.Sequence[Json]) -> None:
    known = [pod for pod in pods if pod["heap_max"] and pod["limit"]]
    tight = [pod for pod in known if pod["heap_max"] >= 0.9 * pod["limit"]]
    pressed = [pod for pod in tight if pod["ooms"] or (pod["usage"] or 0) > CROWDED * pod["limit"]]
    if pressed:
        small.supports(f"{_heap_under_limit(max(pressed, key=_fill))}: nothing is left for the rest of the JVM")
    elif known and not tight:
        small.opposes(f"{_heap_under_limit(max(known, key=_fill))}: the heap fits")


def _heap_under_limit(pod: Json) -> str:
    return f"the heap of {pod['pod']} may grow to {size(pod['heap_max'])} under a limit of {size(pod['limit'])}"


def _weigh_native(native: Candidate, leak: Candidate, pods: t.Sequence[Json]) -> None:
    known = [pod for pod in pods if pod["usage"] and pod["heap_used"] is not None]
    outside = [pod for pod in known if pod["usage"] - pod["heap_used"] > NATIVE_SHARE * pod["usage"] and _fill(pod) > CROWDED]
    if outside:
        pod = max(outside, key=_fill)
        native.supports(f"{size(pod['usage'] - pod['heap_used'])} of {size(pod['usage'])} of {pod['pod']} lie outside the heap: "
                        "direct buffers, metaspace or threads")
        leak.opposes(f"most of the memory of {pod['pod']} lies outside the heap")
    elif known:
        native.opposes("most of the memory lies in the heap")


def _fill(pod: Json) -> float:
    """Share of the limit in use, 0 where it is not known."""
    return (pod["usage"] or 0) / pod["limit"] if pod["limit"] else 0.0


def _own_class(name: str) -> bool:
    return not name.startswith(("[", "java.", "javax.", "jdk.", "sun.", "com.sun."))


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
