# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis by its client: whether it answers, turns us away or is down, and what it says of itself."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _environment, _service
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._core import _urls
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import redis
except Exception:
    pass

UP, REFUSED, BUSY, DOWN = "up", "refused", "busy", "down"
PORT = 6379

#: options of every module that reaches a Redis from the controller
REDIS_CONNECTION_SPEC: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "workload": {"type": "str", "default": ""},
        "container": {"type": "str"},
        "host": {"type": "str", "default": ""},
        "port": {"type": "int"},
        "user": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "database": {"type": "int"},
        "tls": {"type": "bool"},
        "ca_file": {"type": "path", "default": ""},
        "route": _service.ROUTE_SPEC,
    }}
#: variables of a container, and what each of them holds; the first that is set counts
VARIABLES: dict[str, tuple[str, ...]] = {
    "host": ("REDIS_HOST", "SPRING_DATA_REDIS_HOST", "SPRING_REDIS_HOST", "CACHE_HOST", "REDIS_HOSTNAME", "REDIS_ADDR", "REDIS_ADDRESS",
             "REDIS_SERVER", "VALKEY_HOST"),
    "port": ("REDIS_PORT", "SPRING_DATA_REDIS_PORT", "SPRING_REDIS_PORT", "CACHE_PORT", "VALKEY_PORT"),
    "user": ("REDIS_USERNAME", "REDIS_USER", "SPRING_DATA_REDIS_USERNAME"),
    "password": ("REDIS_PASSWORD", "REDISCLI_AUTH", "SPRING_DATA_REDIS_PASSWORD", "SPRING_REDIS_PASSWORD", "REDIS_AUTH", "CACHE_PASSWORD",
                 "VALKEY_PASSWORD"),
    "database": ("REDIS_DB", "REDIS_DATABASE", "SPRING_DATA_REDIS_DATABASE"),
    "tls": ("REDIS_TLS", "REDIS_SSL", "SPRING_DATA_REDIS_SSL_ENABLED", "SPRING_REDIS_SSL", "REDIS_USE_TLS", "REDIS_USE_SSL", "REDIS_TLS_ENABLED"),
}
#: variables that hold all of it; asked where none of the above names a host
URLS = ("REDIS_URL", "SPRING_DATA_REDIS_URL", "REDIS_TLS_URL", "VALKEY_URL", "CACHE_URL", "CELERY_BROKER_URL")
SCHEMES = ("redis", "rediss", "valkey", "valkeys")
#: variables that name several servers
SEVERAL = ("REDIS_SENTINELS", "REDIS_SENTINEL_HOSTS", "REDIS_SENTINEL_HOST", "SPRING_DATA_REDIS_SENTINEL_NODES", "SPRING_REDIS_SENTINEL_NODES",
           "REDIS_CLUSTER_NODES", "REDIS_NODES", "SPRING_DATA_REDIS_CLUSTER_NODES", "SPRING_REDIS_CLUSTER_NODES")


@dataclasses.dataclass(frozen=True)
class Server:
    """One server of Redis, and who asks it.

    :param user: of its access control list; empty for the default one.
    :param ca_file: of the authority that signed its certificate, where ``tls`` is used; empty for those of this machine.
    :param forwarded_to: the name of the server where the address is a loopback port that leads to a pod of it.
    """

    host: str
    port: int = PORT
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    database: int = 0
    tls: bool = False
    ca_file: str = ""
    forwarded_to: str = ""

    @property
    def name(self) -> str:
        """Names it for people and records, however it is reached: ``redis:6379/0``."""
        return self.forwarded_to or f"{self.host}:{self.port}/{self.database}"

    def connect(self, timeout: float = 5.0) -> t.Any:
        """A client of the package ``redis``, which connects when it is first asked. Close it.

        :param timeout: seconds to connect, and for each answer; nothing is tried twice.
        """
        require("redis")
        # Through a forwarded port the server's name is not that of the address.
        encrypted = {"ssl": True, "ssl_ca_certs": self.ca_file or None, "ssl_check_hostname": not self.forwarded_to} if self.tls else {}
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
_NEXT = {REFUSED: "Check user and password of the cache, and what it says.", BUSY: "Run again when it serves.", DOWN: "Look at its pod, host and port first."}
_WAITING = ("LOADING", "MASTERDOWN", "BUSY", "CLUSTERDOWN", "TRYAGAIN")


@contextlib.contextmanager
def opened(cluster: Cluster, namespace: str, given: t.Mapping[str, t.Any]) -> t.Iterator[Server]:
    """The server that ``given`` (an option of ``REDIS_CONNECTION_SPEC``) means, reachable while the context lasts.

    :raises ClusterError: the environment cannot be read, or no pod of the Service is ready.
    """
    server = _resolve(cluster, namespace, given)
    with _service.reached(cluster, namespace, server.host, server.port, given.get("route") or "auto", "Redis") as forwarder:
        yield dataclasses.replace(server, host="127.0.0.1", port=forwarder.port, forwarded_to=server.name) if forwarder else server


