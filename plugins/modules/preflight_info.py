#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Check a runbook's target, permissions and lock before it starts
version_added: 0.1.0
description:
  - Refuses bad input before the first request, then checks that the workload exists, that the user has every
    permission that the runbook needs, and that no other incident holds the target. Reads only.
  - Finds out too what would stop the runbook later on this side - a Python package that is missing or broken, and a directory of
    incidents that is not writable or full. In check mode nothing is saved, so the directory is not looked at.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
options:
  incidents_dir:
    description: Where evidence will be saved; when not set, the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  incident_type:
    description: Type of the incident, such as V(memory_leak); also the beginning of a new incident's id.
    type: str
    required: true
  incident_id:
    description: Id to use or to continue; a new one is made when not set.
    type: str
  permissions:
    description:
      - What the runbook will do, as verb and resource the way C(kubectl auth can-i) takes them, such as
        V(patch deployments.apps) or V(create pods/exec).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: open | Check target and permissions
  sre.runbooks.preflight_info:
    incident_type: memory_leak
    namespace: ai-development
    workload: api-server
    permissions:
      - get pods/log
      - patch deployments.apps
  register: preflight
"""

RETURN = r"""
incident_id:
  description: The id given, or a new one.
  type: str
  returned: success
  sample: memory-leak-20261123-030405
continues:
  description: Whether an incident of that id exists already.
  type: bool
  returned: success
status:
  description: Status of that incident, V(open) while a run works on it or after one that was broken off; empty where there is none.
  type: str
  returned: success
ready_pods:
  description: How many pods of the target take traffic.
  type: int
  returned: success
target:
  description: The target in words.
  type: str
  returned: success
  sample: ai-development/deployment/api-server
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _permissions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core import _optional
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _lock
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, check_id, new_id
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    "incident_type": {"type": "str", "required": True},
    "incident_id": {"type": "str"},
    "permissions": {"type": "list", "elements": "str", "default": []},
    "incidents_dir": {"type": "path", "default": "incidents"},
}

#: found out as this is imported, which is once for all clusters where it runs in Ansible's workers
ABSENT = _optional.absent(_optional.OF_RUNBOOKS)


def run(task: Task) -> Result:
    """Check, and return the incident's id."""
    p = task.params
    _optional.refuse(ABSENT)
    incident_id = check_id(p["incident_id"]) if p["incident_id"] else new_id(p["incident_type"])
    target = Target.parse(p["namespace"], p["workload"])
    if not task.check_mode:
        EvidenceStore(p["incidents_dir"], incident_id, p["cluster_name"]).refuse_unwritable()
    wanted = [_permissions.parse(text) for text in p["permissions"]]
    cluster = task.cluster()
    _permissions.refuse_missing(cluster, target.namespace, wanted)
    found = gather(workload=lambda: _workload.read(cluster, target),
                   record=lambda: Incident.find(cluster, target.namespace, incident_id),
                   lock=lambda: _lock.refuse_if_held(cluster, target, incident_id))
    _workload.main_container(found["workload"], p["container"])
    record = found["record"]
    says = [f"{target}: {len(wanted)} permissions present, no other incident at work"]
    if record:
        says.append(f"continues {incident_id}, opened {record.head['opened_at']}, status {record.status}")
    return {"incident_id": incident_id, "continues": record is not None,
            "status": record.status if record else "", "target": str(target),
            "ready_pods": _ready(found["workload"]), "says": says}


def _ready(workload: Json) -> int:
    status = workload.get("status", {})
    return status.get("readyReplicas", status.get("numberReady", 0))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
