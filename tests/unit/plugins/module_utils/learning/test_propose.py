# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten incidents, two kinds of them without a runbook: both are found, drafted, and replayed."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _incidents
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _group, _learnt, _role
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _rules as _drafted
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _shell
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import runbook_proposal

ROOT = pathlib.Path(__file__).resolve().parents[5]


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
    good = "detected, clear at its end, its cause is the first candidate, the table of causes says volume_full (likely)"
    assert all(line.endswith(good) for line in found["proposals"][0]["replay"])
    assert found["proposals"][1]["replay"][0] == (
        "8: no signals on record to detect it by, its cause is the first candidate, the table of causes says undetermined (not to be told)")
    (folder / "3.json").write_text(json.dumps(record(3, "volume_full", cause="log_level", value=91.0, outcome="not_mitigated",
                                                     signals=[{"name": "other", "value": 5, "threshold": 1, "breached": True, "phase": "detect"}])))
    assert run(folder)["proposals"][0]["replay"][2] == (
        "INC-3: NOT detected, not clear at its end, its cause was log_level, the first candidate is volume_full, "
        "the table of causes says undetermined (not to be told)")


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
    assert _learnt.duration(past) == "not known, because no record says when it ended"


# The role


def past(number, cause="retention_too_long", patterns=(), **changed):
    one = record(number, "volume_full", cause=cause, **changed)
    one["diagnosis"]["tables"] = [{"title": "Errors in the logs since 09:00", "header": ["pattern"], "rows": [[pattern, 1] for pattern in patterns]}]
    ((found,), problems) = _incidents.read("report.json", json.dumps(one))
    assert not problems
    return found


def group(*members):
    return _group.groups(members, set())[0][0]


FULL = group(*(past(number, patterns=["write failed: no space left on device <*>"]) for number in range(1, 4)))
BARE = group(*(_incidents.Past(str(number), f"TLS certificate expired {number}", float(number), "x.csv", causes=("not renewed",)) for number in range(3)))


def test_it_has_the_files_of_the_skeleton_and_phases_that_are_found_by_name():
    files = _role.files(FULL)
    for path in ("defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "vars/main.yml", "files/causes.yml", "README.md",
                 *(f"tasks/{phase}.yml" for phase in ("main", "detect", "capture", "diagnose", "verify"))):
        assert f"roles/volume_full/{path}" in files
    (only,) = yaml.safe_load(files["roles/volume_full/tasks/main.yml"])
    (ours,) = yaml.safe_load((ROOT / "roles" / "crash_loop" / "tasks" / "main.yml").read_text())
    assert only == {**ours, "vars": {"runbook_spec": "{{ __volume_full_runbook }}"}}


LONG = group(*(past(number, id=f"volume-filling-20261128-17302{number}-by-hand") for number in range(1, 7)))


@pytest.mark.parametrize("kind", [FULL, BARE, dataclasses.replace(FULL, name="a" * 32), LONG],
                         ids=["with records", "with titles only", "a long name", "long identifiers"])
def test_options_and_defaults_are_the_same_and_everything_is_yaml_within_a_line(kind):
    files = _role.files(kind)
    for path, text in files.items():
        if path.endswith(".yml"):
            yaml.safe_load(text)
            assert max(map(len, text.splitlines())) <= 160, path
    defaults = yaml.safe_load(files[f"roles/{kind.name}/defaults/main.yml"])
    options = yaml.safe_load(files[f"roles/{kind.name}/meta/argument_specs.yml"])["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items() if "default" in option} | {
        f"{kind.name}_signals": defaults[f"{kind.name}_signals"]} == defaults


def test_detection_has_the_numbers_of_the_records_and_the_change_is_the_one_that_ended_them():
    files = _role.files(FULL)
    defaults = yaml.safe_load(files["roles/volume_full/defaults/main.yml"])
    assert defaults["volume_full_signals"][0] | {"query": ""} == {"name": "volume_in_use", "query": "", "side": ">", "threshold": 90.0}
    assert defaults["volume_full_env_1"] == {"RETENTION_DAYS": "3"}
    assert yaml.safe_load(files["roles/volume_full/vars/main.yml"])["__volume_full_actions"] == {
        "env_1": [{"action": "env", "workload": "{{ volume_full_workload }}", "env": "{{ volume_full_env_1 }}"}], "none": []}
    assert "Expected duration: median 12 min, 90 % within 13 min (3 incidents)" in files["roles/volume_full/README.md"]
    assert "RETENTION_DAYS=3; before it was RETENTION_DAYS=30" in files["roles/volume_full/README.md"]


def test_the_table_is_accepted_by_the_engine_and_its_stories_hold():
    mixed = group(*(past(number, patterns=["write failed: no space left on device <*>"]) for number in range(1, 4)),
                  *(past(number, "debug_logs", ["level set to debug by <*>"]) for number in range(4, 6)))
    for kind in (FULL, BARE, mixed):
        files = _role.files(kind)
        rules = _rules.load([yaml.safe_load(files[f"roles/{kind.name}/files/causes.yml"])])
        told = yaml.safe_load(files[f"tests/unit/causes/{kind.name}.yml"])
        for story in told["stories"]:
            sheet = _facts.FactSheet()
            for name, value in story["facts"].items():
                sheet.known(name, value)
            found = _verdict.diagnose(rules, _facts.parse(sheet.to_json()))
            assert found["cause"] == story["story"].rpartition(" ")[2]
            assert found["recommendation"] == "env_1"
            assert {name: verdict for name, verdict in found["verdicts"].items() if verdict != "excluded"} == story["verdicts"]
        assert len(told["stories"]) == sum(bool(one.record) for one in kind.incidents)


