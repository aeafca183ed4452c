"""Severity as the cluster's own state makes it, and as a person says."""

from __future__ import annotations

import datetime
import json

import pytest
from drill import until

RUNBOOK = "incident/auth_degradation.yml"
QUICK = {"runbooks_force": True, "auth_degradation_mitigation": "none", "auth_degradation_window": 2}
#: what other drills did to this shop in the last minutes (a crash, a log full of errors) is no part of this one
ONLY_NOW = {"health_check_recent": 1, "health_check_error_count": 1_000_000}


@pytest.fixture(name="declared")
def fixture_declared(shop, runbook, incident_id):
    """Declare an incident of authentication and leave it to a person; returns its head and the words of its time line."""
    def declare(**variables):
        done = runbook.run(RUNBOOK, incident_id=incident_id, **{**QUICK, **variables})
        assert done.returncode != 0, "nothing is mitigated"
        record = shop.record(incident_id)
        return record["incident"], json.dumps(record)
    yield declare
    shop.kubectl("delete", "lease", "runbooks-deployment-auth-service", "--ignore-not-found")


def test_nothing_over_its_threshold_is_p4_and_is_not_escalated(shop, declared):
    head, words = declared(**ONLY_NOW)
    assert head["severity"] == "P4" and not head["escalate_at"], words


def test_one_feature_down_is_p3(healed, declared):
    healed.kubectl("scale", "deployment/user-service", "--replicas=0")
    until(lambda: "user-service" not in healed.kubectl("get", "pods", "-l", "app=user-service", "-o", "name"))
    head, words = declared()
    assert head["severity"] == "P3" and "the health check says degraded" in words


def test_no_pod_is_p1_and_is_escalated_after_five_minutes(healed, declared):
    healed.kubectl("scale", "deployment/auth-service", "--replicas=0")
    healed.kubectl("wait", "--for=delete", "pods", "-l", "app=auth-service", "--timeout=60s")
    head, words = declared()
    assert head["severity"] == "P1" and "the health check says down" in words
    opened, respond, escalate = (datetime.datetime.fromisoformat(head[name]) for name in ("opened_at", "respond_by", "escalate_at"))
    assert abs(respond - opened) < datetime.timedelta(seconds=10), "at once"
    assert escalate - respond == datetime.timedelta(minutes=5)


def test_a_person_knows_better(shop, declared):
    head, _words = declared(auth_degradation_severity="P1")
    assert head["severity"] == "P1" and head["escalate_at"]
