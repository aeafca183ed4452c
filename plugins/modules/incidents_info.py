#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: incidents_info
short_description: List the incidents of a namespace, and which of them nobody has taken on in time
version_added: 0.1.0
description:
  - Reads the records that M(sre.runbooks.incident) keeps in the cluster.
  - An incident is overdue when it is open, nobody has acknowledged it, and its deadline has passed. It is due for escalation
    once at each step, V(respond) and V(escalate), of each severity that it has had.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the incidents.
    type: str
    required: true
  only_open:
    description: Leave out those that no person needs to look at now, such as those that are mitigated.
    type: bool
    default: false
  policy:
    description: The severity policy for incidents whose record has no deadlines, as in M(sre.runbooks.severity_info).
    type: dict
    default: {}
seealso:
  - module: sre.runbooks.incident
  - module: sre.runbooks.severity_info
"""

EXAMPLES = r"""
- name: List the incidents that somebody must look at
  sre.runbooks.incidents_info:
    namespace: ai-development
    only_open: true
"""

RETURN = r"""
incidents:
  description:
    - Oldest first, each with incident_id, type, title, target, severity, status, open, opened_at, respond_by, escalate_at
      (empty for never), acknowledged (C(by) and C(at), or empty), overdue, and step (the deadline that has passed).
  type: list
  elements: dict
  returned: success
due:
  description: Those that are to be escalated now.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _severity
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import AT_REST, Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "only_open": {"type": "bool", "default": False},
    "policy": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Read the records, and compare their deadlines with the time."""
    policy, moment = _severity.merged(task.params["policy"]), now()
    known = Incident.all(task.cluster(), task.params["namespace"])
    told = [(incident, describe(incident, policy, moment)) for incident in known]
    incidents = [facts for _incident, facts in told if facts["open"] or not task.params["only_open"]]
    due = [facts for incident, facts in told
           if facts["overdue"] and f"{facts['severity']}.{facts['step']}" not in incident.escalations]
    return {"incidents": incidents, "due": due, "says": _says([facts for _incident, facts in told])}


def describe(incident: Incident, policy: _severity.Policy, moment: str) -> Json:
    """An incident and how it stands with its deadlines at a moment (ISO 8601, UTC)."""
    head = incident.head
    severity, opened_at = head.get("severity", "P2"), head["opened_at"]
    respond_by, escalate_at = head.get("respond_by", ""), head.get("escalate_at", "")
    if not respond_by:
        respond_by, escalate_at = _severity.deadlines(severity, opened_at, policy)
    still_open = incident.status not in AT_REST
    step = "escalate" if escalate_at and escalate_at <= moment else "respond" if respond_by <= moment else ""
    return {
        "incident_id": incident.id, "type": head["type"], "title": head.get("title", ""), "target": str(incident.target),
        "severity": severity, "status": incident.status, "open": still_open, "opened_at": opened_at,
        "respond_by": respond_by, "escalate_at": escalate_at, "acknowledged": incident.acknowledged or {},
        "overdue": bool(still_open and step and not incident.acknowledged), "step": step,
    }


def _says(incidents: list[Json]) -> list[str]:
    waiting = [facts for facts in incidents if facts["open"]]
    late = [facts for facts in waiting if facts["overdue"]]
    lines = [f"{len(waiting)} of {len(incidents)} incidents are open, {len(late)} of them overdue"]
    return lines + [f"{facts['incident_id']} ({facts['severity']}, {facts['status']}) on {facts['target']}: nobody has "
                    f"acknowledged it by {facts['escalate_at'] if facts['step'] == 'escalate' else facts['respond_by']}"
                    for facts in late]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
