# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _findings, _rules, _sql, _state, _strategy
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import EVERYTHING, Slice
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import Part, Progress, State
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._strategy import Facts, Strategy

ORPHANS = {"name": "lost", "kind": "orphans", "description": "d", "table": "items", "key": "id", "column": "order_id",
           "references": {"table": "orders", "column": "id"}}
AUDIT = {"name": "audit", "kind": "audit_mismatch", "description": "d", "table": "orders", "key": "id"}
ENTRIES = {"table": "audit_log", "row": "row_id", "order": "id", "values": "new_value"}


@pytest.mark.parametrize(("change", "said"), [
    ({"kind": "orphan"}, r"rule lost: kind is 'orphan'; allowed are derived_total, orphans"),
    ({"colum": "x"}, r"rule lost \(orphans\): unknown field colum; allowed are name, kind"),
    ({"column": ""}, r"rule lost \(orphans\): column is missing"),
    ({"references": {"table": "orders"}}, r"references: column is missing"),
    ({"references": {"table": "orders", "column": "id", "key": "x"}}, r"references: unknown field key; allowed are table, column, where"),
    ({"references": "orders"}, r"references must be a mapping of table, column, where"),
    ({"severity": "P1"}, r"severity is 'P1'; allowed are critical, high, medium, low"),
    ({"name": "../x"}, r"name must be lower-case"),
    ({"key": ["id", 3]}, r"key must be one name or a list of names"),
    ({"where": 3}, r"where must be text, not 3"),
])
def test_what_is_wrong_is_named_with_what_is_allowed(change, said):
    with pytest.raises(InvalidInput, match=said):
        _rules.parse([{**ORPHANS, **change}], "a file")


@pytest.mark.parametrize(("fields", "said"), [
    ({}, "either flag"), ({"flag": "bad", "audit": ENTRIES, "column": "total"}, "either flag"), ({"audit": ENTRIES}, "either flag"),
    ({"audit": ENTRIES, "column": "total", "where": "true"}, "where is not allowed beside audit")])
def test_an_audit_rule_is_one_or_the_other(fields, said):
    with pytest.raises(InvalidInput, match=said):
        _rules.parse([{**AUDIT, **fields}])


def test_no_rules_two_of_a_name_and_bad_yaml(tmp_path):
    for given, said in (([], "list of rules"), ({"name": "x"}, "list of rules"), ([ORPHANS, ORPHANS], "lost is used more than once")):
        with pytest.raises(InvalidInput, match=said):
            _rules.parse(given)
    (tmp_path / "rules.yml").write_text("- {name: [")
    with pytest.raises(InvalidInput, match="rules.yml: no valid YAML"):
        _rules.load([str(tmp_path / "rules.yml")], [])
    with pytest.raises(InvalidInput, match="none.yml cannot be read"):
        _rules.load([str(tmp_path / "none.yml")], [])


def test_an_inline_rule_replaces_the_one_of_its_name():
    builtin = _rules.load([], [])
    changed = _rules.load([], [{**ORPHANS, "name": builtin[0].name}])
    assert ([rule.name for rule in changed], changed[0].kind) == ([rule.name for rule in builtin], "orphans")


def test_identifiers_are_quoted():
    assert _sql.table('my schema.ta"ble') == '"my schema"."ta""ble"'
    assert _sql.literal("it's \\") == r" E'it''s \\'"


def test_a_column_with_a_name_of_ours_gets_another_in_the_result():
    [rule] = _rules.parse([{**ORPHANS, "key": ["at", "id"], "sample": ["found", "id", "customer"], "customer": "customer"}])
    assert rule.columns == ("at_column", "id", "found", "expected", "amount", "customer", "at", "found_column")


@pytest.mark.parametrize(("change", "cheap", "said"), [
    ({}, True, "has every column"), ({"index": ""}, False, "no index"), ({"visible": 0.5}, False, "50% .*VACUUM would help"),
    ({"covers": False}, False, "lacks columns"), ({"covers": False, "correlation": -0.97}, True, "lies in the order"),
    ({"visible": 0.5, "correlation": 0.95}, True, "lies in the order")])
def test_the_catalogue_decides_how_to_read(change, cheap, said):
    found, why = _strategy.judge(Facts(**{"table": "items", "index": "i", "covers": True, "visible": 1.0, "correlation": 0.1, "rows": 9, **change}))
    assert found is cheap
    assert re.search(said, why)


@pytest.mark.parametrize(("least", "greatest", "count"), [(1, 100, 7), (-5, 5, 3), (7, 7, 4), (1, 3, 10)])
def test_steps_meet_and_leave_nothing_out(least, greatest, count):
    slices = _strategy.steps(least, greatest, count)
    assert len(slices) <= count
    assert (slices[0].first, slices[-1].end) == (None, None)
    assert [one.end for one in slices[:-1]] == [one.first for one in slices[1:]]


def test_an_empty_table_is_one_step():
    assert _strategy.steps(None, None, 5) == (EVERYTHING,)


def test_what_was_finished_is_known_again_unless_the_rule_changed(tmp_path):
    [rule], [other] = _rules.parse([ORPHANS]), _rules.parse([{**ORPHANS, "where": "id > 3"}])
    state, slices = State(tmp_path, [rule]), (Slice(None, 5), Slice(5, None))
    state.begin(rule, Progress(Strategy("ranges", "why", slices), ("id",)))
    with state.part_file(rule, 0) as file:
        file.write(b"1\n")
    state.add(rule, Part(_state.part_name(rule, 0), slices[0], 1, "s", "t", 0.1))
    (tmp_path / "lost.0001.partial").touch()
    again = State(tmp_path, [rule])
    assert again.of(rule) == state.of(rule)
    assert again.of(rule).missing == [slices[1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lost.0000.csv", "state.json"], "what was half written is gone"
    assert State(tmp_path, [rule], resume=False).of(rule) is None
    assert State(tmp_path, [other]).of(other) is None


def test_a_part_that_fails_leaves_no_file(tmp_path):
    [rule] = _rules.parse([ORPHANS])
    with pytest.raises(ZeroDivisionError), State(tmp_path, [rule]).part_file(rule, 0):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_distinct_counts_exactly_until_it_is_full():
    one, other = _findings.Distinct(), _findings.Distinct()
    for number in range(30_000):
        one.add(f"customer-{number % 10_000}")
        other.add(f"customer-{number % 12_000}")
    one.update(other)
    assert (len(one), one.full) == (12_000, False)
    small = _findings.Distinct(most=20_000)
    for number in range(100_000):
        small.add(str(number))
    assert small.full and 20_000 <= len(small) < 100_000
