#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_snapshot_info
short_description: Snapshot of a workload - pods, ends, usage, events, rollout history
version_added: 0.1.0
description:
  - Reads a workload and everything around it that a restart would lose, all requests at once, and saves it as
    evidence when O(incident_id) is set. Secrets in environment variables are removed. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  name:
    description: Name of the evidence file, without its ending.
    type: str
    default: snapshot
"""

EXAMPLES = r"""
- name: capture | Snapshot of the workload
  sre.runbooks.workload_snapshot_info:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
"""

RETURN = r"""
pods:
  description:
    - One row per pod with pod, node, phase, ready, restarts, last_end (such as V(OOMKilled)), last_exit_code,
      last_end_at, started_at, memory_bytes, cpu_cores, limits and requests.
  type: list
  elements: dict
  returned: success
revisions:
  description: Rollout history, oldest first, with revision, created_at, name and images.
  type: list
  elements: dict
  returned: success
surge:
  description: How many pods more than wanted there may be during a rolling update.
  type: int
  returned: success
warnings_seen:
  description: The warning events, as reason and message, newest last.
  type: list
  elements: str
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout, _snapshot, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "name": {"type": "str", "default": "snapshot"},
}


def run(task: Task) -> Result:
    """Take the snapshot and save it."""
    target = Target.parse(task.params["namespace"], task.params["workload"])
    snapshot = _snapshot.take(task.cluster(), target)
    container = _workload.main_container(snapshot["workload"], task.params["container"])
    store, evidence = task.evidence(), []
    if store:
        name = f"{task.params['name']}.json"
        store.save_json(name, "snapshot", f"{target}: objects, usage, events", snapshot)
        evidence.append(str(store.path(name)))
    warnings = [f"{event.get('reason')}: {event.get('message')}" for event in snapshot["events"]
                if event.get("type") == "Warning"]
    return {"pods": _snapshot.pod_rows(snapshot, container), "revisions": _snapshot.revision_rows(snapshot),
            "surge": _rollout.surge(target.kind, snapshot["workload"]), "warnings_seen": warnings,
            "evidence": evidence, "says": [_snapshot.summary(snapshot, target.kind)]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
