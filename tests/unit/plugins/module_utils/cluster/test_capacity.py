# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many pods nodes can take."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _capacity, _quantity


class Nodes:
    """A cluster of which only nodes and pods are asked."""

    name = "test"

    def __init__(self, nodes, pods=()):
        self._found = {"Node": nodes, "Pod": list(pods)}

    def list(self, kind):
        return self._found[kind]


def node(cpu="4", memory="8Gi", pods="110", taints=(), unschedulable=False, labels=None):
    return {"metadata": {"name": "n", "labels": labels or {}},
            "spec": {"taints": list(taints), "unschedulable": unschedulable},
            "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}}}


def template(requests, **spec):
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}], **spec}}


def running(requests, phase="Running"):
    return {"spec": {**template(requests)["spec"], "nodeName": "n"}, "status": {"phase": phase}}


TAINT = {"key": "special", "effect": "NoSchedule"}


@pytest.mark.parametrize("nodes, pods, one, fitting", [
    ([node()], [], template({"cpu": "1"}), 4),
    ([node()], [running({"cpu": "3500m"})], template({"cpu": "1"}), 0),
    ([node()], [running({"cpu": "3500m"}, "Succeeded")], template({"cpu": "1"}), 4),
    ([node(memory="1Gi")], [], template({"cpu": "100m", "memory": "300Mi"}), 3),
    ([node(cpu="1500m"), node(cpu="1500m")], [], template({"cpu": "1"}), 2),
    ([node(pods="3")], [running({})], template({}), 2),
    ([node(taints=[TAINT])], [], template({"cpu": "1"}), 0),
    ([node(taints=[TAINT])], [], template({"cpu": "1"}, tolerations=[{"key": "special", "operator": "Exists"}]), 4),
    ([node(unschedulable=True)], [], template({}), 0),
    ([node()], [], template({"cpu": "1"}, nodeSelector={"disk": "fast"}), 0),
    ([node(cpu="100")], [], template({"cpu": "1"}), 10),
])
def test_pods_that_fit(nodes, pods, one, fitting):
    assert _capacity.pods_that_fit(Nodes(nodes, pods), one, 10) == fitting


def test_a_limit_without_a_request_is_the_request():
    limited = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]}}
    assert _capacity.demand(limited, 2)["requests.memory"] == 2 << 30


def asking(memory, **more):
    return {"name": "c", "resources": {"requests": {"memory": memory}}, **more}


@pytest.mark.parametrize("spec, memory", [
    ({"containers": [asking("1Gi"), asking("1Gi")]}, "2Gi"),
    ({"containers": [asking("1Gi")], "initContainers": [asking("3Gi")]}, "3Gi"),
    ({"containers": [asking("1Gi")], "initContainers": [asking("1Gi", restartPolicy="Always")]}, "2Gi"),
    ({"containers": [asking("1Gi")], "initContainers": [asking("1Gi", restartPolicy="Always"), asking("3Gi")]}, "4Gi"),
    ({"containers": [asking("1Gi")], "resources": {"requests": {"memory": "5Gi"}}}, "5Gi"),
    ({"containers": [{"name": "c"}], "resources": {"limits": {"memory": "5Gi"}}}, "5Gi"),
    ({"containers": [asking("1Gi")], "overhead": {"memory": "1Gi"}}, "2Gi"),
])
def test_what_a_pod_asks_for(spec, memory):
    assert _capacity.demand({"spec": spec}, 1)["requests.memory"] == _quantity.parse(memory)
