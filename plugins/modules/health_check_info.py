#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check_info
short_description: Check the health of a cluster and of the application on it, everything at once
version_added: 0.1.0
description:
  - Checks the API server, nodes, pods, deployments, services seen from inside the cluster, the database, Redis and recent errors,
    all at once and within O(timeout) seconds. Reads only.
  - What O(prober), O(urls), O(database_ways), O(redis_host), O(error_workload) and O(critical) leave out is found in O(namespace), by readiness
    probes, Services, images and ports; in the namespace V(ai-development) it is what the written playbook names there. What is not there is not
    looked at, and RV(lacks) says so.
  - Never fails because a check does. A check that cannot be made (no permission, no pod to ask from) is V(unknown), with the reason;
    a cluster that does not answer has the verdict V(unreachable).
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database.found
  - sre.runbooks.evidence
options:
  namespace:
    description: Namespace of the application.
    type: str
    required: true
  timeout:
    description: Seconds for all checks together; one request takes at most half of it and is not repeated.
    type: float
    default: 10.0
  prober:
    description:
      - Workload from whose pod services and Redis are asked; it needs C(curl) 7.63 or newer and C(redis-cli).
      - Where it is empty, services are asked through the API server, and Redis in its own pod. In V(ai-development) it is V(debug-pod).
    type: str
    default: ""
  urls:
    description:
      - What to ask with GET from inside the cluster. Each is a check named like the first part of its host.
      - Where it is empty, what readiness probes ask, through the Services in front. In V(ai-development) it is C(/health) on port 8080 of
        V(api-gateway), V(auth-service) and V(user-service).
    type: list
    elements: str
    default: []
  slow_ms:
    description: An answer that takes more milliseconds is a warning.
    type: float
    default: 1000.0
  redis_host:
    description: Host of Redis as the O(prober) sees it; where it is empty, the Service in front of a workload that is Redis.
    type: str
    default: ""
  redis_port:
    description: Port of Redis; where it is 0, that of the Service, or 6379.
    type: int
    default: 0
  redis_password:
    description: Password of Redis, where it has one.
    type: str
  full:
    description: Share of the connections that the database or Redis takes from which their use is a warning.
    type: float
    default: 0.8
  error_workload:
    description: Workload whose log is searched for errors; where it is empty, the application with the most pods.
    type: str
    default: ""
  error_pattern:
    description: Regular expression of log lines that count as errors.
    type: str
    default: '\bERROR\b'
  error_minutes:
    description: How far back the log is searched, in at most 5000 lines of each pod.
    type: int
    default: 5
  error_count:
    description: So many errors are a warning; the last ten are shown in any case.
    type: int
    default: 10
  grace:
    description: Seconds that a pod may take to start or to stop before that is bad.
    type: float
    default: 120.0
  recent:
    description: Seconds for which the crash of a pod that is ready again is a warning.
    type: float
    default: 600.0
  critical:
    description:
      - Checks without which nothing works. One of them bad makes the verdict V(down), one not measured V(unknown).
      - Where it is empty, services and database that are found. In V(ai-development) V(api-gateway), V(auth-service) and V(database).
    type: list
    elements: str
    default: []
  evidence_name:
    description: Name of the evidence that is saved where O(incident_id) is set.
    type: str
    default: health
seealso:
  - module: sre.runbooks.severity_info
"""

EXAMPLES = r"""
- name: Check the health of the shop
  sre.runbooks.health_check_info:
    namespace: ai-development
  register: health

- name: Detect | Save the health before anything is changed
  sre.runbooks.health_check_info:
    namespace: ai-development
    incident_id: INC-1234
    evidence_name: health-before
"""

RETURN = r"""
verdict:
  description: V(healthy), V(degraded), V(down), V(unreachable) or V(unknown).
  type: str
  returned: success
summary:
  description: The verdict and what it rests on, in a line.
  type: str
  returned: success
rows:
  description: Each check with name, status (ok, warn, bad, unknown), value, detail, lines, at (ISO 8601, UTC) and seconds.
  type: list
  elements: dict
  returned: success
lacks:
  description: What was not looked at because it was not found, with the variable that names it, in sentences.
  type: list
  elements: str
  returned: success
at:
  description: When the check began, ISO 8601, UTC.
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
evidence:
  description: Path of the evidence that was saved.
  type: list
  elements: str
  returned: with incident_id
says:
  description: The summary, where something is not well.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import DATABASE_SPEC, Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._health import _checks, _namespace
