#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aftermath
short_description: Do one step of what follows an incident
version_added: 0.1.0
description:
  - Does what the record suffices for, writes the documents to C(<incidents_dir>/<incident_id>/<cluster_name>/aftermath/), and records the step
    as done where it is.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.incident
attributes:
  diff_mode:
    description: The documents are not a change to the application.
    support: none
options:
  step:
    description:
      - V(stability) takes what was O(measured); it is done where all of it was clear.
      - V(temporary_fixes) lists what is still in force, with a patch for the source of each; it is done where nothing is, or where each has
        O(owner) and O(due).
      - V(timeline) exports it as Markdown and CSV.
      - V(thanks) and V(digest) record that they were sent.
      - V(postmortem) drafts it; a draft that somebody has edited is left alone.
      - V(evidence) gathers the logs since the incident began and, from O(prometheus_url), what O(prometheus_queries) ask for, and checks that all
        evidence is there unchanged.
      - V(meeting) writes the invitation.
      - V(runbooks) proposes what the runbook may learn.
      - V(postmortem_checked) checks that the post-mortem is complete.
      - V(tickets) makes a ticket of each action, or a file where O(tickets) is not set.
      - V(alerts) proposes a rule for each signal that was over its threshold, tried on what O(prometheus_url) has; a person loads it.
      - Any step is done where O(by) says that a person has done it.
    type: str
    choices: [stability, temporary_fixes, timeline, thanks, postmortem, evidence, meeting, runbooks, postmortem_checked, tickets, alerts, digest]
    required: true
  by:
    description: Who has done the step by hand.
    type: str
    default: ""
  measured:
    description: Results of the type's C(*_signals_info) module over the window, C(outcome), C(says) and C(readings) of each.
    type: list
    elements: dict
    default: []
  owner:
    description: Who settles the temporary fixes that stay.
    type: str
    default: ""
  due:
    description: Until when, such as V(2026-12-24).
    type: str
    default: ""
  meeting_at:
    description: When the post-mortem is, ISO 8601 with a zone; 10:00 UTC on the next business day when empty.
    type: str
    default: ""
  minutes:
    description: How long it takes.
    type: int
    default: 60
  organizer:
    description: Mail address of who invites.
    type: str
    default: ""
  attendees:
    description: Mail addresses of those who are invited.
    type: list
    elements: str
    default: []
  tickets:
    description: Where tickets are made, C(kind) (V(github), V(gitlab), V(jira)), C(url), C(project), C(token), and C(username) and C(issue_type) for Jira.
    type: dict
  prometheus_url:
    description: Where metrics are gathered from.
    type: str
    default: ""
  prometheus_queries:
    description: PromQL by the name that its file gets.
    type: dict
    default: {}
  prometheus_headers:
    description: More HTTP headers for it, such as an authorization.
    type: dict
    default: {}
  receiver_timeout:
    description: Seconds for connecting to the tickets' system or Prometheus, and for each wait for its answer.
    type: float
    default: 10
seealso:
  - module: sre.runbooks.aftermath_info
"""

EXAMPLES = r"""
- name: day | Draft the post-mortem
  sre.runbooks.aftermath:
    incident_id: INC-1234
    namespace: ai-development
    step: postmortem
"""

RETURN = r"""
done:
  description: Whether the step is done now.
  type: bool
  returned: success
files:
  description: The documents that were written.
  type: list
  elements: str
  returned: success
findings:
  description: What is left to do before the step is done.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import datetime
import functools
import hashlib
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._aftermath import _documents, _gather, _linter, _meeting, _steps, _tickets
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _standing
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, now
from ansible_collections.sre.runbooks.plugins.module_utils._history import _proposals
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, me
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, INCIDENT_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **INCIDENT_SPEC,
    "step": {"type": "str", "choices": list(_steps.STEPS), "required": True},
    "by": {"type": "str", "default": ""},
    "measured": {"type": "list", "elements": "dict", "default": []},
    "owner": {"type": "str", "default": ""},
    "due": {"type": "str", "default": ""},
    "meeting_at": {"type": "str", "default": ""},
    "minutes": {"type": "int", "default": 60},
    "organizer": {"type": "str", "default": ""},
    "attendees": {"type": "list", "elements": "str", "default": []},
    "tickets": {"type": "dict", "no_log": True},
    "prometheus_url": {"type": "str", "default": ""},
    "prometheus_queries": {"type": "dict", "default": {}},
    "prometheus_headers": {"type": "dict", "default": {}, "no_log": True},
    "receiver_timeout": {"type": "float", "default": 10.0},
}


