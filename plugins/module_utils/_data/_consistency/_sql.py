# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a rule to one statement that returns the rows it is about."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule, Values


@dataclasses.dataclass(frozen=True)
class Slice:
    """A part of a table's keys: a range of them, or each n-th of whole numbers.

    :param first: the range begins with it; None is open.
    :param end: the range ends before it; None is open.
    :param nth: which of ``of`` shares.
    """

    first: int | None = None
    end: int | None = None
    nth: int = 0
    of: int = 1

    def __str__(self) -> str:
        if self.of > 1:
            return f"share {self.nth + 1} of {self.of}"
        ends = [f"{word} {value}" for word, value in (("from", self.first), ("below", self.end)) if value is not None]
        return " ".join(ends) or "all"


EVERYTHING = Slice()
#: columns beside those of the rule's table
_FOUND, _EXPECTED = "runbooks_found", "runbooks_expected"
#: of a table's name: each as it is or in quotes
_PARTS = re.compile(r'"(?:[^"]|"")+"(?=\.|$)|[^.]+')
#: share of a floating-point number by which two sums of the same values may differ
ROUNDING = {"real": "1e-5", "double precision": "1e-9"}


def statement(rule: Rule, keys: Slice = EVERYTHING) -> str:
    """The SELECT of a rule: its key, found, expected, amount, customer, time, and the sample columns.

    :param keys: only rows with such keys; for a kind in ``SLICED``.
    """
    inner = _SLICED[rule.kind](rule, keys) if rule.kind in _SLICED else _WHOLE[rule.kind](rule)
    key = _numbered("audited_row", rule.key) if "audit" in rule.values else [quoted(name) for name in rule.key]
    compares = rule.kind not in ("sql", "not_null") and "flag" not in rule.values
    amount, source = _amount(rule.amount), f"({inner}) AS affected"
    if compares and rule.amount:
        # Found and expected mean what was compared, also where a column of the table is called so.
        source += (f" CROSS JOIN LATERAL (SELECT {amount} AS runbooks_amount"
                   f" FROM (SELECT {_FOUND} AS found, {_EXPECTED} AS expected) AS compared) AS valued")
        amount = "runbooks_amount"
    columns = [*key, *((_FOUND, _EXPECTED) if compares else ("NULL", "NULL")), amount, _optional(rule.customer), _optional(rule.time),
               *(quoted(name) for name in rule.sample)]
    return f"SELECT {', '.join(columns)}\nFROM {source}"


def rows_of(rule: Rule, columns: str, keys: int) -> str:
    """The SELECT of columns of the rule's table, for psycopg2: of the rows with so many keys, each a tuple of texts.

    :param columns: SQL, quoted.
    """
    key = ", ".join(f"{quoted(name)}::text" for name in rule.key)
    select = f"SELECT {columns} FROM {table(rule.values['table'])} WHERE ({key}) IN (".replace("%", "%%")
    return f"{select}{', '.join(['%s'] * keys)})"


def aggregate(of: Values, keys: Slice = EVERYTHING) -> str:
    """The sum for each key of the table that a total is derived from."""
    columns = [quoted(name) for name in of.get("column") or of["by"]]
    named = ", ".join(f"{column} AS {name}" for column, name in zip(columns, _numbered("summed_key", columns), strict=True))
    there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    return (f"SELECT {named}, sum({_whole(of['expression'])}) AS summed FROM {table(of['table'])}"
            f" WHERE {there}{_and(of.get('where'))}{_within(columns[0], keys)} GROUP BY {', '.join(columns)}")


def table(name: str) -> str:
    """A table's name, quoted: of ``table``, ``schema.table``, or, where a dot belongs to a name, ``shop."orders.v2"``."""
    return ".".join(part if re.fullmatch('".+"', part) else quoted(part) for part in _PARTS.findall(name))


def quoted(name: str) -> str:
    """An identifier exactly as it was written."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text constant, whatever standard_conforming_strings is."""
    escaped = text.replace("'", "''")
    return "'" + escaped + "'" if "\\" not in text else " E'" + escaped.replace("\\", "\\\\") + "'"


