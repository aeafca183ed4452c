# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _incidents


def one(name, text):
    (found,), problems = _incidents.read(name, text if isinstance(text, str) else json.dumps(text))
    assert problems == []
    return found


def ours(**changed):
    return {"schema_version": "1.0", "id": "INC-1", "type": "memory_leak", "title": "api leaks", "severity": "P2", "target": "shop/api", "outcome": "mitigated",
            "opened_at": "2026-10-01T09:00:00Z", "ended_at": "2026-10-01T09:30:00Z",
            "signals": [{"name": "memory_near_limit", "breached": True}, {"name": "gc_pauses", "breached": False}],
            "diagnosis": {"cause": "leak", "candidates": [{"name": "leak", "verdict": "established"}, {"name": "native", "verdict": "excluded"}]},
            "changes": [{"action": "restart", "state": "done"}, {"action": "scale", "state": "planned"}],
            "follow_ups": [{"action": "Fix the cache", "owner": "", "due": ""}], **changed}


def test_our_own_report():
    found = one("incident.json", ours())
    assert (found.type, found.signals, found.causes, found.changes) == ("memory_leak", ("memory_near_limit",), ("leak",), ("restart",))
    assert found.ended - found.opened == 1800
    assert found.ended_it and found.follow_ups == ("Fix the cache",)


@pytest.mark.parametrize(("name", "content", "id_", "title", "minutes"), [
    ("pd.json", {"incidents": [{"id": "Q1", "incident_number": 7, "title": "Disk full", "created_at": "2026-10-01T09:00:00Z", "status": "resolved",
                                "last_status_change_at": "2026-10-01T09:20:00Z", "urgency": "high", "service": {"summary": "db"}}]}, "7", "Disk full", 20),
    ("og.json", {"data": [{"id": "x", "tinyId": "8", "message": "Slow", "createdAt": "2026-10-01T09:00:00.123Z", "impactEndDate": "2026-10-01T09:20:00.123Z",
                           "tags": ["type:auth_degradation"]}]}, "8", "Slow", 20),
    ("jira.json", {"issues": [{"key": "OPS-9", "fields": {"summary": "Cert", "created": "2026-10-01T11:00:00.000+0200",
                                                          "resolutiondate": "2026-10-01T11:20:00.000+0200", "labels": []}}]}, "OPS-9", "Cert", 20),
    ("x.csv", "Incident ID;Title;Created On;Resolved On\n10;Queue full;2026-10-01 09:00;2026-10-01 09:20\n", "10", "Queue full", 20),
    ("pm.md", "# Outage of checkout\n\n- Date: 2026-10-01\n\n## Timeline\n\n- 09:00 alert\n- 09:20 fixed\n", "pm.md", "Outage of checkout", 20),
])
def test_what_others_export(name, content, id_, title, minutes):
    found = one(name, content)
    assert (found.id, found.title, (found.ended - found.opened) / 60) == (id_, title, minutes)
    assert found.opened == pytest.approx(_incidents.moment("2026-10-01T09:00:00Z"), abs=1)


def test_a_post_mortem_past_midnight():
    found = one("pm.md", "# Post-mortem 2026-10-01: logins\n**Severity**: P1\n## Timeline (UTC)\n| 23:50 | alert |\n| 00:10 | rollback |\n"
                "## Root cause\nA bad release.\n## Resolution\n1. Rolled back\n## Action items\n- [ ] Test it\n")
    assert (found.severity, found.ended - found.opened) == ("P1", 1200)
    assert (found.causes, found.changes, found.follow_ups) == (("A bad release.",), ("Rolled back",), ("Test it",))


@pytest.mark.parametrize(("name", "text", "why"), [
    ("a.json", "{", "no JSON"), ("a.json", "[" * 100_000, "no JSON"), ("a.json", "[]", "neither a report"),
    ("a.csv", "a,b\n1,2\n", "no column"), ("a.csv", "", "no column"),
    ("a.md", "words", "no heading"), ("a.md", "# Title\nwords", "no time"),
])
def test_what_is_no_incident_is_said(name, text, why):
    with pytest.raises(_incidents.NotRead, match=why):
        _incidents.read(name, text)


def test_one_bad_row_costs_one_row():
    rows = [{"id": "1", "title": "a", "created_at": "2026-10-01T09:00:00Z"}, {"id": "2", "title": "b", "created_at": "soon"}, 7, {"id": "3"}]
    found, problems = _incidents.read("pd.json", json.dumps({"incidents": rows}))
    assert [incident.id for incident in found] == ["1"]
    assert len(problems) == 3 and "'soon' is no time" in problems[0]


def test_a_folder_has_each_incident_once_in_the_order_of_time(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "incident.json").write_text(json.dumps(ours()))
    (tmp_path / "a.csv").write_text("id,title,created\nINC-1,as exported,2026-10-01T09:00:00Z\nINC-0,older,2026-09-01\n")
    (tmp_path / "notes.md").write_text("nothing")
    (tmp_path / "ignored.txt").write_text("nothing")
    found, problems = _incidents.load(str(tmp_path))
    assert [(incident.id, incident.title) for incident in found] == [("INC-0", "older"), ("INC-1", "api leaks")]
    assert problems == ["notes.md: it has no heading, so it is no post-mortem"]
    with pytest.raises(InvalidInput, match="no folder"):
        _incidents.load(str(tmp_path / "absent"))


def test_beside_a_report_of_this_collection_nothing_else_is_an_incident(tmp_path):
    kept = tmp_path / "INC-1" / "lab1"
    (kept / "evidence").mkdir(parents=True)
    (kept / "report.json").write_text(json.dumps(ours()))
    (kept / "report.md").write_text("# The same in words\n\n- Incident: `INC-1`\n- Started: 2026-10-01T09:00Z\n")
    for name in ("manifest.json", "evidence/snapshot.json", "evidence/report.json"):
        (kept / name).write_text("{}")
    (tmp_path / "report.json").write_text("[]")
    (tmp_path / "written.md").write_text("# Another\n\nDate: 2026-10-02\n")
    past, problems = _incidents.load(str(tmp_path))
    assert [one.title for one in past] == ["api leaks", "Another"]
    assert len(problems) == 1 and problems[0].startswith("report.json: ")


def test_a_secret_in_a_title_is_removed():
    assert "hunter2" not in one("x.csv", "title,created\npassword=hunter2hunter2 leaked,2026-10-01\n").title
