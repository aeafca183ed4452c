# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of a pool, who blocks whom, and why a pool is exhausted."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _sessions, _signals
from ansible_collections.sre.runbooks.plugins.module_utils._pool._facts import Limits, Measured, facts, larger_pool, to_end
from ansible_collections.sre.runbooks.plugins.module_utils._pool._signals import Thresholds

ROOT = pathlib.Path(__file__).resolve().parents[5]


def pod(active=10, pending=5, most=10, name="api-1"):
    return {"pod": name, "active": active, "pending": pending, "idle": most - active, "max": most, "timeouts": 0}


def session(pid, client="api", state="active", **more):
    return {"pid": pid, "client": client, "user": client, "database": "shop", "pod": f"{client}-1", "state": state,
            "waits_for": "", "blocked_by": [], "state_seconds": 1.0,
            "xact_seconds": 1.0, "query_seconds": 1.0, "query": "SELECT 1", "backend_start": "b", "xact_start": "x", **more}


def activity(sessions, most=100):
    return {"sessions": sessions, "clients": _sessions.clients(sessions), "chains": _sessions.chains(sessions),
            "max_connections": most, "reserved": 3, "way": "api", "limits": [], "turned_away": []}


LEAKS = {"acquired": 40, "pools": [], "leaks": [{"at": "Orders.report:60", "count": 20, "oldest_seconds": 90, "pods": [], "requests": []}]}
CLEAN = {"acquired": 40, "pools": [], "leaks": []}
TWO = [pod(), pod(name="api-2")]


@pytest.mark.parametrize("pods, breached", [
    ([pod(active=9, pending=0)], set()),
    ([pod(active=10, pending=0)], {"pool_in_use"}),
    ([pod(active=3, pending=0), pod(active=10, pending=2, name="b")], {"pool_in_use", "pool_waiting"}),
    ([pod(active=2, pending=4)], {"pool_waiting"}),
])
def test_signals(pods, breached):
    assert {signal.name for signal in _signals.pool_signals(pods, Thresholds()) if signal.breached} == breached


