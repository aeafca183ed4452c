# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a repair: its operations in files, and a hash that names exactly them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _audit
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import (
    DELETE, INSERT, UPDATE, AuditLog, Operation, Undecided)
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._consequences import Consequences
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import Table, literal, quoted

try:
    import psycopg2
except Exception:
    pass

OPERATIONS, RECONCILIATION = "operations.csv", "reconcile.sql"
KEPT = 200
csv.field_size_limit(1 << 30)  # a field of PostgreSQL's
#: how a missing value is told from an empty text in the file
NOTHING, SOMETHING = "-", "="
#: how a script begins that a person runs: also while the database is read-only by default, and with rows that read as planned
BEGIN = "BEGIN READ WRITE;\n" + "\n".join(f"SET LOCAL {name} = {literal(value)};" for name, value in _audit.SETTINGS.items())


@dataclasses.dataclass
class Plan:
    """What a repair would do.

    :param hash: names exactly these operations; empty when there are none.
    :param counts: table -> kind -> operations.
    :param undecided: the first of the rows, and the tables, that the audit log does not decide about; ``undecided_count`` of them in all.
    :param begun: rows of it that an earlier run has dealt with.
    :param directory: where its files are; gone again when there are no operations.
    """

    directory: pathlib.Path
    hash: str = ""
    counts: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    undecided: list[Undecided] = dataclasses.field(default_factory=list)
    undecided_count: int = 0
    begun: int = 0

    @property
    def total(self) -> int:
        """Operations in all."""
        return sum(number for kinds in self.counts.values() for number in kinds.values())

    def operations(self) -> t.Iterator[Operation]:
        """The operations from the plan's file.

        :raises Refused: the file is not the one that was planned.
        """
        path = self.directory / OPERATIONS
        with open(path, newline="", encoding="utf-8") as file:
            if _hash(file) != self.hash:
                raise Refused(f"{path} is not the file that was planned.", "Plan the repair again.")
            file.seek(0)
            for table, kind, key, entry, before, after, changed in csv.reader(file):
                yield Operation(table, kind, key, entry, _value(before), _value(after), changed)

    def groups(self) -> list[tuple[str, str]]:
        """Table and kind of the operations, in their order."""
        return [group for group, _operations in itertools.groupby(self.operations(), key=lambda one: (one.table, one.kind))]

    def batches(self, size: int) -> t.Iterator[tuple[int, list[Operation]]]:
        """Numbered batches, each of one kind on one table, in an order that foreign keys allow."""
        number = 0
        for _group, operations in itertools.groupby(self.operations(), key=lambda one: (one.table, one.kind)):
            while batch := list(itertools.islice(operations, size)):
                number += 1
                yield number, batch


def make(connection: t.Any, audit: AuditLog, tables: t.Sequence[Table], directory: pathlib.Path,
         tell: t.Callable[[str], None], refused: t.Sequence[Undecided] = ()) -> Plan:
    """Compare the tables with the audit log in one read-only transaction, and write the plan's files.

    :param tables: parents before the tables that refer to them.
    :param refused: tables that cannot be repaired, and why.
    :param directory: the plan gets a directory below it that is named by its hash: one that was begun is not overwritten.
    """
    unfinished = directory / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir(parents=True, mode=0o700)
    try:
        plan = _made(connection, audit, tables, unfinished, tell)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for one in refused:
        _note(plan, one)
    return plan


def _made(connection: t.Any, audit: AuditLog, tables: t.Sequence[Table], directory: pathlib.Path, tell: t.Callable[[str], None]) -> Plan:
    plan = Plan(directory, counts={table.name: {} for table in tables})
    consequences = Consequences(connection, tables)
    parts: list[_Part] = []
    for number in reversed(range(len(tables))):  # those that refer to others first
        tell(f"comparing {tables[number].name} with {audit.table}")
        parts += _table_parts(plan, connection, audit, consequences, number, tables[number])
    parts += _consequence_parts(plan, consequences)
    _join(directory / OPERATIONS, [part.path for part in sorted(parts, key=_Part.place)])
    with open(directory / OPERATIONS, newline="", encoding="utf-8") as file:
        plan.hash = _hash(file) if plan.total else ""
    if plan.total:
        _write_reconciliation(plan, consequences.described())
        plan.directory = directory.parent / plan.hash
        shutil.rmtree(plan.directory, ignore_errors=True)
        directory.rename(plan.directory)
    return plan


def load(directory: pathlib.Path, hash_: str) -> Plan | None:
    """A plan that was made below the directory before and not changed since, None where it is not here."""
    directory = directory / hash_
    path = directory / OPERATIONS
    if not path.is_file():
        return None
    with open(path, newline="", encoding="utf-8") as file:
        if _hash(file) != hash_:
            return None
    plan = Plan(directory, hash_)
    for one in plan.operations():
        kinds = plan.counts.setdefault(one.table, {})
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    return plan


@dataclasses.dataclass(frozen=True)
class _Part:
    """Operations of one kind on one table.

    :param step: of deletes: 0 for the tables' own, then one more for each step away from the rows that they go with.
    """

    table: int
    kind: str
    path: pathlib.Path
    step: int = 0

    def place(self) -> tuple[int, ...]:
        """Rows that refer to others go first and come last."""
        return (0, -self.step, -self.table) if self.kind == DELETE else (1, self.table, self.kind == UPDATE)


