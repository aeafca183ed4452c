#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signal_history_info
short_description: Ask a Prometheus what the last days say of an incident's signals
version_added: 0.1.0
description:
  - Reads the same signals as the modules that read the pods directly, over days, from the HTTP API of Prometheus, Thanos, Mimir or
    VictoriaMetrics. Reads only.
  - Tells growth over days from a daily load, a nightly job, garbage collection and warming up, with its uncertainty and the time to the
    limit; since when a signal is over its threshold; and what is usual at this hour.
  - The history never fails a run. Where it cannot be had, RV(says) is why, and O(direct) is returned as it is.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  prometheus:
    description:
      - A URL, or C(NAMESPACE/NAME:PORT) of a service in the cluster, reached through the API server (C(NAMESPACE/https:NAME:PORT) for
        TLS); or a dict with C(url) or C(service), and what belongs to it, see docs/history.md.
      - As it may hold a token or a password, none of its values is shown where this runs as an ordinary module (on a bastion host).
      - Taken from the host variable C(runbooks_prometheus) when not set; without either nothing is asked.
    type: raw
  incident_type:
    description:
      - Whose signals; V(memory_leak), V(db_pool_exhaustion), V(auth_degradation), V(api_gateway_overload) and V(crash_loop) have some in metrics.
        For any other type nothing is asked and O(direct) is returned as it is.
    type: str
    required: true
  direct:
    description: What the module that reads the pods directly has returned; its signals are returned with what the history adds.
    type: dict
    default: {}
  known:
    description:
      - RV(history) as it was before a change. Then nothing is asked, because what is counted over minutes would still be that of before;
        RV(history_says) has the signals of O(direct) beside what is usual at this hour.
    type: list
    elements: dict
    default: []
  days:
    description: How far back.
    type: float
    default: 7.0
  step:
    description: Seconds between two points.
    type: float
    default: 300.0
  hours_to_limit:
    description: Growth over days that reaches the limit sooner than this counts as a signal.
    type: float
    default: 72.0
"""

EXAMPLES = r"""
- name: detect | What the history knows
  sre.runbooks.signal_history_info:
    prometheus: https://prometheus.example.com
    incident_type: memory_leak
    namespace: ai-development
    workload: api-server
    direct: "{{ measured }}"
  register: before

- name: One Prometheus in the cluster, which knows many clusters
  sre.runbooks.signal_history_info:
    prometheus:
      service: monitoring/thanos-query:9090
      labels:
        cluster: eu-west-1
    incident_type: db_pool_exhaustion
    namespace: ai-development
    workload: api-server
"""

RETURN = r"""
outcome:
  description: V(breached), V(healthy) or V(unknown), of O(direct) and the history together.
  type: str
  returned: success
signals:
  description: Those of O(direct), and growth over days; each with name, value, threshold, breached, text and pods.
  type: list
  elements: dict
  returned: success
history:
  description: Of each signal what the history says; now, since (and whether nothing older is known, before), usual, growth of each pod, and why_not.
  type: list
  elements: dict
  returned: success
history_says:
  description: Where the history comes from, or why there is none, or with O(known) what is as usual; empty where no Prometheus is named.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person - RV(history_says), and of the signals those lines that O(direct) did not say already.
  type: list
  elements: str
  returned: success
measured:
  description: All lines, those of O(direct) among them.
  type: list
  elements: str
  returned: success
evidence:
  description: File with the samples that were used, where there is an incident and a signal over its threshold.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._history import _review, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import HistoryError, Place, Prometheus
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "prometheus": {"type": "raw", "no_log": True},  # it may hold a token or a password
    "incident_type": {"type": "str", "required": True},
    "direct": {"type": "dict", "default": {}},
    "known": {"type": "list", "elements": "dict", "default": []},
    "days": {"type": "float", "default": 7.0},
    "step": {"type": "float", "default": 300.0},
    "hours_to_limit": {"type": "float", "default": 72.0},
}


def run(task: Task) -> Result:
    """Ask, and put what comes beside the direct reading."""
    p = task.params
    direct = {"outcome": "unknown", "signals": [], "says": [], **p["direct"]}
    nothing = {**direct, "changed": False, "history": [], "history_says": [], "evidence": [], "says": [], "measured": direct["says"]}
    rows = _table.of(p["incident_type"])
    if p["known"]:
        usual = _review.beside_the_usual(direct, p["known"], rows)
        return {**nothing, "history_says": usual, "says": usual}
    if not p["prometheus"] or not rows:
        return nothing
    prometheus = Prometheus(Place.parse(p["prometheus"]), task.cluster())
    thresholds = {signal["name"]: signal["threshold"] for signal in direct["signals"]}
    try:
        found = _review.look(prometheus, Target.parse(p["namespace"], p["workload"]), p["container"] or "", rows,
                             _review.Window(p["days"], p["step"]), thresholds)
    except HistoryError as error:
        line = f"no history: {error}"
        return {**nothing, "says": [line], "history_says": [line], "measured": [line, *direct["says"]]}
    result = _review.merged(direct, found, p["hours_to_limit"])
    told = [f"history: {p['days']:g} days of {prometheus.place.shown}"]
    told += [f"its clock is {prometheus.skew():+.0f} s from this one's; its own counts"] if prometheus.skew() else []
    told += [f"no history of {item.row.name}: {item.why_not}" for item in found if item.why_not]
    new = [line for line in result["says"] if line not in direct["says"]]
    return {**nothing, **result, "history": [_review.to_json(item) for item in found], "history_says": told, "says": told + new,
            "measured": told + result["says"], "evidence": _saved(task, result, found, prometheus)}


def _saved(task: Task, result: Result, found: list[_review.Found], prometheus: Prometheus) -> list[str]:
    """Keep what was used, once there is something to answer."""
    store = task.evidence() if result["outcome"] == "breached" else None
    if store is None:
        return []
    item = store.save_json("history.json", "history", f"Prometheus ({prometheus.place.shown})", _review.samples(found))
    return [str(store.path(item.name))]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
