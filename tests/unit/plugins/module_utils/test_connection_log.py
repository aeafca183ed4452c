# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairing connections that are taken and given back."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils import _connection_log
from ansible_collections.sre.runbooks.plugins.module_utils._connection_log import Analysis, Patterns

SHOP = Patterns.parse(_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT)


def stamped(second: int, text: str) -> str:
    return f"2026-11-23T03:{second // 60:02d}:{second % 60:02d}.000000001Z {text}"


LOG = [
    stamped(0, "INFO pool - release conn=c0 req=r0 held_ms=7"),
    stamped(1, "INFO pool - acquire conn=c1 req=r1 at=Orders.find:37"),
    stamped(1, "INFO pool - release conn=c1 req=r1 held_ms=12"),
    stamped(2, "INFO pool - acquire conn=c2 req=r2 at=Orders.report:60"),
    stamped(3, "INFO pool - acquire conn=c3 req=r3 at=Orders.find:37"),
    stamped(50, "ERROR pool - connection timeout req=r4 at=Orders.find:37 active=10"),
    stamped(55, "INFO pool - acquire conn=c5 req=r5 at=Orders.find:37"),
    stamped(58, "INFO pool - release conn=c3 req=r3 held_ms=55000"),
    stamped(60, "something else"),
]


@pytest.fixture
def found():
    analysis = Analysis(SHOP)
    analysis.read("pod-a", LOG)
    analysis.read("pod-b", [stamped(20, "INFO pool - acquire conn=c2 req=r9 at=Orders.report:60")])
    return analysis.findings(30)


def test_what_is_never_given_back_is_named_with_its_place(found):
    assert [(leak["at"], leak["count"], leak["pods"], leak["requests"]) for leak in found["leaks"]] == [
        ("Orders.report:60", 2, ["pod-a", "pod-b"], ["r2", "r9"])]
    assert found["leaks"][0]["oldest_seconds"] == 56


def test_a_connection_that_is_young_is_open_and_not_lost(found):
    find = next(row for row in found["locations"] if row["at"] == "Orders.find:37")
    assert (find["acquired"], find["released"], find["open"], find["timeouts"], find["longest_ms"]) == (3, 2, 1, 1, 55000)


def test_the_same_name_in_two_replicas_is_two_connections(found):
    report = next(row for row in found["locations"] if row["at"] == "Orders.report:60")
    assert report["open"] == 2


def test_counts(found):
    assert (found["acquired"], found["released"], found["timeouts"]) == (5, 2, 1)


def test_held_time_is_computed_where_the_log_does_not_say_it():
    analysis = Analysis(Patterns.parse(r"took (?P<conn>\w+)", r"gave (?P<conn>\w+)", "never"))
    analysis.read("pod", [stamped(0, "took a"), stamped(3, "gave a")])
    assert analysis.findings(30)["locations"][0]["median_ms"] == 3000


def test_a_log_of_something_else_finds_nothing():
    analysis = Analysis(SHOP)
    analysis.read("pod", [stamped(0, "hello")])
    assert analysis.findings(30) == {"lines": 1, "acquired": 0, "released": 0, "timeouts": 0, "leaks": [], "locations": []}
