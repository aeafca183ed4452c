# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a history adds to a direct reading, as the module returns it."""

from __future__ import annotations

import json
import time

import fake_prometheus
import pytest
import services
from fake_prometheus import FakePrometheus

from ansible_collections.sre.runbooks.plugins.module_utils._history import _review, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import Series
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import signal_history_info

POD = {"namespace": "ai-development", "pod": "api-server-6f7c9b8d5-x2x4z"}
HEALTHY = {"outcome": "healthy", "at": "2026-11-28T08:00:00Z", "pods": [], "facts": {}, "says": ["memory in use 60% of the limit", "nothing to do"],
           "signals": [{"name": "memory_near_limit", "value": 0.6, "threshold": 0.9, "breached": False, "text": "memory in use 60% of the limit", "pods": []}]}
BLIND = {**HEALTHY, "outcome": "unknown", "says": ["memory in use: not measured", "no metrics"], "signals": [
    {**HEALTHY["signals"][0], "value": None, "text": "memory in use: not measured"}]}


def run(prometheus: object, tmp_path, incident_type: str = "memory_leak", direct: dict | None = None, check_mode: bool = False, **more: object) -> dict:
    params = {name: option.get("default") for name, option in signal_history_info.ARGUMENT_SPEC.items()}
    params |= {"prometheus": prometheus, "incident_type": incident_type, "namespace": "ai-development", "workload": "api-server", "direct": direct or HEALTHY,
               "host": "http://127.0.0.1:1", "incident_id": "INC-1", "incidents_dir": str(tmp_path), **more}
    return attempt(signal_history_info.ARGUMENT_SPEC, signal_history_info.run, Task(params, check_mode), 0)


def lately(one: services.Service) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """A service's week as one that ends now, as shares of the limit; and when its process started."""
    moved = time.time() // services.STEP * services.STEP - one.points[-1][0]
    return ([(at + moved, value / services.LIMIT) for at, value in one.points],
            [(at + moved, max(start for start in one.starts if start <= at) + moved) for at, _value in one.points])


def memory(one: services.Service) -> FakePrometheus:
    values, starts = lately(one)
    return FakePrometheus(series={"container_memory_working_set_bytes": [(POD, values)], "container_start_time_seconds": [(POD, starts)]})


def test_without_a_prometheus_nothing_is_asked_and_the_direct_reading_stands(tmp_path):
    found = run(None, tmp_path)
    assert {**{name: found[name] for name in HEALTHY}, "says": found["measured"]} == HEALTHY
    assert found["history"] == found["history_says"] == found["says"] == []


def test_a_leak_that_no_direct_read_sees(tmp_path):
    with fake_prometheus.serving(memory(services.service("leak", 3, leak=0.08, daily=0.05, base=0.2))) as fake:
        found = run(fake.url, tmp_path)
        again = run(fake.url, tmp_path, hours_to_limit=12.0)
        run(fake.url, tmp_path, incident_id="INC-2", check_mode=True)
    assert found["outcome"] == "breached"
    signal = next(signal for signal in found["signals"] if signal["name"] == "memory_days_to_limit")
    assert signal["breached"] and signal["pods"] == [POD["pod"]] and 24 < signal["value"] < 72
    assert "at every hour alike" in signal["text"] and "threshold 72 h; history" in signal["text"]
    assert any(f"history: 7 days of {fake.url}" in line for line in found["says"])
    saved = json.loads((tmp_path / "INC-1/cluster/evidence/history.json").read_text())
    points = saved["memory_days_to_limit"][0]["points"]
    assert found["evidence"] and 100 < len(points) <= _review.KEPT
    assert again["outcome"] == "healthy" and again["evidence"] == [] and not (tmp_path / "INC-2").exists()


def test_a_daily_load_is_usual_at_this_hour(tmp_path):
    with fake_prometheus.serving(memory(services.service("daily", 3, daily=0.3))) as fake:
        found = run(fake.url, tmp_path)
    assert found["outcome"] == "healthy"
    near = next(signal for signal in found["signals"] if signal["name"] == "memory_near_limit")
    assert near["value"] == 0.6 and near["text"].startswith("memory in use 60% of the limit; usual at this hour ") and " days)" in near["text"]


