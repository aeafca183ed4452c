# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was hit: each answer has how it was obtained, and what was not measured says so."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._report import _impact
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import AMOUNT, ASKED, CUSTOMERS, FAILED, FEATURES, NOT_MEASURED, RECORDS
from ansible_collections.sre.runbooks.plugins.module_utils._report._timeline import Measurement

TRAFFIC = {"withheld": "", "requests": 200, "errors": 30, "error_share": 0.15, "refused": {"rate limit": 7}, "seconds": 30.0, "routes": [
    {"route": "/orders", "errors": 10, "requests": 50}, {"route": "/pay", "errors": 20, "requests": 40}, {"route": "/search", "errors": 0, "requests": 110}]}
CHECKED = {"errors": [], "customers": 3, "amount": "12.50", "snapshot": {"taken_at": "2026-01-02T10:00:00Z"}, "findings": [
    {"rule": "order_totals", "count": 4, "customers": 3, "amount": "12.50"}, {"rule": "lines", "count": 0, "customers": 0, "amount": None},
    {"rule": "stock", "count": None, "customers": None, "amount": None}]}


def answers(rows):
    return {row["question"]: row["answer"] for row in rows}


def test_an_access_log_tells_requests_and_features():
    assert answers(_impact.of_traffic(TRAFFIC, "evidence/traffic.json")) == {
        FAILED: "30 of 200 in 30 s (15.0%); 7 more were refused on purpose", FEATURES: "/pay (20 of 40), /orders (10 of 50)"}
    assert all("evidence/traffic.json" in row["how"] for row in _impact.of_traffic(TRAFFIC, "evidence/traffic.json"))


@pytest.mark.parametrize("more", [{"withheld": "no known format"}, {"requests": 0}])
def test_a_log_that_does_not_tell_gives_no_number(more):
    assert _impact.of_traffic({**TRAFFIC, **more}, "") == []


def test_a_database_tells_records_customers_and_amount():
    assert answers(_impact.of_rows(CHECKED)) == {RECORDS: "4 break order_totals", CUSTOMERS: "3", AMOUNT: "12.50"}
    assert answers(_impact.of_rows({**CHECKED, "errors": ["stock: no permission"]}))[CUSTOMERS] == "at least 3"


def test_a_rule_without_customers_and_amounts_counts_neither():
    found = [{"rule": "order_totals", "count": 4, "customers": None, "amount": None}]
    assert set(answers(_impact.of_rows({**CHECKED, "findings": found}))) == {RECORDS}


def test_what_nobody_measured_says_so_and_what_was_found_goes_before_a_signal():
    errors = Measurement("2026-01-02T10:00:00Z", "detect", "error_share", 0.2, 0.05, True, "20 % fail")
    unknown = Measurement("2026-01-02T10:00:00Z", "detect", "response_seconds", None, 5.0, False, "not known")
    rows = _impact.impact([], {"error_share": errors, "response_seconds": unknown})
    assert {row.question: row.answer for row in rows} == {FAILED: "20 % fail", **{one: NOT_MEASURED for one in ASKED if one != FAILED}}
    assert [row.how for row in rows if row.question == FAILED] == ["signal error_share at 2026-01-02T10:00:00Z"]
    given = _impact.impact(_impact.of_traffic(TRAFFIC, ""), {"error_share": errors})
    assert next(row.answer for row in given if row.question == FAILED).startswith("30 of 200")
    assert all(row.how for row in given if row.answer != NOT_MEASURED)
