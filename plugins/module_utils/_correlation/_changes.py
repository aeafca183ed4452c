# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of a namespace say of changes: each with its time, its object, and who made it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import FIELD_MANAGER, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._seen import (
    NODE_EVENTS, WORKLOADS, Seen, moment, named, workload_of)
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _record

ROLLOUT, ROLLBACK, RESTART, CONFIG, SECRET, SERVICE, SCALING, STOPPED, AUTOSCALER, NODE, JOB, POD, OURS = (
    "rollout", "rollback", "restart", "config", "secret", "service", "scaling", "stopped", "autoscaler", "node", "job", "pod", "runbook")

#: reasons of events that are worth a line: kind of change, and whether it is a symptom rather than a change
EVENTS: dict[str, tuple[str, bool]] = {
    "SuccessfulRescale": (AUTOSCALER, False), "FailedGetResourceMetric": (AUTOSCALER, False),
    "NodeNotReady": (NODE, False), "NodeReady": (NODE, True), "Rebooted": (NODE, False), "NodeNotSchedulable": (NODE, False),
    "NodeSchedulable": (NODE, True), "NodeHasDiskPressure": (NODE, False), "NodeHasInsufficientMemory": (NODE, False),
    "NodeHasInsufficientPID": (NODE, False), "SystemOOM": (NODE, False), "OOMKilling": (NODE, False), "RemovingNode": (NODE, False),
    "RegisteredNode": (NODE, True), "EvictionThresholdMet": (NODE, False), "Evicted": (POD, False), "Preempted": (POD, False),
    "TaintManagerEviction": (POD, False), "FailedScheduling": (POD, True), "FailedMount": (POD, True), "BackOff": (POD, True),
    "Unhealthy": (POD, True), "SawCompletedJob": (JOB, True), "SuccessfulCreate": (JOB, False)}

#: times of objects and of their writes are of whole seconds
ONE_SECOND = datetime.timedelta(seconds=1)
#: how much later than the write its controller acts on it, and how far apart the steps of one rollout may be
SAME_WRITE, SAME_ROLLOUT, LONG_ROLLOUT = (datetime.timedelta(seconds=seconds) for seconds in (10, 120, 300))
_SCALED = re.compile(r"Scaled (?:up|down) replica set (?P<set>\S+) (?:from (?P<before>\d+) )?to (?P<after>\d+)")
#: bookkeeping that no person changes
_NOISE = ("kube-root-ca.crt",)
_LEADER = "control-plane.alpha.kubernetes.io/leader"


@dataclasses.dataclass(frozen=True)
class Change:
    """Something that changed.

    :param object: such as ``deployment/api-server`` or ``node/worker-1``.
    :param what: in words, without values of ConfigMaps and Secrets.
    :param by: the field manager or controller, empty where unknown.
    :param symptom: a consequence rather than a cause; it stands in the time line and is no candidate.
    :param born: the object began then.
    """

    at: datetime.datetime
    kind: str
    object: str
    what: str
    by: str = ""
    symptom: bool = False
    born: bool = False


def changes(seen: Seen, begin: datetime.datetime, end: datetime.datetime, incident: str = "") -> list[Change]:
    """Everything that changed in a window, in order of time.

    :param incident: whose own changes are answers to what ails, so they are no candidates.
    """
    rollouts, ours = list(_rollouts(seen)), list(_ours(seen, incident))
    found = [*rollouts, *_written(seen), *_scalings(seen, rollouts), *_bounds(seen), *_events(seen, begin), *_nodes(seen), *_pods(seen)]
    found = [*ours, *(_attributed(change, ours) for change in found)]
    return sorted({change for change in found if begin <= change.at <= end}, key=lambda change: (change.at, change.object))


def _attributed(change: Change, ours: t.Sequence[Change]) -> Change:
    """What a runbook's ledger tells of is the runbook's, even where the controller's events do not say so."""
    if change.by in ("", FIELD_MANAGER):
        for entry in ours:
            if entry.object == change.object and abs(entry.at - change.at) <= SAME_WRITE:
                return dataclasses.replace(change, by=FIELD_MANAGER, symptom=change.symptom or entry.symptom)
    return change