def test_a_variable_that_was_there_already_is_recorded_by_its_value_alone():
    field = {"path": "spec.template.spec.containers[name=api].env[name=RETENTION_DAYS].value", "before": "30", "after": "3"}
    change = {**record(1, "volume_full")["changes"][0], "fields": [field]}
    (made,) = _learnt.made([past(1, changes=[change])])
    assert made == _learnt.made([past(1)])[0]
    assert _learnt.made([past(1, changes=[{**change, "fields": [{**field, "after": "a\nb"}]}])]) == []


def test_what_two_causes_share_speaks_for_neither():
    two = group(*(past(number, cause) for number, cause in enumerate(["logs", "logs", "logs", "data", "data", "data"], 1)))
    assert _drafted.said(two, two.incidents[0])["cause"] == "undetermined"
    assert set(_drafted.said(two, two.incidents[0])["verdicts"].values()) == {"possible"}


@pytest.mark.parametrize(("rows", "number"), [
    ([(0.2, 0.95), (0.4, 0.95)], _learnt.Number(0.95, "<", pytest.approx(0.3))), ([(1, 1), (1, 1)], _learnt.Number(1, ">=", 1)),
    ([(97, 90), (90, 90)], _learnt.Number(90, ">=", 93.5)), ([(97, 90)], _learnt.Number(90, ">", 97))])
def test_the_side_of_a_threshold_is_that_of_the_records(rows, number):
    signals = [[{"at": "", "phase": "detect", "name": "x", "value": value, "threshold": threshold, "breached": True, "text": ""}] for value, threshold in rows]
    assert _learnt.numbers([past(at, signals=one) for at, one in enumerate(signals, 1)]) == {"x": number}


def test_what_is_not_in_the_records_is_said_to_be_so():
    files = _role.files(BARE)
    for path in (f"roles/{BARE.name}/defaults/main.yml", f"roles/{BARE.name}/README.md", f"extensions/molecule/{BARE.name}/vars/incident.yml",
                 f"extensions/prometheus/proposed/{BARE.name}.yml", f"roles/{BARE.name}/files/causes.yml"):
        assert _role.FILL_IN in files[path]
    assert "duration: not known, because no record says when it ended" in files[f"roles/{BARE.name}/README.md"]


def test_the_alert_is_tested_with_the_values_of_each_incident():
    files = _role.files(FULL)
    (rule,) = yaml.safe_load(files["extensions/prometheus/proposed/volume_full.yml"])["groups"][0]["rules"]
    assert rule["expr"] == "runbooks:volume_in_use > 90"
    tests = yaml.safe_load(files["extensions/prometheus/proposed/volume_full_test.yml"])["tests"]
    assert [one["input_series"][0]["values"] for one in tests] == ["97.0x10 60.0x10"] * 3
    assert [len(check["exp_alerts"]) for check in tests[0]["alert_rule_test"]] == [1, 0]


def test_the_same_errors_in_the_logs_make_a_kind_and_others_do_not():
    def one(number, title, *patterns):
        return _incidents.Past(str(number), title, float(number), "x", patterns=patterns)

    alike = [one(1, "Checkout down", "lease <*> lost"), one(2, "Orders late", "lease <*> lost")]
    assert _group.groups(alike, set()) == ([], alike)  # an error among four words is too little
    closer = [dataclasses.replace(one, patterns=("lease <*> lost", "no leader since <*>")) for one in alike]
    (kind,) = _group.groups(closer, set())[0]
    assert kind.common == ("in the logs: lease <*> lost", "in the logs: no leader since <*>")
    assert kind.name == "logs"


@pytest.mark.parametrize(("types", "name"), [(("Disk Full", "disk-full"), "disk_full"), (("***", "***"), "kind"), (("3am", "3am"), "kind_3am")])
def test_a_type_becomes_a_name_for_a_role_and_two_spellings_are_one(types, name):
    found, alone = _group.groups([_incidents.Past(str(at), "x", float(at), "x", type_) for at, type_ in enumerate(types)], set())
    assert ([one.name for one in found], alone) == ([name], [])


def test_a_record_whose_signals_have_no_number_has_no_threshold():
    bare = [{"at": "", "phase": "detect", "name": "x", "value": None, "threshold": None, "breached": True, "text": ""}]
    kind = group(*(past(at, signals=bare) for at in range(1, 4)))
    assert yaml.safe_load(_role.files(kind)["roles/volume_full/defaults/main.yml"])["volume_full_signals"] == []
    assert _drafted.said(kind, kind.incidents[0])["verdicts"] == {"retention_too_long": "possible"}


@pytest.mark.parametrize("hostile", ["{{ lookup('pipe', 'id') }}", "{% for x in y %}", "${1/0}", '" || true || "', "a: [", "x\n- name: y", "../../etc", "in"])
def test_a_hostile_record_stays_text(hostile):
    def bad(number):
        one = past(number, cause=hostile, patterns=[f"{hostile} was not written at all"], title=hostile, id=f"{hostile}{number}")
        one.record["changes"][0]["fields"][0]["after"]["value"] = hostile
        return one

    kind = group(*map(bad, range(1, 4)))
    files = _role.files(kind)
    _rules.load([yaml.safe_load(files["roles/volume_full/files/causes.yml"])])
    assert _drafted.said(kind, kind.incidents[0])["cause"] == _drafted.slug(hostile)
    for path, text in files.items():
        assert re.fullmatch(r"[\w/.]+", path)
        assert not any("lookup('pipe'" in template for template in re.findall(r"\{\{.*?\}\}", text))
        assert "{% for" not in text or path.startswith("tests/")
        if path.endswith(".yml"):
            yaml.safe_load(text)
