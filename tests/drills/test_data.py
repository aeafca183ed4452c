"""Inconsistent data: writes really stop, nothing is repaired unapproved, and all of it can be taken back."""

from __future__ import annotations

import contextlib
import csv
import json
import pathlib
import re
import subprocess
import time

import pytest
from drill import CLUSTER, NAMESPACE, cause, interrupted, until
from postgres_server import PASSWORD

STATE = "SELECT 'o', orders::text FROM orders UNION ALL SELECT 'i', order_items::text FROM order_items ORDER BY 1, 2"
LAST_WRITE = "SELECT extract(epoch FROM clock_timestamp() - max(created_at)) FROM audit_log WHERE NOT checksum_mismatch"
NEWEST = """SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM audit_log ORDER BY id DESC LIMIT 1"""
#: by rule, what tests/lab/shop/faults/corrupt_data.sql plants
PLANTED = {
    "order_total_differs": "SELECT id FROM orders WHERE id BETWEEN 1 AND 16 OR id BETWEEN 21 AND 24 OR id = 28",
    "order_without_items": "SELECT id FROM orders WHERE id BETWEEN 12 AND 16",
    "order_without_total": "SELECT 11",
    "item_without_order": "SELECT id FROM order_items WHERE order_id BETWEEN 17 AND 20 OR product = 'ghost'",
    "item_twice": "SELECT max(id) FROM order_items WHERE order_id BETWEEN 21 AND 24 AND product = 'pen' GROUP BY order_id",
    "order_differs_from_audit_log": "SELECT generate_series(1, 11) UNION SELECT generate_series(17, 20)",
    "audit_checksum_mismatch": "SELECT id FROM audit_log WHERE actor = 'migration'",
}
CHANGES = {
    "set deployment/api-server api-server: READ_ONLY_MODE=true",
    "make transactions of database role shop@shop read-only, and end its sessions",
}


@pytest.fixture
def corrupted(healed):
    cause("data_corrupted")
    return healed


def sql(shop, statement):
    """What psql prints for the superuser, one line a row."""
    return shop.kubectl("exec", "deploy/postgres", "--", "psql", "-h", "/tmp", "-U", "postgres", "-XAtq", "-c", statement, "shop").strip()


def written(shop):
    """Rows that were written to the database, and bytes to the server's log."""
    rows = "SELECT tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()"
    return int(sql(shop, rows)), int(sql(shop, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))


def evidence(runbook, incident_id, name):
    return json.loads((runbook.incidents / incident_id / CLUSTER.name / "evidence" / name).read_text())


def flat(done):
    return " ".join(done.stdout.split())


def found(runbook, incident_id):
    """The keys of the rows that were exported, by rule."""
    directory = runbook.incidents / incident_id / CLUSTER.name / "evidence/consistency/check"
    return {path.stem: {int(row[0]) for row in list(csv.reader(path.open()))[1:]} for path in directory.glob("*.csv")}


def psql(shop, database, script):
    shop.kubectl("exec", "-i", "deploy/postgres", "--", "psql", "-h", "/tmp", "-U", "postgres", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-", database,
                 stdin=script)


def test_every_planted_row_is_found_and_the_dump_has_what_was_seen(corrupted, runbook, incident_id):
    restorer = {"host": "postgres", "user": "restorer", "password": PASSWORD}
    sql(corrupted, f"CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    planted = {rule: {int(key) for key in sql(corrupted, query).split()} for rule, query in PLANTED.items()}
    done = runbook.run("incident/data_inconsistency.yml", incident_id=incident_id,
                       data_inconsistency_restore_on={**restorer, "name": "postgres"})
    assert done.returncode == 0 and "a trial restore has the same" in flat(done)
    assert found(runbook, incident_id) == planted, "every planted row and none else, while orders were placed"

    [dump] = (runbook.incidents / incident_id / CLUSTER.name / "evidence/database_dump").glob("*.dump")
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=dump, check=True)
    sql(corrupted, "CREATE DATABASE restored")
    psql(corrupted, "restored", subprocess.run(
        ["pg_restore", "--no-owner", "--no-privileges", "-f", "-", dump], check=True, capture_output=True, text=True).stdout)
    checked = runbook.module("sre.runbooks.data_consistency_info", {
        "namespace": NAMESPACE, "database": {**restorer, "name": "restored"}})["result"]
    assert {one["rule"]: one["count"] for one in checked["findings"]} == {rule: len(keys) for rule, keys in planted.items()}

    told = [done.stdout, *(path.read_text("utf-8", "ignore") for path in runbook.incidents.rglob("*") if path.is_file())]
    assert not any(PASSWORD in text for text in told)


