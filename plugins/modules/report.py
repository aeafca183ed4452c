#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write the report of an incident in Markdown
version_added: 0.1.0
description:
  - Writes C(<incidents_dir>/<incident_id>/<cluster_name>/report.md) from the incident's record in the cluster, the
    manifest of its evidence and what the runbook found. Secrets are removed.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
attributes:
  diff_mode:
    description: The report is not a change to the application.
    support: none
options:
  incident_id:
    description: Id of the incident.
    type: str
    required: true
  incidents_dir:
    description: Where evidence and reports lie, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  namespace:
    description: Namespace of the incident's record.
    type: str
    required: true
  outcome:
    description: What came of it.
    type: str
    choices: [mitigated, contained, cleared, planned, not_mitigated, unknown, cooldown, failed]
    required: true
  before:
    description: Signals when the incident was detected.
    type: list
    elements: dict
    default: []
  after:
    description: Signals at the end.
    type: list
    elements: dict
    default: []
  diagnosis:
    description: Result of the diagnosing module.
    type: dict
    default: {}
  next_steps:
    description: What a person should do now.
    type: list
    elements: str
    default: []
  health_before:
    description: Rows of M(sre.runbooks.health_check_info) when the runbook began.
    type: list
    elements: dict
    default: []
  health_after:
    description: The same at its end.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: report | Write the report
  sre.runbooks.report:
    incident_id: INC-1234
    namespace: ai-development
    outcome: mitigated
    before: "{{ before.signals }}"
    after: "{{ after.signals }}"
"""

RETURN = r"""
report:
  description: Path of the report.
  type: str
  returned: outside check mode
evidence_dir:
  description: Directory of the evidence.
  type: str
  returned: outside check mode
outcome:
  description: What came of it.
  type: str
  returned: success
next_steps:
  description: What a person should do now.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _report
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import OUTCOMES, RECORDED
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "incident_id": {"type": "str", "required": True},
    "incidents_dir": {"type": "path", "default": "incidents"},
    "namespace": {"type": "str", "required": True},
    "outcome": {"type": "str", "required": True, "choices": RECORDED},
    "before": {"type": "list", "elements": "dict", "default": []},
    "after": {"type": "list", "elements": "dict", "default": []},
    "diagnosis": {"type": "dict", "default": {}},
    "next_steps": {"type": "list", "elements": "str", "default": []},
    "health_before": {"type": "list", "elements": "dict", "default": []},
    "health_after": {"type": "list", "elements": "dict", "default": []},
}


def run(task: Task) -> Result:
    """Write the report."""
    p = task.params
    result: Result = {"outcome": p["outcome"], "next_steps": p["next_steps"], "says": []}
    if task.check_mode:
        return result
    incident = Incident.load(task.cluster(), p["namespace"], p["incident_id"])
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    findings = _report.Findings(p["outcome"], p["before"], p["after"], p["diagnosis"], p["next_steps"],
                                p["health_before"], p["health_after"])
    path = store.write_document("report.md", _report.render(incident, p["cluster_name"], store.items(), findings))
    return {**result, "report": str(path), "evidence_dir": str(store.directory),
            "says": [OUTCOMES[p["outcome"]].says]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
