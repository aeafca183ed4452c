# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about a workload that a restart would lose, read at once."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _revisions, _rollout, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather


def take(cluster: Cluster, target: Target) -> Json:
    """Read the workload, its pods, usage, events, rollout history and what limits it.

    Keys: workload, pods, usage, events, revisions, autoscalers, budgets, quotas: API objects as they are
    (without managed fields), usage by "pod/container".
    """
    workload = _workload.read(cluster, target)
    label_selector = _workload.selector(workload)
    namespace = target.namespace
    found = gather(
        pods=lambda: cluster.list("Pod", namespace, labelSelector=label_selector),
        usage=lambda: _pod_metrics.usage(cluster, namespace, label_selector),
        events=lambda: cluster.list("Event", namespace),
        revisions=lambda: _revisions.objects(cluster, target, workload),
        autoscalers=lambda: _optional(cluster, "HorizontalPodAutoscaler", namespace),
        budgets=lambda: _optional(cluster, "PodDisruptionBudget", namespace),
        quotas=lambda: _optional(cluster, "ResourceQuota", namespace),
    )
    found["pods"] = _workload.owned(cluster, workload, found["pods"])
    names = {target.name, *(item["metadata"]["name"] for item in found["pods"] + found["revisions"])}
    found["events"] = sorted((event for event in found["events"] if event["involvedObject"].get("name") in names),
                             key=_event_time)
    found["usage"] = {"/".join(key): dataclasses.asdict(used) for key, used in found["usage"].items()}
    return _slim({"workload": workload, **found})


def pod_rows(snapshot: Json, container: str) -> list[Json]:
    """One row per pod: phase, readiness, restarts and why, usage against limits, node."""
    return [_row(pod, container, snapshot["usage"].get(f"{pod['metadata']['name']}/{container}", {}))
            for pod in snapshot["pods"]]


def revision_rows(snapshot: Json) -> list[Json]:
    """The rollout history, oldest first: revision, when, images."""
    rows = [{"revision": _revisions.number(item), "created_at": item["metadata"]["creationTimestamp"],
             "name": item["metadata"]["name"],
             "images": [c["image"] for c in _revisions.template(item).get("spec", {}).get("containers", [])]}
            for item in snapshot["revisions"]]
    return sorted(rows, key=lambda row: row["revision"])


def summary(snapshot: Json, kind: str) -> str:
    """The workload's state in one line."""
    pods = snapshot["pods"]
    warnings = sum(1 for event in snapshot["events"] if event.get("type") == "Warning")
    restarts = sum(status.get("restartCount", 0) for pod in pods
                   for status in pod.get("status", {}).get("containerStatuses", []))
    return (f"{sum(map(_workload.ready, pods))} of {len(pods)} pods ready, {restarts} restarts, "
            f"{warnings} warning events, {len(snapshot['revisions'])} revisions, "
            f"{_rollout.progress(kind, snapshot['workload']).text}")


def _row(pod: Json, container: str, usage: t.Mapping[str, t.Any]) -> Json:
    status = _workload.container_status(pod, container)
    resources = _workload.container_spec(pod, container).get("resources", {})
    last = status.get("lastState", {}).get("terminated", {})
    return {"pod": pod["metadata"]["name"], "node": pod["spec"].get("nodeName"),
            "phase": pod["status"].get("reason") or pod["status"].get("phase"), "ready": _workload.ready(pod),
            "restarts": status.get("restartCount", 0), "last_end": last.get("reason"),
            "last_exit_code": last.get("exitCode"), "last_end_at": last.get("finishedAt"),
            "started_at": pod["status"].get("startTime"), "memory_bytes": usage.get("memory"),
            "cpu_cores": usage.get("cpu"), "limits": resources.get("limits", {}),
            "requests": resources.get("requests", {})}


def _optional(cluster: Cluster, kind: str, namespace: str) -> list[Json]:
    """What helps but is not needed: absent without permission or without that API."""
    try:
        return cluster.list(kind, namespace)
    except ClusterError as error:
        if error.status in (403, 404):
            return []
        raise


def _event_time(event: Json) -> str:
    return (event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _slim(value: t.Any) -> t.Any:
    if isinstance(value, list):
        return [_slim(item) for item in value]
    if isinstance(value, dict):
        return {key: _slim(item) for key, item in value.items() if key != "managedFields"}
    return value
