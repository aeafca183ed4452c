# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import json
import math
import pathlib
import random
import subprocess
import time

import fake_prometheus
import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _first, _forecast, _recurrence
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import prediction
from fake_prometheus import FakePrometheus
from services import BEGIN, DAY, HOUR, LIMIT, service

PROMTOOL = pathlib.Path(__file__).resolve().parents[5] / ".build" / "prometheus" / "usr" / "bin" / "promtool"

#: what leaks: parameters of the service, and days until its limit at the end, about
LEAKS = {"slow": ({"leak": 0.02, "leak_from": 5, "daily": 0.1, "base": 0.3}, 5.0),
         "late": ({"leak": 0.05, "leak_from": 22, "daily": 0.1, "weekend": 0.6, "base": 0.3}, 4.0),
         "deployed": ({"leak": 0.025, "base": 0.3, "deploys": (10.0,), "daily": 0.1}, 4.0),
         "gaps": ({"leak": 0.02, "leak_from": 5, "base": 0.3, "gaps": ((15, 15.7),)}, 10.0)}
STEADY = {"flat": {}, "weekly": {"daily": 0.3, "weekend": 0.4}, "teeth": {"sawtooth": 0.3, "period_hours": 20.0},
          "resets": {"daily": 0.2, "deploys": (3.0, 9.0, 21.0, 28.0)},
          "warms up": {"warm_up": 0.3, "warm_hours": 24.0, "deploys": (26.0,)}, "job": {"job": 0.3}, "gap": {"daily": 0.2, "gaps": ((10, 12.5),)}}


def judged(parameters, seed=5):
    return _forecast.outlook(service("x", seed, days=30, **parameters).points, LIMIT)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_told_with_its_day_and_its_track_record(name):
    parameters, days = LEAKS[name]
    found = judged(parameters)
    assert found.verdict == _forecast.REACHES, found
    assert found.soonest <= found.days <= found.latest
    assert found.days == pytest.approx(days, abs=1.5)
    assert found.skill > 0.3 and found.origins >= 3


@pytest.mark.parametrize("name", STEADY)
def test_what_only_looks_like_one_is_not(name):
    assert judged(STEADY[name]).verdict != _forecast.REACHES


def test_a_deploy_is_found_where_it_was():
    found = judged(LEAKS["deployed"][0])
    assert len(found.changes) == 1
    assert (found.changes[0] - BEGIN) / DAY == pytest.approx(10, abs=0.6)


def line(days, value=lambda at: 0.5, every=HOUR):
    return [(BEGIN + at * every, value(at)) for at in range(int(days * DAY / every))]


@pytest.mark.parametrize(("points", "why"), [
    ([], "0 hours"), ([(BEGIN, 1.0)], "1 hours"), (line(2), "48 hours"), ([(at, math.nan) for at, _value in line(30)], "0 hours"),
    ([*line(30), (BEGIN + 395 * DAY, 0.5)], "1 hours"),
    ([point for number, point in enumerate(line(30)) if number % 3 == 0], "have no samples"),
])
def test_too_little_is_said_to_be_so(points, why):
    found = _forecast.outlook(points, 1.0)
    assert found.verdict == _forecast.ABSTAINS
    assert why in found.why


@pytest.mark.parametrize("value", [0.0, 0.5, 1e-300, -3.0])
def test_a_constant_series_is_steady(value):
    assert _forecast.outlook(line(30, lambda at: value), 1.0).verdict == _forecast.STEADY


def test_without_a_limit_only_the_trend_is_told():
    found = _forecast.outlook(line(30, lambda at: at / 24), None)
    assert (found.verdict, found.days) == (_forecast.STEADY, None)
    assert found.per_day == pytest.approx(1.0, rel=0.01)


def test_a_random_walk_is_mostly_not_told():
    told = 0
    for seed in range(10):
        chance, value, points = random.Random(seed), 0.5, []
        for at in range(720):
            value = min(0.9, max(0.1, value + chance.gauss(0, 0.01)))
            points.append((BEGIN + at * HOUR, value))
        told += _forecast.outlook(points, 1.0, horizon=7).verdict == _forecast.REACHES
    assert told <= 2


def test_a_counter_that_starts_again_grows_no_less():
    points, value = [], 0.0
    for at in range(30 * 24):
        value = 0.0 if at % 100 == 0 else value + 3600.0
        points.append((BEGIN + at * HOUR, value))
    found = _forecast.outlook(points, None, counter=True)
    assert found.level == pytest.approx(1.0, abs=0.05)
    assert abs(found.per_day) < 0.02


