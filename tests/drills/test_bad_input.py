"""Tried wrong: a clear paragraph, nothing changed, nothing lost."""

from __future__ import annotations

import subprocess

import pytest
from drill import NAMESPACE, ROOT


@pytest.mark.parametrize("variables, words", [
    ({"memory_leak_namespace": "nowhere"}, "in namespace nowhere the current user may not"),
    ({"memory_leak_workload": "nope"}, "there is no deployment/nope in namespace ai-development. In ai-development there are"),
    ({"memory_leak_workload": "cronjob/x"}, "'cronjob/x' is not a workload that runbooks know"),
    ({"memory_leak_container": "sidecar"}, "has no container 'sidecar'"),
    ({"incident_id": "a b/../c"}, "incident_id 'a b/../c' is not usable"),
    ({"runbooks_host": "https://127.0.0.1:1"}, "no answer from https://127.0.0.1:1"),
    ({"runbooks_kubeconfig": "/does/not/exist"}, "there is no kubeconfig /does/not/exist"),
    ({"memory_leak_adjust_memory": "maybe"}, "value of memory_leak_adjust_memory must be one of"),
    ({"memory_leak_adjust_memry": "always"}, "memory_leak has no variable memory_leak_adjust_memry"),
])
def test_refused_before_anything_happens(shop, runbook, now, variables, words):
    done = runbook.memory_leak(**{"runbooks_force": True, **variables})
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout
    assert shop.writes(now) == []


@pytest.mark.parametrize("name, variables, words", [
    ("db_pool_exhaustion", {"db_pool_exhaustion_series": {"busy": "x"}}, "series names busy, which is nothing that is read of a pool"),
    ("db_pool_exhaustion", {"db_pool_exhaustion_terminate": "all"}, "db_pool_exhaustion_terminate must be one or more of: blocking, idle, slow"),
    ("auth_degradation", {"auth_degradation_mitigation": "scal"}, "value of auth_degradation_mitigation must be one of"),
    ("auth_degradation", {"auth_degradation_mitigation": "rollback", "auth_degradation_revision": 9999}, "has no revision 9999"),
    ("api_gateway_overload", {"api_gateway_overload_steps": {"slow_upstream": ["shead"]}}, "Got no match for: shead"),
    ("api_gateway_overload", {"api_gateway_overload_preset": "ngnix"}, "value of api_gateway_overload_preset must be one of"),
])
def test_other_runbooks_refuse_what_cannot_be(shop, runbook, incident_id, now, name, variables, words):
    done = runbook.run(f"incident/{name}.yml", runbooks_force=True, incident_id=incident_id, **variables)
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout
    assert not [write for write in shop.writes(now) if "configmaps" not in write and "leases" not in write]


def test_a_token_that_is_not_accepted(shop, runbook, now):
    done = runbook.memory_leak(runbooks_host=shop.cluster.server, runbooks_token="expired",
                               runbooks_ca_cert=str(shop.cluster.pki.path("ca.crt")))
    assert done.returncode != 0
    assert "the token is expired, revoked or wrong" in " ".join(done.stdout.split())
    assert shop.writes(now) == []


def test_a_missing_permission_is_named(shop, runbook, now):
    roles = [path for path in sorted((ROOT / "docs" / "rbac").glob("*.yml")) if path.stem != "runbooks"]
    for path in roles:
        shop.cluster.kubectl("delete", "-f", str(path), "--ignore-not-found")  # in whatever namespace its objects say
    try:
        done = runbook.memory_leak(runbooks_force=True)
    finally:
        for path in roles:
            shop.cluster.kubectl("apply", "-f", str(path))
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "may not: create pods/exec, patch deployments.apps" in flat
    assert "docs/rbac/" in flat
    assert shop.writes(now) == []


def test_no_room_on_the_controller(healed, runbook, incident_id, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=True)
    generation = healed.get("deployment", "api-server")["metadata"]["generation"]
    try:
        runbook.incidents = small
        done = runbook.memory_leak(incident_id=incident_id, runbooks_force=True)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert done.returncode != 0
    assert "on the controller" in done.stdout
    assert "runbooks_incidents_dir" in done.stdout
    assert healed.get("deployment", "api-server")["metadata"]["generation"] == generation


def test_no_room_in_the_pod(healed, runbook, incident_id):
    generation = healed.get("deployment", "api-server")["metadata"]["generation"]
    done = runbook.memory_leak(incident_id=incident_id, runbooks_force=True,
                               memory_leak_heap_dump_directory="/dev/shm")
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "no room for a heap dump" in flat
    assert "class histogram is saved" in flat
    assert healed.get("deployment", "api-server")["metadata"]["generation"] == generation
    assert {item["kind"] for item in runbook.manifest(incident_id)} >= {"histogram", "snapshot", "logs"}


def test_nothing_of_the_kubeconfig_stays_on_the_controller(runbook, tmp_path, monkeypatch):
    """It may have a private key in itself, which the client wants as a file; and the worker that read it does not end as Python does."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("TMPDIR", "ANSIBLE_LOCAL_TEMP"):
        monkeypatch.setenv(name, str(scratch))
    answer = runbook.module("sre.runbooks.workload_snapshot_info", {"namespace": NAMESPACE, "workload": "api-server"})
    assert answer["rc"] == 0
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
