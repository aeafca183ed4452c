# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands, and waiting for its end."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target

POLL_SECONDS = 1.0
#: states of a container that no waiting ends, unless someone acts; a registry may hiccup, hence the patience
DYING = "a new pod dies again and again"
HOPELESS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError",
            "CrashLoopBackOff", DYING)
#: a container that ended so often and is not ready between two lives has no good one
DYING_RESTARTS = 2
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
    kept = wanted if _workload.on_delete(workload) else min(wanted, _workload.partition(workload))
    observed = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    updated = observed and fresh >= wanted - kept
    why = "" if not kept else " (OnDelete: the others stay until they are deleted)" if _workload.on_delete(workload) else (
        f" (partition: the first {kept} stay as they are)")
    return Progress(updated, updated and total <= (max(fresh, wanted) if kept else fresh) and available >= wanted,
                    _gave_up(workload) if observed else "", f"{fresh} of {wanted} pods updated{why}, {available} available")


def wait(cluster: Cluster, target: Target, timeout: float, tell: t.Callable[[str], None]) -> Progress:
    """Wait until a rollout is finished or failed, or the time is up; returns where it stands then.

    :param timeout: seconds.
    :param tell: takes a line whenever the figures change.
    """
    began = time.monotonic()
    deadline, told, hopeless_since = began + timeout, "", began
    while True:
        workload = _workload.read(cluster, target)
        current, now = progress(target.kind, workload), time.monotonic()
        reason = "" if current.finished else stuck(cluster, target, workload)
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


def unsteady(cluster: Cluster, target: Target, since: str) -> list[str]:
    """What keeps a workload from standing as it should after a change: a rollout that is not at its end, pods that are not ready, and
    containers that have ended since, a line each. No rollout ends a container and keeps its pod.

    :param since: ISO 8601; what ended before counts for nothing.
    """
    workload = _workload.read(cluster, target)
    current = progress(target.kind, workload)
    pods = _workload.pods(cluster, workload)
    rolling = [] if current.finished else [f"{target.short}: {current.failed or current.text}"]
    waiting = [f"{pod['metadata']['name']} is not ready" for pod in pods if not _workload.ready(pod)]
    return rolling + waiting + [line for pod in pods for line in _ended_since(pod, since)]


def _ended_since(pod: Json, since: str) -> t.Iterator[str]:
    initial = {status["name"] for status in pod.get("status", {}).get("initContainerStatuses") or []}
    for status in _workload.container_statuses(pod):
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            ended = state.get("terminated") or {}
            done = status["name"] in initial and not ended.get("exitCode")
            if ended and not done and (ended.get("finishedAt") or "") >= since:
                yield (f"{status['name']} of {pod['metadata']['name']} has ended since the change, at {ended['finishedAt']}: "
                       f"{ended.get('reason', 'Error')} (exit {ended.get('exitCode', '?')})")


def stuck(cluster: Cluster, target: Target, workload: Json) -> str:
    """What keeps a rollout from ending: its new pods, not old ones, and what refuses new pods; empty where nothing does."""
    pods = _workload.pods(cluster, workload)
    if any(not _workload.ready(pod) for pod in pods):
        fresh = _revisions.newest_hash(cluster, target, workload)
        pods = [pod for pod in pods if fresh is None or fresh in _revisions.hashes(pod)]
    return blocked(pods) or refused(workload.get("status", {}))


def blocked(pods: t.Sequence[Json]) -> str:
    """Why pods that are not ready do not become so, of the newest one that says why; empty where none does."""
    for pod in reversed(pods):
        name = pod["metadata"]["name"]
        for status in _workload.container_statuses(pod):
            waiting = (status.get("state") or {}).get("waiting") or {}
            last = (status.get("lastState") or {}).get("terminated") or {}
            if waiting.get("reason") in HOPELESS:
                return f"{waiting['reason']} of {name}: {waiting.get('message', '')[:300]}"
            if status.get("restartCount", 0) >= DYING_RESTARTS and last and not status.get("ready") and not _workload.ready(pod):
                return (f"{DYING}: {status['name']} of {name} ended {status['restartCount']} times, last with "
                        f"{last.get('reason', 'Error')} (exit {last.get('exitCode', '?')})")
        for condition in pod.get("status", {}).get("conditions") or []:
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return f"{condition.get('reason', 'Unschedulable')} {name}: {condition.get('message', '')[:300]}"
    return ""


def refused(status: Json) -> str:
    """Why the API server refuses new pods (a quota, an admission policy), empty where it does not."""
    return next((f"{condition.get('reason', '')}: {condition.get('message', '')[:300]}" for condition in status.get("conditions") or []
                 if condition["type"] == "ReplicaFailure" and condition["status"] == "True"), "")


def surge(kind: str, workload: Json) -> int:
    """How many pods more than wanted there may be during a rolling update."""
    strategy = workload["spec"].get("strategy" if kind == "Deployment" else "updateStrategy", {})
    if kind == "StatefulSet" or strategy.get("type") in ("Recreate", "OnDelete"):
        return 0
    more = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%" if kind == "Deployment" else 0)
    return math.ceil(_workload.replicas(workload) * int(more.rstrip("%")) / 100) if isinstance(more, str) else more


def lowest_available(kind: str, workload: Json) -> int:
    """How few pods may be available during a rolling update."""
    spec, status = workload["spec"], workload.get("status", {})
    wanted = spec.get("replicas", 1) if kind != "DaemonSet" else status.get("desiredNumberScheduled", 0)
    if kind == "StatefulSet":
        return wanted - 1
    strategy = spec.get("strategy" if kind == "Deployment" else "updateStrategy", {})
    if strategy.get("type") == "Recreate":
        return 0
    unavailable = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%" if kind == "Deployment" else 1)
    if isinstance(unavailable, str):
        unavailable = math.floor(wanted * int(unavailable.rstrip("%")) / 100)
    if not unavailable and not surge(kind, workload):  # neither would let it begin, so the controller takes one away
        unavailable = 1
    return max(0, wanted - unavailable)


def _gave_up(workload: Json) -> str:
    """That the controller gave up on this rollout; a condition older than the last write of the spec is about another one.

    The controller keeps it until the new rollout makes progress, also while that goes well.
    """
    written = [entry.get("time", "") for entry in workload["metadata"].get("managedFields") or []
               if not entry.get("subresource") and "f:spec" in (entry.get("fieldsV1") or {})]
    for condition in workload.get("status", {}).get("conditions") or []:
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            stale = condition.get("lastUpdateTime", "9") <= max(written, default="")
            return "" if stale else condition.get("message", "progress deadline exceeded")
    return ""
