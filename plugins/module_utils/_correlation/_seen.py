# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that may have changed around a workload, read at once; what may not be read is named, not an error."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each

NAMESPACED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision", "ConfigMap", "Secret", "Service",
              "HorizontalPodAutoscaler", "Pod", "Event")
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
#: where the events of nodes are
NODE_EVENTS = "Node events"


@dataclasses.dataclass(frozen=True)
class Seen:
    """The objects of one moment.

    :param objects: by kind; Secrets have metadata only.
    :param not_seen: why a kind could not be read, by kind.
    """

    objects: t.Mapping[str, t.Sequence[Json]]
    not_seen: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def of(self, *kinds: str) -> list[tuple[str, Json]]:
        """Kind and object of every object of these kinds."""
        return [(kind, item) for kind in kinds for item in self.objects.get(kind, ())]


def gather(cluster: Cluster, namespace: str) -> Seen:
    """Read the namespace, the nodes and the nodes' events."""
    calls: dict[str, t.Callable[[], list[Json]]] = {kind: _lister(cluster, kind, namespace) for kind in NAMESPACED}
    calls["Secret"] = lambda: cluster.list_metadata("Secret", namespace)
    calls["Node"] = lambda: cluster.list("Node")
    calls[NODE_EVENTS] = lambda: cluster.list("Event", "default", fieldSelector="involvedObject.kind=Node")
    objects: dict[str, list[Json]] = {}
    not_seen: dict[str, str] = {}
    for kind, found in zip(calls, each(_tolerant, calls.values()), strict=True):
        if isinstance(found, str):
            not_seen[kind] = found
        else:
            objects[kind] = found
    return Seen(objects, not_seen)


def workload_of(seen: Seen, pod: Json) -> str:
    """The workload that a pod belongs to, such as ``deployment/api-server``; the pod itself where it has no owner."""
    owner = _controller(pod)
    if owner and owner["kind"] == "ReplicaSet":
        above = next((item for _kind, item in seen.of("ReplicaSet") if item["metadata"]["uid"] == owner["uid"]), None)
        owner = (above and _controller(above)) or owner
    return named(owner["kind"], owner["name"]) if owner else named("Pod", pod["metadata"]["name"])


def named(kind: str, name: str) -> str:
    """Such as ``deployment/api-server``."""
    return f"{kind.lower()}/{name}"


def moment(text: str | None) -> datetime.datetime | None:
    """A time of the API server's."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def _controller(item: Json) -> Json | None:
    owners = item["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), owners[0] if owners else None)


def _lister(cluster: Cluster, kind: str, namespace: str) -> t.Callable[[], list[Json]]:
    return lambda: cluster.list(kind, namespace)


def _tolerant(call: t.Callable[[], list[Json]]) -> list[Json] | str:
    """The objects, or why they may not be read."""
    try:
        return call()
    except ClusterError as error:
        if error.status in (403, 404):
            return "permission denied" if error.status == 403 else "the cluster does not have it"
        raise
