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
  - With O(incident_id) the last lines about connections are saved as evidence, one file for each replica.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
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
        request) and C(at) (the location in the code).
    type: str
    default: 'acquire conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: at=(?P<at>\S+))?'
  release:
    description: The same for a line that gives it back, with C(conn) and, where the line has it, C(held) (milliseconds).
    type: str
    default: 'release conn=(?P<conn>\S+)(?: req=(?P<req>\S+))?(?: held_ms=(?P<held>\d+))?'
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
"""

RETURN = r"""
log:
  description:
    - What was found - lines, acquired, released, timeouts, leaks (at, count, oldest_seconds, pods, requests) and locations
      (at, acquired, released, open, timeouts, median_ms, p95_ms, longest_ms).
  type: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import re

from ansible_collections.sre.runbooks.plugins.module_utils import _connection_log, _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._connection_log import Analysis, Patterns
from ansible_collections.sre.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)
from ansible_collections.sre.runbooks.plugins.module_utils._workload import Target

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "since_seconds": {"type": "int", "default": 7200},
    "max_bytes": {"type": "int", "default": 64 << 20},
    "acquire": {"type": "str", "default": _connection_log.ACQUIRE},
    "release": {"type": "str", "default": _connection_log.RELEASE},
    "timeout": {"type": "str", "default": _connection_log.TIMEOUT},
    "leaked_after": {"type": "float", "default": 30.0},
    "evidence_pattern": {"type": "str", "default": "connection|pool|timeout"},
    "evidence_lines": {"type": "int", "default": 1000},
}


def run(task: Task) -> Result:
    """Read all logs, analyse them, and save what they say about connections."""
    p = task.params
    try:
        analysis, pattern = Analysis(Patterns.parse(p["acquire"], p["release"], p["timeout"])), re.compile(p["evidence_pattern"], re.I)
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
    found = analysis.findings(p["leaked_after"])
    return {"log": found, "says": _says(found)}


def _says(found: dict) -> list[str]:
    if not found["acquired"]:
        return [f"{found['lines']} lines, none of a connection that is taken (see acquire)"]
    lines = [f"{found['lines']} lines: {found['acquired']} connections taken, {found['released']} given back, "
             f"{found['timeouts']} requests without one"]
    return lines + [f"never given back: {leak['count']} taken at {leak['at']}, the oldest {leak['oldest_seconds']:.0f} s ago"
                    for leak in found["leaks"][:3]]


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
