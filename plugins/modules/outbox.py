#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbox
short_description: Deliver what waits, correct what does not hold any more, and remind of what is due
version_added: 0.1.0
description:
  - Looks at every incident of a namespace. Where something that was told does not hold any more, because a change was taken back or the
    incident is not over after all, a correction is put out. Where the promised update is due, a reminder is.
  - Then what waits in the outboxes is delivered, also what a controller that died had left there.
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
    description: Look at this incident only.
    type: str
  update_template:
    description: Text of the Jinja template of a status update.
    type: str
    required: true
  reminder_template:
    description: Text of the Jinja template of a reminder; without it nobody is reminded.
    type: str
    default: ""
  draft:
    description: Whether the reminder has a drafted update in it.
    type: bool
    default: false
seealso:
  - module: sre.runbooks.announce
"""

EXAMPLES = r"""
- name: Every minute
  sre.runbooks.outbox:
    namespace: ai-development
    update_template: "{{ lookup('ansible.builtin.file', 'update.j2') }}"
    channels: "{{ communication_channels }}"
"""

RETURN = r"""
corrected:
  description: Incidents for which a correction was put out.
  type: list
  elements: str
  returned: success
reminded:
  description: Incidents for whose update a reminder was put out.
  type: list
  elements: str
  returned: success
waiting:
  description: What still waits, C(incident_id), C(number), C(channel), C(state), C(attempts), C(reason).
  type: list
  elements: dict
  returned: success
lost:
  description: The same of what no channel will get any more, because the receiver refused it or nobody can tell whether it arrived.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _announce, _channels, _outbox, _sender
from ansible_collections.sre.runbooks.plugins.module_utils._communication._options import OUTBOX_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC, **OUTBOX_SPEC,
    "incident_id": {"type": "str"},
    "update_template": {"type": "str", "required": True},
    "reminder_template": {"type": "str", "default": ""},
    "draft": {"type": "bool", "default": False},
}


def run(task: Task) -> Result:
    """Correct, remind, deliver."""
    p = task.params
    channels = _channels.checked(p["channels"])
    cluster = task.cluster()
    known = Incident.all(cluster, p["namespace"])
    looked_at = [one for one in known if p["incident_id"] in (None, one.id) and _outbox.messages(one)]
    wrong = [one for one in looked_at if _announce.needs_correction(one)]
    due = [one for one in looked_at if p["reminder_template"] and _announce.due(one, cluster.now(), p["cadence"])]
    refused: list[str] = []
    if not task.check_mode:
        for incident in wrong:
            _put(refused, lambda one=incident: _announce.announce(one, "correction", p["update_template"], channels, known, cadence=p["cadence"]))
        for incident in due:
            _put(refused, lambda one=incident: _remind(one, known, channels, p))
        waiting = [one.id for one in looked_at if _sender.waiting(one.again())]
        _sender.start(task, waiting, p["channels"], p["wait"], p["receiver_timeout"])
        looked_at = [one.again() for one in looked_at]
    left = _rows(looked_at, {_outbox.WAITING, _outbox.SENDING})
    return {"changed": bool(wrong or due), "corrected": [one.id for one in wrong], "reminded": [one.id for one in due], "waiting": left,
            "lost": _rows(looked_at, {_outbox.REJECTED, _outbox.UNCLEAR}), "says": [*_says(wrong, due, left, set(channels)), *refused]}


def _put(refused: list[str], announce: t.Callable[[], object]) -> None:
    """One incident's message that is refused keeps no other incident's back."""
    try:
        announce()
    except Refused as error:
        refused.append(str(error))


def _remind(incident: Incident, known: t.Sequence[Incident], channels: t.Mapping[str, _channels.Channel], p: t.Mapping[str, t.Any]) -> None:
    draft = ""
    if p["draft"]:
        _same, message = _announce.announce(incident, "update", p["update_template"], channels, known, cadence=p["cadence"], keep=False)
        draft = message.text if message else ""
    _announce.announce(incident, "reminder", p["reminder_template"], channels, known, cadence=p["cadence"], draft=draft)


def _rows(incidents: t.Sequence[Incident], states: set[str]) -> list[Result]:
    return [{"incident_id": incident.id, "number": one.number, "channel": one.channel, "state": one.state, "attempts": one.attempts, "reason": one.reason}
            for incident in incidents for one in _outbox.deliveries(incident) if one.state in states]


def _says(wrong: t.Sequence[Incident], due: t.Sequence[Incident], left: t.Sequence[Result], channels: set[str]) -> list[str]:
    lines = [f"{one.id}: a correction was put out" for one in wrong] + [f"{one.id}: an update is due" for one in due]
    return lines + [f"{row['incident_id']}: message {row['number']} waits for {row['channel']}"
                    f"{' (' + row['reason'] + ')' if row['reason'] else ''}"
                    f"{'' if row['channel'] in channels else ' (no channel of that name is configured here)'}" for row in left]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
