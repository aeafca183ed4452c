#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_scale
short_description: Give a workload more pods
version_added: 0.1.0
description:
  - Scales up to at least O(replicas) and never down. Where an autoscaler decides, its bounds are moved instead. Caps,
    quotas and the room on the nodes are checked first.
  - Every change is written to the incident's ledger before it is made, and refused where someone else changes the
    same fields meanwhile; M(sre.runbooks.undo) takes temporary ones back.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.mitigation
options:
  workload:
    description: A name of a Deployment, or C(statefulset/NAME) or C(daemonset/NAME).
    type: str
    required: true
  replicas:
    description: Pods that there shall be at least.
    type: int
    required: true
  expires_in:
    description: Seconds after which a later run takes the change back.
    type: float
"""

EXAMPLES = r"""
- name: mitigate | Scale to 5
  sre.runbooks.workload_scale:
    namespace: ai-development
    workload: auth-service
    incident_id: INC-1234
    replicas: 5
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
    "workload": {"type": "str", "required": True},
    "replicas": {"type": "int", "required": True},
    "expires_in": {"type": "float"},
}


def run(task: Task) -> Result:
    """Plan, and outside check mode make the change."""
    wanted = {name: task.params[name] for name in ("workload", "replicas", "expires_in")}
    return mitigate(task, [{"action": "scale", **wanted}])


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
