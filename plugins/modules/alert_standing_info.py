#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_standing_info
short_description: Whether an incident that an alert began still has one that fires
version_added: 0.1.0
description:
  - A plan may wait for an approval, and meanwhile the alert may be resolved. This reads from the claim in the cluster what has been delivered
    since. An incident that no alert began stands. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the incident's target.
    type: str
    required: true
  incident_id:
    description: The incident.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: mitigate | Whether the alert still fires
  sre.runbooks.alert_standing_info:
    namespace: ai-development
    incident_id: memory-leak-0a1b2c3d4e
  register: standing
"""

RETURN = r"""
stands:
  description: False where alerts began it and each of them has been resolved.
  type: bool
  returned: success
firing:
  description: How many of its alerts fire; V(0) also where no alert began it.
  type: int
  returned: success
says:
  description: Lines for a person; empty where it stands.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _claim
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str", "required": True},
}


def run(task: Task) -> Result:
    """Read the claim."""
    claim = _claim.find(task.cluster(), task.params["namespace"], task.params["incident_id"])
    firing = _claim.firing(claim) if claim else 0
    stands = claim is None or firing > 0
    says = [] if stands else [f"each alert of {task.params['incident_id']} has been resolved since"]
    return {"changed": False, "stands": stands, "firing": firing, "says": says}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
