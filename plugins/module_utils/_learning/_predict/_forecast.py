# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a series goes: its season, its last change, its trend since, and when that reaches a limit. Where that cannot be told, it says so.

The season is the median, over weeks, of what an hour of the week differs from the week around it: one deploy does not bend it. Change
points are PELT's with a straight line in each piece (ruptures). The trend is least squares, with an error that allows for blocks that are
like their neighbours. A forecast is given only where, from earlier points in time, it was nearer to what came than the better of
two naive ones: as a day before, and as a week before.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require

np: t.Any = None
try:
    import numpy as np
except Exception:  # told by require_libraries
    pass

Point = t.Tuple[float, float]
HOUR, DAY = 3600.0, 86400.0

REACHES, STEADY, ABSTAINS = "reaches", "steady", "abstains"

#: hours of samples that a forecast needs, hours that may be missing in a row, and share of the hours that must be there
FEWEST, LONGEST_GAP, COVERAGE = 72, 24, 0.7
#: weeks that tell the season of a week: of two of them the median is their mean, and what happened in one would be seen in the other, upside down
FEWEST_WEEKS = 3
#: hours of a block, in which change points and the trend are looked for; blocks of a piece
BLOCK, SHORTEST_PIECE = 4, 9
#: how much better two pieces must be than one: standard deviations squared, times the logarithm of the number of blocks
PENALTY = 12.0
#: the least that counts as a standard deviation, of the spread of the values
FINEST = 0.02
#: growth since the last change, of the limit, that is no noise; standard deviations by which the trend must differ from none
NOISE, SURE = 0.02, 3.0
#: a trend whose second half rises by less than this share of the first is about to end
SLOWS = 0.4
#: hours between two origins of the backtest, origins, hours ahead
EVERY, ORIGINS, AHEAD = 12, 10, 24


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What a series says of the days to come.

    :param verdict: REACHES its limit within the horizon; STEADY: it does not; ABSTAINS: nothing is said, and ``why``.
    :param level: where it is now, without its season; ``peak`` with the highest of the season.
    :param per_day: growth since the last change; ``low`` and ``high`` bound it with 95 % confidence.
    :param days: until the peak is at the limit, ``soonest`` and ``latest`` its bounds (``latest`` may be infinite).
    :param season: share of the variance that season explains.
    :param changes: times of level changes and restarts, seconds since 1970.
    :param missing: hours without samples.
    :param skill: of the backtest: 1 is perfect, 0 as good as the better naive forecast; None where none was needed.
    :param origins: how many forecasts that is from.
    """

    verdict: str
    why: str
    level: float = math.nan
    peak: float = math.nan
    per_day: float = 0.0
    low: float = 0.0
    high: float = 0.0
    days: float | None = None
    soonest: float | None = None
    latest: float | None = None
    season: float = 0.0
    changes: tuple[float, ...] = ()
    missing: int = 0
    skill: float | None = None
    origins: int = 0


def require_libraries() -> None:
    """Refuse with the install command where a library is missing; ruptures is in no list, because it brings scipy."""
    require("numpy")
    if importlib.util.find_spec("ruptures") is None:
        raise InvalidInput("The Python package ruptures, which finds the changes in series, is missing on the host that runs this task.",
                           "Install it where predictions are made: pip install 'ruptures>=1.1.9,<2'")


def outlook(points: t.Sequence[Point], limit: float | None, horizon: float = 30.0, counter: bool = False) -> Outlook:
    """Judge one series.

    :param points: seconds since 1970 and values in the order of time; NaN and infinities count as missing.
    :param limit: what it must not reach; without one the trend alone is told.
    :param horizon: days ahead that are looked at.
    :param counter: values only grow, and a fall is a restart: the growth per second is judged.
    """
    begin, values = hourly(points, counter)
    return judge(begin, values, limit, horizon)


def hourly(points: t.Sequence[Point], counter: bool = False) -> tuple[float, t.Any]:
    """The median of each hour, NaN where there is none, and when the first hour begins. More than the last 60 days are not looked at."""
    data = np.asarray(points, dtype=float).reshape(-1, 2)
    data = data[np.isfinite(data).all(axis=1)]
    if not len(data):
        return 0.0, np.empty(0)
    data = data[data[:, 0] > data[-1, 0] - 60 * DAY]
    if counter:
        data = _rates(data)
    if not len(data):
        return 0.0, np.empty(0)
    hours = (data[:, 0] // HOUR).astype(int)
    found = np.full(hours[-1] - hours[0] + 1, math.nan)
    places, starts = np.unique(hours, return_index=True)
    for place, values in zip(places, np.split(data[:, 1], starts[1:]), strict=True):
        found[place - hours[0]] = np.median(values)
    return float(hours[0]) * HOUR, found


def _rates(data: t.Any) -> t.Any:
    """Growth per second; after a fall it began at zero."""
    grown, spent = np.diff(data[:, 1]), np.diff(data[:, 0])
    grown = np.where(grown < 0, data[1:, 1], grown)
    kept = spent > 0
    return np.column_stack([data[1:, 0][kept], grown[kept] / spent[kept]])


@dataclasses.dataclass(frozen=True)
class _Fit:
    """A series taken apart: values without their season, where the last piece begins, and the line through it."""

    season: t.Any
    share: float
    pieces: list[int]
    begin: int
    level: float
    slope: float
    error: float
    slows: bool
    rest: float


def judge(begin: float, values: t.Any, limit: float | None, horizon: float) -> Outlook:
    """Judge hourly values, of which the first begins at ``begin``."""
    first = _last_stretch(values)
    used = values[first:]
    seen = int(np.isfinite(used).sum())
    missing = len(values) - int(np.isfinite(values).sum())
    if seen < FEWEST:
        return Outlook(ABSTAINS, f"{seen} hours of samples without a gap of a day; {FEWEST} are needed", missing=missing)
    if seen < COVERAGE * len(used):
        return Outlook(ABSTAINS, f"{len(used) - seen} of {len(used)} hours have no samples", missing=missing)
    found = _told(_filled(used), limit, horizon)
    changes = tuple(float(begin + (first + at) * HOUR) for at in found.changes)
    return dataclasses.replace(found, changes=changes, missing=missing)


def _told(values: t.Any, limit: float | None, horizon: float) -> Outlook:
    fit = _fit(values)
    day = 24 * fit.slope
    spread = 1.96 * 24 * fit.error
    peak = fit.level + _above(values, fit)
    whole = Outlook(STEADY, "it does not grow", fit.level, peak, day, day - spread, day + spread, season=fit.share, changes=tuple(map(float, fit.pieces)))
    lasted = len(values) - fit.begin
    if limit is None:
        return dataclasses.replace(whole, why="no limit is known, so only its trend is told")
    if peak >= limit and fit.level >= limit:
        return dataclasses.replace(whole, verdict=REACHES, why="it is there", days=0.0, soonest=0.0, latest=0.0)
    if fit.slope < SURE * fit.error or fit.slope <= 0:
        return whole
    if fit.slope * lasted < NOISE * abs(limit) or fit.slope * lasted < 3 * fit.rest:
        return dataclasses.replace(whole, why="its growth since the last change is within its noise")
    if fit.slows:
        return dataclasses.replace(whole, why="its growth slows down")
    room = max(0.0, limit - peak)
    days = room / day
    if days > horizon:
        return dataclasses.replace(whole, why=f"at its growth it is not there within {horizon:g} days")
    skill, origins = _backtest(values)
    if skill is None:
        return dataclasses.replace(whole, verdict=ABSTAINS, why="too short since it began to grow for a backtest", origins=origins)
    if skill <= 0:
        return dataclasses.replace(whole, verdict=ABSTAINS, skill=skill, origins=origins,
                                   why=f"the backtest is no better than a naive forecast (skill {skill:.2f})")
    return dataclasses.replace(whole, verdict=REACHES, why=f"it grows since {lasted} hours", days=days, soonest=max(0.0, room - 2 * fit.rest) / (day + spread),
                               latest=(room + 2 * fit.rest) / (day - spread) if day > spread else math.inf, skill=skill, origins=origins)


def _fit(values: t.Any) -> _Fit:
    season, share = _season(values)
    blocks = _blocks(values - season)
    pieces = _pieces(blocks)
    piece = blocks[pieces[-1] if pieces else 0:]
    at = np.arange(len(piece), dtype=float)
    slope, start = np.polyfit(at, piece, 1)
    rest = piece - start - slope * at
    spread = float(np.std(rest, ddof=2)) if len(piece) > 2 else 0.0
    # What is left over is like its neighbours, so there are fewer independent values than blocks.
    alike = float(np.clip(np.corrcoef(rest[1:], rest[:-1])[0, 1], 0.0, 0.95)) if spread > 0 else 0.0
    error = spread / float(np.sqrt(np.sum((at - at.mean()) ** 2))) * math.sqrt((1 + alike) / (1 - alike))
    half = len(piece) // 2
    first, second = (float(np.polyfit(at[part], piece[part], 1)[0]) for part in (slice(None, half), slice(half, None)))
    return _Fit(season, share, [at * BLOCK + len(values) % BLOCK for at in pieces], len(values) - len(piece) * BLOCK, float(start + slope * (len(piece) - 0.5)),
                float(slope) / BLOCK, error / BLOCK, first > 0 and second < SLOWS * first, spread)


def _pieces(blocks: t.Any) -> list[int]:
    """Where a new piece begins: another level, another slope."""
    import ruptures
    low, high = np.quantile(blocks, [0.02, 0.98])
    steps = np.diff(blocks)
    noise = max(1.4826 * float(np.median(np.abs(steps - np.median(steps)))), FINEST * float(high - low))
    if noise <= 0 or len(blocks) < 2 * SHORTEST_PIECE:
        return []
    count = len(blocks)
    return list(ruptures.Pelt(custom_cost=_line_cost()(), min_size=SHORTEST_PIECE, jump=3).fit(blocks / noise).predict(pen=PENALTY * math.log(count))[:-1])


@functools.lru_cache(maxsize=None)
def _line_cost() -> t.Any:
    """What a straight line through a piece leaves over, from running sums: ruptures' own fits each piece anew, which takes 20 times as long."""
    from ruptures.base import BaseCost

    class Line(BaseCost):
        model, min_size = "line", 2

        def fit(self, signal: t.Any) -> t.Any:
            at, value = np.arange(len(signal), dtype=float), signal.ravel() - np.mean(signal)
            self.signal = signal
            self.sums = np.vstack([np.zeros(5), np.cumsum(np.column_stack([at, value, at * at, at * value, value * value]), axis=0)]).tolist()
            return self

        def error(self, start: int, end: int) -> float:
            at, value, at_at, at_value, value_value = (last - first for first, last in zip(self.sums[start], self.sums[end], strict=True))
            count = end - start
            spread = at_at - at * at / count
            return max(0.0, value_value - value * value / count - (at_value - at * value / count) ** 2 / spread)

    return Line


