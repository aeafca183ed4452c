#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_consistency_info
short_description: Find the rows of a PostgreSQL database that break a rule
version_added: 0.1.0
description:
  - Checks rules that are data - totals derived from other rows, orphans, duplicates, rows that differ from the audit log, sums
    of two tables, missing values, plain SQL - all on one snapshot, several at once, in transactions that can only read.
  - With O(incident_id) all affected rows are saved as evidence, one file for each rule, and a check that was interrupted goes on
    when it is run again.
  - A rule that cannot be checked (bad SQL, no permission, a lock, a time limit) is an error of its own; the others go on.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.consistency
  - sre.runbooks.evidence
"""

EXAMPLES = r"""
- name: scope | Which orders are wrong
  sre.runbooks.data_consistency_info:
    namespace: ai-development
    incident_id: INC-1234
    rules:
      - name: payments_differ
        kind: sums
        description: What was paid for an order is not its total
        table: payments
        by: order_id
        expression: amount
        other: {table: orders, by: id, expression: total}
"""

RETURN = r"""
outcome:
  description:
    - V(inconsistent) where a row breaks a rule, V(consistent) where none does, V(unknown) where none was found but a rule could
      not be checked.
  type: str
  returned: success
violations:
  description: Sum of the rules' counts; a row that breaks two rules counts twice.
  type: int
  returned: success
findings:
  description:
    - For each rule - rule, kind (C(flagged) for rows that are marked), severity, description, error, count, first, last,
      customers, amount (sum of the differences), amount_absolute, samples, way and why (how it was read), seconds, snapshots
      (which part saw which), export (file, format, rows, bytes, sha256, note).
  type: list
  elements: dict
  returned: success
first:
  description: Earliest time of an affected row, ISO 8601.
  type: str
  returned: success
last:
  description: Latest time of an affected row.
  type: str
  returned: success
customers:
  description: How many customers are affected.
  type: int
  returned: success
amount:
  description: The greatest sum of absolute differences of one rule; rules overlap, so they are not added up.
  type: str
  returned: success
impact:
  description: What it means for customers, each with C(question), C(answer) and C(how), as M(sre.runbooks.report) takes it.
  type: list
  elements: dict
  returned: success
snapshot:
  description: id, taken_at and wal_position of the snapshot.
  type: dict
  returned: success
one_snapshot:
  description: Whether every rule saw it; false when an interrupted check was continued.
  type: bool
  returned: success
errors:
  description: Why rules could not be checked.
  type: list
  elements: str
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._checking import CHECKS_SPEC, check_snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database, _exported
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    **CHECKS_SPEC,
}


def run(task: Task) -> Result:
    """Read the rules, take a snapshot, and check them on it."""
    p = task.params
    _rules.load(p["rules_files"], p["rules"])  # refused before the cluster is asked
    with _database.opened(task.cluster(), p["namespace"], p["database"]) as database, _exported.exported_snapshot(database) as snapshot:
        return check_snapshot(task, task.evidence(), database, snapshot)


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
