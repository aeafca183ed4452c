# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the known causes fits what was measured of a workload's memory, with the evidence for and against."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Json, rank

#: a leak that fills the heap later than this is not what killed a pod within the hour
RELEVANT_HOURS = 24.0
#: growth of the JDK's own classes alone is noise (warm-up, caches) unless it fills the heap sooner than this
RELEVANT_HOURS_OF_JDK_CLASSES = 1.0
#: share of the limit that a fresh pod's live objects may take before the limit counts as too small
CROWDED = 0.6
#: memory outside the heap that makes up more than this share of the usage points to native memory
NATIVE_SHARE = 0.6
MIB = 1 << 20


def diagnose(pods: t.Sequence[Json], growth: t.Sequence[Json]) -> list[Candidate]:
    """Rank the causes, the best first.

    :param pods: what ``memory_signals_info`` read of each pod.
    :param growth: per class, what two histograms of the same pod show: name, grown_bytes, grown_instances,
        bytes (now), per_second (bytes), pod.
    """
    leak = Candidate("leak", "objects that are never released", "restart")
    small = Candidate("limit_too_small", "a memory limit that is too small for the working set", "resources")
    native = Candidate("native_memory", "memory outside the Java heap", "restart")
    _weigh_growth(leak, small, pods, growth)
    _weigh_age(leak, small, pods)
    _weigh_heap_against_limit(leak, small, pods)
    _weigh_native(native, leak, pods)
    return rank((leak, small, native))


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


def _weigh_growth(leak: Candidate, small: Candidate, pods: t.Sequence[Json], growth: t.Sequence[Json]) -> None:
    own = [row for row in growth if _own_class(row["name"])]
    growing = own or list(growth)
    relevant = RELEVANT_HOURS if own else RELEVANT_HOURS_OF_JDK_CLASSES
    room = max((pod["heap_max"] - (pod["old_used"] or 0) for pod in pods if pod["heap_max"]), default=None)
    rate = sum(row["per_second"] for row in growth)
    if not growing or not rate:
        leak.opposes("no class grew between two histograms")
        return
    first = growing[0]
    hours = room / rate / 3600 if room else None
    text = (f"{first['name']} grew by {first['grown_instances']} objects between two histograms "
            f"(all classes: {rate / 1024:.0f} KiB/s")
    if hours is not None and hours > relevant:
        leak.opposes(f"{text}: {hours:.0f} h to fill the heap)")
        return
    leak.supports(text + (f", {hours:.1f} h to fill what is left of the heap)" if hours is not None else ")"))
    small.opposes("the live objects grow, so a larger limit only delays the end")


def _weigh_age(leak: Candidate, small: Candidate, pods: t.Sequence[Json]) -> None:
    """Replicas of different age are a time series: a leak holds more in the older ones.

    They tell of hours, two histograms only of seconds in which what leaks may not have been asked for.
    """
    aged = sorted((pod for pod in pods if pod["old_used"] is not None and pod["started_at"]),
                  key=lambda pod: pod["started_at"])
    if len(aged) < 2 or aged[0]["started_at"] == aged[-1]["started_at"]:
        return
    oldest, youngest = aged[0], aged[-1]
    if oldest["old_used"] >= 2 * max(youngest["old_used"], 1):
        leak.supports(
            f"the oldest container holds {oldest['old_used'] / MIB:.0f} MiB of old objects ({oldest['pod']}), "
            f"the youngest {youngest['old_used'] / MIB:.0f} MiB ({youngest['pod']})", weight=2)
    elif youngest["limit"] and youngest["old_used"] >= CROWDED * youngest["limit"]:
        small.supports(f"even the youngest container holds {youngest['old_used'] / MIB:.0f} MiB of its "
                       f"{youngest['limit'] / MIB:.0f} MiB limit in old objects")


def _weigh_heap_against_limit(leak: Candidate, small: Candidate, pods: t.Sequence[Json]) -> None:
    known = [pod for pod in pods if pod["heap_max"] and pod["limit"]]
    if not known:
        return
    pod = known[0]
    text = f"the heap may grow to {pod['heap_max'] / MIB:.0f} MiB under a limit of {pod['limit'] / MIB:.0f} MiB"
    pressed = any(pod["ooms"] or (pod["usage"] or 0) > CROWDED * pod["limit"] for pod in known)
    if pod["heap_max"] >= 0.9 * pod["limit"] and pressed:
        small.supports(f"{text}: nothing is left for the rest of the JVM")
    elif pod["heap_max"] < 0.9 * pod["limit"]:
        small.opposes(f"{text}: the heap fits")


def _weigh_native(native: Candidate, leak: Candidate, pods: t.Sequence[Json]) -> None:
    known = [pod for pod in pods if pod["usage"] and pod["heap_used"] is not None]
    outside = [pod for pod in known if pod["usage"] - pod["heap_used"] > NATIVE_SHARE * pod["usage"]
               and pod["limit"] and pod["usage"] > CROWDED * pod["limit"]]
    if outside:
        pod = outside[0]
        native.supports(f"{(pod['usage'] - pod['heap_used']) / MIB:.0f} of {pod['usage'] / MIB:.0f} MiB of "
                        f"{pod['pod']} lie outside the heap: direct buffers, metaspace or threads")
        leak.opposes("most of the memory lies outside the heap")
    elif known:
        native.opposes("most of the memory lies in the heap")


def _own_class(name: str) -> bool:
    return not name.startswith(("[", "java.", "javax.", "jdk.", "sun.", "com.sun."))
