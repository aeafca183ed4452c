# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures of a garbage collection log mean: causes with the evidence for and against each, and what helps."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Table, diagnosis_result, rank
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._summary import MEASURABLE

Json = t.Dict[str, t.Any]

#: share of the time in pauses that users feel, and a share that is nothing to speak of
MUCH, LITTLE = 0.1, 0.02
#: share of the limit that live data may take before collections crowd, and below which there is room
TIGHT, ROOMY = 0.7, 0.5
_MIB = 1 << 20
_METASPACE = ("Metadata GC Threshold", "Metadata GC Clear Soft References")

#: share of collections that may be unread before the rest is no ground for a verdict
MOST_UNREAD = 0.1
#: seconds of one full collection, or of one stop for something else, that users notice whatever the share
LONG_MS = 1000.0

#: what helps, by cause, and where it differs by collector
FIXES: t.Dict[str, t.Dict[str, str]] = {
    "leak": {"": "Take a heap dump before the limit is reached and find what holds the growing objects; a restart only buys time."},
    "heap_too_small": {"": "Raise -Xmx{MaxHeapSize} (and the container's memory limit with it), or hold less: live data should stay under "
                           "two thirds of the heap."},
    "allocation": {"": "Allocate less on the hot path (profile allocations), or give the young generation more room."},
    "explicit_gc": {"": "Find who calls System.gc(), or start the JVM with -XX:+DisableExplicitGC "
                        "(with -XX:+ExplicitGCInvokesConcurrent where direct buffers need it)."},
    "metaspace": {"": "Look for class loaders that are never released; raise -XX:MetaspaceSize{MetaspaceSize} if the classes are wanted."},
    "humongous": {"": "Avoid arrays over half a G1 region, or raise -XX:G1HeapRegionSize{G1HeapRegionSize}."},
    "evacuation": {
        "": "The old generation has no room, or none in one piece: raise -Xmx{MaxHeapSize}, or hold less.",
        "CMS": "The old generation is full or in pieces: begin its collection sooner "
               "(-XX:CMSInitiatingOccupancyFraction{CMSInitiatingOccupancyFraction} with -XX:+UseCMSInitiatingOccupancyOnly), or raise -Xmx{MaxHeapSize}.",
        "G1": "Give G1 more reserve (-XX:G1ReservePercent{G1ReservePercent}), begin marking sooner "
              "(-XX:InitiatingHeapOccupancyPercent{InitiatingHeapOccupancyPercent}), or raise -Xmx{MaxHeapSize}."},
    "pinned": {"": "Native code holds arrays in place (JNI critical sections, often compression or I/O libraries): find it and hold them shorter. "
                   "There is room in the heap; more of it does not help."},
    "full_collections": {
        "": "Give the old generation more room (-Xmx{MaxHeapSize}), promote less, or use a collector that works beside the application (G1).",
        "CMS": "Begin the concurrent collection earlier (-XX:CMSInitiatingOccupancyFraction{CMSInitiatingOccupancyFraction} with "
               "-XX:+UseCMSInitiatingOccupancyOnly), give the old generation more room (-Xmx{MaxHeapSize}), or use another collector.",
        "G1": "Begin marking sooner (-XX:InitiatingHeapOccupancyPercent{InitiatingHeapOccupancyPercent}), with more threads "
              "(-XX:ConcGCThreads{ConcGCThreads}), or give it more room (-Xmx{MaxHeapSize}).",
        "Shenandoah": "The concurrent collector loses against allocation: more room (-Xmx{MaxHeapSize}), more threads "
                      "(-XX:ConcGCThreads{ConcGCThreads}), or allocate less."},
    "starved": {"": "Look at the machine, not at the heap: the container's CPU limit and its throttling "
                    "(container_cpu_cfs_throttled_periods_total), swap, and a slow disk under the log. Raise the CPU limit, or give the collector "
                    "no more threads than it has processors (-XX:ParallelGCThreads{ParallelGCThreads})."},
    "safepoints": {"": "Threads are slow to stop: look for long counted loops, memory that is swapped out, or a CPU limit that throttles."},
    "operations": {"": "Find who asks for the operation (agents, heap inspection, thread dumps, redefined classes) and ask less often; {naming}"},
    "stalls": {"": "The concurrent collector loses against allocation: give it more heap (-Xmx{MaxHeapSize}) or CPU "
                   "(-XX:ConcGCThreads{ConcGCThreads}), or allocate less."},
}
_NAMING_OLD = "-XX:+PrintSafepointStatistics -XX:PrintSafepointStatisticsCount=1 name it where the log does not."
_NAMING = "-Xlog:safepoint names it where the log does not."
_HOW_TO_LOG_OLD = "-XX:+PrintGCDetails -XX:+PrintGCDateStamps -XX:+PrintGCApplicationStoppedTime -Xloggc:FILE"
_HOW_TO_LOG = "-Xlog:gc*,safepoint"


