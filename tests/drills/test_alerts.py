"""From an alert to the runbook: delivered twice at the same time, again afterwards, and resolved."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from drill import CLUSTER, NAMESPACE, Runbook, Shop, cause


def claims(shop: Shop) -> list[dict[str, object]]:
    """What the cluster knows of alerts."""
    found = json.loads(shop.kubectl("get", "configmaps", "-l", "runbooks.sre/alerts", "-o", "json"))["items"]
    return [json.loads(item["data"]["claim"]) for item in found]


@pytest.fixture(autouse=True)
def _nothing_left(shop: Shop):
    yield
    for claim in claims(shop):
        shop.kubectl("delete", "configmap", f"incident-{claim['incident_id']}", "--ignore-not-found")
    shop.kubectl("delete", "configmaps", "-l", "runbooks.sre/alerts")
    shop.kubectl("delete", "leases", "--all")


def alert(status: str = "firing", **more: object) -> dict[str, object]:
    return {"ansible_eda": {"event": {
        "status": status, "startsAt": more.pop("starts_at"), "fingerprint": "0a1b2c3d4e5f6071", "annotations": {"summary": "memory of {{ 6 * 7 }}"},
        "labels": {"alertname": "RunbooksMemoryNearLimit", "incident_type": "memory_leak", "cluster": CLUSTER.name, "namespace": NAMESPACE,
                   "workload": "api-server", **more}}}, "alerts_cooldown": 1800}


def ended(process, timeout: float = 300) -> str:
    output, _errors = process.communicate(timeout=timeout)
    print(output)
    return output


def test_delivered_twice_answered_once(healed, runbook: Runbook):
    cause("memory_leak")
    shop, moment = healed, datetime.datetime.now(datetime.timezone.utc).isoformat()
    began = time.monotonic()
    pair = [runbook.start("incident/from_alert.yml", **alert(starts_at=moment)) for _twice in range(2)]
    said = [ended(process) for process in pair]
    took = time.monotonic() - began
    assert [process.returncode for process in pair] == [0, 0]
    [claim] = claims(shop)
    assert claim["state"] == "done" and claim["outcome"] == "mitigated_for_now"
    record = shop.record(claim["incident_id"])
    assert sum("this run answers it" in text for text in said) <= 1
    assert len([key for key in record if key.startswith("change.")]) == 1, "one run changed something, once"
    assert any(item["kind"] == "heap_dump" for item in runbook.manifest(claim["incident_id"]))
    print(f"alert to verified: {took:.0f} s")

    again = runbook.run("incident/from_alert.yml", **alert(starts_at=datetime.datetime.now(datetime.timezone.utc).isoformat()))
    assert again.returncode == 0 and shop.record(claim["incident_id"]).keys() > record.keys(), "noted within the cooldown, and no second run"
    after = shop.record(claim["incident_id"])
    texts = [event["text"] for key, event in after.items() if key.startswith("event.")]
    assert any("within the cooldown, so no second run: memory of { { 6 * 7 }}" in text for text in texts)
    assert len([key for key in after if key.startswith("change.")]) == 1
