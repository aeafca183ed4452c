# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a plan's operations in batches, each with its backup and its ledger entry in one transaction; and reverse them.

In the schema ``runbooks_backup`` an incident has two tables: ``<incident>_rows`` with every row that was written, before
and after, as text; ``<incident>_batches`` with every batch that was committed. A run that was broken off continues after
the last of them.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _plan
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import (
    DELETE, INSERT, UPDATE, Operation, Table, literal, quoted)
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._plan import Plan

SCHEMA = "runbooks_backup"
REVERSE = "reverse.sql"
KEPT = 200

_CREATE = """
    CREATE SCHEMA IF NOT EXISTS {schema};
    CREATE TABLE IF NOT EXISTS {batches} (
      number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, plan text NOT NULL, position integer NOT NULL,
      table_name text NOT NULL, kind text NOT NULL, planned integer NOT NULL, written integer NOT NULL DEFAULT 0,
      at timestamptz NOT NULL DEFAULT now(), reversed_at timestamptz);
    CREATE TABLE IF NOT EXISTS {rows} (
      number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, batch integer NOT NULL, table_name text NOT NULL, kind text NOT NULL,
      key text NOT NULL, before text, after text);"""

#: One statement writes the rows, as long as they are as planned, and keeps them.
_WRITE = {
    UPDATE: """
        WITH wanted AS (SELECT key, before, after::{table} AS row FROM unnest(%(keys)s::text[], %(befores)s::text[], %(afters)s::text[])
                        AS wanted (key, before, after)),
        written AS (UPDATE {table} AS r SET {sets} FROM wanted WHERE r.{key} = wanted.key::{key_type} AND r::text = wanted.before
                    RETURNING wanted.key, wanted.before, r::text AS after)""",
    INSERT: """
        WITH wanted AS (SELECT key, after::{table} AS row FROM unnest(%(keys)s::text[], %(befores)s::text[], %(afters)s::text[])
                        AS wanted (key, before, after)),
        written AS (INSERT INTO {table} AS r ({columns}) OVERRIDING SYSTEM VALUE SELECT {picked} FROM wanted
                    ON CONFLICT ({key}) DO NOTHING RETURNING r.{key}::text AS key, NULL::text AS before, r::text AS after)""",
    DELETE: """
        WITH wanted AS (SELECT * FROM unnest(%(keys)s::text[], %(befores)s::text[], %(afters)s::text[]) AS wanted (key, before, after)),
        written AS (DELETE FROM {table} AS r USING wanted WHERE r.{key} = wanted.key::{key_type} AND r::text = wanted.before
                    RETURNING wanted.key, wanted.before, NULL::text AS after)""",
}
_KEEP = """
        INSERT INTO {rows} (batch, table_name, kind, key, before, after)
        SELECT %(batch)s, %(table_name)s, %(kind)s, key, before, after FROM written RETURNING key"""

#: The way back, from what was kept of batches that were not reversed yet; a row that somebody has written since is left alone.
_KEPT = """(SELECT * FROM {rows} WHERE table_name = {name} AND kind = {kind}
    AND batch IN (SELECT number FROM {batches} WHERE reversed_at IS NULL)) AS kept"""
_REVERSE = {
    UPDATE: """UPDATE {table} AS r SET {sets}
  FROM (SELECT key, after, before::{table} AS row FROM {kept}) AS kept
  WHERE r.{key} = kept.key::{key_type} AND r::text = kept.after""",
    INSERT: """DELETE FROM {table} AS r USING {kept}
  WHERE r.{key} = kept.key::{key_type} AND r::text = kept.after""",
    DELETE: """INSERT INTO {table} AS r ({columns}) OVERRIDING SYSTEM VALUE
  SELECT {picked} FROM (SELECT before::{table} AS row FROM {kept}) AS wanted ON CONFLICT ({key}) DO NOTHING""",
}


@dataclasses.dataclass
class Applied:
    """What was written.

    :param skipped: the first rows that somebody has written since the plan was made, as ``table key``; ``skipped_count`` in all.
    :param resumed: batches that an earlier run had committed.
    """

    written: int = 0
    batches: int = 0
    resumed: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    skipped_count: int = 0


@dataclasses.dataclass(frozen=True)
class Begun:
    """What an incident's repair has committed and not reversed.

    :param plan: its hash, empty when there is nothing.
    :param positions: of its batches in the plan.
    :param rows: that these batches are about.
    """

    plan: str = ""
    positions: frozenset[int] = frozenset()
    rows: int = 0