def test_what_could_not_be_read_directly_the_history_says(tmp_path):
    full = services.service("full", 3, base=0.95, noise=0.001)
    with fake_prometheus.serving(memory(full)) as fake:
        found = run(fake.url, tmp_path, direct=BLIND)
    near = next(signal for signal in found["signals"] if signal["name"] == "memory_near_limit")
    assert found["outcome"] == "breached" and near["value"] == pytest.approx(0.95, abs=0.01)
    assert "(history; threshold 90%)" in near["text"] and "over the threshold since" in near["text"]
    with fake_prometheus.serving(memory(services.service("well", 3, base=0.5))) as fake:
        found = run(fake.url, tmp_path, direct=BLIND)
    assert found["outcome"] == "unknown" and found["measured"][-1] == "no metrics", "unseen is not healthy, and why stands last"


@pytest.mark.parametrize(("fake", "words"), [
    (FakePrometheus(), "no series of deployment/api-server in ai-development in 7 days: another tenant, another cluster label"),
    (FakePrometheus(answer=(503, b"{}")), "answered 503"), (FakePrometheus(answer=(422, b'{"error":"too many samples"}')), "422: too many samples")])
def test_without_a_history_the_direct_reading_takes_over(fake, words, tmp_path):
    with fake_prometheus.serving(fake):
        found = run(fake.url, tmp_path)
    assert not found.get("failed") and found["outcome"] == "healthy" and found["signals"] == HEALTHY["signals"]
    assert words in found["says"][0] and found["says"][0].startswith("no history: ") and found["measured"] == found["says"] + HEALTHY["says"]


def test_a_clock_that_is_ahead_is_told_and_counts(tmp_path):
    fake = memory(services.service("leak", 3, leak=0.08, base=0.2))
    fake.seconds_ahead = 240
    with fake_prometheus.serving(fake):
        found = run(fake.url, tmp_path)
    assert found["outcome"] == "breached" and any("its clock is +2" in line for line in found["history_says"])


def test_a_gap_until_now_is_no_growth_of_now(tmp_path):
    one = memory(services.service("leak", 3, leak=0.08, base=0.2))
    one.series = {name: [(labels, points[:-12 * 20]) for labels, points in series] for name, series in one.series.items()}
    with fake_prometheus.serving(one) as fake:
        found = run(fake.url, tmp_path)
    assert found["outcome"] == "healthy" and not [signal for signal in found["signals"] if signal["name"] == "memory_days_to_limit"]


@pytest.mark.parametrize("incident_type", sorted({row.incident_type for row in _table.ROWS}))
def test_every_type_asks_only_for_its_own_pods(incident_type, tmp_path):
    with fake_prometheus.serving(FakePrometheus()) as fake:
        run({"url": fake.url, "labels": {"cluster": 'e"u'}}, tmp_path, incident_type, container="api")
    asked = [query["query"] for _path, query, _headers in fake.asked if "vector(1)" not in query["query"]]
    assert len(asked) >= len(_table.of(incident_type))
    for query in asked:
        selectors = query.count("{")
        assert query.count('namespace="ai-development"') == query.count('cluster="e\\"u"') == query.count('pod=~"api-server-[a-z0-9]{1,10}-[a-z0-9]{5}"')
        assert selectors == 3 * query.count('namespace="ai-development"'), "braces of the selector and of the pods' names"


DAYS, STEP = 7, 300.0
END = 1_764_316_800.0


def at(hours_ago: float, end: float) -> float:
    return end - hours_ago * 3600


def week(value: object, end: float, gap: tuple[float, float] = (0, 0)) -> list[tuple[float, float]]:
    """A value for each point of a week; ``value`` is a function of the hours that are left to now, ``gap`` in the same hours."""
    moments = [end - STEP * number for number in range(int(DAYS * 86400 / STEP), -1, -1)]
    return [(moment, value((end - moment) / 3600)) for moment in moments if not gap[1] <= (end - moment) / 3600 < gap[0]]


def looked(row_name: str, values: list[list[tuple[float, float]]], end: float, direct: dict) -> tuple[dict, _review.Found]:
    row = next(row for row in _table.ROWS if row.name == row_name)
    series = tuple(Series({"pod": f"p{number}"}, tuple(points)) for number, points in enumerate(values))
    thresholds = {signal["name"]: signal["threshold"] for signal in direct["signals"]}
    found = _review._found(row, series, {}, end, _review.Window(DAYS, STEP), _review._threshold(row, thresholds))
    return _review.merged(direct, [found], 72.0)["signals"][0], found


def direct(name: str, value: float | None, threshold: float) -> dict:
    return {"outcome": "unknown", "says": ["not measured"], "signals": [
        {"name": name, "value": value, "threshold": threshold, "breached": False, "text": f"{name} {value}", "pods": []}]}


