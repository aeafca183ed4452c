# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured logs as plain records: time, level, message, and what was thrown as continuation lines."""

from __future__ import annotations

import http
import itertools
import json
import re
import typing as t

# Names as loggers write them: Logback, Log4j, zap, logrus, pino and bunyan, structlog, Serilog's compact form (@t, @mt …), OpenTelemetry (Body,
# SeverityText), GELF, the Elastic Common Schema, MongoDB (t.$date, s, c), journald (MESSAGE, PRIORITY).
_TIME = ("timestamp", "@timestamp", "time", "ts", "datetime", "t", "@t", "Timestamp", "asctime", "start_time", "$date")
_LEVEL = ("level", "severity", "lvl", "log.level", "levelname", "@l", "SeverityText", "severity_text", "severityText", "loglevel", "s")
_SYSLOG_LEVEL, _OTEL_LEVEL = ("PRIORITY", "syslog_level"), ("SeverityNumber", "severity_number", "severityNumber")
_LOGGER = ("logger", "logger_name", "component", "caller", "name", "SourceContext", "c")
_MESSAGE = ("message", "msg", "event", "log", "short_message", "@m", "@mt", "Body", "body", "MESSAGE")
_THROWN = ("stack_trace", "stacktrace", "stack", "exception", "exc_info", "error", "err", "@x", "error.stack_trace", "exception.stacktrace")
#: what a line of an access log has in the place of a message
_REQUEST = (("method", "request_method", "verb"), ("route", "path", "uri", "request_uri", "url", "authority"))
_STATUS = ("status", "response_code", "status_code", "DownstreamStatus", "code")
_FLAGS = ("response_flags", "termination_state")
_NUMBERS = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARN", 50: "ERROR", 60: "FATAL"}
#: RFC 5424, as GELF and journald count
_SYSLOG = ("FATAL", "FATAL", "FATAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
_OTEL = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_LEVELS = {"I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL", "INFORMATION": "INFO", "VERBOSE": "TRACE"}
_HOLE = re.compile(r"\{[@$]?(\w+)[^}]*\}")
_VARIABLE = re.compile(r"[^/?]*\d[^/?]*")
_PAIR = re.compile(r'(?<![\w.@-])([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_SAMPLE = 20
#: the time that the kubelet gives to each line, or the container runtime with its stream
_STAMP = re.compile(rb"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?)?")
_OBJECT = re.compile(rb"(?m)^" + _STAMP.pattern + rb"\{")

Reader = t.Callable[[str], t.Optional[t.Dict[str, t.Any]]]


def as_plain(block: bytes) -> bytes:
    """The block with JSON and logfmt records as plain ones, and all else as it is, such as a banner before them."""
    if _holds_objects(block):
        lines = block.split(b"\n")
        # An object without a message is an event where most lines from the first one on are objects, and else a part of a record.
        sample = list(itertools.islice(itertools.dropwhile(lambda line: not _OBJECT.match(line), filter(None, lines)), _SAMPLE))
        events = sum(bool(_OBJECT.match(line)) and _fields(line, _json) is not None for line in sample) * 2 > len(sample)
        return b"\n".join(_plain(line, lambda text: _event(text, events)) if _OBJECT.match(line) else line for line in lines)
    head = [line for line in itertools.islice(block[:1 << 16].split(b"\n"), _SAMPLE) if line]
    if head and sum(_fields(line, _logfmt) is not None for line in head) * 2 > len(head):
        return b"\n".join(_plain(line, _logfmt) for line in block.split(b"\n"))
    return block


def _holds_objects(block: bytes) -> bool:
    """Whether a line is an object, behind a stamp or not; most logs have no brace there, and that is seen at once."""
    return b"{" in block and (block.startswith(b"{") or b"\n{" in block or (b" {" in block and _OBJECT.search(block) is not None))


def _fields(line: bytes, reader: Reader) -> dict[str, t.Any] | None:
    return reader(_STAMP.sub(b"", line, count=1).decode("utf-8", "replace"))


def _event(text: str, whatever: bool) -> dict[str, t.Any] | None:
    found = _json(text)
    return found if found is not None and (whatever or any(key in found for key in _MESSAGE)) else None


def _json(text: str) -> dict[str, t.Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    attributes = found.get("attributes", found.get("Attributes"))
    return {**attributes, **found} if isinstance(attributes, dict) else found


def _logfmt(text: str) -> dict[str, t.Any] | None:
    found = {key: _unquoted(value) for key, value in _PAIR.findall(text)}
    return found if len(found) > 2 and any(key in found for key in _MESSAGE) and any(key in found for key in _LEVEL) else None


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"').replace("\\n", "\n") if value.startswith('"') else value


def _plain(line: bytes, reader: Reader) -> bytes:
    fields = _fields(line, reader)
    if fields is None:
        return line
    head = " ".join(filter(None, (_first(fields, _TIME), _level(fields), _first(fields, _LOGGER), _message(fields))))
    lines = [*head.split("\n"), *_first(fields, _THROWN).split("\n")]
    stamp = _STAMP.match(line)[0]  # type: ignore[index]
    return b"\n".join(stamp + ((" " if number else "") + part).encode() for number, part in enumerate(filter(str.strip, lines)))


def _message(fields: t.Mapping[str, t.Any]) -> str:
    message = _first(fields, _MESSAGE)
    if "@mt" in fields and "@m" not in fields:
        return _HOLE.sub(lambda hole: str(fields.get(hole[1], hole[0])), message)
    return message or _request(fields) or " ".join(f"{key}={value}" for key, value in fields.items() if isinstance(value, (str, int, float)))


def _request(fields: t.Mapping[str, t.Any]) -> str:
    """A line of an access log in words: what is a number in it would be no part of a pattern."""
    status = _first(fields, _STATUS)
    if not status.isdigit():
        return ""
    method, path = (_first(fields, names) for names in _REQUEST)
    try:
        answer = http.HTTPStatus(int(status)).phrase.replace(" ", "-")
    except ValueError:
        answer = "no-answer" if status == "0" else "status"
    return " ".join(filter(None, (method, _VARIABLE.sub("*", path.split("?")[0]), answer, _first(fields, _FLAGS))))


def _level(fields: t.Mapping[str, t.Any]) -> str:
    level = _first(fields, _LEVEL)
    if level.isdigit():
        number = int(level)
        return _SYSLOG[number] if number < len(_SYSLOG) else _NUMBERS.get(number, level)
    if level:
        return _LEVELS.get(level.upper(), level.upper())
    syslog, otel, status = _first(fields, _SYSLOG_LEVEL), _first(fields, _OTEL_LEVEL), _first(fields, _STATUS)
    if syslog.isdigit() and int(syslog) < len(_SYSLOG):
        return _SYSLOG[int(syslog)]
    if otel.isdigit() and 1 <= int(otel) <= 24:
        return _OTEL[(int(otel) - 1) // 4]
    if "@t" in fields:  # Serilog leaves out what is usual
        return "INFO"
    return "ERROR" if status.isdigit() and int(status) >= 500 and not _first(fields, _MESSAGE) else ""


def _first(fields: t.Mapping[str, t.Any], names: t.Sequence[str]) -> str:
    value = next((fields[name] for name in names if fields.get(name) not in (None, "")), "")
    if isinstance(value, dict):
        return _first(value, (*_THROWN, *_MESSAGE, "stringValue", "$date")) or json.dumps(value)
    return value if isinstance(value, str) else json.dumps(value)
