# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unified logging of the JVM (JDK 9 and later, -Xlog:gc*), with whatever decorations, among lines of anything else."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import (
    CYCLE, FULL, MINOR_CYCLE, MIXED, NO_ROOM, PHASE, PINNED, YOUNG, Clock, Collection, GcLog, Stop, decimal, has_any, moment, size)

#: what a line must have to be worth more; nearly all others are told apart by this alone
_WORTH = ("Pause ", "->", "User=", "Safepoint \"", "afepoint region: ", "threads were", " Stall (", "Using ", "Capacity: ", "Region Size: ",
          "To-space", "Version: ", "Live: ")
_LINE = re.compile(r"((?:\[[^\[\]]*\])+) ?(.*)")
_OF_A_COLLECTION = re.compile(r"GC\((\d{1,15})\) +(?:[YyO]: +)?(([\w-]+).*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\S+")
_NUMBER = r"\d{1,12}(?:[.,]\d{1,9})?"
_SIZES = r"(?P<before>\d{1,15}[BKMGT])(?:\(\d+%\))?->(?P<after>\d{1,15}[BKMGT])\((?P<capacity>\d{1,15}[BKMGT]|\d+%)\)"
_PAUSE = re.compile(r"Pause (?=.*\dms$)(?P<what>.+?)(?: " + _SIZES + rf")? (?P<ms>{_NUMBER})ms$")
#: a pause whose end another writer has eaten
_CUT = re.compile(r"Pause .*(?:->|\d[.,]\d)")
_CYCLE = re.compile(r"(?P<what>Garbage Collection|Major Collection|Minor Collection|Concurrent cleanup)(?: \((?P<cause>.*)\))? " + _SIZES)
_G1_OLD = re.compile(r"Old regions: (\d{1,9})->(\d{1,9})")
_OLD = re.compile(r"(?P<generation>ParOldGen|PSOldGen|Tenured|CMS): (?P<before>\d{1,15}K)(?:\(\d+K\))?->(?P<after>\d{1,15}K)")
#: whose old generation has that name, for logs that begin after the JVM
_GENERATIONS = {"ParOldGen": "Parallel", "PSOldGen": "Parallel", "Tenured": "Serial", "CMS": "CMS"}
_LIVE = re.compile(r"Live: +- +(\d{1,15}M)")
_TO_SPACE = re.compile(r"To-space exhausted")
_CPU = re.compile(rf"User=({_NUMBER})s Sys=({_NUMBER})s Real=({_NUMBER})s")
_SAFEPOINT = re.compile(r'Safepoint "([^"]+)".*?Reaching safepoint: (\d+) ns,.* Total: (\d+) ns')
_ENTERING = re.compile(r"Entering safepoint region: (.+)")
_STOPPED = re.compile(rf"Total time for which application threads were stopped: ({_NUMBER}) seconds, Stopping threads took: ({_NUMBER})")
_STALL = re.compile(rf"(?:Allocation|Relocation) Stall \((.*)\) ({_NUMBER})ms")
_COLLECTOR = re.compile(r"Using (G1|Parallel|Serial|The Z Garbage Collector|Shenandoah|Concurrent Mark Sweep|Epsilon)$")
_CAPACITY = re.compile(r"(?:Heap )?Max Capacity: (\d{1,15}[KMGT])(?:\(\d+%\))?$")
_REGION = re.compile(r"Heap Region Size: (\d{1,15}[KMG])")
_VERSION = re.compile(r"Version: (\S+)")
_CAUSE = re.compile(r"\(((?:[^()]|\(\))*)\)")
#: what stands in brackets after Pause Young and is no cause
_TYPES = {"Normal", "Mixed", "Prepare Mixed", "Concurrent Start", "Concurrent End", "process weakrefs", "unload classes", "update refs"}
_PINNED = "Evacuation Failure: Pinned"


_Rules = t.Dict[str, t.Tuple[t.Tuple["re.Pattern[str]", t.Callable[["re.Match[str]", t.Optional[float], int], None]], ...]]


@dataclasses.dataclass
class _Pending:
    """What lines said of a collection before its own line came."""

    old: tuple[int, int] | None = None
    live: int | None = None
    failed: str = ""


