# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status page with Statuspage's API: one incident there, updated as ours goes on."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import TryLater
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message

Json = t.Dict[str, t.Any]

API = "https://api.statuspage.io/v1"
_IMPACT = {"P1": "critical", "P2": "major", "P3": "minor", "P4": "none"}
_COMPONENT = {"P1": "major_outage", "P2": "partial_outage", "P3": "degraded_performance", "P4": "operational"}


def payload(channel: t.Mapping[str, t.Any], message: Message, first: Json | None) -> Json:
    """The JSON that is posted."""
    resolved = message.status == "Resolved"
    incident: Json = {"status": message.status.lower(), "body": message.body}
    if not first:
        incident.update(name=message.title[:250], impact_override=_IMPACT.get(message.severity, "none"),
                        metadata={"runbooks": {"incident_id": message.incident_id, "cluster": message.cluster}})
    ids = channel.get("component_ids") or []
    if ids:
        incident["component_ids"] = list(ids)
        incident["components"] = dict.fromkeys(ids, "operational" if resolved else _COMPONENT.get(message.severity, "degraded_performance"))
    return {"incident": incident}


def send(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json:
    """Open the page's incident, or add to it."""
    method, path = ("PATCH", f"/{first['incident']}") if first else ("POST", "")
    found = _call(channel, method, path, timeout, payload(channel, message, first))
    if not found.get("id"):
        raise TryLater("it answered something that is not its API's")
    return {"incident": found["id"]}


def find(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json | None:
    """The page's incident if it has the message, None where it has not arrived."""
    if first:
        found = _call(channel, "GET", f"/{first['incident']}", timeout)
        return first if any(update.get("body") == message.body for update in found.get("incident_updates", [])) else None
    for item in _call(channel, "GET", "?limit=100", timeout).get("incidents", []):
        if item.get("metadata", {}).get("runbooks") == {"incident_id": message.incident_id, "cluster": message.cluster}:
            return {"incident": item["id"]}
    return None


def _call(channel: t.Mapping[str, t.Any], method: str, path: str, timeout: float, body: Json | None = None) -> Json:
    url = f"{(channel.get('url') or API).rstrip('/')}/pages/{channel['page_id']}/incidents{path}"
    return _http.ask(method, url, {"Authorization": f"OAuth {channel['token']}"}, timeout, body, channel.get("validate_certs", True)).body
