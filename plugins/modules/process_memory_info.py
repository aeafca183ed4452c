#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: process_memory_info
short_description: What a process is made of in memory that is no JVM, or none that can be asked
version_added: 0.1.0
description:
  - Reads what the kernel accounts for in every pod of a workload - the cgroup's split into the process's own memory, files and files in
    memory, and of the largest process its resident memory (C(smaps_rollup)), threads and open files. Where the process serves Go's
    profiles beside its metrics (C(/debug/pprof)), its heap profile too. Saves both as evidence when O(incident_id) is set.
  - A shell runs in the container for that and counts against its memory limit. A pod that has less than 24 MiB left is not entered; a
    profile is read through the API server and starts nothing.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  name:
    description: Name of the evidence files.
    type: str
    default: memory
  pods:
    description: Only these pods.
    type: list
    elements: str
    default: []
  metrics_port:
    description: Where the process may serve profiles, as M(sre.runbooks.memory_signals_info) takes it; V(0) for nowhere.
    type: str
    default: "9090"
  not_before:
    description: Wait until O(interval) seconds after this time (ISO 8601).
    type: str
  interval:
    description: Seconds after O(not_before).
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- name: capture | Memory of a process without a JVM
  sre.runbooks.process_memory_info:
    namespace: ai-development
    workload: thumbnails
    incident_id: INC-1234
"""

RETURN = r"""
looks:
  description:
    - For each pod of which anything is known its name (pod), when its container started (started_at) and the time (at), the largest process
      (process, its id and name), what its memory is made of (memory - anon, file, shmem and rss in bytes, threads and files in numbers, where
      known), and of its heap profile the live bytes (live), the function that made most of them (site) and how much (holds).
  type: list
  elements: dict
  returned: success
missing:
  description: For each running pod that was not looked into its name (pod) and why (why).
  type: list
  elements: dict
  returned: success
at:
  description: When the first was read.
  type: str
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

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _process
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._histogram import wait_between
from ansible_collections.sre.runbooks.plugins.module_utils._memory._process import Look
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC,
    EVIDENCE_SPEC,
    TARGET_SPEC,
    Result,
    Task,
    run_module,
)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "name": {"type": "str", "default": "memory"},
    "pods": {"type": "list", "elements": "str", "default": []},
    "metrics_port": {"type": "str", "default": "9090"},
    "not_before": {"type": "str"},
    "interval": {"type": "float", "default": 5.0},
}


def run(task: Task) -> Result:
    """Look, and save what was seen."""
    p, cluster = task.params, task.cluster()
    wait_between(p["not_before"], p["interval"])
    seen = _process.look(cluster, Target.parse(p["namespace"], p["workload"]), p["container"], p["metrics_port"], p["pods"])
    known = [look for look in seen if look.text or look.profile]
    missing = [{"pod": look.pod, "why": look.why_not} for look in seen if look.why_not]
    evidence = [path for look in known for path in _save(task, look)] if p["incident_id"] and not task.check_mode else []
    return {"looks": [_to_json(look) for look in known], "missing": missing, "at": min((look.at for look in known), default=now()), "evidence": evidence,
            "says": [_says(look) for look in known] + [f"not looked into {row['pod']}: {row['why']}" for row in missing]}


def _save(task: Task, look: Look) -> list[str]:
    store, name = task.evidence(), task.params["name"]
    saved = []
    for what, text in (("txt", look.text), ("pprof.txt", look.profile)):
        if text:
            file = f"process/{look.pod}.{name}.{what}"
            source = f"{'cgroup and /proc' if what == 'txt' else _process.PROFILE_PATH} of {look.pod}"
            store.save_text(file, "process_memory", source, text)
            saved.append(str(store.path(file)))
    return saved


def _to_json(look: Look) -> Result:
    profile = _process.parse_profile(look.profile)
    heap = {"live": profile.live, "site": profile.site, "holds": profile.holds} if profile else {}
    return {"pod": look.pod, "started_at": look.started_at, "at": look.at, "process": look.process, "memory": dict(look.memory), **heap}


def _says(look: Look) -> str:
    parts = [f"{size(look.memory[name])} {what}" for name, what in (("anon", "of its own"), ("file", "of files"), ("shmem", "of files in memory"))
             if name in look.memory]
    parts += [f"{look.memory[name]} {what}" for name, what in (("threads", "threads"), ("files", "open files")) if name in look.memory]
    if profile := _process.parse_profile(look.profile):
        parts.append(f"its heap profile has {size(profile.live)} live, {size(profile.holds)} by {profile.site or 'functions without a name'}")
    return f"{look.pod}{f' (process {look.process})' if look.process else ''}: {', '.join(parts) or 'nothing that could be read'}"


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
