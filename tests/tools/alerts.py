# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extensions/prometheus, made from the table of signals (``plugins/module_utils/_history/_table.py``).

``alerts.py`` says whether the files are what the table says (``make lint``); ``alerts.py --write`` makes them so.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import textwrap
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._history import _promql, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._table import Row

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "extensions" / "prometheus"
MADE = "made by `make alerts` from plugins/module_utils/_history/_table.py"
TARGET = ", ".join(_promql.TARGET)
#: windows of a share: it lasts, and it is still so; fast, and for a fifth of the threshold slowly
FAST, SLOWLY = ("1h", "5m"), ("6h", "30m")
SLOWLY_SHARE = 5
UNITS = {"share": "percentunit", "s": "s", "h": "h"}

Json = t.Dict[str, t.Any]


def record(row: Row, window: str = "") -> str:
    """The name under which a row's measure is recorded; growth looks at the share that another row records."""
    if row.kind == _table.GROWTH:
        row = next(other for other in _table.ROWS if other.series == row.series and other.kind == _table.FULL)
    return f"runbooks:{row.name}{':' + window if window else ''}"


def records() -> list[Json]:
    """What is recorded once and used by alerts and dashboard."""
    found = []
    for row in _table.ROWS:
        if row.kind != _table.GROWTH:
            windows = (*FAST, *SLOWLY) if row.kind == _table.SHARE else ("",)
            found += [{"record": record(row, window), "expr": _promql.measured(row, _promql.EVERYWHERE, window or "5m")} for window in windows]
    return found


def alerts(row: Row) -> list[Json]:
    """A row's alerts: one, or two for a share."""
    if row.kind == _table.SHARE:
        return [_alert(row, "", _both(row, FAST, row.threshold), row.holds, row.why, row.severity),
                _alert(row, "Slowly", _both(row, SLOWLY, row.threshold / SLOWLY_SHARE), "0m",
                       f"a {SLOWLY_SHARE}th of the threshold for hours uses up as much patience as all of it for one", "ticket")]
    if row.kind == _table.GROWTH:
        return [_alert(row, "", _growing(row), row.holds, row.why, row.severity)]
    return [_alert(row, "", f"max by ({TARGET}) ({record(row)}) > {row.threshold:g}", row.holds, row.why, row.severity)]


def _both(row: Row, windows: tuple[str, str], threshold: float) -> str:
    return " and ".join(f"{record(row, window)} > {threshold:g}" for window in windows)


def _growing(row: Row) -> str:
    """What a rule can tell of growth over days: the lowest of a day rose twice, about alike, and meets the limit in time.

    It is coarser than the runbook, which judges the history itself before it does anything, and blind to what leaks fast: there the
    alert is that memory is near its limit.
    """
    name = record(row)

    def lowest(back: int) -> str:
        return f"min_over_time({name}[1d]{f' offset {back}d' if back else ''})"

    rise, before = f"({lowest(0)} - {lowest(1)})", f"({lowest(1)} - {lowest(2)})"
    return (f"min by ({TARGET}) (24 * (1 - max_over_time({name}[1d])) / ({rise} > 0.01) and {before} > 0.5 * {rise} and {rise} > 0.5 * {before})"
            f" < {row.threshold:g}")


def _alert(row: Row, suffix: str, expression: str, holds: str, why: str, severity: str) -> Json:
    name = "Runbooks" + "".join(part.capitalize() for part in row.name.split("_")) + suffix
    return {"alert": name, "expr": expression, "for": holds, "why": why,
            "labels": {"incident_type": row.incident_type, "severity": severity, "runbook": f"incident/{row.incident_type}.yml"},
            "annotations": {"summary": "{{ $labels.namespace }}/{{ $labels.workload }}: " + f"{row.words}: " + _figure(row),
                            "description": f"Threshold {_threshold(row, suffix)}. The runbook measures again before it changes anything."}}


def _figure(row: Row) -> str:
    if row.kind == _table.GROWTH:
        return '{{ $value | printf "%.0f" }} h to the limit'
    return "{{ $value | humanizePercentage }}" if row.unit == "share" else "{{ $value | humanize }} " + row.unit


def _threshold(row: Row, suffix: str) -> str:
    value = row.threshold / (SLOWLY_SHARE if suffix else 1)
    return f"{value:.0%}" if row.unit == "share" else f"{value:g} {row.unit}"


def groups() -> list[tuple[str, list[Json]]]:
    """The groups of rules: what is recorded, and the alerts of each incident type."""
    types = dict.fromkeys(row.incident_type for row in _table.ROWS)
    return [("runbooks-records", records()),
            *((f"runbooks-{name}", [alert for row in _table.of(name) for alert in alerts(row)]) for name in types)]


def rules_text() -> str:
    """The rule file, with the reason of each ``for`` above it."""
    lines = [f"# {MADE}: Prometheus takes it as a rule file, Mimir and VictoriaMetrics too.", "groups:"]
    for name, rules in groups():
        lines += [f"  - name: {name}", "    interval: 30s", "    rules:"]
        for rule in rules:
            lines += _rule(rule)
    return "\n".join(lines) + "\n"