PRESETS = {
    "hikaricp_connections_active 9\nhikaricp_connections_idle 1\nhikaricp_connections_max 10\nhikaricp_connections_pending 4": (9, 10, 4),
    "sqlalchemy_pool_checked_out 9\nsqlalchemy_pool_checked_in 1\nsqlalchemy_pool_size 10": (9, 10, None),
    'pgbouncer_pools_server_active_connections{database="shop"} 9\npgbouncer_pools_client_waiting_connections{database="shop"} 4\n'
    'pgbouncer_databases_pool_size{database="shop"} 10': (9, 10, 4),
    "pg_pool_active_count 9\npg_pool_idle_count 1\npg_pool_max_count 10\npg_pool_waiting_count 4": (9, 10, 4),
    'go_sql_in_use_connections{db_name="shop"} 9\ngo_sql_max_open_connections{db_name="shop"} 10\ngo_sql_wait_count_total{db_name="shop"} 8': (9, 10, 0),
    'hikaricp_active_connections{pool="p"} 9\nhikaricp_max_connections{pool="p"} 10\nhikaricp_pending_threads{pool="p"} 4': (9, 10, 4),
    'agroal_active_count{datasource="default"} 9\nagroal_available_count{datasource="default"} 0\nagroal_awaiting_count{datasource="default"} 4':
        (9, None, 4),
    'db_client_connection_count{db_client_connection_pool_name="p",db_client_connection_state="used"} 9\n'
    'db_client_connection_count{db_client_connection_pool_name="p",db_client_connection_state="idle"} 1\n'
    'db_client_connection_max{db_client_connection_pool_name="p"} 10\n'
    'db_client_connection_pending_requests{db_client_connection_pool_name="p"} 4': (9, 10, 4),
    'db_client_connections_usage{pool_name="p",state="used"} 9\ndb_client_connections_usage{pool_name="p",state="idle"} 1\n'
    'db_client_connections_max{pool_name="p"} 10\ndb_client_connections_pending_requests{pool_name="p"} 4': (9, 10, 4),
    'pgxpool_acquired_conns{db_name="p"} 9\npgxpool_max_conns{db_name="p"} 10\npgxpool_empty_acquire{db_name="p"} 5': (9, 10, 0),
    'com_mchange_v2_c3p0_PooledDataSource_numBusyConnectionsDefaultUser{name="p"} 9\ncom_mchange_v2_c3p0_PooledDataSource_maxPoolSize{name="p"} 10\n'
    'com_mchange_v2_c3p0_PooledDataSource_numThreadsAwaitingCheckoutDefaultUser{name="p"} 4': (9, 10, 4),
    'org_apache_commons_dbcp2_BasicDataSource_NumActive{connectionpool="connections",name="p"} 9\n'
    'org_apache_commons_dbcp2_BasicDataSource_MaxTotal{connectionpool="connections",name="p"} 10\n'
    'org_apache_commons_dbcp2_BasicDataSource_NumWaiters{connectionpool="connections",name="p"} 4\n'
    'org_apache_commons_dbcp2_BasicDataSource_NumActive{name="p"} 9\norg_apache_commons_dbcp2_BasicDataSource_MaxTotal{name="p"} 10': (9, 10, 4),
    'Catalina_DataSource_numActive{name="jdbc/p"} 9\nCatalina_DataSource_maxTotal{name="jdbc/p"} 10': (9, 10, None),
    'tomcat_jdbc_ConnectionPool_Active{name="p"} 9\ntomcat_jdbc_ConnectionPool_MaxActive{name="p"} 10\n'
    'tomcat_jdbc_ConnectionPool_WaitCount{name="p"} 4': (9, 10, 4),
    'tomcat_jdbc_jdbc_a_Active{type="ConnectionPool",context="/"} 9\ntomcat_jdbc_jdbc_a_MaxActive{type="ConnectionPool",context="/"} 10\n'
    'tomcat_jdbc_jdbc_a_WaitCount{type="ConnectionPool",context="/"} 4\ntomcat_jdbc_jdbc_a_NumActive{type="ConnectionPool",context="/"} 9\n'
    'tomcat_jdbc_jdbc_b_Active{type="ConnectionPool",context="/"} 1\ntomcat_jdbc_jdbc_b_MaxActive{type="ConnectionPool",context="/"} 10': (9, 10, 4),
    'jdbc_connections_active{name="dataSource"} 9\njdbc_connections_max{name="dataSource"} 10\njdbc_connections_idle{name="dataSource"} 1': (9, 10, None),
    'jdbc_connections_active{name="dataSource"} 9\njdbc_connections_max{name="dataSource"} 10\n'
    'hikaricp_connections_active{pool="p"} 9\nhikaricp_connections_max{pool="p"} 10\nhikaricp_connections_pending{pool="p"} 4': (9, 10, 4),
}


@pytest.mark.parametrize("text", PRESETS)
def test_the_pools_of_common_libraries_are_known(text):
    samples = Samples(text + "\n")
    row = _signals.row(Window("a", 3.0, samples, samples), _signals.series_of({}))
    assert (row["active"], row["max"], row["pending"]) == PRESETS[text]


@pytest.mark.parametrize("in_use, waited", [(10, 3), (9, 0)])
def test_where_waiting_is_only_counted_it_counts_while_the_pool_is_full(in_use, waited):
    first, last = (Samples(f"go_sql_in_use_connections {in_use}\ngo_sql_max_open_connections 10\n# TYPE go_sql_wait_count_total counter\n"
                           f"go_sql_wait_count_total {count}\n") for count in (5, 8))
    assert _signals.row(Window("a", 3.0, first, last), _signals.series_of({}))["pending"] == waited


def judged(first, last=None, given=None):
    """The row of a pod whose metrics were these, and the names of the signals that are over their thresholds."""
    row = _signals.row(Window("a", 10.0, Samples(first), Samples(last or first)), _signals.series_of(given or {}))
    return row, {signal.name for signal in _signals.pool_signals([row], Thresholds()) if signal.breached}


