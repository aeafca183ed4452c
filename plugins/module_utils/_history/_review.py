# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last days say of a workload's signals: growth, since when a threshold is passed, and what is usual at this hour."""

from __future__ import annotations

import dataclasses
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal, says
from ansible_collections.sre.runbooks.plugins.module_utils._history import _growth, _promql, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._growth import DAY, HOUR, Growth, Point
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import HistoryError, Prometheus, Series, moment
from ansible_collections.sre.runbooks.plugins.module_utils._history._table import Row

#: points of a series that are kept as evidence
KEPT = 500
#: of earlier days, so many must tell before something is called usual
DAYS_FOR_USUAL = 2
#: what is beyond the usual by less than this share of the threshold is as usual
MARGIN = 0.05
#: points that are further apart, in steps, say nothing of the time between them
GAP = 6


@dataclasses.dataclass(frozen=True)
class Window:
    """How far back, and how densely.

    :param days: of history.
    :param step: seconds between two points.
    """

    days: float = 7.0
    step: float = 300.0


@dataclasses.dataclass(frozen=True)
class Found:
    """What the history says of one row.

    :param now: the newest value, of the worst series; None where there is none of now.
    :param since: from when on it is over the threshold without a break or a gap, seconds since 1970; None where it is not.
    :param before: whether it was so before that already, as far as is known: nothing older is there.
    :param usual: lowest and highest of what the earlier days had at this hour, and of how many days; None where too few tell.
    :param growth: of each pod, for GROWTH.
    :param why_not: why there is nothing.
    """

    row: Row
    series: tuple[Series, ...] = ()
    now: float | None = None
    since: float | None = None
    before: bool = False
    usual: tuple[float, float, int] | None = None
    growth: tuple[tuple[str, Growth], ...] = ()
    why_not: str = ""


def look(prometheus: Prometheus, target: Target, container: str, rows: t.Sequence[Row], window: Window,
         thresholds: t.Mapping[str, float]) -> list[Found]:
    """Ask for every row at once.

    :param thresholds: of this run, by the direct signal's name; the table's where there is none.
    :raises HistoryError: the Prometheus does not answer, or has nothing at all of this workload.
    """
    scope = _promql.of_workload(target, container, prometheus.place.labels)
    prometheus.count("vector(1)")  # whether it answers at all, once and not for each row; and its clock
    end = prometheus.now()
    begin = end - window.days * DAY
    growing = any(row.kind == _table.GROWTH for row in rows)
    lives = _starts(prometheus.range(_promql.started(scope), begin, end, window.step)) if growing else {}

    def one(row: Row) -> Found:
        try:
            series = prometheus.range(_promql.measured(row, scope), begin, end, window.step)
        except HistoryError as error:
            return Found(row, why_not=str(error))
        return _found(row, tuple(series), lives, end, window, _threshold(row, thresholds))

    found = each(one, rows)
    if not any(item.series for item in found):
        errors = [item.why_not for item in found if item.why_not]
        raise HistoryError(errors[0] if errors else
                           f"Prometheus ({prometheus.place.shown}): no series of {target.short} in {target.namespace} in {window.days:g} days: "
                           "another tenant, another cluster label, or these pods are not scraped.")
    return found


def merged(direct: Json, found: t.Sequence[Found], hours_to_limit: float) -> Json:
    """A direct reading, as the ``*_signals_info`` modules return it, with what the history adds.

    Direct reads decide about now; the history decides about growth, says since when and what is usual, and stands in for what could
    not be read directly.
    """
    by_name = {item.row.direct: item for item in found if item.row.direct}
    signals = [_with_history(signal, by_name.get(signal["name"])) for signal in direct.get("signals", [])]
    signals += [signal.to_json() for item in found for signal in growth_signals(item, hours_to_limit)]
    outcome = "breached" if any(signal["breached"] for signal in signals) else direct["outcome"]
    lines = says(Reading("", tuple(_signal(signal) for signal in signals), True), outcome if outcome != "unknown" else "")
    if outcome == "unknown":  # why, the direct read has said last
        lines += direct["says"][-1:]
    return {**direct, "outcome": outcome, "signals": signals, "says": lines}


