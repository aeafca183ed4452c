# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The invitation to the post-mortem as iCalendar (RFC 5545)."""

from __future__ import annotations

import datetime
import email.utils
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

try:
    import icalendar
except ImportError:
    pass


def moment_of(given: str, ended: datetime.datetime) -> datetime.datetime:
    """When the meeting is: as given (ISO 8601 with a zone), or on the next business day after the end, at 10:00 UTC."""
    if given:
        try:
            moment = datetime.datetime.fromisoformat(given)
        except ValueError:
            raise InvalidInput(f"aftermath_meeting_at: {given!r} is no time.", "For example: 2026-12-01T10:00:00Z") from None
        if moment.tzinfo is None:
            raise InvalidInput(f"aftermath_meeting_at: {given!r} does not say in which zone.", "For example: 2026-12-01T10:00:00Z")
        return moment
    day = ended + datetime.timedelta(days=1)
    while day.weekday() > 4:
        day += datetime.timedelta(days=1)
    return day.astimezone(datetime.timezone.utc).replace(hour=10, minute=0, second=0, microsecond=0)


def invitation(incident: Incident, moment: datetime.datetime, minutes: int, organizer: str, attendees: t.Sequence[str], written: datetime.datetime) -> str:
    """The text of the .ics file; the same incident gives the same event, so that a second one moves it.

    :param attendees: mail addresses.
    """
    require("icalendar")
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//sre.runbooks//post-mortem//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST")
    event = icalendar.Event()
    event.add("uid", f"{incident.cluster_name}.{incident.id}@sre.runbooks")
    event.add("sequence", int(written.timestamp()))
    event.add("dtstamp", written.astimezone(datetime.timezone.utc))
    event.add("dtstart", moment.astimezone(datetime.timezone.utc))
    event.add("dtend", moment.astimezone(datetime.timezone.utc) + datetime.timedelta(minutes=minutes))
    event.add("summary", f"Post-mortem of {incident.id}: {incident.head.get('title') or incident.head['type']}")
    event.add("description", f"Blameless: we look for what made it possible. The draft is postmortem.md of {incident.id}.")
    if organizer:
        event.add("organizer", f"mailto:{_address(organizer)}")
    for attendee in attendees:
        who = icalendar.vCalAddress(f"mailto:{_address(attendee)}")
        who.params["ROLE"], who.params["RSVP"] = icalendar.vText("REQ-PARTICIPANT"), icalendar.vText("TRUE")
        event.add("attendee", who, encode=0)
    calendar.add_component(event)
    return calendar.to_ical().decode()


def _address(text: str) -> str:
    address = email.utils.parseaddr(text)[1]
    if "@" not in address:
        raise InvalidInput(f"{text!r} is no mail address.", "For example: ada@example.org")
    return address
