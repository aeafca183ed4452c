# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action items as tickets of GitHub, GitLab or Jira: each once, by the record."""

from __future__ import annotations

import base64
import hashlib
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._aftermath._linter import Action
from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Undelivered, Unclear
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

Json = t.Dict[str, t.Any]

SYSTEMS = ("github", "gitlab", "jira")


def file(incident: Incident, actions: t.Sequence[Action], system: t.Mapping[str, t.Any], timeout: float) -> tuple[list[str], list[str]]:
    """Make a ticket of each action that has none; returns the tickets, and why others could not be made.

    A ticket is claimed in the record before it is asked for: where the answer was lost it may exist, and none is made again.
    """
    _check(system)
    made, failed = [], []
    for action in actions:
        key = f"ticket.{hashlib.sha256(action.what.encode()).hexdigest()[:16]}"
        known = incident.again().kept(key).get(key)
        if action.ticket or known and known["state"] == "made":
            made.append(action.ticket or known["ticket"])
            continue
        if known:
            failed.append(f"{action.what}: asked for at {known['at']}, and nobody knows whether it was made; look in {system['kind']}")
            continue
        try:
            made.append(_make(incident, key, action, system, timeout))
        except Undelivered as error:
            failed.append(f"{action.what}: {str(error).replace(str(system.get('token')), 'its token')}")
    return made, failed


def request(incident: Incident, action: Action, system: t.Mapping[str, t.Any]) -> tuple[str, dict[str, str], Json]:
    """URL, headers and body that make a ticket."""
    title, project = redact(action.what)[:250], str(system["project"])
    text = redact(f"{action.what}\n\nOwner: {action.owner}\nDue: {action.due}\nFrom the post-mortem of {incident.id} on {incident.cluster_name}.")
    base = (system.get("url") or {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}.get(system["kind"], "")).rstrip("/")
    token = str(system["token"])
    if system["kind"] == "github":
        return (f"{base}/repos/{project}/issues", {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
                {"title": title, "body": text, "labels": ["incident"]})
    if system["kind"] == "gitlab":
        return (f"{base}/api/v4/projects/{urllib.parse.quote(project, safe='')}/issues", {"PRIVATE-TOKEN": token},
                {"title": title, "description": text, "due_date": action.due, "labels": "incident"})
    user = system.get("username")
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    return (f"{base}/rest/api/2/issue", {"Authorization": f"Basic {basic}" if user else f"Bearer {token}"},
            {"fields": {"project": {"key": project}, "summary": title, "description": text, "issuetype": {"name": system.get("issue_type") or "Task"},
                        "duedate": action.due, "labels": ["incident"]}})


def _make(incident: Incident, key: str, action: Action, system: t.Mapping[str, t.Any], timeout: float) -> str:
    url, headers, body = request(incident, action, system)
    incident.keep({key: {"state": "asked", "at": incident.clock().isoformat(timespec="seconds")}})
    try:
        answer = _http.ask("POST", url, headers, timeout, body, system.get("validate_certs", True)).body
    except Unclear:
        raise
    except Undelivered:
        incident.keep({key: None})
        raise
    ticket = str(answer.get("html_url") or answer.get("web_url") or answer.get("key") or "made, without an address")
    incident.keep({key: {"state": "made", "ticket": ticket, "at": incident.clock().isoformat(timespec="seconds")}})
    return ticket


def _check(system: t.Mapping[str, t.Any]) -> None:
    if system.get("kind") not in SYSTEMS:
        raise InvalidInput(f"aftermath_tickets: the kind {system.get('kind')!r} is not known.", f"The kinds are {', '.join(SYSTEMS)}.")
    missing = [name for name in ("project", "token", *(["url"] if system["kind"] == "jira" else [])) if not system.get(name)]
    if missing:
        raise InvalidInput(f"aftermath_tickets: {', '.join(missing)} is missing.", "ansible-doc -t role sre.runbooks.aftermath")