def growth_signals(item: Found, hours_to_limit: float) -> list[Signal]:
    """The signal of growth over days; none where the row is of another kind or nothing can be told."""
    known = [(pod, growth) for pod, growth in item.growth if growth.verdict != _growth.UNKNOWN]
    if not known:
        return []
    leaking = [(pod, growth) for pod, growth in known if growth.hours is not None]
    if not leaking:
        return [Signal(item.row.name, None, hours_to_limit, False, f"{item.row.words}: {known[0][1].why} (history)")]
    pod, worst = min(leaking, key=lambda pair: t.cast(float, pair[1].hours))
    hours = t.cast(float, worst.hours)
    text = (f"{item.row.words} of {pod} grows by {worst.per_day:.1%} of the limit a day ({worst.low:.1%} to {worst.high:.1%}), {worst.why}, and "
            f"reaches it in {hours:.0f} h ({_hours(worst.soonest)} to {_hours(worst.latest)}; threshold {hours_to_limit:.0f} h; history)")
    over = tuple(pod for pod, growth in leaking if t.cast(float, growth.hours) < hours_to_limit)
    return [Signal(item.row.name, hours, hours_to_limit, bool(over), text, over)]


def in_words(item: Found) -> str:
    """Since when, and what is usual, behind a signal's text; empty where neither is known."""
    parts = [f"over the threshold since {'before ' if item.before else ''}{moment(item.since)}"] if item.since is not None else []
    return ", ".join([*parts, *([_usually(item.row, item.usual)] if item.usual else [])])


def beside_the_usual(after: Json, known: t.Sequence[Json], rows: t.Sequence[Row]) -> list[str]:
    """A reading after a change beside what the earlier days had at this hour, a line for each signal that both know.

    :param after: as the ``*_signals_info`` modules return it.
    :param known: of each row what ``to_json`` gave before the change, when it was the same hour.
    """
    usual = {row["name"]: row["usual"] for row in known if row.get("usual")}
    values = {signal["name"]: signal["value"] for signal in after.get("signals", []) if signal["value"] is not None}
    both = [row for row in rows if _same_measure(row) and row.direct in values and row.name in usual]
    return [_beside(row, row.as_direct(values[row.direct]), usual[row.name]) for row in both]


def _beside(row: Row, value: float, usual: Json) -> str:
    low, high = usual["low"], usual["high"]
    margin = max(high - low, MARGIN * (row.threshold or 1.0))  # days that were alike to the last digit are no narrow band
    how = "as usual" if low - margin <= value <= high + margin else "more than usual" if value > high else "less than usual"
    return f"{row.words}: {_value(row, value)}, {how} at this hour ({_value(row, low)} to {_value(row, high)}, {usual['days']} days; history)"


def to_json(item: Found) -> Json:
    """As module results show it, without the samples."""
    return {"name": item.row.name, "unit": item.row.unit, "now": item.now, "since": None if item.since is None else moment(item.since),
            "before": item.before, "usual": None if item.usual is None else {"low": item.usual[0], "high": item.usual[1], "days": item.usual[2]},
            "growth": [{"pod": pod, **_finite(dataclasses.asdict(growth))} for pod, growth in item.growth], "why_not": item.why_not}


def samples(found: t.Sequence[Found]) -> Json:
    """What was used, thinned to KEPT points of each series, for the evidence."""
    return {item.row.name: [{"labels": dict(series.labels), "points": _thinned(series.points)} for series in item.series] for item in found}


def _found(row: Row, series: tuple[Series, ...], lives: t.Mapping[str, t.Sequence[float]], end: float, window: Window, threshold: float) -> Found:
    if row.kind == _table.GROWTH:
        return Found(row, series, growth=tuple(_judged(series, lives, end)))
    worst = _at_each_time(series, sum if row.added_up else max)
    now = worst[-1][1] if worst and end - worst[-1][0] <= 2 * window.step else None
    since = _since(worst, threshold, GAP * window.step) if now is not None else None
    return Found(row, series, now, since, since is not None and since == worst[0][0], _usual(worst, end))


