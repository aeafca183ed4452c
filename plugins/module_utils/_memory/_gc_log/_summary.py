# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a garbage collection log."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core import _trend
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import (
    CYCLE, FULL, MINOR_CYCLE, MIXED, NO_ROOM, PHASE, PINNED, YOUNG, Collection, GcLog, Stop)

Json = t.Dict[str, t.Any]

#: points from which a trend of the live heap is believed
ENOUGH_POINTS = 5
#: growth of the live heap below this share of the limit is noise
GROWTH_FLOOR = 0.02
#: from here on a heap is full, and cannot grow further
FULL_SHARE = 0.85
LONGEST_SHOWN = 10
#: seconds of a pause from which the processor's share in it is worth a look (both are rounded to hundredths)
MEASURABLE = 0.1
#: causes of collections that a person or a tool asked for
DIAGNOSTIC = ("Heap Dump Initiated GC", "Heap Inspection Initiated GC", "Diagnostic Command")
_BASES = {FULL: "full collections", CYCLE: "concurrent cycles", MIXED: "mixed collections", YOUNG: "concurrent marking"}
#: parts of a log, for what stays after young collections where there are no others
WINDOWS = 20


def summarize(log: GcLog, long_safepoint: float) -> Json:
    """The figures, bytes and seconds unless their names say milliseconds.

    Keys: collector, version, old_format, flags, heap_max, lines, understood, unread, begins, ends, seconds, restarts, notes; pauses, kinds,
    causes, allocation, promotion, live, young, evacuation_failures, pinned, full_collections, late, starved, stalls, safepoints. A figure
    that the log does not give is None.

    :param long_safepoint: seconds from which a stop counts as long.
    """
    found = log.collections
    moments = [item.at for item in found if item.at is not None]
    seconds = moments[-1] - moments[0] if len(moments) > 1 else None
    return {
        "collector": log.collector, "version": log.version, "old_format": log.old_format, "flags": log.flags, "heap_max": limit(log), "lines": log.lines,
        "understood": log.understood, "unread": log.unread, "begins": log.begins, "ends": log.ends, "seconds": seconds,
        "restarts": max((item.life for item in found), default=0), "notes": log.notes,
        "pauses": _pauses([item.pause for item in found if item.pause], seconds), "worst_minute": _worst_minute(found),
        "kinds": _grouped(found, lambda item: f"{item.name} ({item.kind})" if item.kind == MIXED else item.name),
        "causes": _grouped(found, lambda item: item.cause),
        "allocation": _allocation(found, seconds), "promotion": _promotion(found, seconds), "live": _live(log),
        "young": _when(item for item in found if item.kind in (YOUNG, MIXED)),
        "evacuation_failures": _when(item for item in found if item.failed == NO_ROOM),
        "pinned": _when(item for item in found if item.failed == PINNED),
        "full_collections": _when(item for item in found if _stops_the_world(item)),
        "late": _when(item for item in found if item.late),
        "starved": _starved(found),
        "stalls": _stops(log.stalls, 0.0), "safepoints": _stops(log.safepoints, long_safepoint)}


def limit(log: GcLog) -> int | None:
    """The most that the heap may hold: as the JVM says, else the largest capacity seen."""
    return log.heap_max or max((item.capacity for item in log.collections if item.capacity), default=None)


def _pauses(pauses: t.Sequence[float], seconds: float | None) -> Json:
    ordered = sorted(pauses)
    figures = {f"p{share}_ms": _milliseconds(ordered[math.ceil(share / 100 * len(ordered)) - 1]) if ordered else None
               for share in (50, 95, 99)}
    return {"count": len(ordered), **figures, "max_ms": _milliseconds(ordered[-1]) if ordered else None,
            "total_seconds": round(sum(ordered), 6), "share": min(1.0, sum(ordered) / seconds) if seconds else None}


