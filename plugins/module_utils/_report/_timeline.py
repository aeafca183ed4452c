# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that happened, in order: what the runbook noted, alerts, signals, our changes and those of others, messages, escalations."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import FIELD_MANAGER
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import INTENDED, Incident

Json = t.Dict[str, t.Any]

STEP, ALERT, SIGNAL, OURS, OTHERS, MESSAGE, ESCALATION = "step", "alert", "signal", "our change", "others' change", "message", "escalation"
_OF_PHASE = {"alert": ALERT, "communicate": MESSAGE, "escalate": ESCALATION, "acknowledge": ESCALATION}
#: what has become of a message for good; what still waits may look otherwise when the report is proven
_SETTLED = {"sent", "rejected", "unclear"}
#: changes of others that the record keeps, the newest
MOST_OTHERS = 100
#: rows of a correlation's time line that are no change of anybody
_NO_CHANGE = {"signal", "onset", "runbook"}


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of the timeline.

    :param kind: ``step`` (of the runbook), ``alert``, ``signal``, ``our change``, ``others' change``, ``message`` or ``escalation``.
    :param phase: of the runbook that noted it; empty for what it did not note itself.
    """

    at: str
    kind: str
    phase: str
    text: str
    by: str

    @property
    def what(self) -> str:
        """Its kind in a word; of a step of the runbook the phase."""
        return self.phase if self.kind == STEP else self.kind


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One signal at one moment.

    :param phase: of the runbook: ``detect``, ``verify``…
    :param value: None where it could not be measured.
    """

    at: str
    phase: str
    name: str
    value: float | None
    threshold: float | None
    breached: bool
    text: str


def timeline(incident: Incident, signals: t.Sequence[Measurement], written_at: str) -> tuple[Event, ...]:
    """The lines of a record as it was at a moment."""
    found = [*(noted(event) for event in incident.timeline()), *_not_noted(incident), *_crossings(signals), *_deliveries(incident), *_others(incident)]
    end = moment(written_at)
    return tuple(sorted((event for event in found if moment(event.at) <= end), key=lambda event: moment(event.at)))


def noted(event: Json) -> Event:
    """A line that the record has."""
    kind = OURS if "change" in event or "ended" in event else _OF_PHASE.get(event["phase"], STEP)
    return Event(event["at"], kind, event["phase"], redact(event["text"]), event.get("by", ""))


def _not_noted(incident: Incident) -> t.Iterator[Event]:
    """Changes of the ledger that no line tells of: their run died before it could."""
    told = {event.get("change") for event in incident.timeline()}
    for entry in incident.ledger():
        if entry.number not in told and entry.state != INTENDED:
            yield Event(entry.at, OURS, "", redact(f"{entry.state}: {entry.change.summary}"), "")


def by_others(rows: t.Iterable[Json]) -> list[Json]:
    """What others changed, of the time line of a correlation: what a report keeps of it."""
    found = [{key: str(row.get(key) or "") for key in ("at", "kind", "object", "what", "by", "relation")} for row in rows
             if row["kind"] not in _NO_CHANGE and not row.get("symptom") and row.get("by") != FIELD_MANAGER]
    return found[-MOST_OTHERS:]


def _others(incident: Incident) -> t.Iterator[Event]:
    for row in incident.findings.get("changed", ()):
        related = f" ({row['relation']})" if row["relation"] else ""
        yield Event(row["at"], OTHERS, "", redact(f"{row['kind']} of {row['object']}: {row['what']}{related}"), redact(row["by"]))


def _crossings(signals: t.Sequence[Measurement]) -> t.Iterator[Event]:
    """Each time that a signal went over its threshold, or came back; of one that was never over it nothing."""
    over: dict[str, bool] = {}
    for signal in signals:
        if signal.breached != over.get(signal.name, False):
            yield Event(signal.at, SIGNAL, signal.phase, f"{signal.name} {'over its threshold' if signal.breached else 'clear again'}: {signal.text}", "")
        over[signal.name] = signal.breached


def _deliveries(incident: Incident) -> t.Iterator[Event]:
    for one in incident.kept("delivery.").values():
        if one["state"] in _SETTLED:
            yield Event(one["at"], MESSAGE, "", redact(f"message {one['number']} {one['state']} ({one['channel']})"), "")


def moment(text: str) -> datetime.datetime:
    """A time of the document."""
    return datetime.datetime.fromisoformat(text)
