# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a prediction says, as data, Markdown, one HTML page and alert rules."""

from __future__ import annotations

import collections
import datetime
import json
import math
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._page import frame, safe
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Past
from ansible_collections.sre.runbooks.plugins.module_utils._learning._markup import cell, line
from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _first, _forecast, _recurrence

Json = t.Dict[str, t.Any]
_OWN_STYLE = """
svg .line { fill: none; stroke: var(--accent); stroke-width: 1.5; } svg .limit { stroke: var(--bad); stroke-dasharray: 5 4; }"""
_WIDE, _HIGH = 900, 120
#: days ahead that a proposed rule warns
_WARNS = 3
#: incidents of which it is told what moved first, and series of each
_MOST_INCIDENTS, _MOST_MOVES = 20, 3
#: series that a test of a rule has, of those that must fire and of those that must not
_MOST_TESTED = 5


def series(name: str, labels: str, wanted: Json, points: t.Sequence[tuple[float, float]], horizon: float) -> Json:
    """What one series says, with its hourly values for a plot."""
    begin, values = _forecast.hourly(points, wanted["counter"])
    found = _forecast.judge(begin, values, wanted["limit"], horizon)
    return {"name": name, "labels": labels, "limit": wanted["limit"], "query": wanted["query"], "verdict": found.verdict, "why": found.why,
            **{key: _plain(getattr(found, key)) for key in ("level", "peak", "per_day", "low", "high", "days", "soonest", "latest", "season", "skill")},
            "origins": found.origins, "missing": found.missing, "changes": [_moment(at) for at in found.changes], "changed_at": list(found.changes),
            "begin": begin, "values": [_plain(value) for value in values]}


def incidents(past: t.Sequence[Past], now: float) -> list[Json]:
    """How likely each type is, the likeliest first, and what was to be done against it."""
    times: dict[str, list[float]] = collections.defaultdict(list)
    measures: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for one in past:
        times[one.type or "(no type)"].append(one.opened)
        measures[one.type or "(no type)"].update(one.follow_ups)
    begin = min((one.opened for one in past), default=now)
    found = [_recurrence.recurrence(type_, at, begin, now) for type_, at in times.items()]
    return [{**{key: _plain(value) for key, value in vars(one).items()}, "measures": [{"action": text, "incidents": count} for text, count in
             measures[one.type].most_common(3)]} for one in sorted(found, key=lambda one: -(one.week or 0.0))]


def precursors(rows: t.Sequence[Json], logs: t.Sequence[tuple[float, t.Mapping[str, t.Sequence[float]]]], past: t.Sequence[Past],
               now: float) -> tuple[list[Json], list[str]]:
    """Changes of series and patterns of logs that preceded incidents, and of which of them nothing is said.

    :param logs: of each when it begins, and of each of its patterns when it came more often than usual.
    """
    times: dict[str, list[float]] = collections.defaultdict(list)
    for one in past:
        times[one.type or "(no type)"].append(one.opened)
    begin = min((row["begin"] for row in rows if row["values"]), default=now)
    series = {f"{row['name']} {row['labels']}": row["changed_at"] for row in rows}
    patterns = [(since, {f"in the log: {pattern}": began for pattern, began in found.items()}) for since, found in logs]
    found, abstained = [], []
    for since, changes in ((begin, series), *patterns):
        told, silent = _recurrence.precursors(changes, times, since, now)
        found += told
        abstained += silent
    return [vars(one) for one in sorted(found, key=lambda one: -one.lift)], abstained


def moved_first(read: t.Mapping[str, t.Any], past: t.Sequence[Past]) -> list[Json]:
    """Of the latest incidents, which series moved first; those around which nothing moved are left out.

    :param read: the points of each series, by its name and labels.
    """
    found = []
    for one in past[-_MOST_INCIDENTS:]:
        moves = _first.moved_first(read, one.opened)[:_MOST_MOVES]
        if moves:
            found.append({"incident": one.id, "type": one.type or "(no type)", "series": [
                {"name": move.series, "at": _moment(move.at), "deviations": move.deviations} for move in moves]})
    return found


def says(found: Json) -> list[str]:
    """Lines for a person, what is nearest first."""
    lines = [sentence(row) for row in sorted((row for row in found["series"] if row["verdict"] == "reaches"), key=lambda row: row["days"])]
    counts = collections.Counter(row["verdict"] for row in found["series"])
    lines += [f"{len(found['series'])} series: {counts['reaches']} reach their limit, {counts['steady']} do not, nothing is said of {counts['abstains']}"]
    told = [row for row in found["incidents"] if row["week"] is not None]
    lines += [f"{row['type']}: {row['day']:.0%} within a day, {row['week']:.0%} within a week ({row['why']})" for row in told]
    lines += [f"{row['series']} came within the last day: {row['type']} within a day {row['day']:.0%} ({row['before']} times before one, "
              f"{row['without']} times without)" for row in found["precursors"] if row["day"] is not None]
    silent = [row["type"] for row in found["incidents"] if row["week"] is None]
    lines += [f"nothing is said of {', '.join(silent)}: too few incidents on record"] if silent else []
    return lines + found["problems"]


