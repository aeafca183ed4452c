# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of JDK 8 and older: -XX:+PrintGC and -XX:+PrintGCDetails with whatever flags make them longer, and Shenandoah's."""

from __future__ import annotations

import re

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._brackets import Bracket, Brackets, Times
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import (
    CYCLE, FULL, MIXED, NO_ROOM, PHASE, YOUNG, Clock, Collection, GcLog, Stop, decimal, flags, has_any, moment, size)

#: what a line outside of a collection must have one of to be worth more; nearly all others are told apart by this alone
_WORTH = ("secs]", "[GC", "[Full GC", "[Pause ", "[Concurrent ", "[Eden: ", "   [ ", "threads were", "CommandLine flags", "JRE (")
_SIZE = r"\d{1,15}(?:[.,]\d{1,3})?[BKMGT]"
_STAMP = r"(?P<date>\d{4}-\d\d-\d\dT[\d:.,]{8,16}(?:Z|[+-]\d{4}): )?(?P<uptime>\d{1,12}[.,]\d{1,9}: )?"
#: G1 says the heap some lines below the pause
_G1_HEAP = re.compile(rf"\[(?:Eden: .* Heap:)? (?P<before>{_SIZE})(?:\({_SIZE}\))?->(?P<after>{_SIZE})\((?P<capacity>{_SIZE})\)\]")
_STOPPED = re.compile(_STAMP + r"Total time for which application threads were stopped: (?P<all>[\d.,]+) seconds"
                      r"(?:, Stopping threads took: (?P<reaching>[\d.,]+) seconds)?")
_JRE = re.compile(r"JRE \((?:1\.)?([\w.+-]+)\)")
#: names of generations, whose collector that is, and which of the two generations
_GENERATIONS = {"PSYoungGen": ("Parallel", "young"), "ParNew": ("CMS", "young"), "DefNew": ("Serial", "young"), "ParOldGen": ("Parallel", "old"),
                "PSOldGen": ("Parallel", "old"), "Tenured": ("Serial", "old"), "CMS": ("CMS", "old")}
_COLLECTORS = {"UseG1GC": "G1", "UseConcMarkSweepGC": "CMS", "UseParallelGC": "Parallel", "UseParallelOldGC": "Parallel",
               "UseSerialGC": "Serial", "UseShenandoahGC": "Shenandoah"}
#: what stands in round brackets and is no cause
_TYPES = {"young", "mixed", "partial", "initial-mark", "to-space exhausted", "to-space overflow", "promotion failed", "permanent generation full",
          "concurrent mode failure", "concurrent mode interrupted", "CMS Initial Mark", "CMS Final Remark", "parallel", "process weakrefs",
          "unload classes", "before full gc", "after full gc"}
_FAILED = {"to-space exhausted", "to-space overflow", "promotion failed"}
#: seconds by which the clock must have gone on beyond a collection's own time before the whole of it counts as its stop
_STOOD = 0.5


