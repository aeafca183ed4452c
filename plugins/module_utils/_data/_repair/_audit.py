# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log as the source of truth: which rows differ from what its trustworthy entries say, and how."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import Table, literal, quoted, quoted_table, run, texts

UPDATE, INSERT, DELETE = "update", "insert", "delete"
#: A row as text has to read the same in every session, or guards would see drift where there is none; and a row that a policy
#: hides is not gone.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
            "max_parallel_workers_per_gather": "0", "work_mem": "64MB", "row_security": "off"}
#: what orders entries beyond doubt
ORDERED = ("smallint", "integer", "bigint", "numeric", "timestamp", "date")
#: what can be read as JSON
READABLE = ("json", "jsonb", "text", "character varying", "hstore")
#: words of a log that has a column for what was done
CREATED = ("i", "insert", "inserted", "c", "create", "created")
REMOVED = ("d", "delete", "deleted", "destroy", "destroyed", "remove", "removed")

_AUDIT_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), EXISTS (
             SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
             AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND a.attnotnull)
    FROM pg_attribute AS a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"""
_NAMESAKES = """
    SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_' AND c.oid <> %s ORDER BY 1"""

#: Only entries whose checksum matches and that say something, and none older than one that may have been about every row. A removal has no value.
_SAID = """
      SELECT {keys}, {id} AS number, {new} AS value, {tied} AS tied
      FROM {audit} WHERE {about} AND {trusted} AND ({new} IS NOT NULL OR {gone}) AND {later}"""
#: Where every entry has the whole row, the newest one tells.
_NEWEST = """
      SELECT DISTINCT ON ({names}) {names}, number, value, value IS NULL AS gone, tied FROM ({said}) AS said
      ORDER BY {names}, number DESC"""
#: Where entries have only what changed, each column's newest entry tells, back to where the row was removed last.
_FOLDED = """
      SELECT {names}, max(number) AS number, jsonb_object_agg(f.key, f.value ORDER BY number) FILTER (WHERE f.key IS NOT NULL) AS value,
             max(number) IS NOT DISTINCT FROM max(removed) AS gone, bool_or(tied) AS tied
      FROM (SELECT *, max(number) FILTER (WHERE value IS NULL) OVER (PARTITION BY {names}) AS removed FROM ({said}) AS said) AS said
      LEFT JOIN LATERAL jsonb_each(value) AS f ON removed IS NULL OR number > removed
      GROUP BY {names}"""

#: What entries do not mention stays as it is in a row that is there, and a row that is gone needs every column. Values are compared as
#: the column's type prints them in JSON: 10.5 is 10.50.
_DIFFERENCES = """
    WITH entry AS ({entry})
    SELECT kind, key, number::text, before, after, changed::text, undecided FROM (
      SELECT 'update' AS kind, {r_key} AS key, e.number, (r.*)::text AS before, (truth.*)::text AS after, c.changed,
             CASE WHEN c.changed ?| {fixed} THEN 'its audit entry ' || e.number || ' says otherwise of a column that cannot be written: '
                                                 || c.changed::text WHEN e.tied THEN {tie} END AS undecided, {e_names}
      FROM {table} AS r JOIN entry AS e ON {matches}
      CROSS JOIN LATERAL jsonb_populate_record(r.*, e.value - {uncompared}) AS said
      CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(b.key, jsonb_build_array(b.value, a.value)) AS changed
        FROM jsonb_each(to_jsonb(r.*) - {uncompared}) AS b JOIN jsonb_each(to_jsonb(said.*) - {uncompared}) AS a USING (key)
        WHERE a.value IS DISTINCT FROM b.value) AS c
      CROSS JOIN LATERAL (SELECT jsonb_object_agg(key, value) AS row FROM jsonb_each(e.value) WHERE c.changed ? key) AS part
      CROSS JOIN LATERAL jsonb_populate_record(r.*, part.row) AS truth
      WHERE NOT e.gone AND r.* *<> said.* AND c.changed IS NOT NULL
      UNION ALL
      SELECT 'insert', {e_key}, e.number, NULL, (truth.*)::text, e.value,
             CASE WHEN NOT e.value ?& {required} THEN 'its audit entry ' || e.number || ' does not have every column'
                  WHEN NOT ({truth_matches}) THEN 'its audit entry ' || e.number || ' names another row than its values do'
                  WHEN e.tied THEN {tie} END, {e_names}
      FROM entry AS e LEFT JOIN {table} AS r ON {matches}
      CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, e.value) AS truth
      WHERE r.{first} IS NULL AND NOT e.gone
      UNION ALL
      SELECT 'delete', {r_key}, e.number, (r.*)::text, NULL, to_jsonb(r.*),
             CASE WHEN e.tied THEN {tie} WHEN NOT EXISTS (SELECT FROM ({said}) AS came WHERE value IS NOT NULL AND {came})
                  THEN 'the audit log has only its removal (entry ' || e.number || '), and not how it came' END, {e_names}
      FROM {table} AS r JOIN entry AS e ON {matches} WHERE e.gone
    ) AS differences ORDER BY kind, {names}"""

