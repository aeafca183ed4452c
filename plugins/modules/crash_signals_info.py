#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crash_signals_info
short_description: Measure whether a workload comes up and stays up, once or until it does
version_added: 0.1.0
description:
  - Reads a Deployment, StatefulSet or DaemonSet, its own pods (by their owner) and their events, and tells containers that crash or end
    (slow crashes too, which never show C(CrashLoopBackOff)), are killed by probes, fail to initialise, have no image, no configuration or
    no start, pods without a node, volumes or network, evicted ones, refused ones, and a rollout past its progress deadline. Reads only.
  - A pod that is merely starting is no signal.
  - With O(until_clear) it measures until every pod of the current revision has been ready, and none of its containers has ended since
    O(since), for O(sustained) seconds.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.signals
options:
  since:
    description: What ended before this time (ISO 8601, UTC) does not count.
    type: str
  window_minutes:
    description: How far back ends and kills count when O(since) is not set.
    type: int
    default: 60
  grace:
    description: Seconds that a pod may wait for a node; twice as long for its volumes and its network.
    type: float
    default: 60.0
  restarts:
    description: Restarts of one container that are still no signal while it is ready. Not so with O(until_clear), where each end counts.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: detect | Measure whether it comes up
  sre.runbooks.crash_signals_info:
    namespace: ai-development
    workload: api-server
  register: before

- name: verify | Measure until all replicas are ready and stay so
  sre.runbooks.crash_signals_info:
    namespace: ai-development
    workload: statefulset/orders
    since: "2026-11-23T03:04:05Z"
    until_clear: true
    sustained: 60
"""

RETURN = r"""
outcome:
  description:
    - V(breached), V(healthy), or V(unknown) when the events could not be read; with O(until_clear) V(mitigated), V(not_mitigated) or
      V(unknown).
  type: str
  returned: success
signals:
  description: Each signal with name, value, threshold, breached, text and pods.
  type: list
  elements: dict
  returned: success
pods:
  description: Each pod with pod, node, ready, current (whether it has the current revision), phase, restarts and containers.
  type: list
  elements: dict
  returned: success
facts:
  description: How many pods are desired, and the hash of the current revision.
  type: dict
  returned: success
at:
  description: Time of the last reading.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _look
from ansible_collections.sre.runbooks.plugins.module_utils._crash._signals import Limits, measure
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import SIGNALS_SPEC, Reading, signals_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **SIGNALS_SPEC,
    "since": {"type": "str"},
    "window_minutes": {"type": "int", "default": 60},
    "grace": {"type": "float", "default": 60.0},
    "restarts": {"type": "int", "default": 2},
}


def run(task: Task) -> Result:
    """Measure once, or until clear."""
    p, cluster = task.params, task.cluster()
    target, limits = Target.parse(p["namespace"], p["workload"]), Limits(p["grace"], p["restarts"])
    since = p["since"] or _minutes_ago(p["window_minutes"])

    def one(again: bool) -> Reading:
        return measure(_look.take(cluster, target, p["container"]), limits, since, again)

    return signals_result(task, one)


def _minutes_ago(minutes: int) -> str:
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
