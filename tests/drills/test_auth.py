"""What the authentication runbook does not do by itself, and its smoke test."""

from __future__ import annotations

import datetime
import json
import time

import drill
import pytest
from labkit import pki

KNOWN = {"auth_degradation_smoke_user": "alice", "auth_degradation_smoke_password": "wonderland",
         "auth_degradation_window": 5, "auth_degradation_sustained_seconds": 3}
PLAYBOOK = "incident/auth_degradation.yml"


@pytest.fixture(name="fault")
def fixture_fault(healed):
    def cause(name):
        drill.cause(name)
        return healed
    yield cause
    healed.kubectl("delete", "lease", "runbooks-deployment-auth-service", "--ignore-not-found")


def changes(shop, incident_id):
    return [value["change"]["summary"] for key, value in shop.record(incident_id).items() if key.startswith("change.")]


def test_without_approval_nothing_is_bypassed_and_with_it_the_bypass_ends_by_itself(fault, runbook, incident_id):
    shop = fault("auth_redis_refusing")
    refused = runbook.run(PLAYBOOK, incident_id=incident_id, **{**KNOWN, "auth_degradation_window": 15})  # log-ins are few
    assert refused.returncode != 0
    assert "It needs an approval: -e auth_degradation_emergency_approved_by=NAME" in " ".join(refused.stdout.split())
    record = shop.record(incident_id)
    assert (record["incident"]["cause"], record["incident"]["status"], changes(shop, incident_id)) == ("dependency", "not_mitigated", [])
    assert "auth-emergency" not in shop.kubectl("get", "configmaps", "-o", "name")

    done = runbook.run(PLAYBOOK, incident_id=incident_id, auth_degradation_emergency_approved_by="ada",
                       auth_degradation_emergency_seconds=20, **{**KNOWN, "auth_degradation_window": 15})
    approved = time.monotonic()
    assert done.returncode == 0
    assert changes(shop, incident_id) == ["create configmap/auth-emergency: EMERGENCY_MODE=true"]
    assert any("bypass approved by ada" in str(event.get("text")) for event in shop.record(incident_id).values() if isinstance(event, dict))
    time.sleep(max(0.0, 20 - (time.monotonic() - approved)))
    assert runbook.run("incident/memory_leak.yml").returncode == 0, "any later run takes it back"
    assert "auth-emergency" not in shop.kubectl("get", "configmaps", "-o", "name")


def test_redis_that_answers_noauth_is_the_cause_and_nothing_is_changed_for_it(fault, runbook, incident_id):
    shop = fault("auth_redis_noauth")
    done = runbook.run(PLAYBOOK, incident_id=incident_id, **{**KNOWN, "auth_degradation_window": 15})
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "established: Redis answers, and refuses the service (NOAUTH)" in flat and "Redis is up: give the service the password" in flat
    assert (shop.record(incident_id)["incident"]["cause"], changes(shop, incident_id)) == ("store_refuses", [])


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


def patch(shop, **container):
    """Change the container of auth-service."""
    containers = [{"name": "auth-service", **container}]
    shop.kubectl("patch", "deployment", "auth-service", "-p", json.dumps({"spec": {"template": {"spec": {"containers": containers}}}}))


def test_a_rollback_to_an_image_that_is_not_there_ends_in_time_and_is_not_tried_again(fault, healed, runbook, incident_id):
    patch(healed, image="shop/services:never-built")
    drill.until(lambda: "never-built" in healed.kubectl("get", "rs", "-l", "app=auth-service", "-o", "yaml"))
    patch(healed, image="shop/services:lab", env=[{"name": "PASSWORD_PEPPER", "value": "v2"}])
    shop = fault("auth_bad_release")
    bad = shop.get("deployment", "auth-service")["spec"]["template"]
    done = runbook.run(PLAYBOOK, incident_id=incident_id, auth_degradation_rollout_timeout=60, **KNOWN)
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0 and "ImagePull" in flat and "never-built" in flat
    record = shop.record(incident_id)
    assert (record["incident"]["cause"], record["incident"]["status"]) == ("bad_release", "not_mitigated")
    assert record["change.0001"]["state"] == "undone"
    assert shop.get("deployment", "auth-service")["spec"]["template"] == bad, "the old pods had not gone"

    assert runbook.run(PLAYBOOK, incident_id=incident_id, **KNOWN).returncode == 0, "it goes to what ran before that"
    assert shop.record(incident_id)["incident"]["status"] == "mitigated"


@pytest.fixture(name="certificate")
def fixture_certificate(healed, tmp_path):
    """A certificate that ended a moment ago, mounted by the service."""
    authority = pki.Authority(tmp_path / "pki", valid=-datetime.timedelta(minutes=1))
    authority.issue("tls", "auth-service", hosts=["auth-service"])
    path = authority.path("tls")
    healed.kubectl("create", "secret", "tls", "auth-service-tls", f"--cert={path}.crt", f"--key={path}.key")
    mount = {"volumes": [{"name": "tls", "secret": {"secretName": "auth-service-tls"}}],
             "containers": [{"name": "auth-service", "volumeMounts": [{"name": "tls", "mountPath": "/etc/tls"}]}]}
    healed.kubectl("patch", "deployment", "auth-service", "-p", json.dumps({"spec": {"template": {"spec": mount}}}))
    healed.kubectl("rollout", "status", "deployment/auth-service", "--timeout=60s")
    yield path.with_suffix(".crt").read_text()
    healed.kubectl("delete", "secret", "auth-service-tls")


def test_a_certificate_that_has_ended_is_named_before_the_release_that_brought_it(certificate, fault, healed, runbook, incident_id):
    done = runbook.run(PLAYBOOK, incident_id=incident_id, runbooks_force=True, **KNOWN)
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "established: a certificate that the pods use has expired" in flat
    assert "Renew tls.crt of Secret auth-service-tls, then run this again" in flat
    assert changes(healed, incident_id) == []
    report = next(runbook.incidents.rglob("report.md")).read_text()
    assert "| tls.crt of Secret auth-service-tls |" in report
    assert "volumes[tls].secret.secretName: none -> auth-service-tls" in report, "what the rollout changed"
    assert certificate.splitlines()[1] not in "".join(path.read_text() for path in runbook.incidents.rglob("*") if path.is_file())
