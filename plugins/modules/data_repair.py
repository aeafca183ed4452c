#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_repair
short_description: Bring rows of a PostgreSQL database back to what its audit log says
version_added: 0.1.0
description:
  - Compares tables with the last trustworthy entry of each row in the audit log, in one read-only transaction, and writes what
    would have to change to files - C(reconcile.sql) with every row before and after, to read, and C(operations.csv), whose hash
    names the plan.
  - Entries whose checksum does not match are not trusted. Rows that the audit log does not decide about are never guessed.
  - Nothing is written to the database but with O(mode=apply) and the hash of the plan that was approved. Then batches are
    written, each in a transaction of its own with the rows that it replaces, in the schema C(runbooks_backup). A row that
    somebody has written since is skipped and named. A run that was broken off continues after its last batch.
  - O(mode=reverse) brings back what was there before; C(reverse.sql) does the same by hand.
  - C(constraints.sql) has a constraint or trigger for each rule that one can keep; it is for a person to run.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.evidence
options:
  rules_files:
    description: Files with the rules that are checked inside the dry run; the built-in ones when empty.
    type: list
    elements: path
    default: []
  rules:
    description: Further rules.
    type: list
    elements: dict
    default: []
  mode:
    description:
      - V(plan) writes the files. V(dry_run) makes the whole repair in one transaction, checks the rules in it, runs the reversal, compares
        every table with what it was, and rolls back. V(apply) does the same once more before its first batch.
      - V(apply) makes the plan O(approved_plan). V(reverse) takes back what an incident's repair has written.
    type: str
    choices: [plan, dry_run, apply, reverse]
    default: plan
  approved_plan:
    description: Hash of the plan that was approved; with O(mode=apply).
    type: str
  tables:
    description: The tables to repair, those that others refer to first.
    type: list
    elements: dict
    default:
      - name: orders
      - name: order_items
    suboptions:
      name:
        description: Name of the table, with its schema where it is not on the search path.
        type: str
        required: true
      key:
        description:
          - Its key column, whose values are the audit log's row ids; or several, whose values are in the audit log's JSON.
          - There must be a unique index that has no other column, or the key would not name one row.
        type: list
        elements: str
        default: [id]
      ignore:
        description: Columns that triggers set, such as a time of the last change - neither compared nor brought back.
        type: list
        elements: str
        default: []
  audit:
    description: The audit log and the names of its columns.
    type: dict
    default: {}
    suboptions:
      table:
        description: Its name.
        type: str
        default: audit_log
      id:
        description: Column by which entries are ordered - a number or a time.
        type: str
        default: id
      schema_name:
        description: Column with the schema of the table that was written; needed where several schemas have a table of that name.
        type: str
        default: ""
      table_name:
        description: Column with the name of the table that was written; empty for a log of one table.
        type: str
        default: table_name
      row_id:
        description: Column with the key of the row that was written; empty where it is only in the values.
        type: str
        default: row_id
      old_value:
        description: Column with the row before, as JSON.
        type: str
        default: old_value
      new_value:
        description:
          - Column with the row after, as JSON, or with those of its columns that changed; null where the row was removed.
          - Of entries that have only what changed, the newest with a column says what it was.
        type: str
        default: new_value
      action:
        description:
          - Column with what was done, such as C(INSERT), C(update), C(D) or C(destroy); empty where the values tell.
          - With it the values of a new row may stand in O(audit.old_value), and those of a removed one in O(audit.new_value), as some audit
            triggers write them.
        type: str
        default: ""
      flagged:
        description: Column that is true where the entry's checksum does not match; empty where there are no checksums.
        type: str
        default: checksum_mismatch
  batch_size:
    description: Rows of a batch.
    type: int
    default: 1000
  lock_timeout:
    description: Seconds to wait for a lock.
    type: float
    default: 10.0
  statement_timeout:
    description: Seconds for one statement; 0 for no limit.
    type: float
    default: 900.0
"""

EXAMPLES = r"""
- name: repair | What would have to change
  sre.runbooks.data_repair:
    namespace: ai-development
    incident_id: INC-1234
  register: repair

