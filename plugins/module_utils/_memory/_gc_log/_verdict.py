# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures of a garbage collection log mean: causes with the evidence for and against each, and what helps."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Table, diagnosis_result, rank

Json = t.Dict[str, t.Any]

#: share of the time in pauses that users feel, and a share that is nothing to speak of
MUCH, LITTLE = 0.1, 0.02
#: share of the limit that live data may take before collections crowd, and below which there is room
TIGHT, ROOMY = 0.7, 0.5
_MIB = 1 << 20
_METASPACE = ("Metadata GC Threshold", "Metadata GC Clear Soft References")

FIXES = {
    "leak": "Take a heap dump before the limit is reached and find what holds the growing objects; a restart only buys time.",
    "heap_too_small": "Raise -Xmx (and the container's memory limit with it), or hold less: live data should stay under "
                      "two thirds of the heap.",
    "allocation": "Allocate less on the hot path (profile allocations), or give the young generation more room.",
    "explicit_gc": "Find who calls System.gc(), or start the JVM with -XX:+DisableExplicitGC "
                   "(with -XX:+ExplicitGCInvokesConcurrent where direct buffers need it).",
    "metaspace": "Look for class loaders that are never released; raise -XX:MetaspaceSize if the classes are wanted.",
    "humongous": "Avoid arrays over half a G1 region, or raise -XX:G1HeapRegionSize.",
    "evacuation": "Give G1 more reserve (-XX:G1ReservePercent), begin marking sooner (-XX:InitiatingHeapOccupancyPercent), or raise -Xmx.",
    "safepoints": "Threads are slow to stop: look for long counted loops, memory that is swapped out, or a CPU limit that throttles.",
    "stalls": "The concurrent collector loses against allocation: give it more heap or CPU (-XX:ConcGCThreads), or allocate less.",
}


def diagnose(figures: Json) -> Json:
    """Causes, tables and fixes, as a module returns them.

    :param figures: of ``_summary.summarize``.
    """
    causes = {row["name"]: row for row in figures["causes"]}
    candidates = rank([_leak(figures), _heap_too_small(figures), _allocation(figures), _explicit(causes), _metaspace(causes),
                       _humongous(causes, figures), _evacuation(figures), _safepoints(figures), _stalls(figures)])
    fixes = [FIXES[candidate.name] for candidate in candidates if candidate.score > 0]
    return {**diagnosis_result(candidates, tables(figures), fixes), "says": says(figures, candidates)}


def says(figures: Json, candidates: t.Sequence[Candidate]) -> list[str]:
    """Lines for a person."""
    pauses, allocation, promotion = figures["pauses"], figures["allocation"], figures["promotion"]
    if not figures["understood"]:
        return [f"{figures['lines']} lines, none of a garbage collection (log with -Xlog:gc*)"]
    lines = [f"{figures['collector'] or 'unknown collector'}, {_mib(figures['heap_max'])} heap, {_duration(figures['seconds'])}: "
             f"{pauses['count']} pauses, {_share(pauses['share'])} of the time; p50 {pauses['p50_ms']} ms, p95 {pauses['p95_ms']} ms, "
             f"p99 {pauses['p99_ms']} ms, longest {pauses['max_ms']} ms"]
    if allocation["bytes_per_second"] is not None:
        lines.append(f"allocation {'at least ' if allocation['at_least'] else ''}{_rate(allocation['bytes_per_second'])}, "
                     f"promotion {_rate(promotion['bytes_per_second'])}")
    lines.append(_live_line(figures["live"]))
    lines += [f"{candidate.title}: {'; '.join(candidate.evidence_for)}" for candidate in candidates if candidate.score > 0]
    return lines + figures["notes"]


def tables(figures: Json) -> list[Table]:
    """Pauses by kind and by cause, and the longest stops."""
    return [Table(f"Pauses by {title}", (title, "count", "total ms", "longest ms"),
                  [(row["name"], row["count"], row["total_ms"], row["max_ms"]) for row in figures[key]])
            for title, key in (("kind", "kinds"), ("cause", "causes"))] + [
        Table("Long safepoints", ("at second", "operation", "ms", "of them until all threads stood"),
              [(stop["at"], stop["reason"], stop["ms"], stop["reaching_ms"]) for stop in figures["safepoints"]["longest"]])]


def _leak(figures: Json) -> Candidate:
    live, cause = figures["live"], Candidate("leak", "the heap leaks")
    if live["growing"]:
        cause.supports(f"after {live['basis']} {_mib(live['first'])} at first and {_mib(live['last'])} at the end "
                       f"({live['points']} points): {_per_hour(live)}", 4)
        if live["hours_to_limit"] is not None:
            cause.supports(f"at this rate the limit of {_mib(live['limit'])} is reached in {_duration(live['hours_to_limit'] * 3600)}")
    elif live["growing"] is False:
        cause.opposes(f"after {live['basis']} the heap does not keep growing ({live['points']} points: {_per_hour(live)})", 2)
    else:
        cause.opposes(f"too little to tell: {live['points']} points after {live['basis']}", 0)
    if live["growing"] is None and live["bytes_per_hour"] is not None:
        cause.supports(f"what young collections leave behind grows: {_per_hour(live)}, which may be garbage", 0)
    return cause


