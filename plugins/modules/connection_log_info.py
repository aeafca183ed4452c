#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: connection_log_info
short_description: Which code takes database connections, for how long, and which does not give them back
version_added: 0.1.0
description:
  - Reads the logs of all replicas, pairs every connection that is taken with the one that is given back, and counts per
    location in the code. Where the application logs no such lines, it finds nothing and says so. Reads only.
  - Instead of a workload's logs it takes files (O(paths)) of the host that runs the task, one of each replica.
  - What pools and databases say in words of their own is read, too, with the application's code that the stack trace names - who got no
    connection, for how long, since when, what was leaked, and what the database refused. It knows HikariCP, Tomcat JDBC, DBCP, c3p0, Druid,
    Agroal, SQLAlchemy, asyncpg, psycopg, node-postgres, Go's C(database/sql), PgBouncer, ActiveRecord and others, as text or in JSON.
  - With O(incident_id) the last lines about connections are saved as evidence, one file for each replica.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.evidence
options:
  paths:
    description: Log files on the host that runs the task, plain or gzip. With them no cluster is asked.
    type: list
    elements: path
    default: []
  namespace:
    description: Namespace of the workload; needed without O(paths).
    type: str
  workload:
    description: Deployment, or C(statefulset/NAME) or C(daemonset/NAME); needed without O(paths).
    type: str
  container:
    description: Container to read; by default the one named like the workload, or the first.
    type: str
  since_seconds:
    description: How far back the logs are read.
    type: int
    default: 7200
  max_bytes:
    description: Most bytes of each container's log.
    type: int
    default: 67108864
  acquire:
    description:
      - Regular expression of a line that takes a connection, with the group C(conn) and, where the line has them, C(req) (the
        request), C(at) (the location in the code) and C(query).
    type: str
    default: 'acquire conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?(?: query=(?P<query>.+))?'
  release:
    description: The same for a line that gives it back, with C(conn) and, where the line has them, C(held) (milliseconds) and C(query).
    type: str
    default: 'release conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: held_ms=(?P<held>\d+))?(?: query=(?P<query>.+))?'
  timeout:
    description: The same for a request that was given no connection.
    type: str
    default: 'connection timeout(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?'
  leaked_after:
    description: Seconds after which a connection that was not given back counts as lost.
    type: float
    default: 30.0
  evidence_pattern:
    description: Lines that are saved as evidence.
    type: str
    default: connection|pool|timeout
  evidence_lines:
    description: How many of them, the last ones of each replica.
    type: int
    default: 1000
"""

EXAMPLES = r"""
- name: capture | What the log says about connections
  sre.runbooks.connection_log_info:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234

- name: The same of two files
  sre.runbooks.connection_log_info:
    paths: [api-server-1.log, api-server-2.log.gz]
"""

RETURN = r"""
log:
  description:
    - What was found - lines, acquired, released, timeouts, leaks (at, count, oldest_seconds, pods, requests), locations
      (at, acquired, released, open, timeouts, median_ms, p95_ms, longest_ms), queries (the same), longest (single uses), peaks (most
      open at once, for each pod), nested (requests that took two), missed (reported by the pool itself), unmatched and twice.
    - C(pools) is what pools and databases said in words of their own - dialect, pool, kind (V(exhausted), V(refused), V(unreachable), V(dead),
      V(stalled) or V(full)), count, first and last (ISO 8601), current (within five minutes of the log's end, or of now for a workload's),
      waited_ms, size, active, idle, waiting, full, pods and places (at, count). What was not said is none.
  type: dict
  returned: success
improvements:
  description: What to change in the code, each with kind (close, hold, nested, query, timeout, refused or dead), at and text.
  type: list
  elements: dict
  returned: success
tables:
  description: The figures, for a report.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime
import re

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log, _connection_report
from ansible_collections.sre.runbooks.plugins.module_utils._pool._connection_log import Analysis, Patterns
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    "paths": {"type": "list", "elements": "path", "default": []},
    "namespace": {"type": "str"},
    "workload": {"type": "str"},
    "container": {"type": "str"},
    "since_seconds": {"type": "int", "default": 7200},
    "max_bytes": {"type": "int", "default": 64 << 20},
    "acquire": {"type": "str", "default": _connection_log.ACQUIRE},
    "release": {"type": "str", "default": _connection_log.RELEASE},
    "timeout": {"type": "str", "default": _connection_log.TIMEOUT},
    "leaked_after": {"type": "float", "default": _connection_report.LEAKED_AFTER},
    "evidence_pattern": {"type": "str", "default": "connection|pool|timeout"},
    "evidence_lines": {"type": "int", "default": 1000},
}


def run(task: Task) -> Result:
    """Read files, or all logs of a workload, and analyse what they say about connections."""
    p = task.params
    patterns = _connection_report.patterns(p["acquire"], p["release"], p["timeout"])
    if p["paths"]:
        found, problems = _connection_report.of_files(p["paths"], patterns, p["leaked_after"])
    elif p["namespace"] and p["workload"]:
        found, problems = _of_pods(task, patterns), []
    else:
        raise InvalidInput("There is nothing to read: neither paths nor namespace and workload are given.", "Nothing was sent.")
    return {"log": found, "improvements": _connection_report.improvements(found),
            "tables": [table.to_json() for table in _connection_report.tables(found) if table.rows],
            "says": [*_connection_report.says(found), *problems]}


def _of_pods(task: Task, patterns: Patterns) -> Result:
    """Findings of the logs of all replicas; what they say about connections is saved."""
    p, analysis = task.params, Analysis(patterns)
    try:
        pattern = re.compile(p["evidence_pattern"], re.I)
    except re.error as error:
        raise InvalidInput(f"{error.pattern!r} is not a regular expression: {error}.", "Nothing was sent.") from error
    cluster, target = task.cluster(), Target.parse(p["namespace"], p["workload"])
    workload = _workload.read(cluster, target)
    container = _workload.main_container(workload, p["container"])
    store = task.evidence()
    for log in _logs.fetch(cluster, _workload.pods(cluster, workload), container, p["since_seconds"], p["max_bytes"]):
        lines = log.text.splitlines()
        if not log.previous:
            analysis.read(log.pod, lines)
        if store:
            name = f"connections/{log.pod}{'.previous' if log.previous else ''}.log"
            kept = [line for line in lines if pattern.search(line)][-p["evidence_lines"]:]
            store.save_text(name, "connection_log", f"log of {log.pod}, lines with {p['evidence_pattern']}", "\n".join(kept) + "\n")
    return analysis.findings(p["leaked_after"], datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
