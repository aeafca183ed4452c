# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of the aftermath: timeline, patches for the source, the draft of the post-mortem, proposals, and the digest."""

from __future__ import annotations

import csv
import io
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _compose, _standing
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import Item
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, UNDONE, Incident, LedgerEntry
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _owners
from ansible_collections.sre.runbooks.plugins.module_utils._report import _model
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import NOT_MEASURED
from ansible_collections.sre.runbooks.plugins.module_utils._report._markdown import table

Json = t.Dict[str, t.Any]

#: stands where the record does not know, and the linter finds it
BLANK = "_to be filled in_"


def timeline(incident: Incident, moment: str) -> list[tuple[str, str, str, str]]:
    """Time, what, event and who, in order, as the report has it."""
    return [(event.at, event.what, event.text, event.by)
            for event in _model.build(incident, incident.cluster_name, moment).timeline]


def as_csv(rows: t.Sequence[tuple[str, ...]]) -> str:
    """A timeline for a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows([("time", "what", "event", "by"), *(tuple(map(_harmless, row)) for row in rows)])
    return text.getvalue()


def as_markdown(rows: t.Sequence[tuple[str, ...]]) -> str:
    """A timeline for the ticket."""
    return table(("time", "what", "event"), [row[:3] for row in rows])


def temporary(incident: Incident) -> list[LedgerEntry]:
    """The temporary fixes that are still in force."""
    return [entry for entry in incident.ledger() if entry.state == DONE and entry.change.temporary]


def patches(entries: t.Sequence[LedgerEntry]) -> dict[str, str]:
    """File name -> the patch that makes a temporary fix permanent in the source of its object."""
    return {f"aftermath/permanent-{entry.number}-{entry.change.target.name}.yml":
            f"# {redact(entry.change.summary)}\n# Merge this into the source of {entry.change.target}, or take the change back with "
            f"incident/clear_temporary_fixes.yml.\n{_owners.patch(entry.change)}" for entry in entries}


def postmortem(incident: Incident, evidence: t.Sequence[Item], moment: str) -> str:
    """The draft in the blameless form: what the record knows, and blanks where it does not."""
    head, ended = incident.head, _standing.ended_at(incident)
    document = _model.build(incident, incident.cluster_name, moment)
    acknowledged = incident.acknowledged
    seconds = _standing.duration(incident)
    cause = _compose.root_cause(document) or (head.get("cause") or "").replace("_", " ")
    fixes = [str(fix) for fix in document.diagnosis.get("fixes", [])]
    impact = _bullets([f"{row.question}: {BLANK if row.answer == NOT_MEASURED else row.answer}{f' ({row.how})' if row.how else ''}"
                       for row in document.impact])
    made = [entry for entry in incident.ledger() if entry.state in (DONE, UNDONE)]
    sections = [
        ("Summary", f"{head.get('title') or head['type']} ({head.get('severity', '')}) on {incident.target}, cluster {incident.cluster_name}. "
                    f"{'It lasted ' + _standing.words(seconds) + '.' if seconds is not None else 'It is not over yet.'} "
                    f"{'Cause: ' + cause + '.' if cause else 'The cause is not established.'}"),
        ("Impact", impact),
        ("Timeline", as_markdown(timeline(incident, moment))),
        ("Detection", "\n".join(f"- {event['at']} {redact(event['text'])}" for event in incident.timeline() if event["phase"] == "detect")
         + f"\n\nHow long it had gone on before: {BLANK}"),
        ("Response", _bullets([f"opened at {head['opened_at']} by {head['opened_by']}",
                               f"acknowledged by {acknowledged['by']} at {acknowledged['at']}" if acknowledged else "nobody had acknowledged it",
                               *(f"{entry.at} {redact(entry.change.summary)} ({entry.state})" for entry in made),
                               f"ended as {incident.status.replace('_', ' ')} at {ended}" if ended else "not ended"])),
        ("Root cause", _whys(cause, [statement.text for statement in document.root_cause[1:]])),
        ("What went well", BLANK),
        ("What did not go well", _bullets(_failures(incident)) or BLANK),
        ("Where we were lucky", BLANK),
        ("Actions", table(("action", "owner", "due", "ticket"),
                          [(f"settle the temporary fix: {redact(entry.change.summary)}", "", "", "") for entry in temporary(incident)]
                          + [(fix, "", "", "") for fix in fixes] or [(BLANK, "", "", "")])),
        ("Evidence", table(("file", "kind", "sha256"), [(f"evidence/{item.name}", item.kind, item.sha256) for item in evidence])),
    ]
    title = f"# Post-mortem: {head.get('title') or head['type'].replace('_', ' ')}\n\n"
    intro = (f"Incident `{incident.id}`, drafted at {moment} from its record. It looks for what made the incident possible, and not for who; "
             f"people who acted are named only where they are thanked.\n")
    return title + intro + "".join(f"\n## {name}\n\n{body}\n" for name, body in sections)


def proposals(incident: Incident) -> str:
    """What the runbook of this incident's type may learn from it, each with what it follows from."""
    found = []
    if incident.status not in ("mitigated", "cleared"):
        found.append(f"The runbook ended as {incident.status.replace('_', ' ')}: add the step that helped in the end to role `{incident.head['type']}`.")
    if not incident.head.get("cause"):
        found.append(f"No cause was established: add one to the table of causes of `{incident.head['type']}` (docs/causes.md), with the fact that "
                     "would have decided.")
    found += [f"Change {entry.number} ({redact(entry.change.summary)}) was taken back: is it the right one for the cause "
              f"{incident.head.get('cause') or 'that was found'}?" for entry in incident.ledger() if entry.state == UNDONE and not entry.change.temporary]
    found += [f"A run failed at {event['at']}: {redact(event['text'])}." for event in incident.timeline() if event["text"].startswith("failed: ")]
    found += [f"{step} took {_standing.words(seconds)}, the longest of all phases: can it go beside another?" for step, seconds in _longest(incident)]
    return f"# What the runbook may learn from {incident.id}\n\n{_bullets(found) or 'Nothing that the record shows.'}\n"


