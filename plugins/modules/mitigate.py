#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mitigate
short_description: Make a plan of reversible changes
version_added: 0.1.0
description:
  - Plans a list of changes, checks each against the guardrails, and makes them in order. With check mode it returns the
    plan and its hash, which O(plan_hash) then pins.
  - Every change is written to the incident's ledger before it is made, and refused where someone else changes the
    same fields meanwhile; M(sre.runbooks.undo) takes temporary ones back.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.mitigation
options:
  changes:
    description:
      - The changes in order, each a dict with C(action) and its parameters; C(workload) is a Deployment's name, or
        C(statefulset/NAME) or C(daemonset/NAME).
      - C(restart) restarts C(workload), pod by pod.
      - C(resources) sets C(limits) and C(requests) (resource name to quantity) of C(container) of C(workload).
      - C(env) sets the variables C(env) (name to value) of C(container) of C(workload).
      - C(scale) gives C(workload) at least C(replicas) pods; where an autoscaler decides, its bounds are moved.
      - C(rollback) rolls C(workload) back to C(revision), or to the newest one that ran something else.
      - C(config) sets the keys C(data) of ConfigMap C(config_map), creating it where it is absent. The pods of
        C(workload) see it at once, or are restarted where they take it as environment.
      - C(manifest) brings every object of the file C(path) to what is written there, and creates those that are absent.
      - C(database_read_only) makes transactions of a database role read-only by default, and ends its sessions so that this
        counts at once. C(database_ways) as in M(sre.runbooks.db_sessions_info); C(roles) is C(application) (the role that
        the first way uses) or C(all) (every role that may connect, but for superusers and replication).
      - C(cache_drop) deletes the keys C(stale) (key to digest, as M(sre.runbooks.cache_consistency_info) returns them) of the Redis
        C(cache), as far as they still hold those values. The values and their expiry are in the record, for M(sre.runbooks.undo).
      - With C(expires_in) (seconds) a later run, or the clean-up, takes the change back.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: plan | What would be changed
  sre.runbooks.mitigate:
    namespace: ai-development
    incident_id: INC-1234
    changes:
      - action: restart
        workload: api-server
  check_mode: true
  register: plan

- name: mitigate | Make exactly these changes
  sre.runbooks.mitigate:
    namespace: ai-development
    incident_id: INC-1234
    plan_hash: "{{ plan.plan_hash }}"
    require_evidence: [heap_dump]
    changes:
      - action: restart
        workload: api-server
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
    "changes": {"type": "list", "elements": "dict", "required": True},
}


def run(task: Task) -> Result:
    """Plan, and outside check mode make the changes."""
    return mitigate(task, task.params["changes"])


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
