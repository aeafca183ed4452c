# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL through psql in a pod: whether it is the way or the database that is at fault, and which way is tried next."""

from __future__ import annotations

import os
import subprocess
import types

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _psql
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import CannotAsk, DatabaseRefused, Way, query
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

CLUSTER = types.SimpleNamespace(name="lab1")
CROWDED = ExecResult(2, b"", "psql: error: FATAL: sorry, too many clients already")
WRONG = ExecResult(2, b"", "psql: error: FATAL: password authentication failed for user \"shop\"")
MISSING = ExecResult(127, b"", "sh: 1: psql: not found")
FOUND = ExecResult(0, b'[{"n": 1}]\n', "")
APP, OWN = Way("api-server"), Way("postgres", host="/tmp")


@pytest.fixture(name="answers")
def fixture_answers(monkeypatch):
    """What psql answers in the pod of each workload; an error is raised."""
    answers = {}

    def run(_cluster, container, *_rest):
        if isinstance(answers[container.pod], Exception):
            raise answers[container.pod]
        return answers[container.pod]
    monkeypatch.setattr(_psql._exec, "run", run)
    monkeypatch.setattr(_psql, "container_of", lambda _cluster, namespace, way: Container(namespace, way.workload, "main"))
    return answers


@pytest.mark.parametrize("result, error", [
    (CROWDED, DatabaseRefused), (WRONG, CannotAsk), (MISSING, CannotAsk), (ClusterError("may not exec", status=403), CannotAsk)])
def test_who_is_at_fault(answers, result, error):
    answers["api-server"] = result
    with pytest.raises(error):
        query(CLUSTER, "shop", [APP], "SELECT 1")


def test_a_statement_that_is_wrong_is_neither(answers):
    answers["api-server"] = ExecResult(1, b"", "ERROR: column \"nope\" does not exist")
    with pytest.raises(ClusterError, match="nope") as caught:
        query(CLUSTER, "shop", [APP, OWN], "SELECT nope")
    assert not isinstance(caught.value, (CannotAsk, DatabaseRefused))


def test_a_way_that_leads_nowhere_is_passed_by(answers):
    answers.update({"api-server": MISSING, "postgres": FOUND})
    assert query(CLUSTER, "shop", [APP, OWN], "SELECT 1") == ([{"n": 1}], OWN)


def test_a_refusal_counts_unless_it_may_be_passed_by(answers):
    answers.update({"api-server": CROWDED, "postgres": FOUND})
    with pytest.raises(DatabaseRefused, match="too many clients"):
        query(CLUSTER, "shop", [APP, OWN], "SELECT 1")
    assert query(CLUSTER, "shop", [APP, OWN], "SELECT 1", past_refusal=True) == ([{"n": 1}], OWN)


def test_the_reasons_of_all_ways_are_told(answers):
    answers.update({"api-server": MISSING, "postgres": WRONG})
    with pytest.raises(CannotAsk, match="not found.*authentication failed"):
        query(CLUSTER, "shop", [APP, OWN], "SELECT 1")


def test_a_password_is_on_no_command_line_and_reaches_psql(monkeypatch, tmp_path):
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\nprintf \'[{"user": "%s", "host": "%s", "password": "%s"}]\' "$PGUSER" "$PGHOST" "$PGPASSWORD"\n')
    psql.chmod(0o755)
    commands = []

    def run(_cluster, _container, argv, _timeout, stdin):
        commands.append(argv)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DB_HOST": "db", "DB_USER": "shop", "OTHER": "from-the-pod"}
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
            process.stdin.write(stdin)
            process.stdin.flush()
            return ExecResult(0, process.stdout.read(), "")
    monkeypatch.setattr(_psql._exec, "run", run)
    container = Container("shop", "debug-pod", "main")
    found = _psql.rows(CLUSTER, container, Way("debug-pod", user="ada", password="s3cret $(id) "), "SELECT 1")
    assert found == [{"user": "ada", "host": "db", "password": "s3cret $(id) "}]
    assert "s3cret" not in " ".join(commands[0]) and "s3cret" not in repr(Way("debug-pod", password="s3cret"))
    assert _psql.rows(CLUSTER, container, Way("debug-pod", password_env="OTHER"), "SELECT 1")[0]["password"] == "from-the-pod"
