# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a message into the outbox, where the record allows what it says."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _channels, _compose, _outbox, _standing
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import Channel
from ansible_collections.sre.runbooks.plugins.module_utils._communication._compose import CADENCE, Said
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

NOTHING = Said()
#: the kinds that tell where an incident stands
ABOUT = ("initial", "update", "resolved")


def announce(incident: Incident, kind: str, template: str, channels: t.Mapping[str, Channel], others: t.Sequence[Incident] = (), said: Said = NOTHING,
             cadence: t.Mapping[str, int] | None = None, links: t.Mapping[str, str] | None = None, only_changes: bool = False,
             keep: bool = True, draft: str = "") -> tuple[Incident, Message | None]:
    """Compose a message and put it into the outbox; returns the record as it is then, and None where there is nothing to tell.

    :param kind: one of ``_message.KINDS``, or ``correction``: an update where an earlier message does not hold any more.
    :param channels: by name; the message goes to those that want its kind.
    :param others: the incidents of the namespace, for the ETA.
    :param cadence: severity -> minutes between two messages, where it is not the usual.
    :param only_changes: tell nothing where nothing has changed since the last message.
    :param keep: False to compose only.
    :param draft: of the update that a reminder asks for.
    :raises Refused: where the record does not allow it, or the message holds a secret.
    """
    written = "update" if kind == "correction" else kind
    every = {**CADENCE, **(cadence or {})}[incident.head.get("severity", "P2")]

    def compose(current: Incident, number: int) -> Message | None:
        told = _outbox.messages(current)
        _refuse(current, kind)
        moment = _moment(current)
        names = _compose.facts(current, written, [one for one in told if one.kind in ABOUT], others, said, every, moment)
        names["draft"] = draft
        if _needless(kind, names, told, _compose_named(current), only_changes):
            return None
        return _compose.message(current, number, template, names, moment, links or {})

    if not keep:
        return incident, compose(incident, len(_outbox.messages(incident)) + 1)
    incident, message = _outbox.put(incident, compose, [name for name, channel in channels.items() if _channels.wants(channel, written)])
    if message:
        incident.note("communicate", f"{'correction' if kind == 'correction' else message.kind} put out: {message.status}, {message.title}")
    return incident, message


def due(incident: Incident, moment: datetime.datetime, cadence: t.Mapping[str, int] | None = None) -> str:
    """Since when people wait for an update, ISO 8601, UTC; empty where nobody does."""
    told = _outbox.messages(incident)
    about = [one for one in told if one.kind in ABOUT]
    if not about or about[-1].status == _standing.RESOLVED and not _standing.why_not_resolved(incident):
        return ""
    last = max(one.at for one in told if one.kind in (*ABOUT, "reminder"))
    wait = {**CADENCE, **(cadence or {})}[incident.head.get("severity", "P2")]
    since = datetime.datetime.fromisoformat(last) + datetime.timedelta(minutes=wait)
    return since.isoformat(timespec="seconds").replace("+00:00", "Z") if since <= moment else ""


def needs_correction(incident: Incident) -> bool:
    """Whether something that was told does not hold any more."""
    about = [one for one in _outbox.messages(incident) if one.kind in ABOUT]
    return bool(_standing.taken_back(incident, about) or _standing.wrongly_resolved(incident, about))


def _refuse(incident: Incident, kind: str) -> None:
    why = _standing.why_not_resolved(incident) if kind == "resolved" else ""
    if why:
        raise Refused(f"Cluster {incident.cluster_name}: {incident.id} is not announced as resolved: {why}.",
                      "Tell where it stands with kind=update; nothing was sent.")


def _needless(kind: str, names: t.Mapping[str, t.Any], told: t.Sequence[Message], named: tuple[int, ...], only_changes: bool) -> bool:
    about = [one for one in told if one.kind in ABOUT]
    if kind in ("initial", "thanks", "digest"):
        return any(one.kind == kind for one in told)
    if kind == "correction":
        return not names["corrections"]
    if kind == "resolved":
        return bool(about) and about[-1].status == _standing.RESOLVED and not names["corrections"]
    return only_changes and bool(about) and (about[-1].status, about[-1].named) == (names["status"], named) and not names["corrections"]


def _compose_named(incident: Incident) -> tuple[int, ...]:
    return tuple(entry.number for entry in _standing.in_force(incident))


def _moment(incident: Incident) -> str:
    return incident.clock().astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
