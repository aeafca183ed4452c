# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools and databases themselves report in a log: who waited in vain, how long, since when, and which code it was.

A record is a line with the stack trace that belongs to it, or one JSON object. What a record says several times (a chain of
exceptions repeats the message) happened once.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._pool import _dialects
from ansible_collections.sre.runbooks.plugins.module_utils._pool._dialects import EXHAUSTED, FIGURES, LEAKED, RETURNED, UNREACHABLE, Event
from ansible_collections.sre.runbooks.plugins.module_utils._pool._frames import Trace

Json = t.Dict[str, t.Any]

_OF_GOROUTINES = "goroutine "
#: what a line holds that may not be passed over
HINTS = (*sorted(_dialects.HINTS), _OF_GOROUTINES)
#: seconds before the end of the log within which a fault counts as current
CURRENT = 300.0
#: rows and places that are told apart, and leaks that are remembered: bounded however long the log is
MOST_ROWS, MOST_LEAKS = 200, 10000
UNKNOWN_PLACE = "?"

#: what the kubelet, or a file of a container runtime, puts before the application's own line
_STAMP = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?"
_KUBELET = re.compile(_STAMP)
#: a pod's name in brackets, as viewers of logs write it before each line
_PREFIX = re.compile(r"\[[\w./-]{1,200}-[\w.]{1,60}(?:/[\w.-]{1,60})?\] (?=\s|Traceback |\d{4}-\d\d-\d\d|[\w.]{1,120}(?:Error|Exception)\b)")
#: how a line begins that belongs to the one before
_GOES_ON = (r"at |\.\.\. |Caused by|Suppressed|Wrapped by|[Nn]ested |### |; |created by |During handling|The above exception|"
            r"\(Background|[-=^~*]{4}")
_CONTINUES = re.compile(_GOES_ON)
#: a line that names an exception and its message
_EXCEPTION = re.compile(r"(?:[\w$]{1,100}(?:\.|::|/)){0,20}[\w$]{0,100}(?:Exception|Error|Timeout|Exhausted|NoConnections?|Exit)\w{0,40}\b(?:$|:| \[| -)")
#: a line that belongs to no record before it but a goroutine's: no exception is named by its first word either
_BEGINS = re.compile(rf"(?:{_STAMP})?+(?!{_GOES_ON}|Traceback|\S*(?:Exception|Error|Timeout|Exhausted|NoConnection|Exit))\S")
_GOROUTINE = re.compile(r"goroutine \d+ \[(?P<state>[^\],]{1,60})(?:, (?P<minutes>\d{1,6}) minutes)?")
#: loggers that write an exception which whoever catches it writes once more
_ECHOES = ("SqlExceptionHelper", "JDBCExceptionReporter")


@dataclasses.dataclass
class _Row:
    """What one pool said of one kind."""

    count: int = 0
    echoed: int = 0
    first: datetime.datetime | None = None
    last: datetime.datetime | None = None
    waited_ms: float | None = None
    size: int | None = None
    most: int | None = None
    active: int | None = None
    idle: int | None = None
    waiting: int | None = None
    full: bool | None = None
    pods: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    places: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def at(self, moment: datetime.datetime | None) -> None:
        """It happened then, too."""
        if moment is not None:
            self.first = moment if self.first is None else min(self.first, moment)
            self.last = moment if self.last is None else max(self.last, moment)

    def figures(self, event: Event) -> None:
        """The worst of what the pool told."""
        for name in ("waited_ms", "size", "most", "active", "waiting"):
            value, most = getattr(event, name), getattr(self, name)
            if value is not None and (most is None or value > most):
                setattr(self, name, value)
        if event.idle is not None and (self.idle is None or event.idle < self.idle):
            self.idle = event.idle
        if event.full is not None:
            self.full = event.full or bool(self.full)


@dataclasses.dataclass
class _Leak:
    """A connection that the pool misses."""

    place: str
    at: datetime.datetime | None


