# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools and databases say in words of their own."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log, _connection_report, _dialects
from ansible_collections.sre.runbooks.plugins.module_utils._pool._connection_log import Analysis, Patterns
from ansible_collections.sre.runbooks.plugins.module_utils._pool._frames import Trace, frame

PATTERNS = Patterns.parse(_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT)
LOAD, PLACE = "com.acme.Orders.load (Orders.java:41)", "com.acme.Checkout.place (Checkout.java:77)"
#: the frames of a library, then two of the application's
STACK = ("\tat com.zaxxer.hikari.HikariDataSource.getConnection(HikariDataSource.java:128)", "\tat org.mybatis.spring.Thing.open(Thing.java:9)",
         "\tat com.acme.Orders.load(Orders.java:41)", "\tat com.acme.Checkout.place(Checkout.java:77)", "\tat com.acme.Main.run(Main.java:1)")


def read(*lines, now=None, pods=("pod",)):
    analysis = Analysis(PATTERNS)
    for pod in pods:
        analysis.read(pod, [line for text in lines for line in text.split("\n")])
    return analysis.findings(30, now)


def stamped(second, text):
    return f"2026-11-24T03:{second // 60:02d}:{second % 60:02d}.000000001Z {text}"


#: line, dialect, kind, and the figures that it tells: waited_ms, size, active, idle, waiting, full
SAID = [
    ("HikariPool-1 - Connection is not available, request timed out after 30005ms.", "HikariCP", "exhausted", (30005, None, None, None, None, None)),
    ("o.h.Helper : orders pool - Connection is not available, request timed out after 1000ms (total=10, active=10, idle=0, waiting=3)",
     "HikariCP", "exhausted", (1000, 10, 10, 0, 3, True)),
    ("ERROR p - Connection is not available, request timed out after 5ms (total=9/10, idle=0/2, active=9, waiting=1)",
     "HikariCP", "exhausted", (5, 10, 9, 0, 1, False)),
    ("HikariPool-1 - Connection is not available, request timed out after 30000ms (total=0, active=0, idle=0, waiting=4)",
     "HikariCP", "unreachable", (30000, 0, 0, 0, 4, False)),
    ("java.sql.SQLTimeoutException: Timeout after 10000ms of waiting for a connection.", "HikariCP", "exhausted", (10000, None, None, None, None, None)),
    ("HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=25)", "HikariCP", "full", (None, 10, 10, 0, 25, True)),
    ("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached,", "SQLAlchemy", "exhausted", (None, 15, None, None, None, True)),
    ("HikariPool-1 - Thread starvation or clock leap detected (housekeeper delta=1m2s).", "HikariCP", "stalled", (None,) * 6),
    ("WARN HikariPool-1 - Failed to validate connection org.mariadb.jdbc.MariaDbConnection@1 (closed)", "HikariCP", "dead", (None,) * 6),
    ("org.apache.tomcat.jdbc.pool.PoolExhaustedException: [x-1] Timeout: Pool empty. Unable to fetch a connection in 30 seconds, "
     "none available[size:50; busy:50; idle:0; lastwait:30000].", "Tomcat JDBC", "exhausted", (30000, 50, 50, 0, None, True)),
    ("Cannot get a connection, pool error Timeout waiting for idle object, borrowMaxWaitDuration=PT5S", "DBCP", "exhausted",
     (5000, None, None, None, None, True)),
    ("java.util.NoSuchElementException: Timeout waiting for idle object", "DBCP", "exhausted", (None, None, None, None, None, True)),
    ("java.sql.SQLException: An attempt by a client to checkout a Connection has timed out.", "c3p0", "exhausted", (None,) * 6),
    ("com.alibaba.druid.pool.GetConnectionTimeoutException: wait millis 60000, active 20, maxActive 20, creating 0", "Druid", "exhausted",
     (60000, 20, 20, None, None, True)),
    ("com.alibaba.druid.pool.GetConnectionTimeoutException: wait millis 6000, active 2, maxActive 500, creating 1, createElapseMillis 46314",
     "Druid", "exhausted", (6000, 500, 2, None, None, False)),
    ("java.sql.SQLException: Sorry, acquisition timeout!", "Agroal", "exhausted", (None,) * 6),
    ("java.sql.SQLException: Acquisition timeout while waiting for new connection", "Agroal", "unreachable", (None,) * 6),
    ("IJ000655: No managed connections available within configured blocking timeout (30000 [ms])", "IronJacamar", "exhausted",
     (30000, None, None, None, None, True)),
    ("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00", "SQLAlchemy", "exhausted",
     (30000, 15, None, None, None, True)),
    ("psycopg_pool.PoolTimeout: couldn't get a connection after 30.00 sec", "psycopg", "exhausted", (30000, None, None, None, None, True)),
    ("psycopg2.pool.PoolError: connection pool exausted", "psycopg", "exhausted", (None, None, None, None, None, True)),
    ("Npgsql: The connection pool has been exhausted, either raise MaxPoolSize (currently 100) or Timeout (currently 15 seconds)", "Npgsql", "exhausted",
     (15000, 100, None, None, None, True)),
    ("psycopg2.pool.PoolError: connection pool exhausted", "psycopg", "exhausted", (None, None, None, None, None, True)),
    ("Error: timeout exceeded when trying to connect", "node-postgres", "exhausted", (None,) * 6),
    ("KnexTimeoutError: Knex: Timeout acquiring a connection. The pool is probably full. Are you missing a .transacting(trx) call?", "Knex", "exhausted",
     (None, None, None, None, None, True)),
    ("Timed out fetching a new connection from the connection pool. More info: x (Current connection pool timeout: 10, connection limit: 5)",
     "Prisma", "exhausted", (10000, 5, None, None, None, True)),
    ("db stats: {MaxOpenConnections:10 OpenConnections:10 InUse:10 Idle:0 WaitCount:77 WaitDuration:3m}", "Go database/sql", "full",
     (None, 10, 10, 0, None, True)),
    ("failed to acquire connection: context deadline exceeded", "Go", "exhausted", (None,) * 6),
    ("ActiveRecord::ConnectionTimeoutError: could not obtain a connection from the pool within 5.000 seconds (waited 5.003 seconds); all pooled "
     "connections were in use", "ActiveRecord", "exhausted", (5003, None, None, None, None, True)),
    ("could not obtain a database connection within 5 seconds (waited 5.5 seconds). The max pool size is currently 30; consider increasing it.",
     "ActiveRecord", "exhausted", (5500, 30, None, None, None, True)),
    ("ConnectionPool::TimeoutError: Waited 5 sec, 0/5 available", "connection_pool", "exhausted", (5000, 5, None, 0, None, None)),
    ("(DBConnection.ConnectionError) connection not available and request was dropped from queue after 2985ms.", "Ecto", "exhausted",
     (2985, None, None, None, None, None)),
    ("The connection pool has been exhausted, either raise 'Max Pool Size' (currently 100) or 'Timeout' (currently 15 seconds)", "Npgsql", "exhausted",
     (15000, 100, None, None, None, True)),
    ("WARNING C-0x55: shop/app@10.0.0.1:50001 pooler error: query_wait_timeout", "PgBouncer", "exhausted", (None,) * 6),
    ("LOG C-0x55: shop/app@10.0.0.1:5 closing because: query_wait_timeout (age=120s)", "PgBouncer", "exhausted", (None,) * 6),
    ("DEBUG launch_new_connection: pool full (20 >= 20)", "PgBouncer", "full", (None, 20, 20, None, None, True)),
    ("ERROR no more connections allowed (max_client_conn)", "PgBouncer", "refused", (None,) * 6),
    ("pq: sorry, too many clients already", "PostgreSQL", "refused", (None,) * 6),
    ("FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute", "PostgreSQL", "refused", (None,) * 6),
    ('FATAL: too many connections for role "shop"', "PostgreSQL", "refused", (None,) * 6),
    ("could not connect (SQLSTATE 53300)", "PostgreSQL", "refused", (None,) * 6),
    ("Error 1040: Too many connections", "MySQL", "refused", (None,) * 6),
    ("ORA-12519: TNS:no appropriate service handler found", "Oracle", "refused", (None,) * 6),
    ("FATAL: the database system is starting up", "PostgreSQL", "unreachable", (None,) * 6),
    ('FATAL: password authentication failed for user "shop"', "PostgreSQL", "unreachable", (None,) * 6),
]


