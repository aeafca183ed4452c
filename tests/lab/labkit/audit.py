"""What really happened on a cluster: its API server's audit log."""

from __future__ import annotations

import json
import pathlib
import typing as t
import urllib.parse

Event = t.Dict[str, t.Any]


def read(log: pathlib.Path, user: str = "", since: str = "") -> list[Event]:
    """The completed requests, in the order of their beginning.

    Each has at, user, verb, resource (with subresource), name, status, and command (of an exec).

    :param user: only of users whose name ends so.
    :param since: only after this time (ISO 8601, UTC).
    """
    events = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        name = entry["user"].get("username", "")
        if name.endswith(user) and entry["requestReceivedTimestamp"] >= since and entry["stage"] != "ResponseStarted":
            events.append(_event(entry, name))
    return sorted(events, key=lambda event: event["at"])


def _event(entry: dict[str, t.Any], user: str) -> Event:
    reference = entry.get("objectRef", {})
    parts = [reference.get("resource", ""), reference.get("subresource", "")]
    query = urllib.parse.parse_qs(urllib.parse.urlparse(entry["requestURI"]).query)
    return {"at": entry["requestReceivedTimestamp"], "finished_at": entry["stageTimestamp"], "user": user,
            "verb": entry["verb"], "resource": "/".join(part for part in parts if part), "name": reference.get("name", ""),
            "status": entry.get("responseStatus", {}).get("code"), "command": " ".join(query.get("command", []))}
