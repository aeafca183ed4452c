#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: changes_info
short_description: Whether what an incident has changed is still in place, and its workloads stand
version_added: 0.1.0
description:
  - Compares every change in the ledger of an incident with the object as it is now. A controller, a deployment tool or a person may have put
    the old value back, and then clear signals are not the doing of the change.
  - Looks at the workloads, too, where a time is given - clear signals of pods that restart or are not ready do not last.
  - Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the incident.
    type: str
    required: true
  incident_id:
    description: The incident.
    type: str
    required: true
  changes:
    description: Only these entries of the ledger, by number; all that were made when empty.
    type: list
    elements: int
    default: []
  workloads:
    description: Workloads whose rollout must be at its end, with every pod ready, and no container that has ended since O(since).
    type: list
    elements: str
    default: []
  since:
    description: When the change was made (ISO 8601).
    type: str
    default: ""
  timeout:
    description: Seconds in which a pod may become ready, or a rollout come to its end.
    type: float
    default: 20
"""

EXAMPLES = r"""
- name: verify | Whether the changes are still in place
  sre.runbooks.changes_info:
    namespace: ai-development
    incident_id: INC-1234
  register: changes
"""

RETURN = r"""
in_place:
  description: Whether all of them are.
  type: bool
  returned: success
changes:
  description:
    - The changes, each with number, summary, and state - V(after) in place, V(before) taken back, V(drift) another value, V(gone) the object is no
      more - and who wrote last (text), where it is not in place.
  type: list
  elements: dict
  returned: success
steady:
  description: Whether the workloads stand.
  type: bool
  returned: success
unsteady:
  description: What keeps them from it, a line each.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person, one for each that is not in place or does not stand.
  type: list
  elements: str
  returned: success
"""

import time

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, check_id
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._undo import standing
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str", "required": True},
    "changes": {"type": "list", "elements": "int", "default": []},
    "workloads": {"type": "list", "elements": "str", "default": []},
    "since": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 20.0},
}
PAUSE_SECONDS = 2.0


def run(task: Task) -> Result:
    """Compare."""
    p, cluster = task.params, task.cluster()
    targets = sorted({Target.parse(p["namespace"], name) for name in p["workloads"]}, key=lambda target: target.short)
    unsteady = _unsteady(cluster, targets, p["since"], p["timeout"]) if p["since"] else []
    incident = Incident.load(cluster, p["namespace"], check_id(p["incident_id"]))
    rows = [{"number": entry.number, "summary": entry.change.summary, "state": state, "text": text}
            for entry, state, text in standing(cluster, incident, p["changes"])]
    return {"in_place": all(row["state"] == "after" for row in rows), "changes": rows, "steady": not unsteady, "unsteady": unsteady,
            "says": [f"no longer in place: {row['summary']}; {row['text']}" for row in rows if row["state"] != "after"]
            + [f"does not stand: {line}" for line in unsteady]}


def _unsteady(cluster: Cluster, targets: list[Target], since: str, timeout: float) -> list[str]:
    """What keeps the workloads from standing, once it has had the time to come right."""
    deadline = time.monotonic() + timeout
    while True:
        found = [line for target in targets for line in _rollout.unsteady(cluster, target, since)]
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
