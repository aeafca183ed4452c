#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_signals_info
short_description: Measure the signals of a degraded authentication service, once or until they are clear
version_added: 0.1.0
description:
  - Reads the share of log-ins that succeed, the time that token validations take, the share of tokens that are refused, and
    how often the rate limit is hit, from all pods at once over a window. Reads only.
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
      - Port of the pods' Prometheus metrics.
      - A number or the name of a port, after C(https:) where it wants TLS, such as V(9090), V(metrics) or V(https:8443).
    type: str
    default: "9090"
  metrics_path:
    description: Path of the metrics.
    type: str
    default: /metrics
  series:
    description:
      - Names of series that stand for those of the presets (Keycloak and its metrics SPI, Dex, Ory Kratos and Hydra, and the demo
        shop, see docs/metrics.md). V(logins) is a counter whose label V(result_label) matches the regular expression V(ok) for a
        success and V(ignored) for what says nothing of the service; or V(succeeded) and V(failed) are two counters.
        V(validations) is the name of a histogram, V(rejected) the labels of refused tokens; V(rate_limit_hits) is a counter.
        Series are written as C(name{label=~"regex"}) with the operators C(=), C(!=), C(=~) and C(!~).
    type: dict
    default: {}
  rate_limit_pattern:
    description:
      - Regular expression of the log lines that the rate limit leaves; empty to read no log. A limit that counts by the minute
        may leave nothing in a short O(window), so the lines of the last minute count too.
    type: str
    default: rate limit exceeded
  since:
    description: Log lines before this time (ISO 8601) do not count.
    type: str
    default: ""
  window:
    description:
      - Seconds between the two readings of the counters.
      - Where log-ins fail but too few to judge, as with few users or when each of them waits for a time-out, it grows to six times
        as long at most.
    type: float
    default: 10.0
  login_success:
    description: Share of the log-ins that must succeed.
    type: float
    default: 0.95
  validation_seconds:
    description: 95th percentile of the time for a validation that counts as a signal.
    type: float
    default: 1.0
  tokens_rejected:
    description: Share of refused tokens that counts as a signal.
    type: float
    default: 0.05
  rate_limit_hits:
    description: Log-ins turned away by the rate limit in a minute that count as a signal.
    type: float
    default: 10.0
  baseline:
    description:
      - C(facts) of the reading before a change. Log-ins and accepted tokens have to be more than then, or a larger share, or nearly all, or the
        signal V(served) is breached.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: detect | Measure the signals of authentication
  sre.runbooks.auth_signals_info:
    namespace: ai-development
    workload: auth-service
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
  description: Of each pod in all its life logins, failed_share, validations, rejected_share and validation_seconds (mean).
  type: list
  elements: dict
  returned: success
facts:
  description: Of the window logins by result, login_success, validations, rejected_share, p95_seconds and rate_limit_hits.
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

from ansible_collections.sre.runbooks.plugins.module_utils._auth._signals import Source, Thresholds, measure, series_of
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import SIGNALS_SPEC, signals_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **SIGNALS_SPEC,
    "metrics_port": {"type": "str", "default": "9090"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "series": {"type": "dict", "default": {}},
    "rate_limit_pattern": {"type": "str", "default": "rate limit exceeded"},
    "since": {"type": "str", "default": ""},
    "window": {"type": "float", "default": 10.0},
    "login_success": {"type": "float", "default": 0.95},
    "validation_seconds": {"type": "float", "default": 1.0},
    "tokens_rejected": {"type": "float", "default": 0.05, "no_log": False},
    "rate_limit_hits": {"type": "float", "default": 10.0},
    "baseline": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Measure once, or until clear."""
    p, cluster = task.params, task.cluster()
    source = Source(Target.parse(p["namespace"], p["workload"]), p["container"], p["metrics_port"], p["metrics_path"], series_of(p["series"]),
                    p["window"], p["rate_limit_pattern"])
    thresholds = Thresholds(login_success=p["login_success"], validation_seconds=p["validation_seconds"],
                            tokens_rejected=p["tokens_rejected"], rate_limit_hits=p["rate_limit_hits"])
    return signals_result(task, lambda again: measure(cluster, source, thresholds, p["since"], p["baseline"]))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
