# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook with our rulebook, and whatever somebody may send to it; where a cluster is needed, it is a small API server."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import runpy
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import types
import typing as t

import fake_api
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "of-the-test"
ALERT = {"status": "firing", "startsAt": "2026-11-28T08:00:00Z", "fingerprint": "0a1b2c3d4e5f6071", "annotations": {"summary": "memory"},
         "labels": {"alertname": "x", "incident_type": "memory_leak", "cluster": "prod-eu", "namespace": "ai-development", "workload": "api-server"}}


class Rulebook:
    """The process, and what it says."""

    def __init__(self, directory: pathlib.Path, port: int, process: subprocess.Popen) -> None:
        self.directory, self.port, self.process = directory, port, process
        self.log = directory / "rulebook.log"

    def send(self, body: bytes, token: str = TOKEN, tls: ssl.SSLContext | None = None, **headers: str) -> int:
        """Post it; the status of the answer, 0 where there was none: no connection, or one that was closed in the middle."""
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=tls) if tls
                      else http.client.HTTPConnection("127.0.0.1", self.port, timeout=120))
        try:
            connection.request("POST", "/alerts", body, {
                "Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **headers})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def alert(self, **labels: object) -> int:
        """Post a good alert with other labels."""
        one = copy.deepcopy(ALERT)
        one["labels"].update(labels)
        one["fingerprint"] = hashlib.sha256(repr(labels).encode()).hexdigest()[:16]
        return self.send(json.dumps({"version": "4", "alerts": [one]}).encode())

    def kill(self) -> None:
        """As a machine that is switched off: the rulebook, and whatever runs under it."""
        for pid in [*_under(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def until(self, text: str, times: int = 1) -> str:
        """Wait for words in the log; all of it."""
        ends = time.monotonic() + 180
        while (said := self.log.read_text()).count(text) < times:
            assert time.monotonic() < ends, f"{text!r} did not come {times} times:\n{said[-3000:]}"
            time.sleep(0.2)
        return said


def _under(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return [*found, *(other for child in found for other in _under(child))]


UNREACHABLE = {"ansible_connection": "local", "runbooks_host": "http://127.0.0.1:1", "runbooks_retries": 0}


@contextlib.contextmanager
def started(directory: pathlib.Path, hosts: dict[str, dict], **options: str) -> t.Iterator[Rulebook]:
    """A rulebook for these hosts; the options are those of its webhook, RUNBOOKS_WEBHOOK_… in the environment."""
    (directory / "clusters.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {f"RUNBOOKS_WEBHOOK_{name}": value for name, value in {"TOKEN": TOKEN, "PORT": str(port), **options}.items()}
    environment = {**os.environ, **variables, "HOME": str(directory), "ANSIBLE_NOCOLOR": "1",
                   "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections")}
    log = directory / "rulebook.log"
    with log.open("a") as file:
        process = subprocess.Popen([ROOT / ".build/rulebook/bin/ansible-rulebook", "-r", ROOT / "extensions/eda/rulebooks/incident.yml", "-i",
                                    "clusters.yml", "--env-vars", ",".join(variables), "-v"],
                                   cwd=directory, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        ends = time.monotonic() + 300  # Java on a busy machine
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < ends, log.read_text()
                time.sleep(0.2)
        yield Rulebook(directory, port, process)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory):
    with started(tmp_path_factory.mktemp("rulebook"), {"prod-eu": UNREACHABLE, "prod-us": UNREACHABLE}) as found:
        yield found


@pytest.mark.parametrize("token", ["", "wrong", "of-the-test-and-more", "a b c"])
def test_without_the_token_nothing_gets_in(rulebook, token):
    assert rulebook.send(json.dumps({"alerts": [ALERT]}).encode(), token) == 401


@pytest.mark.parametrize(("body", "statuses"), [
    (b"{broken", {400}), (b"", {400}), (b"\xff\xfe", {400, 500}), (b'{"alerts":[{"labels":{"x":"' + b"y" * 10 ** 7 + b'"}}]}', {413, 0}), (b"[]", {200}),
    (b"7", {200}), (b'{"alerts": 7}', {500}), (b'{"alerts": [7, "x", null]}', {500}), (b"[" * 20000, {400, 500})], ids=lambda value: str(value)[:20])
def test_what_is_no_payload_harms_nobody(rulebook, body, statuses):
    assert rulebook.send(body) in statuses


def test_a_hostile_alert_is_refused_and_the_next_one_is_served(rulebook):
    proof = rulebook.directory / "evaluated"
    hostile = [f"{{{{ lookup('pipe','touch {proof}') }}}}", f"$(touch {proof})", f"`touch {proof}`", f"a\nb; touch {proof}", "x" * 5000, "--limit=prod-us"]
    for number, text in enumerate(hostile):
        assert rulebook.alert(workload=text) == 200
        rulebook.until("The alert's label workload is", number + 1)
    assert rulebook.alert(cluster="of-somebody-else") == 200
    rulebook.until("which its sender may not name")
    assert rulebook.alert(alertname=hostile[0], severity=hostile[1], **{"{{ x }}": hostile[0]}) == 200
    said = rulebook.until("Cluster prod-eu: no answer from http://127.0.0.1:1")
    assert not proof.exists() and "Cluster prod-us" not in said, "nothing was evaluated, and only the cluster that was named was asked"


def test_a_storm_about_one_target_is_one_run(rulebook):
    before = rulebook.log.read_text().count("Alerts | Read what came")
    alerts = [{**ALERT, "fingerprint": f"{number:016x}", "labels": {**ALERT["labels"], "workload": "auth-service", "pod": f"p{number}"}}
              for number in range(200)]
    assert rulebook.send(json.dumps({"alerts": alerts}).encode()) == 200
    rulebook.until("Alerts | Read what came", before + 1)
    assert rulebook.alert(workload="user-service") == 200
    said = rulebook.until("Alerts | Read what came", before + 2)
    assert said.count("Alerts | Read what came") == before + 2


SECRET = "of-the-sender"


@pytest.fixture(scope="module", name="authority")
def authority_fixture(tmp_path_factory):
    """A directory with a CA, and a certificate of its for a server and for a client."""
    directory = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def run(*command: str) -> None:
        subprocess.run(["openssl", *command], cwd=directory, check=True, capture_output=True)

    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-addext", "keyUsage=keyCertSign")
    for name in ("server", "client"):
        run("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key")
    return directory


def test_tls_a_clients_certificate_and_a_signature_are_variables(authority, tmp_path):
    body = json.dumps({"version": "4", "alerts": [ALERT]}).encode()
    signed = {"x-hub-signature-256": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    with started(tmp_path, {"prod-eu": UNREACHABLE}, CERTFILE=str(authority / "server.pem"), KEYFILE=str(authority / "server.key"),
                 CAFILE=str(authority / "ca.pem"), HMAC_SECRET=SECRET) as found:
        stranger = ssl.create_default_context(cafile=str(authority / "ca.pem"))
        known = ssl.create_default_context(cafile=str(authority / "ca.pem"))
        known.load_cert_chain(authority / "client.pem", authority / "client.key")
        assert found.send(body, **signed) == 0, "no TLS"
        assert found.send(body, tls=stranger, **signed) == 0, "no certificate of the client"
        assert found.send(body, tls=known) == 400, "no signature"
        assert found.send(body, tls=known, **{"x-hub-signature-256": "0" * 64}) == 401
        assert found.send(body + b" ", tls=known, **signed) == 401, "a signature of another body"
        assert found.send(body, "", tls=known, **signed) == 401, "no token"
        assert "Alerts | Read what came" not in found.log.read_text()
        assert found.send(body, tls=known, **signed) == 200
        found.until("Cluster prod-eu: no answer from http://127.0.0.1:1")
        assert found.send(body, tls=known, **signed) == 200, "a replay gets in, but comes to nothing: see below for one after a restart"
        assert found.log.read_text().count("Alerts | Read what came") == 1


def test_without_a_token_it_does_not_listen(tmp_path):
    with pytest.raises(AssertionError, match="The webhook has no token"), started(tmp_path, {"prod-eu": UNREACHABLE}, TOKEN=""):
        pass


@pytest.mark.parametrize(("args", "words"), [
    ({"token": "", "hmac_secret": "s"}, "no token"), ({"hmac_secret": "s"}, "no token"), ({"token": "t", "keyfile": "k"}, "no certificate"),
    ({"token": "t", "cafile": "c", "certfile": ""}, "no certificate"), ({"token": "t", "password": "p"}, "no certificate")])
def test_half_of_what_keeps_others_out_is_refused(args, words, given):
    with pytest.raises(ValueError, match=words):
        given(args)


def test_what_is_empty_is_not_there(given):
    assert given({"token": "t", "port": 5050, "hmac_secret": "", "certfile": None}) == {"token": "t", "port": 5050}


@pytest.fixture(name="given")
def given_fixture(monkeypatch):
    """The plugin's function, where ansible-rulebook is not installed."""
    for name in ("ansible_rulebook", "ansible_rulebook.event_source", "ansible_rulebook.event_source.webhook"):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(main=None))
    return runpy.run_path(str(ROOT / "extensions/eda/plugins/event_source/webhook.py"))["given"]


@dataclasses.dataclass
class Held(fake_api.FakeApi):
    """An API server that lets a run claim its incident, and get no further until it is let go."""

    go: threading.Event = dataclasses.field(default_factory=threading.Event)
    reached: int = 0

    def handle(self, method, path, query, body):
        if "/configmaps" not in path:
            self.reached += 1
            self.go.wait(300)
        return super().handle(method, path, query, body)

    def claim(self) -> dict:
        """What the cluster knows of the incident."""
        return next((json.loads(item["data"]["claim"]) for where, item in self.objects.items() if "/configmaps/alerts-" in where), {})

    def until(self, condition: t.Callable[[], t.Any]) -> None:
        """Wait for something that is true."""
        ends = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < ends, self.claim()
            time.sleep(0.2)


def test_a_rulebook_that_is_killed_in_mid_run_and_what_comes_afterwards(tmp_path):
    api = Held()
    workload = fake_api.deployment("api-server")
    workload["metadata"]["namespace"] = "ai-development"
    api.add(workload)
    again = {**ALERT, "startsAt": "2026-11-28T09:00:00Z"}

    def payload(alert: dict, **more: str) -> bytes:
        return json.dumps({"version": "4", "alerts": [{**alert, **more}]}).encode()

    with fake_api.serving(api):
        hosts = {"prod-eu": {"ansible_connection": "local", "runbooks_host": api.url, "runbooks_retries": 0, "runbooks_request_timeout": 300,
                             "runbooks_token": "t", "alerts_run_seconds": 120}}
        with started(tmp_path, hosts) as first:
            assert first.send(payload(ALERT)) == 200
            api.until(lambda: api.reached)
            begun = api.claim()
            first.kill()
        assert begun["state"] == "running"
        with started(tmp_path, hosts) as second:
            assert second.send(payload(ALERT)) == 200
            second.until("delivered before, and being answered or over")
            assert api.claim() == begun, "whoever answers it has time left, for all that anybody can know"
            api.go.set()
            time.sleep(max(0.0, begun["since"] + 121 - time.time(), 31))  # its time, and that in which the rulebook passes on one alert
            assert second.send(payload(ALERT)) == 200
            api.until(lambda: api.claim()["state"] == "done")
            ended = api.claim()
            assert ended["incident_id"] == begun["incident_id"], "the same incident goes on"
            assert second.send(payload(ALERT, status="resolved")) == 200
            second.until("resolved, and noted")
        with started(tmp_path, hosts) as third:
            assert third.send(payload(again)) == 200
            said = third.until("answered a moment ago, not again within the cooldown")
        with started(tmp_path, hosts) as fourth:
            assert fourth.send(payload(ALERT)) == 200
            said = fourth.until("delivered before, and being answered or over", 2)
    runs = set(re.findall(r"this run answers it \((.*?)\)", said))  # what failed, the rulebook prints again
    assert len(runs) == 2, "once, and once more after it was broken off"
    assert api.claim()["incident_id"] == begun["incident_id"]
