# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a series of days grows for good: not with the time of day, not until it is warm, not between two collections.

What counts is the lowest value of each hour, since the process started. Two ways, by how long it runs:

- Two days and more: every hour is compared with the same hour a day before. A daily load, a nightly job and what a collector gives
  back leave that difference at zero for most hours; a leak lifts all of them alike.
- Less: the lows must rise nearly without a fall for as long as a daily load rises at most, and beyond what was given back before.

Either way, growth that slows down so that it would end below the limit is a warm-up.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core import _trend

#: seconds since 1970, value
Point = t.Tuple[float, float]

HOUR, DAY = 3600.0, 86400.0
#: seconds after a start that say nothing yet
WARM_UP = 2 * HOUR
#: seconds that a life must last: with what other lives gave back in a day known, without, and to compare days
SHORT, BLIND, DAYS = 16 * HOUR, 24 * HOUR, 44 * HOUR
#: of two short lives' hours, and of the hours of a day, how many must be there
COVERAGE = 0.5
#: blocks of two hours, so that beginning, middle and end are different ones
FEWEST_BLOCKS = 7
#: share of the growth that may be given back in between, and by how much growth must exceed what was given back before
GIVEN_BACK, BEYOND = 0.2, 1.25
#: in a short life nobody can tell a straight line from one that bends as little as this in half of it
BENDS = 0.8
#: growth of a life below this share of the limit is noise
NOISE = 0.02
#: samples older than this many seconds are not of now
STALE = 15 * 60.0

#: what a judgement may be
LEAK, STEADY, SLOWING, USUAL, UNKNOWN = "leak", "steady", "slowing", "usual", "unknown"


@dataclasses.dataclass(frozen=True)
class Growth:
    """What a series of days says.

    :param verdict: LEAK; STEADY (does not grow); SLOWING (ends below the limit); USUAL (was given back before); UNKNOWN.
    :param why: in a few words.
    :param per_day: growth in a day, ``low`` and ``high`` its bounds (of nine tenths of the hours, or with 95 % confidence).
    :param hours: until the limit at that rate, ``soonest`` and ``latest`` its bounds; None where it is no LEAK.
    """

    verdict: str
    why: str
    per_day: float = 0.0
    low: float = 0.0
    high: float = 0.0
    hours: float | None = None
    soonest: float | None = None
    latest: float | None = None


def judge(points: t.Sequence[Point], starts: t.Sequence[float], limit: float, now: float, gone: t.Sequence[t.Sequence[Point]] = ()) -> Growth:
    """Judge one pod's series.

    :param points: in the order of time.
    :param starts: when its process started, as far as is known; a fall without a start gave memory back.
    :param limit: what it must not reach, in the unit of the values.
    :param gone: lives of pods of the same workload that are no more: what they gave back, this one may give back too.
    """
    if not points:
        return Growth(UNKNOWN, "no samples")
    lives = [lows(life) for life in (*gone, *cut(points, starts))]
    if now - points[-1][0] > STALE:
        return Growth(UNKNOWN, f"no sample for {(now - points[-1][0]) / 60:.0f} min")
    *earlier, life = lives
    life = [point for point in life if point[0] - life[0][0] >= WARM_UP]
    lasted = life[-1][0] - life[0][0] + HOUR if life else 0.0
    if lasted < SHORT or lasted < BLIND and not any(_lasted(other) >= DAY for other in earlier):
        return Growth(UNKNOWN, f"it runs for {lasted / HOUR:.0f} h only, too short to tell a leak from a daily load")
    if len(life) < COVERAGE * lasted / HOUR:
        return Growth(UNKNOWN, f"samples of {len(life)} of {lasted / HOUR:.0f} h only")
    found = _by_days(earlier, life) if lasted >= DAYS else _by_hours(earlier, life)
    return _until(found, limit, _highest(points))


def cut(points: t.Sequence[Point], starts: t.Sequence[float]) -> list[list[Point]]:
    """The points of each life of the process."""
    bounds = sorted(starts)
    lives: dict[int, list[Point]] = {}
    for point in points:
        lives.setdefault(bisect.bisect_right(bounds, point[0]), []).append(point)
    return [lives[number] for number in sorted(lives)]


def lows(points: t.Sequence[Point]) -> list[Point]:
    """The lowest value of each hour, at the hour's beginning."""
    found: dict[float, float] = {}
    for at, value in points:
        hour = at - at % HOUR
        found[hour] = min(value, found.get(hour, math.inf))
    return sorted(found.items())


@dataclasses.dataclass(frozen=True)
class _Found:
    """Growth before the limit is looked at.

    :param slows: how much of its growth of a period is left in the next one.
    :param next_period: growth in the period that comes, if it did not slow down.
    """

    why: str
    per_day: float
    low: float
    high: float
    grown: float
    given_back: float
    slows: float
    next_period: float