def _rollouts(seen: Seen) -> t.Iterator[Change]:
    for kind, workload in seen.of(*WORKLOADS):
        source = "ReplicaSet" if kind == "Deployment" else "ControllerRevision"
        owned = [item for _kind, item in seen.of(source) if any(
            owner["uid"] == workload["metadata"]["uid"] for owner in item["metadata"].get("ownerReferences", []))]
        owned.sort(key=_revisions.number)
        revisions = [_revisions.revision(item) for item in owned]
        for item, revision, row in zip(owned, revisions, _history.rows(revisions), strict=True):
            created, again = moment(revision.created_at), _revisions.used_again(item, owned)
            at = (again and _begun_again(seen, item, workload if row["current"] else {})) or created
            if at:
                what = _history.in_words({**row, "begun_at": at.strftime("%H:%M:%S")})
                yield Change(at, RESTART if row["restart"] else ROLLBACK if again else ROLLOUT, named(kind, workload["metadata"]["name"]),
                             f"{'back to an older template, as ' if again else ''}{what}", _template_writer(workload, at),
                             born=item is owned[0] and _soon_after(moment(workload["metadata"]["creationTimestamp"]), at))


def _begun_again(seen: Seen, item: Json, workload: Json) -> datetime.datetime | None:
    """When a template was last begun with, as the controller's events tell, or, as busy clusters drop events, when that rollout made progress,
    or when the controller last wrote to it. What an event tells of its creation is its first use.
    """
    meta = item["metadata"]
    event = max((at for at, match in _scaled(seen) if match["set"] == meta["name"] and match["before"] in (None, "0")
                 and not _soon_after(moment(meta["creationTimestamp"]), at)), default=None)
    progress = next((moment(condition.get("lastUpdateTime")) for condition in workload.get("status", {}).get("conditions", [])
                     if condition["type"] == "Progressing"), None)
    return progress if progress and (event is None or progress - event > LONG_ROLLOUT) else event or moment(_revisions.written_at(item))


def _scaled(seen: Seen) -> list[tuple[datetime.datetime, re.Match[str]]]:
    """What the events say of ReplicaSets that grew or shrank; of equal ones only the last."""
    found = [(moment(event.get("lastTimestamp") or event.get("eventTime")), _SCALED.match(event.get("message", "")))
             for _kind, event in seen.of("Event") if event.get("reason") == "ScalingReplicaSet"]
    return [(at, match) for at, match in found if at and match]


def _soon_after(begin: datetime.datetime | None, at: datetime.datetime) -> bool:
    return begin is not None and abs(at - begin) <= SAME_WRITE


def _made_at_once(created: datetime.datetime | None, written: datetime.datetime | None) -> bool:
    """Whether a write is the object's creation: the next second may have begun between the two times."""
    return created is not None and written is not None and abs(written - created) <= ONE_SECOND


def _template_writer(workload: Json, at: datetime.datetime) -> str:
    """Who wrote to the pod template then; empty where a later write, or its undoing, has covered that."""
    for entry in workload["metadata"].get("managedFields", []):
        written = moment(entry.get("time"))
        if "f:template" in entry.get("fieldsV1", {}).get("f:spec", {}) and _soon_after(written, at):
            return entry.get("manager", "")
    return ""


def _written(seen: Seen) -> t.Iterator[Change]:
    """ConfigMaps, Secrets and Services: created, or written by a manager, with the keys that are its own."""
    kinds = {"ConfigMap": (CONFIG, ("f:data", "f:binaryData")), "Secret": (SECRET, ("f:data", "f:stringData")), "Service": (SERVICE, ("f:spec",))}
    for kind, item in seen.of(*kinds):
        meta, (change, fields) = item["metadata"], kinds[kind]
        if meta["name"] in _NOISE or _record.LABEL in meta.get("labels", {}) or _LEADER in meta.get("annotations", {}):
            continue
        created = moment(meta["creationTimestamp"])
        writes = [entry for entry in meta.get("managedFields", []) if any(name in entry.get("fieldsV1", {}) for name in fields)]
        for entry in writes:
            at = moment(entry.get("time"))
            if at and not _made_at_once(created, at):
                yield Change(at, change, named(kind, meta["name"]), f"written: {_keys(entry, fields)}", entry.get("manager", ""))
        if created:
            first = next((entry for entry in writes if _made_at_once(created, moment(entry.get("time")))), {})
            yield Change(created, change, named(kind, meta["name"]), "created", first.get("manager", ""), born=True)


