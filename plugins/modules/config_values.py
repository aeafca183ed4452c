#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_values
short_description: Set keys of a ConfigMap
version_added: 0.1.0
description:
  - Sets keys of a ConfigMap, which is created where it is absent and then removed again by undo. Other keys stay as
    they are.
  - Every change is written to the incident's ledger before it is made, and refused where someone else changes the
    same fields meanwhile; M(sre.runbooks.undo) takes temporary ones back.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.mitigation
options:
  config_map:
    description: Name of the ConfigMap.
    type: str
    required: true
  data:
    description: Keys to set. True and false are written as words.
    type: dict
    required: true
  workload:
    description: The workload that reads it, so that its pods see the change at once.
    type: str
  expires_in:
    description: Seconds after which a later run takes the change back.
    type: float
"""

EXAMPLES = r"""
- name: mitigate | Let log-ins in without Redis for an hour
  sre.runbooks.config_values:
    namespace: ai-development
    config_map: auth-emergency
    workload: auth-service
    incident_id: INC-1234
    expires_in: 3600
    data:
      EMERGENCY_MODE: true
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
    "config_map": {"type": "str", "required": True},
    "data": {"type": "dict", "required": True},
    "workload": {"type": "str"},
    "expires_in": {"type": "float"},
}


def run(task: Task) -> Result:
    """Plan, and outside check mode make the change."""
    wanted = {name: task.params[name] for name in ("config_map", "data", "workload", "expires_in")}
    return mitigate(task, [{"action": "config", **wanted}])


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