@pytest.mark.parametrize(("over", "gap", "since", "before"), [
    (lambda ago: ago <= 3, (0, 0), 3, False),  # for three hours
    (lambda ago: True, (0, 0), 24 * DAYS, True),  # for as long as anything is known
    (lambda ago: True, (30, 6), 6, False),  # what was in the gap nobody knows
    (lambda ago: True, (6.4, 6), 24 * DAYS, True),  # a scrape that failed is no gap
    (lambda ago: ago <= 3 or ago > 5, (0, 0), 3, False),  # an earlier breach is another one
    (lambda ago: ago > 1, (0, 0), None, False)])
def test_since_when_a_threshold_is_passed(over, gap, since, before):
    signal, found = looked("pool_in_use", [week(lambda ago: 0.97 if over(ago) else 0.5, END, gap)], END, direct("pool_in_use", 0.97, 0.9))
    assert (found.since, found.before) == (None if since is None else pytest.approx(at(since, END), abs=STEP + 1), before)
    assert ("over the threshold since before" in signal["text"]) == before and ("over the threshold since" in signal["text"]) == (since is not None)


def test_a_threshold_of_this_run_counts_also_where_the_direct_read_counts_what_goes_well():
    points = [week(lambda ago: 0.2, END)]
    lenient, _found = looked("login_failures", points, END, direct("login_success", None, 0.7))
    strict, found = looked("login_failures", points, END, direct("login_success", None, 0.95))
    assert (lenient["value"], lenient["breached"], found.before) == (pytest.approx(0.8), False, True)
    assert strict["breached"] and "log-ins that fail: 20% (history; threshold 5.0%)" in strict["text"]


def test_events_are_told_and_stand_in_for_nothing():
    signal, _found = looked("connection_timeouts", [week(lambda ago: 30.0 if ago < 1 or abs(ago - 24) < 0.5 or abs(ago - 48) < 0.5 else 0, END)], END,
                            direct("connection_timeouts", None, 1))
    assert signal["value"] is None and not signal["breached"], "the direct read counts them in a window of its own"
    assert "over the threshold since" in signal["text"] and "usual at this hour 0 requests to 30 requests in 5 min (7 days)" in signal["text"]


def test_what_the_direct_read_adds_up_is_added_up():
    pods = [week(lambda ago: 4.0, END), week(lambda ago: 3.0, END)]
    assert looked("pool_waiting", pods, END, direct("pool_waiting", None, 0))[0]["value"] == 7
    assert looked("queue_length", pods, END, direct("queue_length", None, 50))[0]["value"] == 4, "of a queue the longest counts"


@pytest.mark.parametrize(("value", "words"), [
    (0.002, "as usual"), (0.011, "as usual"), (0.2, "more than usual"), (0.0, "as usual")])
def test_a_reading_after_a_change_stands_beside_what_is_usual(value, words, tmp_path):
    known = [{"name": "error_share", "usual": {"low": 0.0, "high": 0.01, "days": 6}}, {"name": "queue_length", "usual": None}]
    after = direct("error_share", value, 0.05)
    found = run(None, tmp_path, "api_gateway_overload", after, known=known)
    assert len(found["history_says"]) == 1 and f", {words} at this hour (0% to 1.0%, 6 days; history)" in found["history_says"][0]
    assert found["signals"] == after["signals"], "the threshold decides, not what is usual"


def test_after_a_change_nothing_is_asked_and_what_was_not_measured_is_left_out(tmp_path):
    known = [{"name": "login_failures", "usual": {"low": 0.01, "high": 0.02, "days": 3}}]
    with fake_prometheus.serving(FakePrometheus()) as fake:
        blind = run(fake.url, tmp_path, "auth_degradation", direct("login_success", None, 0.95), known=known)
        seen = run(fake.url, tmp_path, "auth_degradation", direct("login_success", 0.985, 0.95), known=known)
    assert not fake.asked and blind["history_says"] == []
    assert seen["history_says"] == ["log-ins that fail: 1.5%, as usual at this hour (1.0% to 2.0%, 3 days; history)"]


@pytest.mark.parametrize("incident_type", ["data_inconsistency", "a_drafted_runbook"])
def test_a_type_without_metrics_asks_nothing(incident_type, tmp_path):
    with fake_prometheus.serving(FakePrometheus()) as fake:
        found = run(fake.url, tmp_path, incident_type)
    assert not fake.asked and found["signals"] == HEALTHY["signals"] and found["history_says"] == []
