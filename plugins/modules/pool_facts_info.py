#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_facts_info
short_description: Say what is known of an exhausted connection pool, as facts
version_added: 0.1.0
description:
  - Makes facts of what was measured and captured, for M(sre.runbooks.diagnosis_info) with the table of causes C(db_pool_exhaustion). What
    could not be read is a fact that is not known, with the reason. Needs no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  service:
    description: The workload whose pool it is.
    type: str
    required: true
  pods:
    description: Pods as M(sre.runbooks.pool_signals_info) returns them.
    type: list
    elements: dict
    required: true
  activity:
    description: Result of M(sre.runbooks.db_sessions_info); of one that failed its C(msg) tells why the database could not be asked.
    type: dict
    default: {}
  log:
    description: C(log) of M(sre.runbooks.connection_log_info).
    type: dict
    default: {}
  revisions:
    description: C(revisions) of M(sre.runbooks.rollout_history_info).
    type: list
    elements: dict
    default: []
  surge:
    description: Pods that a rollout may have on top of the replicas.
    type: int
    default: 1
  slow_seconds:
    description: A query that runs longer is slow.
    type: float
    default: 5.0
  idle_seconds:
    description: A session of another client that has been idle for longer, in a transaction or not, is forgotten, and may be ended.
    type: float
    default: 300.0
  size:
    description: Connections of a raised pool.
    type: int
    default: 50
  overflow:
    description: Connections on top of O(size).
    type: int
    default: 20
  headroom:
    description: Connections of the database that stay free.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: diagnose | What is known
  sre.runbooks.pool_facts_info:
    namespace: ai-development
    service: api-server
    pods: [{pod: api-server-x, active: 10, pending: 3, idle: 0, max: 10, timeouts: 5}]
  register: pool

- name: diagnose | Find the cause
  sre.runbooks.diagnosis_info:
    causes: ["{{ lookup('ansible.builtin.file', 'causes.yml') | from_yaml }}"]
    facts: "{{ pool.facts }}"
"""

RETURN = r"""
facts:
  description: Each fact with name, value, unit, source, known, and because where it is not known.
  type: list
  elements: dict
  returned: success
pool:
  description: The larger pool for which database and role have room - size, overflow (0 for none) and the arithmetic.
  type: dict
  returned: success
sessions:
  description: The sessions whose end would help, by what ends them - C(terminate_root), C(terminate_idle) and C(terminate_slow).
  type: dict
  returned: success
named:
  description: The same sessions as sentences - pid, client, pod or address, user, state, how long, last statement.
  type: dict
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
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _sessions
from ansible_collections.sre.runbooks.plugins.module_utils._pool._facts import Limits, Measured, facts, larger_pool, tables, to_end
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "namespace": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "activity": {"type": "dict", "default": {}},
    "log": {"type": "dict", "default": {}},
    "revisions": {"type": "list", "elements": "dict", "default": []},
    "surge": {"type": "int", "default": 1},
    "slow_seconds": {"type": "float", "default": 5.0},
    "idle_seconds": {"type": "float", "default": 300.0},
    "size": {"type": "int", "default": 50},
    "overflow": {"type": "int", "default": 20},
    "headroom": {"type": "int", "default": 5},
}


def run(task: Task) -> Result:
    """Make facts of what was captured."""
    p = task.params
    asked = p["activity"].get("sessions") is not None
    found = Measured(p["service"].rpartition("/")[2], p["pods"], p["activity"] if asked else {}, p["log"], p["surge"],
                     "" if asked else str(p["activity"].get("msg", "")), p["revisions"])
    limits = Limits(p["slow_seconds"], p["idle_seconds"], p["size"], p["overflow"], p["headroom"])
    sheet, sessions = facts(found, limits), to_end(found, limits)
    sheet.known("in_namespace", p["namespace"])
    return {**facts_result(sheet, tables(found)), "pool": larger_pool(found, limits), "sessions": sessions,
            "named": {action: [_sessions.in_words(session) for session in ones] for action, ones in sessions.items()}}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
