# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth over days: every leak that matters, and nothing that only looks like one."""

from __future__ import annotations

import random

import pytest
import services
from services import BEGIN, DAY, HOUR, LIMIT, Service, service

from ansible_collections.sre.runbooks.plugins.module_utils._history import _growth
from ansible_collections.sre.runbooks.plugins.module_utils._history._growth import Growth, judge

THREE_DAYS = 72.0


def at(one: Service, days: float) -> Growth:
    """What somebody who looks then is told."""
    now = BEGIN + days * DAY
    return judge([point for point in one.points if point[0] <= now], [start for start in one.starts if start <= now], LIMIT, now)


def alarms(one: Service, every_hours: float) -> list[float]:
    """When it is said that the limit is reached within three days, in days."""
    moments = [hours / 24 for hours in range(6, 7 * 24, int(every_hours))]
    return [days for days in moments if (found := at(one, days)).hours is not None and found.hours < THREE_DAYS]


def naive(one: Service, every_hours: float) -> list[float]:
    """The same question to predict_linear over six hours."""
    moments = [hours / 24 for hours in range(6, 7 * 24, int(every_hours))]
    return [days for days in moments if (then := services.predict_linear(list(one.points), BEGIN + days * DAY, 6 * HOUR, 3 * DAY)) and then > LIMIT]


def test_forty_services_over_seven_days():
    """Each that reaches its limit within three days is found before it does; none is that does not. predict_linear has dozens."""
    found = {one: alarms(one, 6) for one in services.forty()}
    due = [one for one in found if one.full_at is not None]
    assert len(due) == 6 and all(one.leak for one in due)
    assert all(found[one] and BEGIN + found[one][0] * DAY < one.full_at for one in due), {one.name: found[one] for one in due}
    assert [one.name for one in found if not one.leak and found[one]] == []
    assert sum(bool(naive(one, 12)) for one in found if not one.leak) > 16, "else the history is too easy"


@pytest.mark.parametrize("shape", [
    {"sawtooth": 0.4, "period_hours": 0.5}, {"sawtooth": 0.4, "period_hours": 11}, {"sawtooth": 0.3, "period_hours": 40, "days": 14},
    {"warm_up": 0.5, "warm_hours": 2}, {"warm_up": 0.4, "warm_hours": 12}, {"daily": 0.45}, {"daily": 0.3, "weekend": 0.2}, {"job": 0.55},
    {"job": 0.5, "gaps": ((1.2, 2.4),)}, {"daily": 0.2, "deploys": (1.1, 2.2, 3.3, 4.4, 5.5)}, {"noise": 0.05}])
def test_what_is_no_leak(shape):
    assert alarms(service("steady", 3, **shape), 7) == []


def test_a_leak_is_told_with_its_uncertainty():
    found = at(service("leak", 5, leak=0.1, daily=0.05), 4)
    assert found.verdict == _growth.LEAK and found.why == "at every hour alike"
    assert found.low < 0.1 * LIMIT < found.high and found.low == pytest.approx(0.1 * LIMIT, rel=0.2)
    assert found.soonest < found.hours < found.latest and found.hours == pytest.approx(24 * (1 - 0.4 - 0.4 - 0.05) / 0.1, rel=0.35)


def test_the_more_it_leaks_the_sooner_it_is_full():
    hours = [at(service("leak", 5, base=0.1, leak=leak), 4).hours for leak in (0.02, 0.05, 0.1, 0.2)]
    assert hours == sorted(hours, reverse=True)


def test_growth_that_slows_down_is_warming_up_and_the_same_without_slowing_is_not():
    assert at(service("warm", 5, base=0.3, warm_up=0.3, warm_hours=20), 2.5).verdict == _growth.SLOWING
    assert at(service("leak", 5, base=0.3, leak=0.15), 2.5).verdict == _growth.LEAK


def test_what_was_given_back_without_a_start_may_be_given_back_again():
    teeth = service("teeth", 5, sawtooth=0.5, period_hours=80, base=0.3, noise=0.001, days=12)
    falls = [later[0] for earlier, later in zip(teeth.points, teeth.points[1:], strict=False) if later[1] < 0.7 * earlier[1]]
    second = (falls[1] - HOUR - BEGIN) / DAY
    assert at(teeth, second).verdict == _growth.USUAL
    with_starts = Service("resets", 0.2, teeth.points, (float(BEGIN), *falls), None)
    assert at(with_starts, second).verdict == _growth.LEAK, "the same values, but the process started anew at each fall"


def test_what_gone_pods_gave_back_counts():
    daily = service("daily", 5, daily=0.4, base=0.2)
    now = BEGIN + 7 * DAY
    morning = [point for point in daily.points if point[0] >= now - 20 * HOUR]
    told = judge(morning, [now - 20 * HOUR], LIMIT, now)
    assert told.verdict == _growth.UNKNOWN and "too short" in told.why
    known = judge(morning, [now - 20 * HOUR], LIMIT, now, gone=[[point for point in daily.points if point[0] < now - 21 * HOUR]])
    assert known.verdict in (_growth.USUAL, _growth.STEADY)


@pytest.mark.parametrize(("points", "why"), [
    ([], "no samples"),
    ([(BEGIN + 300.0 * n, 1.0) for n in range(10)], "no sample for"),
    ([(BEGIN + 7 * DAY - 300.0 * n, 1.0) for n in range(9, -1, -1)], "too short"),
    ([(BEGIN + 6.0 * HOUR * n, 1.0) for n in range(29)], "samples of")])
def test_what_cannot_be_told_is_said(points, why):
    told = judge(points, [], LIMIT, BEGIN + 7 * DAY)
    assert told.verdict == _growth.UNKNOWN and why in told.why and told.hours is None


def test_values_that_do_not_move_do_not_grow():
    assert judge([(BEGIN + 300.0 * n, 7.0) for n in range(2017)], [], 100.0, BEGIN + 7 * DAY).verdict == _growth.STEADY


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 55))
def test_when_one_looks_does_not_decide(minutes):
    """Hours and blocks of hours fall otherwise by the minute; a leak is the same leak."""
    one = service("leak", 5, leak=0.4, base=0.4)
    begin, end = one.starts[1], one.starts[2]
    now = begin + 20 * HOUR + minutes * 60.0
    if now < end - HOUR:
        assert at(one, (now - BEGIN) / DAY).verdict == _growth.LEAK


def test_any_gaps_and_starts_are_judged():
    chance = random.Random(16)
    for _number in range(300):
        points = sorted((BEGIN + chance.random() ** chance.choice([0.2, 1, 5]) * 7 * DAY, chance.random()) for _point in range(chance.randint(1, 60)))
        starts = [BEGIN + chance.random() * 7 * DAY for _start in range(chance.randint(0, 5))]
        assert judge(points, starts, 1.0, points[-1][0], [points] * chance.randint(0, 1)).verdict in (
            _growth.LEAK, _growth.STEADY, _growth.SLOWING, _growth.USUAL, _growth.UNKNOWN)
