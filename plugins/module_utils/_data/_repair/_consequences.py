# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a delete or an update takes with it: rows of other tables, by the actions of their foreign keys."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _tables
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import DELETE, UPDATE, Operation, Undecided
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import ACTIONS, Reference, Table


class Consequences:
    """Rows that go with those that are planned become operations of their own: seen by who approves, kept, and brought back.

    :param tables: that are compared with the audit log; of their rows, only those that it says were removed may go.
    :ivar deletes: by table, rows of others that are deleted before its own: a list for each step down.
    """

    def __init__(self, connection: t.Any, tables: t.Sequence[Table]) -> None:
        self._connection, self._tables = connection, tables
        self._planned: dict[str, set[str]] = {table.quoted: set() for table in tables}
        self._others: dict[str, Table] = {}
        self._taken: set[tuple[str, str]] = set()
        self.deletes: dict[str, list[list[Operation]]] = {}

    def judge(self, table: Table, found: t.Iterable[Operation | Undecided]) -> t.Iterator[Operation | Undecided]:
        """The same, but for rows whose change would change others in a way that could not be taken back.

        Call it for tables that refer to others before those.
        """
        if not table.references:
            for one in found:
                self._note(table, one)
                yield one
            return
        pending: list[Operation] = []
        for one in found:
            if isinstance(one, Operation) and one.kind == DELETE:
                pending.append(one)
                continue
            yield from self._deleted(table, pending)
            pending = []
            yield self._updated(table, one) if isinstance(one, Operation) and one.kind == UPDATE else one
        yield from self._deleted(table, pending)

    def forget(self, table: Table) -> None:
        """The table is not repaired after all."""
        self._planned[table.quoted].clear()
        for rows in self.deletes.pop(table.name, []):
            self._taken -= {(row.table, row.key) for row in rows}

    def described(self) -> dict[str, Table]:
        """Every table with operations, by its name in them."""
        return {**{table.name: table for table in self._others.values()}, **{table.name: table for table in self._tables}}

    def _note(self, table: Table, one: Operation | Undecided) -> None:
        if isinstance(one, Operation) and one.kind == DELETE:
            self._planned[table.quoted].add(one.key)

    def _deleted(self, table: Table, operations: t.Sequence[Operation]) -> t.Iterator[Operation | Undecided]:
        """Rows of one table that refer to each other come one after the other, those that are referred to last."""
        self._planned[table.quoted] |= {one.key for one in operations}
        waiting, done = {one.key: one for one in operations}, set()

        def visit(one: Operation) -> t.Iterator[Operation | Undecided]:
            if one.key in done:
                return
            done.add(one.key)
            goes: list[list[Operation]] = []
            reason = self._descend(table, one, goes, 0, {(table.quoted, one.key)})
            if reason:
                self._planned[table.quoted].discard(one.key)
                yield Undecided(table.name, one.key, reason)
                return
            for reference in table.references:
                if reference.quoted == table.quoted:
                    for key, _before, _row in self._referring(table, reference, table, one):
                        if key in waiting:
                            yield from visit(waiting[key])
            self._take(table, goes)
            yield one

        for one in operations:
            yield from visit(one)

    def _take(self, table: Table, goes: list[list[Operation]]) -> None:
        """A row may be reached in several ways; it goes once."""
        steps = self.deletes.setdefault(table.name, [])
        steps += [[] for _missing in range(len(goes) - len(steps))]
        for depth, rows in enumerate(goes):
            for row in rows:
                if (row.table, row.key) not in self._taken:
                    self._taken.add((row.table, row.key))
                    steps[depth].append(row)

    def _descend(self, table: Table, one: Operation, goes: list[list[Operation]], depth: int, seen: set[tuple[str, str]]) -> str:
        """Add the rows that go with one to ``goes``; why it cannot be done, '' where it can."""
        for reference in table.references:
            action = ACTIONS.get(reference.on_delete)
            if action is None:
                continue
            try:
                child = self._table(reference)
            except RunbookError as error:
                if not self._any(table, reference, one):
                    continue
                return f"deleting it would change rows of {reference.name} (ON DELETE {action}): {error.message}"
            for key, before, row in self._referring(table, reference, child, one):
                if (child.quoted, key) in seen:
                    continue
                if action != "CASCADE":
                    return f"deleting it would change rows of {child.name}, such as {key} (ON DELETE {action})"
                if child.quoted in self._planned:
                    if key in self._planned[child.quoted]:
                        continue
                    return f"deleting it would delete {key} of {child.name} (ON DELETE CASCADE), which the audit log does not say was removed"
                gone = Operation(child.name, DELETE, key, one.entry, before, None, row)
                goes += [[] for _missing in range(depth + 1 - len(goes))]
                goes[depth].append(gone)
                reason = self._descend(child, gone, goes, depth + 1, seen | {(child.quoted, key)})
                if reason:
                    return reason
        return ""

    def _updated(self, table: Table, one: Operation) -> Operation | Undecided:
        changed = set(json.loads(one.changed))
        for reference in table.references:
            action = ACTIONS.get(reference.on_update)
            if action and changed & set(reference.referred) and self._any(table, reference, one):
                return Undecided(table.name, one.key, f"updating it would change rows of {reference.name} (ON UPDATE {action})")
        return one

    def _table(self, reference: Reference) -> Table:
        """The table of a foreign key, by the key that it has itself."""
        if reference.name not in self._others:
            self._others[reference.name] = _tables.describe(self._connection, reference.name)
        return self._others[reference.name]

    def _referring(self, table: Table, reference: Reference, child: Table, one: Operation) -> list[tuple[str, str, str]]:
        return self._asked(f"{child.key_text('c')}, (c.*)::text, to_jsonb(c.*)::text", table, reference, one)

    def _any(self, table: Table, reference: Reference, one: Operation) -> bool:
        return bool(self._asked("1", table, reference, one, "LIMIT 1"))

    def _asked(self, columns: str, table: Table, reference: Reference, one: Operation, limit: str = "") -> list[tuple[t.Any, ...]]:
        with self._connection.cursor() as cursor:
            _tables.run(cursor, f"SELECT {columns} FROM {table.quoted} AS r JOIN {reference.quoted} AS c ON {reference.joins('c', 'r')} "
                                f"WHERE {table.has_key('r', '%(key)s')} {limit}", {"key": one.key})
            return cursor.fetchall()
