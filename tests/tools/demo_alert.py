"""From a fault to an ended incident with no hand on the keyboard, on a lab that is up with monitoring; prints what happened and when.

For each fault: Prometheus sees it, its alert fires, Alertmanager hands it to a real ansible-rulebook, which runs the runbook; then the
alert is resolved. Without arguments it is the memory leak; ``--all`` takes one fault of every incident type that has an alert.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from labkit import monitoring  # noqa: E402 (the lab's own package lies beside its command)
from labkit.cluster import Cluster  # noqa: E402
from labkit.host import KUBECONFIG, NAMESPACE, LabError  # noqa: E402

LAB = ROOT / "tests" / "lab" / "lab"
WORK = ROOT / ".build" / "demo-alert"
#: incident type -> a fault whose symptom an alert sees
FAULTS = {"memory_leak": "memory_leak", "db_pool_exhaustion": "pool_leak", "auth_degradation": "auth_bad_release",
          "api_gateway_overload": "gateway_slow_upstream", "crash_loop": "crash_bad_release"}
#: so long for an alert to fire, a runbook to end, an alert to be resolved
PATIENCE_SECONDS = 600


@dataclasses.dataclass
class Run:
    """When what happened, seconds since the epoch."""

    incident_type: str
    fault: float
    alert: float
    change: float | None
    verified: float
    resolved: float
    outcome: str
    evidence: float

    def row(self) -> str:
        """Of the table at the end."""
        ours = f"{self.change - self.alert:6.0f} s, evidence {self.evidence:3.0f} s of it" if self.change else "         no change          "
        return (f"{self.incident_type:<22}{self.alert - self.fault:6.0f} s   {ours}{self.verified - self.alert:8.0f} s"
                f"{self.resolved - self.alert:8.0f} s   {self.outcome}")


def main() -> int:
    """Run it; the exit status says whether every incident was mitigated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n", 2)[2])
    parser.add_argument("types", nargs="*", choices=[[], *FAULTS], default=[], help="incident types (default: memory_leak)", metavar="TYPE")
    parser.add_argument("--all", action="store_true", help=", ".join(FAULTS))
    parser.add_argument("--cluster", type=int, default=1, help="number of the lab's cluster (default: %(default)s)")
    options = parser.parse_args()
    cluster = Cluster(options.cluster)
    types = list(FAULTS) if options.all else options.types or ["memory_leak"]
    with rulebook(cluster):
        runs = [answered(cluster, incident_type) for incident_type in types]
    print(f"\n{'':<22}fault to    alert to first change            alert to  alert to\n{'':<22}   alert                                   verified  resolved")
    for run in runs:
        print(run.row())
    return 0 if all(run.outcome.startswith("mitigated") for run in runs) else 1


