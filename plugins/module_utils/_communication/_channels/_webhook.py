# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any webhook: our JSON, or the receiver's own made of it."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message

Json = t.Dict[str, t.Any]


def payload(channel: t.Mapping[str, t.Any], message: Message, _first: Json | None) -> Json:
    """The JSON that is posted; in a body of the channel's own ``{title}``, ``{text}`` and the other names are replaced."""
    ours = {"id": message.id, "incident_id": message.incident_id, "cluster": message.cluster, "number": message.number, "kind": message.kind,
            "severity": message.severity, "status": message.status, "at": message.at, "title": message.title, "text": message.body,
            "fields": {part.label: list(part.lines) if part.is_list else " ".join(part.lines) for part in message.parts if part.label},
            "links": dict(message.links)}
    return _filled(channel["body"], ours) if channel.get("body") else ours


def send(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json:
    """Post it; ``Idempotency-Key`` tells a receiver that knows it which attempts are one message."""
    headers = {"Idempotency-Key": message.id, **(channel.get("headers") or {})}
    _http.ask("POST", channel["url"], headers, timeout, payload(channel, message, first), channel.get("validate_certs", True))
    return {}


def _filled(value: t.Any, ours: Json) -> t.Any:
    if isinstance(value, dict):
        return {key: _filled(item, ours) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, ours) for item in value]
    if not isinstance(value, str):
        return value
    for name, ours_value in ours.items():
        if value == "{" + name + "}":
            return ours_value
    for name, ours_value in ours.items():
        value = value.replace("{" + name + "}", str(ours_value))
    return value
