"""What is changed, what is not, and that all of it can be taken back."""

from __future__ import annotations

import json

RESTART = {"memory_leak_adjust_memory": "never", "memory_leak_fallback": "restart", "memory_leak_heap_dump": False, "runbooks_force": True}
RAISED = {"memory_leak_adjust_memory": "always", "memory_leak_heap_dump": False, "runbooks_force": True}


def test_check_mode_shows_the_change_and_makes_none(shop, runbook, incident_id, now):
    before = shop.get("deployment", "api-server")["metadata"]["generation"]
    done = runbook.memory_leak("--check", "--diff", incident_id=incident_id, **RAISED)
    assert done.returncode == 0
    assert "+spec.template.spec.containers[name=api-server].resources.limits.memory: 1Gi" in done.stdout
    assert "-spec.template.spec.containers[name=api-server].resources.limits.memory: 384Mi" in done.stdout
    assert shop.get("deployment", "api-server")["metadata"]["generation"] == before
    assert shop.writes(now) == []


def test_raised_memory_is_restored_exactly_and_a_second_run_changes_nothing(healed, runbook, incident_id):
    before = healed.resources()
    assert runbook.memory_leak(incident_id=incident_id, **RAISED).returncode == 0
    assert healed.resources()["limits"]["memory"] == "1Gi"
    again = runbook.memory_leak(incident_id=incident_id, **RAISED)
    assert "everything is in place already" in again.stdout
    preview = runbook.clear(incident_id, "--check", "--diff")
    assert "would restore what was before" in preview.stdout
    assert healed.resources()["limits"]["memory"] == "1Gi"
    assert runbook.clear(incident_id).returncode == 0
    assert healed.resources() == before
    assert healed.record(incident_id)["change.0001"]["state"] == "undone"


def test_a_field_changed_by_hand_is_refused_and_named(healed, runbook, incident_id):
    assert runbook.memory_leak(incident_id=incident_id, **RAISED).returncode == 0
    healed.kubectl("set", "resources", "deployment/api-server", "--limits=memory=768Mi")
    done = runbook.clear(incident_id)
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "limits.memory is 768Mi, but 1Gi was recorded: kubectl" in flat
    assert healed.resources()["limits"]["memory"] == "768Mi"


def test_the_same_mitigation_again_within_the_cooldown_escalates(healed, runbook, incident_id):
    assert runbook.memory_leak(incident_id=incident_id, **RESTART).returncode == 0
    generation = healed.get("deployment", "api-server")["metadata"]["generation"]
    done = runbook.memory_leak(incident_id=f"{incident_id}-b", runbooks_cooldown=1800, **RESTART)
    healed.kubectl("delete", "configmap", f"incident-{incident_id}-b")
    assert f"cooldown: {incident_id} did the same" in done.stdout
    assert done.returncode != 0 and "a person must look at it now" in " ".join(done.stdout.split())
    assert healed.get("deployment", "api-server")["metadata"]["generation"] == generation


def test_two_incidents_on_one_target_are_refused(shop, runbook, incident_id, now):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "runbooks-deployment-api-server"},
             "spec": {"holderIdentity": "INC-other", "leaseDurationSeconds": 600,
                      "renewTime": now + ".000000Z"}}
    shop.kubectl("create", "-f", "-", stdin=json.dumps(lease))
    done = runbook.memory_leak(incident_id=incident_id, runbooks_force=True)
    assert done.returncode != 0
    assert "incident INC-other already works on" in done.stdout
    assert shop.writes(now) == []
