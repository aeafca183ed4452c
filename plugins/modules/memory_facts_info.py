#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_facts_info
short_description: Say what is known of a workload whose memory runs out, as facts
version_added: 0.1.0
description:
  - Makes facts of what was measured and captured, for M(sre.runbooks.diagnosis_info) with the table of causes C(memory_leak) - how full the
    pods are, what their memory is made of, what has grown, what the last release changed, and what the logs say. What could not be read is
    a fact that is not known, with the reason. Needs no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  workload:
    description: The workload, as C(deployment/name) or its name.
    type: str
    required: true
  pods:
    description: The C(pods) of M(sre.runbooks.memory_signals_info).
    type: list
    elements: dict
    required: true
  at:
    description: When they were read (ISO 8601).
    type: str
    required: true
  later_at:
    description: When O(later) was read (ISO 8601).
    type: str
    default: ""
  later:
    description: The same, read some seconds later on the same controller; empty where there is no second reading.
    type: list
    elements: dict
    default: []
  window_minutes:
    description: Kills, evictions and errors that are older say nothing of this incident.
    type: int
    default: 60
  first:
    description: The C(histograms) of M(sre.runbooks.heap_histogram_info), taken first.
    type: list
    elements: dict
    default: []
  second:
    description: The same, taken some seconds later.
    type: list
    elements: dict
    default: []
  first_look:
    description: The C(looks) of M(sre.runbooks.process_memory_info), where there is no JVM that can be asked.
    type: list
    elements: dict
    default: []
  second_look:
    description: The same, taken some seconds later.
    type: list
    elements: dict
    default: []
  why_no_histogram:
    description: Why there is none.
    type: str
    default: ""
  revisions:
    description: C(revisions) of M(sre.runbooks.rollout_history_info); left out where they could not be read.
    type: list
    elements: dict
  patterns:
    description: C(patterns) of M(sre.runbooks.log_patterns_info); left out where there are none.
    type: list
    elements: dict
  warm_up_seconds:
    description: A container that started less than this ago, and is not full, says nothing about growth.
    type: float
    default: 60.0
"""

EXAMPLES = r"""
- name: diagnose | What is known
  sre.runbooks.memory_facts_info:
    namespace: ai-development
    workload: api-server
    pods: "{{ signals.pods }}"
    at: "{{ signals.at }}"
    first: "{{ histogram_1.histograms }}"
    second: "{{ histogram_2.histograms }}"
  register: memory

- name: diagnose | Find the cause
  sre.runbooks.diagnosis_info:
    causes: ["{{ lookup('ansible.builtin.file', 'causes.yml') | from_yaml }}"]
    facts: "{{ memory.facts }}"
"""

RETURN = r"""
facts:
  description: Each fact with name, value, unit, source, known, and because where it is not known.
  type: list
  elements: dict
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

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import facts_result
from ansible_collections.sre.runbooks.plugins.module_utils._memory._facts import Measured, facts, tables
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "at": {"type": "str", "required": True},
    "later_at": {"type": "str", "default": ""},
    "later": {"type": "list", "elements": "dict", "default": []},
    "window_minutes": {"type": "int", "default": 60},
    "first": {"type": "list", "elements": "dict", "default": []},
    "second": {"type": "list", "elements": "dict", "default": []},
    "first_look": {"type": "list", "elements": "dict", "default": []},
    "second_look": {"type": "list", "elements": "dict", "default": []},
    "why_no_histogram": {"type": "str", "default": ""},
    "revisions": {"type": "list", "elements": "dict"},
    "patterns": {"type": "list", "elements": "dict"},
    "warm_up_seconds": {"type": "float", "default": 60.0},
}


def run(task: Task) -> Result:
    """Make facts of what was captured."""
    p = task.params
    last = p["later_at"] or p["at"]
    at = datetime.datetime.fromisoformat(last.replace("Z", "+00:00"))
    since = (at - datetime.timedelta(minutes=p["window_minutes"])).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = Measured(p["namespace"], p["workload"], p["pods"], last, since, p["later"], p["first"], p["second"], p["why_no_histogram"],
                     p["revisions"], p["patterns"], p["warm_up_seconds"], (p["first_look"], p["second_look"]),
                     p["at"] if p["later_at"] else "")
    return facts_result(facts(found), tables(found))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
