# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair leaves: rows that still break a rule inside its transaction, and why the audit log does not decide about them."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _audit
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import AuditLog
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import Table, quoted_table

EXPLAINED = 200


@dataclasses.dataclass(frozen=True)
class Remaining:
    """A row that a person has to decide about."""

    rule: str
    table: str
    key: str
    reason: str


@dataclasses.dataclass
class Left:
    """What breaks a rule inside a transaction.

    :param violations: rule to rows; without the rules that could not be checked.
    :param remaining: the first of the rows, explained.
    :param errors: why rules could not be checked.
    """

    violations: dict[str, int] = dataclasses.field(default_factory=dict)
    remaining: list[Remaining] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)


def violations(connection: t.Any, rules: t.Sequence[Rule], audit: AuditLog, tables: t.Sequence[Table]) -> Left:
    """What the connection's transaction sees to break a rule.

    Rows that are marked stay marked whatever is repaired, so such rules are left out.
    """
    left = Left()
    for rule in rules:
        if "flag" in rule.values:
            continue
        with connection.cursor() as cursor:
            found = _run.inside(cursor, rule, EXPLAINED)
        if found.error:
            left.errors.append(found.error)
            continue
        left.violations[rule.name] = found.count
        left.remaining += _explained(connection, rule, audit, tables, found)
    return left


def _explained(connection: t.Any, rule: Rule, audit: AuditLog, tables: t.Sequence[Table], found: _run.Inside) -> list[Remaining]:
    if not found.keys:
        return []
    table, reasons = _whose(connection, rule, found, tables), {}
    if table:
        keys = {json.dumps(key) if len(key) > 1 else key[0]: ", ".join(key) for key in found.keys}
        try:
            answers = _audit.why_undecided(connection, audit, table, list(keys))
            reasons = {shown: answers[key] for key, shown in keys.items()}
        except RunbookError as error:
            reasons = dict.fromkeys(keys.values(), error.message)
    name = table.name if table else rule.values.get("table", "")
    unknown = "the audit log cannot be asked: the rule's key is not that of a table that is repaired"
    return [Remaining(rule.name, name, ", ".join(key), reasons.get(", ".join(key), unknown)) for key in found.keys]


def _whose(connection: t.Any, rule: Rule, found: _run.Inside, tables: t.Sequence[Table]) -> Table | None:
    """The table whose rows a rule found, as far as its key is the table's own: as the rule says, or as the columns of a query are."""
    oid, names = found.origin, found.origin_key
    if name := rule.values.get("table"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s)::oid", (quoted_table(name),))
            oid, names = cursor.fetchone()[0], rule.key
    return next((table for table in tables if table.oid == oid and table.key == names), None)
