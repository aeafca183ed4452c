"""A dump holds what the checks saw, whatever is written meanwhile; one that fails leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import threading
import time

import pytest
from postgres_server import PASSWORD, program, replica

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules, _run
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import State
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _dump
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import exported_snapshot


@pytest.fixture
def programs(tmp_path):
    """A directory with the server's own pg_dump and pg_restore, as a user may name it."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (directory / name).symlink_to(program(name))
    return directory


@pytest.fixture
def dump(postgres, programs, tmp_path):
    def run(snapshot, database=None, lock_timeout=5.0):
        options = _dump.Options(2, 1, str(programs), lock_timeout)
        return _dump.dump(database or postgres.database(), snapshot, tmp_path / "dumps", options, lambda line: None)
    return run


def left(tmp_path):
    return [path.name for path in (tmp_path / "dumps").glob("*")]


def counts(database, snapshot, rules, directory):
    state = State(directory, rules)
    assert _run.check(database.connect, snapshot, rules, state) == {}
    return {rule.name: sum(part.rows for part in state.of(rule).parts) for rule in rules}


def test_the_dump_has_what_the_checks_saw(postgres, dump, tmp_path):
    postgres.execute("INSERT INTO orders (customer, total) SELECT 'bob', 7 FROM generate_series(1, 20000); "
                     "UPDATE orders SET total = NULL WHERE id <= 10")
    rules, database, stop = _rules.load([], []), postgres.database(), threading.Event()
    writer = threading.Thread(target=corrupt, args=(postgres, stop))
    with exported_snapshot(database) as snapshot:
        writer.start()
        seen = {}
        checks = threading.Thread(target=lambda: seen.update(counts(database, snapshot, rules, tmp_path / "seen")))
        checks.start()
        dumped = dump(snapshot)
        checks.join()
    stop.set()
    writer.join()
    postgres.server.execute("CREATE DATABASE restored OWNER shop")
    try:
        subprocess.run([program("pg_restore"), "-h", postgres.server.directory, "-p", str(postgres.server.port), "-U", "shop", "--no-owner",
                        "-d", "restored", dumped.path], check=True)
        restored = postgres.server.database("restored")
        with exported_snapshot(restored) as again:
            assert counts(restored, again, rules, tmp_path / "restored") == seen
    finally:
        postgres.server.execute("DROP DATABASE restored WITH (FORCE)")
    with exported_snapshot(database) as now:
        live = counts(database, now, rules, tmp_path / "live")
    assert seen["order_without_total"] == 10 < live["order_without_total"]


def corrupt(postgres, stop):
    number = 11
    while not stop.is_set():
        postgres.execute("UPDATE orders SET total = NULL WHERE id = %s", number)
        number += 1


@contextlib.contextmanager
def locked_before_pg_dump(postgres, programs, tmp_path):
    """A table is locked once the room was looked at, and pg_dump waits for it."""
    begun, locked = tmp_path / "begun", tmp_path / "locked"
    replace(programs / "pg_dump", f'[ "$1" = --version ] || {{ touch {begun}; until [ -e {locked} ]; do sleep 0.05; done; }}; '
                                  f'exec {program("pg_dump")} "$@"')
    with contextlib.closing(postgres.connect()) as holder, holder.cursor() as cursor:
        def lock():
            while not begun.exists():
                time.sleep(0.05)
            cursor.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            locked.touch()

        locker = threading.Thread(target=lock)
        locker.start()
        yield
        locker.join()


def waiting(postgres):
    return postgres.server.execute(f"SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{postgres.name}'")


def test_a_session_of_pg_dump_that_is_ended(postgres, dump, programs, tmp_path):
    def end_it():
        while not (waits := waiting(postgres)):
            time.sleep(0.05)
        postgres.server.execute(f"SELECT pg_terminate_backend({waits[0][0]})")

    ender = threading.Thread(target=end_it)
    with locked_before_pg_dump(postgres, programs, tmp_path), exported_snapshot(postgres.database()) as snapshot:
        ender.start()
        with pytest.raises(RunbookError, match="left nothing behind"):
            dump(snapshot, lock_timeout=60)
        ender.join()
    assert left(tmp_path) == []


