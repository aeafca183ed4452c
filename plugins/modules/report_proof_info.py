#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_proof_info
short_description: Whether a report is what the record of its incident says
version_added: 0.1.0
description:
  - Hashes the evidence again, derives every statement, number and time of C(report.json), C(report.md) and C(report.html) again from the
    incident's record in the cluster, and names each that it cannot.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.incident
"""

EXAMPLES = r"""
- name: Verify a report
  sre.runbooks.report_proof_info:
    incident_id: INC-1234
    namespace: ai-development
"""

RETURN = r"""
problems:
  description: What could not be derived again, each named; empty where all of it could.
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
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _proof
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, INCIDENT_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **INCIDENT_SPEC,
}


def run(task: Task) -> Result:
    """Derive the report again."""
    p = task.params
    record = Incident.load(task.cluster(), p["namespace"], p["incident_id"])
    problems = _proof.problems(EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"]).root, record)
    return {"problems": problems, "says": problems or ["every statement of the report was derived again from the record"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
