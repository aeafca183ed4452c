# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and rules: what a table must look like, and what it says of facts."""

from __future__ import annotations

import copy
import itertools

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._expressions import in_words

TABLE = {
    "table": "demo",
    "thresholds": [{"name": "few", "value": 3, "means": "restarts that are nothing"}, {"name": "full", "value": 0.9, "means": "when it is full"}],
    "facts": [
        {"name": "restarts", "type": "int", "means": "restarts of the container"},
        {"name": "reason", "type": "string", "means": "why it ended"},
        {"name": "usage", "type": "double", "unit": "share", "means": "memory in use"},
        {"name": "good", "type": "int", "means": "the last revision that was well"},
        {"name": "ends", "type": "rows", "means": "what ended"},
        {"name": "gone", "type": "list", "means": "what is not there"}],
    "mitigations": [{"name": "back", "action": "rollback", "values": {"revision": "good"},
                     "requires": [{"when": "good > 0", "otherwise": "there is no revision to go back to"}]}],
    "causes": [
        {"name": "oom", "title": "out of memory", "harm": 50, "requires": [{"when": "restarts > few", "says": "${restarts} restarts"}],
         "proves": [{"when": "reason == 'OOMKilled'", "says": "it ended as ${reason}"}],
         "supports": [{"when": "usage > full", "says": "${usage} in use"}],
         "excludes": [{"when": "reason == 'Completed'", "says": "it ended by itself"}],
         "hand_over": {"incident": "memory_leak", "command": "run memory_leak.yml -e reason=${reason}"}},
        {"name": "release", "title": "a bad release", "harm": 80, "requires": [{"when": "restarts > few"}],
         "proves": [{"when": "ends.exists(e, e.revision == good + 1 && e.code == 1)", "says": "it ended with 1 after ${size(ends)} tries"}],
         "excludes": [{"when": "size(gone) > 0", "says": "not there: ${gone}"}], "mitigation": "back"}],
}


def table(*changes, **parts):
    """TABLE with changes, each a path and a value."""
    changed = copy.deepcopy({**TABLE, **parts})
    for *path, last, value in changes:
        at = changed
        for key in path:
            at = at[key]
        at[last] = value
    return changed


def sheet(unit="", **values):
    """Facts by name; None for one that could not be read."""
    collected = _facts.FactSheet()
    for name, value in values.items():
        if value is None:
            collected.unknown(name, "it is forbidden")
        else:
            collected.known(name, value, "test", unit)
    return _facts.parse(collected.to_json())


def diagnose(*tables, thresholds=None, **values):
    return _verdict.diagnose(_rules.load(tables or [TABLE], thresholds), sheet(**values))


@pytest.mark.parametrize("values, oom, release", [
    ({}, "not_to_be_told", "not_to_be_told"),
    ({"restarts": 3}, "excluded", "excluded"),
    ({"restarts": 4}, "possible", "possible"),
    ({"restarts": 4, "reason": "OOMKilled"}, "established", "possible"),
    ({"restarts": 4, "usage": 0.95}, "likely", "possible"),
    ({"restarts": 4, "usage": 0.95, "reason": "Completed"}, "excluded", "possible"),
    ({"restarts": 4, "gone": []}, "possible", "possible"),
    ({"restarts": 4, "gone": ["secret a"]}, "possible", "excluded"),
    ({"restarts": 4, "good": 2, "ends": [{"revision": 3, "code": 1}]}, "possible", "established"),
    # A row that does not know the code neither proves nor disproves; the other row does.
    ({"restarts": 4, "good": 2, "ends": [{"revision": 3, "code": None}]}, "possible", "possible"),
    ({"restarts": 4, "good": 2, "ends": [{"revision": 3, "code": None}, {"revision": 3, "code": 1}]}, "possible", "established"),
])
def test_verdicts(values, oom, release):
    assert diagnose(**values)["verdicts"] == {"oom": oom, "release": release}


FULL = {"restarts": 4, "reason": "OOMKilled", "usage": 0.95, "good": 2, "gone": [], "ends": [{"revision": 3, "code": 1}]}


@pytest.mark.parametrize("names", [names for count in range(len(FULL) + 1) for names in itertools.combinations(FULL, count)])
def test_what_is_not_known_never_speaks_for_or_against(names):
    """Whatever is taken away: nothing is established or excluded that was not so with everything known."""
    known = diagnose(**FULL)["verdicts"]
    less = diagnose(**{name: value for name, value in FULL.items() if name not in names})
    for cause, verdict in less["verdicts"].items():
        assert verdict == known[cause] or verdict in ("likely", "possible", "not_to_be_told")
    assert not less["mitigation"] or less["verdicts"][less["mitigation"]["cause"]] in ("established", "likely")


