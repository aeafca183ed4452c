#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_claim
short_description: Claim the incident that an alert is about, so that one run answers it
version_added: 0.1.0
description:
  - Alertmanager delivers at least once, a pair of them twice, and resolved ones again. This writes into the cluster who answers, so that
    any number of controllers and deliveries come to one incident for each target and incident type, also after a restart.
  - An alert that was answered is not answered again within the cooldown; one whose run was broken off is taken over when its time is up.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
attributes:
  diff_mode:
    description: A claim is not a change to the application.
    support: none
options:
  state:
    description: V(claimed) before the run, V(done) after it.
    type: str
    choices: [claimed, done]
    default: claimed
  alert:
    description: What M(sre.runbooks.alert_info) has returned.
    type: dict
    required: true
  incident_id:
    description: The incident, with O(state=done).
    type: str
  outcome:
    description: What came of it, with O(state=done).
    type: str
    default: unknown
  run_seconds:
    description: How long a run may take until its claim is free for the next delivery.
    type: float
    default: 3600.0
  cooldown:
    description: Seconds after a run in which no other begins for the same target and incident type.
    type: float
    default: 1800.0
"""

EXAMPLES = r"""
- name: alerts | Claim the incident
  sre.runbooks.alert_claim:
    alert: "{{ read.alert }}"
  register: claimed

- name: alerts | Say how it went
  sre.runbooks.alert_claim:
    state: done
    alert: "{{ read.alert }}"
    incident_id: "{{ claimed.incident_id }}"
    outcome: mitigated
"""

RETURN = r"""
action:
  description:
    - V(answer) when this run is to answer it; V(duplicate), V(joined) (to the incident that is being answered), V(cooldown), V(resolved)
      or V(nothing) when it is not.
  type: str
  returned: with O(state=claimed)
incident_id:
  description: The incident that the alert belongs to; empty where there is none.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _alert, _claim
from ansible_collections.sre.runbooks.plugins.module_utils._alerts._alert import Alert
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "state": {"type": "str", "choices": ["claimed", "done"], "default": "claimed"},
    "alert": {"type": "dict", "required": True},
    "incident_id": {"type": "str"},
    "outcome": {"type": "str", "default": "unknown"},
    "run_seconds": {"type": "float", "default": 3600.0},
    "cooldown": {"type": "float", "default": 1800.0},
}
REQUIRED_IF = [("state", "done", ["incident_id"])]
_WORDS = {
    _claim.ANSWER: "this run answers it", _claim.DUPLICATE: "delivered before, and being answered or over", _claim.JOINED: "joins the incident",
    _claim.COOLDOWN: "answered a moment ago, not again within the cooldown", _claim.RESOLVED: "resolved, and noted",
    _claim.NOTHING: "resolved, of an incident that nobody has opened"}


def run(task: Task) -> Result:
    """Claim, or give back."""
    p = task.params
    alert = Alert(**p["alert"])
    if alert.incident_type == _alert.HEALTH_CHECK:  # reads only: it may run as often as it is asked for
        action = _claim.ANSWER if alert.status == _alert.FIRING else _claim.NOTHING
        return {"action": action, "incident_id": "", "says": [f"{alert.target}: no runbook is meant, so the health is checked"]}
    if task.check_mode:
        return {"action": _claim.ANSWER, "incident_id": "", "says": ["check mode: the incident is not claimed"]}
    cluster = task.cluster()
    if p["state"] == "done":
        _claim.finish(cluster, alert, p["incident_id"], p["outcome"])
        return {"changed": True, "incident_id": p["incident_id"], "says": [f"{alert.target}: {p['outcome']}"]}
    action, found = _claim.claim(cluster, alert, _claim.Limits(p["run_seconds"], p["cooldown"]))
    return {"changed": action in (_claim.ANSWER, _claim.JOINED, _claim.COOLDOWN, _claim.RESOLVED), "action": action,
            "incident_id": found.incident_id if found else "",
            "says": [f"{alert.target}: {_WORDS[action]}" + (f" ({found.incident_id}, {found.state} since {_claim.since(found)})" if found else "")]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run, REQUIRED_IF)


if __name__ == "__main__":
    main()
