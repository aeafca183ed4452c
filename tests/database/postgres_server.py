"""A PostgreSQL server of its own on this machine, in a scratch directory, that ends with whoever started it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t

import psycopg2
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._data._database._credentials import Credentials
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database

MANIFEST = pathlib.Path(__file__).parents[1] / "lab/shop/manifests/10-databases.yml"
PASSWORD = "shop-lab-password"
SETTINGS = {"fsync": "off", "max_connections": "40", "listen_addresses": "127.0.0.1", "shared_buffers": "64MB"}


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server; local connections are trusted, those to the loopback port need ``PASSWORD``.

    :param directory: its socket and data are in there.
    :param pid: of the postmaster.
    """

    directory: pathlib.Path
    port: int
    pid: int

    def connect(self, database: str = "postgres", user: str = "postgres", **options: t.Any) -> t.Any:
        """A new psycopg2 connection over the socket."""
        return psycopg2.connect(host=str(self.directory), port=self.port, dbname=database, user=user, **options)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[t.Any, ...]]:
        """Rows of a statement of the superuser, outside a transaction block."""
        with contextlib.closing(self.connect(database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def database(self, name: str, user: str = "shop", password: str = PASSWORD) -> Database:
        """The database as the collection's code reaches it: over the loopback port, with the password."""
        return Database("test", Credentials("127.0.0.1", self.port, name, user, password), "127.0.0.1", self.port)


@contextlib.contextmanager
def temporary_server(parent: str | None = None, **settings: str) -> t.Iterator[Server]:
    """A new server while the context lasts; then it is stopped and its files are deleted.

    :param settings: of postgresql.conf, over ``SETTINGS``.
    """
    with _scratch(parent) as directory:
        (password := directory / "password").write_text(PASSWORD)
        subprocess.run([*_as_owner(), program("initdb"), "-D", directory / "data", "--username=postgres", "--auth-local=trust",
                        "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-sync", f"--pwfile={password}"],
                       check=True, stdout=subprocess.DEVNULL)
        with _running(directory, settings) as server:
            yield server


@contextlib.contextmanager
def replica(of: Server, **settings: str) -> t.Iterator[Server]:
    """A hot standby of a server while the context lasts; it answers once it can be read."""
    with _scratch(None) as directory:
        subprocess.run([*_as_owner(), program("pg_basebackup"), "-h", of.directory, "-p", str(of.port), "-U", "postgres",
                        "-D", directory / "data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], check=True)
        with _running(directory, settings) as server:
            yield server


@contextlib.contextmanager
def _scratch(parent: str | None) -> t.Iterator[pathlib.Path]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="runbooks-postgres-", dir=parent))
    try:
        if os.getuid() == 0:
            shutil.chown(directory, _unprivileged())
        yield directory
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def _running(directory: pathlib.Path, settings: t.Mapping[str, str]) -> t.Iterator[Server]:
    port = _free_port()
    chosen = {**SETTINGS, "port": str(port), "unix_socket_directories": str(directory), **settings}
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen([*_as_owner(), program("postgres"), "-D", directory / "data",
                                    *(f"--{key}={value}" for key, value in chosen.items())], stdout=log, stderr=log)
    try:
        server = Server(directory, port, process.pid)
        _wait_until_ready(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # ends the sessions, then the server
        process.wait(60)


def load_shop(server: Server) -> None:
    """The lab shop's roles, its database ``shop`` and what is in it, by the lab's own script."""
    manifest = yaml.safe_load(MANIFEST.read_text())
    schema = next(item["data"]["schema.sql"] for item in manifest["items"] if item["metadata"]["name"] == "postgres-init")
    subprocess.run([program("psql"), "-h", server.directory, "-p", str(server.port), "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1",
                    "-v", f"password={PASSWORD}", "-f", "-", "postgres"], input=schema, text=True, check=True)


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs; of another version, as far as it is there, in the directory that POSTGRES_PROGRAMS names."""
    chosen = pathlib.Path(os.environ.get("POSTGRES_PROGRAMS", ""), name)
    if "POSTGRES_PROGRAMS" in os.environ and chosen.is_file():
        return str(chosen)
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [shutil.which(name)]
    if found[-1] is None:
        raise FileNotFoundError(f"{name} is not here: install Debian's package postgresql")
    return str(found[-1])


def _unprivileged() -> str:
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def _as_owner() -> list[str]:
    """PostgreSQL refuses root. The server also ends when a test run is killed."""
    ends_too = ["setpriv", "--pdeathsig=INT"]
    return ends_too if os.getuid() else [*ends_too, f"--reuid={_unprivileged()}", "--clear-groups"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            server.connect().close()
            return
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(server.directory / 'log').read_text()}") from None
            time.sleep(0.05)
