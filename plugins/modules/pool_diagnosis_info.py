#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_diagnosis_info
short_description: Find why a connection pool is exhausted
version_added: 0.1.0
description:
  - Weighs what was measured for and against each known cause. Needs no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
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
    description: Result of M(sre.runbooks.db_sessions_info); empty where the database could not be asked.
    type: dict
    default: {}
  log:
    description: C(log) of M(sre.runbooks.connection_log_info).
    type: dict
    default: {}
  surge:
    description: Pods that a rollout may have on top of the replicas.
    type: int
    default: 1
  slow_seconds:
    description: A query that runs longer is slow.
    type: float
    default: 5.0
  idle_seconds:
    description: A session that is idle in a transaction for longer is forgotten, and may be ended.
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
- name: diagnose | Find the cause
  sre.runbooks.pool_diagnosis_info:
    service: api-server
    pods: [{pod: api-server-x, active: 10, pending: 3, idle: 0, max: 10, timeouts: 5}]
"""

RETURN = r"""
cause:
  description:
    - The likeliest cause, V(leak_in_service), V(slow_query), V(lock_chain), V(other_client), V(pool_too_small) or
      V(undetermined).
  type: str
  returned: success
recommendation:
  description: The mitigation that fits, V(restart), V(raise_pool), V(terminate_root), V(terminate_idle), V(terminate_slow) or empty.
  type: str
  returned: success
candidates:
  description: Every cause, the likeliest first, with name, title, evidence_for, evidence_against and score.
  type: list
  elements: dict
  returned: success
pool:
  description: The larger pool for which the database has room - size, overflow (0 for none) and the arithmetic.
  type: dict
  returned: success
sessions:
  description: The sessions whose end would help, and no others.
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
from ansible_collections.sre.runbooks.plugins.module_utils._pool._diagnosis import (
    Limits, Measured, diagnose, fixes, larger_pool, tables, to_end)
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "service": {"type": "str", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "activity": {"type": "dict", "default": {}},
    "log": {"type": "dict", "default": {}},
    "surge": {"type": "int", "default": 1},
    "slow_seconds": {"type": "float", "default": 5.0},
    "idle_seconds": {"type": "float", "default": 300.0},
    "size": {"type": "int", "default": 50},
    "overflow": {"type": "int", "default": 20},
    "headroom": {"type": "int", "default": 5},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    p = task.params
    activity = p["activity"] if p["activity"].get("sessions") is not None else {}
    found = Measured(p["service"].rpartition("/")[2], p["pods"], activity, p["log"], p["surge"])
    limits = Limits(p["slow_seconds"], p["idle_seconds"], p["size"], p["overflow"], p["headroom"])
    candidates = diagnose(found, limits)
    result = diagnosis_result(candidates, tables(found))
    return {**result, "fixes": fixes(result["cause"], found), "pool": larger_pool(found, limits),
            "sessions": to_end(result["cause"], found, limits)}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
