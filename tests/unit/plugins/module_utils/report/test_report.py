# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report comes from its record alone, says what was not measured, and names whatever was tampered with."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import pathlib
import re

import jsonschema
import pytest
from fake_api import serving

from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import FIELD_MANAGER
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import Area
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _markdown, _model, _page, _proof, _timeline
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import report_overview

ROOT = pathlib.Path(__file__).resolve().parents[5]
SCHEMA = json.loads((ROOT / "docs/schema/incident.json").read_text())
TARGET = Target("shop", "Deployment", "api")
LATER = "2999-01-01T00:00:00.000Z"
MEMORY = {"name": "memory_use", "value": 0.97, "threshold": 0.9, "breached": True, "text": "memory in use 97% of the limit"}
DIAGNOSIS = {
    "cause": "leak", "fixes": ["bound the cache"],
    "candidates": [
        {"name": "leak", "title": "objects that are never released", "evidence_for": ["old objects grow by 3 MiB a minute"], "evidence_against": []},
        {"name": "small", "title": "key password of Secret shop-db is not there", "cause_title": "key password of Secret shop-db is not there",
         "evidence_for": [], "evidence_against": ["<b>it was enough</b> for a week | ever"]}],
    "tables": [{"title": "Growing classes", "header": ["class", "bytes"], "rows": [["byte[]", 300]]}]}


@pytest.fixture
def cluster():
    with serving() as api:
        yield api.cluster


@pytest.fixture
def incident(cluster):
    """One that was detected, answered with one change, and measured until it was over."""
    record = Incident.open(cluster, "INC-1", "memory_leak", TARGET, title="Memory grows", severity="P2")
    record.note("open", "opened: Memory grows (P2) on shop/deployment/api")
    tokens = {"name": "tokens_rejected", "value": 0.4, "threshold": 0.05, "breached": True, "text": "40 % of the tokens are rejected"}
    record.measured("detect", [{"at": "2026-01-02T10:00:00.000Z", "signals": [MEMORY, tokens]}])
    change = Change("restart", TARGET, "u1", (Field("spec.template.metadata.annotations.x", None, "INC-1"),), "restart api, pod by pod")
    entry = record.intend(change)
    record.mark(entry, DONE)
    record.note("mitigate", f"changed: {change.summary}", change=entry.number)
    fine = {**MEMORY, "value": 0.2, "breached": False, "text": "memory in use 20% of the limit"}
    record.measured("verify", [{"at": f"2026-01-02T10:0{minute}:00.000Z", "signals": [fine]} for minute in (1, 2)])
    record.note("report", "outcome: mitigated")
    return record


@pytest.fixture
def written(incident, tmp_path):
    """Its directory, with every form of the report and three pieces of evidence."""
    store = EvidenceStore(str(tmp_path), "INC-1", "prod")
    store.save_text("logs/api.log", "logs", "logs of api", "ERROR out of memory\n")
    store.save_json("snapshot.json", "snapshot", "objects", {"pods": 3})
    store.save_text("heap/api.histogram.txt", "histogram", "jcmd", "1: 3 byte[]\n")
    items = [dataclasses.asdict(item) for item in store.items()]
    incident.found({"outcome": "mitigated", "diagnosis": DIAGNOSIS, "next_steps": ["hand the dump to the owners"], "impact": [],
                    "graph": [{"source": "gateway", "target": "api", "how": "its environment"}], "health_before": [], "health_after": []}, items)
    _proof.save(store, incident, _proof.derive(incident, "prod", LATER))
    return store.root


def document(incident):
    return _model.build(incident, "prod", LATER)


def test_the_document_has_the_published_form(incident, written):
    jsonschema.validate(json.loads((written / "report.json").read_text()), SCHEMA)


def test_the_schema_is_that_of_the_types():
    made = importlib.util.spec_from_file_location("schema", ROOT / "tests/tools/schema.py")
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    assert (ROOT / "docs/schema/incident.json").read_text() == module.text(), "make schema writes it"


