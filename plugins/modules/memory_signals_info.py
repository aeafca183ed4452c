#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_signals_info
short_description: Measure the signals of a memory leak, once or until they are clear
version_added: 0.1.0
description:
  - Reads OOM kills, evictions, memory against limits, the heap's old generation, growth over time and garbage
    collection pauses of every pod of a workload, all pods at once. Reads only.
  - With O(until_clear) it measures until nothing has been over its threshold for O(sustained) seconds.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.signals
options:
  since:
    description: OOM kills and evictions before this time (ISO 8601, UTC) do not count.
    type: str
  window_minutes:
    description: How far back OOM kills and evictions count when O(since) is not set.
    type: int
    default: 60
  observe:
    description: Seconds to watch growth and pauses, spent only when nothing is over its threshold at first sight.
    type: float
    default: 15.0
  metrics_port:
    description:
      - Port of the pods' Prometheus metrics, reached through the API server; V(0) when they have none.
      - A number or the name of a port, after C(https:) where it wants TLS, such as V(9090), V(metrics) or V(https:8443).
    type: str
    default: "9090"
  metrics_path:
    description: Path of the metrics.
    type: str
    default: /metrics
  series:
    description:
      - Which series to read for V(old_used), V(old_max), V(heap_used), V(heap_max), V(rss) (bytes) and V(gc_seconds), each a list
        tried in order, written as C(name{label=~"regex"}) with the operators C(=), C(!=), C(=~) and C(!~). They stand for the
        built-in lists, which know Micrometer, the Prometheus Java client, the JMX exporter, OpenTelemetry, and what Go, Node.js,
        .NET and Python say, see docs/metrics.md.
    type: dict
    default: {}
  near_limit:
    description: Share of the container's memory limit in use that counts as a signal.
    type: float
    default: 0.9
  heap_full:
    description: Share of what old objects may take (with some collectors less than the heap) that counts as a signal.
    type: float
    default: 0.85
  minutes_to_limit:
    description: Growth that reaches the maximum within this many minutes counts as a signal.
    type: float
    default: 30.0
  gc_share:
    description: Share of time in garbage collection pauses that counts as a signal.
    type: float
    default: 0.1
"""

EXAMPLES = r"""
- name: detect | Measure the memory signals
  sre.runbooks.memory_signals_info:
    namespace: ai-development
    workload: api-server
  register: before

- name: verify | Measure until they are clear
  sre.runbooks.memory_signals_info:
    namespace: ai-development
    workload: api-server
    since: "2026-11-23T03:04:05Z"
    until_clear: true
"""

RETURN = r"""
outcome:
  description:
    - V(breached), V(healthy), or V(unknown) when not every pod could be measured; with O(until_clear) V(mitigated),
      V(not_mitigated) or V(unknown).
  type: str
  returned: success
signals:
  description: Each signal with name, value, threshold, breached, text and pods.
  type: list
  elements: dict
  returned: success
pods:
  description: What was read of each pod; bytes and seconds.
  type: list
  elements: dict
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import SIGNALS_SPEC, Reading, signals_result
from ansible_collections.sre.runbooks.plugins.module_utils._memory._signals import Source, Thresholds, measure, series_of
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **SIGNALS_SPEC,
    "since": {"type": "str"},
    "window_minutes": {"type": "int", "default": 60},
    "observe": {"type": "float", "default": 15.0},
    "metrics_port": {"type": "str", "default": "9090"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "series": {"type": "dict", "default": {}},
    "near_limit": {"type": "float", "default": 0.9},
    "heap_full": {"type": "float", "default": 0.85},
    "minutes_to_limit": {"type": "float", "default": 30.0},
    "gc_share": {"type": "float", "default": 0.1},
}


def run(task: Task) -> Result:
    """Measure once, or until clear."""
    cluster = task.cluster()
    earlier: list[Result] = []

    def again_or_once(again: bool) -> Reading:
        reading = _measure(task, cluster, 0 if again else task.params["observe"], earlier)
        if again and not earlier:
            earlier.extend(reading.pods)
        return reading

    return signals_result(task, again_or_once)


def _measure(task: Task, cluster: Cluster, observe: float, earlier: list[Result]) -> Reading:
    p = task.params
    source = Source(Target.parse(p["namespace"], p["workload"]), p["container"], p["metrics_port"], p["metrics_path"],
                    series_of(p["series"]))
    thresholds = Thresholds(near_limit=p["near_limit"], heap_full=p["heap_full"],
                            minutes_to_limit=p["minutes_to_limit"], gc_share=p["gc_share"])
    return measure(cluster, source, thresholds, p["since"] or _minutes_ago(cluster, p["window_minutes"]), observe, earlier)


def _minutes_ago(cluster: Cluster, minutes: int) -> str:
    """By the cluster's clock, as the times that it is compared with."""
    moment = cluster.now() - datetime.timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
