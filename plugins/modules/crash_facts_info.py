#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crash_facts_info
short_description: Gather the facts of a workload that does not come up or does not stay up
version_added: 0.1.0
description:
  - Reads everything that tells why, all at once - how containers ended and why they wait, the last lines of their logs (init containers
    and previous lives too), events, probes, what the pod template refers to and whether it is there, revisions and which of them was ever
    ready, the service that the log misses, and nodes - and returns it as facts for M(sre.runbooks.diagnosis_info) with the table of causes
    C(crash_loop).
  - What may not be read, or is not there, is a fact that is not known, with the reason. Reads only. Of Secrets and ConfigMaps it asks for
    the metadata and keeps names and keys.
  - Saves logs, objects and facts as evidence when O(incident_id) is set. Secrets are removed.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  since:
    description: What ended before this time (ISO 8601, UTC) does not count.
    type: str
  window_minutes:
    description: How far back ends and kills count when O(since) is not set.
    type: int
    default: 60
  grace:
    description: Seconds that a pod may wait for a node; twice as long for its volumes and its network.
    type: float
    default: 60.0
  restarts:
    description: Restarts of one container that are still nothing while it is ready.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: capture | Facts, with logs and objects as evidence
  sre.runbooks.crash_facts_info:
    namespace: ai-development
    workload: api-server
    incident_id: INC-1234
  register: crash
"""

RETURN = r"""
facts:
  description: Each fact with name, value, unit, source, known, and because where it is not known.
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

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _facts, _look
from ansible_collections.sre.runbooks.plugins.module_utils._crash._facts import Seen
from ansible_collections.sre.runbooks.plugins.module_utils._crash._signals import Limits
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "since": {"type": "str"},
    "window_minutes": {"type": "int", "default": 60},
    "grace": {"type": "float", "default": 60.0},
    "restarts": {"type": "int", "default": 2},
}


def run(task: Task) -> Result:
    """Gather, and save."""
    p, cluster = task.params, task.cluster()
    look = _look.take(cluster, Target.parse(p["namespace"], p["workload"]), p["container"])
    begin = look.at - datetime.timedelta(minutes=p["window_minutes"])
    seen = _facts.gather_all(cluster, look, Limits(p["grace"], p["restarts"]), p["since"] or begin.isoformat())
    facts = _facts.facts(cluster, seen).to_json()
    store = task.evidence()
    unknown = [fact for fact in facts if not fact["known"]]
    return {"facts": facts, "evidence": _save(store, seen, facts) if store else [],
            "says": [f"{len(facts) - len(unknown)} of {len(facts)} facts known; failing pods: {len(seen.failing)}, logs read: "
                     f"{sum(not log.error for words in seen.words for log in words.logs)}"]}


def _save(store: EvidenceStore, seen: Seen, facts: list[Result]) -> list[str]:
    look, names = seen.look, []
    for log in (log for words in seen.words for log in words.logs if not log.error):
        name = f"crash/{log.pod}.{log.container}{'.previous' if log.previous else ''}.log"
        store.save_text(name, "logs", f"logs of {log.pod}/{log.container}{' (previous)' if log.previous else ''}", log.text)
        names.append(name)
    objects = {"workload": look.workload, "pods": look.pods, "revisions": look.revisions, "events": look.events}
    for name, kind, source, data in (("crash/objects.json", "snapshot", f"{look.target}: objects and events", _slim(objects)),
                                     ("crash/facts.json", "facts", f"{look.target}: facts", facts)):
        store.save_json(name, kind, source, data)
        names.append(name)
    return [str(store.path(name)) for name in names]


def _slim(value: object) -> object:
    """Objects without their field managers."""
    if isinstance(value, (list, tuple)):
        return [_slim(item) for item in value]
    if isinstance(value, dict):
        return {key: _slim(item) for key, item in value.items() if key != "managedFields"}
    return value


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
