# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds what somebody else waits for."""

from __future__ import annotations

import typing as t

#: Sessions in the way of a read (which only an ACCESS EXCLUSIVE lock is) come first; reads themselves stand in nobody's way here.
_HOLDERS = """
    SELECT l.pid, coalesce(a.usename, 'a prepared transaction'), coalesce(a.application_name, ''), host(a.client_addr), l.mode,
           l.relation::regclass::text, extract(epoch FROM clock_timestamp() - a.xact_start)
    FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.granted AND l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode <> 'AccessShareLock'
    ORDER BY l.mode <> 'AccessExclusiveLock', a.xact_start LIMIT 5"""


def holders(cursor: t.Any) -> str:
    """The sessions of this database that hold locks on tables, for a person: pid, user, program, address, table, age; '' for none."""
    cursor.execute(_HOLDERS)
    return ", ".join(_shown(*row) for row in cursor.fetchall())


def _shown(pid: int | None, user: str, program: str, address: str | None, mode: str, table: str, age: float | None) -> str:
    who = [word for word in (f"pid {pid}" if pid else "", user, program, address and f"from {address}") if word]
    for_ = f" for {age:.0f} s" if age is not None else ""
    return f"{' '.join(who)} has {mode} on {table}{for_}"
