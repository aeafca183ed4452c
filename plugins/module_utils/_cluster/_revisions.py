# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollout history of a workload: its revisions with their pod templates."""

from __future__ import annotations

import copy
import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

REVISION = "deployment.kubernetes.io/revision"
#: an annotation that a ReplicaSet gets when it is used again: its time of creation then says nothing
USED_AGAIN = "deployment.kubernetes.io/revision-history"
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
    :param since: when it was rolled out last, at the latest; empty where nothing tells.
    :param change_cause: as annotated, empty if not.
    :param template: the pod template, without the labels that controllers add.
    """

    number: int
    name: str
    created_at: str
    change_cause: str
    template: Json
    since: str = ""


def read(cluster: Cluster, target: Target, workload: Json) -> list[Revision]:
    """The revisions that the cluster still has, oldest first."""
    found = [revision(item, workload) for item in objects(cluster, target, workload)]
    return sorted(found, key=lambda item: item.number)


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


def revision(item: Json, workload: Json | None = None) -> Revision:
    """The revision that a ReplicaSet or ControllerRevision holds.

    :param workload: that it belongs to, which tells when one that is used again was rolled out.
    """
    meta = item["metadata"]
    return Revision(number(item), meta["name"], meta["creationTimestamp"],
                    meta.get("annotations", {}).get("kubernetes.io/change-cause", ""), template(item), _since(item, workload or {}))


def _since(item: Json, workload: Json) -> str:
    """When a revision was rolled out last: of all that cannot have come before it, what came first.

    A ReplicaSet that is used again keeps its time of creation; its controller writes its new number to it as it begins, and a condition of
    the Deployment tells of its end. Only what is wanted now is told so: of an earlier one the last write is its end. A ControllerRevision
    is written again only when it is used again.
    """
    meta = item["metadata"]
    written = [entry["time"] for entry in meta.get("managedFields") or [] if entry.get("time") and not entry.get("subresource")]
    if item.get("kind") == "ControllerRevision" or "revision" in item:
        return max([meta["creationTimestamp"], *written])
    if USED_AGAIN not in meta.get("annotations", {}):
        return meta["creationTimestamp"]
    if meta.get("annotations", {}).get(REVISION) != workload.get("metadata", {}).get("annotations", {}).get(REVISION):
        return ""
    progress = [condition["lastUpdateTime"] for condition in workload.get("status", {}).get("conditions") or []
                if condition["type"] == "Progressing" and condition.get("lastUpdateTime") and f'"{meta["name"]}"' in condition.get("message", "")]
    return min([*filter(None, [max(written, default="")]), *progress], default="")


def _without(pod_template: Json, group: str, keys: tuple[str, ...]) -> Json:
    slim = copy.deepcopy(pod_template)
    meta = slim.get("metadata", {})
    if group in meta:
        meta[group] = {key: value for key, value in meta[group].items() if key not in keys}
        if not meta[group]:
            del meta[group]
    return slim
