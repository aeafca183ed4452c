#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: incident
short_description: Open, note and settle the record of an incident in its cluster
version_added: 0.1.0
description:
  - The record is a ConfigMap in the target's namespace, labelled C(runbooks.sre/incident), with the timeline and
    the ledger of changes, so that any controller can continue the incident.
  - Opening also takes the lock on the target, which expires by itself.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
attributes:
  diff_mode:
    description: The record is not a change to the application.
    support: none
options:
  state:
    description:
      - V(open) creates the record, or continues it, and takes the lock.
      - V(noted) appends O(events) to the timeline.
      - V(acknowledged) records that O(who) has taken the incident on, so that it is not escalated any more.
      - V(escalated) records that it was escalated at O(step), so that it is escalated once.
      - V(settled) records the O(outcome) and gives the lock back.
    type: str
    choices: [open, noted, acknowledged, escalated, settled]
    required: true
  incident_id:
    description: Id of the incident.
    type: str
    required: true
  namespace:
    description: Namespace of the target, where the record is kept.
    type: str
    required: true
  workload:
    description: The target; needed for O(state=open).
    type: str
  incident_type:
    description: Type of the incident; needed for O(state=open).
    type: str
  title:
    description: One line that says what is wrong.
    type: str
    default: ""
  severity:
    description: P1 to P4.
    type: str
    choices: [P1, P2, P3, P4]
    default: P2
  respond_by:
    description: When somebody must have acknowledged it, ISO 8601, UTC; from M(sre.runbooks.severity_info), for O(state=open).
    type: str
    default: ""
  escalate_at:
    description: When it is escalated if nobody has, ISO 8601, UTC; empty for never. For O(state=open).
    type: str
    default: ""
  who:
    description: Who has taken it on, for O(state=acknowledged); the user and host of the controller when not set.
    type: str
  step:
    description: Which deadline has passed; needed for O(state=escalated).
    type: str
    choices: [respond, escalate]
  outcome:
    description: What came of it; needed for O(state=settled).
    type: str
    choices: [mitigated, mitigated_for_now, contained, cleared, planned, not_mitigated, unknown, cooldown, failed]
  cause:
    description: The likeliest cause, for O(state=settled).
    type: str
    default: ""
  phase:
    description: Phase that the events belong to.
    type: str
    default: open
  events:
    description: Lines for the timeline.
    type: list
    elements: str
    default: []
  readings:
    description: What was measured, as the modules of signals return it, for the record; each with C(at) and C(signals).
    type: list
    elements: dict
    default: []
  lock_seconds:
    description: How long the lock lasts if nobody gives it back.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: detect | Declare the incident
  sre.runbooks.incident:
    state: open
    incident_id: INC-1234
    incident_type: memory_leak
    namespace: ai-development
    workload: api-server
    title: Memory of api-server grows until it is killed

- name: acknowledge | Say who has taken the incident on
  sre.runbooks.incident:
    state: acknowledged
    incident_id: INC-1234
    namespace: ai-development
    who: ada
"""

RETURN = r"""
incident_id:
  description: Id of the incident.
  type: str
  returned: success
status:
  description: Status of the record after this task.
  type: str
  returned: success
opened_at:
  description: When the incident was opened, ISO 8601, UTC.
  type: str
  returned: when the record exists
changes:
  description: What the incident has changed, from its ledger, each with the state of the change, and the database sessions that it ended.
  type: list
  elements: str
  returned: with O(state=settled)
acknowledged:
  description: Who has taken it on and when, C(by) and C(at).
  type: dict
  returned: with O(state=acknowledged)
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import WORKLOAD_KINDS, Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _lock
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import RECORDED
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, check_id, me
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "state": {"type": "str", "choices": ["open", "noted", "acknowledged", "escalated", "settled"], "required": True},
    "incident_id": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str"},
    "incident_type": {"type": "str"},
    "title": {"type": "str", "default": ""},
    "severity": {"type": "str", "choices": ["P1", "P2", "P3", "P4"], "default": "P2"},
    "respond_by": {"type": "str", "default": ""},
    "escalate_at": {"type": "str", "default": ""},
    "who": {"type": "str"},
    "step": {"type": "str", "choices": ["respond", "escalate"]},
    "outcome": {"type": "str", "choices": RECORDED},
    "cause": {"type": "str", "default": ""},
    "phase": {"type": "str", "default": "open"},
    "events": {"type": "list", "elements": "str", "default": []},
    "readings": {"type": "list", "elements": "dict", "default": []},
    "lock_seconds": {"type": "int", "default": 3600},
}
REQUIRED_IF = [("state", "open", ["workload", "incident_type"]), ("state", "settled", ["outcome"]),
               ("state", "escalated", ["step"])]


