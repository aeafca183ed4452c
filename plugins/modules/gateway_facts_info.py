#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_facts_info
short_description: Say what is known of an overloaded gateway, as facts
version_added: 0.1.0
description:
  - Makes facts of what was measured and captured, for M(sre.runbooks.diagnosis_info) with the table of causes C(api_gateway_overload). What
    could not be read is a fact that is not known, with the reason. Needs no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  namespace:
    description: Namespace of the gateway.
    type: str
    required: true
  workload:
    description: The gateway's workload.
    type: str
    required: true
  pods:
    description: Pods as M(sre.runbooks.gateway_signals_info) returns them.
    type: list
    elements: dict
    required: true
  window:
    description: C(facts) of M(sre.runbooks.gateway_signals_info).
    type: dict
    required: true
  traffic:
    description: C(traffic) of M(sre.runbooks.gateway_traffic_info); empty without an access log.
    type: dict
    default: {}
  revisions:
    description: C(revisions) of M(sre.runbooks.rollout_history_info).
    type: list
    elements: dict
    default: []
  slow_ms:
    description: 95th percentile of an upstream's time, in milliseconds, from which it counts as slow.
    type: float
    default: 1000.0
  usual_per_second:
    description: Requests a second that are ordinary; those of the access log before the incident when 0.
    type: float
    default: 0.0
  replicas:
    description: Pods that the gateway would be scaled to.
    type: int
    default: 10
  rate_limit_per_pod:
    description: Requests a second that a rate limit would let each pod answer; computed from the usual rate when 0.
    type: int
    default: 0
  rate_limit_of:
    description: Whose requests the gateway's rate limit counts, those of all together or each client's.
    type: str
    choices: [all, client]
    default: all
  shed_routes:
    description: Prefixes of the routes that would be shed, empty where they are not known.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: diagnose | What is known
  sre.runbooks.gateway_facts_info:
    namespace: ai-development
    workload: api-gateway
    pods: "{{ before.pods }}"
    window: "{{ before.facts }}"
    traffic: "{{ traffic.traffic }}"
  register: gateway

- name: diagnose | Find the cause
  sre.runbooks.diagnosis_info:
    causes: ["{{ lookup('ansible.builtin.file', 'causes.yml') | from_yaml }}"]
    facts: "{{ gateway.facts }}"
"""

RETURN = r"""
facts:
  description: Each fact with name, value, unit, source, known, and because where it is not known.
  type: list
  elements: dict
  returned: success
pointless:
  description: Steps that cannot make a difference by these facts, and why, of V(scale), V(rate_limit), V(circuit_breaker) and V(shed).
  type: dict
  returned: success
rate_limit:
  description:
    - Requests a second, all pods together, that a rate limit should let through, of all or of each client (O(rate_limit_of)); 0 where what is
      usual is not known.
  type: float
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import facts_result
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._facts import Measured, facts, pointless, rate_limit, tables
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "window": {"type": "dict", "required": True},
    "traffic": {"type": "dict", "default": {}},
    "revisions": {"type": "list", "elements": "dict", "default": []},
    "slow_ms": {"type": "float", "default": 1000.0},
    "usual_per_second": {"type": "float", "default": 0.0},
    "replicas": {"type": "int", "default": 10},
    "rate_limit_per_pod": {"type": "int", "default": 0},
    "rate_limit_of": {"type": "str", "choices": ["all", "client"], "default": "all"},
    "shed_routes": {"type": "list", "elements": "str", "default": []},
}


def run(task: Task) -> Result:
    """Make facts of what was captured."""
    p = task.params
    usual = p["usual_per_second"] or p["traffic"].get("usual_per_second")
    found = Measured(p["pods"], p["window"], p["traffic"], p["slow_ms"], usual, p["revisions"], p["rate_limit_of"])
    sheet = facts(found)
    sheet.known("in_namespace", p["namespace"])
    sheet.known("workload", p["workload"])
    return {**facts_result(sheet, tables(p["traffic"])), "pointless": pointless(found, p["replicas"], p["rate_limit_per_pod"], p["shed_routes"]),
            "rate_limit": rate_limit(found) or 0.0}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
