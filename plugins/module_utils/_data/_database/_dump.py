# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_dump of an exported snapshot, checked before and after: room, versions, checksums, table of contents, a trial restore."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, Refused, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import Snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import file_sha256

CHECKSUMS = "SHA256SUMS"
#: of the tables' size on the server; rows are text in a dump, and compressed: seldom more than a third
SPACE_FACTOR = 0.5
TELL_EVERY = 5.0

#: the tables whose rows a dump holds: of those of extensions only what a person configures, as the others' rows come with them;
#: not the empty parents of partitions; and a replica does not have what is unlogged
_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    LEFT JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE c.relkind = 'r' AND CASE WHEN e.oid IS NULL THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                                   ELSE c.oid = ANY (e.extconfig) END
      AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
    ORDER BY 1"""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to dump.

    :param jobs: parallel sessions, each with a connection of its own.
    :param compress: zlib level, 0 to 9.
    :param programs: directory of pg_dump and pg_restore; empty for the ones on the PATH.
    :param lock_timeout: seconds to wait for a table's lock.
    """

    jobs: int = 2
    compress: int = 1
    programs: str = ""
    lock_timeout: float = 30.0

    def program(self, name: str) -> str:
        """The program to run.

        :raises RunbookError: it is not installed here.
        """
        found = shutil.which(name, path=self.programs or None)
        if found is None:
            raise RunbookError(f"{name} is not on the controller{f' in {self.programs}' if self.programs else ''}.",
                               "Install the PostgreSQL client programs, of the server's major version or newer, or name their "
                               "directory (data_inconsistency_pg_programs), or go without a dump (data_inconsistency_dump: false).")
        return found


@dataclasses.dataclass(frozen=True)
class Dump:
    """A dump that is complete and was verified.

    :param path: a directory in pg_dump's directory format, with a ``SHA256SUMS`` that ``sha256sum -c`` understands.
    :param tables: tables with data in its table of contents.
    """

    path: pathlib.Path
    snapshot: Snapshot
    bytes: int
    files: int
    tables: int
    seconds: float


def dump(database: Database, snapshot: Snapshot, directory: pathlib.Path, options: Options,
         tell: t.Callable[[str], None]) -> Dump:
    """Dump the snapshot into a new time-stamped directory below ``directory``.

    :raises RunbookError: no room, no program, another version, or pg_dump failed; nothing of it is left then.
    """
    tables = rehearse(database, directory, options).tables
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for abandoned in directory.glob(".*.partial"):  # by a run that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    path = directory / f"{database.credentials.name}-{moment}.dump"
    partial = path.with_name(f".{path.name}.partial")
    started = time.monotonic()
    argv = [options.program("pg_dump"), "--format=directory", f"--jobs={options.jobs}", f"--compress={options.compress}", "--no-password",
            f"--snapshot={snapshot.id}", f"--lock-wait-timeout={options.lock_timeout * 1000:.0f}", f"--file={partial}"]
    try:
        _run(database, argv, partial, tell)
        found = _listed_tables(options, partial)
        if found != tables:
            raise RunbookError(f"Cluster {database.cluster_name}: the dump of {database.credentials} has data of {found} tables in "
                               f"its table of contents, the database has {tables}.", "Tables came or went meanwhile: run again.")
        size, files = _seal(partial)
        partial.rename(path)
    except OSError as error:
        raise _unwritable(database, str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Dump(path, snapshot, size, files, found, time.monotonic() - started)


@dataclasses.dataclass(frozen=True)
class Rehearsal:
    """What a dump will be like.

    :param note: what may be wrong with it, empty where nothing is.
    """

    tables: int
    note: str


def rehearse(database: Database, directory: pathlib.Path, options: Options) -> Rehearsal:
    """Programs, versions and room, before anything is written.

    :raises RunbookError: a dump below ``directory`` would fail.
    """
    options.program("pg_restore")
    program = options.program("pg_dump")
    with contextlib.closing(database.connect(lock_timeout=options.lock_timeout)) as connection, \
            database.errors("look at the size"), connection.cursor() as cursor:
        if database.pooled():
            raise ClusterError(f"Cluster {database.cluster_name}: a connection pooler answers for {database.credentials}: the settings of pg_dump's "
                               "sessions would stay behind in those of the application.",
                               "Name the database itself (host and port of data_inconsistency_database or data_inconsistency_read_database), "
                               "or go without a dump (data_inconsistency_dump: false).")
        cursor.execute(_TABLES)
        sizes = [size for _name, size in cursor.fetchall()]
        server = divmod(connection.server_version, 10000)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    client = tuple(int(number or 0) for number in re.search(r"(\d+)(?:\.(\d+))?", said).groups())  # "19beta1" has no second one
    if client[0] < server[0]:
        raise RunbookError(f"Cluster {database.cluster_name}: {program} is of version {client[0]}, the server of {server[0]}: pg_dump "
                           "refuses newer servers.",
                           "Install the client programs of the server's version, or go without a dump (data_inconsistency_dump: false).")
    there = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.is_dir())
    free, needed = shutil.disk_usage(there).free, int(sum(sizes) * SPACE_FACTOR)
    if free < needed:
        raise RunbookError(f"No room for the dump: {there} has {free / 1e6:,.0f} MB free, the tables of {database.credentials} "
                           f"are {sum(sizes) / 1e6:,.0f} MB, so a compressed dump may take {needed / 1e6:,.0f} MB. Nothing was written.",
                           "Free space, or set runbooks_incidents_dir to a directory with room, or go without a dump "
                           "(data_inconsistency_dump: false).")
    # Fixes of the server's catalog may be unknown to an older pg_dump: what it writes then is only taken by such a server.
    note = "" if client >= server else (f"pg_dump {client[0]}.{client[1]} is older than the server ({server[0]}.{server[1]}): another server may "
                                        "not take its dump; install the newer client programs")
    return Rehearsal(len(sizes), note)


