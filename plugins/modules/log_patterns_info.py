#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_patterns_info
short_description: What the logs of all replicas say, as patterns, and which of it came with the incident
version_added: 0.1.0
description:
  - Groups the records of all logs into patterns, millions of lines in about a second, and compares how often each came since the
    incident (O(since)) with the time before (O(baseline)). Errors come first, those that grew most before the others.
  - Understands plain, JSON and logfmt records, stack traces (grouped by their frames), and the usual forms of time and level.
    Plain and gzip files, cut ones as far as they go. Memory is bounded by the number of shapes, not by the size of the logs.
  - Takes files of the host that runs the task (O(paths)), the logs that were saved as evidence of an incident (O(captured)), or those of a
    workload's pods. Secrets are removed from what is shown. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.evidence
options:
  paths:
    description: Log files on the host that runs the task. With them no cluster is asked.
    type: list
    elements: path
    default: []
  captured:
    description: Read the logs that M(sre.runbooks.workload_logs) saved for O(incident_id), from before a restart. No cluster is asked.
    type: bool
    default: false
  namespace:
    description: Namespace of the workload; needed without O(paths) and O(captured).
    type: str
  workload:
    description: Deployment, or C(statefulset/NAME) or C(daemonset/NAME); needed without O(paths) and O(captured).
    type: str
  container:
    description: Container to read; by default the one named like the workload, or the first.
    type: str
  since:
    description:
      - When the incident began, ISO 8601; V(rollout) for the beginning of the workload's newest revision; V(errors) for the moment
        from which the logs have clearly more errors.
      - Without it the records are counted, and nothing is compared.
    type: str
  baseline:
    description: Seconds before O(since) to compare with.
    type: float
    default: 3600
  since_seconds:
    description: Without O(since), how far back the pods' logs are read.
    type: int
    default: 7200
  max_bytes:
    description: Most bytes of each pod's log.
    type: int
    default: 67108864
  max_shapes:
    description: Shapes of records that are told apart; what is beyond is counted only. Bounds the memory.
    type: int
    default: 131072
  max_patterns:
    description: Patterns in the result, those that grew most first; the evidence has all.
    type: int
    default: 50
requirements:
  - numba, numpy
"""

EXAMPLES = r"""
- name: What is new since the last rollout
  sre.runbooks.log_patterns_info:
    namespace: ai-development
    workload: api-server
    since: rollout

- name: Files, one of each replica
  sre.runbooks.log_patterns_info:
    paths: [api-1.log, api-2.log.gz]
    since: "2026-11-24T03:00:00Z"
"""

RETURN = r"""
patterns:
  description:
    - Each with template, level, before and since (records), rate_before and rate_since (a minute), growth, surprise (about standard
      deviations), new, first_seen, last_seen, sources, examples and frames.
  type: list
  elements: dict
  returned: success
since:
  description: The time that the records are compared at, empty where they are not compared.
  type: str
  returned: success
how:
  description: How that is known, where errors tell it.
  type: str
  returned: success
tables:
  description: The errors that grew most, for a report.
  type: list
  elements: dict
  returned: success
records:
  description: Records that were read.
  type: int
  returned: success
problems:
  description: What could not be read or understood.
  type: list
  elements: str
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    "paths": {"type": "list", "elements": "path", "default": []},
    "captured": {"type": "bool", "default": False},
    "namespace": {"type": "str"},
    "workload": {"type": "str"},
    "container": {"type": "str"},
    "since": {"type": "str"},
    "baseline": {"type": "float", "default": 3600.0},
    "since_seconds": {"type": "int", "default": 7200},
    "max_bytes": {"type": "int", "default": 64 << 20},
    "max_shapes": {"type": "int", "default": 1 << 17},
    "max_patterns": {"type": "int", "default": 50},
}


def run(task: Task) -> Result:
    """Patterns of the files, of the saved logs, or of the workload's pods."""
    from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _mine, _pods
    p, store = task.params, task.evidence()
    if p["captured"] and not store:
        raise InvalidInput("The saved logs of an incident are asked for, and incident_id is not given.", "Nothing was read.")
    paths = [str(store.path(item.name)) for item in store.items("logs") if item.bytes] if p["captured"] and store else p["paths"]
    if p["captured"] and not paths:
        return {"patterns": [], "tables": [], "records": 0, "problems": [], "says": ["no lines of logs were saved"]}
    if not paths and not (p["namespace"] and p["workload"]):
        raise InvalidInput("There is nothing to read: neither paths nor namespace and workload are given.", "Nothing was sent.")
    _mine.prepare(task.progress)
    found = _files.patterns_of(paths, p["since"] or "", p["baseline"], p["max_shapes"]) if paths else _pods.patterns_of(
        task.cluster(), Target.parse(p["namespace"], p["workload"]), p["container"], p["since"] or "", p["since_seconds"],
        p["max_bytes"], p["baseline"], p["max_shapes"])
    result: Result = {**found, "patterns": found["patterns"][:p["max_patterns"]]}
    if store:
        store.save_json("log-patterns.json", "log_patterns", f"{len(found['patterns'])} patterns of {found['records']} records", found)
        result["evidence"] = [str(store.path("log-patterns.json"))]
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
