"""A run that is broken off at its worst moment, and the run that continues it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading

import pytest
from drill import NAMESPACE, interrupted, until

RUNBOOKS = f"system:serviceaccount:{NAMESPACE}:runbooks"


@pytest.fixture
def stuck_writes(shop):
    """The API server hangs on every change that the runbooks' user makes to a Deployment."""
    listener = socket.create_server((shop.cluster.network.host, 0))
    connections: list[socket.socket] = []
    threading.Thread(target=_swallow, args=(listener, connections), daemon=True).start()
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(_webhook(shop.cluster.network.host, listener.getsockname()[1])))
    until(lambda: shop.get("validatingwebhookconfiguration", "stuck-writes"))

    def release() -> None:
        shop.kubectl("delete", "validatingwebhookconfiguration", "stuck-writes", "--ignore-not-found")
        listener.close()
        for connection in connections:
            connection.close()

    yield release
    with contextlib.suppress(OSError):
        release()


def test_killed_right_after_the_ledger_write(healed, runbook, incident_id, stuck_writes):
    generation = healed.get("deployment", "api-server")["metadata"]["generation"]
    run = runbook.start("incident/memory_leak.yml", incident_id=incident_id, runbooks_force=True,
                        memory_leak_adjust_memory="always")
    until(lambda: _intended(healed, incident_id), timeout=120, pause=0.2)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    stuck_writes()
    assert healed.get("deployment", "api-server")["metadata"]["generation"] == generation

    before = healed.resources()
    done = runbook.memory_leak(incident_id=incident_id, runbooks_force=True, memory_leak_adjust_memory="always")
    assert done.returncode == 0
    assert "finished an interrupted change" in done.stdout
    assert "has a verified heap dump already" in done.stdout
    assert healed.resources()["limits"]["memory"] == "1Gi"
    assert healed.record(incident_id)["change.0001"]["state"] == "done"

    assert runbook.clear(incident_id).returncode == 0
    assert healed.resources() == before


def test_interrupted_between_capture_and_mitigation(healed, runbook, incident_id, stuck_writes):
    run = runbook.start("incident/memory_leak.yml", incident_id=incident_id, runbooks_force=True, memory_leak_fallback="restart")
    until(lambda: any(item["kind"] == "heap_dump" for item in runbook.manifest(incident_id)), timeout=120)
    assert f"incident_id={incident_id}" in interrupted(run)
    stuck_writes()

    done = runbook.memory_leak(incident_id=incident_id, runbooks_force=True, memory_leak_fallback="restart")
    assert done.returncode == 0
    assert "has a verified heap dump already" in done.stdout
    assert [change["state"] for key, change in healed.record(incident_id).items() if key.startswith("change.")] == ["done"]


def _intended(shop, incident_id):
    with contextlib.suppress(Exception):
        return shop.record(incident_id).get("change.0001", {}).get("state") == "intended"
    return False


def _swallow(listener: socket.socket, connections: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connections.append(listener.accept()[0])


def _webhook(host: str, port: int) -> dict:
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "stuck-writes"},
            "webhooks": [{
                "name": "stuck.writes.lab", "clientConfig": {"url": f"https://{host}:{port}/"}, "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "timeoutSeconds": 30, "failurePolicy": "Fail",
                "matchConditions": [{"name": "runbooks", "expression": f"request.userInfo.username == '{RUNBOOKS}'"}],
                "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                           "resources": ["deployments"]}]}]}
