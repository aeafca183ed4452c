#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_overview
short_description: Put the reports of an incident that spans several clusters on one page
version_added: 0.1.0
description:
  - Reads the C(report.json) that M(sre.runbooks.report) wrote for each cluster, and writes C(report.md) and C(report.html) of all of them, with one
    timeline, into C(<incidents_dir>/<incident_id>/). Writes nothing where fewer than two clusters have the incident.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
attributes:
  diff_mode:
    description: Writes reports only.
    support: none
options:
  incident_id:
    description: The incident.
    type: str
    required: true
  reports:
    description: Path of each cluster's C(report.json) by the cluster's name; empty for one that does not have the incident.
    type: dict
    required: true
  incidents_dir:
    description: Directory on the controller for the files, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
"""

EXAMPLES = r"""
- name: Write the report of each cluster
  sre.runbooks.report:
    incident_id: INC-1234
    namespace: ai-development
  register: written

- name: Put all clusters on one page
  sre.runbooks.report_overview:
    incident_id: INC-1234
    reports: >-
      {{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars) | map(attribute='written')
              | map(attribute='document', default=''))) }}
  run_once: true
"""

RETURN = r"""
files:
  description: Paths of the Markdown file and of the page; none in check mode, and where fewer than two clusters have the incident.
  type: list
  elements: str
  returned: success
"""

import json
import pathlib

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import write_private
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import check_id
from ansible_collections.sre.runbooks.plugins.module_utils._report import _overview
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    "incident_id": {"type": "str", "required": True},
    "reports": {"type": "dict", "required": True},
    "incidents_dir": EVIDENCE_SPEC["incidents_dir"],
}


def run(task: Task) -> Result:
    """Write both files."""
    p = task.params
    paths = {cluster: path for cluster, path in sorted(p["reports"].items()) if path}
    if task.check_mode or len(paths) < 2:
        return {"files": []}
    try:
        reports = {cluster: json.loads(pathlib.Path(path).read_text()) for cluster, path in paths.items()}
    except (OSError, ValueError) as error:
        raise InvalidInput(f"A report cannot be read: {error}.", "incident/report.yml writes it again.") from error
    home = pathlib.Path(p["incidents_dir"]) / check_id(p["incident_id"])
    files = {"report.md": _overview.markdown(p["incident_id"], reports), "report.html": _overview.page(p["incident_id"], reports)}
    return {"files": [str(write_private(home / name, redact(text))) for name, text in files.items()]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
