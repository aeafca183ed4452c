# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A health check: what answers mean, what rows mean together, and how a page of clusters reads."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
import types

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _service_proxy
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_state import trouble
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Answer
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._health import _checks, _page
from ansible_collections.sre.runbooks.plugins.module_utils._health._findings import Finding, Row, brief, examine, summary, verdict
from ansible_collections.sre.runbooks.plugins.module_utils._health._namespace import Described, Targets, targets

NOW = datetime.datetime(2026, 11, 24, 3, 0, tzinfo=datetime.timezone.utc)
CRITICAL = ["api-gateway", "database"]


def row(name, status, value="", detail=""):
    return Row(name, Finding(status, value, detail), "2026-11-24T03:00:00.000Z", 0.1)


def pod(**status):
    ready = status.pop("ready", False)
    conditions = [{"type": "Ready", "status": str(ready)}, *status.pop("conditions", [])]
    return {"metadata": {"name": "api-server-x", "creationTimestamp": "2026-11-24T02:00:00Z"},
            "status": {"phase": "Running", "conditions": conditions, **status}}


def container(restarts=0, **states):
    return {"name": "api-server", "ready": False, "restartCount": restarts, **states}


OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-24T02:58:00Z"}}


@pytest.mark.parametrize("found, serious, reason", [
    (pod(containerStatuses=[container(4, state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=OOM)]),
     True, "CrashLoopBackOff after OOMKilled (exit 137), 4 restarts"),
    (pod(containerStatuses=[container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})]),
     True, "ImagePullBackOff: no such image"),
    (pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient cpu"}]),
     True, "Pending: 0/3 nodes: Insufficient cpu"),
    (pod(containerStatuses=[container(state={"running": {}})]), True, "running, but not ready (api-server)"),
    (pod(containerStatuses=[container(3, state={"running": {}}, lastState=OOM)]),
     True, "starting again after OOMKilled (exit 137), 3 restarts"),
    (pod(phase="Failed", reason="Evicted", message="low on memory"), False, "Evicted: low on memory"),
    (pod(ready=True, containerStatuses=[container(1, state={"running": {}}, lastState=OOM)]),
     False, "ready again after OOMKilled (exit 137) at 2026-11-24T02:58:00Z, 1 restarts"),
])
def test_a_pod_that_does_not_serve_has_a_reason(found, serious, reason):
    told = trouble(found, NOW, grace=120, recent=600)
    assert (told.serious, told.reason) == (serious, reason)


@pytest.mark.parametrize("found", [
    pod(ready=True),
    pod(phase="Succeeded"),
    pod(ready=True, containerStatuses=[container(1, lastState={"terminated": {
        "reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-24T01:00:00Z"}})]),
])
def test_a_pod_that_serves_or_has_done_its_work_is_none(found):
    assert trouble(found, NOW, grace=120, recent=600) is None


def test_a_pod_that_has_just_been_made_may_start():
    young = pod(containerStatuses=[container(state={"waiting": {"reason": "ContainerCreating"}})])
    young["metadata"]["creationTimestamp"] = "2026-11-24T02:59:30Z"
    assert not trouble(young, NOW, grace=120, recent=600).serious
    assert trouble(young, NOW, grace=20, recent=600).serious


def test_a_pod_that_stops_may_take_its_time():
    leaving = pod(ready=True)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T02:59:30Z"
    assert trouble(leaving, NOW, grace=120, recent=600) is None
    assert "Terminating" in trouble(leaving, NOW, grace=20, recent=600).reason


@pytest.mark.parametrize("statuses, outcome", [
    ({"api": "ok", "api-gateway": "ok", "database": "ok"}, "healthy"),
    ({"api": "ok", "api-gateway": "ok", "database": "ok", "nodes": "unknown"}, "healthy"),
    ({"api": "ok", "api-gateway": "ok", "database": "unknown"}, "unknown"),
    ({"api": "ok", "api-gateway": "ok", "database": "ok", "redis": "bad"}, "degraded"),
    ({"api": "ok", "api-gateway": "ok", "database": "ok", "errors": "warn"}, "degraded"),
    ({"api": "ok", "api-gateway": "bad", "database": "unknown"}, "down"),
    ({"api": "bad", "api-gateway": "unknown", "database": "unknown"}, "unreachable"),
    ({"api": "bad", "api-gateway": "ok", "database": "ok"}, "degraded"),
    ({"api": "unknown", "api-gateway": "unknown", "database": "unknown"}, "unknown"),
])
def test_the_verdict_of_rows(statuses, outcome):
    assert verdict([row(name, status) for name, status in statuses.items()], CRITICAL) == outcome


