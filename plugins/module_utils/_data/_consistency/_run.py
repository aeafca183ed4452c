# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking rules: several at once, each on a connection of its own, all on one snapshot."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import queue
import threading
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _sql, _strategy
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import Slice
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import Part, Progress, State, part_name
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _locks
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import HIDDEN
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import Snapshot

try:
    import psycopg2
except Exception:
    pass

#: seconds between lines that say what is running, and that a rule may take before a line says how far it is
HEARTBEAT, QUIET = 10.0, 2.0
#: type oids of smallint, integer and bigint
INTEGERS = (20, 21, 23)
#: Parallel workers would each add up the whole table, and compiling costs more than it saves.
#: With row security on, rows that a policy hides would count as absent: the server refuses instead.
SESSION = {"max_parallel_workers_per_gather": "0", "jit": "off", "TimeZone": "UTC", "DateStyle": "ISO", "row_security": "off"}

LOCKED = "55P03"
REPLICA = "A replica ends what stands in the way of its primary's changes: set hot_standby_feedback on it."
#: SQLSTATE, or the class that it begins with, what a person does about it, and words of the message; the first that fits counts
_HINTS = (
    ("42501", HIDDEN, "row-level security"),
    ("42501", "Grant SELECT on it to the role that the checks use.", ""),
    ("57014", "Raise the statement timeout, or run at a quieter time.", ""),
    (LOCKED, "Wait for that session, end it, or raise the lock timeout.", ""),
    ("40001", f"{REPLICA} Or check the primary.", ""),
    ("53", "The server lacks room for sorting: free space on it, or lower connections and work_mem.", ""),
    ("42", "Mend the rule: docs/consistency-rules.md describes its fields.", ""),
    ("22021", "The database holds text that is not of its encoding: leave that column out of the rule.", ""),
    ("22", "A value does not fit the rule's expression: mend the expression or its where.", ""),
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Bounds of a check.

    :param connections: at most so many at once.
    :param work_mem_mb: of each of them, before the server sorts on disk.
    :param rows_per_range: aim of a range where ranges are cheap.
    """

    connections: int = 2
    work_mem_mb: int = 64
    rows_per_range: int = 2_000_000


def check(connect: t.Callable[[], t.Any], snapshot: Snapshot, rules: t.Sequence[Rule], state: State,
          options: Options = Options(), progress: t.Callable[[str], None] = lambda line: None) -> dict[str, str]:
    """Write what every rule finds into ``state``, but for what is there already.

    :param connect: gives a new psycopg2 connection, with its time-outs set.
    :param snapshot: exported by a transaction that stays open.
    :returns: by rule's name, why it could not be checked; the others are finished.
    :raises RunbookError: the database or the disk is gone; ``state`` keeps what was finished.
    """
    return _Check(connect, snapshot, rules, state, options, progress).run()


@dataclasses.dataclass(frozen=True)
class Inside:
    """What a rule finds in a transaction.

    :param keys: of the first rows, the text of each of their columns.
    :param origin: oid of the table that the key's columns come from, 0 where it is not one; ``origin_key`` are their names there.
    :param error: why it could not be checked; then nothing is known of the rest.
    """

    count: int = 0
    keys: tuple[tuple[str, ...], ...] = ()
    error: str = ""
    origin: int = 0
    origin_key: tuple[str, ...] = ()


def inside(cursor: t.Any, rule: Rule, most: int) -> Inside:
    """What a rule finds in the transaction of the cursor, which sees its own uncommitted changes and goes on whatever the rule does.

    :param most: so many keys.
    """
    cursor.execute("SAVEPOINT consistency")
    try:
        strategy = _strategy.choose(cursor, rule, Options.rows_per_range)
        _strategy.apply(cursor, {**SESSION, **_strategy.settings(strategy.way)})
        cursor.execute(f"SELECT count(*) OVER (), broken.* FROM ({_sql.statement(rule)}) AS broken LIMIT {most}")
        rows = cursor.fetchall()
        found = Inside(rows[0][0] if rows else 0, tuple(tuple(map(str, row[1:len(rule.key) + 1])) for row in rows),
                       "", *_origin(cursor, cursor.description[1:len(rule.key) + 1]))
    except psycopg2.Error as error:
        if cursor.connection.closed:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT consistency")
        found = Inside(error=_said(rule, error, _locks.holders(cursor) if error.pgcode == LOCKED else ""))
    cursor.execute("ROLLBACK TO SAVEPOINT consistency; RELEASE SAVEPOINT consistency")
    return found


def _origin(cursor: t.Any, columns: t.Sequence[t.Any]) -> tuple[int, tuple[str, ...]]:
    """The table, and the names there, of columns that are handed through as they are."""
    tables = {column.table_oid for column in columns}
    if len(tables) != 1 or None in tables:
        return 0, ()
    [table] = tables
    cursor.execute("SELECT attname FROM unnest(%s::int[]) WITH ORDINALITY AS c (number, nth) JOIN pg_attribute ON attrelid = %s AND attnum = number"
                   " ORDER BY nth", ([column.table_column for column in columns], table))
    return table, tuple(name for (name,) in cursor.fetchall())


@dataclasses.dataclass
class _Received:
    """Counts the rows that come, for whoever asks meanwhile: the server sends one at a time."""

    file: t.Any
    since: float = dataclasses.field(default_factory=time.monotonic)
    rows: int = 0

    def write(self, row: bytes) -> None:
        self.rows += 1
        self.file.write(row)


class _Check:
    def __init__(self, connect: t.Callable[[], t.Any], snapshot: Snapshot, rules: t.Sequence[Rule], state: State,
                 options: Options, progress: t.Callable[[str], None]) -> None:
        self.connect, self.snapshot, self.rules, self.state = connect, snapshot, rules, state
        self.options, self.progress = options, progress
        self.errors: dict[str, str] = {}
        self.running: dict[str, _Received] = {}
        self.connections: set[t.Any] = set()
        self.stop = threading.Event()
        self.todo: queue.SimpleQueue[tuple[Rule, Slice]] = queue.SimpleQueue()

    def run(self) -> dict[str, str]:
        unknown = [rule for rule in self.rules if self.state.of(rule) is None]
        if len(unknown) < len(self.rules):
            self.progress(f"{len(self.rules) - len(unknown)} of {len(self.rules)} rules were begun before and go on")
        with self._connection() as connection:
            for rule in unknown:
                self._attempt(connection, rule, functools.partial(self._choose, rule))
        for rule in self.rules:
            if progress := self.state.of(rule):
                for keys in progress.missing:
                    self.todo.put((rule, keys))
        self._work_at_once(min(self.options.connections, self.todo.qsize()))
        return self.errors

    def _work_at_once(self, workers: int) -> None:
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
            pending = {pool.submit(self._work) for _each in range(workers)}
            try:
                while pending:
                    done, pending = concurrent.futures.wait(pending, HEARTBEAT, concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    if not done:
                        self._say_what_runs()
            except KeyboardInterrupt:
                for connection in list(self.connections):
                    connection.cancel()
                raise
            finally:
                self.stop.set()  # the others end with the slice that they are at

    def _work(self) -> None:
        with self._connection() as connection, contextlib.suppress(queue.Empty):
            while not self.stop.is_set():
                rule, keys = self.todo.get_nowait()
                if rule.name not in self.errors:
                    self._attempt(connection, rule, functools.partial(self._read, rule, keys))

    @contextlib.contextmanager
    def _connection(self) -> t.Iterator[t.Any]:
        with contextlib.closing(self.connect()) as connection:
            connection.set_client_encoding("UTF8")
            self.connections.add(connection)
            try:
                yield connection
            finally:
                self.connections.discard(connection)

    def _attempt(self, connection: t.Any, rule: Rule, work: t.Callable[[t.Any], None]) -> None:
        """Do something for a rule in a transaction of its own; what the server says against it is the rule's error."""
        try:
            with connection.cursor() as cursor:
                self._begin(cursor)
                work(cursor)
            connection.rollback()
        except psycopg2.Error as error:
            if connection.closed:
                raise self._lost(rule, error) from error
            connection.rollback()
            self.errors[rule.name] = _said(rule, error, _who_holds(connection, error))

    def _begin(self, cursor: t.Any) -> None:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (self.snapshot.id,))
        except psycopg2.Error as error:
            if cursor.connection.closed:
                raise
            raise RunbookError(f"The snapshot {self.snapshot.id} is gone ({_primary(error)}): the session that holds it has ended.",
                               f"Run again with the same incident_id: what was finished is kept. {REPLICA}") from error
        _strategy.apply(cursor, {**SESSION, "work_mem": f"{self.options.work_mem_mb}MB"})

    def _choose(self, rule: Rule, cursor: t.Any) -> None:
        strategy = _strategy.choose(cursor, rule, self.options.rows_per_range, self.options.connections)
        self.state.begin(rule, Progress(strategy, self._integers(cursor, rule)))

    def _read(self, rule: Rule, keys: Slice, cursor: t.Any) -> None:
        strategy = self.state.of(rule).strategy
        _strategy.apply(cursor, _strategy.settings(strategy.way))
        number = strategy.slices.index(keys)
        name = f"{rule.name} {keys}" if len(strategy.slices) > 1 else rule.name
        with self.state.part_file(rule, number) as file:
            received = self.running[name] = _Received(file)
            try:
                cursor.copy_expert(f"COPY ({_sql.statement(rule, keys)}) TO STDOUT (FORMAT csv)", received)
            finally:
                del self.running[name]
        self.state.add(rule, Part(part_name(rule, number), keys, received.rows, self.snapshot.id, self.snapshot.taken_at,
                                  round(time.monotonic() - received.since, 3)))
        self._say_how_far(rule)

    @staticmethod
    def _integers(cursor: t.Any, rule: Rule) -> tuple[str, ...]:
        """Also finds bad SQL before anything is read."""
        cursor.execute(f"{_sql.statement(rule)} LIMIT 0")
        return tuple(name for name, column in zip(rule.columns, cursor.description, strict=True) if column.type_code in INTEGERS)

    def _lost(self, rule: Rule, error: Exception) -> RunbookError:
        finished = sum(1 for each in self.rules if (known := self.state.of(each)) and known.finished)
        known = self.state.of(rule)
        at = f" after {len(known.parts)} of {len(known.strategy.slices)} parts" if known and known.parts else ""
        return RunbookError(f"The connection to the database was lost while rule {rule.name} was checked{at}: {_primary(error)}. "
                            f"{finished} of {len(self.rules)} rules are finished and kept; nothing was changed.",
                            "Run again with the same incident_id: it goes on from there.")

    def _say_how_far(self, rule: Rule) -> None:
        known = self.state.of(rule)
        seconds = sum(part.seconds for part in known.parts)
        if seconds < QUIET:
            return
        parts, slices = len(known.parts), len(known.strategy.slices)
        far = "finished" if parts == slices else f"{parts} of {slices} parts ({parts / slices:.0%})"
        self.progress(f"{rule.name}: {far}, {sum(part.rows for part in known.parts):,} rows, {seconds:.1f} s")

    def _say_what_runs(self) -> None:
        running = [f"{name} ({time.monotonic() - received.since:.0f} s, {received.rows:,} rows)"
                   for name, received in sorted(self.running.items())]
        if running:
            self.progress(f"running: {', '.join(running)}; {self.todo.qsize()} parts wait")


def _who_holds(connection: t.Any, error: Exception) -> str:
    """Who may have kept a rule waiting, asked in a transaction of its own."""
    if error.pgcode != LOCKED:
        return ""
    with connection.cursor() as cursor:
        found = _locks.holders(cursor)
    connection.rollback()
    return found


def _said(rule: Rule, error: Exception, holders: str = "") -> str:
    code, position = error.pgcode or "", error.diag.statement_position
    hint = next((hint for begin, hint, words in _HINTS if code.startswith(begin) and words in _primary(error)), "")
    near = ""
    if position and (query := error.cursor and error.cursor.query):
        text = query.decode("utf-8", "replace")[max(int(position) - 1, 0):][:60]
        near = f", at: {' '.join(text.split())}"
    return redact(f"Rule {rule.name} ({rule.kind}) could not be checked: {_primary(error)}{near}"
                  f"{f' ({holders})' if holders else ''}. {hint}").strip()


def _primary(error: Exception) -> str:
    return redact(" ".join((error.diag.message_primary or str(error)).split()))