def _keys(entry: Json, fields: t.Sequence[str]) -> str:
    keys = sorted(key.removeprefix("f:") for name in fields for key in entry["fieldsV1"].get(name, {}) if key.startswith("f:"))
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "") or "removed keys"


def _scalings(seen: Seen, rollouts: t.Sequence[Change]) -> t.Iterator[Change]:
    """Replicas that were set outside a rollout, by whoever is known to own them, else as the controller's events tell."""
    owned = []
    for kind, item in seen.of("Deployment", "StatefulSet"):
        meta = item["metadata"]
        for entry in meta.get("managedFields", []):
            spec, at = entry.get("fieldsV1", {}).get("f:spec", {}), moment(entry.get("time"))
            if "f:replicas" in spec and "f:template" not in spec and at and not _made_at_once(moment(meta["creationTimestamp"]), at):
                count = item["spec"].get("replicas", 1)
                owned.append(Change(at, SCALING if count else STOPPED, named(kind, meta["name"]), f"scaled to {count}", entry.get("manager", "")))
    yield from owned
    for change in _scaled_alone(seen):
        written = any(other.object == change.object and abs(change.at - other.at) <= SAME_WRITE for other in owned)
        if not written and not any(other.object == change.object and _step_of(other, change) for other in rollouts):
            yield change


def _step_of(rollout: Change, scaling: Change) -> bool:
    """Whether the rollout moved those pods: at about its time, but not to none, as no rollout ends the last pod of what it brings; or
    earlier, where it is a rollback to what those pods were then."""
    earlier_use = rollout.kind == ROLLBACK and scaling.at <= rollout.at
    return earlier_use or (scaling.kind != STOPPED and abs(scaling.at - rollout.at) <= SAME_ROLLOUT)


def _scaled_alone(seen: Seen) -> t.Iterator[Change]:
    """ReplicaSets that grew or shrank while no other one of their Deployment did; an older one that shrinks has been replaced."""
    current: dict[str, Json] = {}
    owners: dict[str, str] = {}
    for _kind, item in seen.of("ReplicaSet"):
        owner = next((owner["name"] for owner in item["metadata"].get("ownerReferences", [])), "")
        owners[item["metadata"]["name"]] = owner
        if owner not in current or _revisions.number(item) > _revisions.number(current[owner]):
            current[owner] = item
    events = [(at, match, owners[match["set"]]) for at, match in _scaled(seen) if match["set"] in owners]
    for at, match, owner in events:
        meta = current[owner]["metadata"]
        rolling = any(above == owner and other["set"] != match["set"] and abs(then - at) <= SAME_ROLLOUT for then, other, above in events)
        began = _soon_after(moment(meta["creationTimestamp"]), at) or (_revisions.HISTORY in meta.get("annotations", {}) and match["before"] in (None, "0"))
        if meta["name"] == match["set"] and not rolling and not began:
            yield Change(at, SCALING if int(match["after"]) else STOPPED, named("Deployment", owner),
                         f"scaled {'from ' + match['before'] + ' ' if match['before'] else ''}to {match['after']}")


def _bounds(seen: Seen) -> t.Iterator[Change]:
    for kind, item in seen.of("HorizontalPodAutoscaler"):
        for entry in item["metadata"].get("managedFields", []):
            at = moment(entry.get("time"))
            if at and "f:spec" in entry.get("fieldsV1", {}):
                spec = item["spec"]
                yield Change(at, AUTOSCALER, named(kind, item["metadata"]["name"]),
                             f"bounds of {named(spec['scaleTargetRef']['kind'], spec['scaleTargetRef']['name'])} are "
                             f"{spec.get('minReplicas', 1)} to {spec['maxReplicas']}", entry.get("manager", ""))


