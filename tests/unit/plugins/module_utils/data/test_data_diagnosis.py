"""How data became inconsistent, from what was counted."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._data import _diagnosis
from ansible_collections.sre.runbooks.plugins.module_utils._data._signals import reading

WRONG = {"rule": "totals", "kind": "derived_total", "count": 5, "severity": "high", "samples": [{"id": "3", "found": "29.20"}]}
TWICE = {"rule": "twice", "kind": "duplicates", "count": 2}
MARKED = {"rule": "marked", "kind": "flagged", "count": 3, "first": "2026-01-01T00:00:00Z", "last": "2026-01-02T00:00:00Z"}
FINE = {"rule": "fine", "kind": "orphans", "count": 0}


def cause(findings, repair, constraints=None):
    return _diagnosis.diagnose(findings, repair, constraints or {})[0].name


def left(reason):
    return {"rule": "totals", "table": "orders", "key": "1", "reason": reason}


def test_rows_that_differ_from_the_audit_log_were_written_past_the_application():
    assert cause([WRONG, TWICE, MARKED], {"counts": {"orders": {"update": 5}}}, {"twice": "a unique index"}) == "unaudited_write"


def test_rows_that_the_audit_log_agrees_with_were_written_by_the_application():
    assert cause([WRONG], {"counts": {"orders": {}}, "remaining": [left("the audit log does not say otherwise (entry 3)")]}) == "application_bug"


def test_duplicates_alone_point_to_a_missing_constraint():
    assert cause([TWICE, FINE], {"counts": {}}, {"twice": "a unique index", "fine": "a foreign key"}) == "missing_constraint"


def test_marked_entries_alone_were_tampered_with():
    assert cause([MARKED], {"counts": {}}) == "tampered_audit"


def test_only_constraints_that_broken_rules_lack_are_proposed():
    lines = _diagnosis.fixes([TWICE, FINE], "", {"twice": "a unique index", "fine": "a foreign key"})
    assert "twice" in lines[0] and not any("fine" in line for line in lines)


def test_marked_entries_from_before_count_no_more_after_a_repair():
    signals = {signal.name: signal for signal in reading([MARKED, FINE], {}, "2026-01-03T00:00:00Z").signals}
    assert not signals["checksum_mismatch"].breached and "(3 before)" in signals["checksum_mismatch"].text
    signals = {signal.name: signal for signal in reading([MARKED, FINE], {}, "2026-01-01T12:00:00Z").signals}
    assert signals["checksum_mismatch"].breached


def test_a_rule_that_could_not_be_checked_makes_the_reading_incomplete():
    measured = reading([{**FINE, "error": "Rule fine could not be checked: no table."}], {}, "")
    assert not measured.complete and "no table" in measured.incomplete_because
    unknown = {**MARKED, "count": None, "first": "", "last": "", "error": "Rule marked could not be checked: permission denied."}
    signals = {signal.name: signal for signal in reading([{**FINE}, unknown], {}, "2026-01-02T00:00:00Z").signals}
    assert signals["checksum_mismatch"].text == "marked audit entries could not be counted"
