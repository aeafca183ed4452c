# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks which database: given, or as the environment of a workload that already talks to it says."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _environment as _environment_of
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._core import _urls
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

#: variables of a container, and what each of them holds; the first that is set counts
VARIABLES: dict[str, tuple[str, ...]] = {
    "host": ("DB_HOST", "PGHOST", "POSTGRES_HOST", "POSTGRESQL_HOST", "DATABASE_HOST"),
    "port": ("DB_PORT", "PGPORT", "POSTGRES_PORT", "POSTGRESQL_PORT", "DATABASE_PORT"),
    "name": ("DB_NAME", "PGDATABASE", "POSTGRES_DB", "POSTGRES_DATABASE", "POSTGRESQL_DATABASE", "DATABASE_NAME", "DB_DATABASE"),
    "user": ("DB_USER", "PGUSER", "POSTGRES_USER", "POSTGRESQL_USER", "DATABASE_USER", "DB_USERNAME", "DATABASE_USERNAME",
             "SPRING_DATASOURCE_USERNAME", "QUARKUS_DATASOURCE_USERNAME"),
    "password": ("DB_PASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "DATABASE_PASSWORD", "DB_PASS",
                 "SPRING_DATASOURCE_PASSWORD", "QUARKUS_DATASOURCE_PASSWORD"),
    "ssl_mode": ("PGSSLMODE", "DB_SSLMODE"),
}
#: variables that hold all of it; asked where none of the above names a host
URLS = ("DATABASE_URL", "SPRING_DATASOURCE_URL", "JDBC_URL", "JDBC_DATABASE_URL", "QUARKUS_DATASOURCE_JDBC_URL", "DB_URL", "POSTGRES_URL",
        "POSTGRESQL_URL", "PG_URL", "DB_CONNECTION_STRING")
#: variables of the images of other databases' clients
OTHERS = {"MYSQL_HOST": "MySQL", "MYSQL_DATABASE": "MySQL", "MARIADB_HOST": "MariaDB", "MARIADB_DATABASE": "MariaDB"}
#: variables that say which database the others are about
DRIVERS = ("DB_CONNECTION", "DB_TYPE", "DB_DIALECT", "DB_CLIENT", "DB_ENGINE", "DB_DRIVER", "DATABASE_TYPE", "QUARKUS_DATASOURCE_DB_KIND",
           "SPRING_DATASOURCE_DRIVER_CLASS_NAME")
PORT = 5432


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What a client of the database needs.

    :param ssl_mode: libpq's sslmode.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = dataclasses.field(repr=False)
    ssl_mode: str = "prefer"

    def __str__(self) -> str:
        return f"database {self.name} on {self.host}:{self.port} as {self.user}"


def resolve(cluster: Cluster, namespace: str, given: t.Mapping[str, t.Any]) -> Credentials:
    """What is given, and the rest from the environment of a ready pod of ``given['workload']``.

    :raises InvalidInput: host, name or user are neither given nor in that environment, or it is no PostgreSQL.
    :raises ClusterError: the environment cannot be read.
    """
    # "prefer" is what nobody has chosen.
    values = {key: given.get(key) for key in VARIABLES if key != "ssl_mode"}
    missing = [key for key, value in values.items() if not value]
    said: dict[str, str] = {}
    if missing and given.get("workload"):
        said = _environment(cluster, namespace, given["workload"], given.get("container"), bool(values["host"]))
        values |= {key: said.get(key) or values[key] for key in missing}
    unknown = [key for key in ("host", "name", "user") if not values[key]]
    if unknown:
        raise InvalidInput(
            f"Cluster {cluster.name}: the database's {', '.join(unknown)} is neither given nor in the environment of "
            f"{given.get('workload') or 'a workload'} ({', '.join((*VARIABLES[unknown[0]], *URLS))}).",
            "Set it in the database variables of this runbook.")
    host, port = _host_and_port(str(values["host"]), str(values["port"] or ""))
    chosen = given.get("ssl_mode") or "prefer"
    return Credentials(host, port, values["name"], values["user"], values["password"] or "",
                       said.get("ssl_mode", "") if chosen == "prefer" and said.get("ssl_mode") in SSL_MODES else chosen)


