"""Memory that runs out in ways that no heap dump explains: outside the heap, in other languages, by limits that others lower.

For each: the cause that is named, no change that does harm, "mitigated" only where it holds, and no container that is killed by looking.
"""

from __future__ import annotations

import json

import drill
import pytest
from labkit.host import NAMESPACE
from test_kinds import Seen, fights

pytestmark = pytest.mark.alone

#: nothing but a restart, pod by pod
RESTARTED = [("restart deployment/api-server, pod by pod", "done")]


@pytest.fixture(name="memory")
def fixture_memory(healed, runbook, incident_id):
    def run(workload="api-server", *flags, **variables):
        settings = {"memory_leak_workload": workload, "memory_leak_heap_analysis": False, "memory_leak_observe_seconds": 10, **variables}
        return Seen(healed, incident_id, lambda: runbook.run("incident/memory_leak.yml", *flags, incident_id=incident_id, **settings))
    return run


def limit(shop, container="api-server"):
    spec = shop.get("deployment", "api-server")["spec"]["template"]["spec"]
    return next(one for one in spec["containers"] if one["name"] == container)["resources"].get("limits", {}).get("memory")


def restarts(shop, app):
    pods = json.loads(shop.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return {pod["metadata"]["name"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"]) for pod in pods}


@pytest.mark.parametrize("fault, cause", [
    ("memory_direct_buffers", "direct_buffers"), ("memory_classes", "class_loaders"), ("memory_threads", "threads"), ("memory_native", "native_memory")])
def test_what_a_jvm_takes_outside_its_heap_is_named_and_a_restart_is_no_cure(memory, fault, cause):
    drill.cause(fault)
    seen = memory()
    assert (seen.cause, seen.made) == (cause, RESTARTED)
    assert seen.status == "mitigated_for_now" and "reaches its limit again in about" in seen.flat
    assert seen.after[1] >= 0.95


@pytest.mark.parametrize("fault, app, said", [("memory_go", "thumbnails", "main.thumbnail made"), ("memory_python", "recommender", "the process grew by")])
def test_a_process_that_is_no_jvm_is_judged_by_what_the_kernel_and_it_tell(memory, fault, app, said):
    drill.cause(fault)
    seen = memory(app)
    assert seen.cause in ("process_grows", "fresh_pods") and said in seen.flat
    assert seen.status == "mitigated_for_now" and [state for _what, state in seen.made] == ["done"]
    assert "of its own" in seen.flat and "open files" in seen.flat


@pytest.mark.parametrize("fault, container, wanted", [
    ("memory_limit_lowered", "api-server", "384Mi"), ("memory_limit_range", "api-server", "384Mi"), ("memory_limit_sidecar", "log-shipper", "128Mi")])
def test_a_limit_that_was_lowered_is_put_back_where_it_was_lowered(healed, memory, fault, container, wanted):
    drill.cause(fault)
    seen = memory()
    assert seen.cause == "limit_lowered" and limit(healed, container) == wanted
    assert seen.status in ("mitigated", "mitigated_for_now") and len(seen.made) == 1


@pytest.mark.parametrize("after", [3, 20])
def test_a_controller_that_puts_the_limit_back_is_seen_before_anybody_says_mitigated(healed, memory, after):
    drill.cause("memory_limit_lowered")
    lowered = limit(healed)

    def put_back(shop):
        shop.kubectl("set", "resources", "deployment/api-server", f"--limits=memory={lowered}")

    with fights(healed, lambda shop: limit(shop) == lowered, put_back, after):
        seen = memory(memory_leak_sustained_seconds=20)
    assert seen.cause == "limit_lowered" and seen.status == "not_mitigated" and seen.done.returncode != 0


def test_no_capture_kills_a_pod_that_is_almost_full(healed, memory):
    drill.cause("memory_growth")
    drill.until(lambda: _fullest(healed) >= 364 - 15, timeout=600, pause=1)
    healed.kubectl("-n", NAMESPACE, "patch", "configmap/load-generator", "-p", json.dumps({"data": {"GIFT_NOTES_PER_SECOND": "0"}}))
    drill.faults.set_load(drill.CLUSTER.kubectl, 1)
    before = restarts(healed, "api-server")
    seen = memory("api-server", "--check")
    assert restarts(healed, "api-server") == before
    assert not seen.made


def _fullest(shop):
    rows = shop.kubectl("top", "pods", "-l", "app=api-server", "--no-headers").splitlines()
    return max((int(row.split()[2].removesuffix("Mi")) for row in rows), default=0)
