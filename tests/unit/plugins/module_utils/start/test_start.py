# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found in a namespace, and what is said of what is not."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import fake_api
import pytest
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples
from ansible_collections.sre.runbooks.plugins.module_utils._health import _namespace
from ansible_collections.sre.runbooks.plugins.module_utils._start import _look
from ansible_collections.sre.runbooks.plugins.module_utils._start._propose import propose

ROOT = pathlib.Path(__file__).resolve().parents[5]
MICROMETER = """jvm_memory_used_bytes{area="heap",id="G1 Old Gen"} 1
hikaricp_connections_active{pool="main"} 1
hikaricp_connections_max{pool="main"} 10
"""


def workload(name, image, *, kind="Deployment", ports=(), env=(), probe=None, notes=None):
    """A workload with one pod, as an API server gives them."""
    labels = {"app": name}
    container = {"name": "main", "image": image, "ports": [{"containerPort": number, **({"name": called} if called else {})} for called, number in ports],
                 "env": [{"name": key, **({"value": value} if value is not None else {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})}
                         for key, value in env], **({"readinessProbe": {"httpGet": probe}} if probe else {})}
    meta = {"namespace": "shop", "labels": labels}
    owner = {"kind": kind, "apiVersion": "apps/v1", "metadata": {**meta, "name": name, "uid": f"u-{name}"}, "status": {"readyReplicas": 1},
             "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}
    above, extra = {"kind": kind, "name": name, "uid": f"u-{name}", "controller": True}, []
    if kind == "Deployment":
        extra = [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {**meta, "name": f"{name}-1", "uid": f"r-{name}", "ownerReferences": [above]},
                  "spec": {"selector": {"matchLabels": labels}}}]
        above = {"kind": "ReplicaSet", "name": f"{name}-1", "uid": f"r-{name}", "controller": True}
    about = {**meta, "name": f"{name}-1-a", "ownerReferences": [above], "annotations": notes or {}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    pod = {"kind": "Pod", "metadata": about,
           "spec": {"containers": [container]},
           "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}],
                      "containerStatuses": [{"name": "main", "ready": True, "state": {"running": {}}}]}}
    return [owner, *extra, pod]


def service(name, app, port, to):
    return {"kind": "Service", "metadata": {"namespace": "shop", "name": name},
            "spec": {"selector": {"app": app}, "ports": [{"port": port, "targetPort": to}]}}


@pytest.fixture(name="shop")
def shop_fixture():
    """A Java service with Micrometer on 8081, a Go one without metrics, a gateway, a database and a cache."""
    with fake_api.serving() as api:
        api.add(*workload("payments", "registry.example.com/java/payments:7", ports=[("http", 8080), ("management", 8081)],
                          env=[("SPRING_DATASOURCE_URL", "jdbc:postgresql://db/shop"), ("SPRING_DATASOURCE_PASSWORD", None)],
                          probe={"path": "/ready", "port": "http"}),
                *workload("checkout", "ghcr.io/acme/checkout:1", ports=[("", 8080)]),
                *workload("edge", "traefik:v3", ports=[("web", 80), ("metrics", 9100)]),
                *workload("db", "docker.io/library/postgres:16@sha256:ab", kind="StatefulSet", ports=[("", 5432)],
                          env=[("POSTGRES_USER", "shop"), ("POSTGRES_PASSWORD", None)]),
                *workload("cache", "valkey/valkey:8", ports=[("", 6379)]),
                service("payments", "payments", 80, "http"), service("cache", "cache", 6379, 6379))
        for place, text in (("payments-1-a:8081/proxy/actuator/prometheus", MICROMETER),
                            ("edge-1-a:9100/proxy/metrics", 'traefik_service_requests_total{code="200",service="x"} 1\n')):
            api.answers[f"/api/v1/namespaces/shop/pods/{place}"] = (200, text.encode(), {})
        yield api


def test_a_namespace_of_ones_own(shop):
    found = _look.look(shop.cluster, "shop")
    proposal = propose("shop", found)
    assert {one.target: (one.port, one.path, dict(one.shows), one.program) for one in found} == {
        "payments": (8081, "/actuator/prometheus", {"memory": "jvm", "pool": "hikaricp"}, ""),
        "checkout": (None, "", {}, ""), "edge": (9100, "/metrics", {"gateway": "traefik"}, ""),
        "statefulset/db": (None, "", {}, "postgres"), "cache": (None, "", {}, "redis")}
    variables = proposal.variables
    assert {name: value for name, value in variables.items() if name.endswith("_workload")} == {
        "memory_leak_workload": "payments", "db_pool_exhaustion_workload": "payments", "api_gateway_overload_workload": "edge",
        "crash_loop_workload": "payments", "data_inconsistency_workload": "payments", "health_check_error_workload": "payments"}
    assert (variables["memory_leak_metrics_port"], variables["memory_leak_metrics_path"]) == (8081, "/actuator/prometheus")
    assert variables["health_check_urls"] == ["http://payments:80/ready"] and variables["health_check_critical"] == ["payments", "database"]
    assert variables["health_check_database_ways"] == [{"workload": "statefulset/db", "user": "shop", "name": "shop"}]
    assert (variables["health_check_redis_host"], variables["health_check_redis_port"]) == ("cache", 6379)
    assert "auth_degradation_workload" in proposal.missing["auth_degradation"][0] and "memory_leak" not in proposal.missing