def from_url(url: str) -> dict[str, str]:
    """Host, port, name, user, password and ssl_mode of a database's URL, as far as it has them.

    :raises InvalidInput: it is another database's, or names several servers.
    """
    # Drivers and what wraps them stand before and after: jdbc:aws-wrapper:postgresql, postgresql+asyncpg, mariadb:replication.
    words = re.split(r"[:+]", url.strip().partition("//")[0].lower())
    if not {"postgres", "postgresql", "postgis"} & set(words):
        raise _other(next((PRODUCTS[word] for word in words if word in PRODUCTS), ""))
    parts = _urls.split(url)
    if parts is None or "," in parts.host:
        raise InvalidInput("The application's database URL names several servers, or is in a form that is not understood.",
                           "Set host and port in the database variables.")
    options = parts.options
    found = {"host": options.get("host", parts.host), "port": options.get("port", parts.port), "name": parts.path,
             "user": parts.user or options.get("user", ""), "ssl_mode": options.get("sslmode", ""),
             "password": parts.password or options.get("password", "")}
    return {key: value for key, value in found.items() if value}


def _other(product: str) -> InvalidInput:
    """The refusal of another database; its URL stays unsaid, as it may hold a password."""
    if not product:
        return InvalidInput("The application's database is not named by a URL that is understood.", "Set host, name and user in the database variables.")
    return InvalidInput(f"The application's database is {product}: only PostgreSQL can be checked, dumped and repaired.",
                        "Nothing was asked and nothing changed. Use that database's own tools.")


#: of the words of a URL's scheme, or of a driver's name
PRODUCTS = {"mysql": "MySQL", "mysql2": "MySQL", "mariadb": "MariaDB", "sqlserver": "Microsoft SQL Server", "mssql": "Microsoft SQL Server",
            "oracle": "Oracle", "mongodb": "MongoDB", "sqlite": "SQLite", "redis": "Redis", "cockroachdb": "CockroachDB", "clickhouse": "ClickHouse"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _host_and_port(host: str, port: str) -> tuple[str, int]:
    """``db:5433`` is a host and a port; an address of IPv6 is not."""
    if "," in host:
        raise InvalidInput(f"The database's host names several servers ({host}).", "Set host and port in the database variables.")
    name, _colon, after = host.rpartition(":")
    if after.isdigit() and name and (":" not in name or name.endswith("]")):
        host, port = name, port or after
    host = host.strip("[]")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise InvalidInput(f"The database's port is {port!r}, which is no port number.", "Set port in the database variables of this runbook.")
    return host, int(port or PORT)


def _environment(cluster: Cluster, namespace: str, workload: str, container: str | None, host_given: bool) -> dict[str, str]:
    """What the variables say."""
    names = [*dict.fromkeys(name for names in VARIABLES.values() for name in names), *URLS, *OTHERS, *DRIVERS]
    found = _environment_of.variables(cluster, namespace, workload, container, names,
                                      "Set host, name, user and password in the database variables of this runbook")
    # Kubernetes itself sets POSTGRES_PORT=tcp://… where there is a Service called postgres.
    plain = {key: next((found[name] for name in names if found.get(name) and "://" not in found[name]), "") for key, names in VARIABLES.items()}
    url = next((found[name] for name in URLS if found.get(name)), "")
    if plain["host"] or host_given or not url:
        words = re.split(r"\W+", " ".join(found.get(name, "") for name in DRIVERS).lower())
        other = next((PRODUCTS[word] for word in words if word in PRODUCTS), "") if not host_given else ""
        if not (plain["host"] or host_given):
            other = other or next((product for name, product in OTHERS.items() if found.get(name)), "")
        if other:
            raise _other(other)
        return plain
    told = from_url(url)
    return {key: told.get(key) or (plain[key] if key in ("user", "password", "name") else "") for key in VARIABLES}
