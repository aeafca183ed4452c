# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done after an incident, by when, and what of it is done: the state is in the incident's record."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._standing import ended_at
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

Json = t.Dict[str, t.Any]

HOUR, DAY, WEEK = "within 1 hour", "within 24 hours", "within 1 week"
_WITHIN = {HOUR: datetime.timedelta(hours=1), DAY: datetime.timedelta(hours=24), WEEK: datetime.timedelta(days=7)}

#: step -> by when, and what it is
STEPS: dict[str, tuple[str, str]] = {
    "stability": (HOUR, "verify stability"),
    "temporary_fixes": (HOUR, "clear every temporary fix"),
    "timeline": (HOUR, "write the timeline"),
    "thanks": (HOUR, "thank responders"),
    "postmortem": (DAY, "post-mortem document"),
    "evidence": (DAY, "gather metrics and logs"),
    "meeting": (DAY, "schedule the meeting"),
    "runbooks": (DAY, "update runbooks"),
    "postmortem_checked": (WEEK, "finish the post-mortem"),
    "tickets": (WEEK, "tickets for action items"),
    "alerts": (WEEK, "update monitoring and alerts"),
    "digest": (WEEK, "share what was learnt"),
}

DONE, DUE, OVERDUE, LATER = "done", "due", "overdue", "later"


@dataclasses.dataclass(frozen=True)
class Row:
    """How one step stands.

    :param state: ``done``, ``due`` (its time runs), ``overdue``, or ``later`` (the incident is not over yet).
    :param due_at: ISO 8601, UTC; empty while the incident is not over.
    :param says: what came of it.
    """

    step: str
    within: str
    what: str
    state: str
    due_at: str = ""
    done_at: str = ""
    by: str = ""
    says: str = ""


def rows(incident: Incident, moment: datetime.datetime) -> list[Row]:
    """Every step of an incident at a moment."""
    kept, ended = incident.kept("aftermath."), ended_at(incident)
    return [_row(step, kept.get(f"aftermath.{step}"), ended, moment) for step in STEPS]


def done(incident: Incident, step: str, by: str, says: str, moment: datetime.datetime) -> None:
    """Record that a step is done."""
    if step not in STEPS:
        raise InvalidInput(f"{step!r} is no step of the aftermath.", f"The steps are {', '.join(STEPS)}.")
    incident.keep({f"aftermath.{step}": {"done_at": _iso(moment), "by": by, "says": says}})
    incident.note("aftermath", f"{STEPS[step][1]}: {says}" if says else STEPS[step][1])


def _row(step: str, kept: Json | None, ended: str, moment: datetime.datetime) -> Row:
    within, what = STEPS[step]
    due = datetime.datetime.fromisoformat(ended) + _WITHIN[within] if ended else None
    due_at = _iso(due) if due else ""
    if kept:
        return Row(step, within, what, DONE, due_at, kept["done_at"], kept["by"], kept["says"])
    return Row(step, within, what, LATER if due is None else OVERDUE if due < moment else DUE, due_at)


def _iso(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
