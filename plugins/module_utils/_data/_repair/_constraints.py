# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would have refused the rows: a constraint or trigger for each rule that one can keep, to be added without long locks."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import literal, quoted, table

_HEADER = """\
-- What would keep the rules from being broken again. Nothing of it has been run.
-- The first statement of each takes a lock for a moment and only refuses new rows; the second reads the table without stopping
-- anybody, and fails as long as rows break the rule: run it after the repair.
"""

#: Judged at the end of the transaction, so an order and its items may be written in any order.
_TOTAL_TRIGGER = """\
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $check$
DECLARE one text;
BEGIN
  FOR one IN SELECT DISTINCT value FROM (VALUES (to_jsonb(NEW) ->> TG_ARGV[0]), (to_jsonb(OLD) ->> TG_ARGV[0])) AS of (value)
             WHERE value IS NOT NULL LOOP
    IF EXISTS (SELECT FROM {parent} AS t WHERE t.{key} = one::{key_type}{parent_where} AND t.{column} IS DISTINCT FROM coalesce(
                 (SELECT sum({expression}) FROM {child} WHERE {child_column} = one::{key_type}{child_where}), 0)) THEN
      RAISE EXCEPTION '{rule}: % of % is not the sum of its %', {column_text}, one, {child_text} USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  RETURN NULL;
END $check$;
CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE ON {parent} DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION {function}({key_text});
CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {child} DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION {function}({child_column_text});
"""


def kept_by(rule: Rule) -> str:
    """The kind of constraint that would keep a rule, empty where there is none."""
    if rule.kind == "orphans":
        # A key cannot refer to what refers to it: an order without items is no matter for a foreign key.
        return "" if set(rule.values["column"]) == set(rule.key) else "a foreign key"
    if rule.kind == "derived_total" and len(rule.key) > 1:
        return ""
    return {"duplicates": "a unique index", "not_null": "NOT NULL", "derived_total": "a deferred trigger"}.get(rule.kind, "")


def propose(rules: t.Sequence[Rule], key_type: t.Callable[[str, str], str]) -> str:
    """SQL for a person to run.

    :param key_type: SQL type of a table's column.
    """
    parts = [_HEADER]
    for rule in rules:
        parts.append(f"\n-- {rule.name}: {' '.join(rule.description.split())}\n")
        statement = _STATEMENTS[rule.kind](rule, key_type) if kept_by(rule) else ""
        parts.append(statement or "-- no constraint keeps this: check it on a schedule\n")
    return "".join(parts)


def _foreign_key(rule: Rule, _key_type: t.Callable[[str, str], str]) -> str:
    v, other = rule.values, rule.values["references"]
    if v.get("where") or other.get("where"):
        return ""
    add = (f"ALTER TABLE {table(v['table'])} ADD CONSTRAINT {_name(rule)} FOREIGN KEY ({', '.join(map(quoted, v['column']))})"
           f" REFERENCES {table(other['table'])} ({', '.join(map(quoted, other['column']))}) NOT VALID;\n")
    return add + _validate(rule)


def _unique(rule: Rule, _key_type: t.Callable[[str, str], str]) -> str:
    v = rule.values
    where = f" WHERE {v['where']}" if v.get("where") else ""
    return (f"-- (one statement, which fails as long as rows repeat; DROP INDEX the invalid one then)\n"
            f"CREATE UNIQUE INDEX CONCURRENTLY {_name(rule)} ON {table(v['table'])} ({', '.join(map(quoted, v['columns']))}){where};\n")


def _not_null(rule: Rule, _key_type: t.Callable[[str, str], str]) -> str:
    v = rule.values
    there = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in v["columns"])
    condition = f"NOT ({v['where']}) OR ({there})" if v.get("where") else there
    return f"ALTER TABLE {table(v['table'])} ADD CONSTRAINT {_name(rule)} CHECK ({condition}) NOT VALID;\n" + _validate(rule)


def _total(rule: Rule, key_type: t.Callable[[str, str], str]) -> str:
    v, of = rule.values, rule.values["of"]
    [refers] = of["column"]
    return _TOTAL_TRIGGER.format(
        function=_name(rule), name=_name(rule), rule=rule.name, parent=table(v["table"]), child=table(of["table"]), key=quoted(rule.key[0]),
        key_type=key_type(v["table"], rule.key[0]), column=quoted(v["column"]), expression=of["expression"],
        child_column=quoted(refers), column_text=literal(v["column"]), child_text=literal(of["table"]), key_text=literal(rule.key[0]),
        child_column_text=literal(refers), parent_where=_and(v.get("where")), child_where=_and(of.get("where")))


_STATEMENTS: dict[str, t.Callable[[Rule, t.Callable[[str, str], str]], str]] = {
    "orphans": _foreign_key, "duplicates": _unique, "not_null": _not_null, "derived_total": _total}


def _validate(rule: Rule) -> str:
    return f"ALTER TABLE {table(rule.values['table'])} VALIDATE CONSTRAINT {_name(rule)};\n"


def _name(rule: Rule) -> str:
    return quoted(f"keep_{rule.name}"[:63])


def _and(condition: str | None) -> str:
    return f" AND ({condition})" if condition else ""
