"""pgbouncer in transaction mode between: what has to be bounded is, and nothing stays behind in the application's sessions."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import time

import psycopg2
import pytest
from postgres_server import PASSWORD, _as_owner, _free_port

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _psql
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules, _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import State
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _dump
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import exported_snapshot

MISSING = {"name": "missing", "kind": "not_null", "description": "d", "table": "orders", "key": "id", "columns": "total"}


@pytest.fixture(params=["", "ignore_startup_parameters = options"], ids=["refuses options", "ignores options"])
def pooled(postgres, request):
    """The database behind a pooler, which has one session for all clients but those in a transaction."""
    directory, port = postgres.server.directory, _free_port()
    (directory / "users.txt").write_text(f'"shop" "{PASSWORD}"\n')
    (directory / "pgbouncer.ini").write_text(f"""
        [databases]
        * = host=127.0.0.1 port={postgres.server.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = plain
        auth_file = {directory}/users.txt
        pool_mode = transaction
        {request.param}
        """.replace("\n        ", "\n"))
    with open(directory / "pgbouncer.log", "wb") as log:
        process = subprocess.Popen([*_as_owner(), "/usr/sbin/pgbouncer", directory / "pgbouncer.ini"], stdout=log, stderr=log)
    direct = postgres.database()
    try:
        yield dataclasses.replace(direct, port=port, credentials=dataclasses.replace(direct.credentials, port=port))
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def reached(pooled):
    deadline = time.monotonic() + 20
    while True:
        try:
            pooled.connect().close()
            return pooled
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def settings(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('transaction_read_only')")
        return cursor.fetchone()


def test_a_pooler_is_seen(postgres, reached):
    assert reached.pooled() and not postgres.database().pooled()


def test_limits_count_and_stay_with_the_transaction(reached):
    with contextlib.closing(reached.connect(statement_timeout=7, lock_timeout=3)) as ours:
        assert settings(ours) == ("7s", "3s", "on")
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), ours.cursor() as cursor:
            cursor.execute("CREATE TABLE never (id int)")
        ours.rollback()
        assert settings(ours) == ("7s", "3s", "on"), "of the next transaction too"
        ours.rollback()
        application = psycopg2.connect(host="127.0.0.1", port=reached.port, dbname=reached.credentials.name, user="shop", password=PASSWORD)
        with contextlib.closing(application):
            assert settings(application) == ("0", "0", "off"), "the application's session is as it was"


def test_rules_are_checked_on_one_snapshot(postgres, reached, tmp_path):
    postgres.execute("UPDATE orders SET total = NULL WHERE id < 4")
    rules = _rules.parse([MISSING])
    state = State(tmp_path, rules)
    with exported_snapshot(reached) as snapshot:
        assert _run.check(reached.connect, snapshot, rules, state) == {}
    assert [part.rows for part in state.of(rules[0]).parts] == [3]


def test_a_dump_is_refused(reached, tmp_path):
    with pytest.raises(ClusterError, match="connection pooler answers.*Name the database itself"):
        _dump.rehearse(reached, tmp_path, _dump.Options())


@pytest.mark.parametrize(("mode", "sql", "says"), [
    ("ONLY", "SELECT 'read ' || current_setting('transaction_read_only') || ' ' || current_setting('statement_timeout')", "read on 5s"),
    ("WRITE", "CREATE TABLE made (id int)", ""), ("ONLY", "CREATE TABLE never (id int)", "read-only transaction")])
def test_psql_in_a_pod_sets_its_limits_in_the_transaction(reached, mode, sql, says):
    environment = {"PATH": os.environ["PATH"], "DB_HOST": "127.0.0.1", "PGPORT": str(reached.port), "DB_USER": "shop",
                   "DB_NAME": reached.credentials.name, "DB_PASSWORD": PASSWORD}
    result = subprocess.run(["sh", "-c", _psql._SCRIPT, "sh", "0", "", "", "", "DB_PASSWORD", "5", "5000", mode, sql], env=environment,
                            capture_output=True, text=True, check=False)
    assert says in result.stdout + result.stderr and (result.returncode == 0) == ("never" not in sql)
