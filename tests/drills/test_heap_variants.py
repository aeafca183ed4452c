"""Heap dumps where it is hard: no tools, no shell, JVM not process 1, nothing writable, no room."""

from __future__ import annotations

import hashlib
import json

import pytest
import zstandard
from drill import ROOT

DEBUG_IMAGE = "shop/debug-jdk:lab"


@pytest.fixture
def variant(shop, request):
    """One variant of api-server, up for this test."""
    name = f"api-server-{request.param}"
    manifest = ROOT / "tests" / "lab" / "shop" / "variants" / f"{request.param}.yml"
    shop.kubectl("apply", "-f", str(manifest))
    shop.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    yield name
    shop.kubectl("delete", "-f", str(manifest), "--wait=false")


@pytest.fixture
def dump(runbook):
    """Run the module heap_dump on a workload."""
    def run(workload: str, incident_id: str, **options: str):
        arguments = {"namespace": "ai-development", "workload": workload, "incident_id": incident_id,
                     "incidents_dir": str(runbook.incidents), "container": "api-server", **options}
        return runbook.module("sre.runbooks.heap_dump", arguments)
    return run


@pytest.mark.parametrize("variant, options", [
    ("wrapped", {}),
    ("readonly", {}),
    ("notools", {"debug_image": DEBUG_IMAGE}),
    ("distroless", {"debug_image": DEBUG_IMAGE}),
], indirect=["variant"])
def test_the_dump_is_whole_and_the_pod_is_left_clean(shop, variant, options, dump, incident_id):
    done = dump(variant, incident_id, **options)
    assert done["rc"] == 0, done
    with open(done["result"]["file"], "rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert plain.startswith(b"JAVA PROFILE 1.0.")
    assert hashlib.sha256(plain).hexdigest() == done["result"]["sha256"]
    if variant != "api-server-distroless":
        assert "hprof" not in shop.kubectl("exec", f"deployment/{variant}", "--", "ls", "/tmp")


@pytest.mark.parametrize("variant, words", [
    ("notools", "has no JDK tools (jcmd)"),
    ("distroless", "has no shell"),
    ("full", "no room for a heap dump"),
], indirect=["variant"])
def test_what_cannot_be_done_is_said_with_the_way_out(variant, words, dump, incident_id):
    done = dump(variant, incident_id)
    assert done["rc"] != 0
    assert words in done["result"]["msg"]
    assert "memory_leak_" in json.dumps(done["result"])