def run(task: Task) -> Result:
    """Bring the record to the wanted state."""
    check_id(task.params["incident_id"])
    if task.check_mode:
        return {"incident_id": task.params["incident_id"], "status": "unchanged",
                "says": ["check mode: the incident is not recorded"] if task.params["state"] == "open" else []}
    return {"open": _open, "noted": _note, "acknowledged": _acknowledge, "escalated": _escalate, "settled": _settle}[task.params["state"]](task)


def _open(task: Task) -> Result:
    p, cluster = task.params, task.cluster()
    target = Target.parse(p["namespace"], p["workload"])
    _lock.acquire(cluster, target, p["incident_id"], p["lock_seconds"])
    existing = Incident.find(cluster, p["namespace"], p["incident_id"])
    incident = existing or Incident.open(cluster, p["incident_id"], p["incident_type"], target,
                                         title=p["title"], severity=p["severity"],
                                         respond_by=p["respond_by"], escalate_at=p["escalate_at"])
    if existing:
        existing.note("open", "continued by another run")
    else:
        incident.note("open", f"opened: {p['title'] or p['incident_type']} ({p['severity']}) on {target}")
    _append(incident, task)
    verb = "continues" if existing else "opened"
    return {**_result(incident), "changed": not existing, "says": [f"{verb} {incident.id} ({p['severity']}) on {target}"]}


def _note(task: Task) -> Result:
    incident = Incident.load(task.cluster(), task.params["namespace"], task.params["incident_id"])
    _append(incident, task)
    return {**_result(incident), "changed": bool(task.params["events"] or task.params["readings"])}


def _acknowledge(task: Task) -> Result:
    incident = Incident.load(task.cluster(), task.params["namespace"], task.params["incident_id"])
    already = incident.acknowledged
    incident.acknowledge(task.params["who"] or me())
    _append(incident, task)
    known = incident.acknowledged or {}
    word = "was acknowledged already" if already else "acknowledged"
    return {**_result(incident), "changed": not already, "acknowledged": known,
            "says": [f"{incident.id} {word} by {known['by']} at {known['at']}"]}


def _escalate(task: Task) -> Result:
    incident = Incident.load(task.cluster(), task.params["namespace"], task.params["incident_id"])
    incident.escalated(task.params["step"])
    _append(incident, task)
    return {**_result(incident), "changed": True, "says": [f"{incident.id} {text}" for text in task.params["events"]]}


def _settle(task: Task) -> Result:
    cluster = task.cluster()
    incident = Incident.load(cluster, task.params["namespace"], task.params["incident_id"])
    _append(incident, task)
    incident.note("report", f"outcome: {task.params['outcome']}")
    incident.update(status=task.params["outcome"], cause=task.params["cause"])
    for target in _locked(incident):
        _lock.release(cluster, target, incident.id)
    changes = [f"{entry.change.summary} ({entry.state})" for entry in incident.ledger()] + [event["text"] for event in incident.ended_sessions()]
    return {**_result(incident), "changed": True, "changes": [redact(text) for text in changes]}


def _locked(incident: Incident) -> set[Target]:
    """The incident's target, and the workloads that its changes have touched: each was locked for that."""
    changes = [entry.change for entry in incident.ledger()]
    return {incident.target, *(change.target for change in changes if change.target.kind in WORKLOAD_KINDS.values()),
            *(Target.parse(change.target.namespace, change.readers) for change in changes if change.readers)}


def _append(incident: Incident, task: Task) -> None:
    incident.measured(task.params["phase"], task.params["readings"])
    for text in task.params["events"]:
        incident.note(task.params["phase"], text)


def _result(incident: Incident) -> Result:
    return {"incident_id": incident.id, "status": incident.status, "opened_at": incident.head["opened_at"], "says": []}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run, required_if=REQUIRED_IF)


if __name__ == "__main__":
    main()