def test_what_happened_why_and_what_was_done(incident, written):
    found = document(incident)
    assert [statement.id for statement in found.summary] == ["summary.happened", "summary.cause", "summary.done"]
    assert "Cause: objects that are never released." in found.summary[1].text and "restart api, pod by pod" in found.summary[2].text
    effect = next(statement for statement in found.remediation if statement.id == "effect.memory_use")
    assert effect.text == "memory_use: memory in use 97% of the limit; at the end memory in use 20% of the limit"
    assert ("customers affected", "not measured") in [(row.question, row.answer) for row in found.impact]
    assert [row.action for row in found.follow_ups] == ["Take back or make permanent: restart api, pod by pod", "hand the dump to the owners",
                                                        "bound the cache"]


def test_the_timeline_has_what_everybody_did_in_order(incident):
    rows = [{"at": "2026-01-02T09:59:30Z", "kind": "rollout", "object": "deployment/api", "what": "image 1.2 to 1.3", "by": "argo", "symptom": False,
             "relation": "it is the ailing workload itself"},
            {"at": "2026-01-02T09:59:40Z", "kind": "pod", "object": "pod/api-1", "what": "BackOff", "by": "kubelet", "symptom": True, "relation": ""},
            {"at": "2026-01-02T09:59:50Z", "kind": "onset", "object": "deployment/api", "what": "given", "by": "", "symptom": True, "relation": ""},
            {"at": "2026-01-02T10:00:30Z", "kind": "config", "object": "configmap/x", "what": "written", "by": FIELD_MANAGER, "symptom": False, "relation": ""}]
    incident.found({"outcome": "mitigated", "diagnosis": DIAGNOSIS, "changed": _timeline.by_others(rows)}, [])
    incident.note("alert", "alert HighMemory fires", at="2026-01-02T09:59:55Z")
    incident.note("escalate", "told slack", at="2026-01-02T10:05:00Z")
    incident.keep({f"delivery.000{number}.slack": {"number": number, "channel": "slack", "state": state, "at": "2026-01-02T10:04:00Z"}
                   for number, state in ((1, "sent"), (2, "waiting"))})
    found = [event for event in document(incident).timeline if event.at < "2026-01-02T11"]
    assert [event.kind for event in found] == ["others' change", "alert", "signal", "signal", "signal", "message", "escalation"]
    assert found[0].text == "rollout of deployment/api: image 1.2 to 1.3 (it is the ailing workload itself)" and found[0].by == "argo"
    assert [event.text.partition(":")[0] for event in found[2:5]] == ["memory_use over its threshold", "tokens_rejected over its threshold",
                                                                      "memory_use clear again"]
    assert any(event.kind == "our change" and event.text == "changed: restart api, pod by pod" for event in document(incident).timeline)


def test_who_needs_the_target_is_marked_as_affected(incident):
    edges = [{"source": "gateway", "target": "deployment/api", "how": "x"}, {"source": "shop", "target": "gateway", "how": "x"},
             {"source": "deployment/api", "target": "database", "how": "x"}, {"source": "gateway", "target": "shop", "how": "x"}]
    incident.found({"graph": edges}, [])
    assert [(one.service, one.why) for one in document(incident).affected] == [
        ("deployment/api", "the incident is about it"), ("gateway", "it needs deployment/api"), ("shop", "it needs gateway")]


@pytest.mark.parametrize("rehearsal, words", [
    ({}, "the undo was not rehearsed"), ({"at": "T", "failed": "no permission"}, "the undo could not be rehearsed (no permission)"),
    ({"at": "T", "restorable": [1], "settled": [], "refused": []}, "the undo was rehearsed at T: it would take back 1"),
    ({"at": "T", "restorable": [], "settled": [], "refused": [{"change": 1, "why": "bob wrote it."}]},
     "the undo was rehearsed at T: it would take back 0, change 1 would be refused (bob wrote it)"),
])
def test_whether_it_can_be_taken_back_was_tried(incident, rehearsal, words):
    incident.found({"rehearsal": rehearsal}, [])
    assert next(one.text for one in document(incident).remediation if one.id == "reversible") == f"Reversible: 1 of 1 changes, 0 taken back; {words}."