@pytest.mark.parametrize("line, dialect, kind, figures", SAID, ids=[f"{row[1]}-{number}" for number, row in enumerate(SAID)])
def test_what_a_pool_says_is_read_as_text_and_in_json(line, dialect, kind, figures):
    record = json.dumps({"timestamp": "2026-11-24T03:00:00.001Z", "level": "ERROR", "message": "request failed", "exception": {"text": line}})
    for text in (stamped(0, line), f"2026-11-24 03:00:00,001 [t-1] ERROR a.B - {line}", record, stamped(0, record),
                 f"2026-11-24T03:00:00.001Z stderr F {record}"):
        row, = read(text)["pools"]
        assert (row["dialect"], row["kind"], row["count"]) == (dialect, kind, 1), text
        assert tuple(row[name] for name in ("waited_ms", "size", "active", "idle", "waiting", "full")) == figures, text
        assert row["first"][:19] == "2026-11-24T03:00:00"
        assert dialect in _connection_report.says(read(text))[0]


@pytest.mark.parametrize("line", [
    "INFO HikariPool-1 - Start completed.", "DEBUG HikariPool-1 - Pool stats (total=10, active=3, idle=7, waiting=0)", "the pool is open from 9",
    "INFO connection timeout set to 30 s", "TimeoutError", "INFO too many connections to name", "db {MaxOpenConnections:10 OpenConnections:4 InUse:2 Idle:2}",
    "asyncio.exceptions.TimeoutError", "the redis timeout exceeded its budget"])
