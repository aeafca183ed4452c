# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools and databases say when connections are short: one row for each wording.

A row's pattern has named groups, all optional: pool (its name), ms or seconds (how long a request waited), size (connections of
the pool), most (how many it may have), active, idle, waiting, conn (the connection), client (of a refusal).
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

#: a request got no connection from its pool; the database or pooler takes no more; it cannot be reached, or refuses the password;
#: connections are closed by the other side; the process itself stood still; a connection was not given back; it was after all;
#: a pool tells its figures, which matter where all is taken
EXHAUSTED, REFUSED, UNREACHABLE, DEAD, STALLED, LEAKED, RETURNED, FIGURES = (
    "exhausted", "refused", "unreachable", "dead", "stalled", "leaked", "returned", "full")


@dataclasses.dataclass(frozen=True)
class Wording:
    """How one pool says one thing.

    :param hint: a text that every such line holds, by which most lines are passed over quickly.
    :param within: a text that an earlier line of the same record must hold, because the words alone are anybody's.
    :param all_taken: whether the words themselves say that every connection was in use.
    """

    dialect: str
    kind: str
    hint: str
    pattern: t.Pattern[str]
    within: str = ""
    all_taken: bool = False


@dataclasses.dataclass
class Event:
    """One thing that a pool said; figures are None where it does not give them.

    :param waited_ms: how long the request waited in vain, in milliseconds.
    :param size: connections that the pool had; ``most`` how many it may have.
    """

    dialect: str
    kind: str
    pool: str = ""
    conn: str = ""
    waited_ms: float | None = None
    size: int | None = None
    most: int | None = None
    active: int | None = None
    idle: int | None = None
    waiting: int | None = None
    all_taken: bool = False

    @property
    def full(self) -> bool | None:
        """Whether every connection was in use, None where the words do not tell."""
        if self.all_taken:
            return True
        size = self.most if self.most is not None else self.size
        return None if size is None or self.active is None else self.active >= size > 0


_LEVEL = re.compile(r"^(?:TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|SEVERE)\b\W*")
#: HikariCP: total=8, active=8, idle=0, waiting=120; since 6 also total=8/10, idle=0/2
_HIKARI = r"\(total=(?P<size>\d+)(?:/(?P<most>\d+))?(?:, idle=(?P<idle6>\d+)/\d+)?, active=(?P<active>\d+)(?:, idle=(?P<idle>\d+))?, waiting=(?P<waiting>\d+)\)"
#: what HikariCP writes before its words: the pool's name, after whatever the logger has written
_NAME = re.compile(r"([^:|\[\]]{1,80}) - $")


def _say(dialect: str, kind: str, hint: str, pattern: str = "", within: str = "", all_taken: bool = False) -> Wording:
    return Wording(dialect, kind, hint, re.compile(pattern or re.escape(hint)), within, all_taken)