@dataclasses.dataclass(frozen=True)
class Came:
    """What came of a step.

    :param says: what it came to, for the record.
    :param files: what was written.
    :param findings: what keeps it from being done.
    """

    says: str
    files: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class At:
    """Where a step is done."""

    cluster: Cluster
    incident: Incident
    store: EvidenceStore
    params: t.Mapping[str, t.Any]
    moment: datetime.datetime

    def write(self, name: str, text: str) -> str:
        """Write a document of the aftermath."""
        return str(self.store.write_document(f"aftermath/{name}", text))


def run(task: Task) -> Result:
    """Do the step."""
    p = task.params
    cluster = task.cluster()
    incident = Incident.load(cluster, p["namespace"], p["incident_id"])
    if task.check_mode:
        return {"done": False, "files": [], "findings": [], "says": [f"check mode: would do {_steps.STEPS[p['step']][1]}"]}
    at = At(cluster, incident, EvidenceStore(p["incidents_dir"], incident.id, p["cluster_name"]), p, cluster.now())
    came = Came(f"done by {p['by']}") if p["by"] else _DO[p["step"]](at)
    finished = not came.findings
    if finished:
        _steps.done(incident, p["step"], p["by"] or me(), came.says, at.moment)
    what = _steps.STEPS[p["step"]][1]
    return {"changed": True, "done": finished, "files": list(came.files), "findings": list(came.findings),
            "says": [f"{what}: {came.says if finished else 'not done'}", *came.findings]}


def _stability(at: At) -> Came:
    measured = at.params["measured"]
    if not measured:
        return Came("", findings=("nothing was measured",))
    at.incident.measured("stability", [reading for one in measured for reading in one.get("readings") or []])
    over = [one for one in measured if one.get("outcome") not in ("healthy", "cleared")]
    says = "; ".join((over or measured)[-1].get("says") or [])[:400]
    moment = at.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    at.incident.keep({f"stability.{moment.replace(':', '-').replace('+', '_')}": {"at": moment, "clear": not over, "says": says, "times": len(measured)}})
    return Came(f"clear in {len(measured)} measurements: {says}", findings=(f"not stable: {says}",) if over else ())


def _temporary_fixes(at: At) -> Came:
    left, owner, due = _documents.temporary(at.incident), at.params["owner"], at.params["due"]
    files = tuple(str(at.store.write_document(name, text)) for name, text in _documents.patches(left).items())
    if not left:
        return Came("none is in force")
    listed = [f"change {entry.number}, {entry.change.summary}" for entry in left]
    if owner and due:
        _date(due)
        return Came(f"{owner} settles until {due}: {'; '.join(listed)}", files)
    return Came("", files, tuple(f"still in force: {text} (clear it with incident/clear_temporary_fixes.yml, or name aftermath_owner and aftermath_due)"
                                 for text in listed))


def _timeline(at: At) -> Came:
    rows = _documents.timeline(at.incident, now())
    files = (at.write("timeline.md", f"# Timeline of {at.incident.id}\n\n{_documents.as_markdown(rows)}\n"),
             at.write("timeline.csv", _documents.as_csv(rows)))
    return Came(f"{len(rows)} events", files)


def _thanks(at: At) -> Came:
    sent = any(one["kind"] == "thanks" for one in at.incident.kept("message.").values())
    return Came("sent", findings=() if sent else ("no thanks were put out (kind=thanks)",))