class _Record:
    """A line and what belongs to it; read only where one of its lines may say something of connections."""

    #: lines that are kept of a long record: its beginning, and its end, where a trace of Python names what happened
    HEAD, TAIL = 300, 200

    def __init__(self, pod: str, line: str, text: str, hinted: bool) -> None:
        self.pod, self.line, self.hinted = pod, line, hinted
        self.goroutine = _GOROUTINE.match(text) if text.startswith(_OF_GOROUTINES) else None
        self.of_python = False
        self.last_was_frame = False
        self._head = [text]
        self._tail: collections.deque[str] | None = None

    def add(self, text: str, hinted: bool) -> None:
        """One more of its lines."""
        self.last_was_frame = text.lstrip().startswith("at ")
        self.of_python = self.of_python or text.startswith('  File "')
        self.hinted = self.hinted or hinted
        if len(self._head) < self.HEAD:
            self._head.append(text)
            return
        if self._tail is None:
            self._tail = collections.deque(maxlen=self.TAIL)
        self._tail.append(text)

    def read(self) -> tuple[list[Event], str]:
        """What it says, and the application's code that its stack traces name."""
        events: dict[tuple[str, str], Event] = {}
        earlier: set[str] = set()
        trace = Trace()
        for text in (part for line in (*self._head, *(self._tail or ())) for part in _parts(line)):
            earlier.update(_dialects.contexts(text))
            if trace.read(text) is None and (event := _dialects.read(text, earlier)):
                if self.goroutine and self.goroutine["minutes"]:
                    event.waited_ms = float(self.goroutine["minutes"]) * 60000
                kept = events.setdefault((event.dialect, event.kind), event)
                kept.pool = kept.pool or event.pool
        return list(events.values()), trace.place


class Faults:
    """Collects what pools report, line by line."""

    def __init__(self, time_of: t.Callable[[str], datetime.datetime | None]) -> None:
        """Prepare.

        :param time_of: the time of a line, or of the one before where it has none.
        """
        self._time_of = time_of
        self._record: _Record | None = None
        self._rows: dict[tuple[str, str, str], _Row] = {}
        self._leaks: dict[tuple[str, str], _Leak] = {}
        self._unnamed = 0

    def read(self, pod: str, line: str, hinted: bool) -> None:
        """One line of a replica's log.

        :param hinted: whether it holds one of HINTS.
        """
        stamp = _KUBELET.match(line)
        text = line[stamp.end():] if stamp else line
        if text[:1] == "[" and (prefix := _PREFIX.match(text)):
            text = text[prefix.end():]
        if hinted and _OF_GOROUTINES in text:  # by itself it says nothing
            hinted = any(hint in text for hint in _dialects.HINTS)
        record = self._record
        if record is not None and record.pod == pod and _continues(record, text):
            record.add(text, hinted)
        else:
            self.close()
            self._record = _Record(pod, line, text, hinted)

    def pass_over(self, pod: str, lines: t.Sequence[str]) -> None:
        """Several lines that hold none of HINTS: read are those of a record that is told already, and of one that may be told yet."""
        at = 0
        while at < len(lines) and self._record is not None and (self._record.hinted or self._record.goroutine):
            self.read(pod, lines[at], hinted=False)
            at += 1
        begin = next((number for number in range(len(lines) - 1, at, -1) if _BEGINS.match(lines[number])), at)
        for line in lines[begin:]:
            self.read(pod, line, hinted=False)

    def close(self) -> None:
        """The record is complete: no other line belongs to it."""
        record, self._record = self._record, None
        if record is None or not record.hinted:
            return
        events, place = record.read()
        moment = self._time_of(record.line) if events else None
        for event in events:
            self._happened(record, event, place or UNKNOWN_PLACE, moment)

    def findings(self, end: datetime.datetime | None) -> Json:
        """What pools said: ``pools`` and ``missed`` (see ``_connection_log.Analysis.findings``).

        :param end: until when the log tells; what was said last long before that is not current.
        """
        self.close()
        self._of_figures()
        rows = [_told(key, row, end) for key, row in self._rows.items() if row.count or row.echoed]
        missed: dict[str, list[_Leak]] = {}
        for leak in self._leaks.values():
            missed.setdefault(leak.place, []).append(leak)
        return {"pools": sorted(rows, key=lambda row: (not row["current"], -row["count"])),
                "missed": sorted(({"at": place, "count": len(leaks), **_span([leak.at for leak in leaks], end)} for place, leaks in missed.items()),
                                 key=lambda row: -row["count"])}

    def _happened(self, record: _Record, event: Event, place: str, moment: datetime.datetime | None) -> None:
        if event.kind == LEAKED:
            self._leaked(record.pod, event, _Leak(place, moment))
        elif event.kind == RETURNED:
            self._leaks.pop((record.pod, event.conn), None)
        elif row := self._row(event):
            row.figures(event)
            if event.kind == FIGURES and not event.waiting and not event.full:
                return
            if any(echo in record.line for echo in _ECHOES):
                row.echoed += 1
            else:
                row.count += 1
                row.places[place] += 1
            row.pods[record.pod] += 1
            row.at(moment)

    def _leaked(self, pod: str, event: Event, leak: _Leak) -> None:
        self._unnamed += not event.conn
        if len(self._leaks) < MOST_LEAKS:
            self._leaks[pod, event.conn or f"#{self._unnamed}"] = leak

    def _row(self, event: Event) -> _Row | None:
        key = (event.dialect, event.pool, event.kind)
        if key not in self._rows and len(self._rows) >= MOST_ROWS:
            key = (event.dialect, "", event.kind)
        return self._rows.setdefault(key, _Row())

    def _of_figures(self) -> None:
        """A pool's figures belong to what it said: HikariCP tells those of a failure on a line of their own."""
        for (dialect, pool, kind), figures in list(self._rows.items()):
            failed = self._rows.get((dialect, pool, EXHAUSTED))
            if kind == FIGURES and failed is not None:
                del self._rows[dialect, pool, kind]
                failed.figures(Event(dialect, kind, pool, "", None, figures.size, figures.most, figures.active, figures.idle, figures.waiting,
                                     bool(figures.full)))


