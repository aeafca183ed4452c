#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write the report of an incident as Markdown, JSON and an HTML page
version_added: 0.1.0
description:
  - Writes C(report.md), C(report.json) and C(report.html) into C(<incidents_dir>/<incident_id>/<cluster_name>/), from the incident's record in
    the cluster alone; what the runbook found and the manifest of the evidence are put into the record first. Secrets are removed.
  - Without O(outcome) the report is written again from what the record holds, on any controller and at any time.
  - With O(outcome) it also tries, without writing, whether every reversible change could be taken back now, and says so in the report.
  - At the end every statement is derived again, as M(sre.runbooks.report_proof_info) does.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.incident
attributes:
  diff_mode:
    description: The report is not a change to the application.
    support: none
options:
  outcome:
    description: What came of it; without it the report is written again as the record says.
    type: str
    choices: [mitigated, mitigated_for_now, contained, cleared, planned, not_mitigated, unknown, cooldown, failed]
  impact:
    description: What is known of customers, each with C(question), C(answer) and C(how) (how the answer was obtained).
    type: list
    elements: dict
    default: []
  pdf:
    description: Write C(report.pdf), too; needs Chromium or a browser like it on the host that runs the task, and is refused where there is none.
    type: bool
    default: false
  graph:
    description: Which workload needs which, as M(sre.runbooks.change_correlation_info) returns it.
    type: list
    elements: dict
    default: []
  changed:
    description: What changed around the workload, as RV(sre.runbooks.change_correlation_info#module:timeline) returns it; what others did is kept.
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
    diagnosis: "{{ diagnosis }}"

- name: Write the report again, on another controller
  sre.runbooks.report:
    incident_id: INC-1234
    namespace: ai-development
"""

RETURN = r"""
report:
  description: Path of the report in Markdown.
  type: str
  returned: outside check mode
html:
  description: Path of the report as an HTML page.
  type: str
  returned: outside check mode
pdf:
  description: Path of the report as PDF.
  type: str
  returned: with O(pdf), outside check mode
document:
  description: Path of the report as JSON, by docs/schema/incident.json.
  type: str
  returned: outside check mode
problems:
  description: What could not be derived again from the record, each named.
  type: list
  elements: str
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

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, now
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import RECORDED, says
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _undo
from ansible_collections.sre.runbooks.plugins.module_utils._report import _pdf, _proof, _timeline
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, INCIDENT_SPEC, Result, Task, run_module

#: what the record keeps of a run's findings
FINDINGS = ("outcome", "diagnosis", "next_steps", "impact", "graph", "health_before", "health_after")

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **INCIDENT_SPEC,
    "outcome": {"type": "str", "choices": RECORDED},
    "changed": {"type": "list", "elements": "dict", "default": []},
    "diagnosis": {"type": "dict", "default": {}},
    "next_steps": {"type": "list", "elements": "str", "default": []},
    "impact": {"type": "list", "elements": "dict", "default": []},
    "pdf": {"type": "bool", "default": False},
    "graph": {"type": "list", "elements": "dict", "default": []},
    "health_before": {"type": "list", "elements": "dict", "default": []},
    "health_after": {"type": "list", "elements": "dict", "default": []},
}


def run(task: Task) -> Result:
    """Put the findings into the record, and write the report from it."""
    p = task.params
    if task.check_mode:
        return {"outcome": p["outcome"] or "", "next_steps": p["next_steps"], "says": []}
    browser = _pdf.browser() if p["pdf"] else ""
    cluster = task.cluster()
    incident = Incident.load(cluster, p["namespace"], p["incident_id"])
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    if p["outcome"]:
        items = [dataclasses.asdict(item) for item in store.items() if item.kind != _proof.RECORD_KIND]
        incident.found({**{name: p[name] for name in FINDINGS}, "changed": _timeline.by_others(p["changed"]),
                        "rehearsal": _undo.rehearse(cluster, incident)}, items)
    report = _proof.derive(incident, p["cluster_name"], now())
    paths = _proof.save(store, incident, report)
    document, problems = report.document, _proof.compare(store.root, report)
    printed = {"pdf": str(_pdf.write(paths[_proof.PAGE], store.root / "report.pdf", browser))} if browser else {}
    return {"outcome": document.outcome, "next_steps": list(document.next_steps), "report": str(paths[_proof.TEXT]), "html": str(paths[_proof.PAGE]),
            "document": str(paths[_proof.REPORT]), **printed, "evidence_dir": str(store.directory), "problems": problems,
            "says": [says(document.outcome), *problems]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