def replace(path, script):
    path.unlink()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_locked_table(postgres, dump, programs, tmp_path):
    with locked_before_pg_dump(postgres, programs, tmp_path), exported_snapshot(postgres.database()) as snapshot, \
            pytest.raises(RunbookError, match="did not give a lock in time.*left nothing behind"):
        dump(snapshot, lock_timeout=0.3)
    assert left(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MB where the dumps go."""
    if os.getuid():
        pytest.skip("only root can mount one")
    disk = tmp_path / "dumps"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_full_in_the_middle(postgres, dump, programs, small_disk):
    filler = small_disk / "filler"
    replace(programs / "pg_dump", f'[ "$1" = --version ] || head -c 16200k /dev/zero >{filler}; exec {program("pg_dump")} "$@"')
    postgres.execute("INSERT INTO orders (customer, total) SELECT md5(n::text), n FROM generate_series(1, 20000) n")
    with exported_snapshot(postgres.database()) as snapshot:
        with pytest.raises(RunbookError, match="did not take all of the dump.*No space left on device.*has been removed. Free space"):
            dump(snapshot)
        assert list(small_disk.iterdir()) == [filler]
        filler.unlink()
        replace(programs / "pg_dump", f'exec {program("pg_dump")} "$@"')
        assert dump(snapshot).tables == 4, "the next run goes well"


def test_an_interrupt_ends_pg_dump_and_leaves_nothing(postgres, programs, tmp_path, monkeypatch):
    def interrupt(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(_dump, "TELL_EVERY", 0.5)
    with locked_before_pg_dump(postgres, programs, tmp_path), exported_snapshot(postgres.database()) as snapshot, \
            pytest.raises(KeyboardInterrupt):
        _dump.dump(postgres.database(), snapshot, tmp_path / "dumps", _dump.Options(programs=str(programs)), interrupt)
    assert left(tmp_path) == [] and waiting(postgres) == []


def test_what_a_killed_run_has_left_is_removed_by_the_next(postgres, dump, tmp_path):
    abandoned = tmp_path / "dumps/.shop-20260101T000000Z.dump.partial"
    abandoned.mkdir(parents=True)
    (abandoned / "1.dat.gz").write_bytes(b"half")
    with exported_snapshot(postgres.database()) as snapshot:
        dumped = dump(snapshot)
    assert left(tmp_path) == [dumped.path.name]


def test_no_password_is_in_a_command_line(postgres, dump, programs, tmp_path):
    replace(programs / "pg_dump", f'echo "$@" >>{tmp_path}/said; exec {program("pg_dump")} "$@"')
    with exported_snapshot(postgres.database()) as snapshot:
        dump(snapshot)
    said = (tmp_path / "said").read_text()
    assert f"--snapshot={snapshot.id}" in said and PASSWORD not in said


def test_a_replica_is_dumped_as_it_is(postgres, dump, tmp_path):
    postgres.execute("UPDATE orders SET total = NULL WHERE id < 4")
    with replica(postgres.server) as standby:
        database = standby.database(postgres.name)
        with exported_snapshot(database) as snapshot:
            seen = counts(database, snapshot, _rules.load([], []), tmp_path / "seen")
            dumped = dump(snapshot, database)
            expected = _dump.row_counts(database, snapshot)
    assert seen["order_without_total"] == 3
    assert _dump.trial_restore(postgres.server.database("postgres", "postgres"), dumped, _dump.Options()) == expected


def test_no_room_is_seen_before_anything_is_written(postgres, dump, tmp_path, monkeypatch):
    monkeypatch.setattr(_dump.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with exported_snapshot(postgres.database()) as snapshot, pytest.raises(RunbookError, match="No room for the dump.*Nothing was written"):
        dump(snapshot)
    assert left(tmp_path) == []


def test_what_a_dump_needs_is_looked_at_without_dumping(postgres, programs, tmp_path):
    options = _dump.Options(programs=str(programs))
    assert _dump.rehearse(postgres.database(), tmp_path / "dumps", options) == _dump.Rehearsal(4, "")
    assert not (tmp_path / "dumps").exists()
    major = postgres.connect().server_version // 10000
    replace(programs / "pg_dump", f"echo 'pg_dump (PostgreSQL) {major}.0'")
    assert "another server may not take its dump" in _dump.rehearse(postgres.database(), tmp_path / "dumps", options).note
    replace(programs / "pg_dump", "echo 'pg_dump (PostgreSQL) 9.6'")
    with pytest.raises(RunbookError, match="of version 9, the server of .*or go without a dump"):
        _dump.rehearse(postgres.database(), tmp_path / "dumps", options)
    (programs / "pg_restore").unlink()
    with pytest.raises(RunbookError, match="pg_restore is not on the controller.*Install"):
        _dump.rehearse(postgres.database(), tmp_path / "dumps", options)


def test_a_password_that_is_wrong(postgres, dump, tmp_path):
    with exported_snapshot(postgres.database()) as snapshot, pytest.raises(RunbookError, match="does not let us in.*Check user and password"):
        dump(snapshot, postgres.database(password="wrong"))
    assert left(tmp_path) == []


def test_a_role_that_may_not_read_a_table(postgres, dump, tmp_path):
    postgres.server.execute("DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'shop-lab-password'; EXCEPTION WHEN duplicate_object THEN END $$")
    postgres.execute("GRANT SELECT ON orders, audit_log, users TO reader")
    with exported_snapshot(postgres.database()) as snapshot, pytest.raises(RunbookError, match="denies a permission.*order_items"):
        dump(snapshot, postgres.database("reader"))
    assert left(tmp_path) == []


def test_a_file_that_was_changed_is_refused(postgres, dump):
    with exported_snapshot(postgres.database()) as snapshot:
        dumped = dump(snapshot)
    _dump.refuse_changed(dumped.path)
    next(path for path in pathlib.Path(dumped.path).glob("*.dat.gz")).write_bytes(b"changed")
    with pytest.raises(RunbookError, match="not as it was dumped"):
        _dump.refuse_changed(dumped.path)


@pytest.fixture
def extension(postgres):
    """One with a table that is dumped and one whose rows come with it."""
    share = subprocess.run([program("pg_config"), "--sharedir"], capture_output=True, text=True, check=True).stdout.strip()
    files = {"runbooks_test.control": "default_version = '1'\nrelocatable = true\n", "runbooks_test--1.sql":
             "CREATE TABLE settings_of_it (k text); CREATE TABLE own_of_it (k text); SELECT pg_extension_config_dump('settings_of_it', '');"}
    paths = [pathlib.Path(share, "extension", name) for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text)
    postgres.server.execute("CREATE EXTENSION runbooks_test; GRANT SELECT ON settings_of_it TO shop", postgres.name)
    yield
    for path in paths:
        path.unlink()


@pytest.mark.skipif(bool(os.getuid()), reason="only root can install one")
def test_an_extension_whose_tables_are_dumped(postgres, extension, dump):
    with exported_snapshot(postgres.database()) as snapshot:
        assert dump(snapshot).tables == 4 + 1


def test_a_replica_has_no_rows_of_unlogged_tables(postgres, dump):
    postgres.execute("CREATE UNLOGGED TABLE sessions (id int)")
    with exported_snapshot(postgres.database()) as snapshot:
        assert dump(snapshot).tables == 5
    with replica(postgres.server) as standby:
        database = standby.database(postgres.name)
        with exported_snapshot(database) as snapshot:
            assert dump(snapshot, database).tables == 4
