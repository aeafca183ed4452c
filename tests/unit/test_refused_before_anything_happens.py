# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As installed, the roles of all runbooks in one run: hosts with a variable that cannot be, and one each whose cluster does not answer."""

from __future__ import annotations

import http.server
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

RUNBOOKS = ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "crash_loop", "data_inconsistency")
#: runbook, variable, value, what is said about it; the table of values is the one of the module's own test
REFUSED = (
    ("memory_leak", "memory_leak_memory_limit", "lots", "memory_leak_memory_limit is 'lots', which is not a quantity of memory"),
    ("db_pool_exhaustion", "db_pool_exhaustion_namespace", "", "db_pool_exhaustion_namespace is empty, which is not the name of a namespace"),
    ("auth_degradation", "runbooks_request_timeout", "soon", "runbooks_request_timeout is 'soon', which is not a number"),
    ("api_gateway_overload", "runbooks_host", "api.example.com", "runbooks_host is 'api.example.com', which is not the URL of an API server"),
    ("crash_loop", "incident_id", "INC..1", "incident_id is 'INC..1', which is not an id of an incident"),
)
#: hosts on which tasks run as on a bastion, with what is said
ELSEWHERE = {
    "bastion": ({}, "no answer from http://127.0.0.1:1"),
    "bastion-that-does-not-answer": ({"ansible_host": "nowhere"}, "nowhere, on which its tasks were to run"),
    "bastion-without-python": ({"ansible_python_interpreter": "/no/python"}, "the task did not run on bastion-without-python: "),
}
CONNECTION = '''
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import local

DOCUMENTATION = local.DOCUMENTATION.replace("name: local", "name: elsewhere")


class Connection(local.Connection):
    """This machine, taken for another one."""

    transport = "elsewhere"

    def _connect(self):
        if self._play_context.remote_addr == "nowhere":
            raise AnsibleConnectionFailure("no route")
        return super()._connect()
'''
HOSTS = {f"{row[0]}-refused": row for row in REFUSED}


@pytest.fixture(name="asked", scope="module")
def fixture_asked():
    """Paths that an API server was asked for, and its address."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self):
            paths.append(self.client_address[0])
            self.close_connection = True

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield paths, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(name="said", scope="module")
def fixture_said(asked, tmp_path_factory):
    """What one run of all runbooks said, and its exit status: by the collection's name, without our configuration."""
    place = tmp_path_factory.mktemp("user")
    connection = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "runbooks_token": "of-the-test", "runbooks_retries": 0}
    hosts = {name: {"runbooks_host": asked[1], **connection, "runbook": runbook, variable: value}
             for name, (runbook, variable, value, _words) in HOSTS.items()}
    hosts |= {f"{runbook}-dead": {"runbooks_host": "http://127.0.0.1:1", **connection, "runbook": runbook} for runbook in RUNBOOKS}
    hosts |= {name: {"runbooks_host": "http://127.0.0.1:1", **connection, "runbook": "crash_loop", "ansible_connection": "elsewhere", **more}
              for name, (more, _words) in ELSEWHERE.items()}
    (place / "connection_plugins").mkdir()
    (place / "connection_plugins" / "elsewhere.py").write_text(CONNECTION)
    (place / "clusters.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (place / "all.yml").write_text(yaml.safe_dump([{"hosts": "{{ lookup('sre.runbooks.clusters', 'all') }}", "gather_facts": False, "tasks": [
        {"ansible.builtin.include_role": {"name": "sre.runbooks.{{ runbook }}"}}]}]))
    (place / "ansible.cfg").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KUBECONFIG"))}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
                    "ANSIBLE_FORKS": "4", "HOME": str(place)}
    done = subprocess.run([str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "clusters.yml", "all.yml"],
                          cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout, done.stderr, sorted(path.name for path in place.iterdir())


def fatal(output, host):
    """What the failed tasks of a host said."""
    until_the_next = r".*?(?=^(?:fatal|failed|ok|skipping|changed|included|TASK|PLAY)\b)"
    return "\n".join(re.findall(rf"^(?:fatal|failed): \[{re.escape(host)}\]{until_the_next}", output, re.M | re.S))


@pytest.mark.parametrize("host", HOSTS)
def test_a_value_that_cannot_be_is_named(said, host):
    assert HOSTS[host][3] in " ".join(fatal(said[1], host).split())


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_a_cluster_that_does_not_answer_is_no_success(said, runbook):
    assert "no answer from http://127.0.0.1:1" in fatal(said[1], f"{runbook}-dead")


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_cluster_that_is_reached_from_elsewhere(said, host):
    assert ELSEWHERE[host][1] in fatal(said[1], host)
    assert f'"{host}: Refused: ' in said[1]


def test_every_host_failed_and_none_was_skipped(said):
    status, output, _errors, _files = said
    recap = dict(re.findall(r"^(\S+) +: .*failed=(\d+)", output.partition("PLAY RECAP")[2], re.M))
    assert status == 2 and set(recap) == {*HOSTS, *ELSEWHERE, *(f"{runbook}-dead" for runbook in RUNBOOKS)}
    assert {host: failed for host, failed in recap.items() if failed == "0"} == {}


def test_nothing_was_asked_and_nothing_was_written(said, asked):
    assert asked[0] == [] and [name for name in said[3] if not name.startswith(".")] == [
        "all.yml", "ansible.cfg", "clusters.yml", "connection_plugins"]


def test_no_traceback(said):
    assert "Traceback" not in said[1] + said[2]
