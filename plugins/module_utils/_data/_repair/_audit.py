# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log as the source of truth: which rows differ from its last trustworthy entry, and how."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

UPDATE, INSERT, DELETE = "update", "insert", "delete"
#: A row as text has to read the same in every session, or guards would see drift where there is none; and a row that a policy
#: hides is not gone.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
            "max_parallel_workers_per_gather": "0", "work_mem": "64MB", "row_security": "off"}

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

#: An entry whose checksum does not match is not trusted; the newest of the others says how the row has to be. What it does
#: not mention stays as it is in a row that is there, and a row that is gone needs every column. An entry with an old value
#: alone says that the row was removed; one with neither says nothing.
_DIFFERENCES = """
    WITH entry AS (
      SELECT DISTINCT ON ({row_id}) {row_id}::text::{key_type} AS key, {id} AS number,
             nullif({new_value}::jsonb, 'null') AS value, nullif({old_value}::jsonb, 'null') AS old
      FROM {audit} WHERE {table_name} = {name} AND NOT coalesce({flagged}, false) ORDER BY {row_id}, {id} DESC)
    SELECT * FROM (
      SELECT 'update' AS kind, r.{key}::text AS key, e.number, r::text AS before, truth::text AS after,
             (SELECT jsonb_object_agg(b.key, jsonb_build_array(b.value, a.value))
              FROM jsonb_each(to_jsonb(r)) AS b JOIN jsonb_each(to_jsonb(truth)) AS a USING (key)
              WHERE a.value IS DISTINCT FROM b.value)::text AS changed, NULL AS undecided, r.{key} AS sort
      FROM {table} AS r JOIN entry AS e ON e.key = r.{key}
      CROSS JOIN LATERAL jsonb_populate_record(r, e.value) AS truth
      WHERE e.value IS NOT NULL AND r *<> truth
      UNION ALL
      SELECT 'insert', e.key::text, e.number, NULL, truth::text, e.value::text,
             CASE WHEN NOT e.value ?& {columns} THEN 'its audit entry ' || e.number || ' does not have every column' END, e.key
      FROM entry AS e LEFT JOIN {table} AS r ON r.{key} = e.key
      CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, e.value) AS truth
      WHERE r.{key} IS NULL AND e.value IS NOT NULL
      UNION ALL
      SELECT 'delete', r.{key}::text, e.number, r::text, NULL, to_jsonb(r)::text, NULL, r.{key}
      FROM {table} AS r JOIN entry AS e ON e.key = r.{key}
      WHERE e.value IS NULL AND e.old IS NOT NULL
    ) AS differences ORDER BY kind, sort"""

#: why the audit log does not decide about rows; it is read once for all of them
_VERDICTS = """
    SELECT asked.key, CASE
        WHEN count(entry.key) = 0 THEN 'the audit log has no entry for it'
        WHEN count(*) FILTER (WHERE trusted) = 0 THEN 'all of its ' || count(*) || ' audit entries have checksums that do not match'
        ELSE 'the audit log does not say otherwise (entry ' || max(number) FILTER (WHERE trusted) || ')' END
    FROM unnest(%s::text[]) AS asked (key)
    LEFT JOIN (SELECT {row_id}::text AS key, {id} AS number, NOT coalesce({flagged}, false) AS trusted
               FROM {audit} WHERE {table_name} = {name} AND {row_id}::text = ANY (%s)) AS entry ON entry.key = asked.key
    GROUP BY asked.key"""


@dataclasses.dataclass(frozen=True)
class AuditLog:
    """Where the audit log is, and the names of its columns.

    :param old_value: a row's columns before the write, as JSON.
    :param new_value: a row's columns after the write, as JSON; null when the row was removed.
    :param flagged: true where the entry's checksum does not match.
    """

    table: str = "audit_log"
    id: str = "id"
    table_name: str = "table_name"
    row_id: str = "row_id"
    old_value: str = "old_value"
    new_value: str = "new_value"
    flagged: str = "checksum_mismatch"

    def parts(self) -> dict[str, str]:
        """Quoted names for the queries."""
        fields = dataclasses.asdict(self)
        return {"audit": quoted_table(fields.pop("table")), **{name: quoted(value) for name, value in fields.items()}}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that can be repaired.

    :param columns: those that can be written, in order.
    :param key_type: of its key column.
    """

    name: str
    key: str
    key_type: str
    columns: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """Its name for a statement."""
        return quoted_table(self.name)


@dataclasses.dataclass(frozen=True)
class Operation:
    """One row's repair.

    :param before: the row as text, None for an insert; ``after`` likewise, None for a delete.
    :param changed: JSON: column -> [before, after] for an update, the whole row otherwise.
    :param entry: id of the audit entry that decides.
    """

    table: str
    kind: str
    key: str
    entry: int
    before: str | None
    after: str | None
    changed: str


@dataclasses.dataclass(frozen=True)
class Undecided:
    """A row that is wrong, and that the audit log does not decide about."""

    table: str
    key: str
    reason: str


def describe(connection: t.Any, name: str, key: str) -> Table:
    """A table's key and columns.

    :raises InvalidInput: there is no such table or column.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (quoted_table(name),))
        columns = cursor.fetchall()
    types = {column: type_name for column, type_name, _generated in columns}
    if not columns:
        raise InvalidInput(f"There is no table {name}, or the role may not see it.", "Check repair.tables.")
    if key not in types:
        raise InvalidInput(f"Table {name} has no column {key}.", f"It has: {', '.join(types)}.")
    return Table(name, key, types[key], tuple(column for column, _type, generated in columns if not generated))


def differences(connection: t.Any, audit: AuditLog, table: Table, fetch: int = 2000) -> t.Iterator[Operation | Undecided]:
    """Every row that is not as the audit log says, streamed: deletes, inserts, updates, each by key."""
    sql = _DIFFERENCES.format(**audit.parts(), table=table.quoted, key=quoted(table.key), key_type=table.key_type,
                              name=literal(table.name.rpartition(".")[2]), columns=f"ARRAY[{', '.join(map(literal, table.columns))}]")
    with connection.cursor(name="differences") as cursor:
        cursor.itersize = fetch
        cursor.execute(sql)
        for kind, key, entry, before, after, changed, undecided, _sort in cursor:
            yield (Undecided(table.name, key, undecided) if undecided
                   else Operation(table.name, kind, key, entry, before, after, changed))


def why_undecided(connection: t.Any, audit: AuditLog, table: str, keys: t.Sequence[str]) -> dict[str, str]:
    """By key, what the audit log has of rows that are wrong and not repaired."""
    with connection.cursor() as cursor:
        cursor.execute(_VERDICTS.format(**audit.parts(), name=literal(table.rpartition(".")[2])), (list(keys), list(keys)))
        return dict(cursor.fetchall())


def quoted(identifier: str) -> str:
    """An identifier for a statement."""
    return '"' + identifier.replace('"', '""') + '"'


def quoted_table(name: str) -> str:
    """``orders`` or ``shop.orders`` for a statement."""
    return ".".join(map(quoted, name.split(".")))


def literal(text: str) -> str:
    """A string for a statement that has no parameters."""
    return "'" + text.replace("'", "''") + "'"