#: what kind of log it is: the fields of ``_Survey``
_SURVEY = """
    SELECT count(*), coalesce(bool_or(trusted AND NOT value ?& {required}), false), count(*) FILTER (WHERE NOT named),
           (max(number) FILTER (WHERE NOT named AND value IS NULL AND NOT gone))::text, count(value),
           count(*) FILTER (WHERE strange), min((SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_object_keys(value) AS key)) FILTER (WHERE strange),
           min((SELECT min(f.key) FROM jsonb_each(value) AS f WHERE f.key = ANY ({single}) AND jsonb_typeof(f.value) IN ('array', 'object')))
             FILTER (WHERE jsonb_typeof(value) = 'object')
    FROM (SELECT {id} AS number, {new} AS value, {gone} AS gone, {trusted} AS trusted, {named} AS named,
                 NOT {new} ?| {telling} AND {new} <> '{{}}' AS strange
          FROM {audit} WHERE {about}) AS entry"""

#: why the audit log does not decide about rows; it is read once for all of them
_VERDICTS = """
    SELECT asked.key, CASE
        WHEN count(entry.key) = 0 THEN 'the audit log has no entry for it'
        WHEN count(*) FILTER (WHERE trusted) = 0 THEN 'all of its ' || count(*) || ' audit entries have checksums that do not match'
        ELSE 'the audit log does not say otherwise (entry ' || max(number) FILTER (WHERE trusted) || ')' END
    FROM unnest(%(asked)s::text[]) AS asked (key)
    LEFT JOIN (SELECT {key} AS key, number, trusted FROM (SELECT {keys}, {id} AS number, {trusted} AS trusted FROM {audit} WHERE {about}) AS e
              ) AS entry ON entry.key = asked.key
    GROUP BY asked.key"""


@dataclasses.dataclass(frozen=True)
class AuditLog:
    """Where the audit log is, and the names of its columns; an empty name is a column that it does not have.

    :param id: orders the entries: a number or a time.
    :param schema_name: the schema of the table that was written.
    :param row_id: the row's key; without it, and for a key of several columns, the key is taken from the values.
    :param old_value: a row's columns before the write, as JSON.
    :param new_value: a row's columns after the write, or those that changed, as JSON; null when the row was removed.
    :param action: what was done, in one of the words of ``CREATED`` and ``REMOVED`` or another one for a change; then a new row may stand in
        ``old_value``, and a removed one in ``new_value``.
    :param flagged: true where the entry's checksum does not match.
    """

    table: str = "audit_log"
    id: str = "id"
    schema_name: str = ""
    table_name: str = "table_name"
    row_id: str = "row_id"
    old_value: str = "old_value"
    new_value: str = "new_value"
    action: str = ""
    flagged: str = "checksum_mismatch"


@dataclasses.dataclass(frozen=True)
class Operation:
    """One row's repair.

    :param before: the row as text, None for an insert; ``after`` likewise, None for a delete.
    :param changed: JSON: column -> [before, after] for an update, the whole row otherwise.
    :param entry: number or time of the audit entry that decides.
    """

    table: str
    kind: str
    key: str
    entry: str
    before: str | None
    after: str | None
    changed: str


@dataclasses.dataclass(frozen=True)
class Undecided:
    """A row that is wrong, or without a key a whole table, that the audit log does not decide about."""

    table: str
    key: str
    reason: str


def differences(connection: t.Any, audit: AuditLog, table: Table, fetch: int = 2000) -> t.Iterator[Operation | Undecided]:
    """Every row that is not as the audit log says, streamed: deletes, inserts, updates, each by key.

    :raises Refused: the log's entries cannot be told from another table's.
    :raises InvalidInput: it has no such column, or nothing orders its entries.
    """
    parts = _parts(connection, audit, table)
    with connection.cursor() as cursor:
        cursor.execute(_SURVEY.format(**parts))
        survey = _Survey(*cursor.fetchone())
    yield from (Undecided(table.name, "", reason) for reason in survey.reasons(table))
    if survey.unreadable:
        return
    parts["later"] = f"{parts['id']} > {literal(survey.barrier)}::{parts['id_type']}" if survey.barrier else "true"
    parts["said"] = _SAID.format(**parts)
    sql = _DIFFERENCES.format(**parts, entry=(_FOLDED if survey.partial else _NEWEST).format(**parts))
    with connection.cursor(name="differences") as cursor:
        cursor.itersize = fetch
        cursor.execute(sql)
        for kind, key, entry, before, after, changed, undecided in cursor:
            yield (Undecided(table.name, key, undecided) if undecided
                   else Operation(table.name, kind, key, entry, before, after, changed))