def _heap_too_small(figures: Json) -> Candidate:
    live, share, cause = figures["live"], figures["pauses"]["share"], Candidate("heap_too_small", "the heap is too small for its data")
    filled = live["last"] / live["limit"] if live["last"] and live["limit"] else None
    if filled is not None and filled >= TIGHT:
        cause.supports(f"live data takes {filled:.0%} of the limit")
    elif filled is not None and filled <= ROOMY:
        cause.opposes(f"live data takes only {filled:.0%} of the limit", 3)
    if share is not None and share >= MUCH:
        cause.supports(f"{share:.0%} of the time is spent in pauses")
    elif share is not None and share < LITTLE:
        cause.opposes(f"only {share:.1%} of the time is spent in pauses", 2)
    if live["growing"]:
        cause.opposes("the data grows: more heap would fill, too", 2)
    return cause


def _allocation(figures: Json) -> Candidate:
    share, cause = figures["pauses"]["share"], Candidate("allocation", "objects are allocated faster than the young generation takes them")
    young = sum(row["total_ms"] for row in figures["kinds"] if row["name"].startswith("Young"))
    total = figures["pauses"]["total_seconds"] * 1000
    if share is not None and share >= MUCH and young > total / 2:
        cause.supports(f"{share:.0%} of the time is spent in pauses, most of it in young collections", 2)
        cause.supports(f"{_rate(figures['allocation']['bytes_per_second'])} are allocated", 0)
    elif share is not None:
        cause.opposes(f"young collections take {young / 1000 / figures['seconds']:.1%} of the time")
    return cause


def _explicit(causes: Json) -> Candidate:
    cause = Candidate("explicit_gc", "the application asks for collections")
    row = causes.get("System.gc()")
    if row:
        cause.supports(f"System.gc() {row['count']} times, {row['total_ms']:.0f} ms, the longest {row['max_ms']:.0f} ms", 2)
    return cause


def _metaspace(causes: Json) -> Candidate:
    cause = Candidate("metaspace", "classes fill the metaspace")
    rows = [causes[name] for name in _METASPACE if name in causes]
    if sum(row["count"] for row in rows) > 2:  # one or two belong to every start
        cause.supports(f"{sum(row['count'] for row in rows)} collections because of metadata", 2)
    return cause


def _humongous(causes: Json, figures: Json) -> Candidate:
    cause, row = Candidate("humongous", "objects too large for a G1 region"), causes.get("G1 Humongous Allocation")
    total = sum(other["count"] for other in figures["causes"])
    if row and row["count"] > total / 4:
        cause.supports(f"{row['count']} of {total} collections are begun by humongous objects", 2)
    return cause


def _evacuation(figures: Json) -> Candidate:
    cause, found = Candidate("evacuation", "survivors found no room"), figures["evacuation_failures"]
    if found["count"]:
        cause.supports(f"{found['count']} evacuation failures, {found['total_ms']:.0f} ms", 2)
    return cause


def _safepoints(figures: Json) -> Candidate:
    cause, found = Candidate("safepoints", "threads take long to stop"), figures["safepoints"]
    slow = [stop for stop in found["longest"] if stop["reaching_ms"] > stop["ms"] / 2]
    if slow:
        cause.supports(f"{len(slow)} long stops were mostly waiting for threads, the longest {slow[0]['ms']:.0f} ms ({slow[0]['reason']})", 2)
    return cause


def _stalls(figures: Json) -> Candidate:
    cause, found = Candidate("stalls", "threads waited for memory"), figures["stalls"]
    if found["count"]:
        cause.supports(f"{found['count']} allocation stalls, {found['total_ms']:.0f} ms, the longest {found['longest'][0]['ms']:.0f} ms", 3)
    return cause


def _live_line(live: Json) -> str:
    if live["growing"] is None:
        return f"live heap: no trend ({live['points']} points after {live['basis']})"
    return f"live heap after {live['basis']}: {_mib(live['last'])} of {_mib(live['limit'])}, {_per_hour(live)}"


def _per_hour(live: Json) -> str:
    """The slope, with its interval."""
    return (f"{live['bytes_per_hour'] / _MIB:+,.0f} MiB an hour (95 %: {live['low'] / _MIB:+,.0f} to {live['high'] / _MIB:+,.0f})")


def _mib(amount: float | None) -> str:
    return "an unknown" if amount is None else f"{amount / _MIB:,.0f} MiB"


def _rate(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount / _MIB:,.1f} MiB/s"


def _share(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.1%}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "over an unknown time"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