def _postmortem(at: At) -> Came:
    path = at.store.root / "aftermath" / "postmortem.md"
    known = at.incident.kept("postmortem").get("postmortem", {}).get("sha256")
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != known:
        return Came("somebody has edited the draft, which is left alone", (str(path),))
    written = at.write("postmortem.md", _documents.postmortem(at.incident, at.store.items(), now()))
    at.incident.keep({"postmortem": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}})
    return Came("drafted", (written,))


def _evidence(at: At) -> Came:
    p = at.params
    files, failed = _gather.logs(at.cluster, at.incident, at.store, at.moment)
    if p["prometheus_url"]:
        more, unanswered = _gather.metrics(p["prometheus_url"], p["prometheus_queries"], at.incident, at.store, at.moment, p["receiver_timeout"],
                                           p["prometheus_headers"])
        files, failed = files + more, failed + unanswered
    items = at.store.items()
    broken = [f"{item.name} is missing or has changed since it was captured" for item in items if not at.store.verify(item)]
    return Came(f"{len(files)} files gathered, {len(items)} in all, each as it was captured", tuple(str(at.store.path(name)) for name in files),
                (*broken, *failed))


def _invite(at: At) -> Came:
    ended = _standing.ended_at(at.incident) or at.incident.head["opened_at"]
    moment = _meeting.moment_of(at.params["meeting_at"], datetime.datetime.fromisoformat(ended))
    text = _meeting.invitation(at.incident, moment, at.params["minutes"], at.params["organizer"], at.params["attendees"], at.moment)
    file = at.write("postmortem.ics", text)
    said = moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    at.incident.keep({"meeting": {"at": said}})
    return Came(f"{said}, {len(at.params['attendees'])} invited", (file,))


def _runbooks(at: At) -> Came:
    return Came("proposals written", (at.write("runbook-changes.md", _documents.proposals(at.incident)),))


def _checked(at: At) -> Came:
    return Came("complete", findings=tuple(_linter.findings(_written(at))))


def _file_tickets(at: At) -> Came:
    actions = _linter.actions(_written(at))
    if left := _linter.unsettled(actions):
        return Came("", findings=tuple(left))
    if not at.params["tickets"]:
        rows = json.dumps([dataclasses.asdict(action) for action in actions], indent=1)
        return Came(f"{len(actions)} in a file", (at.write("actions.json", rows + "\n"),))
    made, failed = _tickets.file(at.incident, actions, at.params["tickets"], at.params["receiver_timeout"])
    return Came(", ".join(made), findings=tuple(failed))


def _alerts(at: At) -> Came:
    p = at.params
    found = _proposals.proposals(at.incident, functools.partial(_samples, at) if p["prometheus_url"] else None)
    file = at.write("alerts.md", _proposals.markdown(at.incident, found))
    tried = sum(not one.because for one in found)
    return Came(f"{len(found)} proposed, {tried} tried on the incident's own samples", (file,))


def _samples(at: At, query: str) -> list[tuple[float, float]]:
    p = at.params
    return _gather.samples(p["prometheus_url"], query, at.incident, at.moment, p["receiver_timeout"], p["prometheus_headers"])


def _digest(at: At) -> Came:
    file = at.write("digest.md", _documents.digest(at.incident))
    sent = any(one["kind"] == "digest" for one in at.incident.kept("message.").values())
    return Came("sent", (file,), () if sent else ("it was not sent to anybody (kind=digest)",))


def _written(at: At) -> str:
    path = at.store.root / "aftermath" / "postmortem.md"
    if not path.exists():
        raise InvalidInput(f"{path} does not exist.", "incident/after_day.yml drafts it; runbooks_incidents_dir says where it lies.")
    return path.read_text()


def _date(text: str) -> None:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"aftermath_due: {text!r} is no date.", "For example: 2026-12-24") from None


_DO: dict[str, t.Callable[[At], Came]] = {
    "stability": _stability, "temporary_fixes": _temporary_fixes, "timeline": _timeline, "thanks": _thanks, "postmortem": _postmortem,
    "evidence": _evidence, "meeting": _invite, "runbooks": _runbooks, "postmortem_checked": _checked, "tickets": _file_tickets, "alerts": _alerts,
    "digest": _digest}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
