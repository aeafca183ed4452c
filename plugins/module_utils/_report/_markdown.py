# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an incident in Markdown, ready for the ticket."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._checked import Phrased
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import says
from ansible_collections.sre.runbooks.plugins.module_utils._report._model import Document, Json, Measurement, Statement, duration


def render(document: Document) -> str:
    """The whole report; what happened, who was hit, what was done and what is open come first."""
    sections = (
        _head(document),
        _section("Summary", " ".join(statement.text for statement in document.summary)),
        _section("Customer impact", table(("question", "answer", "how it is known"), [(row.question, row.answer, row.how) for row in document.impact])),
        _section("What is open", _open(document)),
        _section("Root cause", _statements(document.root_cause)),
        _section("Other causes", _others(document)),
        _section("Remediation", _statements(document.remediation)),
        _section("Signals", _signals(document)),
        *(_section(figures["title"], table(figures["header"], figures["rows"])) for figures in document.diagnosis.get("tables", [])),
        _section("Left out", _left_out(document)),
        *(_section(f"By a language model: {wrote.purpose}", _assistant(wrote)) for wrote in document.assistant),
        _section("Changes", _changes(document)),
        _section("Affected services", _services(document)),
        _section("Health", _health(document.health["before"], document.health["after"])),
        _section("Evidence", _evidence(document.evidence)),
        _section("Timeline", table(("time", "what", "event", "by"), [
            (event.at, event.what, event.text, event.by) for event in document.timeline])),
    )
    return "\n".join(section for section in sections if section)


def _head(document: Document) -> str:
    rows = [("Incident", f"`{document.id}`"), ("Severity", document.severity), ("Cluster", document.cluster), ("Target", f"`{document.target}`"),
            ("Opened", f"{document.opened_at} by {document.opened_by}"),
            ("Duration", duration(document.opened_at, document.ended_at) if document.ended_at else "open"),
            ("Acknowledged", f"{document.acknowledged_at} by {document.acknowledged_by}" if document.acknowledged_by else "by nobody yet"),
            ("Outcome", f"**{document.outcome}**")]
    return f"# {_line(document.title)}\n\n{says(document.outcome)}\n\n{table(('', ''), rows)}"


def _open(document: Document) -> str:
    in_force = [f"- in force for a while: {_line(change.summary)}" for change in document.changes if change.in_force]
    rows = [(row.action, row.owner, row.due) for row in document.follow_ups]
    return "\n".join([*in_force, *([""] if in_force and rows else []), *([table(("action", "owner", "due"), rows)] if rows else [])]) or "Nothing."


def _statements(statements: t.Sequence[Statement]) -> str:
    return "\n".join(f"- {_line(statement.text)}" for statement in statements)


def _assistant(wrote: Phrased) -> str:
    return "\n".join([wrote.says, *([""] if wrote.sentences else []), *(f"- {_line(one.text)} ({', '.join(map(_line, one.refs))})" for one in wrote.sentences)])


def _others(document: Document) -> str:
    lines = []
    for candidate in document.diagnosis.get("candidates", []):
        if candidate["name"] == document.diagnosis.get("cause"):
            continue
        lines.append(f"- **{_line(candidate['title'])}**")
        lines += [f"  - for: {_line(text)}" for text in candidate["evidence_for"]]
        lines += [f"  - against: {_line(text)}" for text in candidate["evidence_against"]]
    return "\n".join(lines)


def _signals(document: Document) -> str:
    first, last = document.first_and_last()
    rows = [(name, _mark(signal), _mark(last.get(name))) for name, signal in first.items()]
    return table(("signal", "detected", "at the end"), rows) if rows else ""


def _mark(signal: Measurement | None) -> str:
    if signal is None:
        return "not measured"
    return f"{'**over** ' if signal.breached else ''}{signal.text}"


def _changes(document: Document) -> str:
    rows = [(change.number, change.summary, f"`{field.path}`", _value(field.before), _value(field.after), f"{change.state} {change.at}",
             "temporary" if change.temporary else "stays") for change in document.changes for field in change.fields]
    ended = [f"- {event.at}: {_line(event.text)}, which cannot be taken back" for event in document.ended_sessions]
    made = table(("#", "change", "field", "before", "after", "state", ""), rows) if rows else ""
    return "\n\n".join(filter(None, (made, "\n".join(ended)))) or "None."


def _services(document: Document) -> str:
    rows = [(edge.source, "needs", edge.target, edge.how) for edge in document.dependencies]
    affected = "\n".join(f"- **{_line(one.service)}**: {_line(one.why)}" for one in document.affected)
    return f"{affected}\n\n{table(('service', '', 'service', 'how that is known'), rows)}" if rows else affected


def _left_out(document: Document) -> str:
    return f"Too long for the record, and in the evidence: {', '.join(document.left_out)}." if document.left_out else ""


def _health(before: t.Sequence[Json], after: t.Sequence[Json]) -> str:
    later = {row["name"]: row for row in after}
    rows = [(row["name"], _state(row), _state(later.get(row["name"]))) for row in before]
    return table(("check", "before", "after"), rows) if rows else ""


def _state(row: Json | None) -> str:
    if row is None:
        return "not checked"
    return f"{row['status'] if row['status'] == 'ok' else '**' + row['status'] + '**'} {row['detail'] or row['value']}".strip()


def _evidence(items: t.Sequence[Json]) -> str:
    rows = [(f"`evidence/{item['name']}`", item["kind"], size(item["bytes"]), f"`{item['sha256']}`", item["captured_at"], item["source"]) for item in items]
    return table(("file", "kind", "size", "sha256", "captured", "source"), rows) if rows else "None."


def _section(title: str, body: str) -> str:
    return f"\n## {title}\n\n{body}\n" if body else ""


def table(header: t.Sequence[str], rows: t.Sequence[t.Sequence[t.Any]]) -> str:
    """A table whose cells cannot leave it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _line(text: t.Any) -> str:
    """One line, whatever was in it."""
    return " ".join(str(text).split("\n"))


def _value(value: t.Any) -> str:
    return "(absent)" if value is None else f"`{value}`"
