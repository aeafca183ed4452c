# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of JDK 8: -XX:+PrintGC and -XX:+PrintGCDetails, with time or date stamps or both."""

from __future__ import annotations

import re

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import (
    FULL, MIXED, PHASE, YOUNG, Clock, Collection, GcLog, Stop, moment, size)

_SIZE = r"\d+(?:\.\d+)?[BKMG]"
_STAMP = r"(?P<date>\d{4}-\d\d-\d\dT[\d:.,]+[+-]\d{4}: )?(?P<uptime>\d+\.\d+: )?"
_COLLECTION = re.compile(
    _STAMP + r"\[(?P<what>Full GC|GC pause|GC remark|GC cleanup|GC)(?: \((?P<groups>(?:[^()]|\(\)|\) ?\()*)\))?(?P<rest>.*)")
#: the whole heap is the last of the sizes that is not inside a generation's brackets
_HEAP = re.compile(rf"(?<![\d.])(?<!: )(?P<before>{_SIZE})->(?P<after>{_SIZE})\((?P<capacity>{_SIZE})\)")
_SECONDS = re.compile(r", (\d+\.\d+) secs\]")
_OLD = re.compile(r"\[(?:ParOldGen|Tenured|CMS): (\d+K)->(\d+K)")
_YOUNG = re.compile(r"\[(?:PSYoungGen|DefNew|ParNew): (\d+K)->(\d+K)\(")
_G1_HEAP = re.compile(rf"\s+\[Eden: .* Heap: (?P<before>{_SIZE})\({_SIZE}\)->(?P<after>{_SIZE})\((?P<capacity>{_SIZE})\)\]")
_STOPPED = re.compile(_STAMP + r"Total time for which application threads were stopped: ([\d.]+) seconds(?:, Stopping threads took: ([\d.]+))?")
_COLLECTORS = (("GC pause", "G1"), ("PSYoungGen", "Parallel"), ("ParNew", "CMS"), ("DefNew", "Serial"))
_WORTH = ("GC", "[Eden: ", "application threads")
_TYPES = ("young", "mixed", "initial-mark", "to-space exhausted")


class Legacy:
    """Reads line by line into a log."""

    def __init__(self, log: GcLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._g1: Collection | None = None

    def read(self, line: str) -> bool:
        """One line; whether it was about collections."""
        if not any(word in line for word in _WORTH):
            return False
        if match := _G1_HEAP.match(line):
            return self._g1_heap(match)
        if match := _STOPPED.match(line):
            self._log.safepoints.append(Stop(self._moment(match), "not named", float(match[3]), float(match[4] or 0)))
            return True
        match = _COLLECTION.match(line)
        return bool(match) and self._collection(line, match)

    def _collection(self, line: str, match: re.Match[str]) -> bool:
        seconds, heap = _SECONDS.findall(match["rest"]), list(_HEAP.finditer(match["rest"]))
        groups = [group.strip() for group in re.split(r"\) ?\(", match["groups"] or "")]
        if match["what"] != "GC pause" and not seconds:  # a line cut short
            return False
        if not self._log.collector:
            self._log.collector = next((name for word, name in _COLLECTORS if word in line), "")
        collection = Collection(
            -1, self._moment(match), self._clock.life, _kind(match["what"], groups, match["rest"]), match["what"],
            next((group for group in groups if group not in _TYPES), ""), float(seconds[-1]) if seconds else 0.0,
            failed="to-space exhausted" in line or "promotion failed" in line or " --[" in line)
        if heap:
            self._sizes(collection, heap[-1])
            collection.promoted = _promoted(match["rest"], collection)
        self._g1 = collection if match["what"] in ("GC pause", "Full GC") and not heap else None
        self._log.collections.append(collection)
        return True

    def _g1_heap(self, match: re.Match[str]) -> bool:
        """G1 says the heap some lines below the pause."""
        if self._g1 is None:
            return False
        self._sizes(self._g1, match)
        self._g1 = None
        return True

    @staticmethod
    def _sizes(collection: Collection, match: re.Match[str]) -> None:
        collection.before, collection.after = size(match["before"]), size(match["after"])
        collection.capacity = size(match["capacity"])

    def _moment(self, match: re.Match[str]) -> float | None:
        wall = moment(match["date"][:-2].replace(",", ".")) if match["date"] else None
        if wall is not None:
            self._log.ends = wall.isoformat(timespec="milliseconds")
            self._log.begins = self._log.begins or self._log.ends
        return self._clock.tick(float(match["uptime"][:-2]) if match["uptime"] else None, wall)


def _kind(what: str, groups: list[str], rest: str) -> str:
    if what == "Full GC":
        return FULL
    if what in ("GC remark", "GC cleanup"):
        return PHASE
    return MIXED if "mixed" in groups or "(mixed)" in rest else YOUNG


def _promoted(rest: str, collection: Collection) -> int | None:
    """What the old generation gained in a young collection: what left the young one and stayed in the heap."""
    young = _YOUNG.search(rest)
    if collection.kind != YOUNG or not young or _OLD.search(rest) or collection.before is None or collection.after is None:
        return None
    return max(0, size(young[1]) - size(young[2]) - (collection.before - collection.after))