def _resolve(cluster: Cluster, namespace: str, given: t.Mapping[str, t.Any]) -> Server:
    """What is given, the rest as the environment of a running pod of ``given['workload']`` says, and ``redis`` where nothing names a host."""
    said: dict[str, str] = {}
    if given.get("workload"):
        names = [*dict.fromkeys(name for names in VARIABLES.values() for name in names), *URLS, *SEVERAL]
        said = from_environment(_environment.variables(cluster, namespace, given["workload"], given.get("container"), names,
                                                       "Set host and password of the cache"), bool(given.get("host")))
    values = {"host": "redis", **said, **{key: value for key, value in given.items() if value not in (None, "")}}
    host, _colon, port = str(values["host"]).rpartition(":") if re.fullmatch(r"[^:]+:\d+", str(values["host"])) else (values["host"], "", "")
    port = str(values.get("port") or port or PORT)
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise InvalidInput(f"The port of Redis is {redact(port)!r}, which is no port number.", "Set port of the cache.")
    return Server(host, int(port), values.get("user", ""), values.get("password", ""),
                  int(values.get("database") or 0), bool(values.get("tls")), values.get("ca_file", ""))


def from_environment(variables: t.Mapping[str, str], host_given: bool = False) -> dict[str, t.Any]:
    """Host, port, user, password, database and tls, as far as variables of a container have them.

    :param host_given: then how the variables name the host is no matter.
    :raises InvalidInput: they name several servers, or one in a form that is not understood: another one must not be asked instead.
    """
    # Kubernetes itself sets REDIS_PORT=tcp://… where there is a Service called redis.
    plain: dict[str, t.Any] = {key: next((variables[name] for name in names if variables.get(name) and "://" not in variables[name]), "")
                               for key, names in VARIABLES.items()}
    plain["tls"] = str(plain["tls"]).lower() in ("true", "1", "yes", "on")
    if not plain["host"]:
        plain |= _from_url(variables, host_given)
    several = next((name for name in SEVERAL if variables.get(name)), "REDIS_HOST" if "," in str(plain["host"]) else "")
    if several and not host_given and (not plain["host"] or several == "REDIS_HOST"):
        raise InvalidInput(f"The application's Redis is several servers ({several}), by sentinel or in cluster mode, of which one has to be asked.",
                           "Set host of the cache to the Service of its primary.")
    database = str(plain["database"])
    return {key: value for key, value in {**plain, "database": database if database.isdigit() else ""}.items() if value}


def _from_url(variables: t.Mapping[str, str], host_given: bool) -> dict[str, t.Any]:
    """What the first URL says that is about a Redis; ``host:port`` is one, too."""
    for name in URLS:
        given = variables.get(name, "")
        words = given.partition("://")[0].lower() if "://" in given else "redis"
        if not given or not any(word in words for word in ("redis", "valkey", "unix")):
            continue  # such as a broker of another kind
        parts = _urls.split(given if "://" in given else f"redis://{given}")
        if parts is None or parts.scheme not in SCHEMES or "," in parts.host:
            if host_given:
                return {}
            raise InvalidInput(f"The application's {name} names several servers, or is in a form that is not understood.", "Set host of the cache.")
        # ``redis://word@host`` is a password, as all clients read it.
        user, password = (parts.user, parts.password) if parts.password else ("", parts.user)
        found = {"host": parts.host, "port": int(parts.port or 0), "user": user, "tls": parts.scheme in ("rediss", "valkeys"), "password": password,
                 "database": parts.path.strip("/") or parts.options.get("db", "")}
        return {key: value for key, value in found.items() if value}
    return {}


@contextlib.contextmanager
def asked(server: Server, doing: str) -> t.Iterator[t.Any]:
    """A client while the context lasts.

    :param doing: for messages: ``read keys``.
    :raises ClusterError: it is down or turns us away.
    """
    client = server.connect()
    try:
        yield client
    except redis.RedisError as error:
        raise ClusterError(f"Redis at {server.host}:{server.port} is {_state(error)} ({doing}): {_said(error)}.", _NEXT[_state(error)]) from error
    finally:
        client.close()


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
    # Whoever answers is not down: a replica that takes no writes, memory that is full, a node of a cluster that has other keys, and also what
    # speaks another protocol, or whose certificate is not trusted.
    answers = isinstance(error, (redis.ResponseError, redis.exceptions.InvalidResponse)) or "SSL" in text or "certificate" in text
    return REFUSED if answers or "max number of clients" in text else DOWN


def _said(error: Exception) -> str:
    return redact(" ".join(str(error).split()))[:300]
