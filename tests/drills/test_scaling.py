"""What stands in the way of more pods, each caused on the cluster: it is told, and the ladder goes on or is taken back."""

from __future__ import annotations

import json

import pytest
from drill import until

GATEWAY = "api-gateway"
CAUSES = ("load_above_capacity", "slow_upstream", "retry_storm", "gateway_undersized", "undetermined")


@pytest.fixture
def climb(healed, runbook, incident_id):
    """Run the gateway's runbook with these steps on a healthy gateway; returns the run with its words in one line."""
    def run(*steps: str, replicas: int = 4, **variables):
        done = runbook.run(
            "incident/api_gateway_overload.yml", incident_id=incident_id, runbooks_force=True,
            api_gateway_overload_steps=dict.fromkeys(CAUSES, list(steps)), api_gateway_overload_replicas=replicas,
            api_gateway_overload_window=1, api_gateway_overload_sustained_seconds=2,
            api_gateway_overload_rollout_timeout=60, **variables)
        done.stdout = " ".join(done.stdout.split())
        return done
    yield run
    healed.kubectl("delete", "hpa,quota", "--all")
    healed.kubectl("delete", "lease", f"runbooks-deployment-{GATEWAY}", "--ignore-not-found")


@pytest.fixture
def changes(healed, incident_id):
    """The incident's ledger: what each change did, and its state."""
    def read():
        record = healed.record(incident_id)
        return [(record[key]["change"]["summary"], record[key]["state"]) for key in sorted(record) if key.startswith("change.")]
    return read


def replicas(shop) -> int:
    return shop.get("deployment", GATEWAY)["spec"]["replicas"]


def test_a_quota_forbids_more_pods_and_the_ladder_goes_on(healed, runbook, climb, changes, incident_id):
    healed.kubectl("create", "quota", "tight", "--hard=pods=13")
    until(lambda: healed.get("quota", "tight").get("status", {}).get("used"), pause=0.5)
    done = climb("scale", "circuit_breaker")
    assert done.returncode == 0
    assert "ResourceQuota tight has" in done.stdout
    assert changes() == [("set configmap/api-gateway-config: CIRCUIT_BREAKER_ENABLED=true", "done")]
    assert replicas(healed) == 2
    assert runbook.clear(incident_id).returncode == 0
    assert healed.get("configmap", "api-gateway-config")["data"]["CIRCUIT_BREAKER_ENABLED"] == "false"


def test_an_autoscaler_is_adjusted_and_its_bounds_come_back(healed, runbook, climb, changes, incident_id, now):
    healed.kubectl("autoscale", "deployment", GATEWAY, "--min=2", "--max=3", "--cpu-percent=80")
    assert climb("scale", replicas=4).returncode == 0
    assert changes() == [("let the autoscaler of deployment/api-gateway run 4 to 4 pods instead of 2 to 3", "done")]
    until(lambda: replicas(healed) == 4, pause=1)
    assert runbook.clear(incident_id).returncode == 0
    bounds = healed.get("hpa", GATEWAY)["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (2, 3)
    assert [write for write in healed.writes(now) if "deployments" in write] == [], "replicas are the autoscaler's"


@pytest.mark.parametrize("wanted, variables, words", [
    (30, {}, "30 pods are over the cap of 20"),
    (300, {"runbooks_max_replicas": 500}, "the nodes have room for"),
])
def test_more_pods_than_allowed_or_than_fit(healed, climb, changes, incident_id, wanted, variables, words):
    done = climb("scale", replicas=wanted, **variables)
    assert done.returncode != 0
    assert words in done.stdout
    assert changes() == [] and replicas(healed) == 2
    assert healed.record(incident_id)["incident"]["status"] == "not_mitigated"


def test_pods_that_never_become_ready_end_the_step_and_are_taken_back(healed, climb, changes, incident_id):
    healed.kubectl("set", "image", f"deployment/{GATEWAY}", f"{GATEWAY}=shop/services:never-built")
    done = climb("scale")
    assert done.returncode != 0
    assert "never-built" in done.stdout and "ImagePull" in done.stdout
    assert changes() == [("scale deployment/api-gateway from 2 to 4 pods", "undone")]
    assert replicas(healed) == 2
    report = json.dumps(healed.record(incident_id))
    assert "the rollout did not finish" in report


def test_the_ladder_is_shown_before_it_is_climbed(healed, climb, changes, now):
    done = climb("scale", "rate_limit", "circuit_breaker", "shed")
    assert done.returncode == 0
    assert changes() == [("scale deployment/api-gateway from 2 to 4 pods", "done")], "clear after the first step"
    for step in ("scale deployment/api-gateway from 2 to 4 pods", "RATE_LIMIT_ENABLED=true", "CIRCUIT_BREAKER_ENABLED=true",
                 "apply configmap/traffic-shedding-policy"):
        assert step in done.stdout
