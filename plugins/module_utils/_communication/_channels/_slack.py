# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack: blocks, by ``chat.postMessage`` into one thread for an incident, or by an incoming webhook, which knows no threads."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Rejected, TryLater
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message, Part

Json = t.Dict[str, t.Any]

API = "https://slack.com/api"
#: limits of Slack: characters of a header and of a section, pieces of a section, blocks of a message
HEADER, SECTION, FIELD, FIELDS, BLOCKS = 150, 3000, 2000, 10, 50
#: Slack refuses a message whose blocks have more characters than this, whatever each of them has
ALL = 12000
_MARKS = {"P1": ":red_circle:", "P2": ":large_orange_circle:", "P3": ":large_yellow_circle:", "P4": ":white_circle:"}
#: errors of Slack's after which the same request may succeed, as it is or once somebody has put the channel's settings right
_LATER = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org",
          "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "not_in_channel",
          "channel_not_found", "is_archived", "org_login_required", "ekm_access_denied", "access_denied"}


def payload(channel: t.Mapping[str, t.Any], message: Message, first: Json | None) -> Json:
    """The JSON that is posted.

    :param first: what Slack said of the incident's first message in this channel.
    """
    body: Json = {"text": _escaped(message.title), "blocks": blocks(message)}
    if channel["kind"] == "slack_webhook":
        return body
    body.update(channel=channel["channel"], unfurl_links=False,
                metadata={"event_type": "incident_message", "event_payload": {"id": message.id}})
    if first and first.get("ts"):
        body["thread_ts"] = first["ts"]
    return body


def send(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json:
    """Post it; returns where Slack has put it, nothing for an incoming webhook."""
    body = payload(channel, message, first)
    if channel["kind"] == "slack_webhook":
        _http.ask("POST", channel["url"], {}, timeout, body, channel.get("validate_certs", True))
        return {}
    found = _call(channel, "POST", "chat.postMessage", timeout, body)
    return {"ts": found.get("ts", ""), "channel": found.get("channel", channel["channel"])}


def find(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json | None:
    """Where the message stands in Slack, None where it has not arrived.

    Asked after a connection that broke: every message carries its id as metadata.
    """
    if channel["kind"] == "slack_webhook":
        raise NotImplementedError
    method = "conversations.history"
    query = f"channel={(first or {}).get('channel') or channel['channel']}&include_all_metadata=true&limit=100"
    if first and first.get("ts"):
        method, query = "conversations.replies", f"{query}&ts={first['ts']}"
    found = _call(channel, "GET", f"{method}?{query}", timeout)
    for item in found.get("messages", []):
        if item.get("metadata", {}).get("event_payload", {}).get("id") == message.id:
            return {"ts": item["ts"], "channel": (first or {}).get("channel") or channel["channel"]}
    return None


def blocks(message: Message) -> list[Json]:
    """The message as blocks within Slack's limits; what does not fit is said to be left out."""
    mark = _MARKS.get(message.severity, "")
    made: list[Json] = [{"type": "header", "text": {"type": "plain_text", "text": _cut(f"{mark} {message.title}".strip(), HEADER), "emoji": True}}]
    fields: list[Part] = []
    for part in message.parts:
        if part.label and not part.is_list and len(part.lines[0] if part.lines else "") <= 60:
            fields.append(part)
            continue
        made += _sections_of(fields)
        fields = []
        made.append(_section(_told(part)))
    made += _sections_of(fields)
    links = [f"<{address}|{_escaped(name)}>" for name, address in message.links.items()]
    foot = " · ".join([f"`{_escaped(message.incident_id)}` on {_escaped(message.cluster)}", *links])
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(foot, SECTION)}]}
    return [*_within(made), context]


def _within(made: list[Json]) -> list[Json]:
    kept: list[Json] = []
    room = ALL - 500
    for block in made[:BLOCKS - 2]:
        room -= len(str(block))
        if room < 0:
            break
        kept.append(block)
    if len(kept) == len(made):
        return made
    return [*kept, _section("_More than fits here; the rest stands in the incident's record._")]


def _sections_of(fields: t.Sequence[Part]) -> list[Json]:
    pieces = [{"type": "mrkdwn", "text": _cut(f"*{_escaped(part.label)}*\n{_escaped(part.lines[0] if part.lines else '–')}", FIELD)} for part in fields]
    return [{"type": "section", "fields": pieces[start:start + FIELDS]} for start in range(0, len(pieces), FIELDS)]


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, SECTION)}}


def _told(part: Part) -> str:
    head = f"*{_escaped(part.label)}*\n" if part.label else ""
    return head + "\n".join(f"{'• ' if part.is_list else ''}{_escaped(line)}" for line in part.lines)


def _escaped(text: str) -> str:
    """Only these three have a meaning of their own, by which text could mention people."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else re.sub("&[a-z]{0,3}$", "", text[:most - 1]) + "…"


def _call(channel: t.Mapping[str, t.Any], method: str, name: str, timeout: float, body: Json | None = None) -> Json:
    url = f"{channel.get('url') or API}/{name}"
    answer = _http.ask(method, url, {"Authorization": f"Bearer {channel['token']}"}, timeout, body, channel.get("validate_certs", True)).body
    if answer.get("ok"):
        return answer
    error = str(answer.get("error") or "something that is not its API's")
    raise (TryLater if error in _LATER or "error" not in answer else Rejected)(f"Slack answered {error[:100]}")
