#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_signals_info
short_description: Measure the signals of an exhausted connection pool, once or until they are clear
version_added: 0.1.0
description:
  - Reads the connection pool of every replica at once through its metrics (connections in use, requests that wait), the
    requests that were given no connection from metrics and log, and the 95th percentile of the response time. Reads only.
  - What holds only for a blink does not count - in use and waiting are the lower of two readings.
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
      - Port of the pods' Prometheus metrics, reached through the API server.
      - A number or the name of a port, after C(https:) where it wants TLS, such as V(9090), V(metrics) or V(https:8443).
    type: str
    default: "9090"
  metrics_path:
    description: Path of the metrics.
    type: str
    default: /metrics
  series:
    description:
      - Which series to read for V(active), V(idle), V(pending), V(max) (gauges), V(timeouts) and V(waited) (counters of requests
        that got no connection, and of those that had to wait, which is read where there is no V(pending)), each a list tried
        in order, written as C(name{label=~"regex"}) with the operators C(=), C(!=), C(=~) and C(!~). They stand for the presets of
        HikariCP (Micrometer and its own tracker), Agroal, OpenTelemetry, pgxpool, Go's database/sql, c3p0, DBCP2, Tomcat, Spring,
        SQLAlchemy, node-postgres, pgbouncer's exporter and C(db_connections_*); docs/metrics.md shows each.
    type: dict
    default: {}
  histogram:
    description: Name of the histogram of response times in seconds, empty for none.
    type: str
    default: http_server_requests_seconds
  timeout_pattern:
    description: Regular expression of the log lines of a request that was given no connection; a built-in one when not set.
    type: str
  log_seconds:
    description: How far back the log is read for them.
    type: float
    default: 60.0
  since:
    description: Log lines before this time (ISO 8601) do not count.
    type: str
    default: ""
  window:
    description: Seconds between the two readings of the metrics.
    type: float
    default: 3.0
  near_capacity:
    description: Share of a replica's connections in use that counts as a signal.
    type: float
    default: 0.9
  timeouts:
    description: Requests without a connection that count as a signal.
    type: float
    default: 1.0
  response_seconds:
    description: 95th percentile of the response time that counts as a signal.
    type: float
    default: 5.0
  baseline:
    description:
      - C(facts) of the reading before a change. Customers have to be served better than then, or well, or the signal V(served) is breached.
        Probes do not count.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: detect | Measure the pool
  sre.runbooks.pool_signals_info:
    namespace: ai-development
    workload: api-server
  register: before
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
  description: Of each pod active, pending, idle, max and timeouts.
  type: list
  elements: dict
  returned: success
facts:
  description:
    - Of the window served_per_second, served_share (of the requests that end as no 5xx) and served_seconds; empty where O(histogram) does not
      tell what became of requests.
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
from ansible_collections.sre.runbooks.plugins.module_utils._pool._signals import (
    TIMEOUT_PATTERN, Source, Thresholds, measure, series_of)
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **SIGNALS_SPEC,
    "metrics_port": {"type": "str", "default": "9090"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "series": {"type": "dict", "default": {}},
    "histogram": {"type": "str", "default": "http_server_requests_seconds"},
    "timeout_pattern": {"type": "str"},
    "log_seconds": {"type": "float", "default": 60.0},
    "since": {"type": "str", "default": ""},
    "window": {"type": "float", "default": 3.0},
    "near_capacity": {"type": "float", "default": 0.9},
    "timeouts": {"type": "float", "default": 1.0},
    "response_seconds": {"type": "float", "default": 5.0},
    "baseline": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Measure once, or until clear."""
    p, cluster = task.params, task.cluster()
    source = Source(Target.parse(p["namespace"], p["workload"]), p["container"], p["metrics_port"], p["metrics_path"],
                    series_of(p["series"]), p["histogram"], p["timeout_pattern"] or TIMEOUT_PATTERN,
                    p["log_seconds"], p["window"])
    thresholds = Thresholds(p["near_capacity"], p["timeouts"], p["response_seconds"])
    return signals_result(task, lambda again: measure(cluster, source, thresholds, p["since"], p["baseline"]))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
