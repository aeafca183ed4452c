#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_fullness_info
short_description: Watch until a pod is full enough that a look into its memory tells something
version_added: 0.1.0
description:
  - Where every container of a workload has only started, because what was full has died, a heap dump proves nothing and a restart repeats what
    the kernel has done. This watches, for a bounded time and while a pod serves, until one of them is at 60 % of its limit; at once where
    not all have only started.
  - Returns a command, too, that lets a JVM dump its heap by itself the next time that it runs out. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
options:
  metrics_port:
    description: Port of the pods' metrics, as M(sre.runbooks.memory_signals_info) takes it.
    type: str
    default: "9090"
  metrics_path:
    description: Path of the metrics.
    type: str
    default: /metrics
  warm_up_seconds:
    description: A container that started less than this ago, and is not full, has only started.
    type: float
    default: 60.0
  timeout:
    description: Seconds to watch at most.
    type: float
    default: 180.0
  interval:
    description: Seconds between two readings.
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- name: capture | Wait until a pod is full enough
  sre.runbooks.memory_fullness_info:
    namespace: ai-development
    workload: api-server
    timeout: 120
"""

RETURN = r"""
pod:
  description: The fullest pod, empty where none is full enough.
  type: str
  returned: success
seconds:
  description: For how long it was watched.
  type: float
  returned: success
command:
  description:
    - A patch of the workload that lets its JVM dump the heap into a volume when it runs out, with kubectl, for a person; empty where its
      options stand in another object or hold something secret.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _fresh, _signals
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _next_dump
from ansible_collections.sre.runbooks.plugins.module_utils._memory._signals import Source
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    "metrics_port": {"type": "str", "default": "9090"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "warm_up_seconds": {"type": "float", "default": 60.0},
    "timeout": {"type": "float", "default": 180.0},
    "interval": {"type": "float", "default": 5.0},
}


def run(task: Task) -> Result:
    """Watch."""
    p, cluster = task.params, task.cluster()
    target = Target.parse(p["namespace"], p["workload"])
    source = Source(target, p["container"], p["metrics_port"], p["metrics_path"], _signals.series_of({}))

    def read() -> tuple[str, list[Result]]:
        return cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ"), _signals.read_pods(cluster, source)

    watched = _fresh.watch(read, p["warm_up_seconds"], 0 if task.check_mode else p["timeout"], p["interval"], task.progress)
    workload = _workload.read(cluster, target)
    container = _workload.main_container(workload, p["container"], (), p["metrics_port"])
    return {"pod": watched.pod, "seconds": round(watched.seconds, 1), "command": _next_dump.command(target, workload, container), "says": [watched.says]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
