# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unified logging of the JVM (JDK 9 and later, -Xlog:gc*), with whatever decorations, among lines of anything else."""

from __future__ import annotations

import dataclasses
import datetime
import re

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import (
    CYCLE, FULL, MINOR_CYCLE, MIXED, PHASE, YOUNG, Clock, Collection, GcLog, Stop, moment, size)

#: what a line must have to be worth more; nearly all others are told apart by this alone
_WORTH = re.compile(r"Pause |->|Safepoint \"|application threads|Stall|Using |Capacity: |Region Size: |To-space|Version: |Live: ")
_LINE = re.compile(r"((?:\[[^\[\]]*\])+) ?(.*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\S+")
_SIZES = r"(?P<before>\d+[BKMGT])(?:\(\d+%\))?->(?P<after>\d+[BKMGT])\((?P<capacity>\d+[BKMGT]|\d+%)\)"
_PAUSE = re.compile(r"GC\((\d+)\) (?:[YyO]: )?Pause (?P<what>.+?)(?: " + _SIZES + r")? (?P<ms>\d+(?:\.\d+)?)ms$")
_CYCLE = re.compile(r"GC\((\d+)\) (?P<what>Garbage Collection|Major Collection|Minor Collection|Concurrent cleanup)"
                    r"(?: \((?P<cause>.*)\))? " + _SIZES)
_G1_OLD = re.compile(r"GC\((\d+)\) Old regions: (\d+)->(\d+)")
_OLD = re.compile(r"GC\((\d+)\) (?P<generation>ParOldGen|PSOldGen|Tenured|CMS): (?P<before>\d+K)(?:\(\d+K\))?->(?P<after>\d+K)")
#: whose old generation has that name, for logs that begin after the JVM
_GENERATIONS = {"ParOldGen": "Parallel", "PSOldGen": "Parallel", "Tenured": "Serial", "CMS": "CMS"}
_LIVE = re.compile(r"GC\((\d+)\) +(?:[YyO]: +)?Live: +- +(\d+M)")
_FAILED = re.compile(r"GC\((\d+)\) To-space exhausted")
_SAFEPOINT = re.compile(r'Safepoint "([^"]+)".*?Reaching safepoint: (\d+) ns,.* Total: (\d+) ns')
_STOPPED = re.compile(r"Total time for which application threads were stopped: ([\d.]+) seconds, Stopping threads took: ([\d.]+)")
_STALL = re.compile(r"Allocation Stall \((.*)\) ([\d.]+)ms")
_COLLECTOR = re.compile(r"Using (G1|Parallel|Serial|The Z Garbage Collector|Shenandoah|Concurrent Mark Sweep|Epsilon)$")
_CAPACITY = re.compile(r"(?:Heap )?Max Capacity: (\d+[KMGT])$")
_REGION = re.compile(r"Heap Region Size: (\d+[KMG])")
_VERSION = re.compile(r"Version: (\S+)")
_CAUSE = re.compile(r"\(((?:[^()]|\(\))*)\)")
#: what stands in brackets after Pause Young and is no cause
_YOUNG_TYPES = {"Normal", "Mixed", "Prepare Mixed", "Concurrent Start", "Concurrent End"}


@dataclasses.dataclass
class _Pending:
    """What lines said of a collection before its own line came."""

    old: tuple[int, int] | None = None
    live: int | None = None
    failed: bool = False


