# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What loggers put before a record's text: how grave it is, and what says nothing about the event."""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _times

_LEVELS = {
    "TRACE": "trace", "VERBOSE": "trace", "DEBUG": "debug", "INFO": "info", "NOTICE": "info", "WARN": "warning",
    "WARNING": "warning", "ERROR": "error", "ERR": "error", "SEVERE": "error", "FAILURE": "error", "CRITICAL": "critical",
    "CRIT": "critical", "FATAL": "critical", "ALERT": "critical", "EMERG": "critical", "PANIC": "critical"}
#: of three or four letters, as logrus, zerolog and Serilog shorten them; in capitals only
_SHORT = {
    "TRC": "trace", "VRB": "trace", "TRAC": "trace", "DBG": "debug", "DEBU": "debug", "INF": "info", "WRN": "warning", "ERRO": "error",
    "FTL": "critical", "PNC": "critical", "FATA": "critical", "PANI": "critical", "DPANIC": "critical"}
#: in square brackets only, as MySQL writes them
_BRACKETED = {"NOTE": "info", "SYSTEM": "info"}
_ALL = {**_LEVELS, **_SHORT, **_BRACKETED}
_UPPER, _LOWER = "|".join((*_LEVELS, *_SHORT)), "|".join(_LEVELS).lower()
_TITLE = "|".join((*_LEVELS, *_BRACKETED)).title()
#: a level in capitals, before the name of Celery's worker too; in small letters only where it is set off
_LEVEL = re.compile(rf"(?:(?<![\w/.-])|(?<=\]-))({_UPPER})(?:(?=/[A-Z])|(?![\w/-]))|(?<![\w/.-])({_LOWER})(?=[\]:|]|\s*$| )|(?<=\[)({_TITLE})(?=\])")
#: Redis' marks behind its time
_REDIS = re.compile(r"^\d+:[XCSM] \d\d [A-Z][a-z]{2} \d{4} \S+ ([.*#-]) ")
_MARKS = {".": "debug", "-": "debug", "*": "info", "#": "warning"}
_LETTER = re.compile(r"(?:\d[ /]|^)([TDVIWEF])(?:[/ ]|\d{4} )")
_LETTERS = {"T": "trace", "V": "trace", "D": "debug", "I": "info", "W": "warning", "E": "error", "F": "critical"}
_TROUBLE = re.compile(r"\w(?:Exception|Error)\b|\b(?:Exception|Error)\b|^Traceback \(|\b[Ff]ailed\b|\bpanic:|\bpanicked at |HTTP/[\d.]+\" 5\d\d\b")
_THROWN = re.compile(r"^(?:Traceback \(|Caused by: |[\w.$]+(?:Exception|Error)(?::|$))", re.MULTILINE)
#: from the least to the most grave
LEVELS = ("", "trace", "debug", "info", "warning", "error", "critical")
_LEAST_OF_THROWN = "warning"

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d+(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP] |\d{9}(?:Z|[+-]\d\d:\d\d) )", re.MULTILINE)
_HOST = re.compile(r"\s*\S+\s+(?=[\w.()/-]+(?:\[\d+\])?:)")
_GAP, _BRACKETS = r"[\s\-|,:*\])]*", r"\[(?:[^\[\]]|\[[^\[\]]*\])*\](?:/\S*\])?"
#: what stands between the time and the text: numbers and brackets before a level, the level, brackets behind it
_FIELDS = re.compile(rf"(?:{_GAP}(?:{_BRACKETS}|[\w.#/-]*\d[\w.#/-]*)(?=[\s|:]))*?"
                     rf"{_GAP}[\[(<]?\b(?P<level>{_UPPER}|{_LOWER}|{_TITLE}|[TDVIWEF](?=[ /]))\b[\])>]?(?=[\s\-|,:/]|$)"
                     rf"(?:{_GAP}{_BRACKETS}(?=[\s:-]))*")