from ansible_collections.sre.runbooks.plugins.module_utils._health._checks import Settings
from ansible_collections.sre.runbooks.plugins.module_utils._health._findings import (
    API, HEALTHY, UNKNOWN, UNREACHABLE, Finding, Row, brief, examine, summary, verdict)
from ansible_collections.sre.runbooks.plugins.module_utils._health._namespace import Targets
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "database_ways": {**DATABASE_SPEC["database_ways"], "default": []},
    **EVIDENCE_SPEC,
    "namespace": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 10.0},
    "prober": {"type": "str", "default": ""},
    "urls": {"type": "list", "elements": "str", "default": []},
    "slow_ms": {"type": "float", "default": 1000.0},
    "redis_host": {"type": "str", "default": ""},
    "redis_port": {"type": "int", "default": 0},
    "redis_password": {"type": "str", "no_log": True},
    "full": {"type": "float", "default": 0.8},
    "error_workload": {"type": "str", "default": ""},
    "error_pattern": {"type": "str", "default": r"\bERROR\b"},
    "error_minutes": {"type": "int", "default": 5},
    "error_count": {"type": "int", "default": 10},
    "grace": {"type": "float", "default": 120.0},
    "recent": {"type": "float", "default": 600.0},
    "critical": {"type": "list", "elements": "str", "default": []},
    "evidence_name": {"type": "str", "default": "health"},
}


def run(task: Task) -> Result:
    """Check everything, and save it where there is an incident."""
    at, started = now(), time.monotonic()
    rows, outcome, lacks = _rows(task)
    result: Result = {
        "verdict": outcome, "summary": summary(rows, outcome), "rows": [row.to_json() for row in rows], "lacks": list(lacks), "at": at,
        "seconds": round(time.monotonic() - started, 3), "says": [] if outcome == HEALTHY else [brief(rows, outcome)]}
    store = task.evidence()
    if store:
        name = task.params["evidence_name"]
        store.save_json(f"{name}.json", "health", "health_check_info", {**result, "cluster": task.params["cluster_name"]})
        result["evidence"] = [str(store.path(f"{name}.json"))]
    return result


def _rows(task: Task) -> tuple[list[Row], str, tuple[str, ...]]:
    """The rows, their verdict, and what was not looked at; of a cluster that does not answer, the reason stands in one row."""
    began = time.monotonic()
    try:
        cluster = _cluster(task)
    except InvalidInput as error:  # one host's bad settings must not end the check of the others
        return [Row(API, Finding(UNKNOWN, "", str(error)), now(), 0.0)], UNKNOWN, ()
    targets = _targets(cluster, task.params)
    rows = examine(_checks.checks(cluster, _settings(task, targets)), task.params["timeout"] - (time.monotonic() - began))
    outcome = verdict(rows, targets.critical)
    if outcome == UNREACHABLE:
        rows = [row if row.name == API else dataclasses.replace(row, finding=Finding(UNKNOWN, "", "the API server does not answer"))
                for row in rows]
        return rows, outcome, ()
    return rows, outcome, targets.lacks


def _targets(cluster: Cluster, p: t.Mapping[str, t.Any]) -> Targets:
    """What is given, and for the rest what is there: in the namespace of the written playbook its names, in any other what is found."""
    given = {"prober": p["prober"], "urls": tuple(p["urls"]), "database_ways": tuple(Way(**way) for way in p["database_ways"]),
             "redis_host": p["redis_host"], "error_workload": p["error_workload"], "critical": tuple(p["critical"])}
    given = {name: value for name, value in given.items() if value}
    if p["namespace"] == _namespace.SHOP_NAMESPACE:
        return dataclasses.replace(_namespace.SHOP, redis_port=p["redis_port"] or 6379, **given)
    try:
        found = _namespace.targets([described for described, _owner in _namespace.look(cluster, p["namespace"]).values()], given)
    except ClusterError as error:
        found = Targets(lacks=(f"services, database and Redis: {error}",))
    return dataclasses.replace(found, **{"redis_port": p["redis_port"] or found.redis_port, **given})


def _cluster(task: Task) -> Cluster:
    """The cluster, with requests that end well before the check does: a dead one is told within seconds."""
    p = task.params
    patience = {"request_timeout": min(p["request_timeout"], p["timeout"] / 2), "retries": 0}
    return dataclasses.replace(task, params={**p, **patience}).cluster()


def _settings(task: Task, targets: Targets) -> Settings:
    given = {field.name: task.params.get(field.name) for field in dataclasses.fields(Settings)}
    return Settings(**{**given, "targets": targets, "redis_password": task.params["redis_password"] or "",
                       "request_timeout": task.params["timeout"] / 3})


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
