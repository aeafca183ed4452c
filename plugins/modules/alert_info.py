#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_info
short_description: Read an alert of Alertmanager as data
version_added: 0.1.0
description:
  - Checks every field of an alert before anything looks at it. Names are compared with the inventory and with what Kubernetes allows,
    texts are made one short line that is no template. What is not as it must be is refused. Nothing is asked of any cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  alert:
    description:
      - The alert, one of Alertmanager's C(alerts). When not set, the event that ansible-rulebook has put into C(ansible_eda.event).
      - Leave it unset in playbooks that a rulebook runs, because Ansible evaluates templates in extra variables that a task names.
    type: raw
  clusters:
    description: Inventory hosts that the sender may name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: alerts | Read what came
  sre.runbooks.alert_info:
    clusters: "{{ groups['production'] }}"
  register: read
"""

RETURN = r"""
alert:
  description:
    - The alert; V(status), V(incident_type) (V(health_check) where no runbook answers it), V(cluster), V(namespace), V(workload),
      V(fingerprint), V(starts_at) and V(text).
  type: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _alert
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "alert": {"type": "raw"},
    "clusters": {"type": "list", "elements": "str", "required": True},
}


def run(task: Task) -> Result:
    """Check it."""
    found = _alert.read(task.params["alert"], task.params["clusters"])
    return {"alert": dataclasses.asdict(found),
            "says": [f"{found.status}: {found.incident_type} of {found.target} on {found.cluster} since {found.starts_at}: {found.text}"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