@pytest.mark.parametrize("text", [
    'hikaricp_connections_active{pool="a"} NaN\nhikaricp_connections_max{pool="a"} NaN\nhikaricp_connections_pending{pool="a"} NaN\n',
    'go_sql_in_use_connections{db_name="a"} NaN\ngo_sql_max_open_connections{db_name="a"} NaN\n',
    'hikaricp_connections_active{pool="a"} 3\nhikaricp_connections_max{pool="a"} +Inf\n', "up 1\n", ""])
def test_what_is_no_number_is_not_measured(text):
    row, breached = judged(text)
    assert not breached and not row["judged"]
    assert all("not measured" in signal.text for signal in _signals.pool_signals([row], Thresholds()))


GO = ('go_sql_in_use_connections{db_name="main"} 10\ngo_sql_in_use_connections{db_name="read"} 0\ngo_sql_max_open_connections{db_name="main"} 10\n'
      'go_sql_max_open_connections{db_name="read"} 10\ngo_sql_wait_count_total{db_name="main"} %d\n')
PGBOUNCER = ('pgbouncer_databases_pool_size{name="shop"} 20\npgbouncer_databases_pool_size{name="pgbouncer"} 2\n'
             'pgbouncer_pools_server_active_connections{database="shop",user="api"} %d\n'
             'pgbouncer_pools_server_active_connections{database="shop",user="worker"} 14\n'
             'pgbouncer_pools_client_waiting_connections{database="shop",user="api"} %d\n')


def test_each_pool_of_a_pod_is_judged():
    row, breached = judged(GO % 100, GO % 600)
    assert (row["pool"], row["active"], row["max"], row["pending"], len(row["pools"])) == ("main", 10, 10, 500, 2)
    assert breached == {"pool_in_use", "pool_waiting"}


@pytest.mark.parametrize("in_use, waiting, breached", [(15, 0, set()), (20, 0, {"pool_in_use"}), (20, 3, {"pool_in_use", "pool_waiting"})])
def test_each_user_of_pgbouncer_has_a_pool_of_the_databases_size(in_use, waiting, breached):
    row, found = judged(PGBOUNCER % (in_use, waiting))
    assert found == breached and row["judged"]
    assert {pool["pool"]: pool["max"] for pool in row["pools"]} == {"shop/api": 20, "shop/worker": 20}


def test_no_bound_is_no_small_pool():
    row, breached = judged('go_sql_in_use_connections{db_name="a"} 90\ngo_sql_max_open_connections{db_name="a"} 0\n'
                           'go_sql_wait_count_total{db_name="a"} 0\n')
    assert (row["max"], row["judged"], breached) == (None, True, set())


def test_pools_of_other_names_are_told_apart_by_their_labels():
    given = {"active": 'busy{state!="idle"}', "max": "size", "pending": "queue"}
    row, breached = judged('busy{pool="a",state="run"} 9\nbusy{pool="b",state="run"} 1\nbusy{pool="a",state="idle"} 5\n'
                           'size{pool="a"} 9\nsize{pool="b"} 9\nqueue{pool="a"} 0\n', given=given)
    assert (row["pool"], row["active"], breached) == ("a", 9, {"pool_in_use"})


def test_one_bad_line_costs_one_line():
    row, breached = judged('hikaricp_connections_active{pool="a"} 10\nthis is {not a sample\nhikaricp_connections_max{pool="a"} 10\n')
    assert (row["active"], breached) == (10, {"pool_in_use"})


@pytest.mark.parametrize("label, good, bad", [("status", "200", "503"), ("outcome", "CLIENT_ERROR", "SERVER_ERROR"), ("code", "404", "500")])
def test_what_customers_get_is_counted_without_probes(label, good, bad):
    def scrape(ok, failed, probes):
        return Samples("# TYPE http_server_requests_seconds histogram\n" + "".join(
            f'http_server_requests_seconds_count{{uri="{uri}",{label}="{status}"}} {count}\n'
            for uri, status, count in (("/orders", good, ok), ("/orders", bad, failed), ("/ready", good, probes))))
    found = _signals.requests_served([Window("a", 5.0, scrape(10, 5, 900), scrape(40, 15, 990)), Window("b", 5.0, None, scrape(9, 9, 9))],
                                     "http_server_requests_seconds")
    assert (found["served_per_second"], found["served_share"]) == (6, 0.75)