def sentence(row: Json) -> str:
    """One series that reaches its limit."""
    latest = f"{row['latest']:.1f}" if row["latest"] is not None else "many"
    span = "now" if row["days"] == 0 else f"in {row['days']:.1f} days ({row['soonest']:.1f} to {latest})"
    skill = f"; backtest: skill {row['skill']:.2f} over the better naive forecast, {row['origins']} origins" if row["skill"] is not None else ""
    return f"{row['name']} {row['labels']} reaches {row['limit']:g} {span}, growing {row['per_day']:.3g} a day{skill}"


def markdown(found: Json) -> str:
    """The whole report."""
    lines = ["# Prediction", "", f"{found['days']:g} days up to {found['until']}.", "", *(f"- {line(text)}" for text in says(found))]
    lines += ["", "## Series", "", "| series | verdict | why | a day | season | changes | hours missing |", "|---|---|---|---|---|---|---|"]
    lines += [f"| {cell(row['name'])} {cell(row['labels'])} | {row['verdict']} | {cell(row['why'])} | {_figure(row['per_day'])} ({_figure(row['low'])} to "
              f"{_figure(row['high'])}) | {row['season']:.0%} | {cell(', '.join(row['changes'][-3:]))} | {row['missing']} |" for row in found["series"]]
    if found["incidents"]:
        lines += ["", "## Incidents", "", "| type | on record | within a day | within a week | base rate, a week | Brier skill | why |",
                  "|---|---|---|---|---|---|---|"]
        lines += [f"| {cell(row['type'])} | {row['incidents']} | {_share(row['day'])} | {_share(row['week'])} | {_share(row['base_week'])} | "
                  f"{'' if row['skill'] is None else format(row['skill'], '.2f')} | {cell(row['why'])} |" for row in found["incidents"]]
        lines += ["", "## Preventive measures on record", ""]
        lines += [f"- {line(row['type'])}: {line(one['action'])} ({one['incidents']} incidents)"
                  for row in found["incidents"] for one in row["measures"]] or ["None."]
    if found["precursors"]:
        lines += ["", "## What preceded incidents", "", "| what | incidents of | before | without one | lift | hours before | Brier skill |",
                  "|---|---|---|---|---|---|---|"]
        lines += [f"| {cell(row['series'])} | {cell(row['type'])} | {row['before']} | {row['without']} | {row['lift']:.1f} | {row['lead']:.1f} | "
                  f"{row['skill']:.2f} |" for row in found["precursors"]]
    if found["no_precursors"]:
        lines += ["", "Nothing is said of these:", "", *(f"- {line(text)}" for text in found["no_precursors"])]
    if found["moved_first"]:
        lines += ["", "## What moved first", ""]
        lines += [f"- {line(row['incident'])} ({line(row['type'])}): " + ", then ".join(
            f"{line(one['name'])} at {one['at']} ({one['deviations']:.0f} deviations)" for one in row["series"]) for row in found["moved_first"]]
    return "\n".join(lines) + "\n"


def page(found: Json) -> str:
    """One page that needs nothing from anywhere, with a plot of each series that reaches its limit or is not told."""
    plots = "".join(f"<h3>{safe(row['name'])} {safe(row['labels'])}</h3>"
                    f"<p>{safe(sentence(row) if row['verdict'] == 'reaches' else row['why'])}</p>{_plot(row)}"
                    for row in found["series"] if row["verdict"] != "steady")
    rows = "".join(f"<tr><td>{safe(row['name'])} {safe(row['labels'])}</td><td>{row['verdict']}</td><td>{safe(row['why'])}</td>"
                   f"<td class=\"n\">{_figure(row['per_day'])}</td></tr>" for row in found["series"])
    types = "".join(f"<tr><td>{safe(row['type'])}</td><td class=\"n\">{row['incidents']}</td><td class=\"n\">{_share(row['day'])}</td>"
                    f"<td class=\"n\">{_share(row['week'])}</td><td>{safe(row['why'])}</td></tr>" for row in found["incidents"])
    return frame("Prediction", f"<h1>Prediction</h1><p class=\"dim\">{found['days']:g} days up to {safe(found['until'])}</p>",
                 f"{''.join(f'<p>{safe(text)}</p>' for text in says(found))}{plots}"
                 f'<h2>Series</h2><div class="wide" tabindex="0" role="region" aria-label="Series"><table><thead><tr><th>series</th><th>verdict</th>'
                 f'<th>why</th><th class="n">a day</th></tr></thead><tbody>{rows}</tbody></table></div>'
                 f'<h2>Incidents</h2><div class="wide" tabindex="0" role="region" aria-label="Incidents"><table><thead><tr><th>type</th>'
                 f'<th class="n">on record</th><th class="n">a day</th><th class="n">a week</th><th>why</th></tr></thead><tbody>{types}</tbody></table></div>',
                 _OWN_STYLE)