class Unified:
    """Reads line by line into a log."""

    def __init__(self, log: GcLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._region = 0
        self._pending: dict[int, _Pending] = {}
        self._operation = ""
        self._paused = 0.0
        #: by the first word of what a line says of a collection, and of the JVM
        self._of_collections: _Rules = {
            "Pause": ((_PAUSE, self._pause), (_CUT, self._cut)), "Garbage": ((_CYCLE, self._cycle),), "Major": ((_CYCLE, self._cycle),),
            "Minor": ((_CYCLE, self._cycle),), "Concurrent": ((_CYCLE, self._cycle),), "Old": ((_G1_OLD, self._g1_old),),
            **dict.fromkeys(_GENERATIONS, ((_OLD, self._old),)), "Live": ((_LIVE, self._live),), "To-space": ((_TO_SPACE, self._no_room),),
            "User": ((_CPU, self._cpu),), "Max": ((_CAPACITY, self._capacity),), "Allocation": ((_STALL, self._stall),)}
        self._of_the_jvm: _Rules = {
            "Safepoint": ((_SAFEPOINT, self._safepoint),), "Entering": ((_ENTERING, self._entering),), "Total": ((_STOPPED, self._stopped),),
            "Allocation": ((_STALL, self._stall),), "Relocation": ((_STALL, self._stall),), "Using": ((_COLLECTOR, self._collector),),
            "Max": ((_CAPACITY, self._capacity),), "Heap": ((_CAPACITY, self._capacity), (_REGION, self._region_size)),
            "Version": ((_VERSION, self._version),)}

    def read(self, line: str) -> bool:
        """One line; whether it was about collections."""
        if not has_any(line, _WORTH):
            return False
        decorated = _LINE.search(line)
        message = (decorated[2] if decorated else line).strip()
        number, word, rules = -1, message.split(" ", 1)[0].rstrip(":"), self._of_the_jvm
        if collection := _OF_A_COLLECTION.match(message):
            number, message, word, rules = int(collection[1]), collection[2], collection[3], self._of_collections
        for pattern, act in rules.get(word, ()):
            if match := pattern.match(message):
                act(match, self._moment(line[:decorated.start()] if decorated else "", decorated[1] if decorated else ""), number)
                return True
        return False

    def _moment(self, prefix: str, decorations: str) -> float | None:
        """From the decorations; the time in front of them (the kubelet's) where they have no date."""
        uptime, wall = None, None
        for token in decorations[1:-1].split("]["):
            text = token.strip()
            if text.endswith("s") and text[0].isdigit():
                uptime = _uptime(text)
            elif wall is None and text[:2] == "20":
                wall = moment(text)
        if wall is None and (stamped := _DATE.search(prefix)):
            wall = moment(stamped[0])
        self._note_date(wall)
        return self._clock.tick(uptime, wall)

    def _note_date(self, wall: datetime.datetime | None) -> None:
        if wall is not None:
            self._log.ends = wall.isoformat(timespec="milliseconds")
            self._log.begins = self._log.begins or self._log.ends

    def _pause(self, match: re.Match[str], at: float | None, number: int) -> None:
        what = match["what"]
        kind, cause = _classified(what, bool(match["after"]))
        pending = self._pending.pop(number, _Pending()) if match["after"] else _Pending()
        promoted = max(0, pending.old[1] - pending.old[0]) if pending.old and kind == YOUNG else None
        failed = PINNED if _PINNED in what else NO_ROOM if "Evacuation Failure" in what else pending.failed
        self._log.collections.append(Collection(
            number, at, self._clock.life, kind, what.partition(" (")[0], cause, decimal(match["ms"]) / 1000, *_heap(match),
            promoted=promoted, live=pending.live, failed=failed, late=what.startswith("Degenerated")))
        self._paused += self._log.collections[-1].pause

    def _cut(self, _match: re.Match[str], _at: float | None, _number: int) -> None:
        self._log.unread += 1

    def _cycle(self, match: re.Match[str], at: float | None, number: int) -> None:
        live = self._pending.pop(number, _Pending()).live
        minor = match["what"].startswith("Minor") or (match["cause"] or "").lower() == "young"
        cause = "" if match["what"].startswith("Concurrent") else match["cause"] or ""
        self._log.collections.append(Collection(number, at, self._clock.life, MINOR_CYCLE if minor else CYCLE, match["what"], cause, 0.0,
                                                *_heap(match), live=live))

    def _g1_old(self, match: re.Match[str], _at: float | None, number: int) -> None:
        self._log.collector = self._log.collector or "G1"
        if self._region:
            self._of(number).old = (int(match[1]) * self._region, int(match[2]) * self._region)

    def _old(self, match: re.Match[str], _at: float | None, number: int) -> None:
        self._of(number).old = (size(match["before"]), size(match["after"]))
        self._log.collector = self._log.collector or _GENERATIONS[match["generation"]]

    def _live(self, match: re.Match[str], _at: float | None, number: int) -> None:
        self._of(number).live = size(match[1])

    def _no_room(self, _match: re.Match[str], _at: float | None, number: int) -> None:
        self._of(number).failed = NO_ROOM

    def _of(self, number: int) -> _Pending:
        return self._pending.setdefault(number, _Pending())

    def _cpu(self, match: re.Match[str], _at: float | None, number: int) -> None:
        """It comes right behind the pause, and only those that are of the whole collection have it."""
        last = self._log.collections[-1] if self._log.collections else None
        if last is not None and last.number == number and last.pause:
            last.cpu, last.real = decimal(match[1]) + decimal(match[2]), decimal(match[3])

    def _safepoint(self, match: re.Match[str], at: float | None, _number: int) -> None:
        self._stop(at, match[1], int(match[3]) / 1e9, int(match[2]) / 1e9)

    def _entering(self, match: re.Match[str], _at: float | None, _number: int) -> None:
        self._operation = match[1]

    def _stopped(self, match: re.Match[str], at: float | None, _number: int) -> None:
        self._stop(at, self._operation or "not named", decimal(match[1]), decimal(match[2]))
        self._operation = ""

    def _stop(self, at: float | None, reason: str, seconds: float, reaching: float) -> None:
        self._log.safepoints.append(Stop(at, reason, seconds, reaching, min(seconds, self._paused)))
        self._paused = 0.0

    def _stall(self, match: re.Match[str], at: float | None, _number: int) -> None:
        self._log.stalls.append(Stop(at, match[1], decimal(match[2]) / 1000))

    def _collector(self, match: re.Match[str], _at: float | None, _number: int) -> None:
        if self._log.collections:
            self._clock.restarted()
        self._pending.clear()
        self._log.collector = {"The Z Garbage Collector": "ZGC", "Concurrent Mark Sweep": "CMS"}.get(match[1], match[1])

    def _capacity(self, match: re.Match[str], _at: float | None, _number: int) -> None:
        self._log.heap_max = size(match[1])

    def _region_size(self, match: re.Match[str], _at: float | None, _number: int) -> None:
        self._region = size(match[1])

    def _version(self, match: re.Match[str], _at: float | None, _number: int) -> None:
        self._log.version = match[1]


def _uptime(text: str) -> float | None:
    """Seconds from ``1.234s``, ``1234ms`` or ``1234567ns``; None where it is the time since 1970."""
    for unit, divisor, since_1970 in (("ms", 1e3, 1e12), ("ns", 1e9, 1e17), ("s", 1.0, 1e9)):
        if text.endswith(unit):
            try:
                value = decimal(text[:-len(unit)])
            except ValueError:
                return None
            return None if value >= since_1970 else value / divisor
    return None


def _heap(match: re.Match[str]) -> tuple[int | None, int | None, int | None]:
    if not match["after"]:
        return None, None, None
    capacity = None if match["capacity"].endswith("%") else size(match["capacity"])
    return size(match["before"]), size(match["after"]), capacity


def _classified(what: str, sized: bool) -> tuple[str, str]:
    """Kind and cause of ``Young (Mixed) (G1 Evacuation Pause)`` and its like.

    :param sized: the pause changed the heap; those inside a concurrent cycle do not.
    """
    groups = _CAUSE.findall(what)
    cause = next((group for group in groups if group not in _TYPES and not group.startswith("Evacuation Failure")), "")
    if what.startswith("Full"):
        return FULL, cause
    if what.startswith("Degenerated"):
        return (MINOR_CYCLE if "young" in map(str.lower, groups) else CYCLE), ""
    if what.startswith(("Young", "Mixed")) or what.startswith("Initial Mark") and sized and cause:
        return (MIXED if "Mixed" in groups or what.startswith("Mixed") else YOUNG), cause
    return PHASE, ""
