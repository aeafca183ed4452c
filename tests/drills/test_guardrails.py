"""What the runbook refuses to do, each caused on the cluster."""

from __future__ import annotations

import json

import pytest
from drill import until

FAST = {"runbooks_force": True, "memory_leak_fallback": "restart", "memory_leak_heap_dump": False}


#: selects by an expression, as the shop's own selects by a label
BUDGET = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "auth-service"}, "spec": {
    "minAvailable": 2, "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["auth-service"]}]}}}


@pytest.fixture
def refused(healed, runbook, incident_id):
    """Run, and hold that it was refused with these words and changed nothing of the workload."""
    def run(words: str, playbook: str = "memory_leak", workload: str = "api-server", **variables):
        before = healed.get("deployment", workload)["metadata"]["generation"]
        done = runbook.run(f"incident/{playbook}.yml", incident_id=incident_id, **{**FAST, **variables})
        assert done.returncode != 0
        assert words in " ".join(done.stdout.split())
        assert healed.get("deployment", workload)["metadata"]["generation"] == before
        assert not [key for key in healed.record(incident_id) if key.startswith("change.")]
        assert healed.record(incident_id)["incident"]["status"] == "failed"
    return run


def test_a_disruption_budget_that_the_rollout_would_break(healed, refused):
    healed.kubectl("patch", "deployment", "api-server", "-p", json.dumps(
        {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}}}))
    refused("PodDisruptionBudget api-server asks for 2", memory_leak_adjust_memory="never")


def test_a_paused_deployment(healed, refused):
    healed.kubectl("rollout", "pause", "deployment/api-server")
    refused("its rollouts are paused", memory_leak_adjust_memory="never")


def test_a_restart_of_another_runbook_is_held_to_the_same(healed, refused):
    restart = {"playbook": "auth_degradation", "workload": "auth-service", "auth_degradation_mitigation": "restart", "auth_degradation_window": 1}
    healed.kubectl("rollout", "pause", "deployment/auth-service")
    refused("its rollouts are paused", **restart)
    healed.kubectl("rollout", "resume", "deployment/auth-service")
    healed.kubectl("create", "-f", "-", stdin=json.dumps(BUDGET))
    healed.kubectl("patch", "deployment", "auth-service", "-p", json.dumps(
        {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}}))
    try:
        until(lambda: healed.get("pdb", "auth-service").get("status", {}).get("desiredHealthy") == 2, pause=0.5)
        refused("PodDisruptionBudget auth-service asks for 2", **restart)
    finally:
        healed.kubectl("delete", "pdb", "auth-service")
        healed.kubectl("delete", "lease", "runbooks-deployment-auth-service", "--ignore-not-found")


def test_a_quota_without_room(healed, refused):
    healed.kubectl("create", "quota", "small", "--hard=limits.memory=2Gi")
    try:
        refused("ResourceQuota small has", memory_leak_adjust_memory="always")
    finally:
        healed.kubectl("delete", "quota", "small")


def test_more_memory_than_the_cap(refused):
    refused("is over the cap of 768Mi", memory_leak_adjust_memory="always", runbooks_max_memory="768Mi")


def test_a_plan_that_is_not_the_approved_one(refused):
    refused("but 0123456789abcdef was approved", memory_leak_adjust_memory="always",
            runbooks_approved_plan="0123456789abcdef")


def test_an_approval_that_has_expired(refused):
    refused("expired at 2026-01-01T00:00:00Z", memory_leak_adjust_memory="always",
            runbooks_approval_expires="2026-01-01T00:00:00Z")
