"""Prometheus, Alertmanager and kube-state-metrics of one cluster, in its network namespace: they end with the cluster.

They run the collection's own alert rules, with one difference: in the lab time runs ten times faster, so every duration in the rules
is divided by ten. Debian's Prometheus asks no Kubernetes for its targets, so a small process writes them into a file. What
Alertmanager sends goes to the host's end of the cluster's network, port 5050, with a token.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import secrets
import sys
import time
import typing as t
import urllib.request

import yaml

from labkit import binaries, processes
from labkit.host import LAB, NAMESPACE, ROOT, LabError, run, step

if t.TYPE_CHECKING:
    from labkit.cluster import Cluster

RULES = ROOT / "extensions" / "prometheus" / "rules.yml"
UNPACKED = ROOT / ".build" / "prometheus" / "usr"
PROMETHEUS = UNPACKED / "bin"
FASTER = 10
READY_SECONDS = 60
WEBHOOK_PORT = 5050
#: Debian's Alertmanager wants its templates where its package puts them: it sees them there, and nobody else does.
WITH_TEMPLATES = ("unshare", "--mount", "sh", "-c",
                  f"mount -t overlay overlay -o lowerdir={UNPACKED / 'share'}:/usr/share /usr/share && exec \"$@\"", "sh")
PROGRAMS = ("targets", "kube-state-metrics", "prometheus", "alertmanager")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\[|offset |for: |interval: )(\d+)([smhd])\b")


def up(cluster: Cluster) -> None:
    """Start what does not run yet."""
    if all(processes.alive(cluster.logs, name) for name in PROGRAMS):
        return
    run([ROOT / "tests" / "tools" / "prometheus.sh"])
    with step(f"{cluster.name}: Prometheus, Alertmanager and kube-state-metrics"):
        for program, command in _commands(cluster, _configured(cluster)).items():
            if not processes.alive(cluster.logs, program):
                processes.start(cluster.network.netns, program, command, cluster.logs)
        for program, port in (("prometheus", 9090), ("alertmanager", 9093)):
            _wait_for(cluster, program, port)


def directory(cluster: Cluster) -> pathlib.Path:
    """Where its files are: ``token`` is what the receiver of alerts expects."""
    return cluster.state / "monitoring"


def write_targets(cluster: Cluster) -> None:
    """Keep the file of targets true, until somebody ends this: every container port called ``metrics``."""
    path, before = directory(cluster) / "targets.json", ""
    while True:
        try:
            found = json.dumps(list(_targets(json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json")))))
        except LabError:
            found = before  # an API server that is away for a while is a fault that somebody caused
        if found != before:
            path.with_suffix(".new").write_text(found)
            path.with_suffix(".new").rename(path)
            before = found
        time.sleep(2)


def _targets(pods: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    for pod in pods["items"]:
        address = pod.get("status", {}).get("podIP")
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                if address and port.get("name") == "metrics":
                    yield {"targets": [f"{address}:{port['containerPort']}"],
                           "labels": {"namespace": NAMESPACE, "pod": pod["metadata"]["name"], "container": container["name"]}}


def faster(rules: str) -> str:
    """Rules with every duration divided by ten; those that are too short for that become a second."""
    def shorter(match: re.Match[str]) -> str:
        before, count, unit = match.groups()
        return f"{before}{-(-int(count) * _SECONDS[unit] // FASTER)}s"
    return _DURATION.sub(shorter, rules)


def _configured(cluster: Cluster) -> pathlib.Path:
    home = directory(cluster)
    home.mkdir(exist_ok=True)
    (home / "rules.yml").write_text(faster(RULES.read_text()))
    token = home / "token"
    if not token.exists():
        token.touch(0o600)
        token.write_text(secrets.token_urlsafe(24))
    (home / "prometheus.yml").write_text(yaml.safe_dump(_prometheus(cluster)))
    (home / "alertmanager.yml").write_text(yaml.safe_dump(_alertmanager(cluster, token)))
    run([PROMETHEUS / "promtool", "check", "config", home / "prometheus.yml"])
    return home


def _wait_for(cluster: Cluster, program: str, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{cluster.network.node}:{port}/-/ready", timeout=5):
            return
        if time.monotonic() > deadline or not processes.alive(cluster.logs, program):
            raise LabError(f"{program} is not ready:\n  {processes.last_words(cluster.logs, program)}")
        time.sleep(0.2)


def _commands(cluster: Cluster, home: pathlib.Path) -> dict[str, list[object]]:
    node = cluster.network.node
    return {
        "targets": [sys.executable, LAB / "lab", "targets", "--cluster", cluster.name],
        "kube-state-metrics": [binaries.kube_state_metrics(), f"--kubeconfig={cluster.kubeconfig()}", "--host=127.0.0.1", "--port=8085",
                               "--telemetry-host=127.0.0.1", "--telemetry-port=8086", "--resources=pods", f"--namespaces={NAMESPACE}"],
        "prometheus": [PROMETHEUS / "prometheus", f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}",
                       f"--web.listen-address={node}:9090"],
        "alertmanager": [*WITH_TEMPLATES, PROMETHEUS / "prometheus-alertmanager", f"--config.file={home / 'alertmanager.yml'}",
                         f"--storage.path={home / 'alerts'}", f"--web.listen-address={node}:9093", "--cluster.listen-address="],
    }


def _prometheus(cluster: Cluster) -> dict[str, t.Any]:
    pki, node = cluster.pki.path, cluster.network.node
    return {
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "5s", "external_labels": {"cluster": cluster.name}},
        "rule_files": [str(directory(cluster) / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{node}:9093"]}]}]},
        "scrape_configs": [
            {"job_name": "pods", "file_sd_configs": [{"files": [str(directory(cluster) / "targets.json")], "refresh_interval": "1m"}]},
            {"job_name": "kubelet", "scheme": "https", "metrics_path": "/metrics/resource", "static_configs": [{"targets": [f"{node}:10250"]}],
             "tls_config": {"ca_file": str(pki("ca.crt")), "cert_file": str(pki("apiserver-kubelet.crt")),
                            "key_file": str(pki("apiserver-kubelet.key"))}},
            {"job_name": "kube-state-metrics", "honor_labels": True, "static_configs": [{"targets": ["127.0.0.1:8085"]}]},
        ],
    }


def _alertmanager(cluster: Cluster, token: pathlib.Path) -> dict[str, t.Any]:
    """As docs/alerts.md has it, with shorter waits."""
    return {
        "route": {"receiver": "nobody", "routes": [
            {"receiver": "runbooks", "matchers": ["incident_type=~\".+\""], "group_by": ["cluster", "namespace", "workload", "incident_type"],
             "group_wait": "1s", "group_interval": "5s", "repeat_interval": "1h"}]},
        "receivers": [{"name": "nobody"}, {"name": "runbooks", "webhook_configs": [
            {"url": f"http://{cluster.network.host}:{WEBHOOK_PORT}/alerts", "max_alerts": 100, "send_resolved": True,
             "http_config": {"authorization": {"credentials_file": str(token)}}}]}],
    }
