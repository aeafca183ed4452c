# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods' heaps can be read, the fullest first."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm, _room
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import Jvm
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._room import Entry


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A pod and its JVM, or why it has none that can be reached.

    :param heap_used: bytes, garbage included.
    :param started_at: when its container started, ISO 8601.
    :param memory: what the container's memory is made of, in bytes: anon, file and shmem by its cgroup, heap_used, heap_committed and
        metaspace by the JVM; what is not known is not there.
    :param tight: whether there is so little memory left, or nobody knows how much, that one thing is done at a time.
    """

    pod: Json
    jvm: Jvm | None
    heap_used: int
    problem: str = ""
    started_at: str | None = None
    tight: bool = False
    memory: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.pod["metadata"]["name"]

    def to_json(self) -> Json:
        """As module results show it."""
        return {"pod": self.name, "heap_used": self.heap_used, "problem": self.problem}


def rank(cluster: Cluster, target: Target, container: str | None, debug_image: str,
         wanted: t.Sequence[str] = ()) -> list[Candidate]:
    """Ask every running pod of the workload that can bear it, those with room at once; reachable ones first, by heap use.

    :param wanted: only these pods.
    :raises RunbookError: no pod's JVM can be reached, with the reasons.
    """
    workload = _workload.read(cluster, target)
    running = _workload.pods(cluster, workload)
    name = _workload.main_container(workload, container, running)
    up = [pod for pod in running if _is_up(pod, name)]
    pods = {pod["metadata"]["name"]: pod for pod in up if not wanted or pod["metadata"]["name"] in wanted}
    if not pods:
        raise RunbookError(f"Cluster {cluster.name}: {target} has no running pod"
                           f"{' among ' + ', '.join(wanted) if wanted else ''} to read a heap from.",
                           "Look at its pods; a JVM that is dead has no heap any more. To go on without a heap dump: "
                           "memory_leak_allow_missing_evidence=true.")

    def ask(entry: Entry) -> Candidate:
        pod = pods[entry.pod]
        try:
            jvm = _jvm.find(cluster, pod, name, debug_image, entry)
            info = _jvm.heap_info(cluster, jvm)
            said = {"heap_used": info.used, "heap_committed": info.committed, "metaspace": info.metaspace}
            return Candidate(pod, jvm, info.used, started_at=_started_at(pod, name), tight=entry.alone,
                             memory={**jvm.memory, **{name: amount for name, amount in said.items() if amount}})
        except RunbookError as error:
            return Candidate(pod, None, 0, str(error))

    planned = [entry for entry in _room.entries(_room.read(cluster, workload, up, name), debug_image) if entry.pod in pods]
    together = each(ask, [entry for entry in planned if not entry.alone])
    one_by_one = [ask(entry) for entry in planned if entry.alone]
    candidates = sorted([*together, *one_by_one], key=lambda candidate: -candidate.heap_used)
    if all(candidate.jvm is None for candidate in candidates):
        raise RunbookError(" ".join(dict.fromkeys(candidate.problem for candidate in candidates)))
    return candidates


def _started_at(pod: Json, container: str) -> str | None:
    return _workload.container_status(pod, container)["state"]["running"].get("startedAt")


def _is_up(pod: Json, container: str) -> bool:
    return "running" in _workload.container_status(pod, container).get("state", {})
