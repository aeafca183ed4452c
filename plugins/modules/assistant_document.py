#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: assistant_document
short_description: Have a language model phrase what was learnt from past work
version_added: 0.1.0
description:
  - Asks a language model about what M(sre.runbooks.runbook_proposal), M(sre.runbooks.runbook_review) or M(sre.runbooks.prediction) found, and writes
    C(assistant.md) with those of its sentences that hold, as M(sre.runbooks.assistant) does for an incident; the prompt and the answer lie beside it.
  - Whatever the model does, the task does not fail for it.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.assistant
attributes:
  diff_mode:
    description: Writes what a model says only.
    support: none
options:
  purpose:
    description: What is to be phrased; V(new_playbooks) of proposals, V(optimise) of a review, V(predict) of a prediction.
    type: str
    required: true
    choices: [new_playbooks, optimise, predict]
  document:
    description: What was found.
    type: dict
    required: true
  dest:
    description: Directory for the files.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Review a runbook
  sre.runbooks.runbook_review:
    path: roles/memory_leak
    dest: review
  register: reviewed

- name: Have a model phrase what was found
  sre.runbooks.assistant_document:
    purpose: optimise
    document: "{{ reviewed.review }}"
    dest: review
    assistant:
      kind: command
      command: [ollama, run, llama3.3]
"""

RETURN = r"""
files:
  description: What was written.
  type: list
  elements: str
  returned: outside check mode
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._checked import checked
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._facts import facts
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._options import ASSISTANT_SPEC, session
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._prompts import OF_DOCUMENT
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _files
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    **ASSISTANT_SPEC,
    "purpose": {"type": "str", "required": True, "choices": list(OF_DOCUMENT)},
    "document": {"type": "dict", "required": True},
    "dest": {"type": "path", "required": True},
}


def run(task: Task) -> Result:
    """Ask, check, and write."""
    p = task.params
    asked = session(p["assistant"])
    if task.check_mode:
        return {"says": []}
    known = facts(redact_object(p["document"]))
    answer = asked.ask(OF_DOCUMENT[p["purpose"]], known)
    wrote = checked(answer, known, p["purpose"], asked.model.shown, now())
    lines = [f"- {one.text} ({', '.join(one.refs)})" for one in wrote.sentences]
    changed, paths = _files.write(p["dest"], {
        "assistant.md": "\n".join([f"# By a language model: {wrote.purpose}", "", wrote.says, *([""] if lines else []), *lines]) + "\n",
        "assistant.prompt.txt": answer.prompt, "assistant.answer.txt": answer.raw}, False)
    return {"changed": changed, "files": paths, "says": [wrote.says, *paths]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
