#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: heap_histogram_info
short_description: Class histograms of a workload's JVMs
version_added: 0.1.0
description:
  - Takes class histograms of the pods with the fullest heaps, one pod after the other because each stops its JVM for a
    moment, and saves them as evidence when O(incident_id) is set. Two of them, some seconds apart, show what grows.
  - Whatever runs inside a container counts against its memory limit. A pod that has less than 24 MiB left is not entered; pods with less
    than 64 MiB, or whose usage is not known, are entered one at a time, and the last ready one not when it is known to be that tight.
    With O(debug_image) an ephemeral container is used where the pod as a whole has more room; it counts against the pod's limit,
    which is the sum of its containers' limits where every container has one.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  name:
    description: Name of the evidence files.
    type: str
    default: histogram
  pods:
    description: Only these pods.
    type: list
    elements: str
    default: []
  max_pods:
    description: At most this many pods, those with the fullest heaps.
    type: int
    default: 2
  live:
    description: Only reachable objects, after a full collection; otherwise with garbage, and faster.
    type: bool
    default: true
  not_before:
    description: Wait until O(interval) seconds after this time (ISO 8601).
    type: str
  interval:
    description: Seconds after O(not_before).
    type: float
    default: 5.0
  debug_image:
    description: Image of an ephemeral debug container for containers without JDK tools, or without room for them.
    type: str
    default: ""
  top:
    description: How many classes to return of each histogram.
    type: int
    default: 200
"""

EXAMPLES = r"""
- name: capture | First class histogram
  sre.runbooks.heap_histogram_info:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
    name: histogram-1
"""

RETURN = r"""
histograms:
  description:
    - For each pod its name (pod), when its container started (started_at) and the time (at), bytes, classes (name, instances, bytes), and what
      its memory is made of (memory - anon, file, shmem, heap_used, heap_committed and metaspace in bytes, where known).
  type: list
  elements: dict
  returned: success
missing:
  description: For each running pod that was asked and has no histogram its name (pod) and why (why).
  type: list
  elements: dict
  returned: success
at:
  description: When the first was taken.
  type: str
  returned: success
evidence:
  description: Files that were saved.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _candidates, _histogram
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._candidates import Candidate
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._histogram import Histogram
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import Jvm
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC,
    EVIDENCE_SPEC,
    TARGET_SPEC,
    Result,
    Task,
    run_module,
)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "name": {"type": "str", "default": "histogram"},
    "pods": {"type": "list", "elements": "str", "default": []},
    "max_pods": {"type": "int", "default": 2},
    "live": {"type": "bool", "default": True},
    "not_before": {"type": "str"},
    "interval": {"type": "float", "default": 5.0},
    "debug_image": {"type": "str", "default": ""},
    "top": {"type": "int", "default": 200},
}


def run(task: Task) -> Result:
    """Take the histograms."""
    p = task.params
    target = Target.parse(p["namespace"], p["workload"])
    if task.check_mode:
        return {"histograms": [], "missing": [], "evidence": [], "says": [f"check mode: no histogram of {target} (it stops the JVM)"]}
    cluster = task.cluster()
    _histogram.wait_between(p["not_before"], p["interval"])
    ranked = _candidates.rank(cluster, target, p["container"], p["debug_image"], p["pods"])
    taken, missing = take_each(ranked, p["max_pods"], lambda jvm: _histogram.take(cluster, jvm, p["live"]))
    if not taken:
        raise RunbookError(" ".join(dict.fromkeys(row["why"] for row in missing)))
    evidence = [_save(task, histogram) for _candidate, histogram in taken] if p["incident_id"] else []
    return {"histograms": [_to_json(candidate, histogram, p["top"]) for candidate, histogram in taken], "missing": missing,
            "at": taken[0][1].at, "evidence": evidence,
            "says": [_says(histogram) for _candidate, histogram in taken] + [f"no histogram of {row['pod']}: {row['why']}" for row in missing]}


def take_each(ranked: t.Sequence[Candidate], most: int, take: t.Callable[[Jvm], Histogram]) -> tuple[list[tuple[Candidate, Histogram]], list[Result]]:
    """The histograms of the first pods that give one, one pod after the other, and why the others that were asked give none."""
    taken: list[tuple[Candidate, Histogram]] = []
    missing = [{"pod": candidate.name, "why": candidate.problem} for candidate in ranked if not candidate.jvm]
    for candidate in ranked:
        if candidate.jvm and len(taken) < most:
            try:
                taken.append((candidate, take(candidate.jvm)))
            except RunbookError as error:
                missing.append({"pod": candidate.name, "why": str(error)})
    return taken, missing


def _save(task: Task, histogram: Histogram) -> str:
    store = task.evidence()
    name = f"heap/{histogram.pod}.{task.params['name']}.txt"
    store.save_text(name, "histogram", f"jcmd GC.class_histogram in {histogram.pod}", histogram.text)
    return str(store.path(name))


def _to_json(candidate: Candidate, histogram: Histogram, top: int) -> Result:
    return {"pod": histogram.pod, "started_at": candidate.started_at, "at": histogram.at, "bytes": histogram.bytes,
            "memory": dict(candidate.memory), "classes": [dataclasses.asdict(row) for row in histogram.classes[:top]]}


def _says(histogram: Histogram) -> str:
    largest = next((row for row in histogram.classes if not row.name.startswith("[")), histogram.classes[0])
    return (f"{histogram.pod}: {size(histogram.bytes)} live, largest {histogram.classes[0].name} "
            f"{size(histogram.classes[0].bytes)}, then {largest.name} × {largest.instances}")


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
