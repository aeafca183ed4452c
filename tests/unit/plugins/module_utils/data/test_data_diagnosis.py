"""How data became inconsistent, from what was counted."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._data import _diagnosis
from ansible_collections.sre.runbooks.plugins.module_utils._data._signals import reading
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

WRONG = {"rule": "totals", "kind": "derived_total", "count": 5, "severity": "high", "samples": [{"id": "3", "found": "29.20"}]}
TWICE = {"rule": "twice", "kind": "duplicates", "count": 2}
MARKED = {"rule": "marked", "kind": "flagged", "count": 3, "first": "2026-01-01T00:00:00Z", "last": "2026-01-02T00:00:00Z"}
FINE = {"rule": "fine", "kind": "orphans", "count": 0}


def counted(findings, repair, constraints=None):
    """Facts by name, those that are not known by their reason."""
    sheet = FactSheet()
    _diagnosis.counted(findings, repair, constraints or {}, sheet)
    return {fact["name"]: fact["value"] if fact["known"] else fact["because"] for fact in sheet.to_json()}


def left(reason):
    return {"rule": "totals", "table": "orders", "key": "1", "reason": reason}


def test_marked_entries_and_wrong_rows_are_counted_apart():
    facts = counted([WRONG, TWICE, MARKED, FINE], {}, {"twice": "a unique index", "fine": "a foreign key"})
    assert (facts["rows_wrong"], facts["entries_flagged"]) == (7, 3)
    assert facts["rules_broken"] == ["totals: 5", "twice: 2"] and facts["rules_without_constraint"] == ["twice (a unique index)"]


def test_what_the_audit_log_says_of_the_rows():
    reasons = ["the audit log does not say otherwise (entry 3)", "the audit log has no entry of it", "two entries tie"]
    facts = counted([WRONG], {"counts": {"orders": {"update": 4}, "order_items": {"insert": 1}}, "remaining": list(map(left, reasons))})
    assert (facts["rows_unlike_audit"], facts["rows_as_audited"], facts["rows_without_entry"]) == (5, 1, 1)


def test_without_a_plan_the_audit_log_was_not_asked():
    assert "no repair was planned" in counted([WRONG], {})["rows_unlike_audit"]


def test_a_rule_that_could_not_be_checked_is_no_count():
    facts = counted([{**MARKED, "count": None}, {**WRONG, "count": None}], {})
    assert facts["entries_flagged"] == "they could not be counted" and facts["rules_unchecked"] == ["marked", "totals"]


def test_the_time_of_the_wrong_rows_is_that_of_all_rules():
    late, early = ({"first": moment, "last": moment} for moment in ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"))
    rows = [{**WRONG, **late}, {**TWICE, **early}]
    facts = counted([*rows, MARKED], {})
    assert (facts["first_wrong"], facts["last_wrong"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert counted([WRONG], {})["first_wrong"] == "no wrong row has a time"


def test_only_constraints_that_broken_rules_lack_are_proposed():
    lines = _diagnosis.fixes([TWICE, FINE], {"twice": "a unique index", "fine": "a foreign key"})
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
