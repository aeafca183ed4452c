# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident as one typed document, made from its record: what report, messages, aftermath and learning read.

``docs/schema/incident.json`` is its form. Every statement in it names what it comes from, so that it can be derived again.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._checked import Phrased
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact, redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import says
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, UNDONE, Incident, LedgerEntry
from ansible_collections.sre.runbooks.plugins.module_utils._report import _timeline
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import NOT_MEASURED, Impact, impact
from ansible_collections.sre.runbooks.plugins.module_utils._report._phrased import phrased
from ansible_collections.sre.runbooks.plugins.module_utils._report._timeline import Event, Measurement, moment

Json = t.Dict[str, t.Any]
SCHEMA_VERSION = "1.2"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a change, without secrets."""

    path: str
    before: t.Any
    after: t.Any


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of this incident, and what became of it."""

    number: int
    action: str
    target: str
    summary: str
    state: str
    at: str
    temporary: bool
    reversible: bool
    expires_at: str
    fields: tuple[Field, ...]

    @property
    def in_force(self) -> bool:
        """Whether it is a temporary change that has not been taken back."""
        return self.temporary and self.state == DONE


@dataclasses.dataclass(frozen=True)
class FollowUp:
    """Something that is left to do."""

    action: str
    owner: str
    due: str


@dataclasses.dataclass(frozen=True)
class Dependency:
    """Which workload needs which, and how that is known."""

    source: str
    target: str
    how: str


