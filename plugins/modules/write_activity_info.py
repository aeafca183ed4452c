#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: write_activity_info
short_description: Whether anybody still writes to a PostgreSQL database
version_added: 0.1.0
description:
  - Watches how many rows are written to the database until there have been none for a while, and says when the last one was.
  - Asks every ready pod of a workload to write, in a way that does no harm where it is taken (O(attempt)), and expects to be
    refused; and asks whether new sessions of the database's user are read-only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.evidence
options:
  quiet:
    description: Seconds without a write after which writes count as stopped. Sessions report what they wrote up to 10 seconds late.
    type: float
    default: 12.0
  timeout:
    description: Seconds to watch at most.
    type: float
    default: 60.0
  started_at:
    description: When stopping the writes began (ISO 8601); the last write is told relative to it.
    type: str
  newest:
    description: A table that every write adds a row to, such as an audit log; its newest row tells of writes before the watch.
    type: dict
    suboptions:
      table:
        description: Its name.
        type: str
        required: true
      order:
        description: Column by which its rows are ordered, with an index.
        type: str
        default: id
      time:
        description: Column with their time.
        type: str
        default: created_at
  attempt:
    description: A write to ask each ready pod of O(attempt.workload) for; none when not set.
    type: dict
    suboptions:
      workload:
        description: Its pods are asked.
        type: str
        required: true
      port:
        description: Port of the pods.
        type: int
        default: 8080
      path:
        description: Path of the request.
        type: str
        required: true
      method:
        description: Method of the request.
        type: str
        default: POST
      body:
        description: Body that is refused as invalid where writes are taken.
        type: str
        default: "{}"
      refused_status:
        description: HTTP status of a pod that takes no writes.
        type: list
        elements: int
        default: [403, 405, 423, 503]
  prober:
    description: Workload from whose pod the requests are made; it needs C(sh) and C(curl).
    type: str
    default: debug-pod
"""

EXAMPLES = r"""
- name: stop | Whether writes have stopped
  sre.runbooks.write_activity_info:
    namespace: ai-development
    attempt:
      workload: api-server
      path: /orders
"""

RETURN = r"""
outcome:
  description: V(stopped); V(writing) when rows were written to the end, or a pod takes writes.
  type: str
  returned: success
writes:
  description: since, last_write_at, quiet_seconds, rows and seconds of the watch.
  type: dict
  returned: success
pods:
  description: Each pod that was asked, with status and whether it refused.
  type: list
  elements: dict
  returned: success
read_only_default:
  description: Whether new sessions of the database's user are read-only.
  type: bool
  returned: success
last_write_after:
  description: Seconds from O(started_at) to the last write; 0 when it was before, or none was seen.
  type: float
  returned: when O(started_at) is given
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _probe, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Request
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database, _writes
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._writes import Writes
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    "quiet": {"type": "float", "default": 12.0},
    "timeout": {"type": "float", "default": 60.0},
    "started_at": {"type": "str"},
    "newest": {"type": "dict", "options": {
        "table": {"type": "str", "required": True},
        "order": {"type": "str", "default": "id"},
        "time": {"type": "str", "default": "created_at"},
    }},
    "attempt": {"type": "dict", "options": {
        "workload": {"type": "str", "required": True},
        "port": {"type": "int", "default": 8080},
        "path": {"type": "str", "required": True},
        "method": {"type": "str", "default": "POST"},
        "body": {"type": "str", "default": "{}"},
        "refused_status": {"type": "list", "elements": "int", "default": [403, 405, 423, 503]},
    }},
    "prober": {"type": "str", "default": "debug-pod"},
}


def run(task: Task) -> Result:
    """Watch the counters, and ask for writes."""
    p, cluster = task.params, task.cluster()
    with _database.opened(cluster, p["namespace"], p["database"]) as database:
        writes = _writes.watch(database, p["quiet"], p["timeout"], task.progress, p["newest"])
        read_only = _writes.default_is_read_only(database)
    pods = _attempts(cluster, p["namespace"], p["prober"], p["attempt"]) if p["attempt"] else []
    stopped = writes.quiet_seconds >= p["quiet"] and all(pod["refused"] for pod in pods)
    result = {"outcome": "stopped" if stopped else "writing", "writes": writes.to_json(), "pods": pods, "read_only_default": read_only}
    after = {"last_write_after": _seconds_after(p["started_at"], writes.last_write_at)} if p["started_at"] else {}
    says = _says(writes, pods, read_only, after.get("last_write_after"))
    store = task.evidence()
    if store:
        store.save_json("writes.json", "writes", "write counters of the database, and requests to the pods", {**result, **after})
    return {**result, **after, "says": says}


def _attempts(cluster: Cluster, namespace: str, prober: str, attempt: Json) -> list[Json]:
    workload = _workload.read(cluster, Target.parse(namespace, attempt["workload"]))
    ready = [pod for pod in _workload.pods(cluster, workload) if _workload.ready(pod)]
    requests = [Request(f"http://{_address(pod)}:{attempt['port']}{attempt['path']}", attempt["method"], body=attempt["body"])
                for pod in ready]
    answers = _probe.probe(cluster, _probe.prober(cluster, namespace, prober), requests)
    return [{"pod": pod["metadata"]["name"], "status": answer.status, "error": answer.error,
             "refused": answer.status in attempt["refused_status"]} for pod, answer in zip(ready, answers, strict=True)]


def _address(pod: Json) -> str:
    address = pod["status"]["podIP"]
    return f"[{address}]" if ":" in address else address


def _seconds_after(started_at: str, moment: str) -> float:
    if not moment:
        return 0.0
    return max(0.0, (_time(moment) - _time(started_at)).total_seconds())


def _time(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _says(writes: Writes, pods: t.Sequence[Json], read_only: bool, after: float | None) -> list[str]:
    lines = [f"no row was written for {writes.quiet_seconds:.0f} s"]
    if writes.last_write_at:
        when = "" if after is None else f", {after:.1f} s after writes began to be stopped"
        lines.append(f"the last write was at {writes.last_write_at}{when}")
    if writes.rows:
        lines.append(f"{writes.rows} rows were written while watching for {writes.seconds:.0f} s")
    if pods:
        refused = sum(pod["refused"] for pod in pods)
        lines.append(f"{refused} of {len(pods)} pods refuse to write")
        lines += [f"{pod['pod']} answers {pod['status'] or pod['error']} to a write" for pod in pods if not pod["refused"]]
    lines.append(f"new sessions of the application's role are {'read-only' if read_only else 'not read-only by default'}")
    return lines


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
