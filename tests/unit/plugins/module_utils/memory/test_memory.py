# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory signals and the diagnosis, from readings of pods."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series, Usage
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _signals
from ansible_collections.sre.runbooks.plugins.module_utils._memory._diagnosis import diagnose, growth_between

MIB = 1 << 20


def pod(name="a", **facts):
    return {"pod": name, "ready": True, "restarts": 0, "started_at": "2026-11-23T03:00:00Z", "ooms": [],
            "evicted_at": None, "limit": 512 * MIB, "usage": 200 * MIB, "old_used": 100 * MIB,
            "heap_used": 150 * MIB, "heap_max": 400 * MIB, "gc_seconds": 1.0, "read_at": 0.0, **facts}


def breached(signals):
    return {signal.name for signal in signals if signal.breached}


@pytest.mark.parametrize("facts, names", [
    ({}, set()),
    ({"ooms": ["2026-11-23T03:30:00Z"]}, {"oom_killed"}),
    ({"ooms": ["2026-11-23T01:00:00Z"]}, set()),
    ({"evicted_at": "2026-11-23T03:30:00Z"}, {"evicted"}),
    ({"usage": 480 * MIB}, {"memory_near_limit"}),
    ({"old_used": 350 * MIB}, {"heap_full"}),
    ({"usage": None, "limit": None, "heap_max": None}, set()),
])
def test_instant_signals(facts, names):
    assert breached(_signals.instant_signals([pod(**facts)], _signals.Thresholds(), "2026-11-23T03:00:00Z")) == names


@pytest.mark.parametrize("later, names", [
    ({"old_used": 110 * MIB}, {"memory_growth"}),
    ({"old_used": 101 * MIB}, set()),
    ({"old_used": 110 * MIB, "restarts": 1}, set()),
    ({"gc_seconds": 3.0}, {"gc_pauses"}),
    ({"gc_seconds": 1.5}, set()),
])
def test_trend_signals(later, names):
    signals = _signals.trend_signals([pod()], [pod(read_at=10.0, **later)], _signals.Thresholds())
    assert breached(signals) == names


@pytest.mark.parametrize("sampled_at, used", [("2026-11-23T03:00:05Z", 5.0), ("2026-11-23T02:59:55Z", None)])
def test_a_sample_from_before_the_restart_is_not_the_usage_of_now(sampled_at, used):
    assert _signals.current_usage(Usage(sampled_at, 5.0, 0.1), "2026-11-23T03:00:00Z") == used


def test_minutes_to_limit_is_what_is_left_over_the_rate():
    assert _signals.minutes_to_limit(pod(), pod(old_used=110 * MIB, read_at=10.0), 0.01) == pytest.approx(290 / 60)


def test_samples_take_the_first_series_with_a_value():
    text = ('# TYPE jvm_memory_used_bytes gauge\njvm_memory_used_bytes{area="heap",id="Tenured Gen"} 5\n'
            'jvm_memory_used_bytes{area="heap",id="Eden Space"} 7\njvm_memory_used_bytes{area="nonheap",id="x"} 9\n')
    samples = Samples(text)
    assert samples.sum(Series.parse('jvm_memory_used_bytes{area="heap"}')) == 12
    assert samples.first([Series.parse("absent"), Series.parse('jvm_memory_used_bytes{id=~".*(Old|Tenured).*"}')]) == 5
    assert samples.first([Series.parse("absent")]) is None


def test_growth_between_histograms():
    first = {"shop.Note": {"instances": 10, "bytes": 1000}, "java.lang.String": {"instances": 5, "bytes": 100}}
    second = {"shop.Note": {"instances": 30, "bytes": 3000}, "java.lang.String": {"instances": 4, "bytes": 120}}
    rows = growth_between(first, second, 4.0)
    assert [(row["name"], row["grown_instances"], row["per_second"]) for row in rows] == [("shop.Note", 20, 500.0)]


LEAKING = {"name": "shop.Note", "grown_bytes": 10 * MIB, "grown_instances": 500, "bytes": 200 * MIB,
           "per_second": 2 * MIB, "pod": "a"}


@pytest.mark.parametrize("pods, growth, cause", [
    ([pod()], [LEAKING], "leak"),
    ([pod(heap_max=640 * MIB)], [LEAKING], "leak"),
    ([pod(old_used=330 * MIB, heap_max=640 * MIB),
      pod("b", old_used=320 * MIB, heap_max=640 * MIB, started_at="2026-11-23T03:20:00Z")], [], "limit_too_small"),
    ([pod(usage=450 * MIB, heap_used=60 * MIB, old_used=40 * MIB)], [], "native_memory"),
    # What leaks was not asked for while the histograms were taken.
    ([pod(old_used=300 * MIB, heap_max=640 * MIB, usage=450 * MIB, heap_used=400 * MIB),
      pod("b", old_used=10 * MIB, heap_max=640 * MIB, started_at="2026-11-23T03:20:00Z")], [], "leak"),
])
def test_diagnosis_names_the_right_cause_first(pods, growth, cause):
    assert diagnose(pods, growth)[0].name == cause


def test_a_heap_that_may_outgrow_its_limit_is_no_cause_while_nothing_presses():
    assert diagnose([pod(heap_max=640 * MIB)], [])[0].score <= 0


def test_a_leak_is_never_answered_with_more_memory():
    best = diagnose([pod(heap_max=640 * MIB)], [LEAKING])[0]
    assert best.recommendation == "restart"


@pytest.mark.parametrize(("status", "expected"), [
    ({"phase": "Running", "startTime": "2026-11-23T01:00:00Z"}, None),
    ({"reason": "Evicted", "startTime": "2026-11-23T01:00:00Z"}, "2026-11-23T01:00:00Z"),
    ({"reason": "Evicted", "startTime": "2026-11-23T01:00:00Z", "conditions": [
        {"type": "PodScheduled", "lastTransitionTime": "2026-11-23T01:00:00Z"}, {"type": "Ready", "lastTransitionTime": "2026-11-23T03:00:09Z"}]},
     "2026-11-23T03:00:09Z")])
def test_an_eviction_is_dated_when_it_happened_not_when_the_pod_began(status, expected):
    assert _signals.evicted_at({"metadata": {"creationTimestamp": "2026-11-23T00:59:00Z"}, "status": status}) == expected
