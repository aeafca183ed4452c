# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks which database, as the environment of a pod says."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _environment
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _credentials

REST = {"DB_NAME": "shop", "DB_USER": "app"}


@pytest.fixture
def resolve(monkeypatch):
    """What comes of a pod's environment, or of a command that failed."""
    def run(environment, code=0, **given):
        stdout = "".join(f"{name}={value}\0" for name, value in environment.items()).encode()
        monkeypatch.setattr(_environment._psql, "container_of", lambda *_: Container("shop", "api-1", "api"))
        monkeypatch.setattr(_environment._exec, "run", lambda *_, **__: ExecResult(code, stdout, ""))
        return _credentials.resolve(type("Cluster", (), {"name": "prod"}), "shop", {"workload": "api", **given})
    return run


@pytest.mark.parametrize(("environment", "expected"), [
    ({"DB_HOST": "db", **REST}, ("db", 5432, "shop", "app", "", "prefer")),
    ({"DB_HOST": "db:5433", **REST}, ("db", 5433, "shop", "app", "", "prefer")),
    ({"DB_HOST": "fd00::5", "PGPORT": "5433", **REST}, ("fd00::5", 5433, "shop", "app", "", "prefer")),
    ({"DB_HOST": "[fd00::5]:5433", **REST}, ("fd00::5", 5433, "shop", "app", "", "prefer")),
    ({"PGHOST": "db", "PGDATABASE": "s", "PGUSER": "u", "PGPASSWORD": "p", "PGSSLMODE": "require"}, ("db", 5432, "s", "u", "p", "require")),
    ({"POSTGRES_HOST": "db", "POSTGRES_PORT": "tcp://10.0.0.1:5432", "POSTGRES_DB": "s", "POSTGRES_USER": "u"}, ("db", 5432, "s", "u", "", "prefer")),
    ({"DATABASE_URL": "postgres://u%40x:p%2Fw@db:5433/s?sslmode=require"}, ("db", 5433, "s", "u@x", "p/w", "require")),
    ({"DATABASE_URL": "postgresql+asyncpg://u:p@[fd00::5]/s"}, ("fd00::5", 5432, "s", "u", "p", "prefer")),
    ({"SPRING_DATASOURCE_URL": "jdbc:postgresql://db/s", "SPRING_DATASOURCE_USERNAME": "u", "SPRING_DATASOURCE_PASSWORD": "p"},
     ("db", 5432, "s", "u", "p", "prefer")),
    ({"JDBC_URL": "jdbc:postgresql://db:6432/s?user=u&password=p%26q"}, ("db", 6432, "s", "u", "p&q", "prefer")),
    ({"DATABASE_URL": "postgres://u:p#/w@db/s"}, ("db", 5432, "s", "u", "p#/w", "prefer")),
    ({"JDBC_URL": "jdbc:aws-wrapper:postgresql://db/s?user=u@t"}, ("db", 5432, "s", "u@t", "", "prefer")),
    ({"DB_HOST": "db", **REST, "DATABASE_URL": "mysql://u:p@other/s"}, ("db", 5432, "shop", "app", "", "prefer")),
])
def test_how_pods_name_their_database(resolve, environment, expected):
    found = resolve(environment)
    assert (found.host, found.port, found.name, found.user, found.password, found.ssl_mode) == expected


@pytest.mark.parametrize(("environment", "says"), [
    ({"DB_HOST": "db", "DB_PORT": "5432/tcp", **REST}, "port is '5432/tcp', which is no port number"),
    ({"DB_HOST": "db", "DB_PORT": "99999", **REST}, "no port number"),
    ({"DB_HOST": "one,two", **REST}, "several servers"),
    ({"DATABASE_URL": "postgres://u:p@one:1,two:2/s"}, "several servers"),
    ({}, "neither given nor in the environment.*DATABASE_URL, SPRING_DATASOURCE_URL"),
    ({"SPRING_DATASOURCE_URL": "jdbc:mysql://db:3306/s"}, "database is MySQL: only PostgreSQL"),
    ({"DATABASE_URL": "mariadb+pymysql://u:p@db/s"}, "database is MariaDB: only PostgreSQL"),
    ({"MYSQL_HOST": "db", "MYSQL_DATABASE": "s"}, "database is MySQL"),
    ({"DB_CONNECTION": "mysql", "DB_HOST": "db", **REST}, "database is MySQL"),
    ({"SPRING_DATASOURCE_DRIVER_CLASS_NAME": "org.mariadb.jdbc.Driver", "DB_HOST": "db", **REST}, "database is MariaDB"),
    ({"JDBC_URL": "jdbc:oracle:thin:u/secret-word@h:1521:x"}, "database is Oracle"),
    ({"DATABASE_URL": "Host=h;Database=d;Username=u;Password=secret-word"}, "not named by a URL that is understood"),
    ({"DATABASE_URL": "host=h dbname=d user=u password=secret-word"}, "not named by a URL that is understood"),
])
def test_what_cannot_be_asked_is_refused(resolve, environment, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        resolve(environment)
    assert "secret-word" not in str(refused.value)


def test_an_image_without_a_shell_is_not_one_without_variables(resolve):
    with pytest.raises(ClusterError, match="cannot be read: it has no sh"):
        resolve({}, code=127)


def test_what_is_given_counts_more_than_what_the_environment_says(resolve):
    found = resolve({"DATABASE_URL": "postgres://u:p@db:5433/s", **REST}, host="replica", user="reader")
    assert (found.host, found.port, found.name, found.user) == ("replica", 5432, "shop", "reader")
