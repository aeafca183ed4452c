# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One database: sessions with time-outs, and errors that say what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _forward, _service
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _credentials, _locks
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._credentials import Credentials

try:
    import psycopg2
    import psycopg2.extensions
except Exception:
    pass

APPLICATION = "sre.runbooks"
#: from this version on a server ends a statement whose client was killed
CHECKS_CLIENTS = 140000

#: options of every module that reaches a database from the controller
DATABASE_CONNECTION_SPEC: dict[str, dict[str, t.Any]] = {
    "namespace": {"type": "str", "required": True},
    "database": {
        "type": "dict", "default": {"workload": "api-server"},
        "options": {
            "workload": {"type": "str", "default": "api-server"},
            "container": {"type": "str"},
            "host": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "name": {"type": "str", "default": ""},
            "user": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "ssl_mode": {"type": "str", "default": "prefer",
                         "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
            "route": _service.ROUTE_SPEC,
            "connect_timeout": {"type": "int", "default": 10},
        }},
}

#: what a person does where policies bind the role
HIDDEN = "Use a role that sees every row: one with BYPASSRLS, or the tables' owner where row-level security is not forced on it."

#: pg_dump bounds its wait for locks by the statement's time.
LOCK = r"lock timeout|statement timeout[\s\S]*LOCK TABLE"
#: what libpq or the server says, and what a person does about it; the first that matches counts
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (r"password authentication failed|no password supplied|role .* does not exist|pg_hba", "does not let us in",
     "Check user and password of the database variables."),
    (r"database .* does not exist", "has no such database", "Check the name of the database."),
    (r"row-level security", "hides rows from this role", HIDDEN),
    (r"permission denied", "denies a permission", "Grant it to the role that the runbook uses (docs/data-inconsistency.md lists them)."),
    (r"during recovery", "is a replica, on which nothing can be written", "Name the primary: data_inconsistency_database.host."),
    (LOCK, "did not give a lock in time",
     "See who holds it in pg_locks, or raise the lock timeout; then run again."),
    (r"statement timeout", "broke a statement off at its time limit", "Raise the statement timeout, or run at a quieter time."),
    (r"too many (clients|connections)|connection slots", "has no connection left", "Free connections, then run again."),
    (r"terminating connection|server closed the connection|connection already closed|SSL (SYSCALL|connection)|EOF detected|reset by peer",
     "ended the connection", "Run again with the same incident_id: what was finished is kept."),
    (r"invalid response to (SSL|GSSAPI) negotiation|expected authentication request from server", "does not speak PostgreSQL's protocol",
     "Name a PostgreSQL server and its port; MySQL and MariaDB, which answer like this, cannot be checked."),
    (r"refused|timeout expired|timed out|could not translate|No route|starting up|shutting down", "cannot be reached",
     "Check the host, the port and the database's pod; set the route where it cannot be reached directly."),
)


