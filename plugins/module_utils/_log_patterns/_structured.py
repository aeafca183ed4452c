# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured logs as plain records: time, level, message, and what was thrown as continuation lines."""

from __future__ import annotations

import itertools
import json
import re
import typing as t

_TIME = ("timestamp", "@timestamp", "time", "ts", "datetime", "t")
_LEVEL = ("level", "severity", "lvl", "log.level", "levelname")
_LOGGER = ("logger", "logger_name", "component", "caller", "name")
_MESSAGE = ("message", "msg", "event", "log", "short_message")
_THROWN = ("stack_trace", "stacktrace", "stack", "exception", "exc_info", "error", "err")
_NUMBERS = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARN", 50: "ERROR", 60: "FATAL"}
_PAIR = re.compile(r'(?<![\w.@-])([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_SAMPLE = 20
#: the time that the kubelet gives to each line, or the container runtime with its stream
_STAMP = re.compile(rb"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?)?")

Reader = t.Callable[[str], t.Optional[t.Dict[str, t.Any]]]


def as_plain(block: bytes) -> bytes:
    """The block with JSON and logfmt records as plain ones; as it is when most of its lines are neither."""
    head = [line for line in itertools.islice(block[:1 << 16].split(b"\n"), _SAMPLE) if line]
    for reader in (_json, _logfmt):
        if head and sum(_fields(line, reader) is not None for line in head) * 2 > len(head):
            return b"\n".join(_plain(line, reader) for line in block.split(b"\n"))
    return block


def _fields(line: bytes, reader: Reader) -> dict[str, t.Any] | None:
    return reader(_STAMP.sub(b"", line, count=1).decode("utf-8", "replace"))


def _json(text: str) -> dict[str, t.Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and any(key in found for key in _MESSAGE) else None


def _logfmt(text: str) -> dict[str, t.Any] | None:
    found = {key: _unquoted(value) for key, value in _PAIR.findall(text)}
    return found if len(found) > 2 and any(key in found for key in _MESSAGE) and any(key in found for key in _LEVEL) else None


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"').replace("\\n", "\n") if value.startswith('"') else value


def _plain(line: bytes, reader: Reader) -> bytes:
    fields = _fields(line, reader)
    if fields is None:
        return line
    level = _first(fields, _LEVEL)
    level = _NUMBERS.get(int(level), level) if level.isdigit() else level.upper()
    head = " ".join(filter(None, (_first(fields, _TIME), level, _first(fields, _LOGGER), _first(fields, _MESSAGE))))
    lines = [*head.split("\n"), *_first(fields, _THROWN).split("\n")]
    stamp = _STAMP.match(line)[0]  # type: ignore[index]
    return b"\n".join(stamp + ((" " if number else "") + part).encode() for number, part in enumerate(filter(str.strip, lines)))


def _first(fields: t.Mapping[str, t.Any], names: t.Sequence[str]) -> str:
    value = next((fields[name] for name in names if fields.get(name) not in (None, "")), "")
    if isinstance(value, dict):
        return _first(value, (*_THROWN, *_MESSAGE)) or json.dumps(value)
    return value if isinstance(value, str) else json.dumps(value)
