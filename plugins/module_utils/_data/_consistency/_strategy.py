# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rule is read: by ranges of its key where an index makes that cheap, else in one pass over the tables.

The planner believes that a plain index on the key helps to add up a table, and then reads the table row by row at random:
two to three times slower than one pass. So what the catalogue says decides, not the planner.
"""

from __future__ import annotations

import dataclasses
import json
import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _sql
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import EVERYTHING, Slice

#: Sorting a table once takes half the time of a hash table that does not fit into the caches, and its size on disk is bounded.
ONE_PASS = {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_nestloop": "off", "enable_hashagg": "off",
            "enable_hashjoin": "off"}
#: share of a table's pages from which an index can be read without looking at the table
ALL_VISIBLE = 0.9
#: correlation of a column with the order of the table from which an index scan reads the table in its order
IN_ORDER = 0.9
MOST_RANGES = 500
#: rows from which a rule is shared by connections; in a pass each reads the whole table, and sorts its share
SHARED_ABOVE = 500_000
INTEGERS = ("smallint", "integer", "bigint")


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How a rule is read, and why.

    :param way: ``ranges``, ``pass`` or ``planner``.
    :param slices: of the key, at least one; they are read one by one, or several at once.
    """

    way: str
    why: str
    slices: tuple[Slice, ...] = (EVERYTHING,)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the catalogue says about adding up a table by a column.

    :param index: that begins with the column, '' where there is none.
    :param covers: the index has all columns that are added up.
    :param visible: share of the table's pages that are all-visible.
    :param correlation: of the column with the table's order, from -1 to 1; 0 before the first ANALYZE.
    :param rows: estimated; -1 before the first ANALYZE.
    """

    table: str
    index: str
    covers: bool
    visible: float
    correlation: float
    rows: int


def choose(cursor: t.Any, rule: Rule, rows_per_range: int, connections: int = 1) -> Strategy:
    """The strategy for a rule; asks the catalogue and the planner, runs nothing of the rule.

    :param connections: that may work on it at once.
    """
    if rule.kind in ("sql", "not_null") or "flag" in rule.values:
        return Strategy("planner", "the planner decides")
    if rule.values.get("where"):
        return Strategy("planner", "where may select few rows, so the planner decides")
    if rule.kind not in _sql.SLICED:
        return Strategy("pass", "every row is compared: one pass over each table")
    facts = _facts(cursor, rule)
    cheap, why = judge(facts)
    together = connections if facts.rows >= SHARED_ABOVE else 1
    if cheap:
        ranges = _ranges(cursor, rule, together * math.ceil(max(facts.rows, 1) / rows_per_range / together))
        return Strategy("ranges", f"{why}: read in {len(ranges)} range{'s' if len(ranges) > 1 else ''} of {rule.key[0]}", ranges)
    if together < 2 or not _is_integer(cursor, rule):
        return Strategy("pass", why)
    return Strategy("pass", f"{why}, on {together} connections at once", tuple(Slice(nth=nth, of=together) for nth in range(together)))


def settings(way: str) -> t.Mapping[str, str]:
    """What a transaction needs for the planner to go that way."""
    return ONE_PASS if way == "pass" else {}


def judge(facts: Facts) -> tuple[bool, str]:
    """Whether ranges of the column are cheap to read, and why."""
    if not facts.index:
        return False, f"no index of {facts.table} begins with the column: one pass over the table"
    if facts.covers and facts.visible >= ALL_VISIBLE:
        return True, f"index {facts.index} has every column that is needed and {facts.visible:.0%} of {facts.table}'s pages are all-visible"
    if abs(facts.correlation) >= IN_ORDER:
        return True, f"{facts.table} lies in the order of index {facts.index} (correlation {facts.correlation:.2f})"
    lacks = (f"only {facts.visible:.0%} of {facts.table}'s pages are all-visible (VACUUM would help)" if facts.covers
             else f"index {facts.index} lacks columns that are needed (INCLUDE would help)")
    return False, f"{lacks}, and {facts.table} does not lie in its order (correlation {facts.correlation:.2f}): one pass, not random reads"


def apply(cursor: t.Any, settings: t.Mapping[str, str]) -> None:
    """Set what this server knows of the settings, for the transaction."""
    for name, value in settings.items():
        cursor.execute("SELECT set_config(name, %s, true) FROM pg_settings WHERE name = %s", (value, name))


def _facts(cursor: t.Any, rule: Rule) -> Facts:
    of = rule.values["of"]
    name = _sql.table(of["table"])
    scan = _ordered_scan(cursor, _sql.aggregate(of))
    cursor.execute("""
        SELECT CASE WHEN relpages > 0 THEN relallvisible::float / relpages ELSE 1 END, reltuples::bigint,
               coalesce((SELECT correlation FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname
                         AND s.attname = %s AND NOT s.inherited), 0)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::regclass""", (of["column"][0], name))
    visible, rows, correlation = cursor.fetchone()
    return Facts(of["table"], scan.get("Index Name", ""), scan.get("Node Type") == "Index Only Scan", visible, correlation, rows)


def _ordered_scan(cursor: t.Any, aggregate: str) -> dict[str, t.Any]:
    """The index scan that returns a table in the order of its groups, {} where no index can."""
    cursor.execute("SAVEPOINT probe")
    apply(cursor, {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashagg": "off", "enable_sort": "off"})
    cursor.execute(f"EXPLAIN (FORMAT JSON) {aggregate}")
    plan = cursor.fetchone()[0]
    cursor.execute("ROLLBACK TO SAVEPOINT probe")
    node = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    while node["Node Type"] == "Aggregate" and node["Strategy"] == "Sorted":
        node = next(child for child in node["Plans"] if child["Parent Relationship"] == "Outer")
    return node if node["Node Type"] in ("Index Scan", "Index Only Scan") else {}


def _ranges(cursor: t.Any, rule: Rule, count: int) -> tuple[Slice, ...]:
    """Equal steps from the least to the greatest key, open at both ends; one range for a key that is no integer."""
    key, name = _sql.quoted(rule.key[0]), _sql.table(rule.values["table"])
    if count < 2 or not _is_integer(cursor, rule):
        return (EVERYTHING,)
    cursor.execute(f"SELECT min({key}), max({key}) FROM {name}")
    return steps(*cursor.fetchone(), min(count, MOST_RANGES))


def _is_integer(cursor: t.Any, rule: Rule) -> bool:
    """Whether the key is a whole number, in both tables."""
    of = rule.values["of"]
    cursor.execute("SELECT bool_and(format_type(atttypid, NULL) = ANY (%s)) FROM pg_attribute"
                   " WHERE attrelid = %s::regclass AND attname = %s OR attrelid = %s::regclass AND attname = %s",
                   (list(INTEGERS), _sql.table(rule.values["table"]), rule.key[0], _sql.table(of["table"]), of["column"][0]))
    return bool(cursor.fetchone()[0])


def steps(least: int | None, greatest: int | None, count: int) -> tuple[Slice, ...]:
    """``count`` ranges of equal width, fewer where there are fewer keys."""
    if least is None or greatest is None:
        return (EVERYTHING,)
    width = max(1, math.ceil((greatest - least + 1) / count))
    inner = list(range(least + width, greatest + 1, width))
    return tuple(Slice(first, end) for first, end in zip([None, *inner], [*inner, None], strict=True))
