#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_signals_info
short_description: Measure the signals of a gateway's overload, once or until they are clear
version_added: 0.1.0
description:
  - Reads the share of failed requests (all and by route), the request queue and its growth, each pod's CPU against its
    limit, throttling, and the 95th percentile of the response time, from all pods at once over a window. Reads only.
  - Requests that the gateway refuses on purpose are not failures - a rate limit's 429 never counts, and the 503 of shed
    routes or an open circuit do not count where the metrics tell them from others (C(intended) of O(series)). Nginx
    answers 503 when its rate limit is hit, unless C(limit-req-status-code) is 429.
  - Throttling comes from the nodes' cAdvisor through the API server. That needs get on C(nodes/proxy), which allows
    much more, so it is in none of our Roles; without it throttling is said not to be measured. Nodes sample it every 10
    to 15 seconds, so O(window) must be longer than that.
  - With O(until_clear) it measures until nothing has been over its threshold for O(sustained) seconds.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.signals
options:
  metrics_port:
    description:
      - Port of the pods' Prometheus metrics; V(10254) for nginx, V(15020) for Istio, V(9901) for Envoy.
      - A number or the name of a port, after C(https:) where it wants TLS, such as V(9090), V(metrics) or V(https:8443).
    type: str
    default: "9090"
  metrics_path:
    description: Path of the metrics; V(/stats/prometheus) for Istio and Envoy.
    type: str
    default: /metrics
  preset:
    description: Whose series to read; V(auto) takes the first that the pods have.
    type: str
    choices: [auto, shop, nginx, istio, envoy, traefik, traefik_entrypoints, haproxy, kong, spring_cloud_gateway]
    default: auto
  series:
    description:
      - Replaces names of the preset. V(requests) and V(intended) are counters, V(queue) a gauge, V(cpu_seconds) a
        counter, written as C(name{label=~"regex"}); V(duration) is the name of a histogram, V(served) the labels of
        what was answered, and V(duration_scale) how many seconds its unit is. V(status_label) and V(route_label) are
        labels of the requests. Empty for what there is not.
    type: dict
    default: {}
  bad_statuses:
    description: Regular expression of the statuses that count as failed.
    type: str
    default: 50[234]
  window:
    description: Seconds between the two readings of the counters.
    type: float
    default: 5.0
  error_share:
    description: Share of failed requests that counts as a signal.
    type: float
    default: 0.05
  queue_length:
    description: Requests waiting in one pod that count as a signal.
    type: float
    default: 50.0
  queue_growth:
    description: Growth of all queues together in the window that counts as a signal.
    type: float
    default: 20.0
  cpu_share:
    description: Share of a pod's CPU limit in use that counts as a signal.
    type: float
    default: 0.9
  throttled_share:
    description: Share of the scheduler's periods in which a pod is stopped that counts as a signal.
    type: float
    default: 0.5
  response_seconds:
    description: 95th percentile of the response time that counts as a signal.
    type: float
    default: 2.0
  baseline:
    description:
      - C(facts) of the reading before a change, with C(usual_per_second) where that is known. Customers have to be served better than then,
        or well, or the signal V(served) is breached; what is refused on purpose is not served.
      - With C(given_up), prefixes of routes that were shed for the others' sake, only the others are compared.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: detect | Measure the gateway's signals
  sre.runbooks.gateway_signals_info:
    namespace: ai-development
    workload: api-gateway
  register: before

- name: verify | Measure until they are clear
  sre.runbooks.gateway_signals_info:
    namespace: ai-development
    workload: api-gateway
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
  description: Of each pod cpu and cpu_limit (cores), cpu_share, throttled_share, queue_before and queue.
  type: list
  elements: dict
  returned: success
facts:
  description:
    - Of the window requests, errors, intended, error_share, per_second, served_per_second, served_share, p95_seconds, routes and preset.
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import SIGNALS_SPEC, signals_result
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._signals import PRESETS, Source, Thresholds, measure, series_of
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **SIGNALS_SPEC,
    "metrics_port": {"type": "str", "default": "9090"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "preset": {"type": "str", "choices": ["auto", *PRESETS], "default": "auto"},
    "series": {"type": "dict", "default": {}},
    "bad_statuses": {"type": "str", "default": "50[234]"},
    "window": {"type": "float", "default": 5.0},
    "error_share": {"type": "float", "default": 0.05},
    "queue_length": {"type": "float", "default": 50.0},
    "queue_growth": {"type": "float", "default": 20.0},
    "cpu_share": {"type": "float", "default": 0.9},
    "throttled_share": {"type": "float", "default": 0.5},
    "response_seconds": {"type": "float", "default": 2.0},
    "baseline": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Measure once, or until clear."""
    p, cluster = task.params, task.cluster()
    source = Source(Target.parse(p["namespace"], p["workload"]), p["container"], p["metrics_port"], p["metrics_path"],
                    p["preset"], series_of(p["series"]), p["bad_statuses"], p["window"])
    thresholds = Thresholds(
        error_share=p["error_share"], queue_length=p["queue_length"], queue_growth=p["queue_growth"],
        cpu_share=p["cpu_share"], throttled_share=p["throttled_share"], response_seconds=p["response_seconds"])
    return signals_result(task, lambda again: measure(cluster, source, thresholds, p["baseline"]))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
