"""All clusters in one go: the dead one is named and holds nobody up, and what is broken is told with its reason."""

from __future__ import annotations

import json
import socket
import time

import pytest
import yaml
from drill import CLUSTER, NAMESPACE, until
from labkit.cluster import Cluster

CHECKS = ["api", "nodes", "pods", "deployments", "api-gateway", "auth-service", "user-service", "database", "redis", "errors"]
CRASHING = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "drill-crashing"},
    "spec": {"selector": {"matchLabels": {"app": "drill-crashing"}},
             "template": {"metadata": {"labels": {"app": "drill-crashing"}},
                          "spec": {"containers": [{"name": "crashing", "image": "shop/services:lab", "imagePullPolicy": "IfNotPresent",
                                                   "args": ["no-such-service"]}]}}}}
READER = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "drill-reader", "namespace": NAMESPACE}},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "drill-reader", "namespace": NAMESPACE},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runbooks"},
     "subjects": [{"kind": "ServiceAccount", "name": "drill-reader", "namespace": NAMESPACE}]}]


class Health:
    """Runs the health check; ``document`` is the JSON that it left."""

    def __init__(self, runbook, tmp_path):
        self.runbook, self.inventory = runbook, tmp_path / "more.yml"

    def __call__(self, *clusters, more=None, **variables):
        hosts = {name: {"ansible_connection": "local", "runbooks_ca_cert": str(CLUSTER.pki.path("ca.crt")), **facts} for name, facts in (more or {}).items()}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        names = ",".join([*clusters, *hosts]) or CLUSTER.name
        started = time.monotonic()
        done = self.runbook.run("incident/health_check.yml", "-i", str(self.inventory), "--limit", names,
                                health_check_report="health", **variables)
        self.seconds = time.monotonic() - started
        self.document = json.loads((self.runbook.incidents / "health.json").read_text())
        return done

    def row(self, name, cluster=CLUSTER.name):
        return next(row for row in self.document["clusters"][cluster]["rows"] if row["name"] == name)


@pytest.fixture(name="health")
def fixture_health(runbook, tmp_path):
    return Health(runbook, tmp_path)


@pytest.fixture(name="silent")
def fixture_silent():
    """The URL of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(name="clusters")
def fixture_clusters():
    """Three clusters of the lab, the API server of the last one ended."""
    up = [cluster for cluster in map(Cluster, range(1, 10)) if cluster.state.exists() and cluster.healthy()]
    if len(up) < 3:
        pytest.fail(f"three clusters are needed, {len(up)} are up: make lab-up CLUSTERS=3")
    dead = up[-1]
    dead.stop_api_server()
    yield [*up[:2], dead]
    dead.start_api_server()


@pytest.mark.fleet
def test_a_dead_cluster_is_named_and_two_are_complete_within_seconds(health, clusters, silent):
    *alive, dead = (cluster.name for cluster in clusters)
    done = health(*alive, dead, more={"silent": {"runbooks_host": silent, "runbooks_token": "of-the-drill"}})
    assert done.returncode != 0
    assert health.document["verdicts"][dead] == health.document["verdicts"]["silent"] == "unreachable"
    for name in alive:
        rows = health.document["clusters"][name]["rows"]
        assert [row["name"] for row in rows] == CHECKS
        assert all(row["status"] != "unknown" and row["at"].endswith("Z") for row in rows), rows
        assert health.document["clusters"][name]["seconds"] < 10
    assert health.document["clusters"]["silent"]["seconds"] < 12
    assert health.seconds < 60
    table = done.stdout[done.stdout.index("  cluster "):].splitlines()
    assert {table[1].split()[0], table[2].split()[0]} == {dead, "silent"}
    assert "no answer from https://" in done.stdout and "of-the-drill" not in done.stdout
    assert f"| {dead} | unreachable |" in (health.runbook.incidents / "health.md").read_text()


def test_a_healthy_shop_is_healthy_and_the_verdict_is_the_exit_status(shop, health, now):
    # What an earlier drill has left in the logs counts for as long as the options say.
    until(lambda: health(health_check_error_minutes=1, health_check_recent=60).returncode == 0, timeout=120, pause=5)
    assert health.document["verdict"] == "healthy"
    assert [row["status"] for row in health.document["clusters"][CLUSTER.name]["rows"]] == ["ok"] * len(CHECKS)
    assert "idle in transaction" in health.row("database")["detail"]
    assert shop.writes(now) == []


@pytest.fixture(name="crashing")
def fixture_crashing(shop):
    shop.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(CRASHING))
    yield
    shop.kubectl("delete", "deployment", "drill-crashing", "--wait=false")


def test_a_pod_that_crashes_and_a_service_that_is_gone_are_told(healed, crashing, health):
    healed.kubectl("scale", "deployment/user-service", "--replicas=0")
    until(lambda: healed.kubectl("get", "pods", "-l", "app=drill-crashing", "-o", "jsonpath={..restartCount}") not in ("", "0"))
    until(lambda: "user-service" not in healed.kubectl("get", "pods", "-l", "app=user-service", "-o", "name"))
    done = health()
    assert done.returncode != 0 and health.document["verdict"] == "degraded"
    assert any(line.startswith("drill-crashing") and "Error (exit 1)" in line for line in health.row("pods")["lines"])
    assert health.row("deployments")["lines"] == ["drill-crashing 0/1 available"]
    assert (health.row("user-service")["status"], health.row("api-gateway")["status"]) == ("bad", "ok")
    assert "GET http://user-service:8080/health" in done.stdout
    assert health(health_check_critical=["user-service"]).returncode != 0
    assert health.document["verdict"] == "down"
    assert health(health_check_fail_on=["unreachable"]).returncode == 0


def test_a_database_that_is_gone_is_down_and_the_errors_are_told(healed, health):
    healed.kubectl("scale", "deployment/postgres", "--replicas=0")
    until(lambda: healed.kubectl("get", "pods", "-l", "app=postgres", "-o", "name") == "")
    until(lambda: health().returncode != 0 and health.row("errors")["status"] == "warn", timeout=120, pause=5)
    assert health.document["verdict"] == "down"
    assert health.row("database")["status"] == "bad" and "the database turns psql" in health.row("database")["detail"]
    lines = health.row("errors")["lines"]
    assert len(lines) == 10 and lines == sorted(lines) and all("api-server-" in line and "ERROR" in line for line in lines)


def test_what_may_not_be_looked_at_is_unknown_and_fails_nothing_else(shop, health):
    shop.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(READER))
    try:
        token = shop.kubectl("create", "token", "drill-reader").strip()
        done = health("reader", more={"reader": {"runbooks_host": CLUSTER.server, "runbooks_token": token}},
                      health_check_error_count=10**6)  # the errors of the drill before are still in the log
    finally:
        shop.kubectl("delete", "serviceaccount/drill-reader", "rolebinding/drill-reader")
    statuses = {name: health.row(name, "reader")["status"] for name in CHECKS}
    assert {name for name, status in statuses.items() if status == "unknown"} >= {"nodes", "api-gateway", "auth-service", "user-service", "redis"}
    assert "unknown" not in {statuses[name] for name in ("api", "pods", "deployments", "errors")}
    assert 'resource "pods/exec"' in health.row("redis", "reader")["detail"]
    assert health.document["verdict"] == "unknown" and done.returncode != 0
    assert token not in done.stdout