def _worst_minute(found: t.Sequence[Collection]) -> Json | None:
    """The minute of the log with the largest share of pauses."""
    minutes: dict[int, float] = {}
    for item in found:
        if item.at is not None:
            minutes[int(item.at // 60)] = minutes.get(int(item.at // 60), 0.0) + item.pause
    if not minutes:
        return None
    minute, paused = max(minutes.items(), key=lambda entry: entry[1])
    return {"from_second": minute * 60, "share": min(1.0, paused / 60)}


def _grouped(found: t.Sequence[Collection], key: t.Callable[[Collection], str]) -> list[Json]:
    groups: dict[str, list[float]] = {}
    for item in found:
        if key(item):
            groups.setdefault(key(item), []).append(item.pause)
    rows = [{"name": name, "count": len(pauses), "total_ms": _milliseconds(sum(pauses)), "max_ms": _milliseconds(max(pauses))}
            for name, pauses in groups.items()]
    return sorted(rows, key=lambda row: (-row["total_ms"], -row["count"]))


def _allocation(found: t.Sequence[Collection], seconds: float | None) -> Json:
    """What the heap gained between the end of one collection and the beginning of the next."""
    sized = [item for item in found if item.before is not None]
    gained = sum(max(0, later.before - earlier.after) for earlier, later in zip(sized, sized[1:], strict=False)
                 if earlier.life == later.life)
    concurrent = any(item.kind in (CYCLE, MINOR_CYCLE) for item in found)
    return {"bytes": gained, "bytes_per_second": gained / seconds if seconds and len(sized) > 1 else None, "at_least": concurrent}


def _promotion(found: t.Sequence[Collection], seconds: float | None) -> Json:
    known = [item.promoted for item in found if item.promoted is not None]
    return {"bytes": sum(known) if known else None, "bytes_per_second": sum(known) / seconds if seconds and known else None}


def _live(log: GcLog) -> Json:
    """What stays after the collections that look at the whole heap, of the JVM's last life, and where it is going."""
    points, basis = _live_points(log.collections)
    sure = len(points) >= ENOUGH_POINTS
    if not sure and len(floors := _floors(log.collections)) >= ENOUGH_POINTS:
        points, basis = floors, "young collections (the lowest of each twentieth of the log)"
    trend, most = _trend.fit([(point[0] / 3600, point[1]) for point in points]), limit(log)
    found: Json = {"basis": basis, "points": len(points), "first": points[0][1] if points else None,
                   "last": points[-1][1] if points else None, "limit": most, "bytes_per_hour": None, "low": None, "high": None,
                   "hours_to_limit": None, "growing": None}
    if trend is None or len(points) < ENOUGH_POINTS:
        return found
    growing = _growing(points, trend, most)
    left = max(0.0, most - trend.level) if most else None
    return {**found, "bytes_per_hour": trend.slope, "low": trend.low, "high": trend.high,
            "growing": growing if sure or not growing else None,  # what young collections leave behind may be garbage
            "hours_to_limit": left / trend.slope if left is not None and growing else None}


def _live_points(found: t.Sequence[Collection]) -> tuple[list[tuple[float, int]], str]:
    """Moments and bytes: after full collections and concurrent cycles, and after the last of each run of mixed ones.

    A marking that leaves nothing for mixed collections has freed what it could by the next young one.
    """
    if not found:
        return [], "no collections"
    last = [item for item in found if item.life == found[-1].life and item.at is not None and item.kind != MINOR_CYCLE
            and (item.after is not None or item.kind == PHASE)]
    whole: dict[tuple[str, int], Collection] = {}
    marked, waiting = False, None
    for index, item in enumerate(last):
        if item.kind == PHASE:
            marked = marked or "leanup" in item.name
            continue
        if waiting is not None and item.kind != MIXED:
            whole[waiting[0].kind, waiting[1]] = waiting[0]
            marked = False
        number = item.number if item.number >= 0 else index
        if item.kind in (FULL, CYCLE):
            whole[item.kind, number] = item
            marked = False
        waiting = (item, number) if item.kind == MIXED or item.kind == YOUNG and marked else None
    if waiting is not None:
        whole[waiting[0].kind, waiting[1]] = waiting[0]
    names = {item.kind for item in whole.values()}
    return [(item.at or 0.0, item.live if item.live is not None else item.after or 0) for item in whole.values()], (
        " and ".join(sorted(_BASES[name] for name in names)) if names else "no full, mixed or concurrent collection of the whole heap")


def _stops_the_world(item: Collection) -> bool:
    """A full collection that the collector itself needed, or a concurrent one that it had to end in a stop."""
    return (item.kind == FULL or item.late) and item.cause not in DIAGNOSTIC


def _starved(found: t.Iterable[Collection]) -> Json:
    """Pauses whose threads got less than half of one processor: they waited for the machine, not for the heap."""
    measured = [item for item in found if item.real is not None and item.real >= MEASURABLE]
    starved = [item for item in measured if (item.cpu or 0.0) < (item.real or 0.0) / 2]
    worst = max(starved, key=lambda item: item.real or 0.0, default=None)
    return {"count": len(starved), "measured": len(measured), "total_ms": _milliseconds(sum(item.real or 0.0 for item in starved)),
            "cpu_ms": _milliseconds(sum(item.cpu or 0.0 for item in starved)),
            "max_ms": _milliseconds(worst.real or 0.0) if worst else None, "worst_at": worst.at if worst else None}


def _floors(found: t.Sequence[Collection]) -> list[tuple[float, int]]:
    """The lowest heap after a collection in each of WINDOWS equal parts of the last life."""
    last = [(item.at, item.after) for item in found
            if item.life == found[-1].life and item.at is not None and item.after is not None and item.kind in (YOUNG, MIXED, FULL)]
    if not last:
        return []
    begin, length = last[0][0], (last[-1][0] - last[0][0]) / WINDOWS
    lowest: dict[int, tuple[float, int]] = {}
    for at, after in last:
        window = min(WINDOWS - 1, int((at - begin) / length)) if length else 0
        if window not in lowest or after < lowest[window][1]:
            lowest[window] = (at, after)
    return list(lowest.values())


def _growing(points: t.Sequence[tuple[float, int]], trend: _trend.Trend, most: int | None) -> bool:
    """Whether it is a leak's: rising as a whole and still at the end, where a warm-up would be over, or full to the brim."""
    risen = trend.slope * (points[-1][0] - points[0][0]) / 3600
    if trend.low <= 0 or risen < GROWTH_FLOOR * (most or points[-1][1]):
        return False
    half = points[len(points) // 2:]
    late = _trend.fit([(point[0] / 3600, point[1]) for point in half])
    return bool(late and late.slope > trend.slope / 4) or bool(most and max(point[1] for point in half) >= FULL_SHARE * most)


def _when(found: t.Iterable[Collection]) -> Json:
    items = list(found)
    return {"count": len(items), "first_at": items[0].at if items else None, "last_at": items[-1].at if items else None,
            "total_ms": _milliseconds(sum(item.pause for item in items)),
            "max_ms": _milliseconds(max((item.pause for item in items), default=0.0))}


def _stops(stops: t.Sequence[Stop], long: float) -> Json:
    over = sorted((stop for stop in stops if stop.seconds >= long), key=lambda stop: -stop.seconds)
    return {"count": len(stops), "long": len(over), "total_ms": _milliseconds(sum(stop.seconds for stop in stops)),
            "longest": [{"at": stop.at, "reason": stop.reason, "ms": _milliseconds(stop.seconds),
                         "reaching_ms": _milliseconds(stop.reaching), "collecting_ms": _milliseconds(stop.collecting)}
                        for stop in over[:LONGEST_SHOWN]]}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
