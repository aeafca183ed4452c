#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_info
short_description: Look at a namespace, and say which variables of the runbooks fit what runs there
version_added: 0.1.0
description:
  - Lists workloads and Services, asks one pod of each workload for its metrics where they usually are, and recognizes databases and
    caches by their images. From that it proposes each runbook's target, where its metrics are, and what the health check looks at,
    and says what each runbook lacks. Reads only; no Secret is read, and nothing is run in a container.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: The namespace to look at.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What runs in shop, and which runbooks fit
  sre.runbooks.namespace_info:
    kubeconfig: ~/.kube/config
    context: prod-eu
    namespace: shop
  register: found
"""

RETURN = r"""
workloads:
  description: What runs in the namespace. Each has the name that runbooks call it by, kind, images, pods that are ready and wanted, port and
    path of its metrics (empty where none were found), what the metrics show (C(shows)) and what its image says it is (C(program)).
  type: list
  elements: dict
  returned: success
variables:
  description: Variables of the runbooks that fit.
  type: dict
  returned: success
  sample: {memory_leak_namespace: shop, memory_leak_workload: checkout, memory_leak_metrics_port: 8081, memory_leak_metrics_path: /actuator/prometheus}
missing:
  description: Runbook -> what it lacks, in sentences.
  type: dict
  returned: success
others:
  description: Runbook -> workloads that would do as its target as well.
  type: dict
  returned: success
lines:
  description: All of it, for a person.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._start._look import Workload, look
from ansible_collections.sre.runbooks.plugins.module_utils._start._propose import Proposal, propose
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {**CONNECTION_SPEC, "namespace": {"type": "str", "required": True}}


def run(task: Task) -> Result:
    """Look and propose."""
    namespace = Target.parse(task.params["namespace"], "any").namespace
    cluster = task.cluster()
    workloads = look(cluster, namespace)
    if not workloads:
        raise InvalidInput(f"Cluster {cluster.name}: nothing runs in the namespace {namespace}: no Deployment, StatefulSet or DaemonSet.",
                           "Correct the name: kubectl get namespaces")
    proposal = propose(namespace, workloads)
    return {"workloads": [_row(workload) for workload in workloads], "variables": proposal.variables, "missing": proposal.missing,
            "others": proposal.others, "lines": list(_lines(workloads, proposal))}


def _row(workload: Workload) -> dict[str, t.Any]:
    return {"name": workload.target, "kind": workload.kind, "images": list(workload.images), "ready": workload.ready, "wanted": workload.wanted,
            "port": workload.port or "", "path": workload.path, "shows": dict(workload.shows), "program": workload.program}


def _lines(workloads: t.Sequence[Workload], proposal: Proposal) -> t.Iterator[str]:
    for workload in workloads:
        shows = ", ".join(f"{about} ({preset})" for about, preset in workload.shows.items())
        seen = workload.program or (f"metrics on {workload.port}{workload.path}{f': {shows}' if shows else ''}" if workload.port else workload.why_no_metrics)
        yield f"{workload.target}: {workload.ready} of {workload.wanted} ready, {seen}"
    for runbook, lacks in proposal.missing.items():
        yield from (f"{runbook} lacks {text}" for text in lacks)
    for runbook, names in proposal.others.items():
        yield f"{runbook} is about {proposal.variables[f'{runbook}_workload']}; it could also be {', '.join(names)}"


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
