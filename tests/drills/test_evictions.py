"""A pod that its node evicts."""

from __future__ import annotations

import json
import time

from drill import Shop, until

#: writes into a directory that its node limits to 1 MiB, once it is told to
SPILLER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: spiller, namespace: ai-development}
spec:
  replicas: 1
  selector: {matchLabels: {app: spiller}}
  template:
    metadata: {labels: {app: spiller}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: spiller
          image: %s
          imagePullPolicy: IfNotPresent
          command: [sleep, infinity]
          resources: {limits: {memory: 32Mi}}
          volumeMounts: [{name: spill, mountPath: /spill}]
      volumes: [{name: spill, emptyDir: {sizeLimit: 1Mi}}]
"""


def test_an_eviction_counts_when_it_happens_not_when_the_pod_began(shop, runbook):
    image = shop.get("deployment", "debug-pod")["spec"]["template"]["spec"]["containers"][0]["image"]
    shop.kubectl("apply", "-f", "-", stdin=SPILLER % image)
    try:
        shop.kubectl("rollout", "status", "deployment/spiller", "--timeout=60s")
        time.sleep(2)  # the pod's start must lie before the window
        window = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        assert not _evicted(runbook, window)["breached"]
        shop.kubectl("exec", "deployment/spiller", "--", "dd", "if=/dev/zero", "of=/spill/file", "bs=1M", "count=8")
        until(lambda: _reasons(shop) == ["Evicted"], timeout=180, pause=2)
        found = _evicted(runbook, window)
        assert found["breached"]
        assert found["text"] == "1 of 2 pods evicted"
    finally:
        shop.kubectl("delete", "deployment", "spiller")
        shop.kubectl("delete", "pods", "-l", "app=spiller", "--ignore-not-found")


def _reasons(shop: Shop) -> list[str]:
    pods = json.loads(shop.kubectl("get", "pods", "-l", "app=spiller", "-o", "json"))["items"]
    return [pod["status"]["reason"] for pod in pods if pod["status"].get("reason")]


def _evicted(runbook, since: str) -> dict:
    done = runbook.module("sre.runbooks.memory_signals_info", {
        "namespace": "ai-development", "workload": "spiller", "since": since, "observe": 0})
    return next(signal for signal in done["result"]["signals"] if signal["name"] == "evicted")
