# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that needs nothing from anywhere: what happened, who was hit, what was done and what is open come first."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._checked import Phrased
from ansible_collections.sre.runbooks.plugins.module_utils._core import _page as _frame
from ansible_collections.sre.runbooks.plugins.module_utils._core._page import safe
from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import Area, treemap
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import says
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import NOT_MEASURED
from ansible_collections.sre.runbooks.plugins.module_utils._report._model import Document, Measurement, Statement, duration
from ansible_collections.sre.runbooks.plugins.module_utils._report._timeline import OTHERS, moment

_OWN_STYLE = """
.chart { overflow: visible; } .chart .line { fill: none; stroke: var(--accent); stroke-width: 2; } .chart .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
.chart .ours { stroke: var(--good); stroke-width: 1.5; }
.chart .others { stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 2 3; } .chart .over { fill: var(--bad); } .chart .under { fill: var(--accent); }
.target .box { fill: var(--bad-back); stroke: var(--bad); stroke-width: 3; } .affected .box { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 6 3; }
td { overflow-wrap: break-word; } #timeline td:first-child, #open td:last-child { white-space: nowrap; }
#timeline td:nth-child(3) { min-width: 15rem; }
@media (max-width: 600px) { .chart .label { font-size: 24px; } .chart .line { stroke-width: 4; } }
.drawn { min-width: 640px; max-width: 1120px; }
@media print { h2, h3 { break-after: avoid; } tr { break-inside: avoid; } }
"""
_WIDE, _HIGH, _LEFT, _BOTTOM = 900, 170, 10, 24
_MOST_ROWS = 200


def render(document: Document) -> str:
    """The page; sections without content are left out."""
    sections = [(title, anchor, body) for title, anchor, body in _sections(document) if body]
    links = "".join(f'<a href="#{anchor}">{title}</a>' for title, anchor, _body in sections)
    body = "".join(f'<section id="{anchor}" aria-labelledby="{anchor}-title"><h2 id="{anchor}-title">{title}</h2>{content}</section>'
                   for title, anchor, content in sections)
    head = (f'<p class="dim">{safe(document.id)} · {safe(document.severity)} · {safe(document.target)} · cluster {safe(document.cluster)}</p>')
    nav = f'<nav aria-label="Sections">{links}</nav>'
    return frame(document.title, f"{_verdict(document)}{_tiles(document)}{nav}{body}",
                 f"Written {document.written_at} from the incident's record. incident/verify_report.yml proves it.", f"{document.id}: {document.title}", head)


def frame(name: str, body: str, foot: str, title: str = "", below: str = "") -> str:
    """A page that loads nothing.

    :param name: its headline, and its title where none is given.
    :param body: markup.
    :param foot: in words, how it came about.
    :param below: markup below the headline.
    """
    return _frame.frame(title or name, f"<h1>{safe(name)}</h1>{below}", body, _OWN_STYLE, f"<footer>{safe(foot)}</footer>")


def _sections(document: Document) -> list[tuple[str, str, str]]:
    return [
        ("Who was hit", "impact", table(("question", "answer", "how it is known"), [(row.question, row.answer, row.how) for row in document.impact])),
        ("What did we do", "remediation", _statements(document.remediation)),
        ("What is open", "open", table(("action", "owner", "due"), [(row.action, row.owner, row.due) for row in document.follow_ups])),
        ("Root cause", "cause", _statements(document.root_cause) + _others(document)),
        ("Signals over time", "signals", _charts(document)),
        ("Services", "services", _map(document)),
        ("Figures", "figures", "".join(f"<h3>{safe(figures['title'])}</h3>{_drawn(figures)}{table(figures['header'], figures['rows'])}"
                                       for figures in document.diagnosis.get("tables", []) if figures["rows"])),
        ("Left out", "left-out", _left_out(document)),
        ("By a language model", "assistant", "".join(map(_assistant, document.assistant))),
        ("Changes", "changes", table(("#", "change", "field", "before", "after", "state"), [
            (change.number, change.summary, field.path, _value(field.before), _value(field.after), f"{change.state} {change.at}")
            for change in document.changes for field in change.fields])),
        ("Timeline", "timeline", table(("time", "what", "event", "by"), [
            (event.at, event.what, event.text, event.by) for event in document.timeline])),
        ("Evidence", "evidence", _evidence(document)),
    ]


def _drawn(figures: t.Mapping[str, t.Any]) -> str:
    """A treemap above a table, where it has one; where it is too wide it is scrolled by itself."""
    if "treemap" not in figures:
        return ""
    return (f'<div class="wide" tabindex="0" role="region" aria-label="Treemap: {safe(figures["title"])}"><div class="drawn">'
            f'{treemap(Area.from_json(figures["treemap"]))}</div></div>')


def _assistant(wrote: Phrased) -> str:
    sentences = "".join(f'<li>{safe(one.text)} <span class="dim mono">{safe(", ".join(one.refs))}</span></li>' for one in wrote.sentences)
    return f"<h3>{safe(wrote.purpose.capitalize())}</h3><p>{safe(wrote.says)}</p>" + (f"<ul>{sentences}</ul>" if sentences else "")


