"""Drills in Python: the runbook as a subprocess on a lab cluster, judged by that cluster."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from labkit import audit, faults, host
from labkit.cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = host.NAMESPACE
CLUSTER = Cluster(int(os.environ.get("LAB_CLUSTER", "lab1").removeprefix("lab")))


class Shop:
    """The demo shop of one cluster, seen by its administrator."""

    cluster = CLUSTER

    def kubectl(self, *words: object, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", NAMESPACE, *words, stdin=stdin)

    def get(self, kind: str, name: str) -> dict[str, t.Any]:
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def served(self, seconds: float = 5.0) -> tuple[float, float]:
        """How many requests of customers succeed at the gateway a second, and which share of those that come; of pods that stay."""
        before, began = faults.passed(self.cluster.kubectl), time.monotonic()
        time.sleep(seconds)
        after, took = faults.passed(self.cluster.kubectl), time.monotonic() - began
        total, good = (sum(after[pod][which] - before[pod][which] for pod in after.keys() & before.keys()) for which in (0, 1))
        return good / took, good / total if total else 0.0

    def resources(self) -> dict[str, t.Any]:
        return self.get("deployment", "api-server")["spec"]["template"]["spec"]["containers"][0]["resources"]

    def record(self, incident_id: str) -> dict[str, t.Any]:
        return {key: json.loads(value)
                for key, value in self.get("configmap", f"incident-{incident_id.lower()}")["data"].items()}

    def writes(self, since: str) -> list[str]:
        """What the runbooks' user changed since then: verb, resource and name."""
        reading = {"get", "list", "watch"}
        harmless = {"selfsubjectaccessreviews", "pods/exec"}
        return [f"{event['verb']} {event['resource']} {event['name']}"
                for event in audit.read(self.cluster.state / "audit.log", f"serviceaccount:{NAMESPACE}:runbooks", since)
                if event["verb"] not in reading and event["resource"] not in harmless]


class Runbook:
    """Runs playbooks as a person would, with the evidence in a directory of the test."""

    def __init__(self, incidents: pathlib.Path) -> None:
        self.incidents = incidents

    def module(self, name: str, arguments: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run one module; returns its exit status (rc) and its result."""
        done = subprocess.run(
            ["ansible", CLUSTER.name, "-i", "../inventories/lab", "-m", name, "-a", json.dumps(arguments)],
            cwd=ROOT / "playbooks", env=self._environment(ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal"), text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        print(done.stdout, done.stderr)
        body = done.stdout[done.stdout.index("=> {") + 3:]
        return {"rc": done.returncode, "result": json.JSONDecoder().raw_decode(body)[0]}

    def start(self, playbook: str, *flags: str, **variables: t.Any) -> subprocess.Popen[str]:
        extra = {"runbooks_incidents_dir": str(self.incidents), "runbooks_cooldown": 0,
                 "memory_leak_sustained_seconds": 3, "memory_leak_watch_seconds": 3, "memory_leak_observe_seconds": 2,
                 "memory_leak_histogram_interval": 1, **variables}
        return subprocess.Popen(
            # A shell starts what is in the background with SIGINT ignored; a person's terminal does not.
            ["env", "--default-signal=INT", "ansible-playbook", "-i", "../inventories/lab", "--limit", CLUSTER.name, playbook, *flags,
             "-e", json.dumps(extra)],
            cwd=ROOT / "playbooks", env=self._environment(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    @staticmethod
    def _environment(**more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "ANSIBLE_CONFIG")}
        return {**kept, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120",
                "NO_COLOR": "1", **more}

    def run(self, playbook: str, *flags: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        process = self.start(playbook, *flags, **variables)
        output, _errors = process.communicate(timeout=420)
        print(output)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def memory_leak(self, *flags: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        return self.run("incident/memory_leak.yml", *flags, **variables)

    def clear(self, incident_id: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.run("incident/clear_temporary_fixes.yml", *flags, incident_id=incident_id)

    def manifest(self, incident_id: str) -> list[dict[str, t.Any]]:
        path = self.incidents / incident_id / CLUSTER.name / "manifest.json"
        return json.loads(path.read_text()) if path.exists() else []


def cause(fault: str) -> None:
    """Cause one of the lab's faults; returns when its symptom is there."""
    faults.cause(CLUSTER, fault)


def interrupted(run: subprocess.Popen[str], timeout: float = 60) -> str:
    """What a run has printed by its end after Ctrl-C."""
    os.killpg(run.pid, signal.SIGINT)
    try:
        return run.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        raise AssertionError(f"still running {timeout} s after Ctrl-C:\n{run.communicate()[0]}") from None


def until(check: t.Callable[[], t.Any], timeout: float = 60, pause: float = 0.02) -> t.Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(pause)
    raise AssertionError(f"not so after {timeout} s")