def _derived_total(rule: Rule, keys: Slice) -> str:
    v, key = rule.values, [f"t.{quoted(name)}" for name in rule.key]
    column, expected = f"t.{quoted(v['column'])}", "coalesce(i.summed, '0')"
    same = _equal([f"i.{name}" for name in _numbered("summed_key", key)], key)
    return (f"SELECT t.*, {column} AS {_FOUND}, {expected} AS {_EXPECTED} FROM {_rows(v)} AS t"
            f" LEFT JOIN ({aggregate(v['of'], keys)}) AS i ON {same}"
            f" WHERE {_differ(column, expected, v)}{_within(key[0], keys)}")


def _orphans(rule: Rule) -> str:
    v, other = rule.values, rule.values["references"]
    columns = [f"t.{quoted(name)}" for name in v["column"]]
    found = columns[0] if len(columns) == 1 else f"concat_ws(', ', {', '.join(columns)})"
    there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    return (f"SELECT t.*, {found} AS {_FOUND}, NULL AS {_EXPECTED} FROM {_rows(v)} AS t WHERE {there}"
            f" AND NOT EXISTS (SELECT FROM {_rows(other)} AS r WHERE {_equal([f'r.{quoted(name)}' for name in other['column']], columns)})")


def _duplicates(rule: Rule) -> str:
    """All but the first row of each group, as a unique index would judge: rows with a NULL repeat nothing."""
    v = rule.values
    columns, key = _list(v["columns"]), _list(rule.key, "t")
    return (f"SELECT * FROM (SELECT t.*, concat_ws(', ', {_list(v['columns'], 't')}) AS {_FOUND},"
            f" first_value(concat_ws(', ', {key})) OVER same AS {_EXPECTED}, row_number() OVER same AS runbooks_nth"
            f" FROM {_rows(v)} AS t JOIN (SELECT {columns} FROM {_rows(v)} AS u GROUP BY {columns} HAVING count(*) > 1) AS d"
            f" USING ({columns}) WINDOW same AS (PARTITION BY {_list(v['columns'], 't')} ORDER BY {key})) AS numbered WHERE runbooks_nth > 1")


def _audit_mismatch(rule: Rule) -> str:
    """Rows that differ from the last entry that has the column, and rows that should be there and are not.

    ``jsonb_populate_record`` gives recorded values and keys the columns' own types, be they numbers or texts in the log.
    """
    v = rule.values
    if "flag" in v:
        return f"SELECT * FROM {_rows(v)} AS t WHERE {quoted(v['flag'])}"
    audit = v["audit"]
    values, name = f"nullif({quoted(audit['values'])}::jsonb, 'null')", literal(v["column"])
    row, audited = [quoted(column) for column in audit["row"]], _numbered("audited_row", rule.key)
    named = ", ".join(f"{column} AS {new}" for column, new in zip(row, audited, strict=True))
    there = " AND ".join(f"{column} IS NOT NULL" for column in row)
    last = (f"SELECT DISTINCT ON ({', '.join(row)}) {named}, {values} -> {name} AS value, {values} IS NULL AS gone"
            f" FROM {table(audit['table'])} WHERE {there} AND ({values} ? {name} OR {values} IS NULL){_and(audit.get('where'))}"
            f" ORDER BY {', '.join(row)}, {quoted(audit['order'])} DESC")
    recorded = ", ".join([f"{name}, a.value", *(f"{literal(column)}, a.{new}" for column, new in zip(rule.key, audited, strict=True))])
    found, typed = f"t.{quoted(v['column'])}", f"said.{quoted(v['column'])}"
    key, said = ([f"{alias}.{quoted(column)}" for column in rule.key] for alias in ("t", "said"))
    return (f"SELECT t.*, {', '.join(audited)}, {found} AS {_FOUND}, {typed} AS {_EXPECTED} FROM ({last}) AS a"
            f" CROSS JOIN LATERAL jsonb_populate_record(NULL::{table(v['table'])}, jsonb_build_object({recorded})) AS said"
            f" LEFT JOIN {table(v['table'])} AS t ON {_equal(key, said)}"
            f" WHERE NOT a.gone AND ({key[0]} IS NULL OR {_differ(found, typed, v)})")


