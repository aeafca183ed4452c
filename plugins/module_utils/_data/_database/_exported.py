# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One view of the database for several sessions at once: checks and a dump that saw the same rows."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database

try:
    import psycopg2
except Exception:
    pass

#: seconds: what is between may close a connection that says nothing for longer
KEEP_ALIVE = 30.0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """An exported snapshot.

    :param id: for ``SET TRANSACTION SNAPSHOT`` and ``pg_dump --snapshot``.
    :param taken_at: ISO 8601, UTC.
    :param wal_position: of the primary, or what a replica has replayed; empty where the server does not tell (Aurora).
    """

    id: str
    taken_at: str
    wal_position: str


@contextlib.contextmanager
def exported_snapshot(database: Database) -> t.Iterator[Snapshot]:
    """A snapshot that lasts as long as the context, in which its transaction stays open.

    A replica can export one too, but not in a serializable transaction.
    """
    with contextlib.closing(database.connect(settings={"idle_in_transaction_session_timeout": "0"})) as connection:
        with database.errors("export a snapshot"), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            position = _wal_position(cursor)
            cursor.execute("SELECT pg_export_snapshot(), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
            snapshot = Snapshot(*cursor.fetchone(), position)
        with _kept_alive(connection):
            yield snapshot


def _wal_position(cursor: t.Any) -> str:
    """A note for whoever restores; services that store their log elsewhere do not have these functions."""
    cursor.execute("SAVEPOINT wal_position")
    try:
        cursor.execute("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text")
        position = cursor.fetchone()[0] or ""
    except psycopg2.Error:
        if cursor.connection.closed:
            raise
        position = ""
    # A snapshot cannot be exported within a subtransaction.
    cursor.execute("ROLLBACK TO SAVEPOINT wal_position; RELEASE SAVEPOINT wal_position")
    return position


@contextlib.contextmanager
def _kept_alive(connection: t.Any) -> t.Iterator[None]:
    """Say something now and then; when the session has ended, those who use the snapshot are told so by the server."""
    ended = threading.Event()

    def talk() -> None:
        with contextlib.suppress(Exception), connection.cursor() as cursor:
            while not ended.wait(KEEP_ALIVE):
                cursor.execute("SELECT 1")

    thread = threading.Thread(target=talk, name="snapshot", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