- name: repair | Make exactly that
  sre.runbooks.data_repair:
    namespace: ai-development
    incident_id: INC-1234
    mode: apply
    approved_plan: "{{ repair.plan_hash }}"
  when: repair.total > 0
"""

RETURN = r"""
outcome:
  description:
    - V(nothing), V(planned), V(tried) (a dry run), V(repaired) or V(reversed).
    - V(refused) for a dry run that the database does not take, or that could not be taken back; O(mode=apply) fails then.
  type: str
  returned: success
plan_hash:
  description: Names exactly the operations of the plan; empty when there are none.
  type: str
  returned: success
counts:
  description: Table to kind (update, insert, delete) to rows.
  type: dict
  returned: success
total:
  description: Rows in all.
  type: int
  returned: success
undecided:
  description: The first rows that the audit log names but does not decide about - table, key and reason; a whole table has no key.
  type: list
  elements: dict
  returned: success
undecided_count:
  description: How many there are.
  type: int
  returned: success
written:
  description: Rows that were written.
  type: int
  returned: when written
skipped:
  description: The first rows that were left alone, since somebody has written them since the plan was made or another row has one of their unique values.
  type: list
  elements: str
  returned: when written
skipped_count:
  description: How many there are.
  type: int
  returned: when written
violations:
  description: Rule to rows that still broke it at the end of the dry run; without rules that could not be checked.
  type: dict
  returned: with O(mode=dry_run)
remaining:
  description: The first of them - rule, table, key, and the reason why the audit log does not decide.
  type: list
  elements: dict
  returned: with O(mode=dry_run)
errors:
  description: Why rules could not be checked in the dry run.
  type: list
  elements: str
  returned: with O(mode=dry_run)
plan:
  description: What was changed, each with summary and whether it is temporary.
  type: list
  elements: dict
  returned: when written
files:
  description: Paths of the plan and of the reversal on the controller.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import contextlib
import dataclasses
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import AuditLog
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._modes import CONSTRAINTS, MODES, Work
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, file_sha256
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

DIRECTORY = "repair"

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    "rules_files": {"type": "list", "elements": "path", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": []},
    "mode": {"type": "str", "choices": list(MODES), "default": "plan"},
    "approved_plan": {"type": "str"},
    "tables": {"type": "list", "elements": "dict", "default": [{"name": "orders"}, {"name": "order_items"}], "options": {
        "name": {"type": "str", "required": True},
        "key": {"type": "list", "elements": "str", "default": ["id"], "no_log": False},
        "ignore": {"type": "list", "elements": "str", "default": []},
    }},
    "audit": {"type": "dict", "default": {}, "options": {
        field.name: {"type": "str", "default": field.default} for field in dataclasses.fields(AuditLog)}},
    "batch_size": {"type": "int", "default": 1000},
    "lock_timeout": {"type": "float", "default": 10.0},
    "statement_timeout": {"type": "float", "default": 900.0},
}


def run(task: Task) -> Result:
    """Plan, try, apply or reverse."""
    p, store = task.params, task.evidence()
    mode = "plan" if task.check_mode else p["mode"]
    if mode != "plan" and not p["incident_id"]:
        raise InvalidInput(f"data_repair with mode {mode} needs incident_id.", "The backup and the plan's files are named by it.")
    with _database.opened(task.cluster(), p["namespace"], p["database"]) as database, _directory(store) as directory:
        work = Work(task, database, AuditLog(**p["audit"]), directory)
        result = MODES[mode](work)
        files = _register(store, work, result["plan_hash"]) if store else []
    return {**result, "files": files}


@contextlib.contextmanager
def _directory(store: EvidenceStore | None) -> t.Iterator[pathlib.Path]:
    """Where the plan's files go: among the evidence, or nowhere in check mode."""
    if store:
        yield store.path(f"{DIRECTORY}/{CONSTRAINTS}").parent
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield pathlib.Path(scratch)


def _register(store: EvidenceStore, work: Work, plan: str) -> list[str]:
    present = work.files(plan)
    for path in present:
        store.add(str(path.relative_to(store.directory)), "repair_plan", f"data_repair of {work.database.credentials}", file_sha256(path))
    return [str(path) for path in present]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