def test_it_only_reads_and_no_secret(shop):
    _look.look(shop.cluster, "shop")
    assert {method for method, *_rest in shop.requests} == {"GET"}
    assert not any("secrets" in path or "exec" in path for _method, path, *_rest in shop.requests)


def test_a_service_that_may_not_be_listed_costs_only_its_urls(shop):
    shop.answers["/api/v1/namespaces/shop/services"] = (403, b'{"kind": "Status", "message": "forbidden"}', {})
    assert all(not one.urls for one in _look.look(shop.cluster, "shop"))


@pytest.mark.parametrize("image, program", [
    ("postgres", "postgres"), ("docker.io/library/postgres:16-alpine@sha256:00", "postgres"), ("bitnami/postgresql:16", "postgres"),
    ("localhost:5000/team/valkey:8", "redis"), ("redis/redis-stack:7", ""), ("mariadb:11", "mysql"), ("edoburu/pgbouncer:1", "pooler"),
    ("acme/postgres-exporter:1", ""), ("acme/redis-commander", ""), ("", ""),
])
def test_a_program_by_its_image(image, program):
    assert _namespace.program_of([image]) == program


@pytest.mark.parametrize("ports, program", [([5432], "postgres"), ([8080, 6379], "redis"), ([3306], "mysql"), ([8080], ""), ([], "")])
def test_a_program_by_its_port_where_the_image_is_somebodys_own(ports, program):
    assert _namespace.program_of(["registry.example.com/team/data:1"], ports) == program


@pytest.mark.parametrize("text, about", [
    ('jvm_memory_used_bytes{area="heap"} 1\n', {"memory": "jvm"}),
    ("go_goroutines 3\n", {}),
    ("go_sql_in_use_connections 3\n", {"pool": "go_sql"}),
    ('keycloak_user_events_total{event="login"} 3\n', {"auth": "keycloak"}),
    ('http_requests_total{handler="/token",code="200"} 3\n', {"auth": "dex"}),
    ('nginx_ingress_controller_requests{status="200"} 3\n', {"gateway": "nginx"}),
    ('http_server_requests_seconds_count{uri="/"} 1\n', {}),
])
def test_what_metrics_are_about(text, about):
    assert _look.shown(Samples(text)) == about


@pytest.mark.parametrize("notes, ports, first", [
    ({"prometheus.io/port": "9102", "prometheus.io/path": "/stats"}, [("http", 8080)], (9102, "/stats")),
    ({"prometheus.io/port": "{{ 7 }}"}, [("http", 8080), ("http-metrics", 9095)], (9095, "/metrics")),
    ({}, [("http", 8080), ("management", 8081)], (8081, "/metrics")),
    ({}, [("", number) for number in range(8000, 8050)], (8000, "/metrics")),
])
def test_where_metrics_are_looked_for_first_and_not_everywhere(notes, ports, first):
    pod = workload("x", "x", ports=ports, notes=notes)[-1]
    places = list(_look.candidates(pod))
    assert places[0] == first and len({port for port, _path in places}) <= _look.MOST_PORTS


def test_the_playbook_writes_an_inventory_that_ansible_reads(shop, tmp_path):
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "prod/eu",
                                      "clusters": [{"name": "c", "cluster": {"server": shop.url}}], "users": [{"name": "u", "user": {"token": "hush-hush"}}],
                                      "contexts": [{"name": "prod/eu", "context": {"cluster": "c", "user": "u"}}]}))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "KUBECONFIG": str(kubeconfig), "ANSIBLE_NOCOLOR": "1",
                   "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "PWD": str(tmp_path)}
    command = ["ansible-playbook", "sre.runbooks.start", "-e", "start_namespace=shop", "-e", "start_context=prod/eu"]

    def start(*flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *flags], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120)

    checked = start("--check")
    assert checked.returncode == 0 and not (tmp_path / "shop").exists(), checked.stdout + checked.stderr
    done = start()
    assert done.returncode == 0, done.stdout + done.stderr
    inventory = yaml.safe_load((tmp_path / "shop" / "clusters.yml").read_text())["clusters"]
    assert inventory["hosts"] == {"prod-eu": {"runbooks_kubeconfig": str(kubeconfig), "runbooks_context": "prod/eu"}}
    assert inventory["vars"]["memory_leak_workload"] == "payments" and inventory["vars"]["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"
    texts = [path.read_text() for path in (tmp_path / "shop" / "rbac").glob("*.yml")]
    assert len(texts) == len(list((ROOT / "docs" / "rbac").glob("*.yml"))) and not any("ai-development" in text for text in texts)
    everything = done.stdout + "".join(path.read_text() for path in (tmp_path / "shop").rglob("*.yml"))
    assert "hush-hush" not in everything and "data_inconsistency lacks rules" in everything
    assert "changed=0" in start().stdout, "a second run changes nothing"
    nowhere = subprocess.run(command[:2], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert nowhere.returncode and "Name the namespace" in nowhere.stdout.replace("\n", " ")
