# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of outcomes: the code's, the documentation's, and what the roles use of it."""

from __future__ import annotations

import importlib
import pathlib
import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.sre.runbooks.plugins.filter.outcome import outcome
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import OUTCOMES, RECORDED, says

ROOT = pathlib.Path(__file__).resolve().parents[5]
ROLES = [path for path in sorted(ROOT.glob("roles/*/")) if "runbook.outcome" in "".join(
    file.read_text().replace("runbook_outcome", "runbook.outcome") for file in path.glob("vars/*.yml"))]
#: what a step or a measurement says, and no runbook ends with
STEPS = {"breached", "stopped", "writing", "nothing"}


def test_the_documentation_has_the_same_table():
    page = (ROOT / "docs" / "outcomes.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\d) \| (.+) \|$", page)
    assert rows == [(name, str(row.exit_status), row.says) for name, row in OUTCOMES.items()]


@pytest.mark.parametrize("name", ["incident", "report"])
def test_modules_take_what_can_be_recorded(name):
    module = importlib.import_module(f"ansible_collections.sre.runbooks.plugins.modules.{name}")
    assert yaml.safe_load(module.DOCUMENTATION)["options"]["outcome"]["choices"] == module.ARGUMENT_SPEC["outcome"]["choices"] == RECORDED


@pytest.mark.parametrize("path", ROLES, ids=lambda path: path.name)
def test_what_a_role_calls_an_outcome_is_in_the_table(path):
    text = "".join(file.read_text() for file in [*path.glob("vars/*.yml"), *path.glob("tasks/*.yml")])
    compared = re.findall(r"outcome(?:'\])?(?: \| default\(''\))? (?:==|!=) '(\w+)'", text)
    listed = re.findall(r"'(\w+)'", " ".join(re.findall(r"outcome (?:not )?in \[([^]]*)\]", text)))
    assert compared or listed, "the role names none: is the pattern still right?"
    assert set(compared + listed) <= set(OUTCOMES) | STEPS


def test_only_what_needs_nobody_is_a_success():
    assert {name for name, row in OUTCOMES.items() if row.exit_status == 0} == {
        "healthy", "mitigated", "mitigated_for_now", "contained", "cleared", "planned"}
    assert {row.exit_status for row in OUTCOMES.values()} == {0, 2}


def test_a_playbook_asks_by_name():
    assert outcome("unknown") == {"says": OUTCOMES["unknown"].says, "exit_status": 2}
    with pytest.raises(AnsibleFilterError, match="'fine' is no outcome"):
        outcome("fine")


def test_an_incident_without_an_outcome_has_a_sentence_too():
    assert says("unknown") == OUTCOMES["unknown"].says
    assert says("open") == "Not at its end: the incident is open."


def test_every_failing_end_of_an_incident_has_its_words():
    words = yaml.safe_load((ROOT / "roles" / "runbook" / "vars" / "main.yml").read_text())["__runbook_standing"]
    ends = {name for name in RECORDED if OUTCOMES[name].exit_status} - {"failed"}  # which has the error's
    assert set(words) == ends