def test_where_metrics_do_not_tell_what_became_of_requests_nobody_is_said_to_be_served():
    samples = Samples("http_server_requests_seconds_count 9\n")
    assert _signals.requests_served([Window("a", 5.0, samples, samples)], "http_server_requests_seconds") == {}


def test_names_of_series_can_be_others_and_what_is_none_of_them_is_refused():
    assert _signals.series_of({"active": "my_pool_busy"})["active"] == ["my_pool_busy"]
    with pytest.raises(InvalidInput, match="series names busy"):
        _signals.series_of({"busy": ["my_pool_busy"]})


def test_timeouts_are_counted_since_a_time():
    import re
    log = "2026-11-23T03:00:01.1Z connection timeout req=1\n2026-11-23T03:00:05.1Z CONNECTION TIMEOUT\n2026-11-23T03:00:06.1Z fine\n"
    assert _signals.count_timeouts(log, re.compile(_signals.TIMEOUT_PATTERN, re.I), "2026-11-23T03:00:02.500Z") == 1


def test_the_root_of_a_chain_is_who_waits_for_nobody():
    sessions = [session(1, "report", "idle in transaction"), session(2, blocked_by=[1]), session(3, blocked_by=[2, 1]),
                session(4, blocked_by=[99])]
    chains = _sessions.chains(sessions)
    assert [(chain["root"]["pid"], chain["waiting"]) for chain in chains] == [(1, 2)]


def test_a_deadlock_has_no_root():
    assert _sessions.chains([session(1, blocked_by=[2]), session(2, blocked_by=[1])]) == []


CAUSES = {
    "leak_in_service": (activity([session(n, state="idle") for n in range(20)]), LEAKS),
    "slow_query": (activity([session(n, query_seconds=40.0) for n in range(20)]), CLEAN),
    "lock_chain": (activity([session(99, "report", "idle in transaction")]
                            + [session(n, waits_for="Lock", blocked_by=[99], query_seconds=40.0) for n in range(20)]), LEAKS),
    "other_client": (activity([session(n) for n in range(4)]
                              + [session(100 + n, "report", "idle in transaction", state_seconds=600.0) for n in range(92)]), CLEAN),
    "pool_too_small": (activity([session(n) for n in range(20)]), CLEAN),
}
FORGOTTEN = activity([session(n, state="idle in transaction", state_seconds=60.0, xact_seconds=61.0) for n in range(20)])
RULES = _rules.load([yaml.safe_load((ROOT / "roles" / "db_pool_exhaustion" / "files" / "causes.yml").read_text())])


def known(found, name, limits=None):
    """A fact's value; None where it is not known."""
    return next(fact["value"] for fact in facts(found, limits or Limits()).to_json() if fact["name"] == name)


def diagnose(found):
    sheet = facts(found, Limits())
    sheet.known("in_namespace", "shop")
    return _verdict.diagnose(RULES, _facts.parse(sheet.to_json()))


@pytest.mark.parametrize("cause", CAUSES)
def test_the_right_cause_is_first(cause):
    found = diagnose(Measured("api", TWO, *CAUSES[cause]))
    assert found["cause"] == cause and found["verdict"] == "established"


def test_every_fact_of_the_table_is_told_and_no_other():
    declared = {name for name, item in RULES.names.items() if item.value is None}
    for found in (Measured("api", TWO, *CAUSES["lock_chain"]), Measured("api", TWO, {}, {}, not_asked="no psql")):
        assert {fact["name"] for fact in facts(found, Limits()).to_json()} | {"in_namespace"} == declared


def test_a_leak_shows_in_the_log_where_the_database_cannot_be_asked():
    assert diagnose(Measured("api", TWO, {}, LEAKS))["verdicts"]["leak_in_service"] == "established"


