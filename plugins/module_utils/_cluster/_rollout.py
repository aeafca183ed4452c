# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands, and waiting for its end."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target

POLL_SECONDS = 1.0
#: states of a container that no waiting ends, unless someone acts; a registry may hiccup, hence the patience
HOPELESS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError",
            "CrashLoopBackOff")
PATIENCE_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a rollout stands.

    :param updated: every pod has the newest template.
    :param finished: and all of them are available, with no old one left.
    :param failed: why it is not finished, where that is known: the controller gave up, or what keeps its pods.
    :param text: the figures, for a person.
    """

    updated: bool
    finished: bool
    failed: str
    text: str


def progress(kind: str, workload: Json) -> Progress:
    """Read a workload's status as ``kubectl rollout status`` does."""
    spec, status = workload["spec"], workload.get("status", {})
    if kind == "DaemonSet":
        wanted, fresh = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
        available, total = status.get("numberAvailable", 0), fresh
    else:
        wanted, fresh = spec.get("replicas", 1), status.get("updatedReplicas", 0)
        available, total = status.get("availableReplicas", 0), status.get("replicas", 0)
    observed = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    updated = observed and fresh >= wanted
    return Progress(updated, updated and total <= fresh and available >= wanted, _gave_up(status),
                    f"{fresh} of {wanted} pods updated, {available} available")


def wait(cluster: Cluster, target: Target, timeout: float, tell: t.Callable[[str], None]) -> Progress:
    """Wait until a rollout is finished or failed, or the time is up; returns where it stands then.

    :param timeout: seconds.
    :param tell: takes a line whenever the figures change.
    """
    deadline, told, hopeless_since = time.monotonic() + timeout, "", 0.0
    while True:
        workload = _workload.read(cluster, target)
        current, now = progress(target.kind, workload), time.monotonic()
        reason = "" if current.finished else blocked(_workload.pods(cluster, workload)) or refused(workload.get("status", {}))
        line = current.text + (f" ({reason})" if reason else "")
        if line != told:
            told = line
            tell(f"{target.short}: {told}")
        if not reason.startswith(HOPELESS):
            hopeless_since = now
        given_up = reason if now - hopeless_since >= PATIENCE_SECONDS else ""
        if current.finished or current.failed or given_up or now >= deadline:
            return dataclasses.replace(current, failed="; ".join(filter(None, (current.failed, reason))))
        time.sleep(POLL_SECONDS)


def blocked(pods: t.Sequence[Json]) -> str:
    """Why pods that are not ready do not become so, of the newest one that says why; empty where none does."""
    for pod in reversed(pods):
        for status in pod.get("status", {}).get("containerStatuses", []):
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") in HOPELESS:
                return f"{waiting['reason']} of {pod['metadata']['name']}: {waiting.get('message', '')[:300]}"
        for condition in pod.get("status", {}).get("conditions", []):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return f"{condition.get('reason', 'Unschedulable')} {pod['metadata']['name']}: {condition.get('message', '')[:300]}"
    return ""


def refused(status: Json) -> str:
    """Why the API server refuses new pods (a quota, an admission policy), empty where it does not."""
    return next((f"{condition.get('reason', '')}: {condition.get('message', '')[:300]}" for condition in status.get("conditions", [])
                 if condition["type"] == "ReplicaFailure" and condition["status"] == "True"), "")


def surge(kind: str, workload: Json) -> int:
    """How many pods more than wanted there may be during a rolling update."""
    strategy = workload["spec"].get("strategy" if kind == "Deployment" else "updateStrategy", {})
    if kind == "StatefulSet" or strategy.get("type") in ("Recreate", "OnDelete"):
        return 0
    more = strategy.get("rollingUpdate", {}).get("maxSurge", "25%" if kind == "Deployment" else 0)
    return math.ceil(workload["spec"].get("replicas", 1) * int(more.rstrip("%")) / 100) if isinstance(more, str) else more


def lowest_available(kind: str, workload: Json) -> int:
    """How few pods may be available during a rolling update."""
    spec, status = workload["spec"], workload.get("status", {})
    wanted = spec.get("replicas", 1) if kind != "DaemonSet" else status.get("desiredNumberScheduled", 0)
    if kind == "StatefulSet":
        return wanted - 1
    strategy = spec.get("strategy" if kind == "Deployment" else "updateStrategy", {})
    if strategy.get("type") == "Recreate":
        return 0
    unavailable = strategy.get("rollingUpdate", {}).get("maxUnavailable", "25%")
    if isinstance(unavailable, str):
        unavailable = math.floor(wanted * int(unavailable.rstrip("%")) / 100)
    return wanted - unavailable


def _gave_up(status: Json) -> str:
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return condition.get("message", "progress deadline exceeded")
    return ""
