# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last words of processes that end, as the common languages, frameworks, drivers and servers put them."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _log_lines


@pytest.mark.parametrize("problem, lines", [
    ("configuration", [
        "Error: required environment variable DATABASE_URL is not set", "KeyError: 'DATABASE_URL'", "config error: missing setting shop.tax",
        "FATAL: configuration file \"/etc/app.yml\" contains errors: invalid value for parameter \"port\"",
        "java.lang.IllegalArgumentException: Could not resolve placeholder 'shop.url' in value \"${shop.url}\"",
        "nginx: [emerg] unknown directive \"proxy_pas\" in /etc/nginx/nginx.conf:12", "yaml: line 4: mapping values are not allowed in this context",
        "panic: invalid configuration: TAX_RATE must be a number", "flag provided but not defined: -prot", "error: unknown option '--prot'",
        "django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable", "usage: app [-h]: error: unrecognized arguments: --prot",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings", "strconv.Atoi: parsing \"abc\": invalid syntax",
        "ValueError: invalid literal for int() with base 10: 'abc'", "Error: Missing required option '--config'", "API_KEY must be defined"]),
    ("missing_file", [
        "Error: Cannot find module '/app/server.js'", "ModuleNotFoundError: No module named 'shop'", "python: can't open file '/app/main.py'",
        "Error: Unable to access jarfile /app/app.jar", "Error: Could not find or load main class shop.Main", "open /data/in.csv: no such file or directory",
        "/app/run: error while loading shared libraries: libssl.so.1.1: cannot open shared object file", "java.io.FileNotFoundException: /data/x"]),
    ("permission", [
        "open /data/x: permission denied", "Error: EACCES: permission denied, open '/app/log'", "PermissionError: [Errno 13] Permission denied: '/data'",
        "mkdir: can't create directory '/x': Read-only file system", "java.nio.file.AccessDeniedException: /data"]),
    ("out_of_memory", [
        "java.lang.OutOfMemoryError: Java heap space", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "MemoryError",
        "terminate called after throwing an instance of 'std::bad_alloc'", "fatal error: runtime: out of memory", "fork: Cannot allocate memory"]),
    ("port_in_use", ["listen tcp :8080: bind: address already in use", "Error: listen EADDRINUSE: address already in use :::3000",
                     "Web server failed to start. Port 8080 was already in use."]),
    ("exec_format", ["exec /app/run: exec format error"]),
    ("exception", ["panic: runtime error: index out of range [3] with length 2", "TypeError: x is not a function", "Segmentation fault (core dumped)"]),
    ("", ["Server started on port 8080", "Shutting down gracefully", ""]),
])
def test_problems(problem, lines):
    assert {line: _log_lines.read(line).problem for line in lines} == dict.fromkeys(lines, problem)


@pytest.mark.parametrize("problem, dependency, line", [
    ("refused", "10.96.3.4:5432", "dial tcp 10.96.3.4:5432: connect: connection refused"),
    ("refused", "127.0.0.1:6379", "Error: connect ECONNREFUSED 127.0.0.1:6379"),
    ("refused", "postgres:5432", 'connection to server at "postgres" (10.96.3.4), port 5432 failed: Connection refused'),
    ("refused", "db:5432", "org.postgresql.util.PSQLException: Connection to db:5432 refused. Check that the hostname and port are correct"),
    ("refused", "redis:6379", "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."),
    ("refused", "mysql:3306", "Can't connect to MySQL server on 'mysql:3306' (111)"),
    ("refused", "auth.shop.svc:8080", "java.net.ConnectException: Connection refused: auth.shop.svc/10.1.1.1:8080"),
    ("refused", "payments:80",
        "HTTPConnectionPool(host='payments', port=80): Max retries exceeded with url: / (Caused by NewConnectionError: Connection refused)"),
    ("timeout", "db.example.com:5432", "dial tcp db.example.com:5432: i/o timeout"),
    ("timeout", "10.1.1.1:443", "Error: connect ETIMEDOUT 10.1.1.1:443"),
    ("timeout", "mongo:27017", "pymongo.errors.ServerSelectionTimeoutError: mongo:27017: timed out"),
    ("timeout", "kafka:9092", "Connection to node -1 (kafka/10.2.2.2:9092) could not be established: connection timed out"),
    ("unknown_host", "postgrse", "Error: getaddrinfo ENOTFOUND postgrse"),
    ("unknown_host", "db.shop", "dial tcp: lookup db.shop on 10.96.0.10:53: no such host"),
    ("unknown_host", "postgrse", 'psycopg2.OperationalError: could not translate host name "postgrse" to address: Name or service not known'),
    ("unknown_host", "postgrse", "java.net.UnknownHostException: postgrse"),
    ("unknown_host", "redis-master", "Error: getaddrinfo EAI_AGAIN redis-master"),
    ("dependency_auth", "", 'FATAL: password authentication failed for user "shop"'),
    ("dependency_auth", "10.1.1.1:5432", 'connection to server at "10.1.1.1", port 5432 failed: FATAL:  password authentication failed for user "shop"'),
    ("dependency_auth", "", "redis.exceptions.AuthenticationError: NOAUTH Authentication required."),
    ("dependency_limit", "", "FATAL: sorry, too many clients already"),
])
def test_dependencies(problem, dependency, line):
    found = _log_lines.read(line)
    assert (found.problem, found.dependency, found.about_a_dependency) == (problem, dependency, True)


def test_the_more_particular_line_decides_and_the_kubelets_times_go():
    text = """2026-11-28T04:00:00.1Z starting
2026-11-28T04:00:01.1Z org.postgresql.util.PSQLException: Connection to db:5432 refused.
2026-11-28T04:00:01.2Z \tat shop.Main.main(Main.java:10)
2026-11-28T04:00:01.3Z Exception in thread "main" java.lang.RuntimeException: cannot start
"""
    found = _log_lines.read(text)
    assert (found.problem, found.dependency) == ("refused", "db:5432")
    assert found.line == "org.postgresql.util.PSQLException: Connection to db:5432 refused."


def test_an_address_beside_the_line_counts():
    found = _log_lines.read("connecting to postgres://app@db:5432/shop\nerror: connection refused")
    assert (found.problem, found.dependency) == ("refused", "db:5432")


def test_only_the_last_lines_count():
    assert _log_lines.read("Error: Cannot find module 'x'\n" + "ok\n" * _log_lines.LAST_LINES).problem == ""


def test_a_log_without_a_known_word_still_has_its_last_line():
    assert _log_lines.read("one\ntwo\n\n").line == "two"


@pytest.mark.parametrize("line", ["a" * 200_000, "config " * 30_000, "dial tcp " * 20_000, "missing " * 20_000, "x:1" * 60_000])
def test_long_lines_do_no_harm(line):
    assert len(_log_lines.read(line).line) <= 400
