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
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import Jvm


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A pod and its JVM, or why it has none that can be reached.

    :param heap_used: bytes, garbage included.
    :param started_at: when its container started, ISO 8601.
    """

    pod: Json
    jvm: Jvm | None
    heap_used: int
    problem: str = ""
    started_at: str | None = None

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.pod["metadata"]["name"]

    def to_json(self) -> Json:
        """As module results show it."""
        return {"pod": self.name, "heap_used": self.heap_used, "problem": self.problem}


def rank(cluster: Cluster, target: Target, container: str | None, debug_image: str,
         wanted: t.Sequence[str] = ()) -> list[Candidate]:
    """Ask every running pod of the workload at once; reachable ones first, by heap use.

    :param wanted: only these pods.
    :raises RunbookError: no pod's JVM can be reached, with the reasons.
    """
    workload = _workload.read(cluster, target)
    name = _workload.main_container(workload, container)
    pods = [pod for pod in _workload.pods(cluster, workload)
            if _is_up(pod, name) and (not wanted or pod["metadata"]["name"] in wanted)]
    if not pods:
        raise RunbookError(f"Cluster {cluster.name}: {target} has no running pod"
                           f"{' among ' + ', '.join(wanted) if wanted else ''} to read a heap from.",
                           "Look at its pods; a JVM that is dead has no heap any more.")

    def ask(pod: Json) -> Candidate:
        try:
            jvm = _jvm.find(cluster, pod, name, debug_image)
            return Candidate(pod, jvm, _jvm.heap_used(cluster, jvm), started_at=_started_at(pod, name))
        except RunbookError as error:
            return Candidate(pod, None, 0, str(error))

    candidates = sorted(each(ask, pods), key=lambda candidate: -candidate.heap_used)
    if candidates[0].jvm is None:
        raise RunbookError(candidates[0].problem)
    return candidates


def _started_at(pod: Json, container: str) -> str | None:
    return _workload.container_status(pod, container)["state"]["running"].get("startedAt")


def _is_up(pod: Json, container: str) -> bool:
    return "running" in _workload.container_status(pod, container).get("state", {})
