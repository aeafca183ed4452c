#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_diagnosis_info
short_description: Find the cause of a gateway's overload among candidates
version_added: 0.1.0
description:
  - Weighs what was measured for and against each known cause - more load than capacity, a slow upstream, a retry storm,
    a gateway too small for ordinary load - and names the mitigation that fits the likeliest. Works on results of earlier
    tasks; asks no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  pods:
    description: The C(pods) of M(sre.runbooks.gateway_signals_info).
    type: list
    elements: dict
    required: true
  facts:
    description: The C(facts) of M(sre.runbooks.gateway_signals_info).
    type: dict
    required: true
  traffic:
    description: The C(traffic) of M(sre.runbooks.gateway_traffic_info); without it little can be told.
    type: dict
    default: {}
  slow_ms:
    description: 95th percentile of an upstream's answers from which it is slow.
    type: float
    default: 1000.0
  usual_per_second:
    description: The rate that is ordinary; taken from the access log when V(0).
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: diagnose | Find the cause
  sre.runbooks.gateway_diagnosis_info:
    pods: "{{ before.pods }}"
    facts: "{{ before.facts }}"
    traffic: "{{ traffic.traffic }}"
"""

RETURN = r"""
cause:
  description:
    - The likeliest cause, V(load_above_capacity), V(slow_upstream), V(retry_storm), V(gateway_undersized) or
      V(undetermined).
  type: str
  returned: success
who:
  description: The client or upstream that it is about, empty when none stands out.
  type: str
  returned: success
recommendation:
  description: The mitigation that fits first, V(scale), V(circuit_breaker) or V(rate_limit).
  type: str
  returned: success
candidates:
  description: Every cause, the likeliest first, with name, title, evidence_for, evidence_against and score.
  type: list
  elements: dict
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
fixes:
  description: What would prevent it for good.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import diagnosis_result
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._diagnosis import Facts, diagnose, fixes, tables, who
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "pods": {"type": "list", "elements": "dict", "required": True},
    "facts": {"type": "dict", "required": True},
    "traffic": {"type": "dict", "default": {}},
    "slow_ms": {"type": "float", "default": 1000.0},
    "usual_per_second": {"type": "float", "default": 0.0},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    p = task.params
    facts = Facts(p["pods"], p["facts"], p["traffic"], p["slow_ms"],
                  p["usual_per_second"] or p["traffic"].get("usual_per_second"))
    found = diagnosis_result(diagnose(facts), tables(p["traffic"]))
    return {**found, "fixes": fixes(facts, found["cause"]), "who": who(facts, found["cause"])}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
