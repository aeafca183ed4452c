#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_diagnosis_info
short_description: How data became inconsistent
version_added: 0.1.0
description:
  - Holds what the consistency checks counted, what a repair from the audit log would do, and what the database's catalog says (constraints
    that are not valid, triggers that are off, migrations, prepared transactions, damaged pages) against a table of causes.
  - Reads the catalog and the sampled rows' transactions in one read-only session. What is refused there is not known, and counts for nothing.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.attributes.info
options:
  causes:
    description: Tables of causes, as M(sre.runbooks.diagnosis_info) takes them.
    type: list
    elements: dict
    required: true
  thresholds:
    description: Values that replace those of the tables' thresholds, by name.
    type: dict
    default: {}
  findings:
    description: As M(sre.runbooks.data_consistency_info) returns them.
    type: list
    elements: dict
    required: true
  repair:
    description: As M(sre.runbooks.data_repair) returns it.
    type: dict
    default: {}
  rules_files:
    description: Files with the rules that were checked; the built-in ones when empty.
    type: list
    elements: path
    default: []
  rules:
    description: Further rules.
    type: list
    elements: dict
    default: []
  activity:
    description: As M(sre.runbooks.write_activity_info) returns it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: diagnose | How it came about
  sre.runbooks.data_diagnosis_info:
    namespace: ai-development
    causes: "{{ query('ansible.builtin.file', 'causes.yml') | map('from_yaml') }}"
    findings: "{{ scope.findings }}"
    repair: "{{ plan }}"
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
facts:
  description: What was known, each fact with name, value, unit, source, known, and because where it is not known.
  type: list
  elements: dict
  returned: success
recommendation:
  description: V(repair) where the audit log can mend it, or empty.
  type: str
  returned: success
candidates:
  description: Every cause that is not ruled out, as M(sre.runbooks.diagnosis_info) returns them.
  type: list
  elements: dict
  returned: success
verdicts:
  description: The verdict of every cause by its name.
  type: dict
  returned: success
missing:
  description: The one fact that would decide, as M(sre.runbooks.diagnosis_info) returns it.
  type: dict
  returned: success
advice:
  description: What a person should do about the causes that hold.
  type: list
  elements: str
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
fixes:
  description: What would prevent it for good.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data import _catalog, _diagnosis
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules as _consistency_rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _constraints
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **DATABASE_CONNECTION_SPEC,
    "causes": {"type": "list", "elements": "dict", "required": True},
    "thresholds": {"type": "dict", "default": {}},
    "findings": {"type": "list", "elements": "dict", "required": True},
    "repair": {"type": "dict", "default": {}},
    "rules_files": {"type": "list", "elements": "path", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": []},
    "activity": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Gather the facts, and judge every cause."""
    p = task.params
    table = _rules.load(p["causes"], p["thresholds"])
    rules = _consistency_rules.load(p["rules_files"], p["rules"])
    constraints = {rule.name: _constraints.kept_by(rule) for rule in rules}
    sheet = _facts.FactSheet()
    _diagnosis.counted(p["findings"], p["repair"], constraints, sheet)
    try:
        with _database.opened(task.cluster(), p["namespace"], p["database"]) as database:
            _catalog.gather(database, rules, p["findings"], sheet)
    except RunbookError as error:  # the checks' own facts tell enough without it
        _catalog.not_read(error.message, sheet)
    facts = sheet.to_json()
    result = _verdict.diagnose(table, _facts.parse(facts))
    figures = [one.to_json() for one in _diagnosis.tables(p["findings"], p["repair"], p["activity"]) if one.rows]
    return {**result, "facts": facts, "tables": figures + result["tables"], "fixes": result["fixes"] + _diagnosis.fixes(p["findings"], constraints)}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
