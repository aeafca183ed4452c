# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels over which messages go out. A kind is a module with ``payload``, ``send`` and, where the receiver can be asked
whether a message has arrived, ``find``."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _mail, _slack, _statuspage, _teams, _webhook
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import KINDS as MESSAGES
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

Channel = t.Mapping[str, t.Any]

KINDS: dict[str, types.ModuleType] = {
    "slack": _slack, "slack_webhook": _slack, "teams": _teams, "mail": _mail, "webhook": _webhook, "statuspage": _statuspage}

#: kind -> what a channel of it must have
NEEDS = {"slack": ("token", "channel"), "slack_webhook": ("url",), "teams": ("url",), "mail": ("host", "from", "to"), "webhook": ("url",),
         "statuspage": ("token", "page_id")}

#: kinds whose receivers drop a repetition by themselves
RECOGNISE = {"mail"}
#: what a channel takes that does not say which messages it wants; reminders are for the commander, and not for everybody
USUAL = ("initial", "update", "resolved", "thanks", "digest")


def checked(channels: t.Sequence[Channel]) -> dict[str, Channel]:
    """The channels by name; refuses those that cannot work, before the first request."""
    found: dict[str, Channel] = {}
    for channel in channels:
        kind = channel.get("kind")
        name = name_of(channel)
        if kind not in KINDS:
            raise InvalidInput(f"communication_channels: {name or kind!r} is of kind {kind!r}.", f"The kinds are {', '.join(KINDS)}.")
        missing = [need for need in NEEDS[kind] if not channel.get(need)]
        if missing:
            raise InvalidInput(f"communication_channels: {name} ({kind}) lacks {', '.join(missing)}.", "ansible-doc -t role sre.runbooks.communication")
        unknown = sorted(set(channel.get("messages") or ()) - set(MESSAGES))
        if unknown:
            raise InvalidInput(f"communication_channels: {name} wants the messages {', '.join(unknown)}.", f"There are {', '.join(MESSAGES)}.")
        if name in found:
            raise InvalidInput(f"communication_channels: two of them are called {name}.", "Give each a name of its own: the outbox goes by it.")
        found[name] = channel
    return found


def name_of(channel: Channel) -> str:
    """What messages and the outbox call a channel."""
    return str(channel.get("name") or channel.get("kind") or "")


def wants(channel: Channel, kind: str) -> bool:
    """Whether a kind of message goes to a channel."""
    return kind in (channel.get("messages") or USUAL)


def recognises(channel: Channel) -> bool:
    """Whether a message may be sent again when it is not clear that it has arrived."""
    return channel["kind"] in RECOGNISE or bool(channel.get("idempotent"))


def askable(channel: Channel) -> bool:
    """Whether the receiver can be asked for a message that may have arrived."""
    return hasattr(KINDS[channel["kind"]], "find") and channel["kind"] != "slack_webhook"
