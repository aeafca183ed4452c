# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How likely an incident of a type is in the next day and week, from how often and how lately it came, judged against the plain base rate."""

from __future__ import annotations

import dataclasses
import math
import typing as t

DAY = 86400.0
#: days of history and incidents of a type that are needed
FEWEST_DAYS, FEWEST = 60, 5
#: days after which an incident counts half; the best on the first half of the history is judged on the second
HALF_LIVES = (7.0, 14.0, 30.0, 90.0)
#: days of the base rate that are mixed in, so that a quiet week is no certainty
PRIOR = 14.0
#: skill below this is luck
LUCK = 0.02


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """Probabilities of at least one incident of a type; None where nothing is said, and ``why``.

    :param day: within a day; ``week`` within a week; ``base_day`` and ``base_week`` by the base rate alone.
    :param skill: Brier skill of the recency-weighted rate for a day against the base rate, on origins that it was not chosen on.
    :param origins: how many those are.
    """

    type: str
    incidents: int
    day: float | None
    week: float | None
    base_day: float | None
    base_week: float | None
    skill: float | None
    origins: int
    why: str


def recurrence(type_: str, times: t.Sequence[float], begin: float, now: float) -> Recurrence:
    """Judge one type.

    :param times: when its incidents began, seconds since 1970, in their order.
    :param begin: since when incidents are on record, of any type.
    """
    days = (now - begin) / DAY
    if days < FEWEST_DAYS or len(times) < FEWEST:
        why = f"{len(times)} incidents in {days:.0f} days; {FEWEST} in {FEWEST_DAYS} days are needed"
        return Recurrence(type_, len(times), None, None, None, None, None, 0, why)
    base = len(times) / days
    origins = [now - back * DAY for back in range(int(days - FEWEST_DAYS / 2), 0, -1)]
    chosen_on, judged_on = origins[:len(origins) // 2], origins[len(origins) // 2:]
    half_life = min(HALF_LIVES, key=lambda one: _brier(times, begin, chosen_on, one))
    reference = _brier(times, begin, judged_on, None)
    skill = 1 - _brier(times, begin, judged_on, half_life) / reference if reference > 0 else 0.0
    base_day, base_week = _probability(base, 1), _probability(base, 7)
    if skill <= LUCK:
        return Recurrence(type_, len(times), base_day, base_week, base_day, base_week, skill, len(judged_on),
                          "when it last came tells no more than how often it comes: the base rate")
    rate = _rate(times, begin, now, half_life)
    return Recurrence(type_, len(times), _probability(rate, 1), _probability(rate, 7), base_day, base_week, skill, len(judged_on),
                      f"recent ones count more: half after {half_life:g} days")


def _probability(rate: float, days: float) -> float:
    return 1 - math.exp(-rate * days)


def _brier(times: t.Sequence[float], begin: float, origins: t.Sequence[float], half_life: float | None) -> float:
    """Mean squared error of the probability of a day; with no half-life, of the base rate that was known then."""
    errors = [(_probability(_rate(times, begin, origin, half_life), 1) - any(origin < at <= origin + DAY for at in times)) ** 2 for origin in origins]
    return sum(errors) / len(errors) if errors else 0.0


def _rate(times: t.Sequence[float], begin: float, now: float, half_life: float | None) -> float:
    """Incidents a day, from what was known then."""
    known = [(now - at) / DAY for at in times if at <= now]
    days = (now - begin) / DAY
    base = (len(known) + 0.5) / (days + 1)
    if half_life is None:
        return base
    decay = math.log(2) / half_life
    return (sum(math.exp(-decay * ago) for ago in known) + base * PRIOR) / ((1 - math.exp(-decay * days)) / decay + PRIOR)


@dataclasses.dataclass(frozen=True)
class Precursor:
    """A change of a series, or a pattern of a log, that preceded incidents of a type.

    :param before: incidents with such a change in the day before; ``without`` changes that no incident followed.
    :param lift: how much likelier an incident is on the day after such a change than on any day.
    :param lead: median hours between the change and the incident.
    :param skill: Brier skill against the base rate, on the second half of the history with what the first half taught.
    :param day: probability of an incident within a day, where there was such a change in the last day and no incident since; else None.
    """

    series: str
    type: str
    before: int
    without: int
    lift: float
    lead: float
    skill: float
    day: float | None


#: incidents that a change must have preceded, before it is called a precursor, and its lift; incidents in the half that teaches
FEWEST_BEFORE, LEAST_LIFT, FEWEST_TAUGHT = 3, 2.0, 2


def precursors(changes: t.Mapping[str, t.Sequence[float]], incidents: t.Mapping[str, t.Sequence[float]], begin: float,
               now: float) -> tuple[list[Precursor], list[str]]:
    """What changed before incidents more often than else, the highest lift first; and what only seems to, because it tells no more than the base rate.

    :param changes: of each series when it changed; ``incidents`` of each type when one began; seconds since 1970.
    :param begin: since when both are known.
    """
    found, abstained = [], []
    days = max(1.0, (now - begin) / DAY)
    for series, at_times in changes.items():
        for type_, all_times in incidents.items():
            times = [at for at in all_times if begin <= at <= now]
            leads = [min(before) for at in times if (before := [at - change for change in at_times if 0 < at - change <= DAY])]
            if len(leads) < FEWEST_BEFORE:
                continue
            followed = sum(_soon(change, times) for change in at_times)
            lift = followed / len(at_times) / min(1.0, len(times) / days)
            if lift < LEAST_LIFT:
                continue
            skill = _precursor_skill(at_times, times, begin, now)
            if skill is None or skill <= LUCK:
                abstained.append(f"{series}, before {type_}: " + ("too few incidents to judge it by" if skill is None else
                                                                  f"no better than the base rate in the backtest (skill {skill:.2f})"))
                continue
            active = _warned(now, at_times, times)
            found.append(Precursor(series, type_, len(leads), len(at_times) - followed, lift, sorted(leads)[len(leads) // 2] / 3600, skill,
                                   _smoothed(followed, len(at_times), len(times) / days) if active else None))
    return sorted(found, key=lambda one: -one.lift), abstained


def _soon(at: float, times: t.Sequence[float]) -> bool:
    """Whether one of these times is within a day after it."""
    return any(0 < time - at <= DAY for time in times)


def _warned(at: float, changes: t.Sequence[float], times: t.Sequence[float]) -> bool:
    """Whether there was a change in the day before, which no incident has followed yet."""
    return any(0 <= at - change < DAY and not any(change < time <= at for time in times) for change in changes)


def _smoothed(followed: int, changes: int, usual: float) -> float:
    """The share of changes that an incident followed, as if one more had been followed as often as any day is."""
    return (followed + min(1.0, usual)) / (changes + 1)


def _precursor_skill(changes: t.Sequence[float], times: t.Sequence[float], begin: float, now: float) -> float | None:
    """Once a quarter of a day in the second half: the probability of a day, from whether there was a change in the day before; None where too little taught."""
    middle = (begin + now) / 2
    taught = [at for at in times if at < middle]
    seen = [at for at in changes if at < middle - DAY]
    if len(taught) < FEWEST_TAUGHT or not seen or len(taught) == len(times):
        return None
    base = min(1.0, len(taught) / max(1.0, (middle - begin) / DAY))
    after = _smoothed(sum(_soon(at, taught) for at in seen), len(seen), base)
    ours, reference = 0.0, 0.0
    origin = middle
    while origin <= now - DAY:
        came = float(_soon(origin, times))
        ours += ((after if _warned(origin, changes, times) else base) - came) ** 2
        reference += (base - came) ** 2
        origin += DAY / 4
    return 1 - ours / reference if reference > 0 else 0.0
