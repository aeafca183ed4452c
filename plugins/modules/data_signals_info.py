#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_signals_info
short_description: Measure the signals of inconsistent data
version_added: 0.1.0
description:
  - Checks every consistency rule on one snapshot of the database, the cache where a rule is about one, and counts validation errors in the
    workload's log. Reads only.
  - The signals are C(data_mismatch) (rows that break a rule), C(checksum_mismatch) (audit entries that are marked) and
    C(validation_errors).
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.consistency
  - sre.runbooks.redis_connection
  - sre.runbooks.evidence
  - sre.runbooks.signals
options:
  workload:
    description: The workload whose log is read, a Deployment's name, or C(statefulset/NAME) or C(daemonset/NAME).
    type: str
    required: true
  container:
    description: Its container; the main one when not set.
    type: str
  validation_pattern:
    description: Regular expression of the log lines that are validation errors.
    type: str
    default: validation error|checksum mismatch|integrity
  log_seconds:
    description: How far back the log is read.
    type: int
    default: 300
  flagged_hours:
    description: Marked audit entries that are older do not count.
    type: float
    default: 24.0
  since:
    description: Only log lines and marked entries from then on count (ISO 8601), as after a mitigation.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: detect | Whether the data is consistent
  sre.runbooks.data_signals_info:
    namespace: ai-development
    workload: api-server
"""

RETURN = r"""
outcome:
  description: V(breached), V(healthy) or V(unknown); with O(until_clear) V(mitigated), V(not_mitigated) or V(unknown).
  type: str
  returned: success
at:
  description: When.
  type: str
  returned: success
signals:
  description: Each with name, value, threshold, breached, text and pods.
  type: list
  elements: dict
  returned: success
facts:
  description: C(findings) of the checks, as of M(sre.runbooks.data_consistency_info).
  type: dict
  returned: success
pods:
  description: Nothing, as the rows are in the database.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._redis import REDIS_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._data import _signals as _data_signals
from ansible_collections.sre.runbooks.plugins.module_utils._data._cache import _checking
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._checking import CHECKS_SPEC, check_snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database, _exported
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import SIGNALS_SPEC, Reading, signals_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    **CHECKS_SPEC,
    **SIGNALS_SPEC,
    "cache": REDIS_CONNECTION_SPEC,
    "workload": {"type": "str", "required": True},
    "container": {"type": "str"},
    "validation_pattern": {"type": "str", "default": "validation error|checksum mismatch|integrity"},
    "log_seconds": {"type": "int", "default": 300},
    "flagged_hours": {"type": "float", "default": 24.0},
    "since": {"type": "str", "default": ""},
}


def run(task: Task) -> Result:
    """Measure, once or until the signals are clear."""
    return signals_result(task, lambda _again: _measure(task))


def _measure(task: Task) -> Reading:
    p, cluster = task.params, task.cluster()
    since = _data_signals.earliest(p["since"], p["flagged_hours"])
    found = gather(
        findings=lambda: _findings(task),
        cached=lambda: _checking.cached(task),
        errors=lambda: _data_signals.validation_errors(
            cluster, Target.parse(p["namespace"], p["workload"]), p["container"], p["validation_pattern"], p["log_seconds"], p["since"]))
    return _data_signals.reading(found["findings"] + found["cached"], found["errors"], since)


def _findings(task: Task) -> list:
    """Counts and samples are enough here: nothing is exported."""
    p = task.params
    counting = dataclasses.replace(task, params={**p, "incident_id": None})
    with _database.opened(task.cluster(), p["namespace"], p["database"]) as database, _exported.exported_snapshot(database) as snapshot:
        return check_snapshot(counting, None, database, snapshot)["findings"]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