WORDINGS = (
    _say("HikariCP", EXHAUSTED, "Connection is not available",
         rf"Connection is not available, request timed out after (?P<ms>\d+)ms(?:\.? ?{_HIKARI})?"),
    _say("HikariCP", EXHAUSTED, "waiting for a connection", r"Timeout (?:after|of) (?P<ms>\d+)ms (?:of|encountered) waiting for a connection"),
    _say("HikariCP", FIGURES, ", waiting=", r"[A-Z]\w{1,20}(?: {1,2}\w{1,20}){0,2} {1,2}" + _HIKARI),
    _say("HikariCP", LEAKED, "Connection leak detection triggered",
         r"Connection leak detection triggered(?: for (?:connection )?(?P<conn>[^\s,:]+))?"),
    _say("HikariCP", RETURNED, "Previously reported leaked connection",
         r"Previously reported leaked connection (?P<conn>[^\s,:]+).{0,200}was returned to the pool"),
    _say("HikariCP", DEAD, "Failed to validate connection", r"Failed to validate connection (?P<conn>\S+)"),
    _say("HikariCP", STALLED, "Thread starvation or clock leap", r"Thread starvation or clock leap detected"),
    _say("Tomcat JDBC", EXHAUSTED, "Pool empty. Unable to fetch",
         r"Pool empty\. Unable to fetch a connection in (?P<seconds>\d+) seconds, none available\[size:(?P<size>\d+); busy:(?P<active>\d+);"
         r" idle:(?P<idle>\d+)"),
    _say("Tomcat JDBC", LEAKED, "Connection has been ",
         r"Connection has been (?:abandoned|marked suspect, possibly abandoned) (?P<conn>\w+\[[^\]]{0,200}\])"),
    _say("DBCP", EXHAUSTED, "Cannot get a connection, pool", r"Cannot get a connection, pool (?:error:? Timeout waiting for idle object|exhausted)"
         r"(?:, borrowMaxWait(?:Duration=PT(?P<seconds>[\d.]+)S|Millis=(?P<ms>\d+)))?", all_taken=True),
    _say("DBCP", EXHAUSTED, "Timeout waiting for idle object",
         r"Timeout waiting for idle object(?:, borrowMaxWait(?:Duration=PT(?P<seconds>[\d.]+)S|Millis=(?P<ms>\d+)))?",
         all_taken=True),
    _say("DBCP", LEAKED, "by the following code", r"object created [\d:+ -]{1,60} by the following code (?:has not been returned|was never closed)"),
    _say("c3p0", EXHAUSTED, "An attempt by a client to checkout a Connection has timed out"),
    _say("c3p0", EXHAUSTED, "A client timed out while waiting to acquire a resource"),
    _say("c3p0", LEAKED, "A checked-out resource is overdue", r"A checked-out resource is overdue, and will be destroyed: (?P<conn>\S+)"),
    _say("Druid", EXHAUSTED, "wait millis ", r"wait millis (?P<ms>\d+), ?active (?P<active>\d+)(?:, maxActive (?P<most>\d+))?"),
    _say("Druid", LEAKED, "abandon connection, owner thread", r"abandon connection, owner thread: (?P<conn>[^,]{1,200}, connected at : \d+)"),
    _say("Agroal", EXHAUSTED, "Sorry, acquisition timeout"),
    _say("Agroal", UNREACHABLE, "Acquisition timeout while waiting for new connection"),
    _say("Agroal", LEAKED, "Connection leak of", r"(?:Datasource '(?P<pool>[^']{1,80})': )?Connection leak of (?P<conn>[^\s,]+)"),
    _say("IronJacamar", EXHAUSTED, "IJ000655",
         r"IJ000655: No managed connections available within configured blocking timeout \((?P<ms>\d+)", all_taken=True),
    _say("R2DBC", EXHAUSTED, "Connection acquisition timed out after", r"Connection acquisition timed out after (?P<ms>\d+)ms"),
    _say("R2DBC", EXHAUSTED, "has been pending for more than",
         r"acquire\(Duration\) has been pending for more than the configured timeout of (?P<ms>\d+)ms"),
    _say("SQLAlchemy", EXHAUSTED, "QueuePool limit of size",
         r"QueuePool limit of size (?P<size>\d+) overflow (?P<overflow>\d+) reached(?:, connection timed out, timeout (?P<seconds>[\d.]+))?", all_taken=True),
    _say("SQLAlchemy", LEAKED, "clean up non-checked-in connection", r"clean up non-checked-in connection (?P<conn><[^>]{1,200}>)"),
    _say("asyncpg", EXHAUSTED, "TimeoutError", r"^(?:asyncio\.(?:exceptions\.)?)?TimeoutError\b", within="asyncpg/pool.py"),
    _say("psycopg", EXHAUSTED, "couldn't get a connection after", r"couldn't get a connection after (?P<seconds>[\d.]+) sec", all_taken=True),
    _say("psycopg", EXHAUSTED, "connection pool ex", r"PoolError: connection pool exh?austed", all_taken=True),
    _say("psycopg", EXHAUSTED, "requests waiting", r"the pool '(?P<pool>[^']{1,80})' has already (?P<waiting>\d+) requests waiting", all_taken=True),
    _say("node-postgres", EXHAUSTED, "timeout exceeded when trying to connect"),
    _say("Knex", EXHAUSTED, "Timeout acquiring a connection", r"Timeout acquiring a connection\. The pool is probably full", all_taken=True),
    _say("Sequelize", EXHAUSTED, "ConnectionAcquireTimeoutError"),
    _say("Prisma", EXHAUSTED, "new connection from the connection pool",
         r"Timed out fetching a new connection from the connection pool.{0,200}?pool timeout: (?P<seconds>\d+), connection limit: (?P<size>\d+)",
         all_taken=True),
    _say("Go database/sql", EXHAUSTED, "database/sql.(*DB).conn(", within="goroutine ", all_taken=True),
    _say("Go database/sql", FIGURES, "MaxOpenConnections",
         r'MaxOpenConnections"?[:=]\s?(?P<most>\d+)[, ]+"?OpenConnections"?[:=]\s?(?P<size>\d+)[, ]+"?InUse"?[:=]\s?(?P<active>\d+)[,'
         r' ]+"?Idle"?[:=]\s?(?P<idle>\d+)'),
    _say("Go", EXHAUSTED, "context deadline exceeded",
         r"(?i:acquir\w{0,8}|obtain\w{0,8}|get) (?:a |the |db |database |pool )*conn(?:ection)?\b[^\n]{0,80}context deadline exceeded"),
    _say("ActiveRecord", EXHAUSTED, "could not obtain a connection from the pool",
         r"could not obtain a connection from the pool within [\d.]+ seconds \(waited (?P<seconds>[\d.]+) seconds\)(?:; all pooled connections were"
         r" in use)?", all_taken=True),
    _say("ActiveRecord", EXHAUSTED, "could not obtain a database connection",
         r"could not obtain a database connection within [\d.]+ seconds \(waited (?P<seconds>[\d.]+) seconds\)(?:\. The max pool size is currently"
         r" (?P<size>\d+))?", all_taken=True),
    _say("connection_pool", EXHAUSTED, "ConnectionPool::TimeoutError", r"Waited (?P<seconds>[\d.]+) sec(?:, (?P<idle>\d+)/(?P<size>\d+) available)?"),
    _say("Sequel", EXHAUSTED, "Sequel::PoolTimeout", r"Sequel::PoolTimeout: timeout: [\d.]+, elapsed: (?P<seconds>[\d.]+)"),
    _say("Ecto", EXHAUSTED, "request was dropped from queue after",
         r"connection not available and request was dropped from queue after (?P<ms>\d+)ms"),
    _say("Npgsql", EXHAUSTED, "connection pool has been exhausted",
         r"connection pool has been exhausted.{0,80}?'?(?:Max Pool Size|MaxPoolSize)'? \(currently (?P<size>\d+)\)(?:.{0,40}\(currently (?P<seconds>\d+)"
         r" seconds\))?", all_taken=True),
    _say("ADO.NET", EXHAUSTED, "prior to obtaining a connection from the pool"),
    _say("sqlx", EXHAUSTED, "pool timed out while waiting for an open connection"),
    _say("PgBouncer", EXHAUSTED, "query_wait_timeout",
         r"(?:(?P<pool>[\w.-]{1,63}/[\w.-]{1,63})@\S{1,100} )?(?:pooler error|closing because|FATAL|ERROR|server closed|): ?query_wait_timeout"),
    _say("PgBouncer", FIGURES, "launch_new_connection: pool full", r"launch_new_connection: pool full \((?P<active>\d+) >= (?P<most>\d+)\)"),
    _say("PgBouncer", REFUSED, "no more connections allowed"),
    _say("PostgreSQL", REFUSED, "too many clients already"),
    _say("PostgreSQL", REFUSED, "connection slots are reserved"),
    _say("PostgreSQL", REFUSED, "too many connections for ", r"too many connections for (?P<pool>(?:role|database) \"[^\"]{1,80}\")"),
    _say("PostgreSQL", REFUSED, "53300", r"(?i:sql ?state|code)\W{1,5}53300\b"),
    _say("MySQL", REFUSED, "Too many connections", r"(?<!\w)Too many connections\b"),
    _say("MySQL", REFUSED, "has exceeded the 'max_user_connections'"),
    _say("MySQL", REFUSED, "already has more than 'max_user_connections'"),
    _say("Oracle", REFUSED, "ORA-", r"ORA-(?:00018|00020|12516|12519|12520)\b"),
    _say("PostgreSQL", UNREACHABLE, "the database system is ",
         r"the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting connections)"),
    _say("PostgreSQL", UNREACHABLE, "password authentication failed for user"),
    _say("PostgreSQL", UNREACHABLE, "refused. Check that the hostname", r"Connection to (?P<pool>\S{1,200}) refused\. Check that the hostname"),
    _say("MySQL", UNREACHABLE, "Communications link failure"),
    _say("PostgreSQL", DEAD, "terminating connection due to "),
    _say("PostgreSQL", DEAD, "server closed the connection unexpectedly"),
    _say("Go database/sql", DEAD, "driver: bad connection"),
)

