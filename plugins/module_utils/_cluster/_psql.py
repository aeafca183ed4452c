# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL through psql, run in a pod of the cluster: the controller needs neither a route to the database nor its password.

A pod that already talks to the database knows host, user, name and password from its environment; psql is run there with
them. A password that is given instead goes to it through standard input, so that it stands in no audit log and no process list.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

#: option of every module that asks a database
DATABASE_SPEC: dict[str, dict[str, t.Any]] = {
    "database_ways": {
        "type": "list", "elements": "dict",
        "default": [{"workload": "api-server"}, {"workload": "postgres", "host": "/tmp", "user": "postgres", "name": "postgres"}],
        "options": {
            "workload": {"type": "str", "required": True},
            "container": {"type": "str"},
            "host": {"type": "str", "default": ""},
            "user": {"type": "str", "default": ""},
            "name": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "password_env": {"type": "str", "default": "DB_PASSWORD", "no_log": False},
        }},
}

#: $1: length of the password on standard input; $2 to $5: host, user, database and name of the environment variable of the
#: password, each empty for what the environment says; $6: seconds to connect; $7: milliseconds for the statement;
#: $8: ONLY or WRITE, whatever the role's default is; $9: SQL. Limits are set in the transaction: a pooler in between may refuse what is
#: asked when connecting, and gives the session to somebody else afterwards.
_SCRIPT = r"""
said() { printenv "$1"; }
PGHOST=${2:-$(said DB_HOST)} PGUSER=${3:-$(said DB_USER)} PGDATABASE=${4:-$(said DB_NAME)}
if [ "$1" -gt 0 ]; then PGPASSWORD=$(head -c "$1"); else PGPASSWORD=$(said "$5"); fi
PGCONNECT_TIMEOUT=$6 PGAPPNAME=sre.runbooks
export PGHOST PGUSER PGDATABASE PGPASSWORD PGCONNECT_TIMEOUT PGAPPNAME
exec psql -X -w -q -A -t -v ON_ERROR_STOP=1 -c "BEGIN READ $8" -c "SET LOCAL statement_timeout = $7" -c "$9" -c COMMIT
"""
#: what a database says that turns a client away, or a network that does not lead to one
_REFUSED = re.compile(r"refused|timeout expired|timed out|too many (?:clients|connections)|connection slots|starting up|shutting down|"
                      r"recovery mode|no route|could not translate|server closed the connection|No such file or directory", re.IGNORECASE)