class Unified:
    """Reads line by line into a log."""

    def __init__(self, log: GcLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._region = 0
        self._pending: dict[int, _Pending] = {}
        self._rules = ((_PAUSE, self._pause), (_CYCLE, self._cycle), (_G1_OLD, self._g1_old), (_OLD, self._old),
                       (_LIVE, self._live), (_FAILED, self._failed), (_SAFEPOINT, self._safepoint),
                       (_STOPPED, self._stopped), (_STALL, self._stall), (_COLLECTOR, self._collector),
                       (_CAPACITY, self._capacity), (_REGION, self._region_size), (_VERSION, self._version))

    def read(self, line: str) -> bool:
        """One line; whether it was about collections."""
        if not _WORTH.search(line):
            return False
        decorated = _LINE.search(line)
        message = (decorated[2] if decorated else line).strip()
        for pattern, act in self._rules:
            match = pattern.match(message)
            if match:
                act(match, self._moment(line[:decorated.start()] if decorated else "", decorated[1] if decorated else ""))
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

    def _pause(self, match: re.Match[str], at: float | None) -> None:
        what, number = match["what"], int(match[1])
        kind, cause = _classified(what)
        pending = self._pending.pop(number, _Pending()) if match["after"] else _Pending()
        promoted = max(0, pending.old[1] - pending.old[0]) if pending.old and kind == YOUNG else None
        self._log.collections.append(Collection(
            number, at, self._clock.life, kind, what.partition(" (")[0], cause, float(match["ms"]) / 1000, *_heap(match),
            promoted=promoted, live=pending.live, failed=pending.failed or "Evacuation Failure" in what))

    def _cycle(self, match: re.Match[str], at: float | None) -> None:
        number = int(match[1])
        live = self._pending.pop(number, _Pending()).live
        kind = MINOR_CYCLE if match["what"].startswith("Minor") else CYCLE
        self._log.collections.append(Collection(number, at, self._clock.life, kind, match["what"], match["cause"] or "", 0.0,
                                                *_heap(match), live=live))

    def _g1_old(self, match: re.Match[str], _at: float | None) -> None:
        self._log.collector = self._log.collector or "G1"
        if self._region:
            self._of(match).old = (int(match[2]) * self._region, int(match[3]) * self._region)

    def _old(self, match: re.Match[str], _at: float | None) -> None:
        self._of(match).old = (size(match["before"]), size(match["after"]))
        self._log.collector = self._log.collector or _GENERATIONS[match["generation"]]

    def _live(self, match: re.Match[str], _at: float | None) -> None:
        self._of(match).live = size(match[2])

    def _failed(self, match: re.Match[str], _at: float | None) -> None:
        self._of(match).failed = True

    def _of(self, match: re.Match[str]) -> _Pending:
        return self._pending.setdefault(int(match[1]), _Pending())

    def _safepoint(self, match: re.Match[str], at: float | None) -> None:
        self._log.safepoints.append(Stop(at, match[1], int(match[3]) / 1e9, int(match[2]) / 1e9))

    def _stopped(self, match: re.Match[str], at: float | None) -> None:
        self._log.safepoints.append(Stop(at, "not named", float(match[1]), float(match[2])))

    def _stall(self, match: re.Match[str], at: float | None) -> None:
        self._log.stalls.append(Stop(at, match[1], float(match[2]) / 1000))

    def _collector(self, match: re.Match[str], _at: float | None) -> None:
        if self._log.collections:
            self._clock.restarted()
        self._pending.clear()
        self._log.collector = {"The Z Garbage Collector": "ZGC", "Concurrent Mark Sweep": "CMS"}.get(match[1], match[1])

    def _capacity(self, match: re.Match[str], _at: float | None) -> None:
        self._log.heap_max = size(match[1])

    def _region_size(self, match: re.Match[str], _at: float | None) -> None:
        self._region = size(match[1])

    def _version(self, match: re.Match[str], _at: float | None) -> None:
        self._log.version = match[1]


def _uptime(text: str) -> float | None:
    """Seconds from ``1.234s``, ``1234ms`` or ``1234567ns``; None where it is the time since 1970."""
    for unit, divisor, since_1970 in (("ms", 1e3, 1e12), ("ns", 1e9, 1e17), ("s", 1.0, 1e9)):
        if text.endswith(unit):
            try:
                value = float(text[:-len(unit)])
            except ValueError:
                return None
            return None if value >= since_1970 else value / divisor
    return None


def _heap(match: re.Match[str]) -> tuple[int | None, int | None, int | None]:
    if not match["after"]:
        return None, None, None
    capacity = None if match["capacity"].endswith("%") else size(match["capacity"])
    return size(match["before"]), size(match["after"]), capacity


def _classified(what: str) -> tuple[str, str]:
    """Kind and cause of ``Young (Mixed) (G1 Evacuation Pause)`` and its like."""
    groups = _CAUSE.findall(what)
    cause = next((group for group in groups if group not in _YOUNG_TYPES and not group.startswith("Evacuation Failure")), "")
    if what.startswith(("Full", "Degenerated")):
        return FULL, cause
    if what.startswith("Young"):
        return (MIXED if "Mixed" in groups else YOUNG), cause
    return PHASE, ""
