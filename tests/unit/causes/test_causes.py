# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of causes, by their stories: facts in, verdicts out. A cause without a story fails."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLES = {path.parents[1].name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "roles").glob("*/files/causes.yml"))}
FILES = {name: pathlib.Path(__file__).parent / f"{name}.yml" for name in TABLES}
TOLD = {name: yaml.safe_load(path.read_text()) for name, path in FILES.items() if path.is_file()}
STORIES = [(name, story) for name, told in TOLD.items() for story in told["stories"]]
RULES = {name: _rules.load([table]) for name, table in TABLES.items()}


def facts(name, story):
    """The defaults of a file of stories, and what its story says otherwise."""
    sheet = _facts.FactSheet()
    for fact, value in {**TOLD[name]["defaults"], **story.get("facts", {})}.items():
        if isinstance(value, dict):
            sheet.unknown(fact, value["not_known"])
        else:
            sheet.known(fact, value)
    return _facts.parse(sheet.to_json())


@pytest.mark.parametrize("name, story", [pytest.param(name, story, id=f"{name}: {story['story']}") for name, story in STORIES])
def test_story(name, story):
    found = _verdict.diagnose(RULES[name], facts(name, story))
    told = {cause: verdict for cause, verdict in found["verdicts"].items() if verdict != "excluded"}
    assert told == story["verdicts"]
    values = found["mitigation"].get("values", {})
    assert (values.get("revision") or None) == story.get("revision")
    if "comes_back" in story:
        assert found["comes_back"] == story["comes_back"]
    if "values" in story:
        assert values == story["values"]
    if "cause" in story:
        assert found["cause"] == story["cause"]
    if "says" in story:
        assert story["says"] in found["says"]
    if "missing" in story:
        assert found["missing"]["fact"] == story["missing"]
    assert [item["incident"] for item in found["hand_over"]] == ([story["hand_over"]] if "hand_over" in story else [])
    assert "(not known)" not in " ".join([*found["advice"], *(line for item in found["candidates"] for line in item["evidence_for"])]) or any(
        isinstance(value, dict) for value in story["facts"].values())


@pytest.mark.parametrize("name", TABLES)
def test_every_cause_has_a_story_in_which_it_holds(name):
    held = {cause for table, story in STORIES if table == name for cause, verdict in story["verdicts"].items() if verdict in ("established", "likely")}
    assert sorted({cause.name for cause in RULES[name].causes} - held) == []


@pytest.mark.parametrize("name", TABLES)
def test_every_declared_fact_is_gathered_in_the_stories_and_the_other_way_round(name):
    declared = {fact for fact, item in RULES[name].names.items() if item.value is None}
    assert declared == set(TOLD[name]["defaults"])


@pytest.mark.parametrize("name", TABLES)
def test_no_two_causes_of_a_table_do_equal_harm(name):
    harms = [cause.harm for cause in RULES[name].causes]
    assert len(set(harms)) == len(harms)