def _sums(rule: Rule) -> str:
    v, keys = rule.values, _numbered("summed_key", rule.key)
    named = ", ".join(f"{key} AS {quoted(name)}" for key, name in zip(keys, rule.key, strict=True))
    found, expected = (f"coalesce({side}.summed, '0')" for side in ("l", "r"))
    return (f"SELECT {named}, l.summed AS {_FOUND}, r.summed AS {_EXPECTED}"
            f" FROM ({aggregate(v)}) AS l FULL JOIN ({aggregate(v['other'])}) AS r USING ({', '.join(keys)})"
            f" WHERE {_differ(found, expected, v)}")


def _not_null(rule: Rule) -> str:
    missing = " OR ".join(f"{quoted(name)} IS NULL" for name in rule.values["columns"])
    return f"SELECT * FROM {_rows(rule.values)} AS t WHERE {missing}"


def _sql(rule: Rule) -> str:
    # The line break ends a comment in the last line.
    return rule.values["query"].rstrip("; \n") + "\n"


_WHOLE: dict[str, t.Callable[[Rule], str]] = {
    "orphans": _orphans, "duplicates": _duplicates, "audit_mismatch": _audit_mismatch, "sums": _sums, "not_null": _not_null,
    "sql": _sql}
_SLICED: dict[str, t.Callable[[Rule, Slice], str]] = {"derived_total": _derived_total}
#: kinds that can be checked by slices of their key
SLICED = tuple(_SLICED)


def _rows(values: Values) -> str:
    """The table's rows that count; a subquery, so that the condition sees no other table's columns."""
    return f"(SELECT * FROM {table(values['table'])}{' WHERE ' + _whole(values['where']) if values.get('where') else ''})"


def _list(names: t.Iterable[str], alias: str = "") -> str:
    return ", ".join((f"{alias}." if alias else "") + quoted(name) for name in names)


def _amount(expression: str) -> str:
    """A number as text; before version 14 an infinite one is no numeric."""
    if not expression:
        return "NULL"
    given = _whole(expression)
    return f"CASE WHEN {given}::text ~ '^-?Inf|NaN' THEN {given}::text ELSE ({given}::numeric)::text END"


def _numbered(name: str, columns: t.Sequence[str]) -> list[str]:
    return [f"{name}_{number}" for number in range(1, len(columns) + 1)]


def _equal(some: t.Sequence[str], others: t.Sequence[str]) -> str:
    return " AND ".join(f"{one} = {other}" for one, other in zip(some, others, strict=True))


def _differ(found: str, expected: str, values: Values) -> str:
    """Beyond the rule's tolerance; where it has none, floating-point numbers may differ by the rounding of a sum."""
    if "tolerance" in values:
        near = f"abs({found} - {expected}) <= {values['tolerance']}"
    else:
        # By text, since not every type that can be compared has these operators; only looked at where the types are floats.
        numbers = [f"({value})::text::float8" for value in (found, expected)]
        types = f"pg_typeof({found})::text, pg_typeof({expected})::text"
        share = f"CASE WHEN 'real' IN ({types}) THEN {ROUNDING['real']} ELSE {ROUNDING['double precision']} END"
        near = (f"CASE WHEN 'real' IN ({types}) OR 'double precision' IN ({types})"
                f" THEN abs({' - '.join(numbers)}) < {share} * greatest(abs({numbers[0]}), abs({numbers[1]})) END")
    return f"({found} IS DISTINCT FROM {expected} AND NOT coalesce({near}, false))"


def _optional(column: str) -> str:
    return quoted(column) if column else "NULL"


def _and(condition: str | None) -> str:
    return f" AND {_whole(condition)}" if condition else ""


def _whole(expression: str) -> str:
    """An expression of the rule's, which may end with a comment."""
    return f"({expression}\n)"


def _within(column: str, keys: Slice) -> str:
    conditions = [f"{column} {sign} {value}" for sign, value in ((">=", keys.first), ("<", keys.end)) if value is not None]
    conditions += [f"abs({column} % {keys.of}) = {keys.nth}"] if keys.of > 1 else []
    return "".join(f" AND {condition}" for condition in conditions)
