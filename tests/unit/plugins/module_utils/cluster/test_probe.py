# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests by curl in a pod: the script and curl are real here, only the exec into the pod is this machine's."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import subprocess
import threading
import time
import types

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _probe
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Request, probe
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is what it is about")
POD = Container("shop", "debug-pod-x", "debug-pod")
CLUSTER = types.SimpleNamespace(name="lab1")


class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/slow":
            time.sleep(1)
        told = json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}).encode()
        if self.path == "/large":
            told = b"x" * 500_000
        self.send_response(404 if self.path == "/lost" else 200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # a client that has given up
            self.wfile.write(told)

    do_GET = do_POST

    def log_message(self, *_arguments):
        pass


@pytest.fixture(name="url", scope="module")
def fixture_url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(name="commands", autouse=True)
def fixture_commands(monkeypatch):
    """Runs the command here, with its standard input left open as an exec leaves it."""
    commands = []

    def run(_cluster, _container, argv, _timeout, stdin):
        commands.append(argv)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(stdin)
            process.stdin.flush()
            stdout = process.stdout.read()
            return ExecResult(process.wait(), stdout, process.stderr.read().decode())
    monkeypatch.setattr(_probe._exec, "run", run)
    return commands


def test_what_is_sent_arrives_as_it_is_and_stands_on_no_command_line(url, commands):
    secret = 'pa"ss\\wo\trd\n$(id) `id` ünï %{http_code}'
    answer, = probe(CLUSTER, POD, [Request(f"{url}/login?a=b&c=[1]", "POST", {"Authorization": "Bearer s3cret"}, secret)])
    told = json.loads(answer.body)
    assert (answer.status, answer.ok, answer.error) == (200, True, "")
    assert (told["method"], told["path"], told["body"]) == ("POST", "/login?a=b&c=[1]", secret)
    assert told["headers"]["Authorization"] == "Bearer s3cret" and told["headers"]["Content-Type"] == "application/json"
    assert "s3cret" not in " ".join(commands[0]) and "pa\"ss" not in " ".join(commands[0])
    assert "s3cret" not in repr(Request(url, headers={"Authorization": "Bearer s3cret"})) and "pa" not in repr(answer)


def test_requests_go_out_at_once_and_answers_keep_their_order(url):
    began = time.monotonic()
    answers = probe(CLUSTER, POD, [Request(f"{url}/slow"), Request(f"{url}/lost"), Request(f"{url}/slow"), Request(f"{url}/ok")])
    assert time.monotonic() - began < 1.9
    assert [json.loads(answer.body)["path"] for answer in answers] == ["/slow", "/lost", "/slow", "/ok"]
    assert [answer.status for answer in answers] == [200, 404, 200, 200]
    assert answers[0].ms > 900


def test_a_body_is_cut_to_its_bound(url):
    large, small = probe(CLUSTER, POD, [Request(f"{url}/large"), Request(f"{url}/ok")], body_bytes=200_000)
    assert (large.status, len(large.body)) == (200, 200_000)
    assert json.loads(small.body)["path"] == "/ok"


def test_what_fails_says_how(url):
    answers = probe(CLUSTER, POD, [Request("http://127.0.0.1:9/"), Request("http://no-such-host.invalid/"),
                                   Request(f"{url}/slow", timeout=0.3), Request(f"{url}/ok")])
    assert [answer.error for answer in answers] == ["refused", "dns", "timeout", ""]
    assert all(answer.detail for answer in answers[:3])


@pytest.mark.parametrize("request_", [
    Request("file:///etc/passwd"), Request("http://a/", headers={"@/etc/passwd": ""}), Request("http://a/", headers={"A": "b\nC: d"})])
def test_what_is_not_a_request_is_refused(request_):
    with pytest.raises(InvalidInput):
        probe(CLUSTER, POD, [request_])


def test_a_pod_without_curl_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(_probe, "_SCRIPT", _probe._SCRIPT.replace("curl", "no-such-curl"))
    with pytest.raises(ClusterError, match="no-such-curl: .*not found.*curl 7.63"):
        probe(CLUSTER, POD, [Request("http://127.0.0.1/")])
