# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A health check: many checks at once, each bounded and independent of the others, and the verdict of them all."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import threading
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

OK, WARN, BAD, UNKNOWN = "ok", "warn", "bad", "unknown"
HEALTHY, DEGRADED, DOWN, UNREACHABLE = "healthy", "degraded", "down", "unreachable"

#: the check that says whether the API server answers at all
API = "api"

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    :param status: ``ok``, ``warn``, ``bad`` or ``unknown``.
    :param value: what was measured, a few characters such as ``3/3``.
    :param detail: the same in a sentence, where there is more to say.
    :param lines: what it is about: pods with their reason, log lines.
    """

    status: str
    value: str = ""
    detail: str = ""
    lines: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """A check and what it found.

    :param at: when it began, ISO 8601, UTC.
    :param seconds: how long it took.
    """

    name: str
    finding: Finding
    at: str
    seconds: float

    @property
    def status(self) -> str:
        """Of the finding."""
        return self.finding.status

    def to_json(self) -> Json:
        """As module results show it."""
        finding = {**dataclasses.asdict(self.finding), "lines": list(self.finding.lines)}
        return {"name": self.name, **finding, "at": self.at, "seconds": round(self.seconds, 3)}


Check = t.Callable[[], Finding]


def start(call: t.Callable[[], T]) -> "concurrent.futures.Future[T]":
    """Run a call on a thread that nobody waits for at the end: what hangs is left behind."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # the error is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def examine(checks: t.Mapping[str, Check], timeout: float) -> list[Row]:
    """Run every check at once; one that fails, or is not done in time, is ``unknown`` with the reason.

    :param timeout: seconds for all of them together.
    """
    began = now()
    futures = {name: start(lambda name=name, check=check: _row(name, check)) for name, check in checks.items()}
    done, _late = concurrent.futures.wait(futures.values(), timeout)
    return [future.result() if future in done
            else Row(name, Finding(UNKNOWN, "", f"not finished within {timeout:g} s"), began, timeout)
            for name, future in futures.items()]


def verdict(rows: t.Sequence[Row], critical: t.Collection[str]) -> str:
    """What the rows mean together.

    :param critical: the checks without which nothing works: one of them bad is ``down``, not measured is ``unknown``.
    :returns: ``unreachable``, ``down``, ``degraded``, ``unknown`` or ``healthy``.
    """
    statuses = {row.name: row.status for row in rows}
    if statuses.get(API) == BAD and all(status == UNKNOWN for name, status in statuses.items() if name != API):
        return UNREACHABLE
    if any(statuses.get(name) == BAD for name in critical):
        return DOWN
    if any(status in (WARN, BAD) for status in statuses.values()):
        return DEGRADED
    if any(statuses.get(name) == UNKNOWN for name in (API, *critical)):
        return UNKNOWN
    return HEALTHY


def summary(rows: t.Sequence[Row], outcome: str) -> str:
    """The verdict and what it rests on, in a line."""
    if outcome == UNREACHABLE:
        return f"{outcome}: {next(row.finding.detail for row in rows if row.name == API)}"
    wrong = [f"{row.name}: {row.finding.detail or row.finding.value}" for row in rows if row.status in (BAD, WARN)]
    missing = [row.name for row in rows if row.status == UNKNOWN]
    parts = [*wrong, *([f"not measured: {', '.join(missing)}"] if missing else [])]
    return f"{outcome}: {'; '.join(parts)}" if parts else outcome


def brief(rows: t.Sequence[Row], outcome: str) -> str:
    """The verdict and which checks it rests on, in a few words."""
    wrong = [_trouble(row) for row in rows if row.status in (BAD, WARN)]
    missing = [row.name for row in rows if row.status == UNKNOWN and outcome != UNREACHABLE]
    parts = [*([", ".join(wrong)] if wrong else []), *([f"not measured: {', '.join(missing)}"] if missing else [])]
    return f"{outcome}: {'; '.join(parts)}" if parts else outcome


def _trouble(row: Row) -> str:
    """A value such as 12/12 says nothing of what is wrong."""
    nothing_missing = re.fullmatch(r"(\d+)/\1", row.finding.value)
    return f"{row.name}: {row.finding.detail}" if nothing_missing and row.finding.detail else f"{row.name} {row.finding.value}".strip()


def _row(name: str, check: Check) -> Row:
    at, started = now(), time.monotonic()
    try:
        finding = check()
    except RunbookError as error:
        finding = Finding(UNKNOWN, "", str(error))
    except Exception as error:  # a check must never take the others with it
        finding = Finding(UNKNOWN, "", f"{type(error).__name__}: {error}")
    return Row(name, finding, at, time.monotonic() - started)