def test_what_was_too_long_for_the_record_is_said(incident, tmp_path):
    diagnosis = {**DIAGNOSIS, "tables": [{"title": "x", "header": ["a"], "rows": [["z" * 199_000]]}]}
    incident.found({"diagnosis": diagnosis, "changed": [{"what": "y" * 1000, "at": LATER, "kind": "", "object": "", "by": "", "relation": ""}]}, [])
    found = document(incident)
    assert found.left_out == ("tables of figures",) and len(incident.findings["changed"]) == 1
    assert all("in the evidence: tables of figures." in text for text in (_markdown.render(found), _page.render(found)))


def test_every_statement_names_something_that_is_there(incident, written):
    found = document(incident)
    there = {"finding:diagnosis", "finding:outcome", "finding:rehearsal", *(f"change:{change.number}" for change in found.changes),
             *(f"signal:{signal.name}@{signal.at}" for signal in found.signals), f"event:{found.opened_at}"}
    assert {ref for statement in (*found.summary, *found.root_cause, *found.remediation) for ref in statement.refs} <= there


def test_a_report_that_nobody_touched_is_proven_with_and_without_its_cluster(incident, written):
    assert _proof.problems(written, incident) == [] and _proof.problems(written) == []


def test_no_secret_of_a_change_reaches_the_saved_record(incident, tmp_path):
    fields = (Field('data["DB_PASSWORD"]', "hunter2-old", "hunter2-new"), Field("spec.env[name=TOKEN]", None, {"name": "TOKEN", "value": "hunter2-env"}))
    incident.intend(Change("config", TARGET, "u1", fields, "set them"))
    store = EvidenceStore(str(tmp_path), "INC-1", "prod")
    incident.found({"outcome": "mitigated", "diagnosis": DIAGNOSIS}, [])
    _proof.save(store, incident, _proof.derive(incident, "prod", LATER))
    assert "hunter2" not in "".join(path.read_text() for path in store.root.rglob("*") if path.is_file())
    assert _proof.problems(store.root) == []


def test_what_comes_later_does_not_make_an_earlier_report_wrong(incident, tmp_path):
    store = EvidenceStore(str(tmp_path), "INC-1", "prod")
    now = incident.timeline()[-1]["at"]
    incident.found({"outcome": "mitigated", "diagnosis": DIAGNOSIS}, [])
    _proof.save(store, incident, _proof.derive(incident, "prod", now))
    incident.note("undo", "restored")
    incident.mark(incident.ledger()[0], "undone")
    incident.acknowledge("ada")
    assert _proof.problems(store.root, incident) == []


@pytest.mark.parametrize("name", ["logs/api.log", "snapshot.json", "heap/api.histogram.txt", "record.json"])
def test_a_changed_byte_and_a_missing_file_of_evidence_are_named(incident, written, name):
    path = written / "evidence" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    assert any(f"evidence/{name} is not what was captured" in line for line in _proof.problems(written, incident))
    path.unlink()
    assert f"evidence/{name} is gone" in _proof.problems(written, incident)


@pytest.mark.parametrize("name", ["planted.json", "logs/planted.log", "new/planted.json"])
def test_a_file_that_nobody_captured_is_named(incident, written, name):
    path = written / "evidence" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    assert _proof.problems(written, incident) == [f"evidence/{name} is in no manifest: nobody captured it"]


def test_files_of_a_captured_directory_are_what_its_checksums_say(incident, written):
    dump = written / "evidence" / "dump"
    dump.mkdir()
    (dump / "1.dat.gz").write_bytes(b"rows")
    sums = f"{hashlib.sha256(b'rows').hexdigest()}  1.dat.gz\n"
    EvidenceStore(str(written.parents[1]), "INC-1", "prod").save_text("dump/SHA256SUMS", "database_dump", "pg_dump", sums)
    assert _proof.problems(written, incident) == []
    (dump / "1.dat.gz").write_bytes(b"raws")
    assert _proof.problems(written, incident) == ["evidence/dump/1.dat.gz is not what was captured: its bytes have changed"]
    (dump / "1.dat.gz").unlink()
    (dump / "2.dat.gz").write_bytes(b"more")
    assert _proof.problems(written, incident) == ["evidence/dump/2.dat.gz is in no manifest: nobody captured it", "evidence/dump/1.dat.gz is gone"]


