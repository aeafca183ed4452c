#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
short_description: Take back what incidents changed for a while
version_added: 0.1.0
description:
  - Replays the ledger backwards and restores the exact previous values of every temporary change.
  - Where someone else has changed a field since, that change is left alone and named, the others are restored, and the
    task fails at the end.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
attributes:
  diff_mode:
    description: Returns the fields before and after.
    support: full
options:
  namespace:
    description: Namespace of the incidents.
    type: str
    required: true
  incident_id:
    description: Only this incident; all that still have temporary changes when not set.
    type: str
  which:
    description:
      - V(temporary) is what the clean-up takes back; V(expired) only what was to last until a time that is over;
        V(all) also what would stay, such as a rollback, because it did not help. A restart cannot be taken back.
    type: str
    choices: [temporary, expired, all]
    default: temporary
  changes:
    description: Only these entries of the ledger, by number; needs O(incident_id).
    type: list
    elements: int
    default: []
  timeout:
    description: Seconds to wait for the rollouts that follow; V(0) does not wait.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: undo | Restore everything that is temporary
  sre.runbooks.undo:
    namespace: ai-development
"""

RETURN = r"""
restored:
  description: What was restored, as incident and summary.
  type: list
  elements: str
  returned: always
refused:
  description: What someone else has changed since, each with object, path, found and expected.
  type: list
  elements: dict
  returned: always
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: always
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import WORKLOAD_KINDS
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _undo
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._undo import Undone
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str"},
    "which": {"type": "str", "choices": ["temporary", "expired", "all"], "default": "temporary"},
    "changes": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "float", "default": 300.0},
}

NOTHING = {"temporary": ["no temporary change is in place"], "expired": [],
           "all": ["no change that can be reversed is in place"]}


def run(task: Task) -> Result:
    """Restore, and refuse at the end where something could not be."""
    p, cluster = task.params, task.cluster()
    if p["changes"] and not p["incident_id"]:
        raise InvalidInput("Changes are numbered within one incident.", "Set incident_id beside changes.")
    incidents = ([Incident.load(cluster, p["namespace"], p["incident_id"])] if p["incident_id"]
                 else Incident.all(cluster, p["namespace"]))
    undone = {incident.id: _undo.undo(cluster, incident, entries, task.check_mode) for incident in reversed(incidents)
              if (entries := _undo.pending(incident, p["which"], p["changes"]))}
    says = _says(undone, task.check_mode) or list(NOTHING[p["which"]])
    if not task.check_mode:
        says += _wait(task, cluster, undone)
    result = {"changed": any(u.restored for u in undone.values()), "says": says,
              "restored": [f"{name}: {entry.change.summary}" for name, u in undone.items() for entry in u.restored],
              "refused": [drift.details["drift"] if "drift" in drift.details else {"object": drift.message}
                          for u in undone.values() for drift in u.refused],
              "diff": [_reversed(entry.change.diff()) for u in undone.values() for entry in u.restored]}
    refusals = [drift for u in undone.values() for drift in u.refused]
    if refusals:
        raise Refused(" ".join(drift.message for drift in refusals), refusals[0].next_step, **result)
    return result


def _says(undone: dict[str, Undone], check_mode: bool) -> list[str]:
    verb = "would restore what was before" if check_mode else "restored what was before"
    lines = []
    for name, result in undone.items():
        lines += [f"{name}: {verb}: {entry.change.summary}" for entry in result.restored]
        lines += [f"{name}: nothing to restore: {entry.change.summary}" for entry in result.settled]
    return lines


def _wait(task: Task, cluster: Cluster, undone: dict[str, Undone]) -> list[str]:
    targets = {entry.change.target for u in undone.values() for entry in u.restored if entry.change.target.kind in WORKLOAD_KINDS.values()}
    lines = []
    for target in sorted(targets, key=str):
        progress = _rollout.wait(cluster, target, task.params["timeout"], task.progress)
        state = "finished" if progress.finished else f"not finished: {progress.failed or 'time is up'}"
        lines.append(f"rollout of {target.short} {state}, {progress.text}")
    return lines


def _reversed(diff: dict[str, str]) -> dict[str, str]:
    return {**diff, "before": diff["after"], "after": diff["before"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
