#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_info
short_description: Where a rollout stands, or wait for its end
version_added: 0.1.0
description:
  - Reads a workload's rollout as C(kubectl rollout status) does, and waits for its end when O(timeout) is over zero.
    A rollout that fails or does not end in time is a result, not an error, so that the runbook can tell the truth and
    act on it. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
options:
  timeout:
    description: Seconds to wait for the end; V(0) reads once.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: verify | Wait for the rollout
  sre.runbooks.rollout_info:
    namespace: ai-development
    workload: api-server
  register: rollout
"""

RETURN = r"""
finished:
  description: Whether every pod is new and available.
  type: bool
  returned: success
failed_because:
  description: Why the controller gave up, empty if it did not.
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

from ansible_collections.sre.runbooks.plugins.module_utils import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)
from ansible_collections.sre.runbooks.plugins.module_utils._workload import Target

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    "timeout": {"type": "float", "default": 300.0},
}


def run(task: Task) -> Result:
    """Wait and say where it stands."""
    target = Target.parse(task.params["namespace"], task.params["workload"])
    started = time.monotonic()
    progress = _rollout.wait(task.cluster(), target, task.params["timeout"], task.progress)
    seconds = round(time.monotonic() - started, 1)
    if progress.finished:
        line = f"rollout of {target.short} finished in {seconds:g} s: {progress.text}"
    else:
        line = f"rollout of {target.short} is not finished after {seconds:g} s: {progress.failed or progress.text}"
    return {"finished": progress.finished, "failed_because": progress.failed, "seconds": seconds, "says": [line]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