@dataclasses.dataclass(frozen=True)
class _Survey:
    """What kind of log it is.

    :param partial: whether entries have parts of rows only.
    :param nameless: entries that name no row; ``barrier`` is the newest of them that has no values, as a TRUNCATE leaves.
    :param strangers: of the entries with ``values``, those that have none of the table's columns but its key, and ``fields`` what one has.
    :param nested: a column for which an entry has a list or an object, though it has a single value; None where there is none.
    """

    entries: int
    partial: bool
    nameless: int
    barrier: str | None
    values: int
    strangers: int
    fields: str | None
    nested: str | None

    @property
    def unreadable(self) -> bool:
        """Whether its values are not the rows' columns."""
        return bool(self.nested or (self.strangers and self.strangers == self.values))

    def reasons(self, table: Table) -> t.Iterator[str]:
        """Why it does not decide about all of the table."""
        if not self.entries:
            yield "the audit log has no entry of it"
        if self.nameless:
            older = (f"; one of them ({self.barrier}) has no values, as after a TRUNCATE, so what is older decides nothing"
                     if self.barrier else "")
            yield f"{self.nameless} of its {self.entries} audit entries do not name a row by {', '.join(table.key)}{older}"
        if self.strangers:
            yield f"{self.strangers} of its {self.entries} audit entries have none of its columns but the key (one has {self.fields})"
        if self.nested:
            yield f"its audit entries have a list or an object for {self.nested}, which has a single value: pairs of before and after are not understood"


def why_undecided(connection: t.Any, audit: AuditLog, table: Table, keys: t.Sequence[str]) -> dict[str, str]:
    """By key, what the audit log has of rows that are wrong and not repaired."""
    with connection.cursor() as cursor:
        run(cursor, _VERDICTS.format(**_parts(connection, audit, table)), {"asked": list(keys)})
        return dict(cursor.fetchall())


def _parts(connection: t.Any, audit: AuditLog, table: Table) -> dict[str, str]:
    """What the queries are made of."""
    with connection.cursor() as cursor:
        cursor.execute(_AUDIT_COLUMNS, (quoted_table(audit.table),))
        found = {name: (kind, unique) for name, kind, unique in cursor.fetchall()}
    types = {name: kind for name, (kind, _unique) in found.items()}
    _refuse_unfit(audit, types)
    names = [f"key_{at}" for at in range(len(table.key))]
    given_new, old = (f"nullif({quoted(column)}::jsonb, 'null')" if column else "NULL::jsonb" for column in (audit.new_value, audit.old_value))
    new, gone = _meant(audit, given_new, old)
    keys = _keys(audit, table, types, (given_new, old))
    number = quoted(audit.id)
    tied = "false" if found[audit.id][1] else f"({number} IS NULL OR count(*) OVER (PARTITION BY {', '.join(keys)}, {number}) > 1)"
    unwritable = (*table.key, *table.always)
    return {
        "audit": quoted_table(audit.table), "id": number, "id_type": types[audit.id], "new": new, "gone": gone, "tied": tied, "table": table.quoted,
        "about": _about(connection, audit, table, types),
        "trusted": f"NOT coalesce({quoted(audit.flagged)}, false)" if audit.flagged else "true",
        "keys": ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True)), "names": ", ".join(names),
        "named": " AND ".join(f"{key} IS NOT NULL" for key in keys), "e_names": ", ".join(f"e.{name}" for name in names),
        "r_key": table.key_text("r"), "e_key": _joined("e", names), "key": _joined("e", names),
        "matches": " AND ".join(f"e.{name} = r.{quoted(column)}" for name, column in zip(names, table.key, strict=True)),
        "truth_matches": " AND ".join(f"e.{name} = truth.{quoted(column)}" for name, column in zip(names, table.key, strict=True)),
        "came": " AND ".join(f"came.{name} = e.{name}" for name in names), "first": quoted(table.key[0]),
        "required": texts(table.required), "uncompared": table.uncompared, "single": texts(table.single),
        "telling": texts([name for name in table.required if name not in table.key] or table.key), "fixed": texts(unwritable),
        "tie": literal("two of its audit entries have the same place in the order")}


def _meant(audit: AuditLog, new: str, old: str) -> tuple[str, str]:
    """SQL for the values that an entry says a row has since, and for whether it says that the row was removed."""
    if not audit.action:
        return new, f"({new} IS NULL AND {old} IS NOT NULL)"
    action = f"lower({quoted(audit.action)}::text)"
    gone = f"coalesce({action} = ANY ({texts(REMOVED)}), false)"
    return f"(CASE WHEN {gone} THEN NULL WHEN {action} = ANY ({texts(CREATED)}) THEN coalesce({new}, {old}) ELSE {new} END)", gone


