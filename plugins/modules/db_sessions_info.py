#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_sessions_info
short_description: Who holds the connections of a PostgreSQL database, and who waits for whom
version_added: 0.1.0
description:
  - Reads C(pg_stat_activity) through C(psql) in a pod of the cluster - every session with its client (the workload whose pod has
    the address), state and age, who is blocked by whom, and the limits. Where the database turns ordinary clients away, the
    next way is tried. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database
  - sre.runbooks.evidence
options:
  namespace:
    description: Namespace of the clients and of the ways to the database.
    type: str
    required: true
  timeout:
    description: Seconds to connect, and again for the statement.
    type: float
    default: 10.0
"""

EXAMPLES = r"""
- name: capture | Who holds the connections
  sre.runbooks.db_sessions_info:
    namespace: ai-development
    incident_id: INC-1234
"""

RETURN = r"""
sessions:
  description: Each session with pid, user, database, application, address, client, pod, state, times and query.
  type: list
  elements: dict
  returned: success
clients:
  description: Per client sessions, active, idle, idle_in_transaction and oldest_seconds, the largest first.
  type: list
  elements: dict
  returned: success
chains:
  description: Who blocks others - root (a session), waiting (how many sessions), clients (of those) and longest_seconds.
  type: list
  elements: dict
  returned: success
max_connections:
  description: Of the database.
  type: int
  returned: success
reserved:
  description: Connections that are kept for superusers.
  type: int
  returned: success
limits:
  description: Of roles and databases that have one - of (V(role) or V(database)), name, most and taken.
  type: list
  elements: dict
  returned: success
turned_away:
  description: The ways before that one whose client the database turned away - workload, problem (such as V(role_limit)) and said.
  type: list
  elements: dict
  returned: success
way:
  description: The workload from which the database was asked.
  type: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import DATABASE_SPEC, Way
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _sessions
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_SPEC,
    "namespace": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 10.0},
}


def run(task: Task) -> Result:
    """Read the sessions, and save them where there is an incident."""
    p = task.params
    ways = [Way(**way) for way in p["database_ways"]]
    activity = _sessions.read(task.cluster(), p["namespace"], ways, p["timeout"])
    result = activity.to_json()
    store = task.evidence()
    if store:
        store.save_json("sessions.json", "sessions", f"psql in {activity.way}: pg_stat_activity", result)
    return {**result, "says": _says(result)}


def _says(found: dict) -> list[str]:
    lines = [f"{len(found['sessions']) + 1} of {found['max_connections']} connections taken"]
    lines += [f"{row['client']}: {row['sessions']} sessions, {row['active']} active, {row['idle_in_transaction']} idle in transaction"
              for row in found["clients"][:4]]
    lines += [f"the database turned {row['workload']} away: {row['said']}" for row in found["turned_away"]]
    lines += [f"{row['of']} {row['name']} has {row['taken']} of its {row['most']} connections" for row in found["limits"] if row["taken"] >= row["most"]]
    lines += [f"session {chain['root']['pid']} of {chain['root']['client']} blocks {chain['waiting']} others"
              for chain in found["chains"][:3]]
    if count := _sessions.hidden(found["sessions"]):
        lines.append(f"{count} sessions of other users keep from this one what they do: grant it pg_monitor")
    return lines


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