def _left_out(document: Document) -> str:
    return f"<p>Too long for the record, and in the evidence: {safe(', '.join(document.left_out))}.</p>" if document.left_out else ""


def _verdict(document: Document) -> str:
    good = document.outcome in ("mitigated", "cleared")
    summary = "".join(f"<p>{safe(statement.text)}</p>" for statement in document.summary)
    return f'<div class="verdict {"healthy" if good else "suspects"}"><p>{safe(says(document.outcome))}</p>{summary}{_hit(document)}{_left(document)}</div>'


def _hit(document: Document) -> str:
    known = [f"{row.question}: {row.answer}" for row in document.impact if row.answer != NOT_MEASURED]
    return f"<p><b>Hit:</b> {safe('; '.join(known[:2]) or 'not measured')}</p>"


def _left(document: Document) -> str:
    """The first thing that is open, and how many more there are."""
    first, *others = (row.action for row in document.follow_ups) if document.follow_ups else ("nothing",)
    more = f' (<a href="#open">and {len(others)} more</a>)' if others else ""
    return f"<p><b>Open:</b> {safe(first)}{more}</p>"


def _tiles(document: Document) -> str:
    tiles = [("outcome", document.outcome), ("severity", document.severity),
             ("duration", duration(document.opened_at, document.ended_at) if document.ended_at else "open"),
             ("changes in force for a while", str(sum(change.in_force for change in document.changes))), ("left to do", str(len(document.follow_ups)))]
    return '<dl class="tiles">' + "".join(f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in tiles) + "</dl>"


def _statements(statements: t.Sequence[Statement]) -> str:
    """Each with what it comes from."""
    items = "".join(f'<li title="{safe(", ".join(statement.refs))}">{safe(statement.text)}</li>' for statement in statements)
    return f"<ul>{items}</ul>" if items else ""


def _others(document: Document) -> str:
    rows = [(candidate["title"], "; ".join(candidate["evidence_for"]), "; ".join(candidate["evidence_against"]))
            for candidate in document.diagnosis.get("candidates", []) if candidate["name"] != document.diagnosis.get("cause")]
    return f"<h3>Other causes</h3>{table(('cause', 'for', 'against'), rows)}" if rows else ""


def _charts(document: Document) -> str:
    """One for each signal that was measured more than once; those that were never over their threshold are folded away."""
    of: dict[str, list[Measurement]] = collections.defaultdict(list)
    for signal in document.signals:
        if signal.value is not None:
            of[signal.name].append(signal)
    made = [(change.at, change.summary) for change in document.changes]
    others = [(event.at, event.text) for event in document.timeline if event.kind == OTHERS]
    drawn: dict[bool, list[str]] = {True: [], False: []}
    for name, signals in sorted(of.items(), key=lambda item: -sum(signal.breached for signal in item[1])):
        if len({signal.at for signal in signals}) > 1:
            was = f'<p class="dim">{safe(signals[0].text)}; at the end {safe(signals[-1].text)}</p>'
            drawn[any(signal.breached for signal in signals)].append(f"<h3>{safe(name)}</h3>{was}{_chart(name, signals, made, others)}")
    folded = f"<details><summary>Never over their threshold: {len(drawn[False])}</summary>{''.join(drawn[False])}</details>" if drawn[False] else ""
    return "".join(drawn[True]) + folded


def _chart(name: str, signals: t.Sequence[Measurement], made: t.Sequence[tuple[str, str]], others: t.Sequence[tuple[str, str]]) -> str:
    """A line, its threshold, and as upright lines our changes and those that others made meanwhile."""
    moments = [_seconds(signal.at) for signal in signals] + [_seconds(at) for at, _summary in made]
    begin = min(moments)
    end = max(begin + 1, *moments)
    values = [t.cast(float, signal.value) for signal in signals] + [signal.threshold for signal in signals if signal.threshold is not None]
    low, high = min(0.0, *values), max(values) or 1.0

    def x(at: str) -> float:
        return round(_LEFT + (_seconds(at) - begin) / (end - begin) * (_WIDE - 2 * _LEFT), 1)

    def y(value: float) -> float:
        return round(8 + (high - value) / ((high - low) or 1) * (_HIGH - _BOTTOM - 8), 1)

    line = " ".join(f"{x(signal.at)},{y(t.cast(float, signal.value))}" for signal in signals)
    dots = "".join(f'<circle class="{"over" if signal.breached else "under"}" cx="{x(signal.at)}" cy="{y(t.cast(float, signal.value))}" r="3.5">'
                   f"<title>{safe(signal.at)}: {safe(signal.text)}</title></circle>" for signal in signals)
    limit = signals[-1].threshold
    rule = f'<line class="limit" x1="{_LEFT}" x2="{_WIDE - _LEFT}" y1="{y(limit)}" y2="{y(limit)}"/>' if limit is not None else ""
    meanwhile = [(at, text) for at, text in others if begin <= _seconds(at) <= end]
    upright = "".join(f'<line class="{kind}" x1="{x(at)}" x2="{x(at)}" y1="4" y2="{_HIGH - _BOTTOM}"><title>{safe(at)}: {safe(text)}</title></line>'
                      for kind, marks in (("ours", made), ("others", meanwhile)) for at, text in marks)
    ends = (f'<text class="label" x="{_LEFT}" y="{_HIGH - 6}">{safe(_clock(begin))}</text>'
            f'<text class="label" x="{_WIDE - _LEFT}" y="{_HIGH - 6}" text-anchor="end">{safe(_clock(end))}</text>')
    words = f"{name} from {signals[0].text} to {signals[-1].text}; {len(made)} changes of ours, {len(meanwhile)} of others"
    return (f'<svg class="chart" role="img" aria-label="{safe(words)}" viewBox="0 0 {_WIDE} {_HIGH}">{rule}{upright}'
            f'<polyline class="line" points="{line}"/>{dots}{ends}</svg>')


