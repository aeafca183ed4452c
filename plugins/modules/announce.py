#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: announce
short_description: Tell people about an incident, with what its record says
version_added: 0.1.0
description:
  - Composes a message from the incident's record and a Jinja template, puts it into the outbox in the record, and has a process of its
    own deliver it, so that no receiver holds anything up. Each message goes to each channel once, in order, and is tried again until the
    receiver takes it.
  - What a message says follows from the record. It is not announced as resolved before the verification has been clear for its window.
  - A message that holds what looks like a secret is refused, and it is said where the secret stands.
  - In check mode, shows what would be sent over each channel, and writes and sends nothing.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.communication
attributes:
  diff_mode:
    description: A message is not a change to the application.
    support: none
options:
  incident_id:
    description: The incident.
    type: str
    required: true
  kind:
    description:
      - V(initial), the initial response; V(update), a status update; V(resolved), the resolution notice; V(thanks) to those who acted; V(digest),
        what was learnt.
      - V(correction) is an update that is made only where something that was told does not hold any more.
    type: str
    choices: [initial, update, resolved, correction, thanks, digest]
    required: true
  template:
    description: Text of the Jinja template; the first line is the title. See docs/communication.md for the names that it may use.
    type: str
    required: true
  only_changes:
    description: With O(kind=update), tell nothing where nothing has changed since the last message.
    type: bool
    default: false
  impact:
    description: Who is hit and how; what was measured when not set.
    type: str
    default: ""
  next_steps:
    description: What is done next; what the record says when not set.
    type: list
    elements: str
    default: []
  root_cause:
    description: The root cause in words; the name of the cause that the runbook found when not set.
    type: str
    default: ""
  prevention:
    description: What keeps it from coming back.
    type: list
    elements: str
    default: []
  postmortem_at:
    description: When the post-mortem is; the date of the invitation when not set.
    type: str
    default: ""
  commander:
    description: Who leads; who has acknowledged the incident when not set.
    type: str
    default: ""
  note:
    description: One more paragraph.
    type: str
    default: ""
  links:
    description: Addresses by what they lead to.
    type: dict
    default: {}
seealso:
  - module: sre.runbooks.outbox
"""

EXAMPLES = r"""
- name: announce | Tell that it is over
  sre.runbooks.announce:
    incident_id: INC-1234
    namespace: ai-development
    kind: resolved
    template: "{{ lookup('ansible.builtin.file', 'resolved.j2') }}"
    channels:
      - {kind: slack, token: "{{ vaulted_slack_token }}", channel: "#incidents"}
"""

RETURN = r"""
message:
  description: C(number), C(kind), C(status), C(title) and C(text) of the message; empty where there was nothing to tell.
  type: dict
  returned: success
previews:
  description: What would be posted, by channel.
  type: dict
  returned: in check mode
deliveries:
  description: What has become of the message by channel, C(state) (waiting, sending, sent, rejected, unclear), C(attempts) and C(reason).
  type: dict
  returned: outside check mode
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _announce, _channels, _outbox, _sender
from ansible_collections.sre.runbooks.plugins.module_utils._communication._compose import Said
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message
from ansible_collections.sre.runbooks.plugins.module_utils._communication._options import OUTBOX_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC, **OUTBOX_SPEC,
    "incident_id": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["initial", "update", "resolved", "correction", "thanks", "digest"], "required": True},
    "template": {"type": "str", "required": True},
    "only_changes": {"type": "bool", "default": False},
    "impact": {"type": "str", "default": ""},
    "next_steps": {"type": "list", "elements": "str", "default": []},
    "root_cause": {"type": "str", "default": ""},
    "prevention": {"type": "list", "elements": "str", "default": []},
    "postmortem_at": {"type": "str", "default": ""},
    "commander": {"type": "str", "default": ""},
    "note": {"type": "str", "default": ""},
    "links": {"type": "dict", "default": {}},
}


def run(task: Task) -> Result:
    """Compose, put into the outbox, and begin to deliver."""
    p = task.params
    channels = _channels.checked(p["channels"])
    cluster = task.cluster()
    incident = Incident.load(cluster, p["namespace"], p["incident_id"])
    others = Incident.all(cluster, p["namespace"]) if p["kind"] in ("update", "correction") else []
    said = Said(p["impact"], tuple(p["next_steps"]), p["root_cause"], tuple(p["prevention"]), p["postmortem_at"], p["commander"], p["note"])
    incident, message = _announce.announce(incident, p["kind"], p["template"], channels, others, said, p["cadence"], p["links"],
                                           p["only_changes"], keep=not task.check_mode)
    if task.check_mode:
        return {"message": _shown(message), "previews": _previews(incident, message, channels), "says": _previewed(message)}
    if _sender.waiting(incident):
        _sender.start(task, [incident.id], p["channels"], p["wait"], p["receiver_timeout"])
    found = {one.channel: one for one in _outbox.deliveries(incident.again()) if message and one.number == message.number}
    return {"changed": message is not None, "message": _shown(message), "says": _said(message, found, p["kind"]),
            "deliveries": {name: {"state": one.state, "attempts": one.attempts, "reason": one.reason} for name, one in found.items()}}


def _shown(message: Message | None) -> Result:
    return {name: getattr(message, name) for name in ("number", "kind", "status", "title", "text")} if message else {}


def _previews(incident: Incident, message: Message | None, channels: dict[str, _channels.Channel]) -> Result:
    return {name: _channels.KINDS[channel["kind"]].payload(channel, message, _outbox.first_receipt(incident, name))
            for name, channel in channels.items() if message and _channels.wants(channel, message.kind)}


def _previewed(message: Message | None) -> list[str]:
    return message.text.splitlines() if message else ["there is nothing to tell"]


def _said(message: Message | None, found: dict[str, _outbox.Delivery], kind: str) -> list[str]:
    if message is None:
        return [f"{kind}: there is nothing new to tell"]
    lines = [f"{kind}: {message.title}"]
    lines += [f"{name}: {one.state}{f' ({one.reason})' if one.reason else ''}" for name, one in found.items()]
    return lines if found else [*lines, "no channel wants it (communication_channels): it is in the record only"]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
