# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking rules: several at once, each on a connection of its own, all on one snapshot."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import queue
import threading
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._consistency import _sql, _strategy
from ansible_collections.sre.runbooks.plugins.module_utils._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._consistency._sql import Range
from ansible_collections.sre.runbooks.plugins.module_utils._consistency._state import Part, Progress, State, part_name
from ansible_collections.sre.runbooks.plugins.module_utils._database._exported import Snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._redact import redact

try:
    import psycopg2
except ImportError:
    pass

#: seconds between lines that say what is running
HEARTBEAT = 10.0
#: type oids of smallint, integer and bigint
INTEGERS = (20, 21, 23)
#: Parallel workers would each add up the whole table. A server that knows the last setting ends what nobody waits for.
SESSION = {"max_parallel_workers_per_gather": "0", "TimeZone": "UTC", "DateStyle": "ISO", "client_connection_check_interval": "5000"}

#: what the server says (SQLSTATE, or the class that it begins with), and what a person does about it; the first counts
_HINTS = (
    ("42501", "Grant SELECT on it to the role that the checks use."),
    ("57014", "Raise the statement timeout, or run at a quieter time."),
    ("55P03", "See in pg_locks who holds the table, or raise the lock timeout."),
    ("53", "The server lacks room for sorting: free space on it, or lower connections and work_mem."),
    ("42", "Mend the rule: docs/consistency-rules.md describes its fields."),
    ("22", "A value does not fit the rule's expression: mend the expression or its where."),
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


def count(cursor: t.Any, rules: t.Iterable[Rule]) -> dict[str, int]:
    """How many rows each rule finds in the transaction of the cursor, which sees its own uncommitted changes."""
    found = {}
    for rule in rules:
        cursor.execute("SAVEPOINT consistency")
        strategy = _strategy.choose(cursor, rule, Options.rows_per_range)
        _strategy.apply(cursor, {**SESSION, **_strategy.settings(rule, strategy.way)})
        cursor.execute(f"SELECT count(*) FROM ({_sql.statement(rule)}) AS affected_rows")
        found[rule.name] = cursor.fetchone()[0]
        cursor.execute("ROLLBACK TO SAVEPOINT consistency; RELEASE SAVEPOINT consistency")
    return found


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
        self.todo: queue.SimpleQueue[Rule] = queue.SimpleQueue()

    def run(self) -> dict[str, str]:
        todo = [rule for rule in self.rules if not (known := self.state.of(rule)) or not known.finished]
        if len(todo) < len(self.rules):
            self.progress(f"{len(self.rules) - len(todo)} of {len(self.rules)} rules were finished before")
        for rule in todo:
            self.todo.put(rule)
        with concurrent.futures.ThreadPoolExecutor(max_workers=self.options.connections) as pool:
            pending = {pool.submit(self._work) for _each in todo[:self.options.connections]}
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
                self.stop.set()  # the others end with the range that they are at
        return self.errors

    def _work(self) -> None:
        with contextlib.closing(self.connect()) as connection:
            self.connections.add(connection)
            connection.set_client_encoding("UTF8")
            while not self.stop.is_set() and not self.todo.empty():
                with contextlib.suppress(queue.Empty):
                    self._check(connection, self.todo.get_nowait())
            self.connections.discard(connection)

    def _check(self, connection: t.Any, rule: Rule) -> None:
        try:
            with connection.cursor() as cursor:
                self._begin(cursor)
                self._ranges(cursor, rule)
            connection.rollback()
        except psycopg2.Error as error:
            if connection.closed:
                raise self._lost(rule, error) from error
            connection.rollback()
            self.errors[rule.name] = _said(rule, error)
            self.progress(self.errors[rule.name])
        finally:
            self.running.pop(rule.name, None)

    def _begin(self, cursor: t.Any) -> None:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (self.snapshot.id,))
        except psycopg2.Error as error:
            if cursor.connection.closed:
                raise
            raise RunbookError(f"The snapshot {self.snapshot.id} is gone ({_primary(error)}): the session that holds it has ended.",
                               "Run again with the same incident_id: what was finished is kept.") from error
        _strategy.apply(cursor, {**SESSION, "work_mem": f"{self.options.work_mem_mb}MB"})

    def _ranges(self, cursor: t.Any, rule: Rule) -> None:
        known = self.state.of(rule)
        if known is None:
            strategy = _strategy.choose(cursor, rule, self.options.rows_per_range)
            known = Progress(strategy, self._integers(cursor, rule))
            self.state.begin(rule, known)
        self.progress(f"{rule.name}: {known.strategy.why}")
        _strategy.apply(cursor, _strategy.settings(rule, known.strategy.way))
        for keys in known.missing:
            if self.stop.is_set():
                return
            self.state.add(rule, self._part(cursor, rule, keys, known.strategy.ranges.index(keys)))
            self._say_how_far(rule)

    def _part(self, cursor: t.Any, rule: Rule, keys: Range, number: int) -> Part:
        with self.state.part_file(rule, number) as file:
            received = self.running[rule.name] = _Received(file)
            cursor.copy_expert(f"COPY ({_sql.statement(rule, keys)}) TO STDOUT (FORMAT csv)", received)
        return Part(part_name(rule, number), keys, received.rows, self.snapshot.id, self.snapshot.taken_at,
                    round(time.monotonic() - received.since, 3))

    @staticmethod
    def _integers(cursor: t.Any, rule: Rule) -> tuple[str, ...]:
        """Also finds bad SQL before anything is read."""
        cursor.execute(f"{_sql.statement(rule)} LIMIT 0")
        return tuple(name for name, column in zip(rule.columns, cursor.description, strict=True) if column.type_code in INTEGERS)

    def _lost(self, rule: Rule, error: Exception) -> RunbookError:
        finished = sum(1 for each in self.rules if (known := self.state.of(each)) and known.finished)
        known = self.state.of(rule)
        at = f" after {len(known.parts)} of {len(known.strategy.ranges)} ranges" if known and known.parts else ""
        return RunbookError(f"The connection to the database was lost while rule {rule.name} was checked{at}: {_primary(error)}. "
                            f"{finished} of {len(self.rules)} rules are finished and kept; nothing was changed.",
                            "Run again with the same incident_id: it goes on from there.")

    def _say_how_far(self, rule: Rule) -> None:
        known = self.state.of(rule)
        parts, ranges = len(known.parts), len(known.strategy.ranges)
        far = "finished" if parts == ranges else f"{parts} of {ranges} ranges ({parts / ranges:.0%})"
        self.progress(f"{rule.name}: {far}, {sum(part.rows for part in known.parts):,} rows, "
                      f"{sum(part.seconds for part in known.parts):.1f} s")

    def _say_what_runs(self) -> None:
        running = [f"{name} ({time.monotonic() - received.since:.0f} s, {received.rows:,} rows)"
                   for name, received in sorted(self.running.items())]
        if running:
            self.progress(f"running: {', '.join(running)}; {self.todo.qsize()} more rules")


def _said(rule: Rule, error: Exception) -> str:
    code, position = error.pgcode or "", error.diag.statement_position
    hint = next((hint for begin, hint in _HINTS if code.startswith(begin)), "")
    near = ""
    if position and (query := error.cursor and error.cursor.query):
        text = query.decode("utf-8", "replace")[max(int(position) - 1, 0):][:60]
        near = f", at: {' '.join(text.split())}"
    return redact(f"Rule {rule.name} ({rule.kind}) could not be checked: {_primary(error)}{near}. {hint}").strip()


def _primary(error: Exception) -> str:
    return redact(" ".join((error.diag.message_primary or str(error)).split()))
