#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive
short_description: Archive the evidence, the documents and the record of an incident
version_added: 0.1.0
description:
  - Sends everything of the incident on this cluster to a directory or to a storage that speaks S3, with a manifest, reads it back and
    compares. What is there already is not sent again. Fails where anything did not arrive.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.incident
attributes:
  diff_mode:
    description: The archive is not a change to the application.
    support: none
options:
  to:
    description: A directory, or C(s3://bucket/prefix), which needs the Python package C(minio).
    type: str
    required: true
  s3:
    description: >-
      C(endpoint), C(region), C(access_key), C(secret_key) and C(timeout); without keys those of the environment (C(AWS_ACCESS_KEY_ID),
      C(AWS_SECRET_ACCESS_KEY)) or of the machine's role.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: archive | To the bucket
  sre.runbooks.archive:
    incident_id: INC-1234
    namespace: ai-development
    to: s3://incidents/prod
"""

RETURN = r"""
files:
  description: What is in the archive now, C(name), C(sha256), C(bytes) and C(sent) (whether by this task).
  type: list
  elements: dict
  returned: outside check mode
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import json

from ansible_collections.sre.runbooks.plugins.module_utils._archive import _archive, _places
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, INCIDENT_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **INCIDENT_SPEC,
    "to": {"type": "str", "required": True},
    "s3": {"type": "dict", "default": {}, "no_log": True},
}


def run(task: Task) -> Result:
    """Send, read back, compare."""
    p = task.params
    place = _places.place(p["to"], p["s3"])
    incident = Incident.load(task.cluster(), p["namespace"], p["incident_id"])
    found = _archive.files(EvidenceStore(p["incidents_dir"], incident.id, p["cluster_name"]).root)
    if task.check_mode:
        return {"says": [f"check mode: would archive {len(found)} files and the record to {p['to']}"]}
    record = json.dumps(incident.without_secrets(), indent=1, sort_keys=True) + "\n"
    files = _archive.archive(place, f"{incident.id}/{p['cluster_name']}", found, record)
    sent = [one for one in files if one["sent"]]
    says = f"{len(files)} files in {p['to']}, {len(sent)} of them new ({size(sum(one['bytes'] for one in sent))}), all read back and the same"
    if sent:
        incident.note("aftermath", f"archived: {says}")
    return {"changed": bool(sent), "files": files, "says": [says]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