def incidents(seed, days, rate):
    chance = random.Random(seed)
    return [at * DAY + chance.uniform(0, DAY) for at in range(days) if chance.random() < rate(at)]


def test_what_comes_in_waves_is_told_better_than_by_the_base_rate():
    times = incidents(3, 300, lambda at: 0.5 if at // 50 % 2 else 0.02)
    found = _recurrence.recurrence("leak", times, 0.0, 300 * DAY)
    assert found.skill > 0.05
    assert found.day > found.base_day and found.week > found.day


def test_what_comes_at_random_is_told_by_the_base_rate():
    told = [_recurrence.recurrence("leak", incidents(seed, 300, lambda at: 0.1), 0.0, 300 * DAY) for seed in range(10)]
    assert all(0.05 < one.base_day < 0.16 for one in told)
    assert sum(one.day == one.base_day for one in told) >= 7


@pytest.mark.parametrize(("times", "days"), [([], 300), ([DAY], 300), ([at * DAY for at in range(20)], 30)])
def test_too_few_incidents_are_said_to_be_so(times, days):
    found = _recurrence.recurrence("leak", times, 0.0, days * DAY)
    assert found.week is None and "are needed" in found.why


def test_what_changed_before_incidents():
    begins = [at * DAY for at in (4, 10, 14, 20, 25, 29)]
    changes = {"before each": sorted([at - 6 * HOUR for at in begins] + [2 * DAY]), "at random": [3.5 * DAY, 7 * DAY, 12 * DAY, 23 * DAY]}
    ((found,), abstained) = _recurrence.precursors(changes, {"leak": begins}, 0.0, 30 * DAY)
    assert (found.series, found.before, found.without, found.lead, found.day) == ("before each", 6, 1, 6.0, None)
    assert found.lift == pytest.approx(6 / 7 / (6 / 30)) and found.skill > 0.1 and not abstained
    ((now,), _none) = _recurrence.precursors(changes, {"leak": begins}, 0.0, 28.9 * DAY)
    assert now.day == pytest.approx(0.65, abs=0.02)


def test_a_precursor_that_stopped_being_one_is_not_told():
    early, late = [2 * DAY, 5 * DAY, 9 * DAY, 12 * DAY], [17 * DAY, 21 * DAY, 26 * DAY, 29 * DAY]
    changes = {"once": [at - HOUR for at in early] + [18.5 * DAY, 23 * DAY]}
    found, abstained = _recurrence.precursors(changes, {"leak": early + late}, 0.0, 30 * DAY)
    assert not found and "no better than the base rate" in abstained[0]
    few = [20 * DAY, 25 * DAY, 28 * DAY]
    assert "too few incidents" in _recurrence.precursors({"x": [at - HOUR for at in few]}, {"leak": few}, 0.0, 30 * DAY)[1][0]


def log(path, before):
    """A month of requests, a warning before each of these times, twice without one, and a line that always comes."""
    told = {int(at // 600) * 600: f"WARN lease of orders-{number} could not be renewed, 3 tries left" for number, at in enumerate(before)}
    lines = []
    for at in range(BEGIN, BEGIN + 30 * DAY, 600):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        lines += [f"{stamp} INFO request {at} took {at % 97} ms"] + ([f"{stamp} {told[at]}"] if at in told else [])
    path.write_text("\n".join(lines) + "\n")


def test_a_pattern_of_a_log_that_preceded_incidents_is_told_with_its_lift_and_lead(tmp_path):
    begins = [BEGIN + at * DAY for at in (4, 10, 14, 20, 25, 29)]
    log(tmp_path / "app.log", [at - 20 * HOUR for at in begins] + [BEGIN + 2 * DAY, BEGIN + 17 * DAY])
    (tmp_path / "past").mkdir()
    (tmp_path / "past" / "a.csv").write_text("id,title,created,type\n" + "".join(
        f"{at},orders stuck,{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))},stuck_orders\n" for at in begins))
    found = run(tmp_path, series=[], logs=[str(tmp_path / "app.log")], incidents=str(tmp_path / "past"), now="2026-12-29T12:00:00Z")
    (row,) = found["precursors"]
    assert "lease of" in row["series"] and (row["type"], row["before"], row["without"]) == ("stuck_orders", 6, 2)
    assert row["lead"] == pytest.approx(20.0, abs=0.2) and row["skill"] > 0.3 and row["lift"] > 3
    assert "lease of" in (tmp_path / "out" / "prediction.md").read_text()


@pytest.mark.parametrize(("content", "why"), [("", "is empty"), ("no time at all\nand none here\n", "0 lines with a time")])
def test_a_log_without_times_is_said_to_be_one(tmp_path, content, why):
    (tmp_path / "app.log").write_text(content)
    found = run(tmp_path, series=[], logs=[str(tmp_path / "app.log")])
    assert found["failed"] and why in found["msg"]


def answer(names):
    rows = []
    for name in names:
        points = service(name, 5, days=30, **(LEAKS["slow"][0] if "leak" in name else STEADY["weekly"])).points
        rows.append({"metric": {"__name__": "memory", "pod": name}, "values": [[at, str(value)] for at, value in points[::12]]})
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": rows}})


def run(tmp_path, check_mode=False, **params):
    defaults = {name: option.get("default") for name, option in prediction.ARGUMENT_SPEC.items()}
    given = [{"name": "memory", "query": None, "limit": LIMIT, "counter": False, "file": str(tmp_path / "memory.json")}]
    return attempt(prediction.ARGUMENT_SPEC, prediction.run, Task({**defaults, "series": given, "dest": str(tmp_path / "out"), **params}, check_mode), 3)


def test_the_module_reads_an_export_and_past_incidents(tmp_path):
    (tmp_path / "memory.json").write_bytes(gzip.compress(answer(["leaks", "busy"]).encode()))
    rows = "".join(f"{number},api leaks,{1 + number % 28:02d}.{1 + number % 9:02d}.2026 09:00,memory_leak,Fix the cache\n" for number in range(30))
    (tmp_path / "past").mkdir()
    (tmp_path / "past" / "a.csv").write_text("id,title,created,type,action items\n" + rows)
    found = run(tmp_path, incidents=str(tmp_path / "past"), now="2026-11-01T00:00:00Z")
    assert {row["labels"]: row["verdict"] for row in found["series"]} == {"pod=leaks": "reaches", "pod=busy": "steady"}
    assert found["incidents"][0]["week"] > 0 and found["incidents"][0]["measures"] == [{"action": "Fix the cache", "incidents": 30}]
    assert "memory pod=leaks reaches" in found["says"][0]
    page = (tmp_path / "out" / "prediction.html").read_text()
    assert "polyline" in page and "<script" not in page
    assert "Fix the cache" in (tmp_path / "out" / "prediction.md").read_text()
    assert not run(tmp_path, incidents=str(tmp_path / "past"), now="2026-11-01T00:00:00Z")["changed"]


def test_the_report_says_what_moved_first_in_an_incident(tmp_path):
    from ansible_collections.sre.runbooks.plugins.module_utils._learning import _incidents
    from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _report
    past = [_incidents.Past(str(number), "x", BEGIN + at * HOUR, "", "slow") for number, at in enumerate((1, 3))]
    found = _report.moved_first({"page x": usual(1, 120), "database y": usual(2, 0)}, past)
    assert [(one["incident"], [row["name"] for row in one["series"]]) for one in found] == [("1", ["database y", "page x"])]
    whole = {"days": 1, "until": "", "series": [], "incidents": [], "precursors": [], "no_precursors": [], "problems": [], "moved_first": found}
    assert "- 1 (slow): database y at 2026-11-29T03:00Z (12 deviations), then page x at" in _report.markdown(whole)


def test_rules_are_those_of_the_expressions_that_were_asked(tmp_path):
    from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _report
    row = {"name": "memory in use", "query": "max(memory)", "limit": 1.0, "verdict": "reaches"}
    ((rule,),) = [group["rules"] for group in yaml.safe_load(_report.rules({"series": [row, row, {**row, "query": None}]}))["groups"]]
    assert rule["expr"] == "predict_linear(max_over_time((max(memory))[1d:1h])[7d:1h], 259200) > 1"
    assert rule["alert"] == "PredictedMemoryInUse"


def test_rules_are_tested_with_the_series_that_they_were_made_from():
    from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _report
    row = {"name": "volume in use", "query": "max by (x) (v)", "limit": 1.0, "labels": 'claim=a, note=b "c", d', "days": 1.0, "verdict": "reaches",
           "values": [0.5, None, 0.75]}
    rows = [row, {**row, "labels": "claim=e", "days": 3.1}, {**row, "labels": "claim=f", "verdict": "steady"}, {**row, "verdict": "abstains"}]
    files = {name: yaml.safe_load(text) for name, text in _report.rule_tests({"series": rows}).items()}
    assert files["rules_series.yml"]["groups"][0]["rules"][0]["expr"] == "predict_linear(max_over_time(predicted_volume_in_use[1d:1h])[7d:1h], 259200) > 1"
    fires, steady = files["rules_test.yml"]["tests"]
    assert fires["input_series"] == [{"series": r'predicted_volume_in_use{claim="a", note="b \"c\", d"}', "values": "0.5 _ 0.75"}]
    assert fires["alert_rule_test"][0]["exp_alerts"][0]["exp_labels"] == {"claim": "a", "note": 'b "c", d', "severity": "ticket"}
    assert fires["alert_rule_test"][0]["eval_time"] == "2h"
    assert steady["alert_rule_test"][0]["exp_alerts"] == [] and "claim=f" in steady["name"]


@pytest.mark.skipif(not PROMTOOL.is_file(), reason="make history unpacks promtool")
def test_promtool_says_that_a_rule_fires_for_a_leak_and_not_for_what_is_steady(tmp_path):
    from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _report
    wanted = {"counter": False, "limit": 0.93 * LIMIT, "query": "max by (pod) (memory)"}
    given = [("leak", LEAKS["slow"][0]), *((name.replace(" ", "_"), parameters) for name, parameters in STEADY.items())]
    rows = [_report.series("memory", f"pod={name}", wanted, service(name, 5, days=30, **parameters).points[::12], 30.0) for name, parameters in given]
    for name, text in _report.rule_tests({"series": rows}).items():
        (tmp_path / name).write_text(text)
    tests = yaml.safe_load((tmp_path / "rules_test.yml").read_text())["tests"]
    assert [bool(one["alert_rule_test"][0]["exp_alerts"]) for one in tests] == [True, False, False, False, False, False]
    ran = subprocess.run([PROMTOOL, "test", "rules", "rules_test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("content", "why"), [
    ("", "no answer of query_range"), ("{}", "no answer of query_range"), ("[" * 90_000, "no answer"),
    ('{"status": "error", "error": "too many points"}', "too many points")])
def test_an_export_that_is_none_is_refused(tmp_path, content, why):
    (tmp_path / "memory.json").write_text(content)
    found = run(tmp_path)
    assert found["failed"] and why in found["msg"]


def test_a_prometheus_that_cannot_be_had_costs_its_series_only(tmp_path):
    given = [{"name": "memory", "query": "x", "file": None, "limit": 1.0, "counter": False}]
    found = run(tmp_path, series=given, prometheus={"url": "http://127.0.0.1:1", "timeout": 2})
    assert not found.get("failed") and "cannot be reached" in found["problems"][0]
    assert "none is named" in run(tmp_path, series=given)["msg"]


def asked(tmp_path, fake):
    with fake_prometheus.serving(fake):
        given = [{"name": "memory", "query": "memory", "file": None, "limit": LIMIT, "counter": False}]
        return run(tmp_path, series=given, prometheus={"url": fake.url, "timeout": 5})


def test_a_prometheus_is_asked_in_parts_that_leave_nothing_out(tmp_path):
    points = service("leaks", 5, days=30, **LEAKS["slow"][0]).points[::3]
    moved = time.time() // 900 * 900 - points[-1][0]
    fake = FakePrometheus(series={"memory": [({"pod": "leaks"}, [(at + moved, value) for at, value in points])]})
    (row,) = asked(tmp_path, fake)["series"]
    assert row["verdict"] == "reaches" and row["missing"] == 0
    parts = [(float(query["start"]), float(query["end"])) for path, query, _headers in fake.asked if path.endswith("query_range")]
    assert len(parts) == 6 and all(end - begin <= 5 * DAY for begin, end in parts)
    assert "predict_linear(max_over_time((memory)[1d:1h])[7d:1h]" in (tmp_path / "out" / "rules.yml").read_text()


@pytest.mark.parametrize(("status", "error"), [(422, "query processing would load too many samples"), (503, "the server is starting")])
def test_a_prometheus_that_refuses_is_quoted(tmp_path, status, error):
    found = asked(tmp_path, FakePrometheus(answer=(status, json.dumps({"status": "error", "error": error}).encode())))
    assert not found.get("failed")
    assert f"answered {status}: {error}" in found["problems"][0]


def test_an_expression_without_series_is_said(tmp_path):
    assert asked(tmp_path, FakePrometheus())["problems"] == ["memory: no series"]


# Which series moved first


def usual(seed, moves_at=None, by=1.0, every=15):
    """Four hours of noise around one, and a step of ten deviations at a time (seconds after the third hour)."""
    chance = random.Random(seed)
    return [(BEGIN + at, 1 + chance.gauss(0, 0.1) + (by if moves_at is not None and at >= 3 * HOUR + moves_at else 0.0)) for at in range(0, 4 * HOUR, every)]


@pytest.mark.parametrize("late", [-60, 0, 60, 300])
def test_what_moved_first_is_first_although_others_went_further(late):
    shop = {"page": usual(1, 240, by=40.0), "service": usual(2, 120, by=8.0), "database": usual(3, 0), "cache": usual(4), "quiet": [], "new": usual(5, 0)[-9:]}
    found = _first.moved_first(shop, BEGIN + 3 * HOUR + late)
    assert [move.series for move in found] == ["database", "service", "page"]
    assert abs(found[0].at - BEGIN - 3 * HOUR) <= 15


def test_of_two_that_moved_within_two_samples_the_one_that_went_further_is_first():
    shop = {"page": usual(1, 0, every=300), "database": usual(3, 300, by=5.0, every=300)}
    assert [move.series for move in _first.moved_first(shop, BEGIN + 3 * HOUR)] == ["database", "page"]


def test_a_single_spike_is_no_move():
    spike = [(at, 9.0 if at == BEGIN + 3 * HOUR else value) for at, value in usual(1)]
    assert _first.moved_first({"spike": spike, "nan": [(at, math.nan) for at, _value in spike]}, BEGIN + 3 * HOUR) == []


# Re-authored series of the kinds of NAB: what happened, and when


def monitored(kind, seed=3):
    """Two weeks with a sample in five minutes."""
    chance, found = random.Random(seed), []
    for number in range(14 * 288):
        at = number / 288
        load = 0.5 - 0.3 * math.cos(2 * math.pi * at)
        value = {"cpu that steps up": 2.0 + 1.5 * (at >= 9) + chance.gauss(0, 0.1),
                 "a machine that cools down and fails": 80 - 25 * max(0.0, at - 11) + chance.gauss(0, 1.5),
                 "traffic whose days become flat": 0.5 + chance.gauss(0, 0.03) if at >= 10 else load + chance.gauss(0, 0.03),
                 "a level that comes back": 10 + 4 * (6 <= at < 8) + chance.gauss(0, 0.5),
                 "traffic by the day": load + chance.gauss(0, 0.03), "noise": 5 + chance.gauss(0, 1), "flat": 4.0}[kind]
        found.append((BEGIN + number * 300.0, value))
    return found


@pytest.mark.parametrize(("kind", "days"), [
    ("cpu that steps up", [9]), ("a machine that cools down and fails", [11]), ("a level that comes back", [6, 8]),
    ("traffic by the day", []), ("noise", []), ("flat", [])])
def test_changes_are_found_where_they_were_and_nowhere_else(kind, days):
    found = [(at - BEGIN) / DAY for at in _forecast.outlook(monitored(kind), None).changes]
    assert found == [pytest.approx(day, abs=0.6) for day in days]


def test_a_small_step_asks_for_parts_that_an_answer_can_hold():
    from ansible_collections.sre.runbooks.plugins.module_utils._history import _prometheus
    from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _series

    class Fake:
        asked = []

        def now(self):
            return float(BEGIN + 3 * DAY)

        def count(self, _query):
            return 100

        def range(self, query, begin, end, step):
            self.asked.append((begin, end))
            return [_prometheus.Series({"pod": "a"}, tuple((begin + at * step, 1.0) for at in range(int((end - begin) / step) + 1)))]

    points = _series.ask(Fake(), "memory", 3, 15)["pod=a"]
    assert len(points) == 3 * DAY / 15 and set(map(float, points[1:, 0] - points[:-1, 0])) == {15.0}
    assert all((end - begin) / 15 < _prometheus.MOST_POINTS and 100 * (end - begin) / 15 <= _series.MOST_AT_ONCE for begin, end in Fake.asked)
