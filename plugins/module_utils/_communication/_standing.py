# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an incident stands, as messages may say it: everything here follows from the record."""

from __future__ import annotations

import datetime
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, UNDONE, Incident, LedgerEntry

INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = "Investigating", "Identified", "Monitoring", "Resolved"

#: what a record ends with when its signals were clear for the whole window of the verification
_CLEAR = {"mitigated", "cleared", "closed"}


def status(incident: Incident) -> str:
    """Investigating, Identified, Monitoring or Resolved."""
    if not why_not_resolved(incident):
        return RESOLVED
    if incident.status in ("open", *_CLEAR) and in_force(incident):
        return MONITORING
    return IDENTIFIED if incident.head.get("cause") or any(entry.state == DONE for entry in incident.ledger()) else INVESTIGATING


def why_not_resolved(incident: Incident) -> str:
    """Why nobody may say that the incident is over; empty where it is."""
    if incident.status == "open":
        return "its runbook has not ended, so the signals have not been clear for the window of its verification"
    if incident.status == "mitigated_for_now":
        return "it is mitigated for now only: its cause is still there"
    if incident.status not in _CLEAR:
        return f"its runbook ended as {incident.status.replace('_', ' ')}: the signals were not clear for the window of the verification"
    ended = ended_at(incident)
    checked = last_stability(incident)
    if checked and checked["at"] >= ended and not checked["clear"]:
        return f"the signals were measured again at {checked['at']}, and were not clear: {checked['says']}"
    later = [entry for entry in incident.ledger() if entry.state == UNDONE and entry.at > ended and not (checked and checked["at"] > entry.at)]
    if later:
        return (f"change {later[-1].number} was taken back at {later[-1].at}, after the verification, and nobody has measured since "
                "(incident/after_hour.yml does)")
    return ""


def ended_at(incident: Incident) -> str:
    """When the record was settled last, ISO 8601, UTC; empty while it is open."""
    if incident.status == "open":
        return ""
    ends = [event["at"] for event in incident.timeline() if event["phase"] == "report" and event["text"].startswith("outcome: ")]
    return ends[-1] if ends else incident.head["opened_at"]


def last_stability(incident: Incident) -> dict[str, t.Any] | None:
    """The last time that the signals were measured after the runbook: ``at``, ``clear``, ``says``."""
    found = sorted(incident.kept("stability.").values(), key=lambda one: one["at"])
    return found[-1] if found else None


def in_force(incident: Incident) -> list[LedgerEntry]:
    """The changes that are made and not taken back."""
    return [entry for entry in incident.ledger() if entry.state == DONE]


def taken_back(incident: Incident, told: t.Sequence[Message]) -> list[LedgerEntry]:
    """The changes that earlier messages told as done and that have been taken back since, without a message that said so."""
    undone = {entry.number: entry for entry in incident.ledger() if entry.state == UNDONE}
    named: set[int] = set()
    for message in told:
        named = {number for number in named | set(message.named) if not (number in undone and undone[number].at < message.at)}
    return [undone[number] for number in sorted(named & set(undone))]


def wrongly_resolved(incident: Incident, told: t.Sequence[Message]) -> Message | None:
    """The last message, where it said that the incident is over and the record says something else now."""
    about = [message for message in told if message.kind in ("initial", "update", "resolved")]
    return about[-1] if about and about[-1].status == RESOLVED and status(incident) != RESOLVED else None


def duration(incident: Incident) -> float | None:
    """Seconds from opening to the end, None while it is open."""
    ended = ended_at(incident)
    return (_time(ended) - _time(incident.head["opened_at"])).total_seconds() if ended else None


def eta(incident: Incident, others: t.Sequence[Incident], moment: str) -> str:
    """When it is likely over: from how long this runbook took before, or unknown, and why.

    :param others: the incidents of the namespace.
    :param moment: now, ISO 8601, UTC.
    """
    same = [other for other in others if other.id != incident.id and other.head["type"] == incident.head["type"] and not why_not_resolved(other)]
    took = sorted(seconds for seconds in map(duration, same) if seconds is not None)
    if not took:
        return "unknown (this runbook has ended no incident here before)"
    spread = f"{len(took)} earlier {'one' if len(took) == 1 else 'ones'} took {words(took[0])}{'' if len(took) == 1 else f' to {words(took[-1])}'}"
    end = _time(incident.head["opened_at"]) + datetime.timedelta(seconds=statistics.median(took))
    if end <= _time(moment):
        return f"unknown (it takes longer than usual: {spread})"
    return f"{_clock(end)} ({spread})"


def words(seconds: float) -> str:
    """A duration for people."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _clock(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def clock(text: str) -> str:
    """An ISO 8601 time for people."""
    return _clock(_time(text))


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def between(earlier: str, later: str) -> float:
    """Seconds between two times."""
    return (_time(later) - _time(earlier)).total_seconds()
