#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_sessions_terminate
short_description: End database sessions that the evidence names, and no others
version_added: 0.1.0
description:
  - Ends each session only if it still is the one that was seen, in the same transaction - pid, beginning of the session and
    beginning of the transaction have to match. Sessions of superusers and of replication are never ended.
  - What is meant to be ended is noted in the incident's record before, and what was ended after. It cannot be taken back; the
    client sees an error, and its transaction is rolled back.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.database
attributes:
  diff_mode:
    description: A session has no state to compare.
    support: none
options:
  namespace:
    description: Namespace of the incident's record and of the ways to the database.
    type: str
    required: true
  incident_id:
    description: The incident; it must be open, except in check mode.
    type: str
    required: true
  incidents_dir:
    description: Where evidence lies, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  sessions:
    description: Sessions as M(sre.runbooks.pool_facts_info) names them, each with pid, backend_start, xact_start and client.
    type: list
    elements: dict
    required: true
  max_sessions:
    description: Refuse to end more than this.
    type: int
    default: 200
  timeout:
    description: Seconds to connect, and again for the statement.
    type: float
    default: 10.0
"""

EXAMPLES = r"""
- name: mitigate | End the session that blocks the others
  sre.runbooks.db_sessions_terminate:
    namespace: ai-development
    incident_id: INC-1234
    sessions: "{{ diagnosis.sessions }}"
"""

RETURN = r"""
outcome:
  description: V(changed), V(unchanged) when none of the sessions is there any more, or V(planned) in check mode.
  type: str
  returned: success
ended:
  description: The pids that were ended.
  type: list
  elements: int
  returned: success
mitigated_at:
  description: When the first was ended, or the time of planning.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import DATABASE_SPEC, Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, now
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, check_id
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _sessions
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **DATABASE_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str", "required": True},
    "incidents_dir": {"type": "path", "default": "incidents"},
    "sessions": {"type": "list", "elements": "dict", "required": True},
    "max_sessions": {"type": "int", "default": 200},
    "timeout": {"type": "float", "default": 10.0},
}
#: sessions that a sentence names
SHOWN = 5


def run(task: Task) -> Result:
    """End them, or say what would be ended."""
    p, cluster = task.params, task.cluster()
    check_id(p["incident_id"])
    sessions, what = p["sessions"], _summary(p["sessions"])
    if len(sessions) > p["max_sessions"]:
        raise Refused(f"Cluster {cluster.name}: refused to end {len(sessions)} sessions: more than {p['max_sessions']}.",
                      "Look at the evidence, and raise max_sessions if all of them are meant.")
    result: Result = {"ended": [], "mitigated_at": now(), "changed": False}
    if not sessions:
        return {**result, "outcome": "unchanged", "says": ["no session to end"]}
    if task.check_mode:
        return {**result, "outcome": "planned", "changed": True, "says": [f"would end {what}"]}
    _refuse_without_evidence(task)
    incident = Incident.load(cluster, p["namespace"], p["incident_id"])
    incident.note("mitigate", f"intended: end {what}", sessions=sessions)
    ended = _sessions.end(cluster, p["namespace"], [Way(**way) for way in p["database_ways"]], sessions, p["timeout"])
    line = f"ended {_summary([session for session in sessions if session['pid'] in ended])}"
    line += f"; {len(sessions) - len(ended)} were gone or others by then" if len(ended) < len(sessions) else ""
    incident.note("mitigate", line, ended=ended)
    return {**result, "ended": ended, "changed": bool(ended), "outcome": "changed" if ended else "unchanged", "says": [line]}


def _summary(sessions: list) -> str:
    """How many of whom, and the first of them so that each can be found."""
    clients = sorted({str(session.get("client", "?")) for session in sessions})
    named = [_sessions.in_words(session) for session in sessions[:SHOWN]] + (["…"] if len(sessions) > SHOWN else [])
    return f"{len(sessions)} session{'' if len(sessions) == 1 else 's'} of {', '.join(clients)}: {'; '.join(named)}" if sessions else "no session"


def _refuse_without_evidence(task: Task) -> None:
    p = task.params
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    if not store.verified("sessions"):
        raise Refused(f"Cluster {p['cluster_name']}: refused to end sessions: what they do is not saved yet ({store.root}).",
                      "Run db_sessions_info with the same incident_id first.")


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