@dataclasses.dataclass(frozen=True)
class Database:
    """A database that can be asked.

    :param address: where libpq connects; differs from ``credentials.host`` when the port is forwarded.
    """

    cluster_name: str
    credentials: Credentials
    address: str
    port: int
    connect_timeout: int = 10
    forwarder: _forward.Forwarder | None = None

    def connect(self, *, read_only: bool | None = True, statement_timeout: float = 0, lock_timeout: float = 5,
                settings: t.Mapping[str, str] | None = None) -> t.Any:
        """A new psycopg2 connection. Close it (``contextlib.closing``).

        All of it counts for each transaction, not for the session: a pooler in between may refuse or ignore what is asked when
        connecting, and hands the session with its settings to somebody else afterwards. In autocommit mode nothing of it counts.

        :param read_only: of its transactions; None leaves it to the role's and database's default.
        :param statement_timeout: seconds; 0 for no limit.
        :param settings: further settings, such as ``work_mem``.
        :raises ClusterError: the database cannot be reached, or turns us away.
        """
        require("psycopg2")
        chosen = {"lock_timeout": f"{lock_timeout * 1000:.0f}", "statement_timeout": f"{statement_timeout * 1000:.0f}", **(settings or {})}
        with self.errors("connect"):
            connection = psycopg2.connect(**self._parameters(), password=self.credentials.password or None, connection_factory=_session())
            if connection.server_version >= CHECKS_CLIENTS:
                chosen["client_connection_check_interval"] = "5s"
            connection.settings = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in chosen.items())
            if read_only is not None:
                connection.set_session(readonly=read_only)
            return connection

    def pooled(self) -> bool:
        """Whether something between, such as pgbouncer, shares the server's sessions among its clients."""
        with contextlib.closing(self.connect()) as connection, self.errors("ask who answers"), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            # What cancels a session is its own to give away, so a pooler gives its own.
            return cursor.fetchone()[0] != connection.get_backend_pid()

    def environment(self) -> dict[str, str]:
        """For libpq programs such as pg_dump: nothing of it belongs on their command line."""
        names = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
                 "sslmode": "PGSSLMODE", "connect_timeout": "PGCONNECT_TIMEOUT", "application_name": "PGAPPNAME"}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        given = {names[key]: str(value) for key, value in self._parameters().items() if key in names}
        return {**inherited, **given, "PGPASSWORD": self.credentials.password}

    @contextlib.contextmanager
    def errors(self, doing: str) -> t.Iterator[None]:
        """Turn what psycopg2 raises into an error that says where, what was attempted, and what to do."""
        try:
            yield
        except UnicodeError:  # from a database without an encoding (SQL_ASCII)
            raise ClusterError(f"Cluster {self.cluster_name}: {self.credentials} holds text that is not of its encoding ({doing}).",
                               "Which bytes stand for which letters nobody knows there: look at those rows by hand.") from None
        except psycopg2.Error as error:
            raise self.error(doing, str(error)) from error

    def error(self, doing: str, said: str) -> ClusterError:
        """The error for what libpq or the server said while ``doing`` something; for a lock, with who holds it."""
        if self.forwarder and self.forwarder.failure:
            return self.forwarder.failure
        if re.search(LOCK, said):
            with contextlib.suppress(ClusterError, psycopg2.Error), contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
                said = f"{said} ({_locks.holders(cursor)})"
        text = redact(" ".join(said.split()))[:400]
        what, next_step = next(((what, step) for pattern, what, step in _CAUSES if re.search(pattern, said, re.IGNORECASE)),
                               ("did not do what it was asked", ""))
        return ClusterError(f"Cluster {self.cluster_name}: {self.credentials} {what} ({doing}): {text}.", next_step)

    def _parameters(self) -> dict[str, t.Any]:
        who = self.credentials
        return {"host": who.host, **({} if self.address == who.host else {"hostaddr": self.address}), "port": self.port,
                "dbname": who.name, "user": who.user, "sslmode": who.ssl_mode, "connect_timeout": self.connect_timeout,
                "application_name": APPLICATION, "keepalives_idle": 30}


@contextlib.contextmanager
def opened(cluster: Cluster, namespace: str, given: t.Mapping[str, t.Any]) -> t.Iterator[Database]:
    """The database that ``given`` (the option ``database``) means, reachable while the context lasts.

    ``route`` ``auto`` forwards a port where the host is a Service of the cluster, and connects directly otherwise.
    """
    credentials = _credentials.resolve(cluster, namespace, given)
    with _service.reached(cluster, namespace, credentials.host, credentials.port, given["route"], "database") as forwarder:
        address, port = ("127.0.0.1", forwarder.port) if forwarder else (credentials.host, credentials.port)
        yield Database(cluster.name, credentials, address, port, given["connect_timeout"], forwarder)


@functools.cache
def _session() -> type:
    """psycopg2's connection, whose transactions begin with its ``settings``; made when it is needed, as the package may be missing."""
    class Cursor(psycopg2.extensions.cursor):
        def execute(self, *args: t.Any, **kwargs: t.Any) -> None:
            self.connection.settle()
            super().execute(*args, **kwargs)

    class Session(psycopg2.extensions.connection):
        settings = ""

        def cursor(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            return super().cursor(*args, **{"cursor_factory": Cursor, **kwargs})

        def settle(self) -> None:
            if not self.autocommit and self.status == psycopg2.extensions.STATUS_READY and self.settings:
                with super().cursor() as cursor:
                    cursor.execute(self.settings)

    return Session