def diagnose(figures: Json) -> Json:
    """Causes, tables and fixes, as a module returns them; no cause where too much of the log could not be read.

    :param figures: of ``_summary.summarize``.
    """
    causes = {row["name"]: row for row in figures["causes"]}
    candidates = rank([_leak(figures), _heap_too_small(figures), _allocation(figures), _explicit(causes), _metaspace(causes),
                       _humongous(causes, figures), _evacuation(figures), _pinned(figures), _full_collections(figures), _starved(figures),
                       _safepoints(figures), _operations(figures), _stalls(figures)])
    if reason := _withheld(figures):
        candidates = [Candidate("unread", "too much of the log could not be read", evidence_against=[reason])]
    fixes = [_fix(candidate.name, figures) for candidate in candidates if candidate.score > 0]
    return {**diagnosis_result(candidates, tables(figures), fixes), "says": says(figures, candidates)}


def _withheld(figures: Json) -> str:
    """Why there is no verdict; empty where there may be one."""
    unread, read = figures["unread"], figures["pauses"]["count"]
    if not unread or unread <= MOST_UNREAD * (unread + read):
        return ""
    return f"no verdict: {unread} of {unread + read} collections could not be read, and the figures are those of the rest"


def _fix(name: str, figures: Json) -> str:
    """What helps against a cause with the collector of the log, with the flags as they are now."""
    texts = FIXES[name]

    def now(match: re.Match[str]) -> str:
        if match[1] == "naming":
            return _NAMING_OLD if figures["old_format"] else _NAMING
        value = figures["flags"].get(match[1])
        if value is None:
            return ""
        return f" (now {_mib(int(value))})" if str(value).isdecimal() and int(value) >= _MIB else f" (now {value})"

    return re.sub(r"\{(\w+)\}", now, texts.get(figures["collector"], texts[""]))


def says(figures: Json, candidates: t.Sequence[Candidate]) -> list[str]:
    """Lines for a person."""
    pauses, allocation, promotion = figures["pauses"], figures["allocation"], figures["promotion"]
    if not figures["understood"]:
        return [f"{figures['lines']} lines, none of a garbage collection (log with {_HOW_TO_LOG}; JDK 8: {_HOW_TO_LOG_OLD})"]
    lines = [f"{figures['collector'] or 'unknown collector'}, {_mib(figures['heap_max'])} heap, {_duration(figures['seconds'])}: "
             + _pauses_line(pauses, figures)]
    if allocation["bytes_per_second"] is not None:
        lines.append(f"allocation {'at least ' if allocation['at_least'] else ''}{_rate(allocation['bytes_per_second'])}, "
                     f"promotion {_rate(promotion['bytes_per_second'])}")
    lines.append(_live_line(figures["live"]))
    lines += [f"{candidate.title}: {'; '.join(candidate.evidence_for)}" for candidate in candidates if candidate.score > 0]
    if figures["unread"]:
        lines.append(_withheld(figures) or f"{figures['unread']} collections could not be read; the figures are those of the others")
    return lines + figures["notes"]


def _pauses_line(pauses: Json, figures: Json) -> str:
    if pauses["count"]:
        return (f"{pauses['count']} pauses, {_share(pauses['share'])} of the time; p50 {pauses['p50_ms']} ms, p95 {pauses['p95_ms']} ms, "
                f"p99 {pauses['p99_ms']} ms, longest {pauses['max_ms']} ms")
    stops = figures["safepoints"]
    told = f"; threads stopped {stops['count']} times, {stops['total_ms']:.0f} ms" if stops["count"] else ""
    return f"no pauses in this log{told} (log with {_HOW_TO_LOG_OLD if figures['old_format'] else _HOW_TO_LOG})"


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
        cause.opposes(f"too little to tell: {live['points']} points after {live['basis']}" if live["points"] else f"too little to tell: {live['basis']}", 0)
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
    if _waits(figures):
        cause.opposes("most of that time the collector waited for a processor", 2)
    return cause


def _allocation(figures: Json) -> Candidate:
    share, cause = figures["pauses"]["share"], Candidate("allocation", "objects are allocated faster than the young generation takes them")
    young, total = figures["young"]["total_ms"], figures["pauses"]["total_seconds"] * 1000
    if share is not None and share >= MUCH and young > total / 2:
        cause.supports(f"{share:.0%} of the time is spent in pauses, most of it in young collections", 2)
        cause.supports(f"{_rate(figures['allocation']['bytes_per_second'])} are allocated", 0)
        if _waits(figures):
            cause.opposes("most of that time the collector waited for a processor", 2)
    elif share is not None:
        cause.opposes(f"young collections take {young / 1000 / figures['seconds']:.1%} of the time")
    return cause