def test_several_causes_hold_in_the_order_of_harm_and_values_come_from_facts():
    found = diagnose(**FULL)
    assert [(item["name"], item["verdict"]) for item in found["candidates"]] == [("release", "established"), ("oom", "established")]
    assert found["mitigation"] == {"action": "rollback", "values": {"revision": 2}, "cause": "release"}
    assert (found["cause"], found["recommendation"], found["missing"]) == ("release", "rollback", {})
    assert found["hand_over"] == [{"cause": "oom", "incident": "memory_leak", "command": "run memory_leak.yml -e reason=OOMKilled"}]
    assert found["candidates"][0]["evidence_for"] == ["it ended with 1 after 1 tries"]
    assert found["candidates"][1]["evidence_for"] == ["4 restarts", "it ended as OOMKilled", "95 % in use"]


def test_a_cause_that_is_only_possible_is_never_told_as_one_that_holds():
    found = diagnose(restarts=9)
    assert (found["cause"], found["verdict"], found["mitigation"], found["hand_over"]) == ("undetermined", "not_to_be_told", {}, [])
    assert found["says"][:3] == ["no cause is established or likely", "possible, but nothing shows it: a bad release",
                                 "possible, but nothing shows it: out of memory"]
    assert all(item["title"].startswith("possible") for item in found["candidates"])


@pytest.mark.parametrize("values, fact, because", [
    ({"restarts": None}, "restarts", "it is forbidden"),
    ({"restarts": 4, "reason": None}, "gone", "it was not gathered"),  # of the cause that harms most, a condition that one fact decides
    ({"restarts": 4, "reason": None, "gone": []}, "reason", "it is forbidden"),  # the other cause lacks two facts at once
])
def test_the_one_fact_that_would_decide(values, fact, because):
    missing = diagnose(**values)["missing"]
    assert (missing["fact"], missing["because"]) == (fact, because)


@pytest.mark.parametrize("mitigate_from, supported, action", [("likely", True, "rollback"), ("established", True, ""), ("likely", False, "")])
def test_no_change_below_the_verdict_that_allows_it(mitigate_from, supported, action):
    rules = table(("causes", 1, "supports", [{"when": "usage > full", "says": "full"}]), mitigate_from=mitigate_from)
    assert diagnose(rules, restarts=4, good=2, usage=0.95 if supported else 0.1)["recommendation"] == action


@pytest.mark.parametrize("good, why", [(0, "no rollback: there is no revision to go back to"), (None, "no rollback: not known: good")])
def test_a_change_that_does_not_fit_is_refused_with_its_reason(good, why):
    rules = table(("causes", 1, "proves", [{"when": "reason == 'Error'", "says": "it ended with an error"}]))
    found = diagnose(rules, restarts=4, good=good, reason="Error")
    assert (found["cause"], found["mitigation"], found["no_mitigation"]) == ("release", {}, [why])
    assert why in found["says"]


def test_a_users_table_adds_and_overrides():
    ours = {"table": "ours", "thresholds": [{"name": "few", "value": 30, "means": "as we see it"}],
            "facts": [{"name": "tenant", "type": "string", "means": "whose it is"}],
            "causes": [{"name": "oom", "harm": 99},
                       {"name": "noisy", "title": "a noisy tenant", "harm": 1, "requires": [{"when": "tenant == 'x'"}],
                        "supports": [{"when": "restarts > 0", "says": "it restarts"}]}]}
    found = diagnose(TABLE, ours, restarts=31, reason="OOMKilled", tenant="x", good=2, ends=[{"revision": 3, "code": 1}], gone=[])
    assert [item["name"] for item in found["candidates"]] == ["oom", "release", "noisy"]
    assert diagnose(TABLE, ours, restarts=29)["verdicts"]["oom"] == "excluded"
    assert diagnose(TABLE, ours, restarts=29, thresholds={"few": 5})["verdicts"]["oom"] == "possible"