#: what every line that says something holds
HINTS = frozenset(wording.hint for wording in WORDINGS)


def read(text: str, earlier: t.Collection[str] = ()) -> Event | None:
    """What a line says of connections, None where it says nothing of them.

    :param earlier: which of :func:`contexts` earlier lines of the same record held.
    """
    for wording in WORDINGS:
        if wording.hint not in text or wording.within and wording.within not in earlier:
            continue
        if match := wording.pattern.search(text):
            return _event(wording, match)
    return None


def contexts(text: str) -> list[str]:
    """What a line holds of the texts by which later lines of its record are understood."""
    return [within for within in _CONTEXTS if within in text]


_CONTEXTS = tuple({wording.within for wording in WORDINGS if wording.within})


def _event(wording: Wording, match: t.Match[str]) -> Event:
    found = {name: text for name, text in match.groupdict().items() if text}
    event = Event(wording.dialect, wording.kind, found.pop("pool", "") or _name(wording, match), found.pop("conn", ""), all_taken=wording.all_taken)
    figures = {name: value for name, text in found.items() if (value := _number(text)) is not None}
    if "ms" in figures:
        event.waited_ms = figures["ms"]
    elif "seconds" in figures:
        event.waited_ms = figures["seconds"] * 1000
    for name in _COUNTS.intersection(figures):
        setattr(event, name, int(figures[name]))
    if event.idle is None and "idle6" in figures:
        event.idle = int(figures["idle6"])
    if event.size is not None:
        event.size += int(figures.get("overflow", 0))
    return event


_COUNTS = frozenset(("size", "most", "active", "idle", "waiting"))


def _name(wording: Wording, match: t.Match[str]) -> str:
    """The pool's name before HikariCP's words, without what the logger has put before it."""
    before = wording.dialect == "HikariCP" and _NAME.search(match.string, max(0, match.start() - 100), match.start())
    return _LEVEL.sub("", before[1].rpartition(" - ")[2].strip()) if before else ""


def _number(text: str) -> float | None:
    """A figure, None where it is none or beyond anything that a pool has."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value < 1e12 else None