class Legacy:
    """Reads line by line into a log."""

    def __init__(self, log: GcLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._brackets = Brackets()
        self._untimed: Collection | None = None
        self._unsized: Collection | None = None
        self._swept = False
        self._cycle = -1
        self._paused = 0.0

    def read(self, line: str) -> bool:
        """One line; whether it was about collections."""
        if not self._brackets.inside and (not has_any(line, _WORTH) or "[GC Worker" in line):
            return False
        if "JRE (" in line or "CommandLine flags" in line:
            return self._header(line)
        lost, understood = self._brackets.lost, self._brackets.inside
        for found in self._brackets.read(line):
            understood = True
            if isinstance(found, Times):
                self._times(found)
            elif found.stops:
                self._collection(found)
            else:
                self._concurrent(found)
        if self._brackets.lost > lost:
            self._log.unread += self._brackets.lost - lost
        return self._line(line) or understood or self._brackets.inside

    def _line(self, line: str) -> bool:
        """What a line says without the brackets of a collection."""
        if "application threads" in line and (match := _STOPPED.search(line)):
            self._stopped(match)
            return True
        if self._unsized and (place := line.find("   [")) >= 0 and (match := _G1_HEAP.match(line, place + 3)):
            self._sizes(self._unsized, match["before"], match["after"], match["capacity"])
            self._unsized = None
            return True
        return False

    def _header(self, line: str) -> bool:
        if version := _JRE.search(line):
            self._log.version = version[1]
            self._log.old_format = True
        if "CommandLine flags" in line:
            self._log.flags = flags(line)
            self._log.collector = self._log.collector or next(
                (name for flag, name in _COLLECTORS.items() if self._log.flags.get(flag) is True), "")
            most = str(self._log.flags.get("MaxHeapSize", ""))
            self._log.heap_max = int(most) if most.isdecimal() else self._log.heap_max
        return True

    def _collection(self, bracket: Bracket) -> None:
        self._log.old_format = True
        self._log.collector = self._log.collector or _collector(bracket)
        at, kind = self._moment(bracket.date, bracket.uptime), _kind(bracket)
        if bracket.name == "Pause Init Mark":
            self._cycle += 1
        failures = _FAILED.intersection(bracket.groups)
        collection = Collection(
            self._cycle if bracket.name.startswith("Pause") else -1, at, self._clock.life, kind, bracket.name, _cause(bracket, kind),
            bracket.seconds or 0.0, failed=NO_ROOM if failures else "",
            late="concurrent mode failure" in bracket.groups or "Degenerated" in bracket.name)
        if bracket.sizes and kind != PHASE:
            self._sizes(collection, *bracket.sizes)
        self._generations(collection, bracket)
        self._log.collections.append(collection)
        self._untimed, self._unsized = collection, collection if collection.before is None else None
        self._paused += collection.pause

    def _generations(self, collection: Collection, bracket: Bracket) -> None:
        """What the old generation gained, and what a sweep has left in it: the heap before the next collection without its young part."""
        parts = {_GENERATIONS[name][1]: sizes for name, sizes in bracket.parts.items() if name in _GENERATIONS}
        if "young" not in parts or collection.before is None or collection.after is None:
            return
        before, after, _capacity = parts["young"]
        if collection.kind == YOUNG and "old" not in parts:
            collection.promoted = max(0, size(before) - size(after) - (collection.before - collection.after))
        if self._swept:
            self._swept = False
            self._log.collections.append(Collection(-1, collection.at, self._clock.life, CYCLE, "CMS cycle", "", 0.0,
                                                    after=max(0, collection.before - size(before))))

    def _concurrent(self, bracket: Bracket) -> None:
        if bracket.name == "CMS-concurrent-sweep":
            self._swept = not self._brackets.inside  # else the sizes of that collection are from before its end
        elif bracket.name == "Concurrent cleanup" and bracket.sizes:
            found = Collection(self._cycle, self._moment(bracket.date, bracket.uptime), self._clock.life, CYCLE, bracket.name, "", 0.0)
            self._sizes(found, *bracket.sizes)
            self._log.collections.append(found)

    def _times(self, times: Times) -> None:
        """The processors' time; a stop that lasted far longer by the clock has waited for the machine, and counts whole."""
        last, self._untimed = self._untimed, None
        if last is None:
            return
        last.cpu, last.real = times.cpu, times.real
        if times.real > last.pause + _STOOD:
            self._paused += times.real - last.pause
            last.pause = times.real

    def _stopped(self, match: re.Match[str]) -> None:
        self._log.old_format = True
        seconds = decimal(match["all"])
        self._log.safepoints.append(Stop(self._moment(match["date"] or "", match["uptime"] or ""), "not named", seconds,
                                         decimal(match["reaching"] or "0"), collecting=min(seconds, self._paused)))
        self._paused = 0.0

    @staticmethod
    def _sizes(collection: Collection, before: str, after: str, capacity: str) -> None:
        collection.before, collection.after, collection.capacity = size(before), size(after), size(capacity)

    def _moment(self, date: str, uptime: str) -> float | None:
        wall = moment(date.rstrip(": ").replace(",", ".")) if date else None
        if wall is not None:
            self._log.ends = wall.isoformat(timespec="milliseconds")
            self._log.begins = self._log.begins or self._log.ends
        return self._clock.tick(decimal(uptime.rstrip(": ")) if uptime else None, wall)


def _kind(bracket: Bracket) -> str:
    if "concurrent mode failure" in bracket.groups or "concurrent mode interrupted" in bracket.groups:
        return FULL
    if bracket.name in ("Full GC", "Pause Full"):
        return FULL
    if bracket.name.startswith("Pause Degenerated"):
        return CYCLE
    phases = {"CMS Initial Mark", "CMS Final Remark"}
    if bracket.phase or phases.intersection(bracket.groups) or bracket.name in ("GC remark", "GC cleanup") or bracket.name.startswith("Pause"):
        return PHASE
    if "CMS" in bracket.parts or "Tenured" in bracket.parts or "PSOldGen" in bracket.parts or "ParOldGen" in bracket.parts:
        return FULL
    return MIXED if "mixed" in bracket.groups else YOUNG


def _cause(bracket: Bracket, kind: str) -> str:
    found = next((group for group in bracket.groups if group not in _TYPES), "") if kind != PHASE else ""
    return "System.gc()" if found == "System" else found


def _collector(bracket: Bracket) -> str:
    if bracket.name.startswith("Pause"):
        return "Shenandoah"
    if bracket.name in ("GC pause", "GC remark", "GC cleanup"):
        return "G1"
    return "CMS" if bracket.phase else next((_GENERATIONS[name][0] for name in bracket.parts if name in _GENERATIONS), "")
