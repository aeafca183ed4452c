# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload's pods and containers: by owner and by evidence, never by what merely looks alike."""

from __future__ import annotations

import pytest
from fake_api import container, deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

KILLED = {"lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": "2026-11-28T00:30:00Z", "exitCode": 137}}, "restartCount": 3}


@pytest.mark.parametrize("text, short", [
    ("api", "deployment/api"), ("deploy/api", "deployment/api"), ("deployments/api", "deployment/api"), ("deployment.apps/api", "deployment/api"),
    ("sts/db", "statefulset/db"), ("StatefulSet/db", "statefulset/db"), ("statefulsets.apps/db", "statefulset/db"), ("ds/agent", "daemonset/agent")])
def test_workloads_are_named_as_kubectl_takes_them(text, short):
    assert Target.parse("shop", text).short == short


@pytest.mark.parametrize("text", ["job/x", "deploy/", "pods/x", "s/x", "a/b/c"])
def test_other_kinds_are_refused(text):
    with pytest.raises(InvalidInput, match="sts"):
        Target.parse("shop", text)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_pods_belong_to_whom_their_owner_says(kind):
    mine, other = deployment(kind=kind), deployment("canary", kind=kind)
    other["spec"] = mine["spec"]  # the same labels
    bare = pod("debug", mine)
    del bare["metadata"]["ownerReferences"]
    with serving() as api:
        api.add(pod("a", mine), pod("b", other), bare)
        assert [item["metadata"]["name"] for item in _workload.pods(api.cluster, mine)] == (["a"] if kind != "Deployment" else ["a", "b"])
        if kind == "Deployment":  # b's ReplicaSet cannot be read; as soon as it can, it tells
            api.add({"kind": "ReplicaSet", "metadata": {"name": "canary-abc", "namespace": "shop", "labels": {"app": "checkout"},
                                                        "ownerReferences": [{"uid": "uid-canary"}]}})
            assert [item["metadata"]["name"] for item in _workload.pods(api.cluster, mine)] == ["a"]


def two(*names, **more):
    return deployment(containers=[container(name) for name in names], **more)


@pytest.mark.parametrize("workload, wanted, expected", [
    (two("proxy", "checkout"), None, "checkout"), (two("app"), None, "app"), (two("proxy", "app"), "proxy", "proxy")])
def test_a_change_goes_to_the_container_that_is_singled_out(workload, wanted, expected):
    assert _workload.container_to_change(workload, wanted) == _workload.main_container(workload, wanted) == expected


def test_a_change_goes_to_no_container_that_was_guessed():
    with pytest.raises(InvalidInput, match="proxy, app.*several containers|several containers .proxy, app.*memory_leak_container"):
        _workload.container_to_change(two("proxy", "app"))


def test_the_container_that_was_killed_is_looked_at_and_changed():
    workload = two("proxy", "app")
    killed, both = pod("a", workload), pod("b", workload)
    killed["status"]["containerStatuses"][1].update(KILLED)
    for status in both["status"]["containerStatuses"]:
        status.update(KILLED)
    assert _workload.container_to_change(workload, None, lambda: [killed]) == "app"
    with pytest.raises(InvalidInput, match="several containers"):
        _workload.container_to_change(workload, None, lambda: [both])
    assert _workload.main_container(workload, None, [killed]) == "app"
    assert _workload.kills(killed) == [("app", "2026-11-28T00:30:00Z")]


@pytest.mark.parametrize("port", [9090, "metrics"])
def test_the_container_that_declares_the_port_is_looked_at(port):
    workload = deployment(containers=[container("proxy"), container("app", ports=[{"name": "metrics", "containerPort": 9090}])])
    assert _workload.main_container(workload, None, [pod("a", workload)], port) == "app"


def test_native_sidecars_are_containers_and_other_init_containers_are_not():
    workload = two("app")
    workload["spec"]["template"]["spec"]["initContainers"] = [container("setup"), container("proxy", restartPolicy="Always")]
    seen = pod("a", workload, initContainerStatuses=[{"name": "proxy", **KILLED}])
    assert _workload.container_names(workload) == ["app", "proxy"]
    assert _workload.container_status(seen, "proxy")["restartCount"] == 3
    assert _workload.container_path(workload, "proxy") == "spec.template.spec.initContainers[name=proxy]"
    assert _workload.kills(seen) == [("proxy", "2026-11-28T00:30:00Z")]
    assert _workload.container_to_change(workload) == "app"
    with pytest.raises(InvalidInput, match="no container 'setup'"):
        _workload.main_container(workload, "setup")