def row_counts(database: Database, snapshot: Snapshot | None = None) -> dict[str, int]:
    """Rows of every table, by quoted name: what the snapshot saw, or what is there now."""
    with contextlib.closing(database.connect()) as connection, database.errors("count rows"), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot.id,))
        cursor.execute(_TABLES)
        counts = {}
        for name, _bytes in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {name}")
            counts[name] = cursor.fetchone()[0]
    return counts


def trial_restore(scratch: Database, dumped: Dump, options: Options) -> dict[str, int]:
    """Restore into a new database of a scratch server, count its rows, and drop it again.

    :param scratch: a database of that server from which others may be created; its role needs CREATEDB.
    :returns: rows per table.
    """
    name = f"runbooks_restore_{os.getpid()}_{int(time.time())}"
    trial = dataclasses.replace(scratch, credentials=dataclasses.replace(scratch.credentials, name=name))
    _administer(scratch, f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        argv = [options.program("pg_restore"), "--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={options.jobs}",
                "--no-password", f"--dbname={name}", str(dumped.path)]
        result = subprocess.run(argv, env=trial.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            raise scratch.error(f"restore {dumped.path.name} for a trial", result.stderr)
        return row_counts(trial)
    finally:
        _administer(scratch, f'DROP DATABASE IF EXISTS "{name}"')


def refuse_changed(path: pathlib.Path) -> None:
    """Raise where a file of a dump is not what its checksum says."""
    for line in (path / CHECKSUMS).read_text().splitlines():
        sha256, _space, name = line.partition("  ")
        if not (path / name).is_file() or file_sha256(path / name) != sha256:
            raise Refused(f"{path / name} is not as it was dumped.", "Do not restore it; take another dump.")


def _run(database: Database, argv: list[str], path: pathlib.Path, tell: t.Callable[[str], None]) -> None:
    process = subprocess.Popen(argv, env=database.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, umask=0o077)
    try:
        while True:
            try:
                _output, said = process.communicate(timeout=TELL_EVERY)
                break
            except subprocess.TimeoutExpired:
                tell(f"dumped {_size(path) / 1e6:,.0f} MB so far")
    except BaseException:
        process.terminate()
        process.wait(10)
        raise
    if process.returncode:
        raise _failure(database, argv[0], said)


def _failure(database: Database, program: str, said: str) -> RunbookError:
    if re.search(r"No space left|could not (write|close)", said):
        return _unwritable(database, said)
    error = database.error("dump", said)
    return ClusterError(f"{error.message} {program} has left nothing behind.", error.next_step)


def _unwritable(database: Database, said: str) -> RunbookError:
    text = redact(" ".join(said.split()))[-400:]
    return RunbookError(f"Cluster {database.cluster_name}: the disk of the controller did not take all of the dump of {database.credentials}: "
                        f"{text}. What was written has been removed.",
                        "Free space, or set runbooks_incidents_dir to a directory with room, and run again with the same incident_id.")


def _listed_tables(options: Options, path: pathlib.Path) -> int:
    result = subprocess.run([options.program("pg_restore"), "--list", str(path)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RunbookError(f"pg_restore cannot read the dump that was just made: {result.stderr.strip()[-300:]}.")
    return sum(1 for line in result.stdout.splitlines() if " TABLE DATA " in line)


def _seal(path: pathlib.Path) -> tuple[int, int]:
    """Write the checksums; size in bytes and number of files."""
    files = sorted(file for file in path.iterdir() if file.name != CHECKSUMS)
    (path / CHECKSUMS).write_text("".join(f"{file_sha256(file)}  {file.name}\n" for file in files))
    for file in path.iterdir():
        file.chmod(0o600)
    return sum(file.stat().st_size for file in files), len(files)


def _size(path: pathlib.Path) -> int:
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in path.iterdir())
    return 0


def _administer(database: Database, statement: str) -> None:
    with contextlib.closing(database.connect(read_only=False)) as connection, database.errors("make room for a trial restore"):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
