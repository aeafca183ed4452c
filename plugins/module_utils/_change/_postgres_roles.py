# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL role's settings in one database, read and written as an object with fields, so that changes and undo
treat them like any other.

The object is ``{"metadata": {"name": "shop@shop", "uid": …}, "settings": {name: value}}``; its name is role@database.
Settings of a role in a database leave superusers, replication and other databases alone.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _psql
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    import jsonpatch
except Exception:
    pass

KIND = "PostgresRole"
READ_ONLY = "default_transaction_read_only"

_ROLES = """
    SELECT role.rolname AS role, current_database() AS database, role.oid::text AS uid, role.rolsuper AS superuser,
           role.rolreplication AS replication, coalesce(setting.setconfig, '{{}}') AS settings
    FROM pg_roles AS role
    LEFT JOIN pg_db_role_setting AS setting ON setting.setrole = role.oid
     AND setting.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    WHERE {which}"""
_MINE = "role.rolname = current_user"
_ORDINARY = ("role.rolcanlogin AND NOT role.rolsuper AND NOT role.rolreplication "
             "AND has_database_privilege(role.oid, current_database(), 'CONNECT')")
#: The write, guarded by what was read; then the sessions of the role begin anew, because a default only counts for new ones.
_WRITE = """
    DO $runbook$ BEGIN
      IF (SELECT coalesce(setconfig, '{{}}') FROM pg_db_role_setting
          WHERE setrole = {role_text}::regrole AND setdatabase = (SELECT oid FROM pg_database WHERE datname = {database_text}))
         IS DISTINCT FROM {before}::text[] THEN
        RAISE EXCEPTION 'the settings of role % were changed meanwhile', {role_text};
      END IF;
      {statements}
    END $runbook$"""
_RECYCLE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE usename = {role} AND datname = {database} AND backend_type = 'client backend' AND application_name <> 'sre.runbooks'
      AND pid <> pg_backend_pid()"""


def accounts(cluster: Cluster, namespace: str, ways: t.Sequence[Way], everybody: bool) -> list[Json]:
    """The role that the first way uses, or every ordinary role that may connect to its database.

    :returns: objects as in the module's docstring, with superuser and replication besides.
    """
    rows, _way = _psql.query(cluster, namespace, ways, _ROLES.format(which=_ORDINARY if everybody else _MINE))
    return [_object(row) for row in rows]


class PostgresRoles:
    """What a change needs of the API server, answered by a database.

    :param ways: to the database, without passwords: they may have come from a record.
    """

    def __init__(self, cluster: Cluster, ways: t.Sequence[Json]) -> None:
        self.name = cluster.name
        self._cluster, self._ways = cluster, [Way(**way) for way in ways]

    def find(self, _kind: str, namespace: str, name: str) -> Json | None:
        """The role's settings, None where there is no such role."""
        role, _at, _database = name.rpartition("@")
        rows, _way = _psql.query(self._cluster, namespace, self._ways, _ROLES.format(which=f"role.rolname = {_literal(role)}"))
        return _object(rows[0]) if rows else None

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """The role's settings."""
        found = self.find(kind, namespace, name)
        if found is None:
            raise ClusterError(f"Cluster {self.name}: the database has no role {name}.", status=404)
        return found

    def patch(self, kind: str, namespace: str, name: str, operations: list[Json], _content_type: str) -> None:
        """Set and reset settings as a JSON patch of the object says, and end the role's sessions."""
        role, _at, database = name.rpartition("@")
        before = self.get(kind, namespace, name)
        after = jsonpatch.apply_patch(before, operations)["settings"]
        change = f"ALTER ROLE {_quoted(role)} IN DATABASE {_quoted(database)}"
        statements = [f"{change} SET {_quoted(key)} = {_literal(value)};" for key, value in after.items()
                      if before["settings"].get(key) != value]
        statements += [f"{change} RESET {_quoted(key)};" for key in before["settings"] if key not in after]
        _psql.execute(self._cluster, namespace, self._ways, _WRITE.format(
            role_text=_literal(_quoted(role)), database_text=_literal(database), statements="\n      ".join(statements),
            before=_literal_array(before["settings"])))
        _psql.execute(self._cluster, namespace, self._ways, _RECYCLE.format(role=_literal(role), database=_literal(database)))


def _object(row: Json) -> Json:
    settings = dict(entry.split("=", 1) for entry in row["settings"])
    return {"metadata": {"name": f"{row['role']}@{row['database']}", "uid": row["uid"]}, "settings": settings,
            "superuser": row["superuser"], "replication": row["replication"]}


def _literal_array(settings: t.Mapping[str, str]) -> str:
    """NULL stands for no settings at all: then there is no row to compare with."""
    if not settings:
        return "NULL"
    return "ARRAY[" + ", ".join(_literal(f"{key}={value}") for key, value in settings.items()) + "]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
