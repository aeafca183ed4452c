#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_resources
short_description: Set limits and requests of a container for a while
version_added: 0.1.0
description:
  - Sets limits and requests of one container; a rolling update follows. Temporary until it is undone or made
    permanent in the workload's source.
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
  container:
    description: The container; the main one when not set.
    type: str
  limits:
    description: Resource name to quantity.
    type: dict
    default: {}
  requests:
    description: Resource name to quantity.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: mitigate | More memory
  sre.runbooks.workload_resources:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
    limits: {memory: 1Gi}
    requests: {memory: 512Mi}
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

CHANGE_OPTIONS = ("workload", "container", "limits", "requests")

ARGUMENT_SPEC = {
    **MITIGATION_SPEC,
    "workload": {"type": "str", "required": True},
    "container": {"type": "str"},
    "limits": {"type": "dict", "default": {}},
    "requests": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Plan, and outside check mode make the changes."""
    return mitigate(task, [{"action": "resources", **{name: task.params[name] for name in CHANGE_OPTIONS}}])


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
