"""A database like the lab shop's for each test, on one temporary server."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import typing as t

import pytest
from postgres_server import Server, load_shop, temporary_server

from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Postgres:
    """One test's database; ``shop`` owns its tables, ``postgres`` is the superuser.

    It begins with the lab's 100 orders of alice, each of two items, total 26.20.
    """

    server: Server
    name: str

    def connect(self, user: str = "shop") -> t.Any:
        """A new psycopg2 connection."""
        return self.server.connect(self.name, user)

    def execute(self, sql: str, *arguments: t.Any) -> list[tuple[t.Any, ...]]:
        """Rows of a statement of ``shop``, committed."""
        with contextlib.closing(self.connect()) as connection:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, arguments or None)
                return cursor.fetchall() if cursor.description else []

    def database(self, user: str = "shop", **options: t.Any) -> Database:
        """The database as the collection's code reaches it."""
        return self.server.database(self.name, user, **options)


@pytest.fixture(scope="session")
def server():
    with temporary_server() as server:
        load_shop(server)
        yield server


@pytest.fixture
def postgres(server):
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE shop OWNER shop")
    yield Postgres(server, name)
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    server.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def one_database(server):
    """An empty database for tests that make their own tables, and leave them."""
    server.execute("CREATE DATABASE one OWNER shop")
    return Postgres(server, "one")
