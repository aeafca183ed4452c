#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: Apply a manifest so that it can be taken back
version_added: 0.1.0
description:
  - Brings every object of a file to what is written there. Objects that are absent are created, and removed again by
    undo; those that exist get their fields back. Secrets are refused, because the record would hold them.
  - Every change is written to the incident's ledger before it is made, and refused where someone else changes the
    same fields meanwhile; M(sre.runbooks.undo) takes temporary ones back.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.mitigation
options:
  path:
    description: File on the controller with one or more objects.
    type: path
    required: true
  workload:
    description: The workload that reads it, so that its pods see the change at once.
    type: str
  expires_in:
    description: Seconds after which a later run takes the change back.
    type: float
"""

EXAMPLES = r"""
- name: mitigate | Shed traffic that can wait
  sre.runbooks.manifest:
    namespace: ai-development
    path: traffic-shedding-policy.yml
    workload: api-gateway
    incident_id: INC-1234
"""

RETURN = r"""
outcome:
  description:
    - V(changed), V(unchanged) when everything is in place already, V(planned) in check mode, or V(cooldown) when the
      same mitigation was made a moment ago by another incident and is not repeated.
  type: str
  returned: success
plan:
  description: The changes, each with action, target, summary, temporary, disruptive, expires_at and fields (path, before, after).
  type: list
  elements: dict
  returned: success
plan_hash:
  description: Names exactly this plan.
  type: str
  returned: success
  sample: 8f14e45fceea167a
changes:
  description: Numbers of the ledger entries that were done.
  type: list
  elements: int
  returned: success
workloads:
  description: The workloads whose rollouts follow.
  type: list
  elements: str
  returned: success
mitigated_at:
  description: When the changes began, or the time of planning.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._mitigate import MITIGATION_SPEC, mitigate
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    **MITIGATION_SPEC,
    "path": {"type": "path", "required": True},
    "workload": {"type": "str"},
    "expires_in": {"type": "float"},
}


def run(task: Task) -> Result:
    """Plan, and outside check mode make the change."""
    wanted = {name: task.params[name] for name in ("path", "workload", "expires_in")}
    return mitigate(task, [{"action": "manifest", **wanted}])


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
