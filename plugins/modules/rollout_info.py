#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_info
short_description: Where rollouts stand, or wait for their end
version_added: 0.1.0
description:
  - Reads rollouts as C(kubectl rollout status) does, and waits for their end when O(timeout) is over zero.
  - A rollout whose pods cannot start (an image that cannot be pulled, a container that crashes) is waited for 20 seconds
    more, not to the end. A rollout that fails or does not end in time is a result, not an error, so that the runbook can tell the truth and
    act on it. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the workloads.
    type: str
    required: true
  workloads:
    description: The workloads, each a Deployment's name, or C(statefulset/NAME) or C(daemonset/NAME).
    type: list
    elements: str
    aliases: [workload]
    required: true
  timeout:
    description: Seconds to wait for the end of all of them; V(0) reads once.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: verify | Wait for the rollout
  sre.runbooks.rollout_info:
    namespace: ai-development
    workloads: [api-server]
  register: rollout
"""

RETURN = r"""
finished:
  description: Whether every pod of every workload is new and available.
  type: bool
  returned: success
failed_because:
  description: Why they are not finished, where that is known - the controller gave up, or what keeps the pods from starting.
  type: str
  returned: success
seconds:
  description: How long the wait was.
  type: float
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import time

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "workloads": {"type": "list", "elements": "str", "aliases": ["workload"], "required": True},
    "timeout": {"type": "float", "default": 300.0},
}


def run(task: Task) -> Result:
    """Wait and say where they stand."""
    cluster, started, lines, failures = task.cluster(), time.monotonic(), [], []
    for target in [Target.parse(task.params["namespace"], name) for name in task.params["workloads"]]:
        left = task.params["timeout"] - (time.monotonic() - started)
        progress = _rollout.wait(cluster, target, max(0.0, left), task.progress)
        if progress.finished:
            lines.append(f"rollout of {target.short} finished: {progress.text}")
        else:
            failures.append(progress.failed or f"{progress.text}: time is up")
            lines.append(f"rollout of {target.short} is not finished: {failures[-1]}")
    seconds = round(time.monotonic() - started, 1)
    return {"finished": not failures, "failed_because": "; ".join(failures), "seconds": seconds,
            "says": [f"{line} ({seconds:g} s)" for line in lines]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
