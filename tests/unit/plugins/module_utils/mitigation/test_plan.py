# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans against an API server: values by meaning, guardrails by what Kubernetes defines."""

from __future__ import annotations

import dataclasses

import pytest
from fake_api import container, deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _plan
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._guardrails import Limits

LIMITS = Limits(max_memory="4Gi", max_replicas=20, denied_namespaces=("kube-system",), respect_disruption_budgets=True)


@pytest.fixture(name="api")
def api_fixture():
    with serving() as api:
        workload = deployment()
        api.add(workload, pod("a", workload))
        yield api


def planned(api, **item):
    return _plan.make_plan(api.cluster, "shop", [{"workload": "checkout", **item}], "INC-1", LIMITS).changes


def raise_memory(api, quantity="1Gi", **item):
    return planned(api, action="resources", limits={"memory": quantity}, **item)


@pytest.mark.parametrize("quantity", ["1Gi", "1024Mi", "1.5Gi", "1000M", "1e9", "1073741824", "0.5Gi"])
def test_a_quantity_that_the_server_writes_otherwise_is_no_drift(api, quantity):
    if quantity == "0.5Gi":
        assert raise_memory(api, quantity) == ()  # the limit is 512Mi already
        return
    change = raise_memory(api, quantity)[0]
    change.apply(api.cluster)
    assert change.state(api.cluster) == "after"
    assert raise_memory(api, quantity) == ()
    change.undo(api.cluster)
    assert change.state(api.cluster) == "before"


def test_cpu_in_cores_and_in_thousandths(api):
    change = planned(api, action="resources", requests={"cpu": "0.5"})[0]
    change.apply(api.cluster)
    assert change.state(api.cluster) == "after" and planned(api, action="resources", requests={"cpu": "500m"}) == ()


def test_an_empty_value_is_the_absent_one_in_an_environment(api):
    change = planned(api, action="env", env={"FEATURES": ""})[0]
    change.apply(api.cluster)
    assert change.state(api.cluster) == "after" and planned(api, action="env", env={"FEATURES": ""}) == ()
    change.undo(api.cluster)
    assert change.state(api.cluster) == "before"


def test_an_empty_key_of_a_config_map_is_a_value(api):
    api.add({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop", "uid": "u"}, "data": {"A": "1"}})
    assert len(_plan.make_plan(api.cluster, "shop", [{"action": "config", "config_map": "c", "data": {"B": ""}}], "INC-1", LIMITS).changes) == 1


@pytest.mark.parametrize("quantity", ["2GB", "lots", "NaN", "Infinity", "1_000", "1 Gi", "1gi", "--1"])
def test_a_mistyped_quantity_is_named(api, quantity):
    with pytest.raises(InvalidInput, match=f"limits.memory is '{quantity}'.*512Mi"):
        raise_memory(api, quantity)


def test_a_change_of_a_native_sidecar_goes_where_it_stands(api):
    workload = deployment()
    workload["spec"]["template"]["spec"]["initContainers"] = [container("proxy", "64Mi", restartPolicy="Always")]
    api.add(workload)
    assert raise_memory(api, "128Mi", container="proxy")[0].fields[0].path == (
        "spec.template.spec.initContainers[name=proxy].resources.limits.memory")


@pytest.mark.parametrize("strategy, action, why", [
    ({"type": "OnDelete"}, "restart", "OnDelete"), ({"rollingUpdate": {"partition": 1}}, "restart", "first 1 pods would stay"),
    ({"rollingUpdate": {"partition": 9}}, "resources", "first 2 pods would stay"), ({"rollingUpdate": {"partition": 0}}, "restart", "")])
def test_pods_that_a_change_does_not_reach(api, strategy, action, why):
    api.add(deployment(kind="StatefulSet", updateStrategy=strategy))
    item = {"action": action, "workload": "sts/checkout", "limits": {"memory": "1Gi"}}
    if not why:
        assert _plan.make_plan(api.cluster, "shop", [item], "INC-1", LIMITS).changes
        return
    with pytest.raises(Refused, match=why):
        _plan.make_plan(api.cluster, "shop", [item], "INC-1", LIMITS)


def quota(hard, used=None, **spec):
    return {"kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"}, "spec": spec, "status": {"hard": hard, "used": used or {}}}


@pytest.mark.parametrize("found, refused", [
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}), True),            # memory is requests.memory
    (quota({"requests.memory": "4Gi"}, {"requests.memory": "1Gi"}), False),
    (quota({"limits.memory": "1Gi"}, {"limits.memory": "1Gi"}), True),
    (quota({"pods": "2"}, {"pods": "2"}), True),                    # one pod has to stand before another goes
    (quota({"count/pods": "2"}, {"count/pods": "2"}), True),
    (quota({"count/deployments.apps": "1"}, {"count/deployments.apps": "1"}), False),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopes=["BestEffort"]), False),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopes=["NotBestEffort"]), True),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopes=["Terminating"]), False),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopes=["NotTerminating"]), True),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopeSelector={"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}), False),
    (quota({"memory": "1Gi"}, {"memory": "1Gi"}, scopeSelector={"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}), True),
])
def test_quotas_as_kubernetes_counts_them(api, found, refused):
    api.add(found)
    item = {"action": "resources", "limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}}
    if refused:
        with pytest.raises(Refused, match="ResourceQuota q"):
            planned(api, **item)
    else:
        assert planned(api, **item)


def test_a_stuck_rollout_is_no_reason_to_wait(api):
    workload = deployment(status=None)
    workload["status"].update(updatedReplicas=1)
    new = pod("new", workload, conditions=[{"type": "Ready", "status": "False"}])
    new["status"]["containerStatuses"][0].update(ready=False, restartCount=4, state={"waiting": {"reason": "CrashLoopBackOff"}})
    api.add(workload)
    with pytest.raises(Refused, match="under way.*rollout status"):
        planned(api, action="restart")
    api.add(new)
    with pytest.raises(Refused, match="stuck.*CrashLoopBackOff of new.*rollout undo"):
        planned(api, action="restart")


def test_changes_survive_the_ledger(api):
    change = raise_memory(api)[0]
    assert type(change).from_json(change.to_json()) == dataclasses.replace(change)
