# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Teams: an Adaptive Card to the URL of a Workflow."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message, Part

Json = t.Dict[str, t.Any]

#: what Teams takes of a message, as bytes of the whole posted JSON
LIMIT = 28 * 1024
_COLOURS = {"P1": "attention", "P2": "warning", "P3": "accent", "P4": "default"}


def payload(_channel: t.Mapping[str, t.Any], message: Message, _first: Json | None) -> Json:
    """The JSON that is posted: as many parts as fit, and where the others stand."""
    parts = message.parts
    kept, posted = len(parts), _posted(message, parts, False)
    while size(posted) > LIMIT and kept:
        kept -= 1
        posted = _posted(message, parts[:kept], True)
    return posted


def send(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json:
    """Post it; a Workflow says no more than that it has been started."""
    _http.ask("POST", channel["url"], {}, timeout, payload(channel, message, first), channel.get("validate_certs", True))
    return {}


def size(posted: Json) -> int:
    """Bytes as the larger of the two ways in which they may be counted: as they are sent, and with other letters as escapes."""
    return max(len(_http.encoded(posted)), len(json.dumps(posted, separators=(",", ":")).encode()))


def _posted(message: Message, parts: t.Sequence[Part], cut: bool) -> Json:
    body = [{"type": "TextBlock", "text": _escaped(message.title[:500]), "weight": "bolder", "size": "medium", "wrap": True,
             "color": _COLOURS.get(message.severity, "default")}, *_elements(parts)]
    if cut:
        body.append(_text("More than Teams takes in one message; the rest stands in the incident's record"
                          f"{' and behind these links' if message.links else ''}.", isSubtle=True))
    body.append(_text(f"{message.incident_id} on {message.cluster}", isSubtle=True, size="small"))
    card: Json = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
                  "msteams": {"width": "Full"}}
    actions = [{"type": "Action.OpenUrl", "title": name, "url": address} for name, address in message.links.items()][:6]
    if actions:
        card["actions"] = actions
    return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}]}


def _elements(parts: t.Sequence[Part]) -> list[Json]:
    made: list[Json] = []
    for part in parts:
        if part.label and not part.is_list:
            fact = {"title": part.label, "value": _escaped(part.lines[0]) if part.lines else "–"}
            if made and made[-1]["type"] == "FactSet":
                made[-1]["facts"].append(fact)
            else:
                made.append({"type": "FactSet", "facts": [fact]})
            continue
        if part.label:
            made.append(_text(part.label, weight="bolder"))
        made.append(_text("\n".join(f"- {line}" for line in part.lines) if part.is_list else part.lines[0]))
    return made


def _text(text: str, **traits: t.Any) -> Json:
    return {"type": "TextBlock", "text": _escaped(text), "wrap": True, **traits}


def _escaped(text: str) -> str:
    """Cards know a little Markdown: links and emphasis that come out of logs stay letters."""
    for letter in "\\[]*_":
        text = text.replace(letter, "\\" + letter)
    return text