def _map(document: Document) -> str:
    """Services in columns, each right of those that need it; the one that the incident is about is marked."""
    if not document.dependencies:
        return ""
    edges = [(edge.source, edge.target) for edge in document.dependencies]
    columns = _columns(edges)
    places = {name: (20 + 230 * column, 20 + 56 * row) for column, names in enumerate(columns) for row, name in enumerate(names)}
    affected = {one.service: one.why for one in document.affected}
    target = document.target.partition("/")[2]
    boxes = "".join(_box(name, *place, "target" if name == target else "affected" if name in affected else "") for name, place in places.items())
    arrows = "".join(f'<path class="arrow" d="M{places[source][0] + 180} {places[source][1] + 18} L{places[target][0]} {places[target][1] + 18}"/>'
                     for source, target in edges)
    wide, high = 230 * len(columns) + 20, 20 + 56 * max(map(len, columns))
    listed = table(("service", "needs", "how that is known"), [(edge.source, edge.target, edge.how) for edge in document.dependencies])
    marked = "".join(f"<li><b>{safe(one.service)}</b>: {safe(one.why)}</li>" for one in document.affected)
    return (f'<div class="wide" tabindex="0" role="region" aria-label="Map of services"><svg class="map" role="img" '
            f'aria-label="Which service needs which; the lists below say the same" viewBox="0 0 {wide} {high}" '
            f'style="min-width: {wide * 0.7:.0f}px; max-width: {wide}px">{arrows}{boxes}</svg></div><p>Marked as affected:</p><ul>{marked}</ul>{listed}')


def _columns(edges: t.Sequence[tuple[str, str]]) -> list[list[str]]:
    names = list(dict.fromkeys(name for edge in edges for name in edge))
    depth = dict.fromkeys(names, 0)
    for _round in names:  # as many rounds as names end even where services need each other in a circle
        for source, target in edges:
            if depth[target] <= depth[source] < len(names) - 1:
                depth[target] = depth[source] + 1
    used = sorted(set(depth.values()))
    return [[name for name in names if depth[name] == level] for level in used]


def _box(name: str, left: int, top: int, mark: str) -> str:
    short = name if len(name) <= 24 else name[:23] + "…"
    return (f'<g class="{mark}"><rect class="box" x="{left}" y="{top}" width="180" height="36" rx="6"/>'
            f'<text x="{left + 10}" y="{top + 23}">{safe(short)}<title>{safe(name)}</title></text></g>')


def _evidence(document: Document) -> str:
    rows = "".join(f'<tr><td><a href="evidence/{safe(item["name"])}">{safe(item["name"])}</a></td><td>{safe(item["kind"])}</td>'
                   f'<td class="n">{safe(size(item["bytes"]))}</td><td class="mono">{safe(item["sha256"])}</td><td>{safe(item["source"])}</td></tr>'
                   for item in document.evidence)
    return _framed("Files of the evidence", ("file", "kind", "size", "sha256", "source"), rows) if rows else ""


def table(header: t.Sequence[str], rows: t.Sequence[t.Sequence[t.Any]]) -> str:
    """A table that is scrolled by itself; empty without rows."""
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{_code(cell)}</td>" for cell in row) + "</tr>" for row in rows[:_MOST_ROWS])
    more = f'<p class="dim">{len(rows) - _MOST_ROWS} more in report.json</p>' if len(rows) > _MOST_ROWS else ""
    return _framed(", ".join(str(name) for name in header if name), header, body) + more


def _code(cell: t.Any) -> str:
    """What stands between backticks for the ticket; in an element called ``code`` the redaction would take it for a log-in's."""
    return re.sub(r"`([^`]+)`", r'<span class="mono">\1</span>', safe(cell))


def _framed(label: str, header: t.Sequence[str], body: str) -> str:
    """A table that is scrolled by itself, also with the keyboard."""
    head = "".join(f'<th scope="col">{safe(name) or "&nbsp;"}</th>' for name in header)
    return (f'<div class="wide" tabindex="0" role="region" aria-label="{safe(label)}"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def _value(value: t.Any) -> str:
    return "(absent)" if value is None else str(value)


def _seconds(at: str) -> float:
    return moment(at).timestamp()


def _clock(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%H:%M:%S")