def _above(values: t.Any, fit: _Fit) -> float:
    """How far above its trend the series goes since the last change."""
    since = values[fit.begin:]
    return float(np.quantile(since - fit.level - fit.slope * (np.arange(len(since)) - len(since)), 0.98))


def _season(values: t.Any) -> tuple[t.Any, float]:
    """The season of a week where there are enough of them, else of a day; what it explains of the variance around the trend."""
    period = 168 if len(values) >= FEWEST_WEEKS * 168 else 24
    around = values - _rolling(values, period)
    profile = np.array([np.median(around[at::period]) for at in range(period)])
    profile -= np.mean(profile)
    season = np.resize(profile, len(values))
    left = float(np.var(around))
    share = max(0.0, 1 - float(np.var(around - season)) / left) if left > 0 else 0.0
    return season, share


def _rolling(values: t.Any, width: int) -> t.Any:
    """The median of a window around each value, at the ends of the nearest whole window."""
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    inner = np.median(windows, axis=1)
    before = width // 2
    return np.pad(inner, (before, len(values) - len(inner) - before), mode="edge")


def _backtest(values: t.Any) -> tuple[float | None, int]:
    """Forecasts of the mean of the next day from earlier points in time, with nothing that was not known then."""
    ours: list[float] = []
    naive: list[list[float]] = [[], []]
    for back in range(ORIGINS):
        end = len(values) - AHEAD - back * EVERY
        if end < FEWEST:
            break
        came = float(np.mean(values[end:end + AHEAD]))
        fit = _fit(values[:end])
        grows = fit.slope if fit.slope > SURE * fit.error else 0.0
        season = float(np.mean(fit.season[end - 168:end - 168 + AHEAD])) if end >= 336 else float(np.mean(fit.season[end - AHEAD:]))
        ours.append(abs(fit.level + grows * AHEAD / 2 + season - came))
        naive[0].append(abs(float(np.mean(values[end - AHEAD:end])) - came))
        if end >= 168:
            naive[1].append(abs(float(np.mean(values[end - 168:end - 168 + AHEAD])) - came))
    if len(ours) < 3:
        return None, len(ours)
    best = min(float(np.mean(errors)) for errors in naive if len(errors) == len(ours))
    return 1 - float(np.mean(ours)) / best if best > 0 else 0.0, len(ours)


def _last_stretch(values: t.Any) -> int:
    """Where the hours after the last long gap begin."""
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        return len(values)
    gaps = np.flatnonzero(np.diff(there) > LONGEST_GAP)
    return int(there[gaps[-1] + 1]) if len(gaps) else int(there[0])


def _filled(values: t.Any) -> t.Any:
    """Missing hours on a straight line between their neighbours."""
    at = np.arange(len(values))
    there = np.isfinite(values)
    return np.interp(at, at[there], values[there])


def _blocks(values: t.Any) -> t.Any:
    """Means of blocks, whole ones counted from the end."""
    whole = len(values) // BLOCK * BLOCK
    return values[len(values) - whole:].reshape(-1, BLOCK).mean(axis=1)
