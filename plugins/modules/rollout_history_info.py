#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_history_info
short_description: Read the rollout history of a workload, and what each revision changed
version_added: 0.1.0
description:
  - Reads the revisions that the cluster still has, and compares the pod template of each with the one before it (image,
    environment, mounted Secrets and ConfigMaps, resources, everything). Values of secrets are not shown. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
"""

EXAMPLES = r"""
- name: capture | Rollout history
  sre.runbooks.rollout_history_info:
    namespace: ai-development
    workload: auth-service
"""

RETURN = r"""
revisions:
  description:
    - Oldest first, each with revision, created_at (of its first use), begun_at (of its last rollout), change_cause, images, current,
      changes (C(path), C(before), C(after)) and restart (nothing but a restart).
  type: list
  elements: dict
  returned: success
evidence:
  description: Path of the evidence that was saved.
  type: list
  elements: str
  returned: with incident_id
says:
  description: The newest revisions, a line each.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {**CONNECTION_SPEC, **TARGET_SPEC, **EVIDENCE_SPEC}
SHOWN = 3


def run(task: Task) -> Result:
    """Read and compare."""
    cluster, target = task.cluster(), Target.parse(task.params["namespace"], task.params["workload"])
    rows = _history.rows(_revisions.read(cluster, target, _workload.read(cluster, target)))
    result: Result = {"revisions": rows, "says": [_history.in_words(row) for row in rows[-SHOWN:]]}
    store = task.evidence()
    if store:
        store.save_json("rollout-history.json", "history", f"revisions of {target}", rows)
        result["evidence"] = [str(store.path("rollout-history.json"))]
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
