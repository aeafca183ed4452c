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
  - Weighs what the consistency checks found against what a repair from the audit log would do - rows written past the
    application, wrong values written by it, a constraint that is missing, entries that were tampered with. Reads nothing itself.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
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
    findings: [{rule: order_totals, kind: derived_total, count: 3}]
    repair: {counts: {orders: {update: 3}}, remaining: []}
"""

RETURN = r"""
cause:
  description:
    - The likeliest cause, V(unaudited_write), V(application_bug), V(missing_constraint), V(tampered_audit) or V(undetermined).
  type: str
  returned: success
recommendation:
  description: V(repair) where the audit log can mend it, or empty.
  type: str
  returned: success
candidates:
  description: Every cause, the likeliest first, with name, title, evidence_for, evidence_against and score.
  type: list
  elements: dict
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

from ansible_collections.sre.runbooks.plugins.module_utils._data import _diagnosis
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _constraints
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import diagnosis_result
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "findings": {"type": "list", "elements": "dict", "required": True},
    "repair": {"type": "dict", "default": {}},
    "rules_files": {"type": "list", "elements": "path", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": []},
    "activity": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    p = task.params
    constraints = {rule.name: _constraints.kept_by(rule) for rule in _rules.load(p["rules_files"], p["rules"])}
    result = diagnosis_result(_diagnosis.diagnose(p["findings"], p["repair"], constraints),
                              _diagnosis.tables(p["findings"], p["repair"], p["activity"]))
    return {**result, "fixes": _diagnosis.fixes(p["findings"], result["cause"], constraints)}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