#: what it says to a role that may not do that; another way's role may
_DENIED = re.compile(r"permission denied|must be (?:superuser|owner)|must have CREATEROLE", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to the database: where psql is run, and what differs from what the environment there says.

    :param workload: from whose first ready pod it is asked.
    :param container: of that pod; its main one when None.
    :param host: address or socket directory; ``DB_HOST`` of the container when empty; likewise ``user`` and ``name``.
    :param password: given through standard input; when empty, the container's ``password_env``.
    """

    workload: str
    container: str | None = None
    host: str = ""
    user: str = ""
    name: str = ""
    password: str = dataclasses.field(default="", repr=False)
    password_env: str = "DB_PASSWORD"


class CannotAsk(ClusterError):
    """The way does not lead to a database: no pod, no permission, no psql, wrong credentials."""


class DatabaseRefused(ClusterError):
    """The database turned the client away, or does not answer: it is ill, not the way."""


def query(cluster: Cluster, namespace: str, ways: t.Sequence[Way], sql: str, timeout: float = 10.0,
          past_refusal: bool = False) -> tuple[list[Json], Way]:
    """The rows of a SELECT, and the way that they came: the first that leads to a database.

    :param timeout: seconds to connect, and again for the statement.
    :param past_refusal: also try the ways after one whose client the database turned away (another may have a reserved
        connection).
    :raises DatabaseRefused: the database turned every client away.
    :raises CannotAsk: no way leads to a database; the reasons are told.
    :raises ClusterError: the database knows the statement to be wrong, or broke it off.
    """
    failures: list[ClusterError] = []
    for way in ways:
        try:
            return rows(cluster, container_of(cluster, namespace, way), way, sql, timeout), way
        except (CannotAsk, DatabaseRefused) as error:
            failures.append(error)
            if isinstance(error, DatabaseRefused) and not past_refusal:
                break
    kind = DatabaseRefused if any(isinstance(error, DatabaseRefused) for error in failures) else CannotAsk
    raise kind(" ".join(error.message for error in failures) or f"Cluster {cluster.name}: no way to the database is given.",
               next((error.next_step for error in failures if error.next_step), ""))


def container_of(cluster: Cluster, namespace: str, way: Way) -> Container:
    """Where a way begins.

    :raises CannotAsk: there is no such workload, or none of its pods runs.
    """
    try:
        workload = _workload.read(cluster, Target.parse(namespace, way.workload))
        running = [pod for pod in _workload.pods(cluster, workload) if _workload.running(pod)]
    except ClusterError as error:
        raise CannotAsk(error.message, error.next_step, status=error.status) from error
    if not running:
        raise CannotAsk(f"Cluster {cluster.name}: no pod of {namespace}/{way.workload} runs, so psql cannot be run there.")
    first = min(running, key=lambda pod: not _workload.ready(pod))
    return Container(namespace, first["metadata"]["name"], _workload.main_container(workload, way.container))


def rows(cluster: Cluster, container: Container, way: Way, sql: str, timeout: float = 10.0) -> list[Json]:
    """The rows of a SELECT, asked from one container; see ``query`` for the errors."""
    statement = f"SELECT coalesce(json_agg(found), '[]') FROM ({sql.strip().rstrip(';')}) AS found"
    return json.loads(_psql(cluster, container, way, statement, timeout, "ONLY"))


def execute(cluster: Cluster, namespace: str, ways: t.Sequence[Way], sql: str, timeout: float = 10.0) -> Way:
    """Run one statement that writes: by the first way that leads to a database and may do it.

    :returns: that way.
    :raises ClusterError: no way may do it, or the database refused the statement itself.
    """
    failures: list[ClusterError] = []
    for way in ways:
        try:
            _psql(cluster, container_of(cluster, namespace, way), way, sql, timeout, "WRITE")
            return way
        except ClusterError as error:
            if not isinstance(error, (CannotAsk, DatabaseRefused)) and not _DENIED.search(error.message):
                raise
            failures.append(error)
    raise CannotAsk(" ".join(error.message for error in failures) or f"Cluster {cluster.name}: no way to the database is given.",
                    "Give a way whose role may do it, such as the database's own pod.")


def _psql(cluster: Cluster, container: Container, way: Way, statement: str, timeout: float, read_only: str) -> str:
    password = way.password.encode()
    argv = ["sh", "-c", _SCRIPT, "sh", str(len(password)), way.host, way.user, way.name, way.password_env,
            str(max(2, round(timeout))), str(round(timeout * 1000)), read_only, statement]
    try:
        result = _exec.run(cluster, container, argv, 2 * timeout + 5, password)
    except ClusterError as error:
        raise CannotAsk(error.message, error.next_step, status=error.status) from error
    if result.code == 0:
        return result.text
    raise _failure(cluster, container, result)


def _failure(cluster: Cluster, container: Container, result: ExecResult) -> ClusterError:
    said = redact(" ".join(result.stderr.split()))[-300:] or f"exit {result.code}"
    if result.code in (126, 127):
        return CannotAsk(f"Cluster {cluster.name}: {container} has no psql ({said}).", "Name a workload that has it.")
    if result.code != 2:
        return ClusterError(f"Cluster {cluster.name}: the database did not do what it was asked from {container}: {said}.")
    if _REFUSED.search(result.stderr):
        return DatabaseRefused(f"Cluster {cluster.name}: the database turns psql in {container} away: {said}.",
                               "Look at the database's pod and log, and at its max_connections.")
    return CannotAsk(f"Cluster {cluster.name}: psql in {container} may not use the database: {said}.",
                     "Check the host, user, name and password of this way to the database.")