def rules(found: Json) -> str:
    """Alert rules for the expressions that reach their limit: the same trend, watched by Prometheus."""
    return _rules([_rule(name, limit, f"({query})") for name, query, limit in _watched(found)])


def rule_tests(found: Json) -> dict[str, str]:
    """A test of the rules for promtool, by file name: the series that they were made from, up to now.

    In the rules that it tests a series stands in for the expression. A series that reaches its limit well before a rule warns must fire, one that is
    steady must not; what is in between is left out.
    """
    ruled, tests = [], []
    for name, query, limit in _watched(found):
        stand_in = f"predicted_{re.sub(r'[^a-z0-9]+', '_', name.lower())}"
        rule = _rule(name, limit, stand_in)
        ruled.append(rule)
        rows = [row for row in found["series"] if (row["name"], row["query"], row["limit"]) == (name, query, limit)]
        for fires in (True, False):
            wanted = [row for row in rows if (row["verdict"] == "reaches" and row["days"] < _WARNS - 0.5 if fires else row["verdict"] == "steady")]
            tests += [_test(rule, stand_in, row, fires) for row in wanted[:_MOST_TESTED]]
    return {"rules_series.yml": _rules(ruled), "rules_test.yml": "---\n# promtool test rules rules_test.yml\n" + _yaml.dump(
        {"rule_files": ["rules_series.yml"], "evaluation_interval": "1h", "tests": tests})}


def _watched(found: Json) -> list[tuple[str, str, float]]:
    return sorted({(row["name"], row["query"], row["limit"]) for row in found["series"] if row["verdict"] == "reaches" and row["query"]})


def _rule(name: str, limit: float, watched: str) -> Json:
    """Of the highest of each day, as the forecast is: the trend of the mean comes to the limit later than the peaks do."""
    return {"alert": "Predicted" + "".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", name)),
            "expr": f"predict_linear(max_over_time({watched}[1d:1h])[7d:1h], {_WARNS * 86400}) > {limit:g}", "for": "1h", "labels": {"severity": "ticket"},
            "annotations": {"summary": f"{name} reaches {limit:g} within {_WARNS} days", "runbook": "learning/predict.yml"}}


def _test(rule: Json, stand_in: str, row: Json, fires: bool) -> Json:
    """One series, hour by hour, and whether the rule fires at its end."""
    labels = dict(re.findall(r"(\w+)=(.*?)(?=, \w+=|$)", row["labels"]))
    shown = ", ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    alert = {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": rule["annotations"]}
    return {"name": f"{row['name']} {row['labels']}", "interval": "1h",
            "input_series": [{"series": f"{stand_in}{{{shown}}}", "values": " ".join("_" if value is None else f"{value:.6g}" for value in row["values"])}],
            "alert_rule_test": [{"eval_time": f"{len(row['values']) - 1}h", "alertname": rule["alert"], "exp_alerts": [alert] if fires else []}]}


def _rules(made: t.Sequence[Json]) -> str:
    return "---\n" + _yaml.dump({"groups": [{"name": "predicted", "rules": list(made)}]})


def _plot(row: Json) -> str:
    values = [value for value in row["values"] if value is not None]
    if not values:
        return ""
    high = max([*values, row["limit"]] if row["limit"] is not None else values) or 1.0
    low = min(0.0, *values)
    count = max(1, len(row["values"]) - 1)

    def y(value: float) -> float:
        return round(4 + (high - value) / ((high - low) or 1) * (_HIGH - 8), 1)

    line = " ".join(f"{_WIDE * at / count:.1f},{y(value)}" for at, value in enumerate(row["values"]) if value is not None)
    limit = f'<line class="limit" x1="0" x2="{_WIDE}" y1="{y(row["limit"])}" y2="{y(row["limit"])}"/>' if row["limit"] is not None else ""
    return f'<svg role="img" aria-label="{safe(row["name"])} over time" viewBox="0 0 {_WIDE} {_HIGH}">{limit}<polyline class="line" points="{line}"/></svg>'


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, (str, int)) or value is None:
        return value
    return float(value) if math.isfinite(value) else None


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
