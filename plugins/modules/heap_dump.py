#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: heap_dump
short_description: Save a verified heap dump of the pod with the fullest heap
version_added: 0.1.0
description:
  - Chooses the pod with the fullest heap among those that can bear it, checks the room in the pod and on the controller, saves a class histogram
    first, dumps, brings the dump here compressed on the way and in ranges that are repeated when a stream breaks,
    compares size and sha256 at both ends, checks that it is a whole HPROF file, and removes it from the pod.
  - The JVM stands still while it dumps; the other pods go on serving. One pod at a time, and the next one when the
    first dies meanwhile.
  - Whatever runs inside a container counts against its memory limit. A pod that has less than 24 MiB left is not entered; pods with less
    than 64 MiB, or whose usage is not known, are entered one at a time, and the last ready one not when it is known to be that tight.
    With O(debug_image) an ephemeral container is used where the pod as a whole has more room; it counts against the pod's limit,
    which is the sum of its containers' limits where every container has one.
  - An incident that has a verified dump of the workload already keeps it. A run that was interrupted continues.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.target
attributes:
  diff_mode:
    description: Nothing of the application is changed.
    support: none
options:
  incident_id:
    description: The incident that the dump belongs to.
    type: str
    required: true
  incidents_dir:
    description: Where evidence goes, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  pod:
    description: The pod to dump; the one with the fullest heap when not set.
    type: str
  live:
    description: Only reachable objects, after a full collection; otherwise all.
    type: bool
    default: true
  directory:
    description: Directory of the container for the dump; a writable one on disk with room when not set.
    type: str
    default: ""
  debug_image:
    description: Image (with a shell and a JDK) of an ephemeral debug container, for containers without JDK tools, or without room for them.
    type: str
    default: ""
  max_attempts:
    description: How many pods to try when one dies meanwhile.
    type: int
    default: 2
  force:
    description: Dump again although the incident has a dump.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: capture | Heap dump of the fullest pod
  sre.runbooks.heap_dump:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
"""

RETURN = r"""
pod:
  description: The pod that was dumped, or would be in check mode.
  type: str
  returned: success
candidates:
  description: Every running pod with heap_used in bytes and why it cannot be read (problem).
  type: list
  elements: dict
  returned: when pods were asked
file:
  description: The dump on the controller, compressed.
  type: str
  returned: outside check mode
bytes:
  description: Size of the dump, not compressed.
  type: int
  returned: outside check mode
compressed_bytes:
  description: Size of the file on the controller.
  type: int
  returned: outside check mode
sha256:
  description: Of the dump, not compressed, the same in the pod and here.
  type: str
  returned: outside check mode
seconds:
  description: How long dump and pull took.
  type: dict
  returned: when a dump was made
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, Item
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _candidates, _dump, _histogram
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._candidates import Candidate
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC,
    TARGET_SPEC,
    Result,
    Task,
    run_module,
)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    "incident_id": {"type": "str", "required": True},
    "incidents_dir": {"type": "path", "default": "incidents"},
    "pod": {"type": "str"},
    "live": {"type": "bool", "default": True},
    "directory": {"type": "str", "default": ""},
    "debug_image": {"type": "str", "default": ""},
    "max_attempts": {"type": "int", "default": 2},
    "force": {"type": "bool", "default": False},
}


def run(task: Task) -> Result:
    """Dump the fullest pod that can be dumped."""
    p = task.params
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    target = Target.parse(p["namespace"], p["workload"])
    there = [item for item in store.verified("heap_dump") if item.facts.get("target") == str(target)]
    if there and not p["force"]:
        return _result(store, there[-1], [f"{p['incident_id']} has a verified heap dump already: {there[-1].name}"])
    cluster = task.cluster()
    ranked = _candidates.rank(cluster, target, p["container"], p["debug_image"], [p["pod"]] if p["pod"] else [])
    ranked = [candidate for candidate in ranked if candidate.jvm]
    if task.check_mode:
        return _preview(cluster, ranked, p["directory"])
    _dump.refuse_without_room_here(store, ranked[0])
    item, seconds, lost = _first_that_works(task, cluster, store, ranked, str(target))
    says = [*lost, f"{item.name}: {size(item.facts['plain_bytes'])} as {size(item.bytes)}, sha256 equal at both ends, "
                   f"dumped in {seconds['dump']:g} s, pulled in {seconds['pull']:g} s"]
    return {**_result(store, item, says), "seconds": seconds, "evidence": [str(store.directory / item.name)],
            "candidates": [candidate.to_json() for candidate in ranked]}


def _first_that_works(task: Task, cluster: Cluster, store: EvidenceStore, ranked: list[Candidate],
                      target: str) -> tuple[Item, Result, list[str]]:
    p, lost = task.params, []
    for candidate in ranked[:p["max_attempts"]]:
        try:
            _save_histogram(cluster, store, candidate)
            place = _dump.choose_directory(cluster, candidate, p["directory"])
        except RunbookError as error:
            lost.append(f"{candidate.name} was not dumped ({error})")
            task.progress(lost[-1])
            continue
        try:
            item, seconds = _dump.capture(cluster, store, p["incident_id"], candidate, place, p["live"], target,
                                          task.progress)
            return item, seconds, lost
        except ClusterError as error:
            lost.append(f"{candidate.name} was lost meanwhile ({error.message})")
            task.progress(lost[-1])
    raise RunbookError(f"Cluster {cluster.name}: no heap dump: {' '.join(lost)}",
                       "What was captured before is kept. Run again with the same incident_id, or go on without a dump "
                       "with memory_leak_allow_missing_evidence=true.")


def _save_histogram(cluster: Cluster, store: EvidenceStore, candidate: Candidate) -> None:
    if any(candidate.name in item.name for item in store.items("histogram")):
        return
    histogram = _histogram.take(cluster, candidate.jvm, live=False)
    store.save_text(f"heap/{candidate.name}.histogram.txt", "histogram",
                    f"jcmd GC.class_histogram -all in {candidate.name}", histogram.text)


def _preview(cluster: Cluster, ranked: list[Candidate], directory: str) -> Result:
    place = _dump.choose_directory(cluster, ranked[0], directory)
    return {"pod": ranked[0].name, "candidates": [candidate.to_json() for candidate in ranked], "evidence": [],
            "says": [f"would dump {ranked[0].name} (heap {size(ranked[0].heap_used)}) to {place.path} "
                     f"({size(place.free)} free) and bring it here"]}


def _result(store: EvidenceStore, item: Item, says: list[str]) -> Result:
    return {"pod": item.name.removeprefix("heap/").split(".hprof")[0], "file": str(store.directory / item.name),
            "bytes": item.facts["plain_bytes"], "compressed_bytes": item.bytes, "sha256": item.facts["plain_sha256"],
            "evidence": [], "says": says}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
