# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload and its pods: Deployments, StatefulSets and DaemonSets, by the field that they share."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput

MOUNTS_REFRESHED = "runbooks.sre/mounts-refreshed"
WORKLOAD_KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
#: kubectl's other names of the kinds
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset"}


@dataclasses.dataclass(frozen=True)
class Target:
    """What an incident is about: one workload in one namespace."""

    namespace: str
    kind: str
    name: str

    @classmethod
    def parse(cls, namespace: str, workload: str) -> "Target":
        """From ``api-server`` (a Deployment), or from kind and name as kubectl takes them: ``sts/db``, ``deployments.apps/shop``."""
        kind, _slash, name = workload.rpartition("/")
        singular = (kind.lower() or "deployment").removesuffix(".apps").removesuffix("s" if len(kind) > 3 else "")
        known = WORKLOAD_KINDS.get(_SHORT.get(singular, singular))
        if known is None or not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{workload!r} is not a workload that runbooks know.",
                f"Use a Deployment's name, or one of {', '.join((*WORKLOAD_KINDS, *_SHORT))} with a slash and the name.")
        return cls(namespace, known, name)

    @property
    def short(self) -> str:
        """Such as ``deployment/api-server``."""
        return f"{self.kind.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.short}"


def read(cluster: Cluster, target: Target) -> Json:
    """The workload, or an error that names the workloads that do exist."""
    found = cluster.find(target.kind, target.namespace, target.name)
    if found is not None:
        return found
    others = [item["metadata"]["name"] for item in cluster.list(target.kind, target.namespace)]
    if others:
        hint = f"In {target.namespace} there are: {', '.join(sorted(others))}."
    else:
        hint = f"Namespace {target.namespace} has no {target.kind} at all: check its name."
    raise ClusterError(f"Cluster {cluster.name}: there is no {target.short} in namespace {target.namespace}.",
                       hint, status=404)


def selector(owner: Json) -> str:
    """The pod selector of a workload, or of a PodDisruptionBudget, as a ``labelSelector``; empty for all pods."""
    chosen = owner["spec"]["selector"]
    terms = [f"{key}={value}" for key, value in (chosen.get("matchLabels") or {}).items()]
    for expression in chosen.get("matchExpressions") or []:
        terms.append(_expression(expression))
    return ",".join(terms)


def pods(cluster: Cluster, workload: Json) -> list[Json]:
    """The workload's pods that are not being deleted, oldest first: those that its controller made, for labels may be shared."""
    found = cluster.list("Pod", workload["metadata"]["namespace"], labelSelector=selector(workload))
    alive = [pod for pod in owned(cluster, workload, found) if not pod["metadata"].get("deletionTimestamp")]
    return sorted(alive, key=lambda pod: pod["metadata"]["creationTimestamp"])


def owned(cluster: Cluster, workload: Json, found: t.Sequence[Json]) -> list[Json]:
    """Those of the pods that belong to the workload, by their owner references.

    A Deployment's pods belong to its ReplicaSets. These are asked for only where a name does not tell; without them a pod is left
    to its labels.
    """
    meta, made = workload["metadata"], t.cast(list[dict[str, bool]], [])

    def belongs(pod: Json) -> bool:
        owner = _controller(pod)
        if owner is None:
            return False
        if owner.get("kind") != "ReplicaSet":
            return owner.get("uid") == meta.get("uid")
        if owner["name"] == f"{meta['name']}-{pod['metadata'].get('labels', {}).get('pod-template-hash')}":
            return True
        if not made:
            made.append(_replica_sets(cluster, workload))
        return made[0].get(owner["name"], True)

    return [pod for pod in found if belongs(pod)]


def refresh_mounts(cluster: Cluster, target: Target) -> None:
    """Touch the pods, so that their kubelets mount a changed ConfigMap now and not at their next sync, a minute later.

    Without permission to patch pods the minute passes.
    """
    moment = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    touched = {"metadata": {"annotations": {MOUNTS_REFRESHED: moment}}}
    for pod in pods(cluster, read(cluster, target)):
        try:
            cluster.patch("Pod", target.namespace, pod["metadata"]["name"], touched)
        except ClusterError as error:
            if error.status not in (403, 404):
                raise


def replicas(workload: Json) -> int:
    """How many pods a workload is to have."""
    by_node = workload.get("status", {}).get("desiredNumberScheduled")
    return by_node if by_node is not None else workload["spec"].get("replicas", 1)


