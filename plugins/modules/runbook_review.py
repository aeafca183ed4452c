#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_review
short_description: What each step of a runbook does, takes and lacks, and what could run at the same time
version_added: 0.1.0
description:
  - Reads an Ansible playbook, task file or role, or a Markdown document with shell blocks, anyone's. Nothing of it is run, and no
    template of it is evaluated.
  - Says of every step whether it reads, changes reversibly or irreversibly, destroys evidence, waits or asks a person; which steps it
    needs; how long it takes, with what that is based on; which checks it lacks; and which task could be used instead.
  - What does not parse or is in no table is said to be so, and never guessed. Secrets are removed from what is shown.
  - Writes C(review.md), C(review.html) and, of a Markdown document, C(playbook.yml) with the tasks that could be used instead.
  - Of a playbook or role, writes the files that have a command with such a task to C(rewritten/), where nothing reads what the command printed.
    Comments are lost in them, and what cannot be replaced for sure stays as it is.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
attributes:
  diff_mode:
    description: Its files are new ones, which are not compared.
    support: none
options:
  path:
    description: The runbook, on the host that runs the task, which needs Ansible for playbooks and roles.
    type: path
    required: true
  runs:
    description: Outputs of earlier runs with the callback C(ansible.posix.profile_tasks); what they measured replaces estimates.
    type: list
    elements: path
    default: []
  dest:
    description: Directory to write into; it is created.
    type: path
    default: review
requirements:
  - bashlex
"""

EXAMPLES = r"""
- name: Review a runbook
  sre.runbooks.runbook_review:
    path: docs/api-is-slow.md

- name: Review a role with the times of its last runs
  sre.runbooks.runbook_review:
    path: roles/memory_leak
    runs: [run-1.log, run-2.log]
    dest: review/memory_leak
"""

RETURN = r"""
review:
  description:
    - The steps, each with number, where, section, title, text, kind, needs, seconds (median, high and basis), missing (check, why, advice) and
      task; one_by_one, critical and saving in seconds; together, the numbers of steps that can run at the same time; unread and prose.
  type: dict
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

import pathlib

from ansible_collections.sre.runbooks.plugins.module_utils._learning import _files
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _report, _review, _rewrite
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "runs": {"type": "list", "elements": "path", "default": []},
    "dest": {"type": "path", "default": "review"},
}


def run(task: Task) -> Result:
    """Review, and write the report."""
    p = task.params
    found = _review.to_json(_review.review(p["path"], p["runs"]))
    made, kept = _rewrite.rewritten(pathlib.Path(p["path"])) if found["form"] != "Markdown" else ({}, [])
    found["unread"] += kept
    files = {"review.md": _report.markdown(found), "review.html": _report.page(found)}
    if found["form"] == "Markdown":
        files["playbook.yml"] = _report.playbook(found)
    files.update({f"rewritten/{name}": text for name, text in made.items()})
    changed, paths = _files.write(p["dest"], files, task.check_mode)
    return {"changed": changed, "review": found, "files": paths, "says": [*_report.says(found), *paths]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
