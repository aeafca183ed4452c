# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What loggers put before a record's text: how grave it is, and what says nothing about the event."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _times

_LEVELS = {
    "TRACE": "trace", "VERBOSE": "trace", "DEBUG": "debug", "INFO": "info", "NOTICE": "info", "WARN": "warning",
    "WARNING": "warning", "ERROR": "error", "ERR": "error", "SEVERE": "error", "FAILURE": "error", "CRITICAL": "critical",
    "CRIT": "critical", "FATAL": "critical", "ALERT": "critical", "EMERG": "critical", "PANIC": "critical"}
_UPPER, _LOWER = "|".join(_LEVELS), "|".join(_LEVELS).lower()
_LEVEL = re.compile(rf"(?<![\w/.-])({_UPPER})(?![\w/-])|(?<![\w/.-])({_LOWER})(?=[\]:|]|\s*$| )")
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
                     rf"{_GAP}[\[(<]?\b(?P<level>{_UPPER}|{_LOWER}|{_LOWER.title()}|[TDVIWEF](?=[ /]))\b[\])>]?(?=[\s\-|,:/]|$)"
                     rf"(?:{_GAP}{_BRACKETS}(?=[\s:-]))*")

_COMPONENT = re.compile(r"[\s\-|:\])]*((?:[\w.$@/()<>#-]+(?:\[\d+\])?(?=[:\]] )|\S+(?: \S+)?(?= - )))[:\]]? ?-? ")


def level(text: str) -> str:
    """One of LEVELS; of a record without one by what its text says, empty where that says nothing either."""
    found = _LEVEL.search(text, 0, _times.HEADER)
    letter = None if found else _LETTER.search(text, 0, 48)
    told_level = _LEVELS[(found[1] or found[2]).upper()] if found else _LETTERS[letter[1]] if letter else ""
    if told_level and LEVELS.index(told_level) >= LEVELS.index(_LEAST_OF_THROWN):
        return told_level
    return "error" if (_THROWN if told_level else _TROUBLE).search(text) else told_level


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


def message(line: str) -> Message:
    """Take the header off."""
    for found in _times.found_in(line):
        if not any(_is_prose(word) for word in line[:found.start()].split()):
            line = line[found.end():]
            return _split(_HOST.sub("", line, count=1) if found.re is _times.SYSLOG else line)
    return Message("", "", line)


def _is_prose(word: str) -> bool:
    """Whether a word before a time is text: no node, number, dash or bracket."""
    return sum(map(str.isalpha, word)) > 1 and not any(map(str.isdigit, word))


def _split(text: str) -> Message:
    fields = _FIELDS.match(text)
    level_as_written = fields["level"] if fields else ""
    text = text[fields.end():].lstrip(" \t|:-") if fields else text
    component = _COMPONENT.match(text)
    return Message(level_as_written, component[1], text[component.end():]) if component else Message(level_as_written, "", text)