def test_what_the_pool_itself_reports_as_leaked_is_evidence():
    reported = {"pools": [], "missed": [{"at": "shop.Orders.report (Orders.java:62)", "count": 7, "current": True}]}
    found = diagnose(Measured("api", TWO, {}, reported))
    assert found["cause"] == "leak_in_service" and "7 connections as leaked, taken at shop.Orders.report" in found["candidates"][0]["evidence_for"][0]


@pytest.mark.parametrize("log", [LEAKS, {"pools": []}])
def test_connections_lost_inside_a_transaction_are_a_leak(log):
    assert diagnose(Measured("api", TWO, FORGOTTEN, log))["cause"] == "leak_in_service"


def test_a_transaction_between_two_statements_is_at_work():
    busy = activity([session(n, state="idle in transaction", state_seconds=0.1) for n in range(20)])
    assert diagnose(Measured("api", TWO, busy, CLEAN))["cause"] == "pool_too_small"


def test_what_was_said_long_ago_is_no_cause_of_now():
    old = {"pools": [{"kind": kind, "current": False, "count": 9, "dialect": "PgBouncer", "full": True}
                     for kind in ("dead", "refused", "stalled", "exhausted")],
           "missed": [{"at": "a", "count": 7, "current": False}], "leaks": []}
    found = Measured("api", TWO, activity([session(n) for n in range(20)]), old)
    assert [known(found, name) for name in ("dead", "refused", "stalled", "pooler_says", "leaks_reported")] == [0, 0, 0, "", []]


SAID = {
    "role_limit": 'FATAL: too many connections for role "shop"', "database_limit": 'FATAL: too many connections for database "shop"',
    "full": "FATAL: sorry, too many clients already", "not_admitted": 'FATAL: no pg_hba.conf entry for host "10.0.0.7", user "a", database "b"',
    "credentials": 'FATAL: password authentication failed for user "shop"', "starting": "FATAL: the database system is starting up",
    "unreachable": 'connection to server at "db" (10.0.0.9), port 5432 failed: Connection refused', None: "the pod has no psql",
}


@pytest.mark.parametrize("problem", SAID)
def test_how_the_database_turns_the_service_away_is_told_from_its_words(problem):
    refused = {**activity([]), "way": "postgres", "turned_away": [{"workload": "deployment/api", "said": SAID[problem]}]}
    assert known(Measured("api", TWO, refused, {}), "problem") == problem
    assert known(Measured("api", TWO, {}, {}, not_asked=SAID[problem]), "problem") == problem


def test_nobody_turned_the_service_away():
    assert known(Measured("api", TWO, activity([session(1)]), {}), "problem") == "none"


@pytest.mark.parametrize("pods, full", [
    (TWO, True), ([pod(active=5)], False), ([pod(active=5), pod(active=10)], True),
    ([{**pod(active=5), "max": None}], None), ([{**pod(), "active": None}], None), ([], None)])
def test_whether_pools_are_full(pods, full):
    assert known(Measured("api", pods, {}, {}), "pools_full") is full


def limited(most, mine, others=0):
    sessions = [session(n, user="shop") for n in range(mine)] + [
        session(100 + n, "report", "idle", user="shop", state_seconds=400.0) for n in range(others)]
    return {**activity(sessions), "limits": [{"of": "role", "name": "shop", "most": most, "taken": mine + others}]}


def test_the_limit_of_a_role_is_the_cause_and_not_the_pool():
    roomy = [pod(active=3, pending=9), pod(active=3, pending=9, name="api-2")]
    found = diagnose(Measured("api", roomy, limited(6, 6), CLEAN))
    assert found["cause"] == "role_limit" and found["verdicts"]["pool_too_small"] == "excluded"
    assert found["who"] == "role shop may have 6 connections and has 6"


def test_of_a_role_that_is_used_up_only_idle_sessions_of_others_may_end():
    ended = to_end(Measured("api", TWO, limited(10, 6, 4), CLEAN), Limits())["terminate_idle"]
    assert [one["pid"] for one in ended] == [100, 101, 102, 103]