def test_a_pool_that_is_well_says_nothing(line):
    assert read(stamped(0, line))["pools"] == []


def test_a_pod_s_name_before_each_line_does_not_take_a_record_apart():
    found = read(*(f"[web-0] {line}" for line in (
        "2026-11-24 03:00:00,207: ERROR\tshop:\tQueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        "Traceback (most recent call last):", '  File "/app/shop/orders.py", line 42, in load', "    return session.get(Order, key)",
        '  File "/venv/lib/python3.10/site-packages/sqlalchemy/pool/impl.py", line 164, in _do_get', "    raise exc.TimeoutError(",
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00")))
    assert [(row["count"], row["places"]) for row in found["pools"]] == [(1, [{"at": "load (orders.py:42)", "count": 1}])]


def test_the_pool_s_name_is_told_without_what_the_logger_writes():
    for before in ("2026-11-24 03:00:00,001 [t-1] DEBUG com.zaxxer.hikari.pool.HikariPool - ", "java.sql.SQLTransientConnectionException: ", "ERROR "):
        row, = read(before + "orders - Connection is not available, request timed out after 5ms.")["pools"]
        assert row["pool"] == "orders"


def test_figures_on_a_line_of_their_own_belong_to_the_failure():
    lines = [text for second in range(20) for text in (
        stamped(second, f"DEBUG c.z.h.HikariPool - HikariPool-1 - Timeout failure stats (total=8, active=8, idle=0, waiting={120 - second})"),
        stamped(second, "ERROR a.Api - request failed"),
        stamped(second, "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30000ms."),
        *(stamped(second, line) for line in STACK))]
    found = read(*lines)
    row, = found["pools"]
    assert (row["count"], row["waited_ms"], row["size"], row["active"], row["waiting"], row["full"]) == (20, 30000, 8, 8, 120, True)
    assert row["places"] == [{"at": f"{LOAD}, called by {PLACE}", "count": 20}] and found["timeouts"] == 20
    assert _connection_report.says(found) == [
        "HikariCP HikariPool-1: 20 requests got no connection within 30 s from 2026-11-24T03:00:00 to 2026-11-24T03:00:19; it had 8, up to 120 waiting, all "
        f"were in use; at {LOAD}, called by {PLACE}"]


def test_a_chain_of_exceptions_is_one_request_and_the_application_s_code_is_that_of_the_enclosing_trace():
    said = "HikariPool-1 - Connection is not available, request timed out after 5ms."
    found = read(f"2026-11-24 03:00:00.001 ERROR [t] a.Api : failed: nested exception is x: {said}",
                 "org.springframework.dao.DataAccessResourceFailureException: Unable to acquire JDBC Connection", *STACK[1:],
                 "Caused by: org.hibernate.exception.JDBCConnectionException: Unable to acquire JDBC Connection", "\tat org.hibernate.A.b(A.java:1)",
                 "\t... 9 more", f"Caused by: java.sql.SQLTransientConnectionException: {said}",
                 "\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:1)", "\t... 14 common frames omitted")
    row, = found["pools"]
    assert row["count"] == 1 and row["places"][0]["at"] == f"{LOAD}, called by {PLACE}"


def test_what_hibernate_logs_and_whoever_catches_it_logs_again_is_one_request():
    said = "HikariPool-1 - Connection is not available, request timed out after 5ms."
    echo, again = (f"2026-11-24 03:00:00.001 ERROR 1 --- [t] {logger} : {said}" for logger in ("o.h.engine.jdbc.spi.SqlExceptionHelper", "o.a.c.Servlet"))
    assert [row["count"] for row in read(echo, again)["pools"]] == [1]
    assert [row["count"] for row in read(echo, echo)["pools"]] == [2]


def test_two_traces_without_a_time_are_two_requests():
    trace = ("java.sql.SQLException: Cannot get a connection, pool error Timeout waiting for idle object", *STACK)
    assert [row["count"] for row in read(*trace, *trace)["pools"]] == [2]


def test_a_trace_of_python_ends_with_what_happened():
    trace = ("Traceback (most recent call last):", '  File "/usr/lib/python3.12/x.py", line 1, in run', '  File "/app/shop/api.py", line 9, in place',
             "    load()", '  File "/app/shop/orders.py", line 41, in load', "    session.get(1)",
             '  File "/venv/lib/python3.12/site-packages/sqlalchemy/pool/impl.py", line 168, in _do_get',
             "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
             "(Background on this error at: https://sqlalche.me/e/20/3o7r)")
    row, = read(*trace, *trace)["pools"]
    assert (row["count"], row["places"]) == (2, [{"at": "load (orders.py:41), called by place (api.py:9)", "count": 2}])


def test_a_group_of_exceptions_is_read_within_its_bars():
    lines = ["  + Exception Group Traceback (most recent call last):", "  | ExceptionGroup: x (1 sub-exception)", "  +-+---------------- 1 ----------------",
             '    |   File "/app/orders.py", line 41, in load',
             "    | sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"]
    (row,) = read("ERROR in ASGI", *lines)["pools"]
    assert (row["dialect"], row["size"], row["places"]) == ("SQLAlchemy", 15, [{"at": "load (orders.py:41)", "count": 1}])


def test_asyncpg_s_timeout_is_known_by_its_frames():
    row, = read("Traceback (most recent call last):", '  File "/app/orders.py", line 41, in load',
                '  File "/venv/site-packages/asyncpg/pool.py", line 850, in _acquire', "asyncio.exceptions.TimeoutError")["pools"]
    assert (row["dialect"], row["kind"], row["places"][0]["at"]) == ("asyncpg", "exhausted", "load (orders.py:41)")


def test_goroutines_that_wait_for_a_connection_tell_since_when():
    row, = read("goroutine 12 [select, 5 minutes]:", "database/sql.(*DB).conn(0xc000, {0x1, 0x2}, 0x1)", "\t/usr/local/go/src/database/sql/sql.go:1369 +0x7c5",
                "main.(*Orders).Load(0xc0001)", "\t/app/orders.go:41 +0x1d", "", "goroutine 13 [running]:", "main.main()", "\t/app/main.go:3")["pools"]
    assert (row["dialect"], row["waited_ms"], row["places"]) == ("Go database/sql", 300000, [{"at": "main.(*Orders).Load (orders.go:41)", "count": 1}])


LEAKS = ["Connection leak detection triggered for org.postgresql.jdbc.PgConnection@1 on thread t, stack trace follows",
         "Connection leak detection triggered for connection com.mysql.jdbc.JDBC4Connection@1, stack trace follows",
         "Connection leak detection triggered, stack trace follows",
         "Connection has been abandoned PooledConnection[org.postgresql.jdbc.PgConnection@1]:java.lang.Exception",
         "A checked-out resource is overdue, and will be destroyed: com.mchange.v2.c3p0.impl.NewPooledConnection@1",
         "abandon connection, owner thread: exec-3, connected at : 1642240141966, open stackTrace",
         "Datasource '<default>': Connection leak of org.postgresql.jdbc.PgConnection@1",
         "Pooled object created 2026-11-24 03:00:00 +0000 by the following code has not been returned to the pool:"]


@pytest.mark.parametrize("line", LEAKS)
def test_a_leak_names_the_application_s_code_as_text_and_in_json(line):
    record = json.dumps({"stack_trace": "\n".join(("java.lang.Exception: leak", *STACK)), "@timestamp": "2026-11-24T03:00:00.000Z", "message": line})
    for text in ("\n".join((stamped(0, "WARN a.B - " + line), *STACK)), record):
        row, = read(text)["missed"]
        assert (row["at"], row["count"], row["first"][:19]) == (f"{LOAD}, called by {PLACE}", 1, "2026-11-24T03:00:00")


@pytest.mark.parametrize("line", LEAKS)
def test_code_that_comes_later_has_nothing_to_do_with_a_leak(line):
    found = read(stamped(0, line), stamped(1, "INFO served"), stamped(9, "ERROR bad input"), "java.lang.IllegalArgumentException: x", *STACK)
    assert [(row["at"], row["count"]) for row in found["missed"]] == [("?", 1)]
    assert "taken at a place that the log does not show" in _connection_report.says(found)[0]


def test_what_was_an_hour_ago_is_not_current():
    exhausted = "HikariPool-1 - Connection is not available, request timed out after 5ms."
    old, = read(stamped(0, exhausted), "2026-11-24T04:00:00Z INFO served")["pools"]
    assert (old["current"], old["first"][:19], old["last"][:19]) == (False, "2026-11-24T03:00:00", "2026-11-24T03:00:00")
    assert read(stamped(0, exhausted), stamped(200, "INFO served"))["pools"][0]["current"] is True
    assert read(stamped(0, exhausted), now=datetime.datetime(2026, 11, 24, 3, 30))["pools"][0]["current"] is False
    assert read(exhausted)["pools"][0]["current"] is None
    assert "not since" in _connection_report.says(read(stamped(0, exhausted), "2026-11-24T04:00:00Z INFO served"))[0]


@pytest.mark.parametrize("line, name, own", [
    ("\tat com.acme.Orders.load(Orders.java:41)", LOAD, True),
    ("\tat war//com.acme.Orders.load(Orders.java:41)", LOAD, True),
    ("\tat deployment.shop.war//com.acme.Orders.load(Orders.java:41)", LOAD, True),
    ("\tat app//com.acme.Orders.load(Orders.java:41) ~[shop.jar:1.0]", LOAD, True),
    ("\tat com.acme.Orders.load(Orders.java)", "com.acme.Orders.load (Orders.java)", True),
    ("\tat com.acme.Orders.load(Unknown Source)", "com.acme.Orders.load", True),
    ("\tat com.acme.Orders.load(Native Method)", "com.acme.Orders.load", True),
    ("\tat com.acme.Orders.lambda$load$0(Orders.java:41)", "com.acme.Orders.lambda$load$0 (Orders.java:41)", True),
    ("\tat com.acme.Orders$$EnhancerBySpringCGLIB$$1a.load(<generated>)", None, False),
    ("\tat com.sun.proxy.$Proxy42.load(Unknown Source)", None, False),
    ("\tat java.base@17.0.1/java.lang.Thread.run(Thread.java:833)", None, False),
    ("\tat org.jooq.impl.Tools.open(Tools.java:1)", None, False),
    ("\tat org.jetbrains.exposed.sql.Statement.executeIn$exposed_core(Statement.kt:49)", None, False),
    ("    at Orders.load (/app/src/orders.js:41:10)", "Orders.load (orders.js:41)", True),
    ("    at async place (file:///app/src/checkout.mjs:7:3)", "place (checkout.mjs:7)", True),
    ("    at /app/src/index.js:3:1", "(anonymous) (index.js:3)", True),
    ("    at /app/node_modules/pg-pool/index.js:45:11", None, False),
    ("    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", None, False),
    ("   at Acme.Orders.Load(Int32 id) in /src/Orders.cs:line 41", "Acme.Orders.Load (Orders.cs:41)", True),
    ("   at Npgsql.PoolingDataSource.Get(NpgsqlConnection conn, CancellationToken t)", None, False),
    ("/app/models/order.rb:41:in `load'", "load (order.rb:41)", True),
    ("/usr/lib/ruby/gems/3.3.0/gems/activerecord-7.1/lib/pool.rb:1:in 'checkout'", None, False),
])
def test_frames_of_every_language_are_told_apart_from_libraries(line, name, own):
    found = frame(line)
    assert found and found.own is own
    assert name is None or found.name == name


def test_a_library_is_never_named_where_the_application_s_code_follows():
    trace = Trace()
    for library in ("org.mybatis.x.A", "org.jooq.B", "org.springframework.C", "org.hibernate.D", "io.ebean.E", "com.mchange.F", "org.jdbi.v3.G"):
        trace.read(f"\tat {library}.call(A.java:1)")
    assert trace.place == ""
    trace.read(STACK[2])
    assert trace.place == LOAD


def test_every_wording_has_a_hint_that_its_own_pattern_needs():
    """A line is read only where a hint is in it: one that the pattern could do without would hide it."""
    said = [line for line, *_rest in SAID]
    for wording in _dialects.WORDINGS:
        assert not any(wording.pattern.search(line) and wording.hint not in line for line in said if not wording.within), wording