def _judged(series: t.Sequence[Series], lives: t.Mapping[str, t.Sequence[float]], end: float) -> t.Iterator[tuple[str, Growth]]:
    """Each pod that is there now; those that are gone are earlier lives of the same workload."""
    present = [one for one in series if one.points and end - one.points[-1][0] <= _growth.STALE]
    gone = [life for one in series if one.points and one not in present for life in _growth.cut(one.points, lives.get(_pod(one), ()))]
    for one in present:
        yield _pod(one), _growth.judge(one.points, lives.get(_pod(one), ()), 1.0, end, gone)


def _starts(series: t.Sequence[Series]) -> dict[str, tuple[float, ...]]:
    """Each pod's start times: the different values of its series."""
    found: dict[str, set[float]] = {}
    for one in series:
        found.setdefault(_pod(one), set()).update(value for _at, value in one.points)
    return {pod: tuple(sorted(values)) for pod, values in found.items()}


def _pod(series: Series) -> str:
    return series.labels.get("pod", "")


def _at_each_time(series: t.Sequence[Series], put_together: t.Callable[[list[float]], float]) -> list[Point]:
    """One series of all."""
    found: dict[float, list[float]] = {}
    for one in series:
        for at, value in one.points:
            found.setdefault(at, []).append(value)
    return [(at, put_together(values)) for at, values in sorted(found.items())]


def _since(points: t.Sequence[Point], threshold: float, gap: float) -> float | None:
    begin = None
    for at, value in reversed(points):
        if value <= threshold or begin is not None and begin - at > gap:
            break
        begin = at
    return begin


def _usual(points: t.Sequence[Point], end: float) -> tuple[float, float, int] | None:
    days: dict[int, list[float]] = {}
    for at, value in points:
        back = round((end - at) / DAY)
        if back >= 1 and abs(end - at - back * DAY) <= HOUR / 2:
            days.setdefault(back, []).append(value)
    middles = [statistics.median(values) for values in days.values()]
    return (min(middles), max(middles), len(middles)) if len(middles) >= DAYS_FOR_USUAL else None


def _with_history(signal: Json, item: Found | None) -> Json:
    if item is None:
        return signal
    row, words = item.row, in_words(item)
    if signal["value"] is None and item.now is not None and _same_measure(row):
        threshold = row.as_direct(signal["threshold"])
        text = f"{row.words}: {_value(row, item.now)} (history; threshold {_value(row, threshold)})"
        signal = {**signal, "value": row.as_direct(item.now), "breached": item.now > threshold, "text": text}
    return {**signal, "text": f"{signal['text']}; {words}"} if words else signal


def _threshold(row: Row, thresholds: t.Mapping[str, float]) -> float:
    """This run's, where the direct read has one of the same measure."""
    return row.as_direct(thresholds[row.direct]) if _same_measure(row) and row.direct in thresholds else row.threshold


def _same_measure(row: Row) -> bool:
    """Whether the direct read has the same measure: events it counts in a window of its own."""
    return bool(row.direct) and row.kind != _table.EVENTS


def _usually(row: Row, usual: tuple[float, float, int]) -> str:
    low, high, days = usual
    window = " in 5 min" if row.kind == _table.EVENTS else ""
    return f"usual at this hour {_value(row, low)} to {_value(row, high)}{window} ({days} days)"


def _signal(found: Json) -> Signal:
    return Signal(found["name"], found["value"], found["threshold"], found["breached"], found["text"], tuple(found.get("pods") or ()))


def _value(row: Row, value: float) -> str:
    if row.unit == "share":
        return f"{value:.0%}" if value >= 0.1 or not value else f"{value:.1%}"
    return f"{value:.3g} {row.unit}"


def _hours(hours: float | None) -> str:
    return f"{hours:.0f}" if hours is not None else "?"


def _finite(values: Json) -> Json:
    return {name: None if value == float("inf") else value for name, value in values.items()}


def _thinned(points: t.Sequence[Point]) -> list[list[float]]:
    every = max(1, -(-len(points) // KEPT))
    return [list(point) for point in points[::-1][::every][::-1]]