def test_checks_run_at_once_and_none_fails_or_holds_up_the_others():
    def forbidden():
        raise ClusterError("may not list nodes.", "Grant it.", status=403)

    def broken():
        raise KeyError("spec")

    began = time.monotonic()
    rows = examine({"nodes": forbidden, "pods": broken, "redis": lambda: time.sleep(30), "api": lambda: Finding("ok", "v1")}, 0.5)
    assert time.monotonic() - began < 5
    told = {row.name: (row.status, row.finding.detail) for row in rows}
    assert told == {"nodes": ("unknown", "may not list nodes. Grant it."), "pods": ("unknown", "KeyError: 'spec'"),
                    "redis": ("unknown", "not finished within 0.5 s"), "api": ("ok", "")}


@pytest.mark.parametrize("answer, status, value", [
    (Answer(200, 12.4), "ok", "200 12 ms"),
    (Answer(200, 1500.0), "warn", "200 1500 ms"),
    (Answer(503, 12.0, "no upstream"), "bad", "503 12 ms"),
    (Answer(0, 3.0, "", "refused", "Failed to connect"), "bad", "refused"),
])
def test_an_http_answer(answer, status, value):
    found = _checks.http("http://api-gateway:8080/health", answer, slow_ms=1000)
    assert (found.status, found.value) == (status, value)


@pytest.mark.parametrize("text, code, status", [
    ("# Clients\r\nconnected_clients:7\r\nmaxclients:10000\r\nblocked_clients:0\r\n", 0, "ok"),
    ("connected_clients:9000\r\nmaxclients:10000\r\n", 0, "warn"),
    ("NOAUTH Authentication required.", 0, "unknown"),
    ("", 127, "unknown"),
    ("Could not connect to Redis at redis:6379: Connection refused", 1, "bad"),
    ("", 124, "bad"),
])
def test_what_redis_says(text, code, status):
    assert _checks.redis(ExecResult(code, text.encode(), ""), full=0.8).status == status


def test_connections_of_the_database():
    facts = {"now": "2026-11-24T03:00:01.5+00:00", "most": 100, "used": 14, "active": 2, "idle_in_transaction": 1, "waiting": 0}
    found = _checks.connections(facts, NOW, full=0.8)
    assert (found.status, found.value) == ("ok", "14/100")
    assert "1 idle in transaction" in found.detail and "(+1.5 s)" in found.detail
    assert _checks.connections({**facts, "used": 80}, NOW, full=0.8).status == "warn"


def test_the_last_ten_errors_are_shown_without_secrets():
    settings = types.SimpleNamespace(error_pattern="ERROR", error_minutes=5, targets=Targets(error_workload="api-server"), error_count=12)
    few = _checks.errors([f"{number:02} ERROR password=hunter2" for number in range(11)], settings)
    assert (few.status, few.value, len(few.lines), few.lines[-1]) == ("ok", "11", 10, "10 ERROR password=[REDACTED]")
    assert _checks.errors(["ERROR"] * 12, settings).status == "warn"


def test_deployments_with_fewer_pods_than_wanted():
    items = [{"metadata": {"name": name}, "spec": {"replicas": wanted}, "status": {"availableReplicas": available}}
             for name, wanted, available in (("a", 2, 2), ("b", 3, 1), ("c", 0, 0))]
    assert _checks.deployments(items).status == "warn"
    gone = {"metadata": {"name": "d"}, "spec": {"replicas": 1}, "status": {}}
    found = _checks.deployments([*items, gone])
    assert (found.status, found.value, found.lines) == ("bad", "2/4", ("d 0/1 available", "b 1/3 available"))


