#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mounted_config_info
short_description: Find Secrets and ConfigMaps that are newer than the pods that use them, and certificates that expire
version_added: 0.1.0
description:
  - Reads when each Secret and ConfigMap that a workload mounts or takes as environment was written, and which of its pods started
    before that. Reads only; of Secrets it needs the permission to read them, but returns and saves nothing of their content.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  expires_days:
    description: A certificate that expires within so many days is told.
    type: int
    default: 14
"""

EXAMPLES = r"""
- name: capture | Secrets newer than the pods
  sre.runbooks.mounted_config_info:
    namespace: ai-development
    workload: auth-service
"""

RETURN = r"""
mounted:
  description:
    - Each with kind, name, how (environment or volume), version (its resourceVersion), changed_at, older_pods, newer_pods,
      certificates (C(key), C(not_after)) and error (why it could not be read).
  type: list
  elements: dict
  returned: success
expiring:
  description: The certificates that expire soon or have expired, each with kind, name, key, not_after and days.
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

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _mounts, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {**CONNECTION_SPEC, **TARGET_SPEC, **EVIDENCE_SPEC, "expires_days": {"type": "int", "default": 14}}


def run(task: Task) -> Result:
    """Read and compare."""
    p, cluster = task.params, task.cluster()
    target = Target.parse(p["namespace"], p["workload"])
    mounted = _mounts.read(cluster, target.namespace, _workload.read(cluster, target))
    expiring = [row for row in _days_left(mounted) if row["days"] <= p["expires_days"]]
    says = [f"{row['kind']} {row['name']} ({row['how']}) was written at {row['changed_at']}, after {', '.join(row['older_pods'])} started"
            for row in mounted if row["older_pods"]]
    says += [f"certificate {row['key']} of {row['kind']} {row['name']} ends at {row['not_after']}" for row in expiring]
    says += [f"not read: {row['error']}" for row in mounted if row["error"] and "does not exist" not in row["error"]]
    result: Result = {"mounted": mounted, "expiring": expiring, "says": says}
    store = task.evidence()
    if store:
        store.save_json("mounted-config.json", "mounted_config", f"what {target} mounts, without content", mounted)
        result["evidence"] = [str(store.path("mounted-config.json"))]
    return result


def _days_left(mounted: list[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    moment = datetime.datetime.now(datetime.timezone.utc)
    for row in mounted:
        for certificate in row["certificates"]:
            left = datetime.datetime.fromisoformat(certificate["not_after"]) - moment
            yield {"kind": row["kind"], "name": row["name"], **certificate, "days": left.days}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
