# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anybody still writes to a database, and when the last write was."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database

#: A transaction gets an id with its first write, so the next id to be given moves with every writer of the server at once;
#: sessions report the rows that they wrote up to a second later, but by table. The database's own total would not do: it also
#: counts the catalog rows that an automatic ANALYZE writes.
_SAMPLE = """
    SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
           txid_snapshot_xmax(txid_current_snapshot()) AS next_id,
           (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables) AS rows"""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One look at the counters.

    :param at: the server's clock, ISO 8601, UTC.
    :param next_id: the next transaction id of the server.
    :param rows: written in this database since its statistics began.
    """

    at: str
    next_id: int
    rows: int


@dataclasses.dataclass
class Writes:
    """What was seen while watching.

    :param last_write_at: when a row of this database was last written, as far as was seen; empty when none was.
    :param quiet_seconds: since then, or since the beginning.
    :param rows: written while watching.
    """

    since: str
    last_write_at: str = ""
    quiet_seconds: float = 0.0
    rows: int = 0
    seconds: float = 0.0

    def to_json(self) -> Json:
        """As module results show it."""
        return dataclasses.asdict(self)


def watch(database: Database, quiet: float, timeout: float, tell: t.Callable[[str], None], newest: Json | None = None,
          interval: float = 0.25) -> Writes:
    """Watch until nothing has been written for ``quiet`` seconds, or the time is up.

    :param newest: a table, a column by which its rows are ordered, and one with their time: tells of writes from before.
    """
    with contextlib.closing(database.connect(read_only=None)) as connection:
        connection.autocommit = True  # statistics stand still within a transaction
        started = changed = time.monotonic()
        samples = [_sample(database, connection)]
        seen = Writes(since=samples[0].at, last_write_at=_newest(database, connection, newest) if newest else "")
        told = started
        while seen.quiet_seconds < quiet and seen.seconds < timeout:
            time.sleep(interval)
            samples.append(_sample(database, connection))
            moment = time.monotonic()
            if samples[-1].rows != samples[-2].rows:
                changed = moment
                seen.last_write_at = last_write(samples)
            seen.rows = samples[-1].rows - samples[0].rows
            seen.quiet_seconds, seen.seconds = moment - changed, moment - started
            if moment - told > 4:
                told = moment
                tell(f"{seen.rows} rows written in {seen.seconds:.0f} s, none for {seen.quiet_seconds:.0f} s")
    return seen


def last_write(samples: t.Sequence[Sample]) -> str:
    """When the rows that the newest sample reports were written at the latest: rows are reported late, ids at once."""
    for earlier, later in zip(samples[-2::-1], samples[:0:-1], strict=True):
        if later.next_id != earlier.next_id:
            return later.at
    return samples[-1].at


def _newest(database: Database, connection: t.Any, newest: Json) -> str:
    table, order, time_column = ('"' + newest[part].replace('"', '""').replace(".", '"."') + '"' for part in ("table", "order", "time"))
    with database.errors(f"look for the newest row of {newest['table']}"), connection.cursor() as cursor:
        cursor.execute(f"""SELECT to_char({time_column}::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                           FROM {table} ORDER BY {order} DESC LIMIT 1""")
        found = cursor.fetchone()
    return found[0] if found and found[0] else ""


def default_is_read_only(database: Database) -> bool:
    """Whether a new session of the database's user begins its transactions read-only."""
    with contextlib.closing(database.connect(read_only=None)) as connection, database.errors("ask for its default"), \
            connection.cursor() as cursor:
        cursor.execute("SHOW default_transaction_read_only")
        return cursor.fetchone()[0] == "on"


def _sample(database: Database, connection: t.Any) -> Sample:
    with database.errors("watch the write counters"), connection.cursor() as cursor:
        cursor.execute(_SAMPLE)
        return Sample(*cursor.fetchone())
