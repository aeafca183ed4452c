# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis by its client: whether it answers, turns us away or is down, and what it says of itself."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import redis
except ImportError:
    pass

UP, REFUSED, BUSY, DOWN = "up", "refused", "busy", "down"


@dataclasses.dataclass(frozen=True)
class Server:
    """One server of Redis, and who asks it.

    :param user: of its access control list; empty for the default one.
    :param ca_file: of the authority that signed its certificate, where ``tls`` is used; empty for those of this machine.
    """

    host: str
    port: int = 6379
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    database: int = 0
    tls: bool = False
    ca_file: str = ""

    def connect(self, timeout: float = 5.0) -> t.Any:
        """A client of the package ``redis``, which connects when it is first asked. Close it.

        :param timeout: seconds to connect, and for each answer; nothing is tried twice.
        """
        require("redis")
        encrypted = {"ssl": True, "ssl_ca_certs": self.ca_file or None} if self.tls else {}
        # The protocol that every version and every service understands.
        return redis.Redis(self.host, self.port, self.database, username=self.user or None, password=self.password or None,
                           socket_timeout=timeout, socket_connect_timeout=timeout, retry=None, protocol=2, **encrypted)


@dataclasses.dataclass(frozen=True)
class Health:
    """What a server says of itself; None is not known.

    :param state: ``up``; ``refused`` where it answers and turns us away (NOAUTH, a wrong password, no permission, no client more), so it is not
        down; ``busy`` where it answers and cannot serve yet (it loads its data, or has lost its primary); ``down`` where nothing answers.
    :param because: the server's own words where it is not up.
    :param memory: bytes in use, and ``memory_limit`` the bound from which on it evicts or refuses; 0 for no bound.
    :param evicted: keys since its start; likewise ``rejected``, connections above its bound of clients.
    :param lag_seconds: of a replica, since it last heard of its primary; None on a primary.
    """

    state: str
    because: str = ""
    version: str = ""
    role: str = ""
    clients: int | None = None
    clients_limit: int | None = None
    memory: int | None = None
    memory_limit: int | None = None
    evicted: int | None = None
    rejected: int | None = None
    lag_seconds: int | None = None


#: how answers begin that turn a client away, and that ask it to wait
_TURNED_AWAY = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password", "ERR max number of clients", "DENIED", "ERR AUTH")
_WAITING = ("LOADING", "MASTERDOWN", "BUSY", "CLUSTERDOWN", "TRYAGAIN")


def health(server: Server, timeout: float = 5.0) -> Health:
    """Ask a server how it is; whatever goes wrong is its state, not an error."""
    client = server.connect(timeout)
    try:
        client.ping()
    except redis.RedisError as error:
        return Health(_state(error), _said(error))
    else:
        return _facts(client)
    finally:
        client.close()


def scan(client: t.Any, pattern: str, batch: int = 500, most: int = 100_000) -> t.Iterator[list[bytes]]:
    """Keys in batches, by SCAN and never by KEYS, which would stop everybody else.

    :raises ClusterError: there are more than ``most`` that fit.
    """
    cursor, seen = None, 0
    while cursor != 0:
        cursor, keys = client.scan(cursor or 0, match=pattern, count=batch)
        seen += len(keys)
        if seen > most:
            raise ClusterError(f"More than {most} keys of Redis fit {pattern!r}.", "Name a narrower pattern.")
        if keys:
            yield keys


def _facts(client: t.Any) -> Health:
    """Of a user that may not ask for INFO, only that it is up."""
    try:
        said = client.info()
    except redis.RedisError as error:
        return Health(UP, _said(error))
    replica = said.get("role") == "slave"
    heard = said.get("master_last_io_seconds_ago", -1)
    return Health(BUSY if said.get("loading") or (replica and said.get("master_link_status") == "down") else UP,
                  "its primary cannot be reached" if replica and said.get("master_link_status") == "down" else "",
                  str(said.get("redis_version", "")), {"master": "primary", "slave": "replica"}.get(said.get("role", ""), ""),
                  said.get("connected_clients"), said.get("maxclients"), said.get("used_memory"), said.get("maxmemory"),
                  said.get("evicted_keys"), said.get("rejected_connections"), heard if replica and heard >= 0 else None)


def _state(error: Exception) -> str:
    text = str(error)
    # The client takes the first word off some of the server's answers.
    if text.startswith(_TURNED_AWAY) or isinstance(error, (redis.AuthenticationError, redis.exceptions.NoPermissionError)):
        return REFUSED
    if text.startswith(_WAITING) or isinstance(error, (redis.BusyLoadingError, redis.exceptions.MasterDownError)):
        return BUSY
    return REFUSED if "max number of clients" in text else DOWN


def _said(error: Exception) -> str:
    return redact(" ".join(str(error).split()))[:300]