@pytest.mark.parametrize("tables, thresholds, place", [
    ([], None, "no table"),
    ([table(wrong=1)], None, "table demo: unknown: wrong"),
    ([table(mitigate_from="possible")], None, "mitigate_from: 'possible'"),
    ([table(causes={})], None, "table demo: causes is {}"),
    ([table(("causes", 0, "proves", 0, "when", "restart > 3"))], None,
     "causes: oom: proves 1: when: 'restart > 3' is refused: column 1: undeclared reference to 'restart'"),
    ([table(("causes", 0, "proves", 0, "when", "restarts > 'x'"))], None, "causes: oom: proves 1: when"),
    ([table(("causes", 0, "proves", 0, "when", "restarts >"))], None, "causes: oom: proves 1: when"),
    ([table(("causes", 0, "proves", 0, "when", "restarts + 1"))], None, "is a INT, and not true or false"),
    ([table(("causes", 0, "proves", 0, "when", True))], None, "causes: oom: proves 1: when is True"),
    ([table(("causes", 0, "proves", 0, "says", "${nothing} there"))], None, "causes: oom: proves 1: 'nothing' is refused"),
    ([table(("causes", 0, "proves", [{"when": "restarts > 1"}]))], None, "causes: oom: proves 1 lacks says"),
    ([table(("causes", 0, "proves", ["restarts > 1"]))], None, "causes: oom: proves 1: 'restarts > 1' is no mapping"),
    ([table(("causes", 0, "prove", []))], None, "causes: oom: unknown: prove"),
    ([table(("causes", 0, "harm", "much"))], None, "causes: oom: harm is 'much'"),
    ([table(("causes", 0, "harm", True))], None, "causes: oom: harm is True"),
    ([table(("causes", 0, "requires", []))], None, "causes: oom lacks requires"),
    ([table(("causes", 0, "name", "release"))], None, "causes: release stands there twice"),
    ([table(("causes", 0, "name", "no name"))], None, "causes: 'no name' is no name"),
    ([table(("causes", 1, "mitigation", "forth"))], None, "causes: release: mitigation 'forth' is not declared"),
    ([table(("causes", 0, "hand_over", {"incident": "x"}))], None, "causes: oom: hand_over lacks command"),
    ([table(("mitigations", 0, "values", {"revision": "best"}))], None, "mitigations: back: values: revision: 'best' is refused"),
    ([table(("facts", 0, "type", "number"))], None, "facts: restarts: type 'number'"),
    ([table(("facts", 0, "name", "few"))], None, "facts: few is a threshold as well"),
    ([table(("facts", 5, "name", "namespace"))], None, "the name namespace: 'namespace' is refused: column 1: reserved identifier"),
    ([table()], {"fwe": 1}, "thresholds: fwe: no table has it"),
    ([table()], {"few": "x"}, "thresholds: few: 'x' is no int"),
    ([TABLE, {"table": "ours", "causes": [{"name": "new", "harm": 1}]}], None, "table ours: causes: new lacks title, requires"),
])
def test_a_table_that_does_not_fit_is_refused_with_its_place(tables, thresholds, place):
    with pytest.raises(InvalidInput) as refused:
        _rules.load(tables, thresholds)
    assert place in str(refused.value)


@pytest.mark.parametrize("name, value, unit", [("restarts", "4", ""), ("restarts", True, ""), ("gone", [1], ""), ("usage", 90.0, "percent"), ("few", 2, "")])
def test_a_fact_of_another_type_or_unit_is_refused(name, value, unit):
    with pytest.raises(InvalidInput):
        _verdict.diagnose(_rules.load([TABLE]), sheet(unit, **{name: value}))


def test_what_comes_from_outside_can_do_no_harm():
    found = diagnose(restarts=4, usage=0.95, reason="\x1b[31mEvil\x1b]0;title\x07 $(reboot); password=hunter2\x00")
    assert "\x1b" not in str(found) and "hunter2" not in str(found)
    assert found["hand_over"][0]["command"] == "run memory_leak.yml -e reason='Evil $(reboot); password=[REDACTED]'"


@pytest.mark.parametrize("value, unit, words", [
    (True, "", "yes"), ([], "", "none"), (["a", "b"], "", "a, b"), (1536, "B", "1.5 KiB"), (0.934, "share", "93 %"), (12.4, "s", "12 s"),
    (600, "s", "10 min"), (10800.0, "s", "3 h"), (5, "", "5"), (2.50, "req/s", "2.5 req/s")])
def test_values_in_words(value, unit, words):
    assert in_words(value, unit) == words


def test_facts_survive_the_way_through_a_role():
    collected = _facts.FactSheet()
    collected.known("a", {"b": ["c", 1, None]}, "pod x", "s")
    collected.unknown("n", "403", "nodes")
    again = _facts.parse(collected.to_json())
    assert (again["a"].value, again["a"].unit, again["a"].source, again["a"].known) == ({"b": ["c", 1, None]}, "s", "pod x", True)
    assert (again["n"].known, again["n"].because, again["n"].source) == (False, "403", "nodes")


@pytest.mark.parametrize("fact", [{"value": 1}, {"name": "a", "vlaue": 1}])
def test_what_is_no_fact_is_refused(fact):
    with pytest.raises(InvalidInput):
        _facts.parse([fact])
