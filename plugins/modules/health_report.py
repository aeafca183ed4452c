#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Put the health of all clusters on one page
version_added: 0.1.0
description:
  - Takes what M(sre.runbooks.health_check_info) returned for each cluster, shows it as one table, the worst cluster first, and writes
    it to the controller as Markdown and as JSON.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
attributes:
  diff_mode:
    description: Writes reports only.
    support: none
options:
  results:
    description: The result of each cluster by its name; empty for one whose check did not run.
    type: dict
    required: true
  incidents_dir:
    description: Directory on the controller for the files, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  name:
    description: Name of the files without C(.md) and C(.json); C(health-) and the time at which the first cluster was asked when not set.
    type: str
  pending:
    description: Clusters that are still to be asked, in a play with C(serial); they are named and count for nothing.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check the health of the shop
  sre.runbooks.health_check_info:
    namespace: ai-development
  register: health

- name: Put all clusters on one page
  sre.runbooks.health_report:
    results: >-
      {{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars) | map(attribute='health', default={}))) }}
  run_once: true
"""

RETURN = r"""
verdict:
  description: The worst of all clusters.
  type: str
  returned: success
verdicts:
  description: The verdict of each cluster by its name.
  type: dict
  returned: success
page:
  description: The lines that the console shows, each with text and mood.
  type: list
  elements: dict
  returned: success
files:
  description: Paths of the Markdown and the JSON file, none in check mode.
  type: list
  elements: str
  returned: success
"""

import json
import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact, redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now, write_private
from ansible_collections.sre.runbooks.plugins.module_utils._health import _page
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    "results": {"type": "dict", "required": True},
    "incidents_dir": EVIDENCE_SPEC["incidents_dir"],
    "name": {"type": "str"},
    "pending": {"type": "list", "elements": "str", "default": []},
}
FACTS = ("verdict", "summary", "rows", "lacks", "at", "seconds")


def run(task: Task) -> Result:
    """Write the files, and return the page."""
    at = now()
    results = _page.complete({
        cluster: {fact: result[fact] for fact in FACTS if fact in result} for cluster, result in task.params["results"].items()})
    verdicts = {cluster: result["verdict"] for cluster, result in results.items()}
    outcome = _page.worst(results)
    files = []
    if not task.check_mode:
        stem = pathlib.Path(task.params["incidents_dir"]) / (task.params["name"] or f"health-{_for_file(_began(results) or at)}")
        document = {"at": at, "verdict": outcome, "verdicts": verdicts, "clusters": redact_object(results)}
        files = [write_private(stem.with_name(f"{stem.name}.md"), redact(_page.markdown(results, at))),
                 write_private(stem.with_name(f"{stem.name}.json"), json.dumps(document, indent=1) + "\n")]
    written = [{"text": f"  written to {' and '.join(map(str, files))}", "mood": "plain"}] if files else []
    pending = [{"text": f"  not looked at yet: {', '.join(sorted(task.params['pending']))}", "mood": "plain"}] if task.params["pending"] else []
    return {"verdict": outcome, "verdicts": verdicts, "page": [*_page.terminal(results), *pending, *written], "files": list(map(str, files))}


def _began(results: t.Mapping[str, Result]) -> str:
    """When the first cluster was asked: the same for each batch of a play, so that all of them write one page."""
    return min((result["at"] for result in results.values() if result.get("at")), default="")


def _for_file(at: str) -> str:
    return at.partition(".")[0].replace("-", "").replace(":", "") + "Z"


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
