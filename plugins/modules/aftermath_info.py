#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aftermath_info
short_description: What is done, due and overdue after each incident
version_added: 0.1.0
description:
  - Reads the records of a namespace, and compares what the written playbook asks for within an hour, a day and a week with the time.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the incidents.
    type: str
    required: true
  incident_id:
    description: This incident only.
    type: str
seealso:
  - module: sre.runbooks.aftermath
"""

EXAMPLES = r"""
- name: See what is left to do
  sre.runbooks.aftermath_info:
    namespace: ai-development
"""

RETURN = r"""
incidents:
  description:
    - Oldest first, each with incident_id, type, workload (as runbooks take it), status, severity, ended_at, undelivered (messages), and
      steps, each with step, within, what, state (V(done), V(due), V(overdue), V(later)), due_at, done_at, by and says.
  type: list
  elements: dict
  returned: success
overdue:
  description: How many steps of all incidents are overdue.
  type: int
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._aftermath import _steps
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _outbox, _standing
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str"},
}


def run(task: Task) -> Result:
    """Read the records."""
    cluster = task.cluster()
    only = task.params["incident_id"]
    known = [Incident.load(cluster, task.params["namespace"], only)] if only else Incident.all(cluster, task.params["namespace"])
    found = [describe(incident, cluster.now()) for incident in known]
    overdue = sum(row["state"] == _steps.OVERDUE for one in found for row in one["steps"])
    return {"incidents": found, "overdue": overdue, "says": [line for one in found for line in says(one)] or ["there is no incident"]}


def describe(incident: Incident, moment: datetime.datetime) -> Result:
    """An incident and how its aftermath stands."""
    rows = [dataclasses.asdict(row) for row in _steps.rows(incident, moment)]
    return {"incident_id": incident.id, "type": incident.head["type"], "workload": incident.target.short, "status": incident.status,
            "severity": incident.head.get("severity", ""), "ended_at": _standing.ended_at(incident), "steps": rows,
            "undelivered": sum(one.state != _outbox.SENT for one in _outbox.deliveries(incident))}


def says(one: Result) -> list[str]:
    """An incident in a line, and what of it is due or overdue."""
    by_state = {state: [row for row in one["steps"] if row["state"] == state] for state in (_steps.DONE, _steps.DUE, _steps.OVERDUE)}
    head = f"{one['incident_id']} ({one['severity']}, {one['status'].replace('_', ' ')}): {len(by_state['done'])} of {len(one['steps'])} done"
    if by_state["overdue"]:
        head += f", {len(by_state['overdue'])} overdue"
    if one["undelivered"]:
        head += f", {one['undelivered']} messages not delivered"
    return [head, *(f"  {row['state']}: {row['what']} ({row['within']}, by {row['due_at']})" for row in by_state["overdue"] + by_state["due"])]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
