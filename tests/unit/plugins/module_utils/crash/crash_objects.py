# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API objects for tests: a workload of a namespace, its revisions and its pods, as small as they can be."""

from __future__ import annotations

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _look, _pods

NOW = datetime.datetime(2026, 11, 28, 4, 0, tzinfo=datetime.timezone.utc)
HOURS_AGO, MINUTES_AGO = "2026-11-28T01:00:00Z", "2026-11-28T03:50:00Z"


def at(seconds_ago):
    """A time of the API."""
    return (NOW - datetime.timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def template(image="shop/api:1", **spec):
    return {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "app", "image": image}], **spec}}


def deployment(replicas=2, conditions=(), **status):
    return {"metadata": {"name": "api", "namespace": "shop", "uid": "w", "generation": 1}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "api"}}, "template": template("shop/api:2")},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status}}


def replica_set(number, pod_template=None, created=HOURS_AGO, annotations=None, **status):
    found = pod_template or template(f"shop/api:{number}")
    found["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
    return {"metadata": {"name": f"api-h{number}", "uid": f"rs{number}", "creationTimestamp": created, "labels": {"pod-template-hash": f"h{number}"},
                         "ownerReferences": [{"uid": "w"}], "annotations": {"deployment.kubernetes.io/revision": str(number), **(annotations or {})}},
            "spec": {"template": found}, "status": status}


def controller_revision(name, number, created=HOURS_AGO, written=None, label="controller-revision-hash", image="shop/api:1"):
    return {"metadata": {"name": name, "uid": name, "creationTimestamp": created, "ownerReferences": [{"uid": "w"}],
                         "labels": {label: name.rpartition("-")[2]}, "managedFields": [{"manager": "m", "time": written or created}]},
            "revision": number, "data": {"spec": {"template": template(image)}}}


def pod(name="api-1", revision=2, statuses=None, init=(), conditions=(), phase="Running", node="n1", created=MINUTES_AGO, owner=None, spec=None, label=None,
        **status):
    """A pod; statuses are those of its containers, app by default."""
    statuses = [container(**item) for item in (statuses if statuses is not None else [{}])]
    inits = [container(**item) for item in init]
    containers = [{"name": item["name"], "image": item["image"]} for item in statuses] or [{"name": "app", "image": "shop/api:2"}]
    return {"metadata": {"name": name, "namespace": "shop", "creationTimestamp": created, "labels": label or {"pod-template-hash": f"h{revision}"},
                         "ownerReferences": [{"uid": owner or f"rs{revision}", "controller": True}]},
            "spec": {"nodeName": node, "containers": containers, "initContainers": [
                {"name": item["name"], "image": item["image"], **({"restartPolicy": "Always"} if item["name"].startswith("native") else {})} for item in inits],
                **(spec or {})},
            "status": {"phase": phase, "startTime": created, "conditions": [
                {"type": "PodScheduled", "status": "True" if node else "False", "lastTransitionTime": created}, *conditions],
                "containerStatuses": statuses, "initContainerStatuses": inits, **status}}


def container(name="app", image="shop/api:2", running=True, ready=False, waiting=None, message="", ended=None, last=None, restarts=0):
    """A container's status: ended and last are (reason, exit code, seconds ago, life)."""
    state = {"waiting": {"reason": waiting, "message": message}} if waiting is not None else {"terminated": end(*ended)} if ended else (
        {"running": {"startedAt": at(5)}} if running else {})
    return {"name": name, "image": image, "ready": ready, "restartCount": restarts, "state": state, "lastState": {"terminated": end(*last)} if last else {}}


def end(reason, code, ago, life=2.0):
    return {"reason": reason, "exitCode": code, "startedAt": at(ago + life), "finishedAt": at(ago)}


def ready(ago=600):
    """The condition of a pod that is ready."""
    return {"type": "Ready", "status": "True", "lastTransitionTime": at(ago)}


def event(about, reason, message, ago=30, kind="Pod"):
    return {"metadata": {"creationTimestamp": at(ago)}, "involvedObject": {"kind": kind, "name": about}, "reason": reason, "message": message,
            "type": "Warning", "lastTimestamp": at(ago), "count": 1}


def look(pods, workload=None, revisions=None, events=(), kind="Deployment"):
    """What would be seen."""
    workload = workload or deployment()
    revisions = (replica_set(1), replica_set(2, created=MINUTES_AGO)) if revisions is None else revisions
    own = _pods.own(pods, workload, revisions if kind == "Deployment" else ())
    return _look.Look(Target("shop", kind, "api"), workload, tuple(revisions), tuple(item for item in own if not _pods.leaving(item)),
                      None if events is None else tuple(events), "" if events is not None else "it is forbidden", "app", NOW)


WELL = {"ready": True}
