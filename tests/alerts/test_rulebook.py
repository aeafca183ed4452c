# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook with our rulebook, and whatever somebody may send to it; no cluster is there, so no runbook begins."""

from __future__ import annotations

import copy
import hashlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "of-the-test"
ALERT = {"status": "firing", "startsAt": "2026-11-28T08:00:00Z", "fingerprint": "0a1b2c3d4e5f6071", "annotations": {"summary": "memory"},
         "labels": {"alertname": "x", "incident_type": "memory_leak", "cluster": "prod-eu", "namespace": "ai-development", "workload": "api-server"}}


class Rulebook:
    """The process, and what it says."""

    def __init__(self, directory: pathlib.Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.log = directory / "rulebook.log"

    def send(self, body: bytes, token: str = TOKEN) -> int:
        """Post it; the status of the answer, 0 where the connection was closed in the middle."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/alerts", body, {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def alert(self, **labels: object) -> int:
        """Post a good alert with other labels."""
        one = copy.deepcopy(ALERT)
        one["labels"].update(labels)
        one["fingerprint"] = hashlib.sha256(repr(labels).encode()).hexdigest()[:16]
        return self.send(json.dumps({"version": "4", "alerts": [one]}).encode())

    def until(self, text: str, times: int = 1) -> str:
        """Wait for words in the log; all of it."""
        ends = time.monotonic() + 60
        while (said := self.log.read_text()).count(text) < times:
            assert time.monotonic() < ends, f"{text!r} did not come {times} times:\n{said[-3000:]}"
            time.sleep(0.2)
        return said


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rulebook")
    host = {"ansible_connection": "local", "runbooks_host": "http://127.0.0.1:1", "runbooks_retries": 0}
    (directory / "clusters.yml").write_text(yaml.safe_dump({"all": {
        "hosts": {"prod-eu": host, "prod-us": host}, "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "RUNBOOKS_WEBHOOK_TOKEN": TOKEN, "RUNBOOKS_WEBHOOK_PORT": str(port), "HOME": str(directory), "ANSIBLE_NOCOLOR": "1",
                   "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections")}
    found = Rulebook(directory, port)
    with found.log.open("w") as log:
        process = subprocess.Popen([ROOT / ".build/rulebook/bin/ansible-rulebook", "-r", ROOT / "extensions/eda/rulebooks/incident.yml", "-i",
                                    "clusters.yml", "--env-vars", "RUNBOOKS_WEBHOOK_TOKEN,RUNBOOKS_WEBHOOK_PORT", "-v"],
                                   cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        ends = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < ends, found.log.read_text()
                time.sleep(0.2)
        yield found
    finally:
        process.terminate()
        process.wait(30)


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
