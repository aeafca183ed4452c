# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a plan's operations in batches, each with its backup and its ledger entry in one transaction; and reverse them.

In the schema ``runbooks_backup`` an incident has two tables: ``<incident>_rows`` with every row that was written, before
and after, as text; ``<incident>_batches`` with every batch that was committed. A run that was broken off continues after
the last of them. Nothing is committed that the same session has not made, taken back to the byte, and rolled back before.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import types
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _plan, _tables
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import DELETE, INSERT, UPDATE, Operation
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._plan import Plan
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import ACTIONS, Table, literal, quoted

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
        written AS (UPDATE {table} AS r SET {sets} FROM wanted WHERE {wanted_key} AND (r.*)::text = wanted.before
                    RETURNING wanted.key, wanted.before, (r.*)::text AS after)""",
    INSERT: """
        WITH wanted AS (SELECT key, after::{table} AS row FROM unnest(%(keys)s::text[], %(befores)s::text[], %(afters)s::text[])
                        AS wanted (key, before, after)),
        written AS (INSERT INTO {table} AS r ({columns}) OVERRIDING SYSTEM VALUE SELECT {picked} FROM wanted
                    ON CONFLICT DO NOTHING RETURNING {key} AS key, NULL::text AS before, (r.*)::text AS after)""",
    DELETE: """
        WITH wanted AS (SELECT * FROM unnest(%(keys)s::text[], %(befores)s::text[], %(afters)s::text[]) AS wanted (key, before, after)),
        written AS (DELETE FROM {table} AS r USING wanted WHERE {wanted_key} AND (r.*)::text = wanted.before
                    RETURNING wanted.key, wanted.before, NULL::text AS after)""",
}
_KEEP = """
        INSERT INTO {rows} (batch, table_name, kind, key, before, after)
        SELECT %(batch)s, %(table_name)s, %(kind)s, key, before, after FROM written RETURNING key, after"""

#: The way back, from what was kept of batches that were not reversed yet; a row that somebody has written since is left alone.
_KEPT = """(SELECT * FROM {rows} WHERE table_name = {name} AND kind = {kind}
    AND batch IN (SELECT number FROM {batches} WHERE reversed_at IS NULL)) AS kept"""
_REVERSE = {
    UPDATE: """UPDATE {table} AS r SET {sets}
  FROM (SELECT key, after, before::{table} AS row FROM {kept}) AS wanted
  WHERE {wanted_key} AND (r.*)::text = wanted.after""",
    INSERT: """DELETE FROM {table} AS r USING {kept}
  WHERE {kept_key} AND (r.*)::text = kept.after""",
    DELETE: """INSERT INTO {table} AS r ({columns}) OVERRIDING SYSTEM VALUE
  SELECT {picked} FROM (SELECT before::{table} AS row FROM {kept}) AS wanted ON CONFLICT DO NOTHING""",
}

#: What the transaction has written to other tables than the backup's and those with these oids, by triggers.
_ELSEWHERE = """
    SELECT coalesce(pg_partition_root(relid), relid)::regclass::text, sum(n_tup_ins), sum(n_tup_upd + n_tup_del)
    FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname <> {schema}
      AND NOT coalesce(pg_partition_root(relid), relid) = ANY (%s) GROUP BY 1 ORDER BY 1"""
_TRIGGERS = "SELECT string_agg(tgname, ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = ANY (%s) AND NOT tgisinternal AND tgenabled <> 'D'"
#: The whole row as text; without the dot it would be a column of the alias's name, where there is one.
_ROW = "(r.*)::text"
_FINGERPRINT = "SELECT count(*), sum(hashtextextended({row}, 0)) FROM {table} AS r"


@dataclasses.dataclass
class Applied:
    """What was written.

    :param skipped: the first rows that somebody has written since the plan was made, as ``table key``; ``skipped_count`` in all.
    :param resumed: batches that an earlier run had committed.
    :param barred: the first rows that were not inserted, since another row has one of their unique values; ``barred_count`` in all.
    :param altered: the first rows that are not as planned once they are written.
    """

    written: int = 0
    batches: int = 0
    resumed: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    skipped_count: int = 0
    barred: list[str] = dataclasses.field(default_factory=list)
    barred_count: int = 0
    altered: list[str] = dataclasses.field(default_factory=list)


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
        self._connection, self._tables = connection, dict(tables)
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
            barred = self._barred(batch, written)
            if commit:
                self._connection.commit()
            result.batches += 1
            result.written += len(written)
            self._note(result, self._table(batch[0].table), batch, written, barred)
            tell(f"{result.written} of {plan.total - begun.rows} rows written in {result.batches} batches")
        return result

    def rehearse(self, plan: Plan, size: int, judge: t.Callable[[], t.Any], tell: t.Callable[[str], None]) -> tuple[Applied, t.Any, list[str]]:
        """Make the plan in one transaction, judge it, take it back, compare, and roll everything back.

        :returns: what was written, what ``judge`` said with the repair made, and what triggers did besides.
        :raises Refused: the repair would not write what was planned, or could not be taken back exactly.
        """
        tables = [self._table(name) for name, kinds in plan.counts.items() if kinds]
        before = self._fingerprints(tables)
        with self._connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as each batch's own commit will
        result = self.apply(plan, size, False, lambda line: tell(f"trying it: {line}"))
        judged = judge()
        if result.altered:
            raise self._irreversible(f"what is written to {result.altered[0]} is not what was planned", tables)
        elsewhere = self._elsewhere(tables)
        restored = self.reverse()
        if restored.skipped_count:
            raise self._irreversible(f"{restored.skipped_count} rows would not come back", tables)
        # What an earlier run has committed is taken back here too, so then there is nothing to compare with.
        compared = [] if result.resumed else [name for name, changes in elsewhere.items() if changes]
        changed = [] if result.resumed else [table.name for table, one, other in zip(tables, before, self._fingerprints(tables), strict=True)
                                             if one != other]
        returned = self._fingerprints_of(compared)
        self._connection.rollback()
        changed += [name for name, one, other in zip(compared, returned, self._fingerprints_of(compared), strict=True) if one != other]
        self._connection.rollback()
        if changed:
            raise self._irreversible(f"afterwards {', '.join(changed)} would not be as before", tables)
        return result, judged, [f"triggers also write {name}, which is not taken back" for name, changes in elsewhere.items() if not changes]

    def give_up(self) -> None:
        """Roll back what is not committed."""
        self._connection.rollback()

    def reversal(self, plan: Plan) -> str:
        """SQL that brings back what was there before, for a person to run in psql: of whatever batches are committed by then."""
        lines = ["-- Brings back what the repair has changed, from the backup; rows that were written since are left alone.", _plan.BEGIN,
                 *(f"{statement};" for statement in (*self._reversal(list(reversed(plan.groups()))), self._noting())), "COMMIT;", ""]
        return "\n".join(lines)

    def reverse(self) -> Applied:
        """Run the reversal in one transaction, which the caller ends."""
        result = Applied()
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT table_name, kind, count(*), sum(written) FROM {batches} WHERE reversed_at IS NULL "
                           "GROUP BY 1, 2 ORDER BY max(position) DESC".format(**self._parts))
            groups = cursor.fetchall()
            result.batches, written = sum(group[2] for group in groups), sum(group[3] for group in groups)
            for statement in self._reversal([group[:2] for group in groups]):
                cursor.execute(statement)
                result.written += cursor.rowcount if statement.startswith(("UPDATE", "DELETE", "INSERT")) else 0
            cursor.execute(self._noting())
            result.skipped_count = written - result.written
        return result

    def _reversal(self, groups: t.Sequence[tuple[str, str]]) -> list[str]:
        """Statements for groups of table and kind, the last that was written first."""
        restoring = [_REVERSE[kind].format(**_names(table := self._table(name)), kept=_KEPT.format(
            **self._parts, name=literal(table.name), kind=literal(kind))) for name, kind in groups]
        return ["SET CONSTRAINTS ALL DEFERRED", *restoring, "SET CONSTRAINTS ALL IMMEDIATE"]

    def _noting(self) -> str:
        return "UPDATE {batches} SET reversed_at = now() WHERE reversed_at IS NULL".format(**self._parts)

    def _table(self, name: str) -> Table:
        """Tables whose rows went with those of the tables that were named are not among these."""
        if name not in self._tables:
            self._tables[name] = _tables.describe(self._connection, name)
        return self._tables[name]

    def _write(self, position: int, batch: list[Operation], plan: str) -> dict[str, str | None]:
        """By key, what each row of the batch reads now that was written."""
        table, kind = self._table(batch[0].table), batch[0].kind
        with self._connection.cursor() as cursor:
            cursor.execute("INSERT INTO {batches} (plan, position, table_name, kind, planned) VALUES (%s, %s, %s, %s, %s) RETURNING number"
                           .format(**self._parts), (plan, position, table.name, kind, len(batch)))
            number = cursor.fetchone()[0]
            going = self._unreferred(cursor, table, batch) if kind == DELETE and table.references else batch
            _tables.run(cursor, (_WRITE[kind] + _KEEP).format(**self._parts, **_names(table)), {
                "keys": [one.key for one in going], "befores": [one.before for one in going], "afters": [one.after for one in going],
                "batch": number, "table_name": table.name, "kind": kind})
            written = dict(cursor.fetchall())
            cursor.execute("UPDATE {batches} SET written = %s WHERE number = %s".format(**self._parts), (len(written), number))
        return written

    @staticmethod
    def _unreferred(cursor: t.Any, table: Table, batch: list[Operation]) -> list[Operation]:
        """Those that still are as planned, and that no row refers to which would go or change with them without having been planned."""
        acting = [reference for reference in table.references if reference.on_delete in ACTIONS]
        for reference in acting:
            cursor.execute(f"LOCK TABLE {reference.quoted} IN SHARE ROW EXCLUSIVE MODE")
        _tables.run(cursor, f"SELECT wanted.key FROM unnest(%(keys)s::text[], %(befores)s::text[]) AS wanted (key, before) JOIN {table.quoted} AS r "
                            f"ON {table.has_key('r', 'wanted.key')} AND {_ROW} = wanted.before FOR UPDATE OF r",
                    {"keys": [one.key for one in batch], "befores": [one.before for one in batch]})
        going, staying = {key for (key,) in cursor.fetchall()}, {""}
        while going and staying:  # a row that stays may refer to another of the same table
            staying = set()
            for reference in acting:
                other = f"AND {table.key_text('c')} <> ALL (%(keys)s)" if reference.quoted == table.quoted else ""
                _tables.run(cursor, f"SELECT wanted.key FROM unnest(%(keys)s::text[]) AS wanted (key) JOIN {table.quoted} AS r "
                                    f"ON {table.has_key('r', 'wanted.key')} WHERE EXISTS (SELECT FROM {reference.quoted} AS c "
                                    f"WHERE {reference.joins('c', 'r')} {other})", {"keys": sorted(going)})
                staying |= {key for (key,) in cursor.fetchall()}
            going -= staying
        return [one for one in batch if one.key in going]

    def _barred(self, batch: list[Operation], written: t.Mapping[str, str | None]) -> set[str]:
        """Keys of rows that were not inserted although there are none."""
        missing = [one.key for one in batch if one.kind == INSERT and one.key not in written]
        if not missing:
            return set()
        table = self._table(batch[0].table)
        with self._connection.cursor() as cursor:
            _tables.run(cursor, f"SELECT wanted.key FROM unnest(%(keys)s::text[]) AS wanted (key) WHERE NOT EXISTS (SELECT FROM {table.quoted} AS r "
                                f"WHERE {table.has_key('r', 'wanted.key')})", {"keys": missing})
            return {key for (key,) in cursor.fetchall()}

    @staticmethod
    def _note(result: Applied, table: Table, batch: list[Operation], written: t.Mapping[str, str | None], barred: t.Container[str]) -> None:
        exact = not table.generated and not table.ignored
        for one in batch:
            if one.key in barred:
                result.barred_count += 1
                result.barred += [f"{one.table} {one.key}"] if len(result.barred) < KEPT else []
            elif one.key not in written:
                result.skipped_count += 1
                result.skipped += [f"{one.table} {one.key}"] if len(result.skipped) < KEPT else []
            elif exact and written[one.key] != one.after and len(result.altered) < KEPT:
                result.altered.append(f"{one.table} {one.key}")

    def _irreversible(self, what: str, tables: t.Sequence[Table]) -> Refused:
        with self._connection.cursor() as cursor:
            cursor.execute(_TRIGGERS, ([table.oid for table in tables],))
            triggers = cursor.fetchone()[0]
        self._connection.rollback()
        return Refused(f"The repair was tried and is refused, as it could not be taken back: {what}"
                       f"{f' (triggers that run: {triggers})' if triggers else ''}. Nothing was written.",
                       "Name columns that a trigger sets as ignore of their table, or repair by hand with reconcile.sql." if triggers else "")

    def _elsewhere(self, tables: t.Sequence[Table]) -> dict[str, int]:
        """Tables that triggers have written, and how many of their rows were changed or deleted."""
        with self._connection.cursor() as cursor:
            cursor.execute(_ELSEWHERE.format(schema=literal(SCHEMA)), ([table.oid for table in tables],))
            return {name: int(changes) for name, _inserts, changes in cursor.fetchall()}

    def _fingerprints(self, tables: t.Iterable[Table]) -> list[tuple[t.Any, ...]]:
        rows = {table.quoted: f"(to_jsonb(r.*) - {table.uncompared})::text" if table.ignored else _ROW for table in tables}
        return self._fingerprints_of(rows, rows)

    def _fingerprints_of(self, names: t.Iterable[str], rows: t.Mapping[str, str] = types.MappingProxyType({})) -> list[tuple[t.Any, ...]]:
        """Number of rows, and a sum over what they read, of each table."""
        found = []
        with self._connection.cursor() as cursor:
            for name in names:
                cursor.execute(_FINGERPRINT.format(table=name, row=rows.get(name, _ROW)))
                found.append(cursor.fetchone())
        return found


def write_reversal(repair: Repair, plan: Plan) -> pathlib.Path:
    """Write the reversal beside the plan."""
    path = plan.directory / REVERSE
    path.write_text(repair.reversal(plan), encoding="utf-8")
    path.chmod(0o600)
    return path


def _names(table: Table) -> dict[str, str]:
    return {"table": table.quoted, "key": table.key_text("r"), "wanted_key": table.has_key("r", "wanted.key"),
            "kept_key": table.has_key("r", "kept.key"), "columns": ", ".join(map(quoted, table.columns)),
            "sets": ", ".join(f"{quoted(name)} = (wanted.row).{quoted(name)}" for name in table.settable),
            "picked": ", ".join(f"(wanted.row).{quoted(name)}" for name in table.columns)}
