"""Faults, caused for real and bounded in time, and the way back from all of them."""

from __future__ import annotations

import json
import time
import typing as t

import yaml

from labkit import shop
from labkit.host import NAMESPACE, LabError, say

Kubectl = t.Callable[..., str]

LEAK_RATE = 250
GROWTH_RATE = 60
TRICKLE = 1
LEAK_SECONDS = 150


def memory_leak(kubectl: Kubectl) -> None:
    """Customers send gift notes, which api-server never forgets, until a pod is OOMKilled; then a trickle stays."""
    before = set(_oom_killed(kubectl))
    _customers(kubectl, GIFT_NOTES_PER_SECOND=LEAK_RATE)
    try:
        _until(lambda: set(_oom_killed(kubectl)) - before, LEAK_SECONDS, "a pod of api-server is OOMKilled")
    finally:
        _customers(kubectl, GIFT_NOTES_PER_SECOND=TRICKLE)


def memory_growth(kubectl: Kubectl) -> None:
    """The same leak, slowly: memory rises for minutes before anything is killed."""
    _customers(kubectl, GIFT_NOTES_PER_SECOND=GROWTH_RATE)


FAULTS: dict[str, t.Callable[[Kubectl], None]] = {"memory_leak": memory_leak, "memory_growth": memory_growth}


def heal(kubectl: Kubectl) -> None:
    """Replace every Deployment and ConfigMap of the shop with what its manifest says, and start clean."""
    documents = [document for document in yaml.safe_load_all(shop.manifests(shop.MANIFESTS, ""))
                 if document and document["kind"] in ("Deployment", "ConfigMap")]
    kubectl("replace", "-f", "-", stdin=yaml.safe_dump_all(documents))
    _poke(kubectl, "load-generator")
    kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app=api-server", "--wait=true", timeout=120)
    shop.wait(kubectl)


def set_load(kubectl: Kubectl, rate: float) -> None:
    """Set how many ordinary requests customers make a second."""
    _customers(kubectl, REQUESTS_PER_SECOND=rate)


def _customers(kubectl: Kubectl, **rates: float) -> None:
    data = {name: f"{rate:g}" for name, rate in rates.items()}
    kubectl("-n", NAMESPACE, "patch", "configmap", "load-generator", "-p", json.dumps({"data": data}))
    _poke(kubectl, "load-generator")
    say("customers: " + ", ".join(f"{name} {rate}" for name, rate in data.items()))


def _poke(kubectl: Kubectl, app: str) -> None:
    """Change something of the pod, so that its kubelet mounts a changed ConfigMap now and not at the next sync."""
    time.sleep(0.5)
    kubectl("-n", NAMESPACE, "annotate", "pods", "-l", f"app={app}", f"lab/poke={time.time_ns()}", "--overwrite")


def _oom_killed(kubectl: Kubectl) -> t.Iterator[str]:
    """Each OOM kill that pods of api-server still remember, as pod and time."""
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=api-server", "-o", "json"))["items"]
    for pod in pods:
        for status in pod["status"].get("containerStatuses", []):
            for state in (status.get("lastState", {}), status.get("state", {})):
                end = state.get("terminated", {})
                if end.get("reason") == "OOMKilled":
                    yield f"{pod['metadata']['name']} {end['finishedAt']}"


def _until(check: t.Callable[[], object], timeout: float, what: str) -> None:
    deadline, told = time.monotonic() + timeout, 0.0
    while time.monotonic() < deadline:
        if check():
            say(f"{what}: yes")
            return
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"waiting until {what} …")
        time.sleep(0.5)
    raise LabError(f"After {timeout:.0f} s it is not so that {what}.")
