"""Every kind of rule finds exactly the planted rows; what goes wrong is said, and goes on from where it was."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import multiprocessing
import resource
import sys
import threading
import time

import pytest
from postgres_server import replica

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _findings, _rules, _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._run import Options
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import State
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import exported_snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore

TOTALS = {"name": "totals", "kind": "derived_total", "description": "d", "table": "orders", "key": "id", "column": "total",
          "of": {"table": "order_items", "column": "order_id", "expression": "quantity * price"}, "customer": "customer", "time": "created_at"}
MISSING = {"name": "missing", "kind": "not_null", "description": "d", "table": "orders", "key": "id", "columns": "total"}


@dataclasses.dataclass
class Checked:
    findings: dict
    keys: dict
    errors: dict
    lines: list


@pytest.fixture
def checked(postgres, tmp_path):
    """Check rules as the module does, and read what was exported."""
    def check(*rules, user="shop", options=None, statement_timeout=60, lock_timeout=5, connect=None, **shown):
        rules = _rules.parse(list(rules)) if rules else _rules.load([], [])
        database, store, lines = postgres.database("postgres"), EvidenceStore(str(tmp_path), "INC-1", "test"), []
        state = State(tmp_path / "state", rules)
        asked = postgres.database(user)
        connect = connect or (lambda: asked.connect(statement_timeout=statement_timeout, lock_timeout=lock_timeout))
        with exported_snapshot(database) as snapshot:
            errors = _run.check(connect, snapshot, rules, state, options or Options(), lines.append)
        found, _customers = _findings.findings(rules, state, errors, _findings.Options(**shown), store, "check")
        return Checked({one["rule"]: one for one in found}, {one["rule"]: keys(one) for one in found}, errors, lines)
    return check


def keys(finding):
    if not finding.get("export") or finding["export"]["format"] != "csv":
        return []
    with open(finding["export"]["file"], newline="") as file:
        return sorted(int(row[0]) for row in list(csv.reader(file))[1:])


def test_a_sound_database_breaks_no_rule(checked):
    assert {rule: one["count"] for rule, one in checked().findings.items()} == dict.fromkeys((
        "order_total_differs", "order_without_items", "order_without_total", "item_without_order", "item_twice",
        "order_differs_from_audit_log", "audit_checksum_mismatch"), 0)


def test_every_planted_row_is_found_and_none_else(postgres, checked):
    postgres.execute("""
        ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey, DROP CONSTRAINT one_line_per_product;
        UPDATE orders SET total = total + 1.5 WHERE id IN (3, 4);
        UPDATE orders SET total = NULL WHERE id = 5;
        DELETE FROM order_items WHERE order_id = 6;
        UPDATE orders SET total = 0 WHERE id = 7;
        DELETE FROM order_items WHERE order_id = 7;
        INSERT INTO order_items (id, order_id, product, quantity, price) VALUES (1001, 5000, 'book', 1, 2.5), (1002, 5000, 'pen', 2, 1);
        INSERT INTO order_items (id, order_id, product, quantity, price) VALUES (1003, 8, 'book', 3, 1), (1004, 8, 'book', 1, 1);
        DELETE FROM orders WHERE id = 9;
        INSERT INTO audit_log (id, action, table_name, row_id, checksum_mismatch, created_at) VALUES
            (2001, 'data_modification', 'orders', 1, true, '2026-01-01 10:00:00.5+00'), (2002, 'data_modification', 'orders', 2, false, now()),
            (2003, 'other', 'orders', 1, true, '2026-01-01 12:00:00+00'), (2004, 'data_modification', 'orders', 3, true, '2026-01-02 10:00:00+00')""")
    found = checked()
    ninth = [id for id, in postgres.execute("SELECT id FROM order_items WHERE order_id = 9 ORDER BY id")]
    assert found.keys == {
        "order_total_differs": [3, 4, 5, 6, 8], "order_without_items": [6, 7], "order_without_total": [5],
        "item_without_order": [*ninth, 1001, 1002], "item_twice": [1003, 1004],
        "order_differs_from_audit_log": [3, 4, 5, 7, 9], "audit_checksum_mismatch": [2001, 2003, 2004]}
    totals, marked = found.findings["order_total_differs"], found.findings["audit_checksum_mismatch"]
    assert (totals["customers"], totals["amount"], totals["amount_absolute"]) == (1, "-1.00", "59.40")
    assert (marked["kind"], marked["first"], marked["last"]) == ("flagged", "2026-01-01T10:00:00.5Z", "2026-01-02T10:00:00Z")
    assert found.findings["item_without_order"]["amount"] == "30.70"


def test_sums_of_two_tables_differ(postgres, checked):
    postgres.execute("""CREATE TABLE payments (order_id bigint, amount numeric(12, 2));
        INSERT INTO payments SELECT id, total / 2 FROM orders, generate_series(1, 2) WHERE id <> 4;
        UPDATE payments SET amount = 0 WHERE order_id = 7; INSERT INTO payments VALUES (999, 1), (NULL, 5)""")
    found = checked({"name": "paid", "kind": "sums", "description": "d", "table": "payments", "by": "order_id", "expression": "amount",
                     "other": {"table": "orders", "by": "id", "expression": "total"}})
    assert found.keys["paid"] == [4, 7, 999]
    assert found.findings["paid"]["amount"] == "-51.40"


def test_plain_sql_and_conditions(postgres, checked):
    found = checked(
        {"name": "dear", "kind": "sql", "description": "d", "key": "id", "amount": "total", "sample": ["total", "customer"],
         "query": "SELECT * FROM orders WHERE total > 26 AND id % 50 = 0 -- every fiftieth"},
        {**TOTALS, "where": "id > 10", "of": {**TOTALS["of"], "where": "product <> 'pen' OR order_id > 12"}})
    assert found.keys == {"dear": [50, 100], "totals": [11, 12]}
    assert found.findings["dear"]["samples"][0] == {"id": "50", "amount": "26.20", "total": "26.20", "customer_column": "alice"}
    assert found.findings["totals"]["way"] == "planner"


def test_names_are_quoted(postgres, checked):
    postgres.execute("""CREATE SCHEMA "Odd one"; CREATE TABLE "Odd one"."Order" ("the ""key" int, "select" text);
        INSERT INTO "Odd one"."Order" VALUES (1, 'x'), (2, NULL), (3, 'x')""")
    odd = {"description": "d", "table": "Odd one.Order", "key": 'the "key', "columns": "select", "sample": "select"}
    assert checked({**odd, "name": "null", "kind": "not_null"}, {**odd, "name": "twice", "kind": "duplicates"}).keys == {"null": [2], "twice": [3]}


@pytest.mark.parametrize("total", ["money", "numeric(10, 2)", "float8"])
def test_columns_that_are_called_as_a_finding_is_and_comments_in_expressions(postgres, checked, total):
    """The amount is of what was compared, and a comment ends no more than its expression."""
    postgres.execute(f"""CREATE TABLE "of.o" (id int, found bool, expected date, nth int, total {total}); CREATE TABLE i (oid int, x {total});
        INSERT INTO "of.o" SELECT n, true, '2026-01-01', n, n::numeric::{total} FROM generate_series(1, 2) AS n;
        INSERT INTO i SELECT 1, n::numeric::{total} FROM generate_series(2, 3) AS n""")
    own = {"description": "d", "table": '"of.o"', "key": "id", "sample": ["expected"]}
    of = {"table": "i", "column": "oid", "expression": "x -- gross", "where": "true -- all"}
    found = checked({**own, "name": "totals", "kind": "derived_total", "column": "total", "where": "id < 2 -- the old ones", "of": of},
                    {**own, "name": "twice", "kind": "duplicates", "columns": "found", "amount": "nth -- of each"})
    assert not found.errors and found.keys == {"totals": [1], "twice": [2]}
    assert [float(found.findings[name]["amount"]) for name in ("totals", "twice")] == [-4, 2]
    assert found.findings["totals"]["samples"][0]["expected_column"] == "2026-01-01"


@pytest.mark.parametrize(("row", "values"), [("text", "jsonb"), ("bigint", "json"), ("text", "text"), ("numeric", "jsonb")])
def test_an_audit_log_of_other_types_than_the_table(postgres, checked, row, values):
    postgres.execute(f"""CREATE TABLE o (id int, total numeric(10, 2)); INSERT INTO o VALUES (1, 5), (2, 6);
        CREATE TABLE log (id serial, row_id {row}, value {values});
        INSERT INTO log (row_id, value) VALUES ('1', '{{"total": 5.0}}'), ('2', '{{"total": "7"}}'), ('3', '{{"total": 1}}'), ('3', 'null')""")
    rule = {"name": "audit", "kind": "audit_mismatch", "description": "d", "table": "o", "key": "id", "column": "total",
            "audit": {"table": "log", "row": "row_id", "order": "id", "values": "value"}}
    assert checked(rule).keys == {"audit": [2]}


def test_samples_are_redacted_and_name_no_customer_unless_allowed(postgres, checked):
    postgres.execute("UPDATE orders SET total = NULL WHERE id < 10; UPDATE orders SET customer = 'token=abcdefgh12345' WHERE id = 1")
    rule = {**MISSING, "customer": "customer"}
    assert [list(row) for row in checked(rule, samples=3).findings["missing"]["samples"]] == [["id"]] * 3
    shown = checked(rule, sample_customers=True, samples=20).findings["missing"]["samples"]
    assert {"alice", "token=[REDACTED]"} == {row["customer"] for row in shown}


@pytest.mark.parametrize(("index", "way"), [
    ("", "pass"), ("(order_id)", "pass"), ("(order_id) INCLUDE (quantity, price)", "ranges"), ("(order_id, price, quantity)", "ranges"),
    ("(product, order_id, quantity, price)", "pass")])
def test_how_it_is_read_follows_the_index(postgres, checked, index, way):
    postgres.execute("""ALTER TABLE order_items DROP CONSTRAINT one_line_per_product; TRUNCATE order_items;
        INSERT INTO order_items (order_id, product, quantity, price)
            SELECT 1 + n % 100, 'p' || n, 1, n FROM generate_series(1, 20000) n ORDER BY hashint4(n);
        UPDATE orders SET total = (SELECT sum(quantity * price) FROM order_items WHERE order_id = orders.id);
        UPDATE orders SET total = 1 WHERE id IN (1, 50, 100)""")
    if index:
        postgres.execute(f"CREATE INDEX ON order_items {index}")
    postgres.server.execute("VACUUM ANALYZE", postgres.name)
    found = checked(TOTALS, options=Options(rows_per_range=3000))
    assert (found.keys["totals"], found.findings["totals"]["way"]) == ([1, 50, 100], way), found.findings["totals"]["why"]
    assert len(found.findings["totals"]["snapshots"][0]["slices"]) == (7 if way == "ranges" else 1)


def test_a_bad_rule_is_an_error_of_its_own(postgres, checked):
    postgres.execute("UPDATE orders SET total = NULL WHERE id = 5")
    found = checked({**MISSING, "name": "typo", "columns": "totl"}, {**MISSING, "name": "syntax", "where": "id >> > 3"},
                    {"name": "writes", "kind": "sql", "description": "d", "key": "id", "query": "DELETE FROM orders RETURNING id"}, MISSING)
    assert found.keys["missing"] == [5]
    assert set(found.errors) == {"typo", "syntax", "writes"}
    assert 'column "totl" does not exist' in found.errors["typo"]
    assert "syntax error" in found.errors["syntax"]
    assert found.findings["typo"]["count"] is None
    assert postgres.execute("SELECT count(*) FROM orders") == [(100,)]


def test_a_role_that_may_not_read_a_table(postgres, checked):
    postgres.server.execute("DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'shop-lab-password'; EXCEPTION WHEN duplicate_object THEN END $$")
    postgres.execute("GRANT SELECT ON orders TO reader")
    found = checked(TOTALS, MISSING, user="reader")
    assert found.errors == {"totals": "Rule totals (derived_total) could not be checked: permission denied for table order_items. "
                                      "Grant SELECT on it to the role that the checks use."}
    assert found.findings["missing"]["count"] == 0


def test_wrong_password(postgres, checked):
    with pytest.raises(RunbookError, match="does not let us in"):
        checked(MISSING, connect=postgres.database(password="wrong").connect)


def test_a_locked_table(postgres, checked):
    with contextlib.closing(postgres.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE")
        found = checked(TOTALS, MISSING, lock_timeout=0.3)
    assert set(found.errors) == {"totals"}
    assert "lock timeout" in found.errors["totals"]
    assert checked(TOTALS, MISSING).errors == {}, "what was not finished is checked by the next run"


def test_a_statement_that_takes_too_long(postgres, checked):
    slow = {"name": "slow", "kind": "sql", "description": "d", "key": "id", "query": "SELECT id FROM orders, pg_sleep(30)"}
    assert "statement timeout" in checked(slow, statement_timeout=0.3).errors["slow"]


def test_whoever_waits_sees_what_runs_and_how_far_it_is(postgres, checked, monkeypatch):
    monkeypatch.setattr(_run, "HEARTBEAT", 0.3)
    monkeypatch.setattr(_run, "QUIET", 0)
    postgres.execute("CREATE INDEX ON order_items (order_id) INCLUDE (quantity, price)")
    postgres.server.execute("VACUUM ANALYZE", postgres.name)
    slow = {"name": "slow", "kind": "sql", "description": "d", "key": "id", "query": "SELECT id FROM orders, pg_sleep(2)"}
    lines = checked(TOTALS, slow, options=Options(connections=1, rows_per_range=100)).lines
    assert any(line.startswith("totals: 1 of 2 parts (50%), 0 rows") for line in lines)
    assert any(line.startswith("running: slow (") for line in lines)
    assert lines[-1].startswith("slow: finished, 100 rows")


def test_a_killed_connection_goes_on_where_it_was(postgres, checked):
    postgres.execute("CREATE INDEX ON order_items (order_id) INCLUDE (quantity, price); UPDATE orders SET total = 1 WHERE id IN (2, 90)")
    postgres.server.execute("VACUUM ANALYZE", postgres.name)
    slow = {**TOTALS, "name": "slow", "of": {**TOTALS["of"], "expression": "quantity * price + (CASE WHEN order_id = 50 THEN"
                                             " (SELECT 0 FROM pg_sleep(5)) ELSE 0 END)"}}
    killer = threading.Thread(target=kill_sleeper, args=(postgres,))
    killer.start()
    with pytest.raises(RunbookError, match=r"connection to the database was lost while rule slow was checked after 4 of 10 parts.*1 of 2 rules"):
        checked(MISSING, slow, options=Options(connections=1, rows_per_range=20))
    killer.join()
    postgres.execute("UPDATE orders SET total = NULL")
    found = checked(MISSING, slow, options=Options(connections=1, rows_per_range=20))
    earlier, later = found.findings["slow"]["snapshots"]
    assert found.findings["missing"]["count"] == 0, "what was finished is not asked again"
    assert found.keys["slow"] == [2, *range(41, 101)], "each part is as its own snapshot was"
    assert (len(earlier["slices"]), len(later["slices"])) == (4, 6)
    assert earlier["id"] != later["id"] and earlier["taken_at"] < later["taken_at"]


def kill_sleeper(postgres):
    while not postgres.server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        time.sleep(0.05)


def test_a_check_writes_nothing(postgres, checked):
    checked()  # the first reader tidies pages up that others have written
    before = written(postgres)
    checked()
    rows, position = written(postgres)
    assert rows == before[0]
    assert position - before[1] < 120, "the server itself may note which transactions run"


def written(postgres):
    """Rows that were ever written, and the position of the WAL."""
    [(rows, position)] = postgres.server.execute(f"""
        SELECT tup_inserted + tup_updated + tup_deleted, pg_current_wal_insert_lsn() - '0/0'
        FROM pg_stat_database WHERE datname = '{postgres.name}'""")
    return rows, position


def test_a_replica_is_checked_as_it_is(postgres, tmp_path):
    postgres.execute("UPDATE orders SET total = NULL WHERE id < 4")
    with replica(postgres.server) as standby:
        asked, rules = standby.database(postgres.name), _rules.load([], [])
        state = State(tmp_path, rules)
        with exported_snapshot(asked) as snapshot:
            assert _run.check(asked.connect, snapshot, rules, state) == {}
        assert {rule.name: rows for rule in rules if (rows := sum(part.rows for part in state.of(rule).parts))} == {
            "order_total_differs": 3, "order_without_total": 3, "order_differs_from_audit_log": 3}


def test_a_replica_that_ends_what_stands_in_its_way(postgres, tmp_path):
    with replica(postgres.server, max_standby_streaming_delay="0") as standby:
        asked, rules = standby.database(postgres.name), _rules.parse([MISSING])
        with exported_snapshot(asked) as snapshot:
            postgres.execute("DELETE FROM audit_log")
            postgres.server.execute("VACUUM audit_log", postgres.name)
            while standby.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'sre.runbooks'"):
                time.sleep(0.1)
            with pytest.raises(RunbookError, match="snapshot .* is gone.*hot_standby_feedback"):
                _run.check(asked.connect, snapshot, rules, State(tmp_path, rules))


def test_a_controller_that_is_killed_goes_on_where_it_was(postgres, tmp_path):
    """As with kill -9: nothing can be tidied up, and the server ends the session by itself."""
    postgres.execute("UPDATE orders SET total = NULL WHERE id = 5")
    slow = {"name": "slow", "kind": "sql", "description": "d", "key": "id", "query": "SELECT id FROM orders, pg_sleep(60)"}
    rules, options = _rules.parse([MISSING, slow]), Options(connections=1)
    child = multiprocessing.get_context("fork").Process(target=run_check, args=(postgres, rules, tmp_path, options))
    child.start()
    while not postgres.server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        time.sleep(0.05)
    child.kill()
    child.join()
    while postgres.server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        time.sleep(0.2)
    rules = _rules.parse([MISSING, {**slow, "query": "SELECT id FROM orders WHERE id < 4"}])
    postgres.execute("UPDATE orders SET total = NULL")
    assert run_check(postgres, rules, tmp_path, options) == {}
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
    assert sum(part.rows for part in State(tmp_path, rules).of(rules[0]).parts) == 1, "finished before, on the earlier snapshot"


def run_check(postgres, rules, directory, options):
    with exported_snapshot(postgres.database()) as snapshot:
        return _run.check(postgres.database().connect, snapshot, rules, State(directory, rules), options)


def test_an_interrupt_cancels_what_runs(postgres, tmp_path, monkeypatch):
    def interrupt(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "HEARTBEAT", 0.5)
    rules = _rules.parse([{"name": "slow", "kind": "sql", "description": "d", "key": "id", "query": "SELECT id FROM orders, pg_sleep(60)"}])
    started = time.monotonic()
    with exported_snapshot(postgres.database()) as snapshot, pytest.raises(KeyboardInterrupt):
        _run.check(postgres.database().connect, snapshot, rules, State(tmp_path, rules), progress=interrupt)
    assert time.monotonic() - started < 20
    assert postgres.server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []


def test_a_disk_that_is_full_keeps_what_was_finished(postgres, tmp_path):
    postgres.execute("INSERT INTO orders (customer, total) SELECT md5(n::text), n FROM generate_series(1, 20000) n")
    rules, limit = _rules.parse([MISSING, TOTALS]), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(RunbookError, match="Cannot write what the check found.*Free space there, then run again with the same incident_id"):
            run_check(postgres, rules, tmp_path, Options(connections=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert State(tmp_path, rules).of(rules[0]).finished and not State(tmp_path, rules).of(rules[1]).parts
    assert run_check(postgres, rules, tmp_path, Options(connections=1)) == {}


def test_a_snapshot_that_is_gone(postgres, tmp_path):
    with exported_snapshot(postgres.database()) as snapshot:
        pass
    rules = _rules.parse([MISSING])
    with pytest.raises(RunbookError, match="snapshot .* is gone"):
        _run.check(postgres.database().connect, snapshot, rules, State(tmp_path, rules))


def test_counting_in_a_transaction_that_is_open(postgres):
    with contextlib.closing(postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE orders SET total = NULL WHERE id < 4")
        bad = {**MISSING, "name": "bad", "columns": "nonsense"}
        totals, error, missing = (_run.inside(cursor, rule, 2) for rule in _rules.parse([TOTALS, bad, MISSING]))
        assert (totals.count, len(totals.keys), missing.count) == (3, 2, 3)
        assert 'column "nonsense" does not exist' in error.error
        cursor.execute("SHOW enable_indexscan")
        assert cursor.fetchone() == ("on",)


def test_large_results_are_parquet(postgres, checked):
    import pyarrow.parquet

    postgres.execute("INSERT INTO orders (customer, total) SELECT 'a \"quoted\", name' || E'\\n' || n, n FROM generate_series(1, 5000) n")
    export = checked(TOTALS, parquet_above=5000).findings["totals"]["export"]
    table = pyarrow.parquet.read_table(export["file"])
    assert (export["format"], table.num_rows, table.column_names) == (
        "parquet", 5000, ["id", "found", "expected", "amount", "customer", "at"])
    assert table.schema.field("id").type == "int64"
    assert table.column("customer")[0].as_py() == 'a "quoted", name\n1'


def test_without_pyarrow_a_large_result_is_csv_and_says_so(postgres, checked, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    postgres.execute("UPDATE orders SET total = 1")
    export = checked(TOTALS, parquet_above=10).findings["totals"]["export"]
    assert (export["format"], export["rows"]) == ("csv", 100) and "pyarrow" in export["note"]


def other_role(postgres, name, grants):
    postgres.server.execute(f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD 'shop-lab-password'; EXCEPTION WHEN duplicate_object THEN END $$")
    postgres.execute(grants)


ORPHANS = {"name": "orphans", "kind": "orphans", "description": "d", "table": "order_items", "key": "id", "column": "order_id",
           "references": {"table": "orders", "column": "id"}}


def test_rows_that_a_policy_hides_are_never_counted_as_absent(postgres, checked):
    postgres.execute("UPDATE orders SET total = 1 WHERE id = 2")
    other_role(postgres, "bound", "GRANT SELECT ON orders, order_items TO bound; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; "
                                  "CREATE POLICY own ON orders USING (customer = current_setting('app.tenant', true))")
    assert checked(TOTALS, ORPHANS).keys == {"totals": [2], "orphans": []}, "the owner sees every row"
    found = checked({**TOTALS, "name": "totals_bound"}, {**ORPHANS, "name": "orphans_bound"}, {**MISSING, "table": "order_items", "columns": "price"},
                    user="bound")
    assert set(found.errors) == {"totals_bound", "orphans_bound"}
    assert all("row-level security policy" in error and "BYPASSRLS" in error for error in found.errors.values())


@pytest.mark.parametrize(("type_name", "totals", "finite", "without"), [
    ("numeric", ("'NaN'", 20), "5", 1), ("float8", ("'NaN'", 20), "5", 1), ("float8", ("'Infinity'", "'-Infinity'"), "0", 2),
    ("float8", ("'Infinity'", 20), "5", 1)])
def test_what_is_no_finite_amount_is_counted_and_not_added(postgres, checked, type_name, totals, finite, without):
    postgres.execute(f"CREATE TABLE o (id bigint, total {type_name}); CREATE TABLE i (oid bigint, x {type_name});"
                     f"INSERT INTO o VALUES (1, {totals[0]}), (2, {totals[1]}); INSERT INTO i VALUES (1, 10), (2, 25)")
    rule = {**TOTALS, "table": "o", "of": {"table": "i", "column": "oid", "expression": "x"}}
    rule = {key: value for key, value in rule.items() if key not in ("customer", "time")}
    found = checked(rule, {**rule, "name": "again"}).findings["totals"]
    assert (found["count"], found["amount_absolute"], found["amounts_not_finite"]) == (2, finite, without)


def test_times_without_an_end_are_no_first_and_last(postgres, checked):
    postgres.execute("CREATE TABLE o (id int, total int, at timestamptz); INSERT INTO o VALUES (1, NULL, 'infinity'), (2, NULL, '-infinity'),"
                     "(3, NULL, '0044-03-15 BC'), (4, NULL, '2026-01-01 00:00+00'), (5, NULL, NULL)")
    found = checked({**MISSING, "table": "o", "time": "at"}).findings["missing"]
    assert (found["count"], found["first"], found["last"]) == (5, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(("types", "tolerance", "expected"), [
    (("float8", "float8"), None, [2, 3]), (("numeric", "float8"), None, [2, 3]), (("real", "real"), None, [2, 3]), (("numeric", "numeric"), None, [2, 3]),
    (("float8", "float8"), 0.6, [3]), (("numeric(10, 2)", "numeric(10, 2)"), 0.5, [3]), (("numeric(10, 2)", "numeric(10, 2)"), 0.49, [2, 3])])
def test_sums_of_floats_differ_by_more_than_their_rounding(postgres, checked, types, tolerance, expected):
    """Order 1 has three times 0.1; order 2 is half a unit off, order 3 has no total."""
    postgres.execute(f"CREATE TABLE o (id bigint, total {types[0]}); CREATE TABLE i (oid bigint, x {types[1]});"
                     "INSERT INTO o VALUES (1, 0.3::numeric), (2, 10.5::numeric), (3, NULL);"
                     "INSERT INTO i VALUES (1, 0.1::numeric), (1, 0.1::numeric), (1, 0.1::numeric), (2, 10::numeric)")
    of = {"table": "i", "column": "oid", "expression": "x"}
    rule = {"name": "totals", "kind": "derived_total", "description": "d", "table": "o", "key": "id", "column": "total", "of": of}
    sums = {"name": "sums", "kind": "sums", "description": "d", "table": "o", "by": "id", "expression": "total",
            "other": {"table": "i", "by": "oid", "expression": "x"}}
    bounds = {} if tolerance is None else {"tolerance": tolerance}
    found = checked({**rule, **bounds}, {**sums, **bounds})
    assert found.keys == {"totals": expected, "sums": [row for row in expected if row != 3]}


def test_keys_of_several_columns(postgres, checked):
    postgres.execute("""
        CREATE TABLE o (shop int, id int, total numeric, PRIMARY KEY (shop, id)); CREATE TABLE i (shop int, o_id int, x numeric);
        CREATE TABLE log (id serial, shop int, o_id int, value jsonb);
        INSERT INTO o VALUES (1, 1, 10), (2, 1, 20), (2, 2, 30); INSERT INTO i VALUES (1, 1, 10), (2, 1, 25), (2, 2, 30), (3, 1, 5);
        INSERT INTO log (shop, o_id, value) VALUES (1, 1, '{"total": 10}'), (2, 1, '{"total": 25}'), (2, 2, '{"total": 30}'), (9, 9, '{"total": 1}')""")
    key = ["shop", "id"]
    found = checked(
        {"name": "totals", "kind": "derived_total", "description": "d", "table": "o", "key": key, "column": "total",
         "of": {"table": "i", "column": ["shop", "o_id"], "expression": "x"}},
        {"name": "orphans", "kind": "orphans", "description": "d", "table": "i", "key": ["shop", "o_id"], "column": ["shop", "o_id"],
         "references": {"table": "o", "column": key}},
        {"name": "sums", "kind": "sums", "description": "d", "table": "o", "by": key, "expression": "total",
         "other": {"table": "i", "by": ["shop", "o_id"], "expression": "x"}},
        {"name": "audit", "kind": "audit_mismatch", "description": "d", "table": "o", "key": key, "column": "total",
         "audit": {"table": "log", "row": ["shop", "o_id"], "order": "id", "values": "value"}})
    assert not found.errors
    assert {rule: [list(row.values())[:2] for row in one["samples"]] for rule, one in found.findings.items()} == {
        "totals": [["2", "1"]], "orphans": [["3", "1"]], "sums": [["2", "1"], ["3", "1"]], "audit": [["2", "1"], ["9", "9"]]}


def test_who_holds_the_lock_is_named(postgres, checked):
    with contextlib.closing(postgres.server.connect(postgres.name, "shop", application_name="migration")) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE")
        pid, error = holder.info.backend_pid, checked(TOTALS, lock_timeout=0.3).errors["totals"]
    assert f"pid {pid} shop migration has AccessExclusiveLock on order_items for " in error


def test_a_server_that_does_not_tell_its_position_is_checked_all_the_same(postgres, checked):
    """As on Aurora, where these functions raise an error."""
    postgres.server.execute("""CREATE SCHEMA aurora; GRANT USAGE ON SCHEMA aurora TO public;
        CREATE FUNCTION aurora.pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE plpgsql AS $$BEGIN RAISE 'not supported'; END$$""", postgres.name)
    postgres.server.execute(f"ALTER DATABASE {postgres.name} SET search_path = aurora, pg_catalog, public")
    with exported_snapshot(postgres.database()) as snapshot:
        assert snapshot.wal_position == "" and snapshot.id
    assert checked(MISSING).errors == {}