def _explicit(causes: Json) -> Candidate:
    cause = Candidate("explicit_gc", "the application asks for collections")
    row = causes.get("System.gc()")
    if row:
        cause.supports(f"System.gc() {_times(row['count'])}, {row['total_ms']:.0f} ms, the longest {row['max_ms']:.0f} ms", 2)
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
        cause.supports(f"{found['count']} evacuation or promotion failures, {found['total_ms']:.0f} ms", 2)
    return cause


def _pinned(figures: Json) -> Candidate:
    cause, found = Candidate("pinned", "native code pins regions of the heap"), figures["pinned"]
    if found["count"]:
        cause.supports(f"{found['count']} evacuations left pinned regions where they were, {found['total_ms']:.0f} ms", 2)
    return cause


def _full_collections(figures: Json) -> Candidate:
    cause = Candidate("full_collections", "full collections stop the application")
    asked = sum(row["count"] for row in figures["causes"] if row["name"] in ("System.gc()", *_METASPACE))
    found, late, seconds = figures["full_collections"], figures["late"], figures["seconds"]
    share = found["total_ms"] / 1000 / seconds if seconds else 0.0
    if found["count"] <= asked or share < LITTLE and found["max_ms"] < LONG_MS and not late["count"]:
        return cause
    of_the_time = f", {min(1.0, share):.0%} of the time" if seconds else ""
    cause.supports(f"{found['count']} full collections, {found['total_ms'] / 1000:.1f} s{of_the_time}, the longest {found['max_ms']:,.0f} ms",
                   2 if share >= MUCH or found["max_ms"] >= LONG_MS else 1)
    if late["count"]:
        name = "concurrent mode failure" if figures["collector"] == "CMS" else "degenerated collection"
        cause.supports(f"{_times(late['count'])} because the concurrent collector did not finish in time ({name})")
    return cause


def _starved(figures: Json) -> Candidate:
    cause, found, seconds = Candidate("starved", "the collector gets too little processor time"), figures["starved"], figures["seconds"]
    if not found["count"] or found["max_ms"] < LONG_MS and seconds and found["total_ms"] / 1000 < LITTLE * seconds:
        return cause
    cause.supports(f"in {found['count']} of {found['measured']} pauses of {MEASURABLE * 1000:.0f} ms and more its threads got {found['cpu_ms']:,.0f} ms "
                   f"of processor in {found['total_ms']:,.0f} ms: they waited for the machine (CPU limit, swap, disk)", 4 if _waits(figures) else 1)
    cause.supports(f"the longest {found['max_ms']:,.0f} ms", 0)
    return cause


def _waits(figures: Json) -> bool:
    """Whether the collector spent most of the pauses waiting for the machine."""
    return bool(figures["starved"]["count"]) and figures["starved"]["total_ms"] / 1000 >= figures["pauses"]["total_seconds"] / 2


def _safepoints(figures: Json) -> Candidate:
    cause, found = Candidate("safepoints", "threads take long to stop"), figures["safepoints"]
    slow = [stop for stop in found["longest"] if stop["reaching_ms"] > stop["ms"] / 2]
    if slow:
        cause.supports(f"{len(slow)} long stops were mostly waiting for threads, the longest {slow[0]['ms']:.0f} ms ({slow[0]['reason']})", 2)
    return cause


def _operations(figures: Json) -> Candidate:
    cause = Candidate("operations", "the JVM stops all threads for something else than collections")
    others = [stop for stop in figures["safepoints"]["longest"]
              if stop["collecting_ms"] < stop["ms"] / 2 and stop["reaching_ms"] <= stop["ms"] / 2]
    if others:
        cause.supports(f"{len(others)} long stops beside collections, the longest {others[0]['ms']:,.0f} ms ({others[0]['reason']})",
                       3 if others[0]["ms"] >= LONG_MS else 1)
    return cause


def _stalls(figures: Json) -> Candidate:
    cause, found = Candidate("stalls", "threads waited for memory"), figures["stalls"]
    if found["count"]:
        cause.supports(f"{found['count']} allocation stalls, {found['total_ms']:.0f} ms, the longest {found['longest'][0]['ms']:.0f} ms", 3)
    return cause


def _live_line(live: Json) -> str:
    if live["growing"] is None:
        return f"live heap: no trend ({live['points']} points after {live['basis']})" if live["points"] else f"live heap: no trend ({live['basis']})"
    return f"live heap after {live['basis']}: {_mib(live['last'])} of {_mib(live['limit'])}, {_per_hour(live)}"


def _per_hour(live: Json) -> str:
    """The slope, with its interval."""
    return (f"{live['bytes_per_hour'] / _MIB:+,.0f} MiB an hour (95 %: {live['low'] / _MIB:+,.0f} to {live['high'] / _MIB:+,.0f})")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


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