def on_delete(workload: Json) -> bool:
    """Whether the controller leaves pods as they are until somebody deletes them."""
    return (workload["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"


def partition(workload: Json) -> int:
    """How many of a StatefulSet's first pods keep their template during a rollout."""
    return ((workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0


def running(pod: Json) -> bool:
    """Whether a pod's containers are up."""
    return pod.get("status", {}).get("phase") == "Running"


def ready(pod: Json) -> bool:
    """Whether a pod takes traffic."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def main_container(workload: Json, wanted: str | None = None, pods: t.Sequence[Json] = (), port: t.Any = None) -> str:
    """The container to look at: the wanted one, the one that its annotation or its name singles out, else what the pods show.

    :param pods: of the workload: a container that was killed for its memory is the one that is looked for.
    :param port: of the metrics: the container that declares it is the application's.
    """
    certain = _singled_out(workload, wanted)
    if certain:
        return certain
    names = container_names(workload)
    killed = collections.Counter(name for pod in pods for name, _at in kills(pod) if name in names)
    if killed:
        return killed.most_common(1)[0][0]
    serving = [name for name in names if port and any(
        port in (declared.get("containerPort"), declared.get("name")) for declared in container_spec(workload, name).get("ports") or [])]
    return (serving or names)[0]


def container_to_change(workload: Json, wanted: str | None = None, pods: t.Callable[[], t.Sequence[Json]] = tuple) -> str:
    """The container that a change goes to; refused where it would have to be guessed among several.

    :param pods: of the workload, for a change of memory: the only container that was killed for it is not guessed.
    """
    certain = _singled_out(workload, wanted)
    if certain:
        return certain
    killed = {name for pod in pods() for name, _at in kills(pod)} & set(container_names(workload))
    if len(killed) == 1:
        return killed.pop()
    raise InvalidInput(f"{workload['metadata']['name']} has several containers ({', '.join(container_names(workload))}), and none is called like "
                       "it: a change goes to none that was guessed.",
                       "Name one with container (in a runbook: ROLE_container, such as memory_leak_container). Nothing was changed.")


def container_names(owner: Json) -> list[str]:
    """The containers that run as long as the pod does: the ordinary ones, then native sidecars."""
    return [container["name"] for container in _lasting(owner)]


def container_spec(owner: Json, name: str) -> Json:
    """A container's spec, from a pod or from a workload's template; native sidecars too."""
    return next((container for container in _lasting(owner) if container["name"] == name), {})


def container_status(pod: Json, name: str) -> Json:
    """A container's status in a pod, empty where there is none yet."""
    return next((status for status in container_statuses(pod) if status["name"] == name), {})


def container_statuses(pod: Json) -> list[Json]:
    """The status of every container of a pod, native sidecars and other init containers last."""
    status = pod.get("status", {})
    return [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]


def container_path(workload: Json, name: str) -> str:
    """Where a container stands in its workload, as the path of a field."""
    native = any(container["name"] == name for container in _template_spec(workload).get("initContainers") or [])
    return f"spec.template.spec.{'initContainers' if native else 'containers'}[name={name}]"


def kills(pod: Json) -> list[tuple[str, str]]:
    """Every OOM kill that the pod's status still knows: container and time."""
    ends = [(status["name"], state["terminated"]) for status in container_statuses(pod)
            for state in (status.get("lastState") or {}, status.get("state") or {}) if state.get("terminated")]
    return [(name, end["finishedAt"]) for name, end in ends if end.get("reason") == "OOMKilled" and end.get("finishedAt")]


def _template_spec(owner: Json) -> Json:
    return owner["spec"].get("template", owner)["spec"]


def _lasting(owner: Json) -> list[Json]:
    spec = _template_spec(owner)
    return [*spec["containers"], *(one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always")]


def _singled_out(workload: Json, wanted: str | None) -> str | None:
    names, ordinary = container_names(workload), [container["name"] for container in _template_spec(workload)["containers"]]
    if wanted and wanted not in names:
        raise InvalidInput(f"{workload['metadata']['name']} has no container {wanted!r}.", f"It has: {', '.join(names)}.")
    annotated = (workload["spec"]["template"].get("metadata") or {}).get("annotations", {}).get("kubectl.kubernetes.io/default-container")
    only = ordinary[0] if len(ordinary) == 1 else None
    return next((name for name in (wanted, annotated, workload["metadata"]["name"], only) if name in names), None)


def _controller(pod: Json) -> Json | None:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), owners[0] if owners else None)


def _replica_sets(cluster: Cluster, workload: Json) -> dict[str, bool]:
    """Whether each ReplicaSet that has the workload's labels is the workload's; empty without permission."""
    meta = workload["metadata"]
    try:
        found = cluster.list("ReplicaSet", meta["namespace"], labelSelector=selector(workload))
    except ClusterError as error:
        if error.status == 403:
            return {}
        raise
    return {item["metadata"]["name"]: any(owner.get("uid") == meta.get("uid") for owner in item["metadata"].get("ownerReferences") or [])
            for item in found}


def _expression(expression: t.Mapping[str, t.Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or [])
    return {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})",
            "Exists": key, "DoesNotExist": f"!{key}"}[expression["operator"]]
