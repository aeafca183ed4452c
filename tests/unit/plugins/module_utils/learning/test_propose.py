# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten incidents, two kinds of them without a runbook: both are found, drafted, and replayed."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _incidents
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _draft, _group
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _shell
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import runbook_proposal


def record(number, type_, cause="volume_full", value=97.0, **changed):
    def signal(phase, measured):
        return {"at": f"2026-10-{number:02d}T09:00:00Z", "phase": phase, "name": "volume_in_use", "value": measured, "threshold": 90.0,
                "breached": measured > 90, "text": ""}

    change = {"number": 1, "action": "env", "target": "shop/deployment/api", "summary": "set deployment/api app: RETENTION_DAYS=3", "state": "done",
              "at": "", "temporary": True, "reversible": True, "expires_at": "", "fields": [
                  {"path": "x", "before": {"name": "RETENTION_DAYS", "value": "30"}, "after": {"name": "RETENTION_DAYS", "value": "3"}}]}
    return {"schema_version": "1.0", "id": f"INC-{number}", "type": type_, "title": f"{type_} {number}", "severity": "P2", "target": "shop/deployment/api",
            "outcome": "mitigated", "opened_at": f"2026-10-{number:02d}T09:00:00Z", "ended_at": f"2026-10-{number:02d}T09:{10 + number}:00Z",
            "signals": [signal("detect", value), signal("verify", 60.0)], "diagnosis": {"cause": cause, "candidates": []},
            "changes": [change], "follow_ups": [{"action": "Alert at 80 %", "owner": "", "due": ""}], **changed}


@pytest.fixture(name="folder")
def folder_fixture(tmp_path):
    for number in range(1, 5):
        (tmp_path / f"{number}.json").write_text(json.dumps(record(number, "volume_full")))
    for number in range(5, 8):
        (tmp_path / f"{number}.json").write_text(json.dumps(record(number, "memory_leak")))
    (tmp_path / "others.csv").write_text(
        "id,title,created,resolved,service,root cause,resolution\n"
        "8,TLS certificate expired on shop gateway,2026-10-08 09:00,2026-10-08 10:00,gateway,certificate not renewed,renewed it\n"
        "9,Expired TLS certificate of admin,2026-10-09 09:00,2026-10-09 09:30,admin,certificate not renewed,renewed it\n"
        "10,Printer jams,2026-10-10 09:00,,office,,\n")
    return tmp_path


def run(folder, check_mode=False, **params):
    defaults = {name: option.get("default") for name, option in runbook_proposal.ARGUMENT_SPEC.items()}
    params = {**defaults, "incidents": str(folder), "dest": str(folder / "out"), **params}
    return attempt(runbook_proposal.ARGUMENT_SPEC, runbook_proposal.run, Task(params, check_mode), 3)


def test_both_kinds_without_a_runbook_are_found(folder):
    found = run(folder)
    assert [(one["name"], one["incidents"]) for one in found["proposals"]] == [
        ("volume_full", ["INC-1", "INC-2", "INC-3", "INC-4"]), ("certificate_expired_renewed", ["8", "9"])]
    assert found["alone"] == ["10"]
    assert "10: nothing in common with any other" in found["says"]


def test_the_draft_has_the_numbers_of_the_records_and_the_way_back(folder):
    run(folder)
    text = (folder / "out" / "volume_full" / "runbook.md").read_text()
    assert "median 12 min, 90 % within 14 min (4 incidents)" in text
    assert "`volume_in_use` over 90; in these incidents 97 (median)" in text
    acts, back = text.split("## Take it back")
    assert "kubectl -n shop set env deployment/api RETENTION_DAYS=3\n" in acts
    assert "kubectl -n shop set env deployment/api RETENTION_DAYS=30\n" in back
    assert "- volume_full: 4 of 4 incidents" in text and "- Alert at 80 %" in text


def test_the_reviewer_has_nothing_to_say_of_our_own_drafts(folder):
    assert [one["missing"] for one in run(folder)["proposals"]] == [[], []]


def test_each_incident_is_replayed_against_what_the_others_teach(folder):
    found = run(folder)
    assert all(line.endswith("detected, clear at its end, its cause is the first candidate") for line in found["proposals"][0]["replay"])
    assert found["proposals"][1]["replay"][0] == "8: no signals on record to detect it by, its cause is the first candidate"
    (folder / "3.json").write_text(json.dumps(record(3, "volume_full", cause="log_level", value=91.0, outcome="not_mitigated",
                                                     signals=[{"name": "other", "value": 5, "threshold": 1, "breached": True, "phase": "detect"}])))
    assert run(folder)["proposals"][0]["replay"][2] == (
        "INC-3: NOT detected, not clear at its end, its cause was log_level, the first candidate is volume_full")


def test_the_playbook_uses_our_own_modules_and_the_diff_has_everything(folder):
    run(folder)
    (play,) = yaml.safe_load((folder / "out" / "volume_full" / "playbook.yml").read_text())
    used = [task["sre.runbooks.workload_env"] for task in play["tasks"] if "sre.runbooks.workload_env" in task]
    assert {"namespace": "shop", "workload": "api", "incident_id": "{{ incident_id }}", "env": {"RETENTION_DAYS": "3"}} in used
    text = (folder / "out" / "proposal.diff").read_text()
    for path in ("volume_full/runbook.md", "volume_full/playbook.yml", "certificate_expired_renewed/runbook.md"):
        assert f"+++ b/{path}" in text


def test_what_cannot_be_taken_back_is_told_and_is_no_command(folder):
    for number in range(1, 5):
        one = record(number, "volume_full")
        one["changes"] = [{**one["changes"][0], "reversible": False}, {**one["changes"][0], "action": "restart", "reversible": False, "summary": "restart it"}]
        (folder / f"{number}.json").write_text(json.dumps(one))
    run(folder)
    text = (folder / "out" / "volume_full" / "runbook.md").read_text()
    assert "set env" not in text and "On record: restart it (4 times; the incident ended 4 times)" in text


@pytest.mark.parametrize("hostile", ["$(touch kept)", "`touch kept`", "'; touch kept; '", "x\n```\n```bash\ntouch kept\n```", "a && touch kept"])
def test_a_hostile_record_stays_one_word(folder, hostile):
    for number in range(1, 5):
        one = record(number, "volume_full", cause=hostile, title=hostile, target=f"shop/deployment/{hostile}")
        one["changes"][0]["fields"][0]["after"]["value"] = hostile
        (folder / f"{number}.json").write_text(json.dumps(one))
    run(folder)
    text = (folder / "out" / "volume_full" / "runbook.md").read_text()
    for block in re.findall(r"```bash\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE):
        for piece in _shell.parse(block):
            assert not piece.text.startswith("touch")
            assert piece.act.kind != "not known"


def test_nothing_is_written_in_check_mode_and_nothing_twice(folder):
    assert run(folder, check_mode=True)["changed"] and not (folder / "out").exists()
    assert run(folder)["changed"] and not run(folder)["changed"]


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    assert run(tmp_path)["says"][0] == "0 incidents, 0 kinds without a runbook"


def test_incidents_that_share_nothing_are_no_kind():
    past = [_incidents.Past(str(number), title, float(number), "") for number, title in enumerate(["Printer jams", "Lift stuck", "Coffee cold"])]
    assert _group.groups(past, set()) == ([], past)
    assert _draft.duration(past) == "not known, because no record says when it ended"
