# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a snapshot within a task: its options, the evidence, and the result that several modules return."""

from __future__ import annotations

import contextlib
import dataclasses
import decimal
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _findings, _rules, _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import State
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import Snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._report import _impact
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task

#: options of every module that checks rules
CHECKS_SPEC: dict[str, dict[str, t.Any]] = {
    "rules_files": {"type": "list", "elements": "path", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": []},
    "check_name": {"type": "str", "default": "check"},
    "resume": {"type": "bool", "default": True},
    "parallel": {"type": "int", "default": 2},
    "work_mem_mb": {"type": "int", "default": 64},
    "rows_per_range": {"type": "int", "default": 2_000_000},
    "statement_timeout": {"type": "float", "default": 1800.0},
    "lock_timeout": {"type": "float", "default": 10.0},
    "sample_rows": {"type": "int", "default": 10},
    "sample_customers": {"type": "bool", "default": False},
    "parquet_above": {"type": "int", "default": 100_000},
}


def check_snapshot(task: Task, store: EvidenceStore | None, database: Database, snapshot: Snapshot) -> Result:
    """Check the rules on a snapshot that is open.

    :param task: with the options of ``CHECKS_SPEC``.
    :param store: where all rows are saved; None for figures and samples only.
    """
    p = task.params
    rules = _rules.load(p["rules_files"], p["rules"])

    def connect() -> t.Any:
        return database.connect(statement_timeout=p["statement_timeout"], lock_timeout=p["lock_timeout"])

    with _state(store, rules, p) as state:
        bounds = _run.Options(p["parallel"], p["work_mem_mb"], p["rows_per_range"])
        try:
            errors = _run.check(connect, snapshot, rules, state, bounds, task.progress)
        except RunbookError as error:
            error.message = f"Cluster {database.cluster_name}, {database.credentials}: {error.message}"
            raise
        shown = _findings.Options(p["sample_rows"], p["sample_customers"], p["parquet_above"])
        findings, customers = _findings.findings(rules, state, errors, shown, store, p["check_name"])
        if not errors:
            state.forget()
    return _result(findings, len(customers), snapshot)


@contextlib.contextmanager
def _state(store: EvidenceStore | None, rules: t.Sequence[Rule], p: Json) -> t.Iterator[State]:
    if store:
        yield State(store.root / "consistency" / p["check_name"], rules, p["resume"])
        return
    with tempfile.TemporaryDirectory(prefix="consistency-") as directory:
        yield State(pathlib.Path(directory), rules)


def _result(findings: list[Json], customers: int, snapshot: Snapshot) -> Result:
    broken = [finding for finding in findings if finding["count"]]
    errors = [finding["error"] for finding in findings if finding["error"]]
    amounts = [decimal.Decimal(finding["amount_absolute"]) for finding in broken if finding["amount_absolute"]]
    result = {
        "outcome": "inconsistent" if broken else "unknown" if errors else "consistent",
        "violations": sum(finding["count"] for finding in broken),
        "findings": findings,
        "first": min((finding["first"] for finding in broken if finding["first"]), default=""),
        "last": max((finding["last"] for finding in broken if finding["last"]), default=""),
        "customers": customers,
        "amount": str(max(amounts, default=decimal.Decimal(0))),
        "snapshot": dataclasses.asdict(snapshot),
        "one_snapshot": {seen["id"] for finding in findings for seen in finding.get("snapshots", [])} <= {snapshot.id},
        "errors": errors,
        "tables": [_table(findings).to_json()],
    }
    return {**result, "impact": _impact.of_rows(result), "says": _says(result)}


def _table(findings: list[Json]) -> Table:
    rows = [(finding["rule"], finding["severity"], "not checked" if finding["error"] else finding["count"], finding.get("customers") or "",
             finding.get("amount") or "", finding.get("first") or "", finding.get("last") or "",
             (finding.get("export") or {}).get("name", "")) for finding in findings]
    return Table("Rows that break a rule", ("rule", "severity", "rows", "customers", "sum of differences", "first", "last", "file"), rows)


def _says(result: Json) -> list[str]:
    findings, broken = result["findings"], [finding for finding in result["findings"] if finding["count"]]
    if not broken:
        unchecked = f", but {len(result['errors'])} could not be checked" if result["errors"] else ""
        return [f"no row breaks any of {len(findings) - len(result['errors'])} rules{unchecked}", *result["errors"]]
    least = "at least " if result["errors"] else ""
    lines = [f"{least}{result['violations']} times a row breaks a rule; {least}{result['customers']} customers, from {result['first'] or 'unknown'} "
             f"to {result['last'] or 'unknown'}"]
    lines += [f"{finding['rule']}: {finding['count']} rows ({finding['severity']})" for finding in broken]
    lines += [f"{finding['rule']}: {finding['amounts_not_finite']} rows have no finite amount, so its sum leaves them out" for finding in broken
              if finding["amounts_not_finite"]]
    lines += [finding["export"]["note"] for finding in broken if finding["export"] and finding["export"]["note"]][:1]
    if not result["one_snapshot"]:
        lines.append(f"parts were checked before an interruption, on an earlier snapshot than that of {result['snapshot']['taken_at']}")
    return [*lines, *result["errors"]]