def test_a_pool_is_raised_only_as_far_as_the_role_may():
    assert larger_pool(Measured("api", TWO, limited(24, 20), {}), Limits())["size"] == 0
    larger = larger_pool(Measured("api", [pod(most=3)], limited(24, 3, 4), {}), Limits())
    assert larger["size"] + larger["overflow"] == 10 and "24 connections for role shop, 4 of them held by others" in larger["arithmetic"]


def test_a_session_is_named_so_that_it_can_be_found():
    words = _sessions.in_words(session(7, "report", "idle in transaction", state_seconds=42.0, query="LOCK TABLE orders"))
    assert words == "pid 7 of report (pod report-1, user report, idle in transaction for 42 s): `LOCK TABLE orders`"


def test_what_a_client_writes_reaches_nobody_with_control_characters_or_secrets():
    said = "SET password = 'hunter22'\x1b]0;x\x07"
    row = _sessions._named({"pid": 1, "user": "shop", "application": "psql\x1b[31m", "address": "10.0.0.8", "query": said}, {})
    assert row["client"] == "psql (shop at 10.0.0.8)" and "\x1b" not in row["query"] and "hunter22" not in row["query"]


def test_two_clients_of_one_program_are_two():
    rows = [_sessions._named({"pid": n, "user": "shop", "application": "psql", "address": address, "query": ""}, {"10.0.0.7": ("api-1", "api")})
            for n, address in enumerate(["10.0.0.7", "10.0.0.8", "10.0.0.9", None])]
    assert [row["client"] for row in rows] == ["api", "psql (shop at 10.0.0.8)", "psql (shop at 10.0.0.9)", "psql (shop at its own host)"]


def test_the_lock_of_another_service_is_left_alone():
    sessions = [session(1, "migration"), session(2, "shipping", waits_for="Lock", blocked_by=[1], query_seconds=40.0),
                session(3), session(4, waits_for="Lock", blocked_by=[3], query_seconds=0.1)]
    assert to_end(Measured("api", TWO, activity(sessions), CLEAN), Limits())["terminate_root"] == []


def test_a_session_that_an_ordinary_user_may_not_see_takes_a_place():
    unseen = [session(n, "report", "unknown", backend_start="", xact_seconds=None, query_seconds=None) for n in range(70)]
    found = Measured("api", TWO, activity(unseen), {})
    assert _sessions.hidden(unseen) == 70 and larger_pool(found, Limits())["size"] == 0
    assert to_end(found, Limits())["terminate_idle"] == []


def test_without_evidence_no_cause_is_named():
    assert diagnose(Measured("api", TWO, {}, {}))["cause"] == "undetermined"


@pytest.mark.parametrize("cause, action, pids", [
    ("lock_chain", "terminate_root", [99]), ("other_client", "terminate_idle", list(range(100, 192))), ("slow_query", "terminate_slow", list(range(20)))])
def test_only_the_sessions_that_the_evidence_names_may_end(cause, action, pids):
    assert [one["pid"] for one in to_end(Measured("api", TWO, *CAUSES[cause]), Limits())[action]] == pids


def test_a_pool_is_raised_only_as_far_as_the_database_has_room():
    small = Measured("api", TWO, activity([session(1, "other")]), {})
    assert larger_pool(small, Limits(size=20, overflow=10))["size"] == 20
    fits = larger_pool(small, Limits())
    assert fits["size"] + fits["overflow"] == (100 - 3 - 1 - 5) // 3
    full = larger_pool(Measured("api", TWO, activity([session(n, "other") for n in range(70)]), {}), Limits())
    assert full["size"] == 0 and "70 held by others" in full["arithmetic"]


def test_two_clients_of_one_program_are_told_apart_by_where_they_come_from():
    old, other = [session(number, "report", "idle in transaction", pod=name, state_seconds=age)
                  for number, name, age in ((1, "report-a", 90.0), (3, "report-b", 300.0))]
    lines = _sessions.by_place([old, {**old, "pid": 2, "state_seconds": 20.0}, other])
    assert lines == [
        "2 from pod report-a, longest pid 1 of report (pod report-a, user report, idle in transaction for 90 s): `SELECT 1`",
        "pid 3 of report (pod report-b, user report, idle in transaction for 300 s): `SELECT 1`"]
