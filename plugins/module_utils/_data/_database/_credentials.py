# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks which database: given, or as the environment of a workload that already talks to it says."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _psql
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

#: variables of a container, and what each of them holds; the first that is set counts
VARIABLES: dict[str, tuple[str, ...]] = {
    "host": ("DB_HOST", "PGHOST", "POSTGRES_HOST"),
    "port": ("DB_PORT", "PGPORT", "POSTGRES_PORT"),
    "name": ("DB_NAME", "PGDATABASE", "POSTGRES_DB"),
    "user": ("DB_USER", "PGUSER", "POSTGRES_USER"),
    "password": ("DB_PASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD"),
}


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

    :raises InvalidInput: host, name or user are neither given nor in that environment.
    """
    values = {key: given.get(key) for key in VARIABLES}
    missing = [key for key, value in values.items() if not value]
    if missing and given.get("workload"):
        said = _environment(cluster, namespace, given["workload"], given.get("container"), missing)
        values |= {key: said.get(key) or values[key] for key in missing}
    unknown = [key for key in ("host", "name", "user") if not values[key]]
    if unknown:
        raise InvalidInput(
            f"Cluster {cluster.name}: the database's {', '.join(unknown)} is neither given nor in the environment of "
            f"{given.get('workload') or 'a workload'} ({', '.join(VARIABLES[unknown[0]])}).",
            "Set it in the database variables of this runbook.")
    return Credentials(values["host"], int(values["port"] or 5432), values["name"], values["user"],
                       values["password"] or "", given.get("ssl_mode") or "prefer")


def _environment(cluster: Cluster, namespace: str, workload: str, container: str | None,
                 wanted: t.Sequence[str]) -> dict[str, str]:
    """The variables come by exec, because they may be from Secrets that the runbooks may not read."""
    names = [name for key in wanted for name in VARIABLES[key]]
    where = _psql.container_of(cluster, namespace, Way(workload, container))
    script = 'for name; do printf "%s=%s\\0" "$name" "$(printenv "$name")"; done'
    found = dict(entry.split("=", 1) for entry in _exec.run(cluster, where, ["sh", "-c", script, "sh", *names]).text.split("\0") if entry)
    # Kubernetes itself sets POSTGRES_PORT=tcp://… where there is a Service called postgres.
    return {key: next((found[name] for name in VARIABLES[key] if found.get(name) and "://" not in found[name]), "") for key in wanted}
