# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollout history of a workload: its revisions with their pod templates."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

REVISION = "deployment.kubernetes.io/revision"
#: an annotation that a ReplicaSet gets when it is used again: its time of creation then says nothing
HISTORY = "deployment.kubernetes.io/revision-history"
#: labels that the controllers add to a template
_HASHES = ("pod-template-hash", "controller-revision-hash")
#: annotations that only restart pods
_RESTARTS = ("kubectl.kubernetes.io/restartedAt", "runbooks.sre/restart")


@dataclasses.dataclass(frozen=True)
class Revision:
    """One revision.

    :param number: as ``kubectl rollout history`` shows it; it grows when a revision is used again.
    :param name: of the ReplicaSet or ControllerRevision.
    :param created_at: ISO 8601; of its first use.
    :param begun_at: ISO 8601; when it was last rolled out, which is later where a template is used again.
    :param change_cause: as annotated, empty if not.
    :param template: the pod template, without the labels that controllers add.
    """

    number: int
    name: str
    created_at: str
    change_cause: str
    template: Json
    begun_at: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun_at", self.begun_at or self.created_at)


def read(cluster: Cluster, target: Target, workload: Json) -> list[Revision]:
    """The revisions that the cluster still has, oldest first."""
    found = objects(cluster, target, workload)
    pods = _workload.pods(cluster, workload) if any(used_again(item, found) for item in found) else []
    return sorted((revision(item, begun_again(item, pods, workload) if used_again(item, found) else "") for item in found),
                  key=lambda item: item.number)


def objects(cluster: Cluster, target: Target, workload: Json) -> list[Json]:
    """The ReplicaSets or ControllerRevisions that belong to a workload."""
    kind = "ReplicaSet" if target.kind == "Deployment" else "ControllerRevision"
    uid = workload["metadata"]["uid"]
    return [item for item in cluster.list(kind, target.namespace, labelSelector=_workload.selector(workload))
            if any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences", []))]


def newest_hash(cluster: Cluster, target: Target, workload: Json) -> str | None:
    """What marks the pods of the newest revision, None where that cannot be told."""
    if target.kind == "StatefulSet":
        return workload.get("status", {}).get("updateRevision")
    try:
        found = objects(cluster, target, workload)
    except ClusterError as error:
        if error.status == 403:
            return None
        raise
    newest = max(found, key=number, default=None)
    labels = newest["metadata"].get("labels", {}) if newest else {}
    return next((labels[name] for name in _HASHES if name in labels), None)


def hashes(pod: Json) -> set[str]:
    """What marks the revision that a pod is of."""
    labels = pod["metadata"].get("labels") or {}
    return {labels[name] for name in _HASHES if name in labels}


def essence(template: Json) -> Json:
    """A template without what only restarts pods: two revisions of equal essence run the same thing."""
    return _without(template, "annotations", _RESTARTS)


def number(item: Json) -> int:
    """The revision that a ReplicaSet or ControllerRevision stands for."""
    return int(item.get("revision") or item["metadata"].get("annotations", {}).get(REVISION, "0"))


def template(item: Json) -> Json:
    """The pod template of a ReplicaSet or ControllerRevision, as its workload had it."""
    found = item.get("spec", {}).get("template") or item.get("data", {}).get("spec", {}).get("template", {})
    return {key: value for key, value in _without(found, "labels", _HASHES).items() if key != "$patch"}


def revision(item: Json, begun_at: str = "") -> Revision:
    """The revision that a ReplicaSet or ControllerRevision holds.

    :param begun_at: when it was last rolled out, empty for at its creation.
    """
    meta = item["metadata"]
    return Revision(number(item), meta["name"], meta["creationTimestamp"],
                    meta.get("annotations", {}).get("kubernetes.io/change-cause", ""), template(item), begun_at)


def used_again(item: Json, owned: t.Sequence[Json]) -> bool:
    """Whether a template has run before: the controller says so, or it is older than one that it follows."""
    return HISTORY in item["metadata"].get("annotations", {}) or any(
        other["metadata"]["creationTimestamp"] > item["metadata"]["creationTimestamp"] and number(other) < number(item) for other in owned)


def written_at(item: Json) -> str:
    """When a revision's object was last written, empty where nothing tells. A ControllerRevision is written again only when it is used again."""
    return max((entry["time"] for entry in item["metadata"].get("managedFields", []) if entry.get("time")), default="")


def begun_again(item: Json, pods: t.Sequence[Json], workload: Json) -> str:
    """When a template that is used again was last rolled out, by the latest that it can have been; empty where nothing tells.

    Its oldest pod is no older than that, and a rollout has made progress since; pods that were replaced later are younger.
    """
    if "revision" in item:
        return written_at(item)
    label = {item["metadata"].get("labels", {}).get(name, "") for name in _HASHES} - {""}
    born = [pod["metadata"]["creationTimestamp"] for pod in pods if hashes(pod) & label]
    newest = str(number(item)) == workload["metadata"].get("annotations", {}).get(REVISION)
    progress = [condition["lastUpdateTime"] for condition in workload.get("status", {}).get("conditions") or []
                if newest and condition["type"] == "Progressing" and condition.get("lastUpdateTime")]
    return min([*born, *progress], default="")


def _without(pod_template: Json, group: str, keys: tuple[str, ...]) -> Json:
    slim = copy.deepcopy(pod_template)
    meta = slim.get("metadata", {})
    if group in meta:
        meta[group] = {key: value for key, value in meta[group].items() if key not in keys}
        if not meta[group]:
            del meta[group]
    return slim