@pytest.mark.parametrize("old, new, named", [
    ('"severity": "P2"', '"severity": "P1"', "severity"), ('"value": 0.97', '"value": 0.91', "signals[0].value"),
    ('"value": 0.2,', '"value": 0.3,', "signals[2].value"), ("97% of the limit", "91% of the limit", "summary[summary.happened].text"),
    ('"number": 1', '"number": 2', "changes[0].number"), ('"state": "done"', '"state": "undone"', "changes[0].state"),
    ("3 MiB a minute", "4 MiB a minute", "root_cause[cause.for.1].text"), ('"bytes": 20', '"bytes": 21', "evidence[0].bytes"),
    ('"threshold": 0.9', '"threshold": 0.8', "signals[0].threshold"), ("Reversible: 1 of 1", "Reversible: 2 of 2", "remediation[reversible].text"),
    ('"answer": "not measured"', '"answer": "none"', "impact[1].answer"), ("byte[]", "char[]", "diagnosis.tables[0].rows[0][0]"),
])
def test_an_edited_number_is_named_where_it_stands(incident, written, old, new, named):
    path = written / "report.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if "MiB" not in old else text.replace(old, new))
    assert any(line.startswith(f"report.json: {named} says ") for line in _proof.problems(written, incident)), _proof.problems(written, incident)


def test_a_cluster_that_is_renamed_in_every_form_is_named(incident, written):
    for name in ("report.json", "report.md", "report.html"):
        path = written / name
        path.write_text(path.read_text().replace("cluster prod", "cluster test").replace('"cluster": "prod"', '"cluster": "test"'))
    assert any(line.startswith("report.json: cluster says") for line in _proof.problems(written, incident))


@pytest.mark.parametrize("edit, named", [
    (lambda entries: [], "manifest.json: snapshot.json is missing"), (lambda entries: {}, "manifest.json"),
    (lambda entries: [entry for entry in entries if entry["kind"] != "record"], "manifest.json names no record"),
    (lambda entries: [{**entry, "captured_at": "2020-01-01T00:00:00Z"} for entry in entries], "the captured_at of snapshot.json"),
    (lambda entries: [{**entry, "source": "elsewhere"} for entry in entries], "the source of snapshot.json"),
])
def test_an_edited_manifest_is_named(incident, written, edit, named):
    path = written / "manifest.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    assert named in " ".join(_proof.problems(written, incident))


def test_another_look_of_the_page_is_no_tampering(incident, written):
    path = written / "report.html"
    path.write_text(path.read_text().replace("color-scheme: light dark", "color-scheme: dark"))
    assert _proof.problems(written, incident) == []


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff\xfe"])
def test_files_that_are_something_else_are_named(incident, written, content):
    for name in ("report.json", "report.md", "manifest.json"):
        (written / name).write_bytes(content)
        assert _proof.problems(written, incident)


def test_a_report_of_another_version_is_no_heap_of_differences(incident, written):
    path = written / "report.json"
    path.write_text(path.read_text().replace(f'"schema_version": "{_model.SCHEMA_VERSION}"', '"schema_version": "0.9"'))
    (written / "evidence/snapshot.json").write_text("{}")
    version, changed = _proof.problems(written, incident)
    assert "form 0.9" in version and "write it again" in version and "snapshot.json" in changed


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_an_edited_text_is_named_by_its_line(incident, written, name):
    path = written / name
    path.write_text(path.read_text().replace("97%", "57%", 1))
    [line] = _proof.problems(written, incident)
    assert line.startswith(f"{name}, line ") and "57%" in line and "97%" in line


def test_a_report_that_is_gone_or_broken_is_named(incident, written):
    (written / "report.md").unlink()
    assert "report.md cannot be read: No such file or directory" in _proof.problems(written, incident)
    (written / "report.json").write_text("{")
    assert "the report cannot be read" in _proof.problems(written, incident)[0]


def test_the_page_loads_nothing_and_takes_no_markup_from_outside(incident, written):
    page = (written / "report.html").read_text()
    assert "<b>it was enough" not in page and "&lt;b&gt;it was enough" in page
    assert not re.search(r'(?:src|href)="(?!#|evidence/)', page) and "http" not in page.replace("http-equiv", "")
    assert "<b>Hit:</b> sessions that were refused: 40 % of the tokens" in page and "and 2 more</a>" in page
    assert page.count("<svg") == 2, "a chart and the map of services"


