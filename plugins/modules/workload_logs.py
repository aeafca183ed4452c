#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_logs
short_description: Logs of all replicas of a workload, with those of containers that died
version_added: 0.1.0
description:
  - Fetches the logs of every pod and of every container's previous life, all at once, and saves them as evidence
    with secrets removed when O(incident_id) is set. The logs of a killed container exist only until its pod goes,
    so this runs before any restart. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  since_seconds:
    description: How far back to read.
    type: int
    default: 3600
  max_bytes:
    description: At most this much of each container's log; what is newer than that is left out.
    type: int
    default: 52428800
"""

EXAMPLES = r"""
- name: capture | Logs of all replicas
  sre.runbooks.workload_logs:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
"""

RETURN = r"""
logs:
  description: For each log the pod, container, previous (whether of the life before), lines, bytes and error.
  type: list
  elements: dict
  returned: success
evidence:
  description: Files that were saved.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "since_seconds": {"type": "int", "default": 3600},
    "max_bytes": {"type": "int", "default": 52428800},
}


def run(task: Task) -> Result:
    """Fetch and save the logs."""
    p, cluster = task.params, task.cluster()
    workload = _workload.read(cluster, Target.parse(p["namespace"], p["workload"]))
    fetched = _logs.fetch(cluster, _workload.pods(cluster, workload), p["container"], p["since_seconds"],
                          p["max_bytes"])
    store = task.evidence()
    evidence = [_save(store, log) for log in fetched if not log.error] if store else []
    rows = [{**dataclasses.asdict(log), "lines": log.text.count("\n"), "bytes": len(log.text)} for log in fetched]
    for row in rows:
        del row["text"]
    failed = [log for log in fetched if log.error]
    says = [f"{len(fetched) - len(failed)} logs, {sum(row['lines'] for row in rows)} lines, "
            f"{sum(log.previous for log in fetched if not log.error)} of them from containers that ended"]
    says += [f"no log of {log.pod}/{log.container}: {log.error}" for log in failed]
    return {"logs": rows, "evidence": evidence, "says": says}


def _save(store: EvidenceStore, log: _logs.Log) -> str:
    suffix = ".previous.log" if log.previous else ".log"
    name = f"logs/{log.pod}.{log.container}{suffix}"
    store.save_text(name, "logs", f"logs of {log.pod}/{log.container}{' (previous)' if log.previous else ''}", log.text)
    return str(store.path(name))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