def _table_parts(plan: Plan, connection: t.Any, audit: AuditLog, consequences: Consequences, number: int, table: Table) -> list[_Part]:
    """One table's operations; none, and the reason, where its entries cannot be read as its rows."""
    parts, counts = [], {}
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT compared")
    try:
        found = _decided(plan, consequences.judge(table, _audit.differences(connection, audit, table)))
        for kind, operations in itertools.groupby(found, key=lambda one: one.kind):
            part = _Part(number, kind, plan.directory / f".{number}.{kind}.csv")
            counts[kind] = _write(part.path, operations)
            parts.append(part)
    except (psycopg2.DataError, Refused) as error:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT compared")
        consequences.forget(table)
        said = f"{error.message} {error.next_step}" if isinstance(error, Refused) else _unreadable(error)
        _note(plan, Undecided(table.name, "", said.strip()))
        return []
    plan.counts[table.name] = counts
    return parts


def _unreadable(error: Exception) -> str:
    return f"its audit entries cannot be read as its rows: {redact(' '.join((error.diag.message_primary or str(error)).split()))}"


def _consequence_parts(plan: Plan, consequences: Consequences) -> list[_Part]:
    steps = itertools.zip_longest(*consequences.deletes.values(), fillvalue=[])
    parts = []
    for step, lists in enumerate(steps, 1):
        by_table = sorted(itertools.chain.from_iterable(lists), key=lambda one: one.table)
        for table, operations in itertools.groupby(by_table, key=lambda one: one.table):
            part = _Part(len(parts), DELETE, plan.directory / f".{step}.{len(parts)}.csv", step)
            kinds = plan.counts.setdefault(table, {})
            kinds[DELETE] = kinds.get(DELETE, 0) + _write(part.path, operations)
            parts.append(part)
    return parts


def _decided(plan: Plan, found: t.Iterable[Operation | Undecided]) -> t.Iterator[Operation]:
    for one in found:
        if isinstance(one, Operation):
            yield one
            continue
        _note(plan, one)


def _note(plan: Plan, one: Undecided) -> None:
    plan.undecided_count += 1
    if len(plan.undecided) < KEPT:
        plan.undecided.append(one)


def _write(path: pathlib.Path, operations: t.Iterable[Operation]) -> int:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="", encoding="utf-8") as file:
        writer, number = csv.writer(file, lineterminator="\n"), 0
        for one in operations:
            writer.writerow((one.table, one.kind, one.key, one.entry, _marked(one.before), _marked(one.after), one.changed))
            number += 1
    return number


def _join(path: pathlib.Path, parts: t.Sequence[pathlib.Path]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as whole:
        for part in parts:
            with open(part, "rb") as file:
                while chunk := file.read(1 << 20):
                    whole.write(chunk)
            part.unlink()


def _write_reconciliation(plan: Plan, tables: t.Mapping[str, Table]) -> None:
    """The plan as SQL for a person to read, before and after of each row beside it."""
    path = plan.directory / RECONCILIATION
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"-- Repair plan {plan.hash}: what data_repair applies in batches, with backup, once this "
                   f"hash is approved.\n-- Each statement only touches a row that still is as it was when this was planned.\n{BEGIN}\n")
        for one in plan.operations():
            file.write(_statement(tables[one.table], one))
        file.write("COMMIT;\n")


def _statement(table: Table, one: Operation) -> str:
    values = json.loads(one.changed or "{}", parse_float=str)
    where = f"{table.has_key('r', literal(one.key))} AND (r.*)::text = {literal(one.before or '')}"
    if one.kind == UPDATE:
        shown = "; ".join(f"{name}: {before} -> {after}" for name, (before, after) in values.items())
        sets = ", ".join(f"{quoted(name)} = (({literal(one.after or '')})::{table.quoted}).{quoted(name)}" for name in values)
        statement = f"UPDATE {table.quoted} AS r SET {sets} WHERE {where};"
    elif one.kind == INSERT:
        shown, columns = f"missing: {json.dumps(values)}", ", ".join(map(quoted, table.columns))
        picked = ", ".join(f"(row).{quoted(name)}" for name in table.columns)
        statement = (f"INSERT INTO {table.quoted} ({columns}) OVERRIDING SYSTEM VALUE SELECT {picked} "
                     f"FROM (SELECT ({literal(one.after or '')})::{table.quoted} AS row) AS r ON CONFLICT DO NOTHING;")
    else:
        shown = f"was removed: {json.dumps(values)}"
        statement = f"DELETE FROM {table.quoted} AS r WHERE {where};"
    comment = f"{one.table} {one.key}, audit entry {one.entry}, {shown}".replace("\n", " ")
    return f"-- {comment}\n{statement}\n"


def _hash(file: t.TextIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk.encode())
    return digest.hexdigest()[:16]


def _marked(value: str | None) -> str:
    return NOTHING if value is None else SOMETHING + value


def _value(marked: str) -> str | None:
    return None if marked == NOTHING else marked[1:]
