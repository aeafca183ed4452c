#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_facts_info
short_description: Say what is known of a degraded authentication service, as facts
version_added: 0.1.0
description:
  - Makes facts of what was measured and captured, for M(sre.runbooks.diagnosis_info) with the table of causes C(auth_degradation), and asks
    the cluster who else reads a Secret or ConfigMap that has changed. What could not be read is a fact that is not known, with the reason.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the service.
    type: str
    required: true
  workload:
    description: The service's workload.
    type: str
    required: true
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
  window:
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
  store:
    description: What M(sre.runbooks.log_search_info) found of answers of Redis that refuse, its groups being the kinds of answers.
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
"""

EXAMPLES = r"""
- name: diagnose | What is known
  sre.runbooks.auth_facts_info:
    namespace: ai-development
    workload: auth-service
    signals: "{{ before.signals }}"
    pods: "{{ before.pods }}"
    window: "{{ before.facts }}"
  register: auth

- name: diagnose | Find the cause
  sre.runbooks.diagnosis_info:
    causes: ["{{ lookup('ansible.builtin.file', 'causes.yml') | from_yaml }}"]
    facts: "{{ auth.facts }}"
"""

RETURN = r"""
facts:
  description: Each fact with name, value, unit, source, known, and because where it is not known.
  type: list
  elements: dict
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._auth._facts import Measured, facts, read_workloads, tables, tell_readers
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet, facts_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str", "required": True},
    "signals": {"type": "list", "elements": "dict", "required": True},
    "pods": {"type": "list", "elements": "dict", "required": True},
    "window": {"type": "dict", "required": True},
    "revisions": {"type": "list", "elements": "dict", "default": []},
    "mounted": {"type": "list", "elements": "dict", "default": []},
    "rate_limit": {"type": "dict", "default": {}},
    "store": {"type": "dict", "default": {}},
    "usage": {"type": "list", "elements": "dict", "default": []},
    "health": {"type": "list", "elements": "dict", "default": []},
}


def run(task: Task) -> Result:
    """Make facts of what was captured."""
    p = task.params
    usage = [{**row, "cpu_limit": float(_quantity.parse(row["limits"]["cpu"])) if (row.get("limits") or {}).get("cpu") else None}
             for row in p["usage"]]
    found = Measured(p["signals"], p["pods"], p["window"], p["revisions"], p["mounted"], p["rate_limit"], p["store"], usage, p["health"],
                     datetime.datetime.now(datetime.timezone.utc))
    sheet = facts(found)
    sheet.known("in_namespace", p["namespace"])
    sheet.known("workload", p["workload"])
    _readers(task, sheet, found)
    return facts_result(sheet, tables(found))


def _readers(task: Task, sheet: FactSheet, found: Measured) -> None:
    """Only asked where something has changed."""
    if not found.stale:
        sheet.known("readers", [])
        return
    try:
        tell_readers(sheet, found, *read_workloads(task.cluster(), task.params["namespace"]))
    except ClusterError as error:
        sheet.unknown("readers", error.message)


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