@contextlib.contextmanager
def rulebook(cluster: Cluster) -> t.Iterator[None]:
    """An ansible-rulebook that answers this cluster's alerts."""
    WORK.mkdir(parents=True, exist_ok=True)
    inventory = WORK / "clusters.yml"
    host = {"ansible_connection": "local", "runbooks_kubeconfig": str(KUBECONFIG), "runbooks_context": cluster.name,
            "runbooks_incidents_dir": str(WORK / "incidents"), "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {cluster.name: host}}}))
    environment = {**os.environ, "RUNBOOKS_WEBHOOK_TOKEN": (monitoring.directory(cluster) / "token").read_text(),
                   "RUNBOOKS_WEBHOOK_HOST": cluster.network.host, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
                   "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    with (WORK / "rulebook.log").open("w") as log:
        process = subprocess.Popen(
            [ROOT / ".build/rulebook/bin/ansible-rulebook", "-r", ROOT / "extensions/eda/rulebooks/incident.yml", "-i", inventory,
             "--env-vars", "RUNBOOKS_WEBHOOK_TOKEN,RUNBOOKS_WEBHOOK_HOST"], cwd=WORK, env=environment, stdout=log, stderr=subprocess.STDOUT)
    say(f"ansible-rulebook listens; what it and the runbooks say is in {(WORK / 'rulebook.log').relative_to(ROOT)}")
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def answered(cluster: Cluster, incident_type: str) -> Run:
    """Cause the fault and watch, touching nothing, until its alert is resolved; then heal."""
    fresh(cluster)
    say(f"fault {FAULTS[incident_type]} …")
    fault = time.time()
    causing = subprocess.Popen([LAB, "fault", FAULTS[incident_type], "--cluster", cluster.name], stderr=subprocess.DEVNULL)
    try:
        alert = until(lambda: next((one for one in alerts(cluster) if one["labels"]["incident_type"] == incident_type), None), "an alert")
        fired = time.time()
        say(f"alert {alert['labels']['alertname']}: {alert['annotations']['summary']}")
        claim = until(lambda: claim_of(cluster, incident_type), "a runbook to end")
        report = json.loads((WORK / "incidents" / claim["incident_id"] / cluster.name / "report.json").read_text())
        change = moment(report["changes"][0]["at"]) if report["changes"] else None
        for line in (*(one["summary"] for one in report["changes"]), *(one["text"] for one in report["summary"])):
            say(f"  {line}")
        until(lambda: not [one for one in alerts(cluster) if one["labels"]["incident_type"] == incident_type], "the alert to be resolved")
        say("alert resolved")
        evidence = [moment(one["captured_at"]) for one in report["evidence"] if change and moment(one["captured_at"]) < change]
        return Run(incident_type, fault, fired, change, moment(report["ended_at"]), time.time(), report["outcome"],
                   change - min(evidence) if change and evidence else 0)
    finally:
        causing.wait(PATIENCE_SECONDS)
        subprocess.run([LAB, "heal", "--cluster", cluster.name], check=True, stderr=subprocess.DEVNULL)


def fresh(cluster: Cluster) -> None:
    """A shop about which nothing is known: healthy, no alert, no claim of an earlier incident, which would be within its cooldown."""
    subprocess.run([LAB, "heal", "--cluster", cluster.name], check=True, stderr=subprocess.DEVNULL)
    until(lambda: not alerts(cluster), "earlier alerts to be resolved")
    cluster.kubectl("-n", NAMESPACE, "delete", "configmaps", "-l", "runbooks.sre/alerts")
    cluster.kubectl("-n", NAMESPACE, "delete", "leases", "--all")


def alerts(cluster: Cluster) -> list[dict[str, t.Any]]:
    """What fires and would call a person, for Alertmanager: what burns slowly goes on for as long as its windows look back."""
    with urllib.request.urlopen(f"http://{cluster.network.node}:9093/api/v2/alerts?active=true", timeout=10) as answer:
        return [one for one in json.load(answer) if one["labels"].get("severity") == "page"]


def claim_of(cluster: Cluster, incident_type: str) -> dict[str, t.Any] | None:
    """What the cluster knows of the incident, once its run has ended."""
    with contextlib.suppress(LabError):  # the API server may be what is overloaded
        found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "configmaps", "-l", f"runbooks.sre/alerts={incident_type}", "-o", "json"))["items"]
        return next((claim for claim in (json.loads(item["data"]["claim"]) for item in found) if claim["state"] == "done"), None)
    return None


def until(check: t.Callable[[], t.Any], what: str) -> t.Any:
    """Wait for something that is true."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not (found := check()):
        if time.monotonic() > ends:
            raise SystemExit(f"Waited {PATIENCE_SECONDS} s for {what}. See {WORK / 'rulebook.log'}.")
        time.sleep(0.5)
    return found


def moment(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.datetime.fromisoformat(text).timestamp()


def say(text: str) -> None:
    """A line with the time of day."""
    print(f"{datetime.datetime.now():%H:%M:%S}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
