#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_proposal
short_description: Drafts of runbooks for kinds of incidents that have none
version_added: 0.1.0
description:
  - Groups the last incidents of a folder that have no runbook, by their type or by what they share, and says which share nothing.
  - For each kind writes a draft, C(NAME/runbook.md), with exact commands, checks, success criteria, durations and the way back, from the records;
    C(NAME/playbook.yml) with this collection's modules where there is one for a command, and a pause for a person where there is none;
    a role in this collection's own skeleton with its table of causes, stories, playbooks, alert rule and its test, and drill skeleton, under the
    collection's paths; and C(proposal.diff), all of it as a unified diff. What the records do not say is marked in them as such.
  - Only changes that ended an incident and can be taken back become commands. Each draft is reviewed as any runbook is, and replayed; each incident
    is held against what the others teach.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
attributes:
  diff_mode:
    description: Its files are new ones; C(proposal.diff) is among them.
    support: none
options:
  incidents:
    description: Folder of past incidents, see docs/learning.md.
    type: path
    required: true
  last:
    description: How many incidents are looked at, the newest.
    type: int
    default: 10
  known:
    description: Incident types that have a runbook.
    type: list
    elements: str
    default: [memory_leak, db_pool_exhaustion, auth_degradation, api_gateway_overload, crash_loop, data_inconsistency]
  dest:
    description: Directory to write into; it is created.
    type: path
    default: proposals
requirements:
  - bashlex
  - cel-expr-python
"""

EXAMPLES = r"""
- name: What the last ten incidents have no runbook for
  sre.runbooks.runbook_proposal:
    incidents: incidents/
"""

RETURN = r"""
proposals:
  description: Each with name, incidents, common, duration, replay (a line for each incident) and missing (what the review of the draft says).
  type: list
  elements: dict
  returned: success
alone:
  description: Incidents without a runbook that share too little with any other.
  type: list
  elements: str
  returned: success
problems:
  description: What could not be read.
  type: list
  elements: str
  returned: success
files:
  description: What was written, or would be.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import difflib

from ansible_collections.sre.runbooks.plugins.module_utils._learning import _files, _incidents
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _draft, _group, _learnt, _role
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _report, _review
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "incidents": {"type": "path", "required": True},
    "last": {"type": "int", "default": 10},
    "known": {"type": "list", "elements": "str", "default": [
        "memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "crash_loop", "data_inconsistency"]},
    "dest": {"type": "path", "default": "proposals"},
}


def run(task: Task) -> Result:
    """Group, draft, replay, and write."""
    p = task.params
    past, problems = _incidents.load(p["incidents"])
    newest = past[-max(1, p["last"]):]
    found, alone = _group.groups(newest, set(p["known"]))
    files: dict[str, str] = {}
    proposals = [_proposal(group, files) for group in found]
    files["proposal.diff"] = "".join(_added(name, text) for name, text in files.items())
    changed, paths = _files.write(p["dest"], files, task.check_mode)
    said = [f"{len(newest)} incidents, {len(found)} kinds without a runbook"]
    for one in proposals:
        said += [f"{one['name']}: {len(one['incidents'])} incidents, {one['duration']}", *(f"  replayed {line}" for line in one["replay"]),
                 *(f"  the draft lacks: {line}" for line in one["missing"])]
    said += [f"{', '.join(one.id for one in alone)}: nothing in common with any other"] if alone else []
    return {"changed": changed, "proposals": proposals, "alone": [one.id for one in alone], "problems": problems, "files": paths,
            "says": said + problems + paths}


def _proposal(group: _group.Group, files: "dict[str, str]") -> Result:
    """Draft one kind; its files are added to those that are written."""
    draft = _draft.markdown(group)
    reviewed = _review.to_json(_review.of_document(f"{group.name}.md", draft))
    files[f"{group.name}/runbook.md"] = draft
    files[f"{group.name}/playbook.yml"] = _report.playbook(reviewed)
    files.update(_role.files(group))
    return {"name": group.name, "incidents": [one.id for one in group.incidents], "common": list(group.common), "duration": _learnt.duration(group.incidents),
            "replay": _draft.replay(group), "missing": [f"{step['title']}: {one['check']}" for step in reviewed["steps"] for one in step["missing"]]
            + reviewed["unread"]}


def _added(name: str, text: str) -> str:
    return "".join(difflib.unified_diff([], text.splitlines(keepends=True), "/dev/null", f"b/{name}"))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
