"""The memory-leak commands of the written playbook, three ways, side by side on one lab cluster.

Each side: list the pods, read their usage, dump the heap of one pod (all objects), bring the dump here, restart a
Deployment without waiting for it. Then the retrieval alone: the same file by kubectl cp and by us.
Prints the median of the rounds and ratios; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / ".build" / "collections")]

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster as Api  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Connection  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm, _transfer  # noqa: E402
from labkit import binaries, faults, host  # noqa: E402
from labkit.cluster import Cluster  # noqa: E402

RESTARTED = "debug-pod"
BASH = r"""
set -eu
kubectl get pods -n "$NS" -o wide > pods.txt
grep -E 'OOMKilled|Evicted' pods.txt || true
kubectl top pods -n "$NS" > top.txt
kubectl exec -n "$NS" "$POD" -- jmap -dump:format=b,file=/tmp/heap-bash.hprof 1 > /dev/null
kubectl cp -n "$NS" "$POD:/tmp/heap-bash.hprof" heap.hprof > /dev/null
kubectl rollout restart -n "$NS" "deployment/$RESTARTED" > /dev/null
"""


class Bench:
    """One cluster, one pod with a full heap, and the three sides."""

    def __init__(self, cluster: Cluster, pod: str, work: pathlib.Path) -> None:
        self.cluster, self.pod, self.work = cluster, pod, work
        self.environment = {
            **os.environ, "PATH": f"{binaries.kubernetes()}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(self._own_kubeconfig()), "NS": host.NAMESPACE, "POD": pod, "RESTARTED": RESTARTED,
            "ANSIBLE_COLLECTIONS_PATH": f"{ROOT}/.build/collections", "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}

    def bash(self) -> None:
        """The playbook's own commands."""
        self._run(["bash", "-c", BASH])

    def kubernetes_core(self) -> None:
        """The same steps as tasks of kubernetes.core."""
        self._playbook("kubernetes_core.yml")

    def ours(self) -> None:
        """The same steps as tasks of this collection, which also verify, record and lock."""
        self._playbook("ours.yml", incident_id=f"bench-{time.time_ns() % 10**9}")

    def clean(self) -> None:
        """Remove what a side has left."""
        self.cluster.kubectl("-n", host.NAMESPACE, "exec", self.pod, "--", "sh", "-c", "rm -f /tmp/*.hprof")
        self.cluster.kubectl("-n", host.NAMESPACE, "delete", "configmaps", "-l", "runbooks.sre/incident")
        self.cluster.kubectl("-n", host.NAMESPACE, "delete", "lease", f"runbooks-deployment-{RESTARTED}", "--ignore-not-found")
        shutil.rmtree(self.work)
        self.work.mkdir()
        self.cluster.kubectl("-n", host.NAMESPACE, "rollout", "status", f"deployment/{RESTARTED}", timeout=90)

    def retrieval(self) -> dict[str, float]:
        """One file of the pod by kubectl cp and by us: seconds and bytes on the wire."""
        inside = "/tmp/heap-retrieval.hprof"
        self._kubectl("exec", self.pod, "--", "jcmd", "1", "GC.heap_dump", "-all", inside)
        started = time.monotonic()
        self._kubectl("cp", f"{self.pod}:{inside}", str(self.work / "cp.hprof"))
        copied = time.monotonic() - started
        api = Api(Connection(name=self.cluster.name, kubeconfig=self.environment["KUBECONFIG"]))
        pod = api.get("Pod", host.NAMESPACE, self.pod)
        jvm = _jvm.find(api, pod, "api-server", "")
        result = {"file": float((self.work / "cp.hprof").stat().st_size), "kubectl cp": copied}
        for name, tools in (("ours, zstd", jvm.tools), ("ours, gzip", {"gzip": jvm.tools["gzip"]})):
            compression = _transfer.choose(tools)
            pulled = _transfer.pull(api, Container(host.NAMESPACE, self.pod, "api-server"), inside, compression,
                                    self.work / f"ours{compression.suffix}", lambda line: None)
            result[name], result[f"{name}, bytes"] = pulled.seconds, float(pulled.compressed_bytes)
        return result

    def _own_kubeconfig(self) -> pathlib.Path:
        path = pathlib.Path(tempfile.mkdtemp()) / "kubeconfig"
        path.write_text(host.KUBECONFIG.read_text())
        path.chmod(0o600)
        host.run([binaries.kubernetes() / "kubectl", "--kubeconfig", path, "config", "use-context", self.cluster.name])
        return path

    def _kubectl(self, *words: str) -> None:
        self._run(["kubectl", "-n", host.NAMESPACE, *words])

    def _playbook(self, name: str, **variables: str) -> None:
        extra = {"pod": self.pod, "shop_namespace": host.NAMESPACE, "restarted": RESTARTED, "work": str(self.work),
                 **variables}
        self._run(["ansible-playbook", "-i", "localhost,", str(HERE / name), "-e", json.dumps(extra)])

    def _run(self, argv: t.Sequence[str]) -> None:
        done = subprocess.run(argv, cwd=self.work, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{argv[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")


def measure(side: t.Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and CPU seconds (of this machine's child processes) of one side."""
    before, started = _cpu(), time.monotonic()
    side()
    return time.monotonic() - started, _cpu() - before


def main() -> None:
    """Fill a heap, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", default="lab1")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cluster = Cluster(int(options.cluster.removeprefix("lab")))
    faults.restore(cluster)
    faults.cause(cluster, "memory_leak")
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(cluster, _fullest(cluster), pathlib.Path(directory) / "work")
        bench.work.mkdir()
        _compare(bench, options.rounds)
        _compare_retrieval([bench.retrieval() for _round in range(options.rounds)])
        bench.clean()
    faults.restore(cluster)


def _compare(bench: Bench, rounds: int) -> None:
    sides = {"bash": bench.bash, "kubernetes.core": bench.kubernetes_core, "ours": bench.ours}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _round in range(rounds):
        for name, side in sides.items():
            times[name].append(measure(side))
            bench.clean()
    medians = {name: [statistics.median(column) for column in zip(*values, strict=True)] for name, values in times.items()}
    print(f"\n{'memory-leak steps':<20}{'wall s':>8}{'CPU s':>8}{'wall, ours = 1':>16}")
    for name, (wall, cpu) in medians.items():
        print(f"{name:<20}{wall:>8.2f}{cpu:>8.2f}{wall / medians['ours'][0]:>16.2f}")


def _compare_retrieval(rows: list[dict[str, float]]) -> None:
    median = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    size, copied = median["file"], median["kubectl cp"]
    print(f"\nretrieval of {size / 2**20:.0f} MiB{'seconds':>14}{'MiB':>8}{'faster':>9}{'bytes':>9}")
    print(f"{'kubectl cp':<25}{copied:>10.2f}{size / 2**20:>8.0f}")
    for name in ("ours, zstd", "ours, gzip"):
        stored = median[f"{name}, bytes"]
        print(f"{name:<25}{median[name]:>10.2f}{stored / 2**20:>8.0f}{copied / median[name]:>8.2f}×{stored / size:>8.0%}")


def _fullest(cluster: Cluster) -> str:
    pods = cluster.kubectl("-n", host.NAMESPACE, "get", "pods", "-l", "app=api-server", "-o", "name").split()
    used = {pod: _jvm.parse_heap_info(cluster.kubectl("-n", host.NAMESPACE, "exec", pod, "--", "jcmd", "1", "GC.heap_info")).used
            for pod in pods}
    return max(used, key=used.__getitem__).removeprefix("pod/")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
