"""Incidents that nobody takes on in time are told to people, over HTTP to a receiver of the drill."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
from drill import CLUSTER, NAMESPACE

PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is posted to it; below ``/broken`` it refuses."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.messages = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        broken = self.path.startswith("/broken")
        if not broken:
            self.server.messages.append({"headers": dict(self.headers), "body": body})
        self.send_response(500 if broken else 204)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture(name="receiver")
def fixture_receiver():
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(name="opened")
def fixture_opened(shop, runbook):
    """Opens incidents with deadlines; their records and the lock are removed afterwards."""
    names = []

    def opened(respond_by=PAST, escalate_at=FUTURE, severity="P2", title="Orders fail, password=hunter2"):
        name = f"drill-escalation-{time.time_ns() % 10**8}"
        names.append(name)
        done = runbook.module("sre.runbooks.incident", {
            "state": "open", "incident_id": name, "incident_type": "drill", "namespace": NAMESPACE, "workload": "user-service",
            "title": title, "severity": severity, "respond_by": respond_by, "escalate_at": escalate_at})
        assert done["rc"] == 0
        shop.kubectl("delete", "lease", "runbooks-deployment-user-service", "--ignore-not-found")
        return name
    yield opened
    for name in names:
        shop.kubectl("delete", "configmap", f"incident-{name}", "--ignore-not-found")


def escalate(runbook, *channels):
    return runbook.run("incident/escalate.yml", notification_channels=list(channels))


def about(receiver, name):
    return [message["body"] for message in receiver.messages if message["body"]["facts"]["incident_id"] == name]


def texts(shop, name):
    return [event["text"] for key, event in shop.record(name).items() if key.startswith("event.")]


def test_an_overdue_incident_is_told_once_at_each_deadline_until_it_is_acknowledged(shop, runbook, receiver, opened):
    hook = {"kind": "webhook", "name": "on-call", "url": receiver.url, "headers": {"Authorization": "Bearer of-the-drill"}}
    late, later, calm = opened(), opened(escalate_at=PAST), opened(respond_by=FUTURE)

    assert escalate(runbook, hook).returncode == 0
    assert [body["facts"]["step"] for body in about(receiver, late)] == ["respond"]
    assert [body["facts"]["step"] for body in about(receiver, later)] == ["escalate"]
    assert about(receiver, calm) == []
    message = about(receiver, late)[0]
    assert late in message["title"] and CLUSTER.name in message["title"] and f"-e incident_id={late}" in message["text"]
    assert "hunter2" not in json.dumps(message)
    assert receiver.messages[0]["headers"]["Authorization"] == "Bearer of-the-drill"
    assert any("nobody had acknowledged it; told on-call" in text for text in texts(shop, late))

    assert escalate(runbook, hook).returncode == 0
    assert len(about(receiver, late)) == len(about(receiver, later)) == 1

    next_one = opened()
    assert runbook.run("incident/acknowledge.yml", incident_id=next_one, escalation_who="ada").returncode == 0
    assert escalate(runbook, hook).returncode == 0
    assert about(receiver, next_one) == []
    assert shop.record(next_one)["acknowledged"]["by"] == "ada"
    assert "acknowledged by ada" in texts(shop, next_one)


def test_a_channel_that_fails_is_told_and_the_others_are_used(shop, runbook, receiver, opened):
    late = opened()
    done = escalate(runbook, {"kind": "webhook", "name": "dead", "url": "http://127.0.0.1:9/secret-path"},
                    {"kind": "webhook", "name": "broken", "url": f"{receiver.url}/broken"},
                    {"kind": "mail", "host": "127.0.0.1", "port": 9, "from": "a@example.org", "to": ["b@example.org"]},
                    {"kind": "webhook", "name": "good", "url": receiver.url,
                     "body": {"summary": "{{ notification_title }}", "facts": "{{ notification_facts }}"}})
    assert done.returncode == 0
    assert [body["summary"] for body in about(receiver, late)] and "secret-path" not in done.stdout
    told = next(text for text in texts(shop, late) if text.startswith("escalated"))
    assert "told good" in told and all(f"{name}: " in told for name in ("dead", "broken", "mail")) and "secret-path" not in told


def test_where_nobody_could_be_told_the_next_run_tries_again(shop, runbook, receiver, opened):
    late = opened()
    done = escalate(runbook, {"kind": "webhook", "name": "broken", "url": f"{receiver.url}/broken"})
    assert done.returncode != 0
    flat = " ".join(done.stdout.split())
    assert late in flat[flat.index("nobody could be told that"):]
    assert escalate(runbook).returncode != 0
    assert escalate(runbook, {"kind": "webhook", "url": receiver.url}).returncode == 0
    assert len(about(receiver, late)) == 1


def test_an_incident_that_no_cluster_has_is_refused(shop, runbook):
    done = runbook.run("incident/acknowledge.yml", incident_id="INC-nowhere")
    assert done.returncode != 0
    assert "No cluster of this run has the incident INC-nowhere" in " ".join(done.stdout.split())