def test_writes_stop_what_is_approved_is_repaired_and_everything_goes_back(corrupted, runbook, incident_id):
    def run(**variables):
        return runbook.run("incident/data_inconsistency.yml", incident_id=incident_id, **variables)

    done = run()
    assert done.returncode == 0 and "contained" in done.stdout
    broken = sql(corrupted, STATE)

    # customers go on ordering, and nothing of it arrives
    assert float(sql(corrupted, LAST_WRITE)) > 10
    writes = evidence(runbook, incident_id, "writes.json")
    assert [pod["refused"] for pod in writes["pods"]] == [True] * 3 and writes["read_only_default"]
    assert writes["last_write_after"] < 10, "the database refuses writes long before the rollout ends"
    assert writes["writes"]["last_write_at"] == sql(corrupted, NEWEST), "nothing was written after what was reported"
    sql(corrupted, "CREATE TABLE upkeep (); DROP TABLE upkeep")  # a superuser is not affected

    assert run(data_inconsistency_approved_repair="0123456789abcdef").returncode != 0
    assert sql(corrupted, STATE) == broken, "another plan was approved: nothing is repaired"

    asked = {"namespace": NAMESPACE, "incident_id": incident_id, "incidents_dir": str(runbook.incidents)}
    plan = runbook.module("sre.runbooks.data_repair", asked)["result"]
    assert plan["counts"] == {"orders": {"insert": 4, "update": 14}, "order_items": {"insert": 10}}
    done = run(data_inconsistency_approved_repair=plan["plan_hash"])
    assert done.returncode == 0 and "28 rows repaired" in flat(done)
    assert "11 rows break a rule (5 order_total_differs, 2 item_without_order, 4 item_twice)" in flat(done), "what the audit log cannot decide"

    [script] = (path for path in plan["files"] if path.endswith("reconcile.sql"))
    reversal = pathlib.Path(script).with_name("reverse.sql").read_text()
    psql(corrupted, "shop", reversal)
    assert sql(corrupted, STATE) == broken, "to the byte"
    assert runbook.module("sre.runbooks.data_repair", {**asked, "mode": "reverse"})["result"]["outcome"] == "nothing"

    assert runbook.run("incident/clear_temporary_fixes.yml", incident_id=incident_id).returncode == 0
    ledger = [entry for key, entry in corrupted.record(incident_id).items() if key.startswith("change")]
    assert {entry["change"]["summary"] for entry in ledger} == CHANGES and {entry["state"] for entry in ledger} == {"undone"}
    assert sql(corrupted, "SELECT * FROM pg_db_role_setting") == ""
    deadline = time.monotonic() + 30
    while float(sql(corrupted, LAST_WRITE)) > 5:
        assert time.monotonic() < deadline, "orders arrive again"
        time.sleep(1)


