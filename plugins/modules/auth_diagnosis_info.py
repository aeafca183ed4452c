#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_diagnosis_info
short_description: Find the cause of a degraded authentication service among candidates
version_added: 0.1.0
description:
  - Weighs what was measured for and against each known cause - a bad release, a Secret that has changed since the pods started, a
    dependency that does not answer, a burst of log-ins, too few pods - and names the mitigation that fits the likeliest. Works on
    results of earlier tasks; asks no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  signals:
    description: The C(signals) of M(sre.runbooks.auth_signals_info).
    type: list
    elements: dict
    required: true
  pods:
    description: The C(pods) of M(sre.runbooks.auth_signals_info).
    type: list
    elements: dict
    required: true
  facts:
    description: The C(facts) of M(sre.runbooks.auth_signals_info).
    type: dict
    required: true
  revisions:
    description: The C(revisions) of M(sre.runbooks.rollout_history_info).
    type: list
    elements: dict
    default: []
  mounted:
    description: The C(mounted) of M(sre.runbooks.mounted_config_info).
    type: list
    elements: dict
    default: []
  rate_limit:
    description: What M(sre.runbooks.log_search_info) found about the rate limit, its groups being the clients.
    type: dict
    default: {}
  usage:
    description: The C(pods) of M(sre.runbooks.workload_snapshot_info).
    type: list
    elements: dict
    default: []
  health:
    description: The C(rows) of M(sre.runbooks.health_check_info), of which C(redis) and C(database) count.
    type: list
    elements: dict
    default: []
  recent_minutes:
    description: How old the release may be that an incident of now is laid to.
    type: float
    default: 120.0
"""

EXAMPLES = r"""
- name: diagnose | Find the cause
  sre.runbooks.auth_diagnosis_info:
    signals: "{{ before.signals }}"
    pods: "{{ before.pods }}"
    facts: "{{ before.facts }}"
    revisions: "{{ history.revisions }}"
    mounted: "{{ config.mounted }}"
    health: "{{ health.rows }}"
"""

RETURN = r"""
cause:
  description:
    - The likeliest cause, V(bad_release), V(stale_secret), V(dependency), V(login_burst), V(overload) or V(undetermined).
  type: str
  returned: success
who:
  description: The revision, Secret, dependency or client that it is about, empty when none stands out.
  type: str
  returned: success
recommendation:
  description: The mitigation that fits, V(rollback), V(restart), V(emergency) or V(scale); empty when a person must decide.
  type: str
  returned: success
candidates:
  description: Every cause, the likeliest first, with name, title, evidence_for, evidence_against and score.
  type: list
  elements: dict
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
fixes:
  description: What would prevent it for good.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._auth import _diagnosis
from ansible_collections.sre.runbooks.plugins.module_utils._auth._diagnosis import FIXES, Facts, who
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import diagnosis_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

try:
    from kubernetes.utils.quantity import parse_quantity
except ImportError:
    pass

ARGUMENT_SPEC = {
    "signals": {"type": "list", "elements": "dict", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "facts": {"type": "dict", "required": True},
    "revisions": {"type": "list", "elements": "dict", "default": []},
    "mounted": {"type": "list", "elements": "dict", "default": []},
    "rate_limit": {"type": "dict", "default": {}},
    "usage": {"type": "list", "elements": "dict", "default": []},
    "health": {"type": "list", "elements": "dict", "default": []},
    "recent_minutes": {"type": "float", "default": 120.0},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    require("kubernetes")
    p = task.params
    usage = [{**row, "cpu_limit": float(parse_quantity(row["limits"]["cpu"])) if (row.get("limits") or {}).get("cpu") else None}
             for row in p["usage"]]
    facts = Facts(p["signals"], p["pods"], p["facts"], p["revisions"], p["mounted"], p["rate_limit"], usage, p["health"],
                  p["recent_minutes"], datetime.datetime.now(datetime.timezone.utc))
    found = diagnosis_result(_diagnosis.diagnose(facts), _diagnosis.tables(facts))
    cause = found["cause"]
    return {**found, "who": who(facts, cause), "fixes": [FIXES[cause]] if cause in FIXES else []}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