class Repair:
    """The repair of one incident.

    :param tables: by name, as the plan names them.
    :param connection: whose session may write; not in autocommit.
    """

    def __init__(self, connection: t.Any, incident_id: str, tables: t.Mapping[str, Table]) -> None:
        self._connection, self._tables = connection, tables
        # A name has at most 63 bytes.
        short = re.sub(r"\W", "_", incident_id)[:50]
        self._parts = {"schema": quoted(SCHEMA), "batches": f"{quoted(SCHEMA)}.{quoted(f'{short}_batches')}",
                       "rows": f"{quoted(SCHEMA)}.{quoted(f'{short}_rows')}"}

    @property
    def backup(self) -> str:
        """The table that keeps the rows."""
        return self._parts["rows"]

    def prepare(self) -> None:
        """Make the tables of the backup (committed by the first batch)."""
        with self._connection.cursor() as cursor:
            cursor.execute(_CREATE.format(**self._parts))

    def begun(self) -> Begun:
        """The batches that were committed and not reversed."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (self._parts["batches"],))
            if not cursor.fetchone()[0]:
                return Begun()
            cursor.execute("SELECT plan, position, planned FROM {batches} WHERE reversed_at IS NULL".format(**self._parts))
            found = cursor.fetchall()
        return Begun(found[0][0] if found else "", frozenset(row[1] for row in found), sum(row[2] for row in found))

    def apply(self, plan: Plan, size: int, commit: bool, tell: t.Callable[[str], None]) -> Applied:
        """Write the plan's operations that no committed batch has written.

        :param commit: each batch; False leaves everything in one transaction that the caller ends.
        """
        begun = self.begun()
        if begun.plan and begun.plan != plan.hash:
            raise Refused(f"This incident has begun to apply plan {begun.plan}, so plan {plan.hash} would mix with it.",
                          f"Reverse plan {begun.plan} first, or, if it is finished, repair what came later under another incident_id.")
        self.prepare()
        result = Applied(resumed=len(begun.positions))
        for position, batch in plan.batches(size):
            if position in begun.positions:
                continue
            written = self._write(position, batch, plan.hash)
            if commit:
                self._connection.commit()
            result.batches += 1
            result.written += len(written)
            self._note_skipped(result, batch, written)
            tell(f"{result.written} of {plan.total - begun.rows} rows written in {result.batches} batches")
        return result

    def reversal(self) -> str:
        """SQL that brings back what was there before, for a person to run in psql: of whatever batches are committed by then."""
        lines = ["-- Brings back what the repair has changed, from the backup; rows that were written since are left alone.", _plan.BEGIN,
                 *(f"{statement};" for statement in self._reversal()), "COMMIT;", ""]
        return "\n".join(lines)

    def reverse(self) -> Applied:
        """Run the reversal in one transaction, which the caller ends."""
        result = Applied()
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT count(*), coalesce(sum(written), 0) FROM {batches} WHERE reversed_at IS NULL".format(**self._parts))
            result.batches, written = cursor.fetchone()
            *restoring, noting = self._reversal()
            for statement in restoring:
                cursor.execute(statement)
                result.written += cursor.rowcount
            cursor.execute(noting)
            result.skipped_count = written - result.written
        return result

    def _reversal(self) -> list[str]:
        """Statements in the opposite order of a plan's; the last notes that it was done."""
        backwards = list(reversed(self._tables.values()))
        steps = [(table, kind) for table in backwards for kind in (UPDATE, INSERT)] + [(table, DELETE) for table in self._tables.values()]
        restoring = [_REVERSE[kind].format(**_names(table), kept=_KEPT.format(
            **self._parts, name=literal(table.name), kind=literal(kind))) for table, kind in steps]
        return [*restoring, "UPDATE {batches} SET reversed_at = now() WHERE reversed_at IS NULL".format(**self._parts)]

    def _write(self, position: int, batch: list[Operation], plan: str) -> set[str]:
        table, kind = self._tables[batch[0].table], batch[0].kind
        with self._connection.cursor() as cursor:
            cursor.execute("INSERT INTO {batches} (plan, position, table_name, kind, planned) VALUES (%s, %s, %s, %s, %s) RETURNING number"
                           .format(**self._parts), (plan, position, table.name, kind, len(batch)))
            number = cursor.fetchone()[0]
            cursor.execute((_WRITE[kind] + _KEEP).format(**self._parts, **_names(table)), {
                "keys": [one.key for one in batch], "befores": [one.before for one in batch], "afters": [one.after for one in batch],
                "batch": number, "table_name": table.name, "kind": kind})
            written = {key for (key,) in cursor.fetchall()}
            cursor.execute("UPDATE {batches} SET written = %s WHERE number = %s".format(**self._parts), (len(written), number))
        return written

    @staticmethod
    def _note_skipped(result: Applied, batch: list[Operation], written: set[str]) -> None:
        for one in batch:
            if one.key not in written:
                result.skipped_count += 1
                if len(result.skipped) < KEPT:
                    result.skipped.append(f"{one.table} {one.key}")


def write_reversal(repair: Repair, directory: pathlib.Path) -> pathlib.Path:
    """Write the reversal beside the plan."""
    path = directory / REVERSE
    path.write_text(repair.reversal(), encoding="utf-8")
    path.chmod(0o600)
    return path


def _names(table: Table) -> dict[str, str]:
    return {"table": table.quoted, "key": quoted(table.key), "key_type": table.key_type,
            "columns": ", ".join(map(quoted, table.columns)),
            "sets": ", ".join(f"{quoted(name)} = (row).{quoted(name)}" for name in table.columns),
            "picked": ", ".join(f"(row).{quoted(name)}" for name in table.columns)}
