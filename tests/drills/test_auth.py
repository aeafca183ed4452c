"""What the authentication runbook does not do by itself, and its smoke test."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from drill import CLUSTER, ROOT

KNOWN = {"auth_degradation_smoke_user": "alice", "auth_degradation_smoke_password": "wonderland", "auth_degradation_sustained_seconds": 3}
PLAYBOOK = "incident/auth_degradation.yml"


@pytest.fixture(name="fault")
def fixture_fault(healed):
    def cause(name):
        subprocess.run([sys.executable, str(ROOT / "tests/lab/lab"), "fault", name, "--cluster", CLUSTER.name], check=True)
        return healed
    yield cause
    healed.kubectl("delete", "lease", "runbooks-deployment-auth-service", "--ignore-not-found")


def changes(shop, incident_id):
    return [value["change"]["summary"] for key, value in shop.record(incident_id).items() if key.startswith("change.")]


def test_without_approval_nothing_is_bypassed_and_with_it_the_bypass_ends_by_itself(fault, runbook, incident_id):
    shop = fault("auth_redis_refusing")
    refused = runbook.run(PLAYBOOK, incident_id=incident_id, **KNOWN)
    assert refused.returncode != 0
    assert "It needs an approval: -e auth_degradation_emergency_approved_by=NAME" in " ".join(refused.stdout.split())
    record = shop.record(incident_id)
    assert (record["incident"]["cause"], record["incident"]["status"], changes(shop, incident_id)) == ("dependency", "not_mitigated", [])
    assert "auth-emergency" not in shop.kubectl("get", "configmaps", "-o", "name")

    done = runbook.run(PLAYBOOK, incident_id=incident_id, auth_degradation_emergency_approved_by="ada",
                       auth_degradation_emergency_seconds=60, **KNOWN)
    approved = time.monotonic()
    assert done.returncode == 0
    assert changes(shop, incident_id) == ["create configmap/auth-emergency: EMERGENCY_MODE=true"]
    assert any("bypass approved by ada" in str(event.get("text")) for event in shop.record(incident_id).values() if isinstance(event, dict))
    time.sleep(max(0.0, 60 - (time.monotonic() - approved)))
    assert runbook.run("incident/memory_leak.yml").returncode == 0, "any later run takes it back"
    assert "auth-emergency" not in shop.kubectl("get", "configmaps", "-o", "name")


def test_a_burst_of_one_client_is_named_and_the_limit_stays(fault, runbook, incident_id):
    shop = fault("auth_login_burst")
    done = runbook.run(PLAYBOOK, incident_id=incident_id, auth_degradation_emergency_approved_by="ada", **KNOWN)
    assert done.returncode != 0
    assert "Talk to partner-sync" in done.stdout
    assert shop.record(incident_id)["incident"]["cause"] == "login_burst"
    assert changes(shop, incident_id) == []


def test_the_smoke_test_passes_on_a_healthy_shop_and_shows_no_secret(shop, runbook):
    good = runbook.run("incident/auth_smoke_test.yml", **KNOWN)
    assert good.returncode == 0
    assert "passed: log-in, the token is accepted, a forged token is refused, no token is refused" in " ".join(good.stdout.split())
    wrong = runbook.run("incident/auth_smoke_test.yml", "-vvv", **{**KNOWN, "auth_degradation_smoke_password": "not-it-at-all",
                                                                   "auth_degradation_smoke_attempts": 1})
    assert wrong.returncode != 0
    assert "log-in: answered 401" in " ".join(wrong.stdout.split())
    assert "eyJ" not in good.stdout
