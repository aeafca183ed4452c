# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Severity: what makes which level, and the deadlines of each."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _severity

POLICY = _severity.merged({})


def signal(name, value=1.0, breached=True, pods=()):
    return {"name": name, "value": value, "breached": breached, "text": f"{name} is {value}", "pods": list(pods)}


@pytest.mark.parametrize("signals, facts, level", [
    ([], {}, "P4"),
    ([signal("oom_killed", breached=False)], {"verdict": "healthy"}, "P4"),
    ([signal("oom_killed", pods=["a"])], {"pods": 3, "ready": 2}, "P3"),
    ([signal("oom_killed", pods=["a", "b"])], {"pods": 3, "ready": 1}, "P2"),
    ([signal("oom_killed", pods=["a", "b", "c"])], {"pods": 3, "ready": 0}, "P1"),
    ([signal("login_success", 0.9)], {}, "P2"),
    ([signal("login_success", 0.2)], {}, "P1"),
    ([signal("login_success", None)], {}, "P2"),
    ([signal("login_success", 0.2, breached=False)], {}, "P4"),
    ([signal("response_seconds", 4.0)], {}, "P3"),
    ([signal("response_seconds", 6.0)], {}, "P2"),
    ([signal("oom_killed")], {"verdict": "down"}, "P1"),
    ([], {"verdict": "degraded"}, "P3"),
    ([], {"verdict": "unreachable"}, "P2"),
])
def test_the_level_of_signals(signals, facts, level):
    assert _severity.assess(signals, POLICY, **facts).level == level


def test_the_reason_is_told():
    found = _severity.assess([signal("login_success", 0.2)], POLICY, verdict="down")
    assert found.why == ("login_success is 0.2", "the health check says down")


def test_a_policy_is_changed_in_part():
    policy = _severity.merged({"P1": {"signals": ["payments_failed>10"]}})
    assert _severity.assess([signal("payments_failed", 11.0)], policy).level == "P1"
    assert _severity.assess([signal("payments_failed", 9.0)], policy).level == "P3"
    assert policy["P1"]["escalate_minutes"] == 5


@pytest.mark.parametrize("given", [{"P5": {}}, {"P1": {"signals": ["login_success <= 3"]}}])
def test_a_policy_that_cannot_be_meant_is_refused(given):
    with pytest.raises(InvalidInput):
        _severity.assess([signal("login_success", 0.2)], _severity.merged(given))


@pytest.mark.parametrize("level, opened, respond_by, escalate_at", [
    ("P1", "2026-11-24T03:00:00.000Z", "2026-11-24T03:00:00Z", "2026-11-24T03:05:00Z"),
    ("P2", "2026-11-24T03:00:00.000Z", "2026-11-24T03:15:00Z", "2026-11-24T03:30:00Z"),
    ("P3", "2026-11-24T03:00:00.000Z", "2026-11-24T04:00:00Z", "2026-11-24T07:00:00Z"),
    ("P4", "2026-11-24T03:00:00.000Z", "2026-11-25T23:59:59Z", ""),
    ("P4", "2026-11-27T03:00:00.000Z", "2026-11-30T23:59:59Z", ""),
])
def test_the_deadlines_of_a_level(level, opened, respond_by, escalate_at):
    assert _severity.deadlines(level, opened, POLICY) == (respond_by, escalate_at)
