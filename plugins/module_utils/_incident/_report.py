# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an incident in Markdown, ready for the ticket."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import Item
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import OUTCOMES
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

Json = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the runbook found.

    :param outcome: one of ``_outcomes.RECORDED``.
    :param before: signals when the incident was detected.
    :param after: signals at the end, empty if not measured.
    :param diagnosis: cause, candidates and what else the role's diagnosis returned.
    :param next_steps: what a person should do now.
    :param health_before: rows of the health check when the runbook began; ``health_after`` when it ended.
    """

    outcome: str
    before: t.Sequence[Json] = ()
    after: t.Sequence[Json] = ()
    diagnosis: Json = dataclasses.field(default_factory=dict)
    next_steps: t.Sequence[str] = ()
    health_before: t.Sequence[Json] = ()
    health_after: t.Sequence[Json] = ()


def render(incident: Incident, cluster: str, evidence: t.Sequence[Item], findings: Findings) -> str:
    """The whole report."""
    sections = (
        _head(incident, cluster, findings),
        _section("Signals", _signals(findings.before, findings.after)),
        _section("Cause", _cause(findings.diagnosis)),
        *(_section(table["title"], _table(table["header"], table["rows"])) for table in findings.diagnosis.get("tables", [])),
        _section("Changes", _changes(incident)),
        _section("Health", _health(findings.health_before, findings.health_after)),
        _section("Evidence", _evidence(evidence)),
        _section("Timeline", _timeline(incident)),
        _section("Next steps", _bullets(findings.next_steps)),
        _section("Long-term fixes", _bullets(findings.diagnosis.get("fixes", []))),
    )
    return "\n".join(section for section in sections if section)


def _head(incident: Incident, cluster: str, findings: Findings) -> str:
    head = incident.head
    rows = [("Incident", f"`{incident.id}`"), ("Severity", head.get("severity", "")), ("Cluster", cluster),
            ("Target", f"`{incident.target}`"), ("Opened", f"{head['opened_at']} by {head['opened_by']}"),
            ("Duration", _duration(incident)), ("Outcome", f"**{findings.outcome}**")]
    title = head.get("title") or head["type"].replace("_", " ")
    return f"# {title}\n\n{OUTCOMES[findings.outcome].says}\n\n{_table(('', ''), rows)}"


def _signals(before: t.Sequence[Json], after: t.Sequence[Json]) -> str:
    later = {signal["name"]: signal for signal in after}
    rows = [(signal["name"], _mark(signal), _mark(later.get(signal["name"]))) for signal in before]
    return _table(("signal", "detected", "at the end"), rows) if rows else ""


def _health(before: t.Sequence[Json], after: t.Sequence[Json]) -> str:
    later = {row["name"]: row for row in after}
    rows = [(row["name"], _state(row), _state(later.get(row["name"]))) for row in before]
    return _table(("check", "before", "after"), rows) if rows else ""


def _state(row: Json | None) -> str:
    if row is None:
        return "not checked"
    return f"{row['status'] if row['status'] == 'ok' else '**' + row['status'] + '**'} {row['detail'] or row['value']}".strip()


def _mark(signal: Json | None) -> str:
    if signal is None:
        return "not measured"
    return f"{'**over** ' if signal['breached'] else ''}{signal['text']}"


def _cause(diagnosis: Json) -> str:
    lines = []
    for candidate in diagnosis.get("candidates", []):
        chosen = " (chosen)" if candidate["name"] == diagnosis.get("cause") else ""
        lines.append(f"- **{candidate['title']}**{chosen}")
        lines += [f"  - for: {text}" for text in candidate["evidence_for"]]
        lines += [f"  - against: {text}" for text in candidate["evidence_against"]]
    return "\n".join(lines)


def _changes(incident: Incident) -> str:
    rows = [(str(entry.number), redact(entry.change.summary), f"`{path}`", _value(before), _value(after),
             f"{entry.state} {entry.at}", "temporary" if entry.change.temporary else "stays")
            for entry in incident.ledger() for field in entry.change.fields for path, before, after in field.shown()]
    return _table(("#", "change", "field", "before", "after", "state", ""), rows) if rows else "None."


def _evidence(items: t.Sequence[Item]) -> str:
    rows = [(f"`evidence/{item.name}`", item.kind, size(item.bytes), f"`{item.sha256}`", item.captured_at, item.source)
            for item in items]
    return _table(("file", "kind", "size", "sha256", "captured", "source"), rows) if rows else "None."


def _timeline(incident: Incident) -> str:
    return _table(("time", "phase", "event"),
                  [(event["at"], event["phase"], event["text"]) for event in incident.timeline()])


def _bullets(lines: t.Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _section(title: str, body: str) -> str:
    return f"\n## {title}\n\n{body}\n" if body else ""


def _table(header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
                     for line in lines)


def _duration(incident: Incident) -> str:
    opened = datetime.datetime.fromisoformat(incident.head["opened_at"].replace("Z", "+00:00"))
    last = max((event["at"] for event in incident.timeline()), default=incident.head["opened_at"])
    seconds = (datetime.datetime.fromisoformat(last.replace("Z", "+00:00")) - opened).total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _value(value: t.Any) -> str:
    return "(absent)" if value is None else f"`{value}`"