@dataclasses.dataclass(frozen=True)
class Affected:
    """A service that the incident is about, or that needs one which is.

    :param why: for a person.
    """

    service: str
    why: str


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A change that could not be taken back now.

    :param change: its number.
    :param why: who has written since, and what.
    """

    change: int
    why: str


@dataclasses.dataclass(frozen=True)
class Rehearsal:
    """Taking every reversible change back, tried without writing.

    :param at: empty where it was not tried.
    :param restorable: numbers of the changes that would be taken back.
    :param settled: those with nothing to take back.
    :param failed: why it could not be tried.
    """

    at: str = ""
    restorable: tuple[int, ...] = ()
    settled: tuple[int, ...] = ()
    refused: tuple[Refusal, ...] = ()
    failed: str = ""


@dataclasses.dataclass(frozen=True)
class Statement:
    """One sentence of the report.

    :param refs: what it comes from: ``event:TIME``, ``change:NUMBER``, ``signal:NAME@TIME``, ``evidence:NAME`` or ``finding:NAME``.
    """

    id: str
    text: str
    refs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Document:
    """An incident on one cluster.

    :param written_at: what happened later is not in it.
    :param ended_at: when its outcome was noted; empty while it is open.
    :param diagnosis: cause, verdict, candidates (title, verdict, evidence_for, evidence_against), fixes and tables.
    :param evidence: the manifest: name, kind, source, sha256, bytes, captured_at.
    :param ended_sessions: database sessions that were ended, which cannot be taken back.
    :param rehearsal: of the undo.
    :param left_out: findings that were too long for the record.
    :param health: rows of the health check, ``before`` and ``after``.
    :param assistant: what a language model wrote of all the rest, where one was asked.
    """

    schema_version: str
    id: str
    type: str
    title: str
    severity: str
    cluster: str
    target: str
    outcome: str
    opened_at: str
    opened_by: str
    ended_at: str
    written_at: str
    acknowledged_by: str
    acknowledged_at: str
    summary: tuple[Statement, ...]
    root_cause: tuple[Statement, ...]
    remediation: tuple[Statement, ...]
    impact: tuple[Impact, ...]
    dependencies: tuple[Dependency, ...]
    affected: tuple[Affected, ...]
    signals: tuple[Measurement, ...]
    timeline: tuple[Event, ...]
    changes: tuple[Change, ...]
    ended_sessions: tuple[Event, ...]
    rehearsal: Rehearsal
    left_out: tuple[str, ...]
    follow_ups: tuple[FollowUp, ...]
    diagnosis: Json
    next_steps: tuple[str, ...]
    health: Json
    evidence: tuple[Json, ...]
    assistant: tuple[Phrased, ...]

    def first_and_last(self) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
        """By signal the first measurement, and the last that was made after the detection."""
        first: dict[str, Measurement] = {}
        for signal in self.signals:
            first.setdefault(signal.name, signal)
        return first, {signal.name: signal for signal in self.signals if signal.phase != "detect"}

    def to_json(self) -> Json:
        """By docs/schema/incident.json."""
        return dataclasses.asdict(self)


def build(incident: Incident, cluster: str, written_at: str) -> Document:
    """The document of a record, as it was at a moment."""
    findings = incident.findings
    changes = tuple(_changes(incident, written_at))
    signals = tuple(measurement for measurement in _signals(incident) if measurement.at <= written_at)
    timeline = _timeline.timeline(incident, signals, written_at)
    ended = tuple(_timeline.noted(event) for event in incident.ended_sessions() if event["at"] <= written_at)
    dependencies = _dependencies(findings)
    taken = incident.acknowledged if incident.acknowledged and incident.acknowledged["at"] <= written_at else None
    outcome = findings.get("outcome") or incident.status
    base = Document(
        SCHEMA_VERSION, incident.id, incident.head["type"], redact(incident.head.get("title") or incident.head["type"].replace("_", " ")),
        incident.head.get("severity", ""), cluster, str(incident.target), outcome, incident.head["opened_at"], incident.head["opened_by"],
        max((event.at for event in timeline if event.text.startswith("outcome: ")), default=""), written_at,
        taken["by"] if taken else "", taken["at"] if taken else "", (), (), (), (), dependencies,
        _affected(incident.target.short, dependencies), signals, timeline, changes, ended, _rehearsal(findings.get("rehearsal", {})),
        tuple(findings.get("left_out", ())), (),
        redact_object(findings.get("diagnosis", {})), tuple(map(redact, findings.get("next_steps", ()))),
        redact_object({"before": findings.get("health_before", []), "after": findings.get("health_after", [])}),
        tuple(item for item in incident.evidence if item["captured_at"] <= written_at), ())
    whole = dataclasses.replace(base, summary=_summary(base), root_cause=_root_cause(base), remediation=_remediation(base),
                                impact=impact(findings.get("impact", ()), base.first_and_last()[0]), follow_ups=_follow_ups(base))
    return dataclasses.replace(whole, assistant=phrased(incident, whole.to_json, written_at))


def duration(begin: str, end: str) -> str:
    """The time between two moments, for a person."""
    seconds = (moment(end) - moment(begin)).total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _signals(incident: Incident) -> t.Iterator[Measurement]:
    for reading in incident.measurements():
        for signal in reading["signals"]:
            yield Measurement(reading["at"], reading["phase"], signal["name"], signal.get("value"), signal.get("threshold"),
                              bool(signal.get("breached")), redact(str(signal.get("text", ""))))


def _changes(incident: Incident, written_at: str) -> t.Iterator[Change]:
    """As they stood then: what was taken back later was still in force."""
    made = {event["change"]: event["at"] for event in reversed(incident.timeline()) if event.get("change") and event["text"].startswith("changed: ")}
    for entry in incident.ledger():
        state, at = entry.state, entry.at
        if state == DONE or at > written_at:
            state, at = DONE, made.get(entry.number, at)
        if at <= written_at:
            yield _change(entry, state, at)


def _change(entry: LedgerEntry, state: str, at: str) -> Change:
    change = entry.change
    fields = tuple(Field(path, redact_object(before), redact_object(after)) for field in change.fields for path, before, after in field.shown())
    return Change(entry.number, change.action, str(change.target), redact(change.summary), state, at, change.temporary, change.reversible,
                  change.expires_at, fields)


def _dependencies(findings: Json) -> tuple[Dependency, ...]:
    return tuple(Dependency(str(edge["source"]), str(edge["target"]), _words(edge.get("how", ""))) for edge in findings.get("graph", ()))


def _affected(target: str, dependencies: t.Sequence[Dependency]) -> tuple[Affected, ...]:
    """The target, then who needs it, each through which one: the nearest first."""
    why = {target: "the incident is about it"}
    waiting = collections.deque([target])
    while waiting:
        service = waiting.popleft()
        for edge in dependencies:
            if edge.target == service and edge.source not in why:
                why[edge.source] = f"it needs {service}"
                waiting.append(edge.source)
    return tuple(Affected(service, because) for service, because in why.items())


def _rehearsal(found: Json) -> Rehearsal:
    return Rehearsal(found.get("at", ""), tuple(found.get("restorable", ())), tuple(found.get("settled", ())),
                     tuple(Refusal(row["change"], redact(row["why"])) for row in found.get("refused", ())), redact(found.get("failed", "")))


def _words(how: t.Any) -> str:
    return "; ".join(map(str, how)) if isinstance(how, (list, tuple)) else str(how)


def _summary(document: Document) -> tuple[Statement, ...]:
    """What happened, why, and what was done: three sentences."""
    worst = [signal for signal in document.signals if signal.breached and signal.phase == "detect"]
    seen = f": {worst[0].text}" if worst else ""
    until = f" until {document.ended_at} ({duration(document.opened_at, document.ended_at)})" if document.ended_at else ""
    happened = f"{document.title} on {document.target} in cluster {document.cluster} ({document.severity}), from {document.opened_at}{until}{seen}."
    statements = [Statement("summary.happened", happened, (f"event:{document.opened_at}", *_signal_refs(worst[:1])))]
    chosen = _chosen(document)
    because = f"Cause: {chosen['title']}." if chosen else "The cause is not known."
    statements.append(Statement("summary.cause", because, ("finding:diagnosis",)))
    done = [change for change in document.changes if change.state == DONE]
    what = "; ".join([*(change.summary for change in done), *(event.text for event in document.ended_sessions)]) or "nothing"
    statements.append(Statement("summary.done", f"Changed: {what}. {says(document.outcome)}",
                                (*(f"change:{change.number}" for change in done), *(f"event:{event.at}" for event in document.ended_sessions))
                                or ("finding:outcome",)))
    return tuple(statements)


def _chosen(document: Document) -> Json:
    return next((candidate for candidate in document.diagnosis.get("candidates", []) if candidate["name"] == document.diagnosis.get("cause")), {})


def _root_cause(document: Document) -> tuple[Statement, ...]:
    chosen = _chosen(document)
    if not chosen:
        return (Statement("cause.unknown", "No cause is established or likely.", ("finding:diagnosis",)),)
    kinds = [("for", text) for text in chosen.get("evidence_for", [])] + [("against", text) for text in chosen.get("evidence_against", [])]
    return (Statement("cause.title", f"{chosen['title']}.", ("finding:diagnosis",)),
            *(Statement(f"cause.{kind}.{number}", f"{kind}: {text}", ("finding:diagnosis",)) for number, (kind, text) in enumerate(kinds, 1)))


def _remediation(document: Document) -> tuple[Statement, ...]:
    """Each change, then what it did to the signals that were over their threshold."""
    lines = [Statement(f"change.{change.number}", f"{change.at}: {change.summary} ({change.state})", (f"change:{change.number}",))
             for change in document.changes]
    lines += [Statement(f"ended.{number}", f"{event.at}: {event.text}, which cannot be taken back", (f"event:{event.at}",))
              for number, event in enumerate(document.ended_sessions, 1)]
    first, last = document.first_and_last()
    for name, before in first.items():
        if before.breached:
            after = last.get(name)
            lines.append(Statement(f"effect.{name}", f"{name}: {before.text}; at the end {after.text if after else NOT_MEASURED}",
                                   _signal_refs([before, *([after] if after else [])])))
    taken = [change for change in document.changes if change.state == UNDONE]
    reversible = [change for change in document.changes if change.reversible]
    if document.changes:
        lines.append(Statement("reversible", f"Reversible: {len(reversible)} of {len(document.changes)} changes, {len(taken)} taken back; "
                               f"{_rehearsed(document.rehearsal)}.", (*(f"change:{change.number}" for change in document.changes), "finding:rehearsal")))
    return tuple(lines)


def _rehearsed(rehearsal: Rehearsal) -> str:
    if rehearsal.failed:
        return f"the undo could not be rehearsed ({rehearsal.failed})"
    if not rehearsal.at:
        return "the undo was not rehearsed"
    refused = "".join(f", change {row.change} would be refused ({row.why.rstrip('.')})" for row in rehearsal.refused)
    return f"the undo was rehearsed at {rehearsal.at}: it would take back {len(rehearsal.restorable)}{refused}"


def _follow_ups(document: Document) -> tuple[FollowUp, ...]:
    """What is in force for a while, what a person should do, and what would prevent it, with an owner as far as one is known."""
    owner = document.acknowledged_by or "not assigned"
    soon, later = _after(document.written_at, 1), _after(document.written_at, 7)
    temporary = [FollowUp(f"Take back or make permanent: {change.summary}", owner, change.expires_at or soon)
                 for change in document.changes if change.in_force]
    return (*temporary, *(FollowUp(step, owner, soon) for step in document.next_steps),
            *(FollowUp(fix, owner, later) for fix in document.diagnosis.get("fixes", [])))


def _signal_refs(signals: t.Sequence[Measurement]) -> tuple[str, ...]:
    return tuple(f"signal:{signal.name}@{signal.at}" for signal in signals)


def _after(at: str, days: int) -> str:
    return (moment(at) + datetime.timedelta(days=days)).date().isoformat()
