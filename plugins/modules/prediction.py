#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prediction
short_description: Which series reach their limit and when, and how likely each type of incident is, with the track record of saying so
version_added: 0.1.0
description:
  - Takes each series apart into season, changes and trend, and says when it reaches its limit, with an interval. It says so only where
    forecasts from earlier points in time were better than naive ones; else it says nothing of the series, and why.
  - Says how likely an incident of each type is within a day and a week, from a folder of past incidents, judged against the base rate; and
    which changes of series preceded incidents.
  - Writes C(prediction.md), C(prediction.html), C(rules.yml) with alert rules for what was found, and C(rules_test.yml) with
    C(rules_series.yml), their test for promtool from the same data. Reads only, otherwise.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
attributes:
  diff_mode:
    description: Its files are new ones, which are not compared.
    support: none
options:
  series:
    description: What to look at. Each entry may give many series, by their labels.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in the report.
        type: str
        required: true
      query:
        description: A PromQL expression, asked of O(prometheus).
        type: str
      file:
        description: A saved answer of C(/api/v1/query_range), plain or gzip, instead of O(series[].query).
        type: path
      limit:
        description: What it must not reach; without one only its trend is told. An expression may divide by a limit, which is 1 then.
        type: float
      counter:
        description: The values only grow, and a fall is a restart; the growth per second is judged.
        type: bool
        default: false
  prometheus:
    description:
      - A URL, C(NAMESPACE/NAME:PORT) of a service in the cluster, or a dict, see docs/history.md. As it may hold a token, it is not shown.
      - Taken from the host variable C(runbooks_prometheus) when not set.
    type: raw
  days:
    description: How far back.
    type: float
    default: 30.0
  step:
    description: Seconds between two points.
    type: float
    default: 900.0
  horizon:
    description: Days ahead that are looked at.
    type: float
    default: 30.0
  incidents:
    description: Folder of past incidents, see docs/learning.md; without one nothing is said of incidents.
    type: path
  logs:
    description:
      - Log files, plain or gzip, in which each record begins with its time. Patterns that came more often than usual in the day before incidents are
        looked for.
    type: list
    elements: path
    default: []
  now:
    description: The end of the history of incidents, ISO 8601; by default the time of the run.
    type: str
  dest:
    description: Directory to write into; it is created.
    type: path
    default: prediction
requirements:
  - numpy, ruptures
"""

EXAMPLES = r"""
- name: Volumes of the cluster
  sre.runbooks.prediction:
    prometheus: https://prometheus.example.com
    series:
      - name: volume in use
        query: 1 - kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes
        limit: 1
    incidents: incidents/
"""

RETURN = r"""
series:
  description:
    - Each with name, labels, verdict (V(reaches), V(steady), V(abstains)), why, days, soonest, latest, per_day, low, high, season, changes,
      missing, skill and origins.
  type: list
  elements: dict
  returned: success
incidents:
  description: Of each type how likely it is (day, week), the base rate, the Brier skill against it, and measures on record.
  type: list
  elements: dict
  returned: success
precursors:
  description:
    - Changes of series and patterns of logs that preceded incidents, with lift, lead in hours, how often they came without one, skill of the backtest
      against the base rate, and the probability of an incident within a day where there was such a change in the last day.
  type: list
  elements: dict
  returned: success
no_precursors:
  description: What seems to be one, and is not told because there are too few incidents or the backtest is no better than the base rate.
  type: list
  elements: str
  returned: success
moved_first:
  description: Of the latest incidents that lie within what was read, which series moved first - type, incident, and series, each with time and deviations.
  type: list
  elements: dict
  returned: success
problems:
  description: What could not be read.
  type: list
  elements: str
  returned: success
files:
  description: What was written, or would be.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import HistoryError, Place, Prometheus
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _files, _incidents
from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _forecast, _logs, _report, _series
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "series": {"type": "list", "elements": "dict", "default": [], "options": {
        "name": {"type": "str", "required": True}, "query": {"type": "str"}, "file": {"type": "path"}, "limit": {"type": "float"},
        "counter": {"type": "bool", "default": False}}},
    "prometheus": {"type": "raw", "no_log": True},  # it may hold a token or a password
    "days": {"type": "float", "default": 30.0},
    "step": {"type": "float", "default": 900.0},
    "horizon": {"type": "float", "default": 30.0},
    "incidents": {"type": "path"},
    "logs": {"type": "list", "elements": "path", "default": []},
    "now": {"type": "str"},
    "dest": {"type": "path", "default": "prediction"},
}


def run(task: Task) -> Result:
    """Ask, judge, and write the report."""
    p = task.params
    _forecast.require_libraries()
    now = _now(p["now"])
    problems: list[str] = []
    place = Place.parse(p["prometheus"]) if p["prometheus"] else None
    prometheus = Prometheus(place, task.cluster() if place.service else None) if place else None
    rows = []
    read: dict[str, t.Any] = {}
    for wanted in p["series"]:
        try:
            found = _points(wanted, prometheus, p["days"], p["step"])
        except HistoryError as error:
            problems.append(f"{wanted['name']}: {error}")
            continue
        if not found:
            problems.append(f"{wanted['name']}: no series")
        task.progress(f"{wanted['name']}: {len(found)} series")
        read |= {f"{wanted['name']} {labels}": points for labels, points in found.items()}
        rows += [_report.series(wanted["name"], labels, wanted, points, p["horizon"]) for labels, points in found.items()]
    past, unread = _incidents.load(p["incidents"]) if p["incidents"] else ([], [])
    past = [one for one in past if one.opened <= now]
    logs = [_logs.appearances(path) for path in p["logs"]]
    before, silent = _report.precursors(rows, logs, past, now)
    result = {"days": p["days"], "until": datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"), "series": rows,
              "incidents": _report.incidents(past, now), "precursors": before,
              "no_precursors": silent, "moved_first": _report.moved_first(read, past), "problems": problems + unread}
    changed, paths = _files.write(p["dest"], {
        "prediction.md": _report.markdown(result), "prediction.html": _report.page(result), "rules.yml": _report.rules(result),
        **_report.rule_tests(result)}, task.check_mode)
    for row in rows:
        del row["values"], row["changed_at"]
    return {**result, "changed": changed, "files": paths, "says": [*_report.says(result), *paths]}


def _points(wanted: Result, prometheus: "Prometheus | None", days: float, step: float) -> "dict[str, t.Any]":
    if bool(wanted["query"]) == bool(wanted["file"]):
        raise InvalidInput(f"The series {wanted['name']} needs query or file, one of them.", "Nothing was asked.")
    if wanted["file"]:
        return _series.load(wanted["file"])
    if prometheus is None:
        raise InvalidInput(f"The series {wanted['name']} is to be asked of a Prometheus, and none is named.",
                           "Set prometheus, or the host variable runbooks_prometheus.")
    return _series.ask(prometheus, wanted["query"], days, step)


def _now(text: "str | None") -> float:
    if not text:
        return time.time()
    try:
        return _incidents.moment(text)
    except _incidents.NotRead as error:
        raise InvalidInput(f"now: {error}.", "Write it as ISO 8601.") from None


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