def test_a_heap_is_drawn_where_its_table_has_a_treemap(incident, written, tmp_path):
    heap = Area("heap", "10 MB", 10, "", (Area("<i>cache</i>", "9 MB", 9, "", (Area("byte[]", "8 MB", 8),)),))
    tables = [{"title": "What keeps the memory", "header": ["suspect"], "rows": [["`shop.Cache.NOTES`"]], "treemap": heap.to_json()}]
    incident.found({**incident.findings, "diagnosis": {**DIAGNOSIS, "tables": tables}}, incident.evidence)
    page = _proof.derive(incident, "prod", LATER).page
    assert ">shop.Cache.NOTES<" in page, "a class name is no secret"
    assert 'class="treemap"' in page and "&lt;i&gt;cache&lt;/i&gt; 9 MB" in page and "<i>" not in page and "byte[]" in page
    assert 'class="treemap"' not in (written / "report.html").read_text(), "only where there is one"


def test_a_cell_cannot_leave_its_table(incident, written):
    assert "for a week | ever" in _markdown.render(document(incident)) and "\\| ever" not in _markdown.render(document(incident))
    table = _markdown.table(("a",), [("x | y\nz",)])
    assert table.splitlines()[-1] == "| x \\| y z |"


def test_one_page_of_an_incident_on_several_clusters(incident, written, tmp_path):
    report = json.loads((written / "report.json").read_text())
    other = {**report, "cluster": "<b>eu", "outcome": "not_mitigated", "timeline": [{**report["timeline"][0], "text": "the first | of <all>"}]}
    paths = {name: tmp_path / f"{number}.json" for number, name in enumerate(("prod", "<b>eu"))}
    for path, one in zip(paths.values(), (report, other), strict=True):
        path.write_text(json.dumps(one))
    params = {"incident_id": "INC-1", "incidents_dir": str(tmp_path), "reports": {**{name: str(path) for name, path in paths.items()}, "none": ""}}
    text, page = (pathlib.Path(path).read_text() for path in report_overview.run(Task(params))["files"])
    assert "2 clusters" in text and "not mitigated on <b>eu; mitigated on prod." in text and "the first \\| of <all>" in text
    assert "<b>eu" not in page and "&lt;b&gt;eu" in page and "not measured" not in page
    assert report_overview.run(Task({**params, "reports": {"prod": str(paths["prod"]), "none": ""}}))["files"] == []


def test_services_that_need_each_other_in_a_circle_are_drawn(incident, written):
    edges = tuple(_model.Dependency(*pair, "x") for pair in (("a", "b"), ("b", "c"), ("c", "a")))
    assert _page.render(dataclasses.replace(document(incident), dependencies=edges)).count('class="arrow"') == 3


def test_nothing_of_a_long_incident_is_lost(cluster, incident):
    events, changes = 500, 60
    for number in range(events):
        incident.note("note", f"event {number} {'x' * 1500}", at=f"2026-01-02T10:00:{number % 60:02}.{number:04}Z")
    for number in range(changes):
        entry = incident.intend(Change("env", TARGET, "u1", (Field("spec.x", "ö" * 1000, "y" * 1000),), f"set {number}"))
        incident.mark(entry, DONE)
    incident.found({"outcome": "mitigated", "diagnosis": {"tables": [{"title": "x", "header": ["a"], "rows": [["z" * 150_000]]}]}}, [])
    again = Incident.load(cluster, "shop", "INC-1")
    assert len(again.timeline()) == events + 3 and len(again.ledger()) == changes + 1
    found = document(again)
    assert sum(event.kind != "signal" for event in found.timeline) == events + 3 + changes and len(found.changes) == changes + 1
    sizes = [len(json.dumps(item)) for item in cluster.list("ConfigMap", "shop")]
    assert len(sizes) > 1 and max(sizes) < 1 << 20
    assert [one.id for one in Incident.all(cluster, "shop")] == ["INC-1"]