@pytest.fixture
def held(corrupted):
    """A transaction of somebody else, that lasts as long as the context: SQL -> context."""
    @contextlib.contextmanager
    def hold(statement):
        # A closed standard input does not end a pod's psql that sleeps. PostgreSQL is the pod's first process, so it inherits this one,
        # and takes an exit status that is not 0 for a crash of its own.
        corrupted.kubectl("exec", "deploy/postgres", "--", "sh", "-c",
                          f"(PGAPPNAME=holder psql -h /tmp -U postgres -Xqc 'BEGIN; {statement}; SELECT pg_sleep(600)' shop; true) >/dev/null 2>&1 &")
        until(lambda: sql(corrupted, "SELECT pid FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'"))
        try:
            yield
        finally:
            sql(corrupted, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'")
    return hold


def test_an_interrupt_of_check_and_dump_leaves_nothing_half_done_and_the_next_run_goes_on(corrupted, held, runbook, incident_id):
    run = runbook.start("incident/data_inconsistency.yml", incident_id=incident_id, data_inconsistency_lock_timeout=120)
    evidence_directory = runbook.incidents / incident_id / CLUSTER.name / "evidence"
    # From here to check and dump nothing of the run reads a row, and the rollout gives time to take the lock.
    until(lambda: sql(corrupted, "SELECT 1 FROM pg_db_role_setting"), timeout=180, pause=0.3)
    with held("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE"):
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'sre.runbooks'"
        until(lambda: sql(corrupted, waiting), timeout=180)
        output = interrupted(run)
    assert f"incident_id={incident_id}" in output and "Traceback" not in output
    assert "stopped in scope" in " ".join(output.split())
    assert list(evidence_directory.glob("database_dump/*.dump")) == []
    until(lambda: not sql(corrupted, "SELECT pid FROM pg_stat_activity WHERE application_name IN ('sre.runbooks', 'pg_dump')"))
    done = runbook.run("incident/data_inconsistency.yml", incident_id=incident_id)
    assert done.returncode == 0 and "contained" in done.stdout
    assert len(list((evidence_directory / "database_dump").iterdir())) == 1


def test_an_interrupt_of_a_repair_leaves_whole_batches_and_the_next_run_goes_on(corrupted, runbook, incident_id):
    asked = {"namespace": NAMESPACE, "incident_id": incident_id, "incidents_dir": str(runbook.incidents)}
    plan = runbook.module("sre.runbooks.data_repair", asked)["result"]
    # The repair waits at one row, once what came before is committed; the dry run before it waits there, too.
    sql(corrupted, """CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(15); RETURN NEW; END $$;
                      CREATE TRIGGER wait BEFORE UPDATE ON orders FOR EACH ROW WHEN (NEW.id = 8) EXECUTE FUNCTION wait()""")
    approved = {"incident_id": incident_id, "data_inconsistency_approved_repair": plan["plan_hash"], "data_inconsistency_batch_size": 3}
    run = runbook.start("incident/data_inconsistency.yml", **approved)
    committed = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('runbooks_backup') AND relname LIKE '%_batches'"
    until(lambda: sql(corrupted, committed), timeout=240, pause=0.2)
    broken_off = interrupted(run)
    assert f"incident_id={incident_id}" in broken_off and "Traceback" not in broken_off
    until(lambda: not sql(corrupted, "SELECT pid FROM pg_stat_activity WHERE application_name = 'sre.runbooks'"))
    again = runbook.module("sre.runbooks.data_repair", asked)["result"]
    assert again["plan_hash"] == plan["plan_hash"] and "were dealt with before it was broken off" in " ".join(again["says"])
    sql(corrupted, "DROP TRIGGER wait ON orders")
    done = runbook.run("incident/data_inconsistency.yml", **approved)
    assert done.returncode == 0 and "batches of an earlier run" in flat(done)
    assert runbook.module("sre.runbooks.data_repair", {**asked, "mode": "reverse"})["result"]["written"] == plan["total"]


def test_a_stale_order_in_the_cache_is_found_and_deleted_when_approved(healed, runbook, incident_id):
    def redis(*command):
        return healed.kubectl("exec", "deploy/redis", "--", "redis-cli", *command).strip()

    stale = '{"id": 1, "customer": "alice", "total": 1.00, "created_at": "2026-01-01T00:00:00Z"}'
    redis("SET", "order:1", stale)
    looked = runbook.run("incident/data_inconsistency.yml", incident_id=incident_id, data_inconsistency_dump=False)
    assert "1 cached_order_differs" in flat(looked) and "established: the cache holds what the rows do not say" in flat(looked)
    assert redis("GET", "order:1") == stale, "nothing is deleted before it is approved"
    approval = re.search(r"data_inconsistency_approved_cache=([0-9a-f]+)", flat(looked))[1]
    done = runbook.run("incident/data_inconsistency.yml", incident_id=incident_id, data_inconsistency_dump=False,
                       data_inconsistency_approved_cache=approval)
    runbook.run("incident/clear_temporary_fixes.yml", incident_id=incident_id)
    assert done.returncode == 0 and "mitigated" in flat(done), flat(done)
    assert redis("GET", "order:1") != stale, "a reader may have cached the row again by now"


def test_check_mode_writes_nothing_to_the_database(corrupted, runbook, now):
    corrupted.kubectl("scale", "deployment/load-generator", "--replicas=0")
    corrupted.kubectl("wait", "--for=delete", "pods", "-l", "app=load-generator", "--timeout=60s")
    # Reads that clean pages up, and the server's own housekeeping, are logged too.
    sql(corrupted, "ALTER SYSTEM SET autovacuum = off")
    sql(corrupted, "SELECT pg_reload_conf()")
    sql(corrupted, "VACUUM")
    time.sleep(11)  # the last sessions report what they wrote
    sql(corrupted, "CHECKPOINT")
    before = written(corrupted)
    done = runbook.run("incident/data_inconsistency.yml", "--check", "--diff")
    assert done.returncode == 0 and "would make transactions of database role shop@shop read-only" in flat(done)
    after = written(corrupted)
    assert after[0] == before[0]
    assert after[1] - before[1] < 1024, "no more than the server's own note of who is running"
    assert corrupted.writes(now) == []


def test_the_database_is_read_only_but_for_superusers_and_replication(healed, runbook, incident_id):
    asked = {"namespace": NAMESPACE, "incident_id": incident_id}
    way = {"workload": "postgres", "host": "/tmp", "user": "postgres", "name": "shop"}
    sql(healed, "CREATE ROLE clerk LOGIN; CREATE ROLE copier LOGIN REPLICATION")
    runbook.module("sre.runbooks.incident", {**asked, "state": "open", "incident_type": "drill", "workload": "api-server"})

    def read_only(roles):
        change = {"action": "database_read_only", "roles": roles, "database_ways": [way]}
        return runbook.module("sre.runbooks.mitigate", {**asked, "changes": [change], "cooldown": 0})["result"]

    def defaults():
        ask = "psql -h /tmp -U $0 -XAtqc 'SHOW default_transaction_read_only' shop"
        return {role: healed.kubectl("exec", "deploy/postgres", "--", "sh", "-c", ask, role).strip() for role in ("shop", "clerk", "copier", "postgres")}

    assert "a superuser or replication role" in read_only("application")["msg"]
    assert len(read_only("all")["plan"]) == 2
    assert defaults() == {"shop": "on", "clerk": "on", "copier": "off", "postgres": "off"}
    assert runbook.module("sre.runbooks.undo", {**asked, "timeout": 60})["rc"] == 0
    assert set(defaults().values()) == {"off"}


@pytest.mark.parametrize(("database", "message"), [
    ({"password": "not-it"}, "does not let us in"),
    ({"name": "nowhere"}, "database \"nowhere\" does not exist"),
    ({"host": "redis"}, "redis"),
    ({"host": "127.0.0.1", "port": 1, "route": "direct"}, "cannot be reached"),
    ({"host": "no-such-service", "route": "port_forward"}, "is no Service with a ready pod"),
])
def test_a_database_that_cannot_be_asked_is_told(shop, runbook, database, message):
    answer = runbook.module("sre.runbooks.data_consistency_info", {"namespace": NAMESPACE, "database": database})
    assert answer["rc"] != 0 and message in answer["result"]["msg"] and "shop-lab-password" not in json.dumps(answer)


def test_a_database_without_a_ready_pod_is_told(healed, runbook):
    healed.kubectl("scale", "deployment/postgres", "--replicas=0")
    healed.kubectl("wait", "--for=delete", "pods", "-l", "app=postgres", "--timeout=60s")
    answer = runbook.module("sre.runbooks.data_consistency_info", {"namespace": NAMESPACE, "database": {"workload": "api-server"}})
    assert "no pod behind Service ai-development/postgres is ready" in answer["result"]["msg"]
