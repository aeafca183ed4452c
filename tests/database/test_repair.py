"""Repair from the audit log, on a real database."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess

import psycopg2
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _apply, _audit, _constraints, _plan, _tables
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._apply import Begun, Repair
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import AuditLog
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._modes import MODES, Work
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import data_repair

CORRUPT = pathlib.Path(__file__).parents[1] / "lab/shop/faults/corrupt_data.sql"
TABLES = (("orders", "id"), ("order_items", "id"))
REPAIR_OPTIONS = ("incident_id", "rules_files", "rules", "approved_plan", "tables", "batch_size", "lock_timeout", "statement_timeout")
STATE = "SELECT 'o', orders::text FROM orders UNION ALL SELECT 'i', order_items::text FROM order_items ORDER BY 1, 2"


def quiet(_line: str) -> None:
    pass


@pytest.fixture
def corrupted(postgres):
    postgres.execute(CORRUPT.read_text())
    return postgres


@contextlib.contextmanager
def session(postgres, read_only=False, user="shop"):
    with contextlib.closing(postgres.database(user).connect(read_only=read_only, settings=_audit.SETTINGS)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED")
        yield connection


def tables_of(connection):
    return {name: _tables.describe(connection, name, key) for name, key in TABLES}


def planned(postgres, directory):
    with session(postgres, read_only=True) as connection:
        return _plan.make(connection, AuditLog(), list(tables_of(connection).values()), directory, quiet)


def applied(postgres, plan, size=3):
    with session(postgres) as connection:
        return Repair(connection, "INC-1", tables_of(connection)).apply(plan, size, True, quiet)


def mode(name, postgres, directory, user="shop", tell=quiet, **options):
    """What data_repair does in one of its modes."""
    given = {"incident_id": "INC-1", "tables": [{"name": table, "key": key} for table, key in TABLES], **options}
    validated = ArgumentSpecValidator({key: data_repair.ARGUMENT_SPEC[key] for key in REPAIR_OPTIONS}).validate(given)
    task = Task(validated.validated_parameters, progress=tell)
    return MODES[name](Work(task, postgres.database(user), AuditLog(), directory))


def state(postgres):
    return postgres.execute(STATE)


def test_a_consistent_database_needs_no_operation(postgres, tmp_path):
    plan = planned(postgres, tmp_path)
    assert plan.total == 0 and plan.hash == ""


def test_every_row_that_the_audit_log_knows_comes_back_and_no_other_is_touched(postgres, tmp_path):
    good = state(postgres)
    postgres.execute(CORRUPT.read_text())
    bad = state(postgres)
    plan = planned(postgres, tmp_path)
    assert plan.counts == {"orders": {"insert": 4, "update": 14}, "order_items": {"insert": 10}}
    result = applied(postgres, plan)
    assert (result.written, result.skipped_count) == (28, 0)
    left = set(state(postgres)) ^ set(good)
    # two ghosts, four lines that are there twice, and the order whose entry is gone (as it was and as it is)
    assert len(left) == 2 + 4 + 2 and left <= set(bad) | set(good)
    assert planned(postgres, tmp_path).total == 0


def test_the_reversal_restores_the_broken_state_byte_for_byte(corrupted, tmp_path):
    bad = state(corrupted)
    plan = planned(corrupted, tmp_path)
    applied(corrupted, plan)
    assert state(corrupted) != bad
    with session(corrupted) as connection:
        repair = Repair(connection, "INC-1", tables_of(connection))
        script = repair.reversal(plan)
        result = repair.reverse()
        connection.commit()
    assert state(corrupted) == bad and (result.written, result.skipped_count) == (28, 0)
    applied(corrupted, planned(corrupted, tmp_path))
    corrupted.execute("ALTER ROLE shop IN DATABASE {} SET default_transaction_read_only = on".format(corrupted.name))
    run_script(corrupted, script, "shop")
    assert state(corrupted) == bad


def test_the_reconciliation_file_does_the_same_by_hand(corrupted, tmp_path):
    plan = planned(corrupted, tmp_path)
    script = (plan.directory / _plan.RECONCILIATION).read_text()
    assert 'orders 3, audit entry' in script and 'total: 29.20 -> 26.20' in script and plan.hash in script
    run_script(corrupted, script, "shop")
    assert planned(corrupted, tmp_path / "again").total == 0


def test_a_row_that_somebody_has_written_since_is_left_alone(corrupted, tmp_path):
    plan = planned(corrupted, tmp_path)
    corrupted.execute("UPDATE orders SET total = 77 WHERE id = 3")
    result = applied(corrupted, plan)
    assert (result.skipped, result.written) == (["orders 3"], 27)
    assert corrupted.execute("SELECT total FROM orders WHERE id = 3")[0][0] == 77


def test_a_connection_killed_in_a_batch_leaves_no_half_of_it_and_the_rest_is_done_by_the_next_run(corrupted, tmp_path):
    plan = planned(corrupted, tmp_path)
    # The third batch hangs on a row that somebody else has locked; there its session is ended.
    with contextlib.closing(corrupted.connect()) as blocker, session(corrupted) as connection:
        with blocker.cursor() as cursor:
            cursor.execute("SELECT FROM orders WHERE id = 8 FOR UPDATE")
        pid = connection.info.backend_pid
        told = []

        def tell(line):
            told.append(line)
            if len(told) == 4:  # two batches of inserts, two of updates
                corrupted.server.execute(f"SELECT pg_terminate_backend({pid})")

        with pytest.raises(psycopg2.OperationalError):
            Repair(connection, "INC-1", tables_of(connection)).apply(plan, 3, True, tell)
    assert len(corrupted.execute("SELECT * FROM runbooks_backup.\"INC_1_batches\"")) == 4
    kept, = corrupted.execute("SELECT count(*) FROM runbooks_backup.\"INC_1_rows\"")[0]
    assert planned(corrupted, tmp_path / "left").total == plan.total - kept
    with session(corrupted) as connection:
        repair = Repair(connection, "INC-1", tables_of(connection))
        assert repair.begun() == Begun(plan.hash, frozenset({1, 2, 3, 4}), kept)
        result = repair.apply(_plan.load(tmp_path, plan.hash), 3, True, quiet)
    assert result.resumed == 4 and result.written == plan.total - kept
    assert planned(corrupted, tmp_path / "after").total == 0


def test_a_repair_that_is_broken_off_says_so_goes_on_and_can_be_taken_back_by_its_script(corrupted, tmp_path):
    bad, plan, told = state(corrupted), planned(corrupted, tmp_path), []

    def end_the_session(line):
        told.append(line)
        if "in 3 batches" in line and not line.startswith("trying it"):
            corrupted.server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sre.runbooks'")

    with pytest.raises(ClusterError, match="ended the connection.*Run again with the same incident_id: what was finished is kept"):
        mode("apply", corrupted, tmp_path, tell=end_the_session, approved_plan=plan.hash, batch_size=3)
    half = state(corrupted)
    run_script(corrupted, (plan.directory / _apply.REVERSE).read_text(), "shop")
    assert half != bad and state(corrupted) == bad
    with pytest.raises(ClusterError, match="ended the connection"):
        mode("apply", corrupted, tmp_path, tell=end_the_session, approved_plan=plan.hash, batch_size=3)
    again = mode("plan", corrupted, tmp_path)
    assert again["plan_hash"] == plan.hash and any(line.startswith("7 of its 28 rows were dealt with") for line in again["says"])
    assert mode("dry_run", corrupted, tmp_path, batch_size=3)["written"] == 21
    done = mode("apply", corrupted, tmp_path, approved_plan=plan.hash, batch_size=3)
    assert "continued after 3 batches of an earlier run" in done["says"] and planned(corrupted, tmp_path / "after").total == 0
    assert mode("dry_run", corrupted, tmp_path)["violations"]["order_total_differs"] == 5
    assert mode("reverse", corrupted, tmp_path)["written"] == 28 and state(corrupted) == bad


def test_a_rule_with_bad_sql_does_not_keep_the_dry_run_from_judging_by_the_others(corrupted, tmp_path):
    bad = {"name": "bad", "kind": "not_null", "description": "d", "table": "orders", "key": "id", "columns": "nonsense"}
    tried = mode("dry_run", corrupted, tmp_path, rules=[bad])
    assert tried["violations"] == {"order_total_differs": 5, "order_without_items": 0, "order_without_total": 0, "item_without_order": 2,
                                   "item_twice": 4, "order_differs_from_audit_log": 0}
    [error] = tried["errors"]
    assert 'Rule bad (not_null) could not be checked: column "nonsense" does not exist' in error and error in tried["says"]


def test_a_role_that_may_not_read_a_table_or_not_write_one(corrupted, tmp_path):
    corrupted.server.execute("DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'shop-lab-password'; EXCEPTION WHEN duplicate_object THEN END $$")
    corrupted.execute("GRANT SELECT ON orders, audit_log TO reader")
    with pytest.raises(ClusterError, match="denies a permission.*order_items.*Grant it to the role"):
        mode("plan", corrupted, tmp_path, user="reader")
    corrupted.execute("GRANT SELECT ON order_items TO reader")
    bad, plan = state(corrupted), mode("plan", corrupted, tmp_path, user="reader")
    with pytest.raises(ClusterError, match="denies a permission.*Grant it to the role"):
        mode("apply", corrupted, tmp_path, user="reader", approved_plan=plan["plan_hash"])
    assert state(corrupted) == bad


def test_a_plan_that_was_not_approved_is_refused(corrupted, tmp_path):
    bad = state(corrupted)
    with pytest.raises(Refused, match="but 0123456789abcdef was approved.*Nothing was written"):
        mode("apply", corrupted, tmp_path, approved_plan="0123456789abcdef")
    assert state(corrupted) == bad


def test_another_plan_is_not_mixed_with_one_that_has_begun(corrupted, tmp_path):
    applied(corrupted, planned(corrupted, tmp_path))
    corrupted.execute("UPDATE orders SET total = 5 WHERE id = 50")
    with pytest.raises(Refused, match="has begun to apply plan"):
        applied(corrupted, planned(corrupted, tmp_path))


def test_a_plan_file_that_was_edited_is_refused(corrupted, tmp_path):
    plan = planned(corrupted, tmp_path)
    path = plan.directory / _plan.OPERATIONS
    path.write_text(path.read_text().replace("26.20", "99.99", 1))
    with pytest.raises(Refused, match="is not the file that was planned"):
        applied(corrupted, plan)


def test_a_lock_that_is_not_given_in_time_ends_the_batch(corrupted, tmp_path):
    bad, plan = state(corrupted), planned(corrupted, tmp_path)
    with contextlib.closing(corrupted.connect()) as blocker:
        with blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        with pytest.raises(ClusterError, match="did not give a lock in time.*pg_locks"):
            mode("apply", corrupted, tmp_path, approved_plan=plan.hash, lock_timeout=0.3)
    assert state(corrupted) == bad
    assert mode("apply", corrupted, tmp_path, approved_plan=plan.hash)["written"] == 28


def test_an_entry_that_says_nothing_deletes_nothing(postgres, tmp_path):
    postgres.execute("INSERT INTO audit_log (action, table_name, row_id) VALUES ('order_touched', 'orders', 5)")
    assert planned(postgres, tmp_path).total == 0


def test_a_row_that_was_removed_according_to_the_audit_log_is_deleted(postgres, tmp_path):
    postgres.execute("INSERT INTO audit_log (action, table_name, row_id, old_value) "
                     "SELECT 'item_removed', 'order_items', id, to_jsonb(order_items) FROM order_items WHERE id = 7")
    plan = planned(postgres, tmp_path)
    assert plan.counts["order_items"] == {"delete": 1}
    applied(postgres, plan)
    assert postgres.execute("SELECT FROM order_items WHERE id = 7") == []


def test_a_missing_row_whose_entry_lacks_columns_is_not_guessed(postgres, tmp_path):
    postgres.execute("INSERT INTO audit_log (action, table_name, row_id, new_value) VALUES ('order_created', 'orders', 5000, '{\"total\": 3}')")
    plan = planned(postgres, tmp_path)
    assert plan.total == 0 and plan.undecided_count == 1 and "does not have every column" in plan.undecided[0].reason


def test_planning_writes_nothing(corrupted, tmp_path):
    counters = """SELECT pg_current_wal_insert_lsn()::text, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database
                  WHERE datname = current_database()"""
    corrupted.server.execute("VACUUM", corrupted.name)  # or a read cleans pages up, which is logged
    before = corrupted.execute(counters)
    planned(corrupted, tmp_path)
    assert corrupted.execute(counters) == before


def test_why_the_audit_log_does_not_decide(corrupted):
    with session(corrupted, read_only=True) as connection:
        assert _audit.why_undecided(connection, AuditLog(), tables_of(connection)["orders"], ["28", "40"]) == {
            "28": "the audit log has no entry for it", "40": "the audit log does not say otherwise (entry 40)"}
    corrupted.execute("UPDATE audit_log SET checksum_mismatch = true WHERE table_name = 'orders' AND row_id = 25")
    with session(corrupted, read_only=True) as connection:
        assert _audit.why_undecided(connection, AuditLog(), tables_of(connection)["orders"], ["25"]) == {
            "25": "all of its 2 audit entries have checksums that do not match"}


def proposed(postgres):
    with session(postgres, read_only=True) as connection:
        return _constraints.propose(_rules.load([], []), lambda table, key: _tables.column_type(connection, table, key))


def run_script(postgres, sql, user="postgres"):
    """By psql, as a person would."""
    subprocess.run(["psql", "-h", postgres.server.directory, "-p", str(postgres.server.port), "-U", user, "-q", "-v", "ON_ERROR_STOP=1",
                    "-f", "-", postgres.name], input=sql, text=True, check=True)


def test_the_proposed_constraints_hold_on_good_data_and_refuse_bad_rows(postgres):
    run_script(postgres, proposed(postgres))
    for bad in ("INSERT INTO orders (customer, total) VALUES ('bob', 5)",
                "UPDATE orders SET total = total + 1 WHERE id = 3",
                "UPDATE orders SET total = NULL WHERE id = 3",
                "DELETE FROM order_items WHERE id = 5",
                "INSERT INTO order_items (order_id, product, quantity, price) VALUES (99999, 'x', 1, 1)",
                "INSERT INTO order_items (order_id, product, quantity, price) SELECT order_id, product, 1, 0 FROM order_items WHERE id = 7"):
        with pytest.raises(psycopg2.IntegrityError):
            postgres.execute(bad)
    postgres.execute("WITH placed AS (INSERT INTO orders (customer, total) VALUES ('bob', 5) RETURNING id) "
                     "INSERT INTO order_items (order_id, product, quantity, price) SELECT id, 'x', 5, 1 FROM placed")