def _continues(record: _Record, text: str) -> bool:
    """Whether a line belongs to the record: an indented one, a further cause, or the exception of the line before."""
    if text[:1] in " \t":
        return text != "" or record.goroutine is None
    if record.goroutine:
        return not _GOROUTINE.match(text)
    if _BEGINS.match(text):
        return False
    if _CONTINUES.match(text):
        return True
    if text.startswith("Traceback"):
        return not record.last_was_frame and not record.of_python
    # Of two stack traces without a time each begins with its exception; Python's ends with it.
    return (record.of_python or not record.last_was_frame) and _EXCEPTION.match(text) is not None


def _parts(text: str) -> t.Iterator[str]:
    """The lines that a log line holds: of a JSON object all its texts, a stack trace among them."""
    start = text.find("{") if text.rstrip().endswith("}") else -1
    if start >= 0 and text[start + 1:start + 2] in ('"', " ", ""):
        try:
            yield from _leaves(json.loads(text[start:]), 0)
            return
        except (ValueError, RecursionError):
            pass
    yield from (text.replace("\\n", "\n").replace("\\t", "\t") if "\\" in text else text).split("\n")


def _leaves(data: t.Any, depth: int) -> t.Iterator[str]:
    if isinstance(data, dict):
        if "class" in data and "method" in data:  # a frame as log4j writes it
            yield f"at {data['class']}.{data['method']}({data.get('file')}:{data.get('line')})"
        else:
            for key, value in data.items():
                # A number in a field of its own is a figure: MaxOpenConnections, InUse.
                yield from _leaves(value, depth + 1) if isinstance(value, (dict, list, str)) else (f'"{key}":{value}',)
            yield ",".join(f'"{key}":{value}' for key, value in data.items() if isinstance(value, int))
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value, depth + 1)
    elif isinstance(data, str):
        if depth < 5 and data[:1] == "{":
            yield from _parts(data)
        else:
            yield from data.split("\n")


def _told(key: tuple[str, str, str], row: _Row, end: datetime.datetime | None) -> Json:
    dialect, pool, kind = key
    if kind == EXHAUSTED and row.size == 0:  # the pool is empty because none can be opened, not because all are taken
        kind = UNREACHABLE
    return {"dialect": dialect, "pool": pool, "kind": kind, "count": row.count or row.echoed, **_span([row.first, row.last], end),
            "waited_ms": row.waited_ms, "size": row.size if row.most is None else row.most, "active": row.active, "idle": row.idle,
            "waiting": row.waiting, "full": row.full, "pods": sorted(row.pods),
            "places": [{"at": at, "count": count} for at, count in row.places.most_common(10)]}


def _span(moments: t.Sequence[datetime.datetime | None], end: datetime.datetime | None) -> Json:
    """first and last as ISO 8601, empty where the log has no times, and whether it is current: without times nobody knows."""
    known = [moment for moment in moments if moment is not None]
    if not known:
        return {"first": "", "last": "", "current": None}
    last = max(known)
    return {"first": min(known).isoformat(), "last": last.isoformat(), "current": end is None or (end - last).total_seconds() <= CURRENT}