def _by_days(earlier: t.Sequence[t.Sequence[Point]], life: t.Sequence[Point]) -> _Found | Growth:
    """Each hour against the same hour a day before."""
    value = dict(life)
    risen = [(at, value[at] - value[at - DAY]) for at, _value in life if at - DAY in value]
    end = life[-1][0]
    last = [difference for at, difference in risen if at > end - DAY]
    before = [difference for at, difference in risen if end - 2 * DAY < at <= end - DAY]
    if len(last) < COVERAGE * 20:
        return Growth(UNKNOWN, f"only {len(last)} h can be compared with the same hour of the day before")
    low, middle, high = _spread(last)
    if len(before) >= COVERAGE * 20:
        slows = _ratio(middle, statistics.median(before))
        low, high = min(low, _spread(before)[0]), max(high, _spread(before)[2])
    else:
        half = len(last) // 2
        slows = _ratio(statistics.median(last[half:]), statistics.median(last[:half])) ** 2
    floors = [_daily(other) for other in (*earlier, life)]
    return _Found("at every hour alike", middle, low, high, floors[-1][-1] - min(floors[-1]), max(map(_fall, floors)), slows, middle)


def _by_hours(earlier: t.Sequence[t.Sequence[Point]], life: t.Sequence[Point]) -> _Found | Growth:
    """A rise nearly without a fall, in blocks of two hours."""
    blocks = [(at, min(value for _at, value in life[index:index + 2])) for index, (at, _value) in enumerate(life) if index % 2 == 0]
    values = [value for _at, value in blocks]
    trend = _trend.fit([(at / DAY, value) for at, value in blocks])
    if trend is None or len(blocks) < FEWEST_BLOCKS:
        return Growth(UNKNOWN, f"only {len(life)} h have samples, too few to see a rise in")
    first, middle, last = (_middle(blocks[at:at + 3]) for at in (0, len(blocks) // 2 - 1, len(blocks) - 3))
    grown = last[1] - first[1]
    fall = _fall(values)
    given_back = max([_fall([value for _at, value in other]) for other in earlier], default=0.0)
    if grown > 0 and fall > GIVEN_BACK * grown:
        given_back = max(given_back, fall, grown)
    return _Found("day and night", trend.slope, trend.low, trend.high, grown, given_back,
                  BENDS * _ratio(_slope(middle, last), _slope(first, middle)), last[1] - middle[1])


def _middle(points: t.Sequence[Point]) -> Point:
    return statistics.median(at for at, _value in points), statistics.median(value for _at, value in points)


def _slope(begin: Point, end: Point) -> float:
    return (end[1] - begin[1]) / (end[0] - begin[0])


def _until(found: _Found | Growth, limit: float, highest: float) -> Growth:
    if isinstance(found, Growth):
        return found
    if found.low <= 0 or found.grown < NOISE * limit:
        return Growth(STEADY, "it does not grow", found.per_day, found.low, found.high)
    if found.grown < BEYOND * found.given_back:
        return Growth(USUAL, "as much was given back before", found.per_day, found.low, found.high)
    if found.slows < 1 and highest + found.next_period * found.slows / (1 - found.slows) < limit:
        return Growth(SLOWING, "it slows down, and would end below the limit", found.per_day, found.low, found.high)
    room = max(0.0, limit - highest)
    hours, soonest, latest = (24 * room / rate for rate in (found.per_day, found.high, found.low))
    return Growth(LEAK, found.why, found.per_day, found.low, found.high, hours, soonest, latest)


def _highest(points: t.Sequence[Point]) -> float:
    """The highest value of the last day: what reaches the limit first."""
    return max(value for at, value in points if at > points[-1][0] - DAY)


def _lasted(life: t.Sequence[Point]) -> float:
    return life[-1][0] - life[0][0] + HOUR


def _daily(life: t.Sequence[Point]) -> list[float]:
    """The lowest value of each day, counted back from the end."""
    found: dict[int, float] = {}
    for at, value in life:
        day = -int((life[-1][0] - at) // DAY)
        found[day] = min(value, found.get(day, math.inf))
    return [found[day] for day in sorted(found)]


def _fall(values: t.Sequence[float]) -> float:
    """The deepest fall from any value to a later one."""
    deepest, top = 0.0, -math.inf
    for value in values:
        top = max(top, value)
        deepest = max(deepest, top - value)
    return deepest


def _spread(values: t.Sequence[float]) -> tuple[float, float, float]:
    """The first and last tenth, and the middle."""
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return tenths[0], statistics.median(values), tenths[-1]


def _ratio(later: float, earlier: float) -> float:
    return max(0.0, later) / earlier if earlier > 0 else math.inf
