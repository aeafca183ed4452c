#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis_info
short_description: Find the cause of an incident - facts in, verdicts out
version_added: 0.1.0
description:
  - Judges every cause of one or more tables by facts that earlier tasks have gathered. Each cause is V(established), V(likely),
    V(possible), V(not_to_be_told) or V(excluded); a fact that is not known counts neither for nor against.
  - Names the change that fits, with its values computed from the facts, and the one fact that would decide where none is
    established. Asks no cluster.
  - A table that does not fit is refused with the place of what is wrong.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  causes:
    description:
      - Tables of causes, as in C(roles/<type>/files/causes.yml). A later table adds facts, thresholds, mitigations and causes to
        the earlier ones, and overrides those of the same name key by key.
    type: list
    elements: dict
    required: true
  facts:
    description:
      - What is known, each fact with C(name), C(value), C(unit), C(source), and C(because) where it is not known, as the modules that
        gather facts return them. Of two facts with one name the later counts.
    type: list
    elements: dict
    required: true
  thresholds:
    description: Values that replace those of the tables' thresholds, by name.
    type: dict
    default: {}
requirements:
  - python >= 3.11
  - cel-expr-python
"""

EXAMPLES = r"""
- name: diagnose | Find the cause
  sre.runbooks.diagnosis_info:
    causes:
      - "{{ lookup('ansible.builtin.file', 'causes.yml') | from_yaml }}"
      - "{{ lookup('ansible.builtin.file', playbook_dir ~ '/our-causes.yml') | from_yaml }}"
    facts: "{{ crash.facts }}"
    thresholds:
      short_life: 20
"""

RETURN = r"""
cause:
  description: Of the causes that hold the one that does most harm, or V(undetermined).
  type: str
  returned: success
verdict:
  description: How sure that is, V(established), V(likely), or V(not_to_be_told) where no cause holds.
  type: str
  returned: success
who:
  description: The object, client or dependency that it is about; empty where the table names none.
  type: str
  returned: success
recommendation:
  description: The action of O(ignore:mitigation); empty when a person must decide.
  type: str
  returned: success
mitigation:
  description: The change that fits, with action, values (computed from the facts) and cause; empty where none fits.
  type: dict
  returned: success
no_mitigation:
  description: Why a change that belongs to a cause may not be made.
  type: list
  elements: str
  returned: success
comes_back:
  description: When the cause harms again although its mitigation was made, in words; empty where the mitigation removes it.
  type: str
  returned: success
candidates:
  description:
    - Every cause that is not ruled out, and those that a sentence rules out; those that hold first, in the order of harm. Each has name,
      title (with the verdict before it), cause_title, verdict, harm, recommendation, evidence_for and evidence_against.
  type: list
  elements: dict
  returned: success
verdicts:
  description: The verdict of every cause by its name.
  type: dict
  returned: success
hand_over:
  description: What belongs to another type of incident, each with cause, incident and command.
  type: list
  elements: dict
  returned: success
missing:
  description: The one fact that would decide, with fact, means, cause and because (why it is not known); empty where a cause is established.
  type: dict
  returned: success
advice:
  description: What a person should do about the causes that hold, each with the command for it.
  type: list
  elements: str
  returned: success
fixes:
  description: What would prevent it for good.
  type: list
  elements: str
  returned: success
tables:
  description: The facts that were asked for, as a table for the report, with title, header and rows.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "causes": {"type": "list", "elements": "dict", "required": True},
    "facts": {"type": "list", "elements": "dict", "required": True},
    "thresholds": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Judge every cause."""
    rules = _rules.load(task.params["causes"], task.params["thresholds"])
    return _verdict.diagnose(rules, _facts.parse(task.params["facts"]))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
