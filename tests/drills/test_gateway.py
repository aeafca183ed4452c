"""Queue and throttling; steps of the gateway's ladder that make no difference are taken back, and shedding traffic is the last one."""

from __future__ import annotations

import concurrent.futures
import json

import pytest
import yaml
from drill import NAMESPACE, cause, until
from labkit import faults

QUICK = {"api_gateway_overload_step_timeout": 15, "api_gateway_overload_sustained_seconds": 8}


@pytest.fixture
def slow_upstream(healed):
    cause("gateway_slow_upstream")
    yield healed
    healed.kubectl("delete", "lease", "runbooks-deployment-api-gateway", "--ignore-not-found")


def test_what_made_no_difference_is_taken_back_and_shedding_helps(slow_upstream, runbook, incident_id):
    config = slow_upstream.get("configmap", "api-gateway-config")["data"]

    def climb(name, steps, **more):
        return runbook.run("incident/api_gateway_overload.yml", incident_id=name,
                           api_gateway_overload_steps={"slow_upstream": steps}, **{**QUICK, **more})

    in_vain = climb(incident_id, ["rate_limit"], api_gateway_overload_rate_limit_per_pod=1000)
    assert in_vain.returncode != 0
    assert slow_upstream.record(incident_id)["incident"]["status"] == "not_mitigated"
    assert slow_upstream.get("configmap", "api-gateway-config")["data"] == config, "taken back"

    helped = climb(incident_id, ["shed"], api_gateway_overload_step_timeout=60)
    assert helped.returncode == 0
    assert slow_upstream.record(incident_id)["incident"]["status"] == "mitigated"
    assert slow_upstream.get("configmap", "traffic-shedding-policy")["data"]["shed-routes"].startswith("/api/search")
    assert runbook.clear(incident_id).returncode == 0
    assert "traffic-shedding-policy" not in slow_upstream.kubectl("get", "configmaps", "-o", "name")


@pytest.fixture(name="signal")
def fixture_signal(runbook):
    """Measure one of the gateway's signals."""
    def measured(name, window=5):
        found = runbook.module("sre.runbooks.gateway_signals_info", {"namespace": NAMESPACE, "workload": "api-gateway", "window": window})
        return next(signal for signal in found["result"]["signals"] if signal["name"] == name)
    return measured


def test_a_queue_that_grows_is_seen_before_requests_fail_and_shedding_empties_it(healed, runbook, signal, incident_id):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        growing = pool.submit(cause, "gateway_queue")
        until(lambda: signal("queue_growing")["breached"], timeout=120)
        growing.result()
    done = runbook.run("incident/api_gateway_overload.yml", incident_id=incident_id,
                       api_gateway_overload_steps={"slow_upstream": ["shed"]}, **QUICK)
    healed.kubectl("delete", "lease", "runbooks-deployment-api-gateway", "--ignore-not-found")
    assert done.returncode == 0
    report = next(runbook.incidents.rglob("report.md")).read_text()
    assert "| queue_length | **over** " in report
    assert healed.record(incident_id)["incident"]["cause"] == "slow_upstream"


READER = [
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "drill-nodes"},
     "rules": [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "drill-nodes"},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "drill-nodes"},
     "subjects": [{"kind": "ServiceAccount", "name": "runbooks", "namespace": NAMESPACE}]}]


def test_throttling_is_seen_where_the_nodes_may_be_asked_and_not_measured_elsewhere(healed, signal):
    container = {"name": "api-gateway", "resources": {"limits": {"cpu": "10m"}, "requests": {"cpu": "10m"}}}
    healed.kubectl("patch", "deployment", "api-gateway", "-p", json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}}))
    healed.kubectl("rollout", "status", "deployment/api-gateway", "--timeout=90s")
    faults.set_load(healed.cluster.kubectl, 60)  # far more than 10m of CPU can do, on any machine
    assert signal("cpu_throttled")["value"] is None
    healed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(READER))
    try:
        until(lambda: signal("cpu_throttled")["breached"], timeout=90)
    finally:
        healed.kubectl("delete", "clusterrole/drill-nodes", "clusterrolebinding/drill-nodes")
