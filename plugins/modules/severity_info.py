#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: severity_info
short_description: Compute how severe an incident is, and by when somebody must act
version_added: 0.1.0
description:
  - Computes P1 to P4 from the signals, from the verdict of the health check and from the target's ready pods.
  - P1 when none of the target's pods is ready. Otherwise the highest level one of whose rules applies; P3 when signals are
    breached and no rule applies, P4 when none is.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  signals:
    description: Signals as the modules that measure them return them, with name, value, breached, text and pods.
    type: list
    elements: dict
    default: []
  health_verdict:
    description: Verdict of M(sre.runbooks.health_check_info).
    type: str
    default: ""
  namespace:
    description: Namespace of the target; needed with O(workload).
    type: str
  workload:
    description: The target, whose ready pods are counted. Without it they are not taken into account.
    type: str
  level:
    description: This level, whatever is computed.
    type: str
    choices: [P1, P2, P3, P4]
  opened_at:
    description: When the incident was opened, ISO 8601, UTC; now when not set.
    type: str
  policy:
    description:
      - What to change in the policy, by level. C(signals) are rules of breached signals that make it that level, C(name),
        C(name<value) or C(name>value); C(verdicts) those of the health check; C(pods_share) the share of the target's pods with a
        breached signal.
      - C(respond_minutes) without a value is by the end of the next business day (UTC), C(escalate_minutes) without a value never.
      - By default P1 has 0 and 5 minutes, P2 15 and 30, P3 60 and 240, and P4 the next business day and no escalation.
    type: dict
    default: {}
seealso:
  - module: sre.runbooks.incident
"""

EXAMPLES = r"""
- name: Compute the severity of a memory leak
  sre.runbooks.severity_info:
    signals: [{name: oom_killed, value: 1, threshold: 1, breached: true, text: 1 of 3 pods OOMKilled, pods: [api-server-x]}]
    health_verdict: degraded
    namespace: ai-development
    workload: api-server
"""

RETURN = r"""
level:
  description: V(P1), V(P2), V(P3) or V(P4).
  type: str
  returned: success
computed:
  description: The level without O(level).
  type: str
  returned: success
why:
  description: What makes it that level, the weightiest first.
  type: list
  elements: str
  returned: success
respond_by:
  description: When somebody must have acknowledged the incident, ISO 8601, UTC.
  type: str
  returned: success
escalate_at:
  description: When it is escalated if nobody has, ISO 8601, UTC; empty for never.
  type: str
  returned: success
says:
  description: The level and why, in a line.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _severity
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "signals": {"type": "list", "elements": "dict", "default": []},
    "health_verdict": {"type": "str", "default": ""},
    "namespace": {"type": "str"},
    "workload": {"type": "str"},
    "level": {"type": "str", "choices": ["P1", "P2", "P3", "P4"]},
    "opened_at": {"type": "str"},
    "policy": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Assess, and set the deadlines."""
    p = task.params
    policy = _severity.merged(p["policy"])
    pods, ready = _target_pods(task) if p["workload"] else (None, None)
    found = _severity.assess(p["signals"], policy, p["health_verdict"], pods, ready)
    level = p["level"] or found.level
    why = list(found.why) if level == found.level else [f"set by hand; computed: {found.level}", *found.why]
    respond_by, escalate_at = _severity.deadlines(level, p["opened_at"] or now(), policy)
    return {"level": level, "computed": found.level, "why": why, "respond_by": respond_by, "escalate_at": escalate_at,
            "says": [f"{level}: {why[0]}; acknowledge by {respond_by}"]}


def _target_pods(task: Task) -> tuple[int, int]:
    """How many pods the target wants, and how many of its pods are ready."""
    cluster, p = task.cluster(), task.params
    if not p["namespace"]:
        raise InvalidInput(f"The namespace of {p['workload']} is not given.", "Set namespace beside workload.")
    workload = _workload.read(cluster, Target.parse(p["namespace"], p["workload"]))
    ready = sum(map(_workload.ready, _workload.pods(cluster, workload)))
    return max(workload["spec"].get("replicas", ready), ready), ready


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
