# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload and its pods: Deployments, StatefulSets and DaemonSets, by the field that they share."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput

MOUNTS_REFRESHED = "runbooks.sre/mounts-refreshed"
WORKLOAD_KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}


@dataclasses.dataclass(frozen=True)
class Target:
    """What an incident is about: one workload in one namespace."""

    namespace: str
    kind: str
    name: str

    @classmethod
    def parse(cls, namespace: str, workload: str) -> "Target":
        """From ``api-server`` (a Deployment) or ``statefulset/api-server``."""
        kind, slash, name = workload.rpartition("/")
        try:
            return cls(namespace, WORKLOAD_KINDS[kind.lower() or "deployment"], name)
        except KeyError:
            raise InvalidInput(
                f"{workload!r} is not a workload that runbooks know.",
                f"Use a Deployment's name, or one of {', '.join(WORKLOAD_KINDS)} with a slash and the name.") from None

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
    terms = [f"{key}={value}" for key, value in chosen.get("matchLabels", {}).items()]
    for expression in chosen.get("matchExpressions", []):
        terms.append(_expression(expression))
    return ",".join(terms)


def pods(cluster: Cluster, workload: Json) -> list[Json]:
    """The workload's pods that are not being deleted, oldest first."""
    found = cluster.list("Pod", workload["metadata"]["namespace"], labelSelector=selector(workload))
    alive = [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]
    return sorted(alive, key=lambda pod: pod["metadata"]["creationTimestamp"])


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


def running(pod: Json) -> bool:
    """Whether a pod's containers are up."""
    return pod.get("status", {}).get("phase") == "Running"


def ready(pod: Json) -> bool:
    """Whether a pod takes traffic."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def main_container(workload: Json, wanted: str | None = None) -> str:
    """The container to act on: the wanted one, the one named like the workload, or the first."""
    names = [container["name"] for container in workload["spec"]["template"]["spec"]["containers"]]
    if wanted and wanted not in names:
        raise InvalidInput(f"{workload['metadata']['name']} has no container {wanted!r}.",
                           f"It has: {', '.join(names)}.")
    annotated = workload["spec"]["template"]["metadata"].get("annotations", {}).get(
        "kubectl.kubernetes.io/default-container")
    for candidate in (wanted, annotated, workload["metadata"]["name"]):
        if candidate in names:
            return candidate
    return names[0]


def container_spec(owner: Json, name: str) -> Json:
    """A container's spec, from a pod or from a workload's template."""
    spec = owner["spec"].get("template", owner)["spec"]
    return next((container for container in spec["containers"] if container["name"] == name), {})


def container_status(pod: Json, name: str) -> Json:
    """A container's status in a pod, empty where there is none yet."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return next((status for status in statuses if status["name"] == name), {})


def _expression(expression: t.Mapping[str, t.Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values", []))
    return {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})",
            "Exists": key, "DoesNotExist": f"!{key}"}[expression["operator"]]
