# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured records as plain ones: the forms in which loggers write them."""

from __future__ import annotations

import json

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._structured import as_plain


def plain(*records):
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return as_plain("\n".join(lines).encode()).decode().split("\n")


@pytest.mark.parametrize(("record", "line"), [
    ({"@timestamp": "T", "level": "ERROR", "logger_name": "shop.Pay", "message": "refused"}, "T ERROR shop.Pay refused"),
    ({"ts": "T", "level": "warn", "caller": "pay.go:7", "msg": "slow"}, "T WARN pay.go:7 slow"),
    ({"time": 1700000000000, "level": 50, "name": "api", "msg": "refused"}, "1700000000000 ERROR api refused"),
    ({"@t": "T", "@mt": "Order {OrderId} of {@Customer} failed", "@l": "Error", "OrderId": 7, "Customer": "ann"}, "T ERROR Order 7 of ann failed"),
    ({"@t": "T", "@m": "Order 7 placed"}, "T INFO Order 7 placed"),
    ({"@t": "T", "@m": "tick", "@l": "Verbose"}, "T TRACE tick"),
    ({"Timestamp": "T", "SeverityText": "ERROR", "Body": "refused"}, "T ERROR refused"),
    ({"severityNumber": 17, "body": {"stringValue": "refused"}}, "ERROR refused"),
    ({"version": "1.1", "host": "a", "short_message": "refused", "level": 3}, "ERROR refused"),
    ({"version": "1.1", "host": "a", "short_message": "accepted", "level": 6}, "INFO accepted"),
    ({"MESSAGE": "refused", "PRIORITY": "3", "_PID": "7"}, "ERROR refused"),
    ({"t": {"$date": "T"}, "s": "I", "c": "NETWORK", "msg": "Connection ended"}, "T INFO NETWORK Connection ended"),
    ({"asctime": "T", "levelname": "WARNING", "message": "slow"}, "T WARNING slow"),
    ({"method": "GET", "path": "/pay?id=7", "response_code": 503, "response_flags": "UO", "start_time": "T"}, "T ERROR GET /pay Service-Unavailable UO"),
    ({"request_method": "GET", "uri": "/orders/7/items", "status": "200"}, "GET /orders/*/items OK"),
    ({"method": "GET", "path": "/pay", "response_code": 0, "response_flags": "DC"}, "GET /pay no-answer DC"),
    ({"queue": "orders", "depth": 7}, "queue=orders depth=7"),
])
def test_a_record_of_each_form(record, line):
    assert plain(*[record] * 3) == [line] * 3


@pytest.mark.parametrize("thrown", [
    {"stack_trace": "E: no\n\tat a.B"}, {"error": {"stack_trace": "E: no\n\tat a.B"}}, {"@x": "E: no\n\tat a.B"},
    {"Attributes": {"exception.stacktrace": "E: no\n\tat a.B"}}, {"error.stack_trace": "E: no\n\tat a.B"}])
def test_what_was_thrown_continues_the_record(thrown):
    assert plain({"level": "error", "message": "refused", **thrown}) == ["ERROR refused", " E: no", " \tat a.B"]


def test_text_before_and_between_stays_as_it_is():
    banner = ["NOTE: Picked up JDK_JAVA_OPTIONS: -Xmx1g"] * 30
    assert plain(*banner, {"level": "error", "message": "refused"}) == [*banner, "ERROR refused"]


def test_an_object_that_is_part_of_a_plain_record_is_no_event():
    lines = ["INFO answer was", '{"id": 7}'] * 30
    assert plain(*lines) == lines


@pytest.mark.parametrize("text", ["{", "{]", '{"a":', "{" * 5000, '{"msg": "a"} trailing', "[1]", '{"msg": null}'])
def test_broken_json_is_text(text):
    assert plain("plain", text)[0] == "plain"