def digest(incident: Incident) -> str:
    """What was learnt, in a few lines to share."""
    seconds = _standing.duration(incident)
    lines = [f"what: {incident.head.get('title') or incident.head['type']} on {incident.target}",
             f"cause: {(incident.head.get('cause') or 'not established').replace('_', ' ')}",
             f"lasted: {_standing.words(seconds) if seconds is not None else 'not over'}",
             *(f"done: {redact(entry.change.summary)}" for entry in _standing.in_force(incident)),
             f"answered by: {', '.join(_compose.people(incident))}"]
    return f"# {incident.id}\n\n{_bullets(lines)}\n"


def _failures(incident: Incident) -> list[str]:
    return [redact(event["text"]) for event in incident.timeline() if event["text"].startswith("failed: ")]


def _whys(cause: str, evidence: t.Sequence[str]) -> str:
    """The first of the five is what the diagnosis says, with its evidence; the others are for people."""
    first = f"1. Why did it fail? {cause[:1].upper()}{cause[1:]} (from the diagnosis)." if cause else f"1. Why did it fail? {BLANK}"
    return "\n".join([first, *(f"   - {text}" for text in evidence if cause), *(f"{number}. Why? {BLANK}" for number in range(2, 6))])


def _longest(incident: Incident) -> list[tuple[str, float]]:
    events = incident.timeline()
    gaps = [(f"From {earlier['phase']} to {later['phase']}", _standing.between(earlier["at"], later["at"]))
            for earlier, later in zip(events, events[1:], strict=False) if later["at"] <= (_standing.ended_at(incident) or later["at"])]
    longest = max(gaps, key=lambda gap: gap[1], default=("", 0.0))
    return [longest] if longest[1] >= 60 else []


def _harmless(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@")) else cell


def _bullets(lines: t.Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