def _joined(alias: str, names: t.Sequence[str]) -> str:
    values = [f"{alias}.{name}::text" for name in names]
    return values[0] if len(values) == 1 else f"jsonb_build_array({', '.join(values)})::text"


def _refuse_unfit(audit: AuditLog, types: t.Mapping[str, str]) -> None:
    if not types:
        raise InvalidInput(f"There is no audit log {audit.table}, or the role may not see it.", "Check data_inconsistency_audit.")
    given = dataclasses.asdict(audit)
    missing = [f"{field}: {name}" for field, name in given.items() if field != "table" and name and name not in types]
    if missing or not audit.id:
        raise InvalidInput(f"The audit log {audit.table} has no column {', '.join(missing) or 'to order its entries by'}.",
                           f"It has: {', '.join(types)}. Set data_inconsistency_audit; a column that it does not have is ''.")
    if not types[audit.id].startswith(ORDERED):
        raise InvalidInput(f"The column {audit.id} of the audit log {audit.table} is of type {types[audit.id]}, which does not order its entries: "
                           "which of them is the newest cannot be told.", "Name a column with a number or a time as id of data_inconsistency_audit.")
    for field, name, fit in (("old_value", audit.old_value, READABLE), ("new_value", audit.new_value, READABLE), ("flagged", audit.flagged, ("boolean",))):
        if name and types[name].rpartition(".")[2] not in fit:
            raise InvalidInput(f"The column {name} of the audit log {audit.table} is of type {types[name]}, and {field} can be read of "
                               f"{' or '.join(fit)}.", "Set data_inconsistency_audit; a view over the log can give it another type.")


def _keys(audit: AuditLog, table: Table, types: t.Mapping[str, str], values: t.Sequence[str]) -> list[str]:
    """The key of the row that an entry is about, of the types of the table's key.

    :param values: where it may be, the first that has it first.
    """
    as_json = types.get(audit.row_id) in ("json", "jsonb")
    if len(table.key) == 1 and audit.row_id and not as_json:
        return [f"{quoted(audit.row_id)}::text::{table.key_types[0]}"]
    sources = [f"{quoted(audit.row_id)}::jsonb"] if as_json else values
    return [f"coalesce({', '.join(f'{source} ->> {literal(name)}' for source in sources)})::{kind}"
            for name, kind in zip(table.key, table.key_types, strict=True)]


def _about(connection: t.Any, audit: AuditLog, table: Table, types: t.Mapping[str, str]) -> str:
    """The condition for a table's entries.

    :raises Refused: the log does not say of which schema's table its entries are, and there are several.
    """
    if not audit.table_name:
        return "true"
    name = quoted(audit.table_name)
    if types[audit.table_name] in ("oid", "regclass"):
        return f"{name}::oid = {table.oid}"
    if audit.schema_name:
        return f"{name} = {literal(table.relation)} AND {quoted(audit.schema_name)}::text = {literal(table.schema)}"
    full = [f"{table.schema}.{table.relation}", table.quoted, f"{table.schema}.{quoted(table.relation)}", f"{quoted(table.schema)}.{table.relation}"]
    _refuse_ambiguous(connection, audit, table, types)
    return f"{name} IN ({', '.join(map(literal, [table.relation, *dict.fromkeys(full)]))})"


def _refuse_ambiguous(connection: t.Any, audit: AuditLog, table: Table, types: t.Mapping[str, str]) -> None:
    """A bare name may be that of another schema's table."""
    schemas = [name for name, kind in types.items() if "schema" in name.lower() and kind in ("text", "name", "character varying")]
    bare = f"FROM {quoted_table(audit.table)} WHERE {quoted(audit.table_name)} = {literal(table.relation)}"
    with connection.cursor() as cursor:
        cursor.execute(_NAMESAKES, (table.relation, table.oid))
        others = [name for (name,) in cursor.fetchall()]
        for column in schemas:
            cursor.execute(f"SELECT DISTINCT {quoted(column)}::text {bare} AND {quoted(column)}::text <> {literal(table.schema)} LIMIT 3")
            others += [f"{schema}.{table.relation}" for (schema,) in cursor.fetchall()]
        if not others:
            return
        cursor.execute(f"SELECT EXISTS (SELECT {bare})")
        if cursor.fetchone()[0]:
            columns = f" ({' or '.join(schemas)})" if schemas else ""
            raise Refused(f"The audit log {audit.table} names {table.relation} without its schema, and there is also "
                          f"{', '.join(dict.fromkeys(others))}: whose entries they are cannot be told.",
                          f"Name the column with the schema{columns} as schema_name of data_inconsistency_audit.")