def _events(seen: Seen, begin: datetime.datetime) -> t.Iterator[Change]:
    for _kind, event in seen.of("Event", NODE_EVENTS):
        reason, about = event.get("reason", ""), event.get("involvedObject", {})
        if reason not in EVENTS or (reason == "SuccessfulCreate" and about.get("kind") != "CronJob"):
            continue
        kind, symptom = EVENTS[reason]
        first, last = moment(event.get("firstTimestamp") or event.get("eventTime")), moment(event.get("lastTimestamp"))
        at = first if first and first >= begin else last or first
        if at:
            count = f" ({event['count']} times)" if event.get("count", 1) > 1 else ""
            yield Change(at, kind, named(about.get("kind", ""), about.get("name", "")), f"{reason}: {redact(event.get('message', '').strip()[:200])}{count}",
                         event.get("source", {}).get("component") or event.get("reportingComponent", ""), symptom)


def _nodes(seen: Seen) -> t.Iterator[Change]:
    """Conditions that are as they should not be, and cordons."""
    for _kind, node in seen.of("Node"):
        name = named("Node", node["metadata"]["name"])
        for condition in node.get("status", {}).get("conditions", []):
            at = moment(condition.get("lastTransitionTime"))
            healthy = "True" if condition["type"] == "Ready" else "False"
            if at and condition["status"] != healthy:
                yield Change(at, NODE, name, f"{condition['type']} is {condition['status']}: {condition.get('message', '')[:200]}", "kubelet")
        for taint in node.get("spec", {}).get("taints", []):
            at = moment(taint.get("timeAdded"))
            if at and taint["key"] == "node.kubernetes.io/unschedulable":
                yield Change(at, NODE, name, "cordoned: no new pods")


def _pods(seen: Seen) -> t.Iterator[Change]:
    """Containers that ended badly, and pods that were evicted."""
    for _kind, pod in seen.of("Pod"):
        status, name = pod.get("status", {}), pod["metadata"]["name"]
        owner = workload_of(seen, pod)
        if status.get("reason") == "Evicted" and (at := moment(status.get("startTime"))):
            yield Change(at, POD, owner, f"{name} was evicted: {status.get('message', '')[:200]}", "kubelet")
        for container in status.get("containerStatuses", []):
            for state in (container.get("state", {}), container.get("lastState", {})):
                ended = state.get("terminated") or {}
                at = moment(ended.get("finishedAt"))
                if at and ended.get("reason") != "Completed":
                    yield Change(at, POD, owner, f"{name} ended: {ended.get('reason') or 'Error'} (exit {ended.get('exitCode', '?')}), "
                                 f"{container.get('restartCount', 0)} restarts", "kubelet")


def _ours(seen: Seen, asking: str) -> t.Iterator[Change]:
    """What runbooks did and noted, from their records."""
    for _kind, item in seen.of("ConfigMap"):
        if _record.LABEL not in item["metadata"].get("labels", {}):
            continue
        incident = item["metadata"]["labels"][_record.LABEL]
        for key, value in item.get("data", {}).items():
            entry = json.loads(value)
            if key.startswith("change.") and entry["state"] in (_record.DONE, _record.UNDONE):
                target, undone = entry["change"]["target"], entry["state"] == _record.UNDONE
                yield Change(t.cast(datetime.datetime, moment(entry["at"])), OURS, named(target["kind"], target["name"]),
                             redact(f"{incident}: {'taken back: ' if undone else ''}{entry['change']['summary']}"), FIELD_MANAGER, incident == asking)
            elif key.startswith("event."):
                yield Change(t.cast(datetime.datetime, moment(entry["at"])), OURS, f"incident/{incident}",
                             redact(f"{entry['phase']}: {entry['text'][:200]}"), entry.get("by", ""), True)
