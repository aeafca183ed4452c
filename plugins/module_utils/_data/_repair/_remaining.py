# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair leaves: rows that still break a rule inside its transaction, and why the audit log does not decide about them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _audit
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import AuditLog

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


def violations(connection: t.Any, rules: t.Sequence[Rule], audit: AuditLog) -> Left:
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
        table = rule.values.get("table", "")
        reasons = _audit.why_undecided(connection, audit, table, found.keys)
        left.remaining += [Remaining(rule.name, table, key, reasons[key]) for key in found.keys]
    return left