def test_nodes_that_are_not_ready_or_under_pressure():
    ready = {"type": "Ready", "status": "True"}
    strained = [{"metadata": {"name": "n1"}, "status": {"conditions": [ready, {"type": "DiskPressure", "status": "True"}]}}]
    lost = [{"metadata": {"name": "n2"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown", "message": "gone"}]}}]
    assert _checks.nodes(strained).status == "warn"
    assert _checks.nodes([*strained, *lost]).lines[0] == "n2: not ready: gone"
    assert _checks.nodes([]).status == "bad"


def test_checks_are_named_by_service_and_two_of_one_service_by_their_url():
    urls = ["http://api-gateway:8080/health", "http://api-gateway.shop.svc:8080/ready"]
    assert _checks.names(urls) == ["api-gateway", "http://api-gateway.shop.svc:8080/ready"]


def test_a_count_that_misses_nothing_is_not_what_is_wrong():
    rows = [Row("pods", Finding("warn", "12/12", "api-1 was OOMKilled 2 min ago"), "", 0.0)]
    assert brief(rows, "degraded") == "degraded: pods: api-1 was OOMKilled 2 min ago"


def test_a_summary_says_what_the_verdict_rests_on():
    rows = [row("api", "ok", "v1"), row("pods", "bad", "1/2", "x: OOMKilled"), row("nodes", "unknown", "", "may not")]
    assert summary(rows, "degraded") == "degraded: pods: x: OOMKilled; not measured: nodes"
    assert brief(rows, "degraded") == "degraded: pods 1/2; not measured: nodes"
    dead = [row("api", "bad", "no answer", "no answer from https://x"), row("pods", "unknown")]
    assert summary(dead, "unreachable") == "unreachable: no answer from https://x"


def results():
    def result(outcome, *rows):
        return {"verdict": outcome, "summary": outcome, "at": "2026-11-24T03:00:00Z", "seconds": 0.4, "rows": [r.to_json() for r in rows]}

    return _page.complete({
        "lab10": result("healthy", row("api", "ok", "v1"), row("pods", "ok", "2/2")),
        "lab2": result("healthy", row("api", "ok", "v1"), row("pods", "ok", "2/2")),
        "lab3": result("degraded", row("api", "ok", "v1"), row("pods", "bad", "1/2", "x: OOM|Killed")),
        "lab4": result("unreachable", row("api", "bad", "no answer", "no answer from https://x"), row("pods", "unknown", "", "-")),
        "lab5": {},
    })


def test_the_worst_cluster_stands_first_and_says_why():
    texts = [line["text"] for line in _page.terminal(results())]
    assert [text.split()[0] for text in texts[:6]] == ["cluster", "lab4", "lab5", "lab3", "lab2", "lab10"]
    assert texts[3].split() == ["lab3", "degraded", "v1", "✗", "1/2"]
    assert "  ✗ lab4: api: no answer from https://x" in texts
    assert "  ✗ lab3: pods: x: OOM|Killed" in texts
    assert "  ? lab5: unknown: the check did not run" in texts
    assert not any("lab2" in text for text in texts[6:])
    assert _page.worst(results()) == "unreachable"


def test_one_cluster_is_told_check_by_check():
    alone = {"lab3": results()["lab3"]}
    texts = [line["text"] for line in _page.terminal(alone)]
    assert texts[0].startswith("lab3: degraded")
    assert texts[1].split() == ["✗", "pods", "1/2", "x:", "OOM|Killed"]


def test_a_reason_that_several_checks_share_is_told_once():
    rows = [row(name, "unknown", "", "may not exec").to_json() for name in ("api-gateway", "auth-service")]
    page = _page.terminal(_page.complete({"lab1": {"verdict": "unknown", "rows": rows}}))
    assert [line["text"].split()[2:] for line in page[1:]] == [["may", "not", "exec"], ["as", "above"]]
    both = _page.complete({name: {"verdict": "unknown", "rows": rows} for name in ("lab1", "lab2")})
    assert _page.terminal(both)[-1]["text"] == "  ? api-gateway, auth-service not measured on lab1, lab2: may not exec"


def test_the_document_has_a_row_for_each_cluster_and_check():
    text = _page.markdown(results(), "2026-11-24T03:00:00Z")
    assert "5 clusters: 1 unreachable, 1 unknown, 1 degraded, 2 healthy." in text
    assert "| lab3 | degraded | v1 | ✗ 1/2 |" in text
    assert "x: OOM\\|Killed" in text


def described(name, *, kind="Deployment", wanted=1, program="", urls=(), services=(), **environment):
    return Described(kind=kind, name=name, ready=wanted, wanted=wanted, images=(), program=program, urls=urls, services=services, environment=environment)


def test_what_a_namespace_has_is_looked_at_and_what_it_has_not_is_told():
    found = targets([described("shop", wanted=3, urls=("http://shop:80/ready",)), described("worker"),
                     described("db", kind="StatefulSet", program="postgres", POSTGRES_USER="me"),
                     described("cache", program="redis", services=(("cache", 6380),))])
    assert (found.urls, found.critical, found.error_workload) == (("http://shop:80/ready",), ("shop", "database"), "shop")
    assert [(way.workload, way.user, way.name) for way in found.database_ways] == [("statefulset/db", "me", "me")]
    assert (found.redis_host, found.redis_port, found.redis_workload, found.prober, found.lacks) == ("cache", 6380, "cache", "", ())
    nothing = targets([])
    assert dataclasses.replace(nothing, lacks=()) == Targets(redis_port=6379)
    variables = {name for text in nothing.lacks for name in re.findall(r"health_check_\w+", text)}
    assert variables == {"health_check_urls", "health_check_database_ways", "health_check_redis_host", "health_check_prober"}


@pytest.mark.parametrize("url, path", [
    ("http://shop:8080/health?full=1", "/api/v1/namespaces/mine/services/shop:8080/proxy/health?full=1"),
    ("https://shop/ready", "/api/v1/namespaces/mine/services/https:shop:443/proxy/ready"),
    ("http://shop.other", "/api/v1/namespaces/other/services/shop:80/proxy/"),
    ("http://shop.other.svc.cluster.local:1/x", "/api/v1/namespaces/other/services/shop:1/proxy/x"),
])
def test_a_service_is_asked_through_the_api_server(url, path):
    asked = []
    cluster = types.SimpleNamespace(raw=lambda method, path, timeout: asked.append((method, path)) or b"well")
    assert _service_proxy.ask(cluster, "mine", url).ok
    assert asked == [("GET", path)]


@pytest.mark.parametrize("error, status, said", [
    (ClusterError("Cluster c: GET P: answered 503: no endpoints available.", status=503), 503, "answered 503: no endpoints available."),
    (ClusterError("Cluster c: no answer", status=0), 0, ""),
])
def test_a_service_that_does_not_answer(error, status, said):
    def raw(_method, path, timeout):
        raise ClusterError(error.message.replace("P", path), status=error.status)

    answer = _service_proxy.ask(types.SimpleNamespace(raw=raw), "mine", "http://shop:80/")
    assert (answer.status, answer.body, answer.ok) == (status, said, False)
    assert _checks.http("http://shop:80/", answer, 1000).status == "bad"


def test_who_may_not_ask_a_service_does_not_call_it_ill():
    def raw(_method, path, timeout):
        raise ClusterError('Cluster c: cannot get resource "services/proxy"', "Grant it.", status=403)

    with pytest.raises(ClusterError, match="services/proxy"):
        _service_proxy.ask(types.SimpleNamespace(raw=raw), "mine", "http://shop:80/")
    with pytest.raises(InvalidInput, match="health_check_prober"):
        _service_proxy.ask(types.SimpleNamespace(raw=raw), "mine", "http://www.example.com:80/")


def test_what_was_not_looked_at_is_on_every_page():
    one = {"verdict": "healthy", "summary": "healthy", "at": "", "seconds": 0.1, "lacks": ["a database: none"],
           "rows": [row("api", "ok", "v1").to_json(), row("pods", "ok", "1/1").to_json()]}
    other = {**one, "lacks": [], "rows": [*one["rows"], row("database", "ok", "1/9").to_json()]}
    assert "  - not looked at: a database: none" in [line["text"] for line in _page.terminal({"c": one})]
    both = [line["text"] for line in _page.terminal({"c": one, "d": other})]
    assert "  - c: not looked at: a database: none" in both and both[1].split() == ["c", "healthy", "v1", "1/1", "-"]
    assert "Not looked at: a database: none." in _page.markdown({"c": one}, "now")
