# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair leaves: rows that still break a rule inside its transaction, and why the audit log does not decide about them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._consistency import _sql
from ansible_collections.sre.runbooks.plugins.module_utils._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._repair import _audit
from ansible_collections.sre.runbooks.plugins.module_utils._repair._audit import AuditLog

EXPLAINED = 200


@dataclasses.dataclass(frozen=True)
class Remaining:
    """A row that a person has to decide about."""

    rule: str
    table: str
    key: str
    reason: str


def violations(connection: t.Any, rules: t.Sequence[Rule], audit: AuditLog) -> tuple[dict[str, int], list[Remaining]]:
    """Rows that break each rule, as the connection's transaction sees them, and the first of them explained.

    Rows that are marked stay marked whatever is repaired, so such rules are left out.
    """
    counts: dict[str, int] = {}
    explained: list[Remaining] = []
    for rule in rules:
        if "flag" in rule.values:
            continue
        keys, counts[rule.name] = _keys(connection, rule)
        table = rule.values.get("table", "")
        explained += [Remaining(rule.name, table, key, _audit.why_undecided(connection, audit, table, key)) for key in keys]
    return counts, explained


def _keys(connection: t.Any, rule: Rule) -> tuple[list[str], int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT broken.*, count(*) OVER () FROM ({_sql.statement(rule)}) AS broken LIMIT {EXPLAINED}")
        rows = cursor.fetchall()
    return [", ".join(map(str, row[:len(rule.key)])) for row in rows], rows[0][-1] if rows else 0
