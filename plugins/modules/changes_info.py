#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: changes_info
short_description: Whether what an incident has changed is still in place
version_added: 0.1.0
description:
  - Compares every change in the ledger of an incident with the object as it is now. A controller, a deployment tool or a person may have put
    the old value back, and then clear signals are not the doing of the change.
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
says:
  description: Lines for a person, one for each that is not in place.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, check_id
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._undo import standing
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str", "required": True},
    "changes": {"type": "list", "elements": "int", "default": []},
}


def run(task: Task) -> Result:
    """Compare."""
    p, cluster = task.params, task.cluster()
    incident = Incident.load(cluster, p["namespace"], check_id(p["incident_id"]))
    rows = [{"number": entry.number, "summary": entry.change.summary, "state": state, "text": text}
            for entry, state, text in standing(cluster, incident, p["changes"])]
    return {"in_place": all(row["state"] == "after" for row in rows), "changes": rows,
            "says": [f"no longer in place: {row['summary']}; {row['text']}" for row in rows if row["state"] != "after"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
