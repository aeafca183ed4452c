#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gc_log_info
short_description: Pauses, allocation, promotion and leaks, from the garbage collection logs of JVMs
version_added: 0.1.0
description:
  - Reads logs of unified logging (JDK 9 and later, C(-Xlog:gc*), any decorations, all collectors) and of JDK 8 and older
    (C(-XX:+PrintGCDetails) and the flags that add to it), also where they are mixed with an application's lines, compressed, or cut short.
  - What could not be read is counted; where that is more than a tenth of the collections there is no verdict, and the reason is said.
  - Says how long and how often the application stood still, how fast it allocates and promotes, and whether the heap that stays
    after whole collections grows, how fast, and when it reaches its limit. Reads only.
  - Takes files of the host that runs the task (O(paths)), or the pods of a workload - a file in each (O(pod_path)) or, without
    it, the container's own log.
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
  pod_path:
    description: Path of the log in the container, which must have C(tail).
    type: str
  since_seconds:
    description: How far back the container's own log is read.
    type: int
    default: 604800
  max_bytes:
    description: Most bytes of each log of a pod; of a file the last ones.
    type: int
    default: 67108864
  long_safepoint:
    description: Seconds from which a stop of all threads counts as long.
    type: float
    default: 0.2
"""

EXAMPLES = r"""
- name: Analyse a file
  sre.runbooks.gc_log_info:
    paths: [gc.log.gz]

- name: Analyse what the JVMs log to /logs/gc.log
  sre.runbooks.gc_log_info:
    namespace: ai-development
    workload: api-server
    pod_path: /logs/gc.log
"""

RETURN = r"""
logs:
  description:
    - One entry for each log, with source, figures (pauses, kinds, causes, allocation, promotion, live, young,
      evacuation_failures, pinned, full_collections, late, starved, stalls, safepoints, unread, flags, notes), cause,
      candidates (with evidence for and against), tables and fixes.
  type: list
  elements: dict
  returned: success
evidence:
  description: Path of the evidence that was saved.
  type: list
  elements: str
  returned: with incident_id
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import run as execute
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    "paths": {"type": "list", "elements": "path", "default": []},
    "namespace": {"type": "str"},
    "workload": {"type": "str"},
    "container": {"type": "str"},
    "pod_path": {"type": "str"},
    "since_seconds": {"type": "int", "default": 604800},
    "max_bytes": {"type": "int", "default": 64 << 20},
    "long_safepoint": {"type": "float", "default": _analysis.LONG_SAFEPOINT},
}


def run(task: Task) -> Result:
    """Analyse the files, or the logs of the workload's pods."""
    p = task.params
    if not p["paths"] and not (p["namespace"] and p["workload"]):
        raise InvalidInput("There is nothing to read: neither paths nor namespace and workload are given.", "Nothing was sent.")
    if p["paths"]:
        found = [_analysis.of_file(path, p["long_safepoint"]) for path in p["paths"]]
    else:
        found = [_analysis.of_lines(source, text.splitlines(), p["long_safepoint"]) for source, text in _of_pods(task)]
    result: Result = {"logs": found, "says": [f"{log['source']}: {line}" for log in found for line in log["says"]]}
    store = task.evidence()
    if store:
        store.save_json("gc-log.json", "gc_log", ", ".join(log["source"] for log in found), found)
        result["evidence"] = [str(store.path("gc-log.json"))]
    return result


def _of_pods(task: Task) -> list[tuple[str, str]]:
    """Name and text of each pod's log."""
    p, cluster = task.params, task.cluster()
    workload = _workload.read(cluster, Target.parse(p["namespace"], p["workload"]))
    container, pods = _workload.main_container(workload, p["container"]), _workload.pods(cluster, workload)
    if p["pod_path"]:
        return each(lambda pod: _of_file_in(cluster, pod, container, p["pod_path"], p["max_bytes"]), filter(_workload.running, pods))
    logs = _logs.fetch(cluster, pods, container, p["since_seconds"], p["max_bytes"])
    return [(f"{log.pod}{' (before its restart)' if log.previous else ''}", log.text) for log in logs if not log.error]


def _of_file_in(cluster: Cluster, pod: Json, container: str, path: str, most: int) -> tuple[str, str]:
    where = Container(pod["metadata"]["namespace"], pod["metadata"]["name"], container)
    done = execute(cluster, where, ["tail", "-c", str(most), path])
    if done.code:
        raise ClusterError(f"Cluster {cluster.name}: cannot read {path} in {where} (tail ended with {done.code}: {done.stderr.strip()}).",
                           "Check pod_path; without it the container's own log is read.")
    return f"{where.pod}:{path}", done.text


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
