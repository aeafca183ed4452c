"""Steps of the gateway's ladder that make no difference are taken back, and shedding traffic is the last one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from drill import CLUSTER, ROOT

QUICK = {"api_gateway_overload_step_timeout": 15, "api_gateway_overload_sustained_seconds": 8}


@pytest.fixture
def slow_upstream(healed):
    subprocess.run([sys.executable, str(ROOT / "tests/lab/lab"), "fault", "gateway_slow_upstream", "--cluster", CLUSTER.name],
                   check=True)
    yield healed
    healed.kubectl("delete", "lease", "runbooks-deployment-api-gateway", "--ignore-not-found")


def test_what_made_no_difference_is_taken_back_and_shedding_helps(slow_upstream, runbook, incident_id):
    config = slow_upstream.get("configmap", "api-gateway-config")["data"]

    def climb(name, steps, **more):
        return runbook.run("incident/api_gateway_overload.yml", incident_id=name,
                           api_gateway_overload_steps={"slow_upstream": steps}, **{**QUICK, **more})

    in_vain = climb(incident_id, ["rate_limit"])
    assert in_vain.returncode != 0
    assert slow_upstream.record(incident_id)["incident"]["status"] == "not_mitigated"
    assert slow_upstream.get("configmap", "api-gateway-config")["data"] == config, "taken back"

    helped = climb(incident_id, ["shed"], api_gateway_overload_step_timeout=60)
    assert helped.returncode == 0
    assert slow_upstream.record(incident_id)["incident"]["status"] == "mitigated"
    assert slow_upstream.get("configmap", "traffic-shedding-policy")["data"]["shed-routes"].startswith("/api/search")
    assert runbook.clear(incident_id).returncode == 0
    assert "traffic-shedding-policy" not in slow_upstream.kubectl("get", "configmaps", "-o", "name")
