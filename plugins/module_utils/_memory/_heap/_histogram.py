# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Class histograms: cheap, and the first thing to have when a JVM is about to die."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import first_sentence
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import Jvm

#: OpenJ9 writes no colon behind the number of a row
_ROW = re.compile(r"\s*\d+:?\s+(\d+)\s+(\d+)\s+(\S+)")
_HIDDEN = re.compile(r"(0x[0-9a-f]+|\$\$Lambda(/|\$\d+/)?)(0x[0-9a-f]+|\d+)?")


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class: how many objects, and their own bytes."""

    name: str
    instances: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Histogram:
    """What lives on a heap, largest first."""

    pod: str
    at: str
    text: str
    classes: tuple[ClassRow, ...]

    @property
    def bytes(self) -> int:
        """All objects' own bytes."""
        return sum(row.bytes for row in self.classes)


def wait_between(earlier: str | None, interval: float) -> None:
    """Wait until so many seconds have passed since an earlier look (ISO 8601), where there was one."""
    if earlier:
        passed = (datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(earlier.replace("Z", "+00:00"))).total_seconds()
        time.sleep(max(0.0, interval - passed))


def take(cluster: Cluster, jvm: Jvm, live: bool) -> Histogram:
    """Take a histogram.

    :param live: only reachable objects, after a full collection; else with garbage, and faster.
    :raises RunbookError: the JVM gave none.
    """
    text = jvm.jcmd(cluster, "GC.class_histogram", *(() if live else ("-all",)))
    rows = parse(text)
    if not rows:
        raise RunbookError(f"Cluster {cluster.name}: jcmd GC.class_histogram in {jvm.via} printed no class: {first_sentence(text) or 'nothing'}.")
    return Histogram(jvm.via.pod, now(), text, rows)


def parse(text: str) -> tuple[ClassRow, ...]:
    """The rows of a histogram; the addresses in names of hidden classes are removed, so that two can be compared."""
    rows: dict[str, ClassRow] = {}
    for match in filter(None, map(_ROW.match, text.splitlines())):
        name = _HIDDEN.sub(lambda found: "$$Lambda" if "Lambda" in found[0] else "", match[3])
        earlier = rows.get(name, ClassRow(name, 0, 0))
        rows[name] = ClassRow(name, earlier.instances + int(match[1]), earlier.bytes + int(match[2]))
    return tuple(sorted(rows.values(), key=lambda row: -row.bytes))