def _rule(rule: Json) -> list[str]:
    if "record" in rule:
        return [f"      - record: {rule['record']}", *_folded(rule["expr"])]
    lines = [f"      - alert: {rule['alert']}", *_folded(rule["expr"]), f"        # {rule['why']}", f"        for: {rule['for']}"]
    for part in ("labels", "annotations"):
        lines.append(f"        {part}:")
        lines += [f"          {name}: {_yaml(value)}" for name, value in rule[part].items()]
    return lines


def _folded(expression: str) -> list[str]:
    """A folded block: PromQL does not mind where a line ends, but a text in quotes does, so lines end at blanks outside of them."""
    inside, marked = False, []
    for index, letter in enumerate(expression):
        if letter == '"' and expression[index - 1] != "\\":
            inside = not inside
        marked.append("\0" if letter == " " and inside else letter)
    wrapped = textwrap.wrap("".join(marked), 140, break_long_words=False, break_on_hyphens=False)
    return ["        expr: >-", *(f"          {line}".replace("\0", " ") for line in wrapped)]


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def custom_resource_text() -> str:
    """The same as a PrometheusRule for the Prometheus operator."""
    head = [f"# {MADE}: kubectl apply -f", "apiVersion: monitoring.coreos.com/v1", "kind: PrometheusRule", "metadata:", "  name: sre-runbooks",
            "  labels:", "    app.kubernetes.io/name: sre-runbooks", "spec:"]
    return "\n".join(head) + "\n" + textwrap.indent("\n".join(rules_text().splitlines()[1:]) + "\n", "  ")


def dashboard() -> Json:
    """One panel for each signal, its threshold as a line, in rows by incident type."""
    panels: list[Json] = []
    y = 0
    for name in dict.fromkeys(row.incident_type for row in _table.ROWS):
        panels.append({"id": len(panels) + 1, "type": "row", "title": name.replace("_", " "), "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y += 1
        shown = [row for row in _table.of(name) if row.kind != _table.GROWTH]
        for number, row in enumerate(shown):
            panels.append({**_panel(row), "id": len(panels) + 1, "gridPos": {"h": 8, "w": 8, "x": number % 3 * 8, "y": y + number // 3 * 8}})
        y += -(-len(shown) // 3) * 8
    variables = [_variable(label, f"label_values({{__name__=~\"runbooks:.+\"{narrowed}}}, {label})")
                 for label, narrowed in (("cluster", ""), ("namespace", ',cluster=~"$cluster"'), ("workload", ',cluster=~"$cluster",namespace=~"$namespace"'))]
    return {"title": "sre.runbooks: signals", "uid": "sre-runbooks-signals", "description": MADE, "schemaVersion": 39, "version": 1, "editable": True,
            "graphTooltip": 1, "refresh": "30s", "tags": ["sre.runbooks"], "time": {"from": "now-6h", "to": "now"}, "timezone": "",
            "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}, *variables]},
            "annotations": {"list": [{"name": "alerts", "enable": True, "iconColor": "red", "datasource": _DATASOURCE,
                                      "expr": 'ALERTS{alertname=~"Runbooks.+",alertstate="firing",namespace=~"$namespace",workload=~"$workload"}',
                                      "titleFormat": "{{alertname}}", "textFormat": "{{namespace}}/{{workload}}"}]},
            "panels": panels}


_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _variable(name: str, query: str) -> Json:
    return {"name": name, "type": "query", "datasource": _DATASOURCE, "query": {"query": query, "refId": name}, "refresh": 2, "includeAll": True,
            "allValue": ".*", "multi": True, "sort": 1, "current": {"text": "All", "value": "$__all"}}


def _panel(row: Row) -> Json:
    chosen = '{cluster=~"$cluster",namespace=~"$namespace",workload=~"$workload"}'
    steps = [{"color": "green", "value": None}, {"color": "red", "value": row.threshold}]
    return {"type": "timeseries", "title": row.words, "datasource": _DATASOURCE,
            "targets": [{"refId": "A", "datasource": _DATASOURCE, "expr": record(row, "5m" if row.kind == _table.SHARE else "") + chosen,
                         "legendFormat": "{{namespace}}/{{workload}} {{pod}}"}],
            "fieldConfig": {"defaults": {"unit": UNITS.get(row.unit, "short"), "min": 0, "thresholds": {"mode": "absolute", "steps": steps},
                                         "custom": {"thresholdsStyle": {"mode": "line"}, "spanNulls": False, "fillOpacity": 0, "lineWidth": 1}},
                            "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}}


def files() -> dict[pathlib.Path, str]:
    """What belongs where."""
    return {DIRECTORY / "rules.yml": rules_text(), DIRECTORY / "prometheusrule.yml": custom_resource_text(),
            DIRECTORY / "dashboard.json": json.dumps(dashboard(), indent=1) + "\n"}


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="make the files")
    write = parser.parse_args().write
    different = [path for path, text in files().items() if not path.is_file() or path.read_text() != text]
    if write:
        DIRECTORY.mkdir(exist_ok=True)
        for path, text in files().items():
            path.write_text(text)
    elif different:
        print(f"{', '.join(str(path.relative_to(ROOT)) for path in different)}: not what the table of signals says: make alerts", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
