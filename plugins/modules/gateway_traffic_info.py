#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_traffic_info
short_description: Who sends what through a gateway, from the access logs of all its replicas
version_added: 0.1.0
description:
  - Reads the access logs and says for the recent past which clients send most and how much they sent before, how each
    route and upstream answers and how long it takes, whether the time is spent in an upstream or in the gateway, and
    how often the same request is made again (a retry storm). What was usual is taken from the log before that.
  - Saves the figures as evidence when O(incident_id) is set. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  format:
    description:
      - Format of the log. V(shop) is C(access client= route= req= status= ms= upstream= upstream_ms= refused=), V(nginx)
        the combined format and what ingress-nginx adds to it, V(apache) and V(kong) the common or combined format, V(envoy)
        Envoy's and Istio's default, V(traefik), V(haproxy) and V(alb) (load balancers of AWS) their own, V(cloudfront) with its 33
        columns, V(json) and V(caddy) one object a line. Those that exist as JSON are read as JSON, too. V(auto) recognises each line.
    type: str
    choices: [auto, shop, nginx, apache, kong, envoy, traefik, haproxy, alb, cloudfront, json, caddy]
    default: auto
  regex:
    description:
      - Another format, as a Python regular expression with the named groups V(client), V(route), V(status), and as far
        as the log has them V(request_id), V(ms) or V(seconds), V(upstream), V(upstream_ms) or V(upstream_seconds), and
        V(refused), which matches only where the gateway refused on purpose.
    type: str
  fields:
    description:
      - Keys of a JSON log to try for each of these groups, in the place of the built-in ones; a dot goes into an object. A C(duration)
        of a program that is not known has no unit, and counts only where V(ms) or V(seconds) names it.
    type: dict
    default: {}
  log_seconds:
    description: How far back to read.
    type: int
    default: 900
  recent_seconds:
    description: How much of that is looked at in detail; what was before tells what is usual.
    type: float
    default: 30.0
  max_lines:
    description: At most this many lines of each replica, the newest. One replica is in memory at a time.
    type: int
    default: 50000
"""

EXAMPLES = r"""
- name: capture | Who sends what
  sre.runbooks.gateway_traffic_info:
    namespace: ai-development
    workload: api-gateway
    incident_id: INC-1234
  register: traffic
"""

RETURN = r"""
traffic:
  description:
    - Of the recent requests C(seconds), C(requests), C(per_second), C(usual_per_second), C(errors) (5xx that were not
      meant), C(refused) by reason, C(statuses), percentiles in milliseconds and C(upstream_time_share).
    - C(ended_by), who ended those that failed (V(upstream), V(gateway), V(client) - it went away before it was answered - or V(unknown)),
      C(tried_again) (requests for which the gateway tried more than one upstream) and C(flags), the gateway's own reasons.
    - C(error_share) is none, and C(withheld) says why, where many requests are in no known format or have no status.
    - C(clients) with share, per_second and before_per_second, C(routes) and C(upstreams) with requests, errors,
      statuses and percentiles, each with most requests first; C(repeats) with share, per_request, most and clients, none
      where the log has no request ids.
    - C(lines), C(unknown_lines), of them C(unread_requests), which seem to be requests all the same, and C(cut_short),
      the replicas whose log is longer than O(max_lines).
  type: dict
  returned: success
impact:
  description: What it means for customers, each with C(question), C(answer) and C(how), as M(sre.runbooks.report) takes it.
  type: list
  elements: dict
  returned: success
evidence:
  description: Files that were saved.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import re
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _access_log
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._log_formats import CHOICES, Parser
from ansible_collections.sre.runbooks.plugins.module_utils._report import _impact
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "format": {"type": "str", "choices": list(CHOICES), "default": "auto"},
    "regex": {"type": "str"},
    "fields": {"type": "dict", "default": {}},
    "log_seconds": {"type": "int", "default": 900},
    "recent_seconds": {"type": "float", "default": 30.0},
    "max_lines": {"type": "int", "default": 50000},
}
TIMEOUT = 60.0


def run(task: Task) -> Result:
    """Read every replica's log, one after the other."""
    p, cluster = task.params, task.cluster()
    workload = _workload.read(cluster, Target.parse(p["namespace"], p["workload"]))
    container = _workload.main_container(workload, p["container"])
    until = time.time()
    traffic = _access_log.Traffic(until - p["recent_seconds"], until)
    parser = _parser(p)
    lines = 0
    cut_short = []
    for pod in filter(_workload.running, _workload.pods(cluster, workload)):
        of_pod = 0
        for line in _log(cluster, pod, container, p):
            entry = parser.parse(line)
            of_pod += 1
            if entry:
                traffic.add(entry)
            else:
                traffic.skip(line)
        lines += of_pod
        if of_pod >= p["max_lines"]:
            cut_short.append(pod["metadata"]["name"])
    found = {**traffic.summary(), "lines": lines, "cut_short": cut_short}
    store = task.evidence()
    evidence = []
    if store:
        store.save_json("traffic.json", "traffic", f"access logs of {p['workload']}", found)
        evidence = [str(store.path("traffic.json"))]
    return {"traffic": found, "impact": _impact.of_traffic(found, "evidence/traffic.json" if store else ""), "evidence": evidence, "says": _says(found)}


def _parser(p: dict[str, t.Any]) -> Parser:
    try:
        return Parser(p["format"], p["regex"] or "", p["fields"])
    except re.error as error:
        raise InvalidInput(f"{error.pattern!r} is not a regular expression: {error}.", "Nothing was sent.") from error


def _log(cluster: Cluster, pod: Json, container: str, p: dict[str, t.Any]) -> t.Iterator[str]:
    meta = pod["metadata"]
    query = {"container": container, "timestamps": "true", "sinceSeconds": str(p["log_seconds"]), "tailLines": str(p["max_lines"])}
    try:
        data = cluster.raw("GET", resource_path("Pod", meta["namespace"], meta["name"], "log"), query=query, timeout=TIMEOUT)
    except ClusterError as error:
        if error.status in (400, 404):
            return
        raise
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield data[start:end].decode("utf-8", "replace")
        start = end + 1


def _says(found: Json) -> list[str]:
    if not found["requests"]:
        return [f"no request in the last {found['seconds']:.0f} s among {found['lines']} lines of the access log; "
                f"{found['unknown_lines']} lines are in no known format"]
    usual = found["usual_per_second"]
    before = f", {usual:.1f} a second before" if usual is not None else ""
    lines = [f"{found['requests']} requests in {found['seconds']:.0f} s, {found['per_second']:.1f} a second{before}"]
    top = found["clients"][0]
    lines.append(f"{top['client']} sends {top['share']:.0%} of them")
    if found["repeats"]:
        lines.append(f"{found['repeats']['share']:.0%} of them are repeats ({found['repeats']['per_request']} tries a request)")
    if found["withheld"]:
        lines.append(found["withheld"])
    elif found["errors"]:
        lines.append(f"{found['errors']} of them failed ({found['error_share']:.0%}), ended by "
                     + ", ".join(f"{who}: {count}" for who, count in sorted(found["ended_by"].items(), key=lambda pair: -pair[1])))
    if found["cut_short"]:
        lines.append(f"only the newest lines of {', '.join(found['cut_short'])} were read")
    return lines


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
