"""Bringing a dump here over streams that break."""

from __future__ import annotations

import hashlib
import json

import pytest
import zstandard
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Connection
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _transfer
from drill import CLUSTER, NAMESPACE
from labkit.host import KUBECONFIG

DUMP = "/tmp/drill-transfer.hprof"
ZSTD = _transfer.Compression("zstd -1 -c", ".zst")


@pytest.fixture
def via(shop):
    """A container with a heap dump in it."""
    pods = json.loads(shop.kubectl("get", "pods", "-l", "app=api-server", "-o", "json"))["items"]
    pod = pods[0]["metadata"]["name"]
    shop.kubectl("exec", pod, "--", "jcmd", "1", "GC.heap_dump", "-all", DUMP)
    yield Container(NAMESPACE, pod, "api-server")
    shop.kubectl("exec", pod, "--", "rm", "-f", DUMP)


@pytest.fixture
def breaking(monkeypatch):
    """Streams of ranges that break after their first bytes, as often as told; counts all that were opened."""
    state = {"left": 0, "opened": 0}
    real = _transfer._exec.stream

    def stream(cluster, container, argv, write, *more):
        if not _is_range(argv):
            return real(cluster, container, argv, write, *more)
        state["opened"] += 1
        if state["left"]:
            state["left"] -= 1
            write(b"half a range")
            raise ClusterError("the stream broke")
        return real(cluster, container, argv, write, *more)

    monkeypatch.setattr(_transfer._exec, "stream", stream)
    monkeypatch.setattr(_transfer, "RANGE_BYTES", 2 << 20)
    monkeypatch.setattr(_transfer, "STREAMS", 1)
    monkeypatch.setattr(_transfer.time, "sleep", lambda seconds: None)
    return state


def _is_range(argv):
    return any("dd if=" in word for word in argv)


def _pull(via, target):
    cluster = Cluster(Connection(kubeconfig=str(KUBECONFIG), context=CLUSTER.name))
    return _transfer.pull(cluster, via, DUMP, ZSTD, target, lambda line: None)


def test_a_broken_range_is_repeated(via, breaking, tmp_path):
    breaking["left"] = 2
    pulled = _pull(via, tmp_path / "dump.zst")
    with open(tmp_path / "dump.zst", "rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert len(plain) == pulled.bytes
    assert hashlib.sha256(plain).hexdigest() == pulled.sha256


def test_a_pull_that_failed_continues_where_it_stopped(via, breaking, tmp_path, monkeypatch):
    parts = tmp_path / "dump.zst.parts"
    whole = _pull(via, tmp_path / "first.zst")
    ranges = -(-whole.bytes // _transfer.RANGE_BYTES)
    assert ranges > 3

    real = _transfer._exec.stream

    def dead_after_three(*arguments):
        if _is_range(arguments[2]) and len(list(parts.glob("*[0-9]"))) >= 3:
            raise ClusterError("the stream broke")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_transfer._exec, "stream", dead_after_three)
        with pytest.raises(RunbookError, match="What has arrived is kept"):
            _pull(via, tmp_path / "dump.zst")
    kept = len(list(parts.glob("*[0-9]")))
    assert kept >= 3

    breaking["opened"] = 0
    assert _pull(via, tmp_path / "dump.zst").sha256 == whole.sha256
    assert breaking["opened"] == ranges - kept
    assert not parts.exists()