_COMPONENT = re.compile(r"[\s\-|:\])]*((?:[\w.$@/()<>#-]+(?:\[\d+\])?(?=[:\]] )|[\w/-]+(?:\.[\w/-]+)+(?= \[[^\]]*\] )|\S+(?: \S+)?(?= - )))"
                        r"(?: \[[^\]]*\]|[:\]]? ?-?) ")
#: lines by which a log's layout is known, the share of them that must have it, and the different texts before the time that a layout has at
#: least: a sentence in which a time stands has fewer
_LINES_OF_LAYOUT, _SHARE_OF_LAYOUT, _TEXTS_OF_LAYOUT = 1000, 0.95, 8


def level(text: str) -> str:
    """One of LEVELS; of a record without one by what its text says, empty where that says nothing either."""
    found = _LEVEL.search(text, 0, _times.HEADER)
    told_level = _ALL[(found[1] or found[2] or found[3]).upper()] if found else _marked(text)
    if told_level and LEVELS.index(told_level) >= LEVELS.index(_LEAST_OF_THROWN):
        return told_level
    return "error" if (_THROWN if told_level else _TROUBLE).search(text) else told_level


def _marked(text: str) -> str:
    """The level of a record that has a letter or a mark in its place."""
    if letter := _LETTER.search(text, 0, 48):
        return _LETTERS[letter[1]]
    mark = _REDIS.match(text)
    return _MARKS[mark[1]] if mark else ""


def says_something(template: str) -> bool:
    """Whether a pattern has a word that is neither its level nor a value."""
    return any(any(map(str.isalpha, word)) and word.upper() not in _ALL for word in template.split())


def told(text: str) -> str:
    """The application's lines, without the time that the kubelet gives to each, or the container runtime."""
    return _STAMP.sub("", text)


class Message(t.NamedTuple):
    """A record's first line without time, host, process and thread, which say nothing about the event.

    :param level: as it was written, empty where it is not in the header.
    :param component: what may be the name of the writing program, class or file.
    """

    level: str
    component: str
    text: str


def message(line: str, place: int = 0) -> Message:
    """Take the header off.

    :param place: words before the time where the log's layout puts the component there (see :func:`layout`).
    """
    for found in _times.found_in(line):
        before = line[:found.start()].split()
        text = line[found.end():]
        if not any(map(_is_prose, before)):
            return _split(_HOST.sub("", text, count=1) if found.re is _times.SYSLOG else text)
        if len(before) == place:
            return Message("", " ".join(filter(_is_prose, before)), text)
    return Message("", "", line)


def layout(lines: t.Sequence[str]) -> int:
    """How many words stand before the time in a log that writes its component there; 0 where it does not.

    :param lines: of different shapes.
    """
    places: dict[int, list[str]] = collections.defaultdict(list)
    lines = lines[:_LINES_OF_LAYOUT]
    for line in lines:
        found = next(_times.found_in(line), None)
        before = line[:found.start()].split() if found else []
        if before and not _is_prose(before[0]):
            places[len(before)].append(" ".join(filter(_is_prose, before)))
    place, texts = max(places.items(), key=lambda one: len(one[1]), default=(0, []))
    return place if len(texts) > _SHARE_OF_LAYOUT * len(lines) and len(set(texts)) >= _TEXTS_OF_LAYOUT else 0


def _is_prose(word: str) -> bool:
    """Whether a word before a time is text: no node, number, dash or bracket."""
    return sum(map(str.isalpha, word)) > 1 and not any(map(str.isdigit, word))


def _split(text: str) -> Message:
    fields = _FIELDS.match(text)
    level_as_written = fields["level"] if fields else ""
    text = text[fields.end():].lstrip(" \t|:-") if fields else text
    component = _COMPONENT.match(text)
    return Message(level_as_written, component[1], text[component.end():]) if component else Message(level_as_written, "", text)
