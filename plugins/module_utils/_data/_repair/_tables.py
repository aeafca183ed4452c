# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table as the catalogue describes it: what names one row, what can be written, and whose rows go with it."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import literal, quoted, table as quoted_table

_TABLE = """
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', a.attidentity = 'a', y.typcategory IN ('S', 'N', 'D', 'T', 'B', 'E')
    FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_UNIQUE = """
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index AS i JOIN pg_attribute AS a
      ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
    WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid, i.indisprimary ORDER BY NOT i.indisprimary, i.indexrelid"""
#: foreign keys whose action writes rows of another table; those of partitions are their parent's
_REFERENCES = """
    SELECT format('%%I.%%I', n.nspname, c.relname), f.confdeltype, f.confupdtype,
           (SELECT array_agg(a.attname::text ORDER BY k.nth) FROM unnest(f.conkey) WITH ORDINALITY AS k (number, nth)
            JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.number),
           (SELECT array_agg(a.attname::text ORDER BY k.nth) FROM unnest(f.confkey) WITH ORDINALITY AS k (number, nth)
            JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.number)
    FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE f.contype = 'f' AND f.confrelid = %s AND f.conparentid = 0 AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))
    ORDER BY n.nspname, c.relname, f.conname"""
ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


@dataclasses.dataclass(frozen=True)
class Reference:
    """A foreign key that refers to a table, and that writes its own rows when the other's change.

    :param name: of the table whose rows refer, with its schema, as in a statement.
    :param on_delete: a key of ``ACTIONS``, or another letter for none of them; likewise ``on_update``.
    :param columns: that refer; ``referred`` of the other table, in the same order.
    """

    name: str
    on_delete: str
    on_update: str
    columns: tuple[str, ...]
    referred: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """The name for a statement."""
        return quoted_table(self.name)

    def joins(self, child: str, parent: str) -> str:
        """The condition for rows that belong together."""
        return " AND ".join(f"{child}.{quoted(one)} = {parent}.{quoted(other)}" for one, other in zip(self.columns, self.referred, strict=True))


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that can be repaired.

    :param name: as it was given.
    :param quoted: with its schema, for a statement.
    :param key: columns that name one row, with a unique index; ``key_types`` are theirs.
    :param columns: those that can be inserted, in order.
    :param generated: those that cannot, as the server computes them.
    :param always: those that only the server numbers, unless it is told otherwise.
    :param ignored: those that triggers set: neither compared nor brought back.
    :param single: those with one value, which JSON has as no list and no object.
    """

    name: str
    oid: int
    schema: str
    relation: str
    key: tuple[str, ...]
    key_types: tuple[str, ...]
    columns: tuple[str, ...]
    generated: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    single: tuple[str, ...] = ()

    @property
    def quoted(self) -> str:
        """Its full name for a statement."""
        return f"{quoted(self.schema)}.{quoted(self.relation)}"

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that have to be known of a row that is missing."""
        return tuple(name for name in self.columns if name not in self.ignored)

    @property
    def settable(self) -> tuple[str, ...]:
        """Columns that an update brings back."""
        return tuple(name for name in self.required if name not in self.always and name not in self.key)

    @property
    def uncompared(self) -> str:
        """An SQL array of the columns that tell nothing."""
        return texts((*self.generated, *self.ignored))

    def key_text(self, alias: str) -> str:
        """SQL for a row's key as text: of one column its value, of several a JSON array."""
        values = [f"{alias}.{quoted(name)}::text" for name in self.key]
        return values[0] if len(values) == 1 else f"jsonb_build_array({', '.join(values)})::text"

    def has_key(self, alias: str, text: str) -> str:
        """SQL that is true where the row has the key of that text."""
        if len(self.key) == 1:
            return f"{alias}.{quoted(self.key[0])} = {text}::{self.key_types[0]}"
        return " AND ".join(f"{alias}.{quoted(name)} = ({text}::jsonb ->> {at})::{kind}"
                            for at, (name, kind) in enumerate(zip(self.key, self.key_types, strict=True)))


def describe(connection: t.Any, name: str, key: str | t.Sequence[str] = (), ignored: t.Sequence[str] = ()) -> Table:
    """A table's key, columns, and what refers to it.

    :param key: column or columns; without any, its primary key, or another unique index.
    :raises InvalidInput: there is no such table or column.
    :raises Refused: the key does not name one row, or the table is none whose rows can be brought back.
    """
    wanted = [key] if isinstance(key, str) else list(key)
    with connection.cursor() as cursor:
        cursor.execute(_TABLE, (quoted_table(name),))
        found = cursor.fetchone()
        if found is None:
            raise InvalidInput(f"There is no table {name}, or the role may not see it.", "Check data_inconsistency_repair_tables.")
        oid, schema, relation, kind, inherited = found
        cursor.execute(_COLUMNS, (oid,))
        columns = cursor.fetchall()
        cursor.execute(_UNIQUE, (oid,))
        unique = [tuple(names) for (names,) in cursor.fetchall()]
        cursor.execute(_REFERENCES, (oid,))
        references = tuple(Reference(full, delete, update, tuple(own), tuple(other))
                           for full, delete, update, own, other in cursor.fetchall())
    types = {column: type_name for column, type_name, *_rest in columns}
    for column in (*wanted, *ignored):
        if column not in types:
            raise InvalidInput(f"Table {name} has no column {column}.", f"It has: {', '.join(types)}.")
    if kind not in "rp" or inherited:
        raise Refused(f"{name} is no table whose rows could be brought back to where they were (a view, a foreign table, or the parent of "
                      "others).", "Name the tables that hold the rows.")
    chosen = tuple(wanted) or next(iter(unique), ())
    if not any(set(names) <= set(chosen) for names in unique):
        ways = " or ".join(f"[{', '.join(names)}]" for names in unique)
        raise Refused(f"{', '.join(chosen) or 'No key'} does not name one row of {name}: no unique index has only that.",
                      f"Set its key in data_inconsistency_repair_tables to {ways}." if ways else "Give it a primary key.")
    return Table(name, oid, schema, relation, chosen, tuple(types[column] for column in chosen),
                 tuple(column for column, _type, generated, *_rest in columns if not generated),
                 tuple(column for column, _type, generated, *_rest in columns if generated),
                 tuple(column for column, _type, _generated, always, _single in columns if always), tuple(ignored), references,
                 tuple(column for column, *_rest, single in columns if single))


def column_type(connection: t.Any, table: str, column: str) -> str:
    """SQL type of a table's column.

    :raises InvalidInput: there is no such table or column.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s",
                       (quoted_table(table), column))
        found = cursor.fetchone()
    if found is None:
        raise InvalidInput(f"There is no column {column} of a table {table}, or the role may not see it.", "Check the rules.")
    return found[0]


def texts(values: t.Iterable[str]) -> str:
    """An SQL array."""
    return f"ARRAY[{', '.join(map(literal, values))}]::text[]"


def run(cursor: t.Any, statement: str, parameters: t.Mapping[str, t.Any]) -> None:
    """Execute a statement with ``%(name)s`` for its parameters; any other ``%`` belongs to the names that it is made of."""
    placed = functools.reduce(lambda sql, name: sql.replace(f"%%({name})s", f"%({name})s"), parameters, statement.replace("%", "%%"))
    cursor.execute(placed, parameters)
