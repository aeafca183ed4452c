# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a reading, and how long is measured."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _signals
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal


@pytest.mark.parametrize(("text", "pods", "said"), [
    ("memory in use 99% of the limit in api-1", ("api-1",), "memory in use 99% of the limit in api-1"),
    ("memory in use 99% of the limit in api-1", ("api-1", "api-2"), "memory in use 99% of the limit in api-1; also api-2"),
    ("2 of 3 pods OOMKilled", ("api-1", "api-2"), "2 of 3 pods OOMKilled: api-1, api-2"),
    ("log-ins fail", (), "log-ins fail"),
])
def test_a_pod_is_named_once(text, pods, said):
    reading = Reading("now", (Signal("x", 1, 0, True, text, pods),), True)
    assert _signals.says(reading, "breached") == [said]


@pytest.mark.parametrize(("breached", "for_good", "readings"), [(True, True, 1), (True, False, 3), (False, True, 3)])
def test_measuring_ends_at_once_where_what_is_breached_cannot_clear_any_more(monkeypatch, breached, for_good, readings):
    clock, taken = [1.0], []
    monkeypatch.setattr(_signals.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(_signals.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def measure():
        taken.append(1)
        return Reading("now", (Signal("oom_killed", 1, 1, breached, "1 of 3 pods OOMKilled"),), True, for_good=for_good)

    outcome, _reading = _signals.until_clear(measure, sustained=8.0, timeout=8.0, interval=4.0, tell=lambda _line: None)
    assert (outcome, len(taken)) == (_signals.NOT_MITIGATED if breached else _signals.MITIGATED, readings)


@pytest.mark.parametrize(("values", "outcome", "readings"), [
    ([0.1] * 9, _signals.MITIGATED, 3),
    ([None, None, 0.1, None, None], _signals.MITIGATED, 3),  # once is enough, as it is where few requests come
    ([None] * 9, _signals.UNKNOWN, 6)])
def test_what_was_breached_must_be_measured_again_before_it_is_clear(monkeypatch, values, outcome, readings):
    clock, taken = [1.0], []
    monkeypatch.setattr(_signals.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(_signals.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def measure():
        taken.append(values[len(taken)])
        return Reading("now", (Signal("gc_share", taken[-1], 0.3, False, "garbage collection"),), True)

    found, reading = _signals.until_clear(measure, sustained=8.0, timeout=20.0, interval=4.0, tell=lambda _line: None, must=["gc_share"])
    assert (found, len(taken)) == (outcome, readings)
    assert (reading.incomplete_because == "not measured since the change: gc_share") is (outcome == _signals.UNKNOWN)
