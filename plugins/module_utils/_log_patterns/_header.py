# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What loggers put before a record's text: how grave it is, and what says nothing about the event."""

from __future__ import annotations

import re

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _times

_LEVELS = {
    "TRACE": "trace", "VERBOSE": "trace", "DEBUG": "debug", "INFO": "info", "NOTICE": "info", "WARN": "warning",
    "WARNING": "warning", "ERROR": "error", "ERR": "error", "SEVERE": "error", "FAILURE": "error", "CRITICAL": "critical",
    "CRIT": "critical", "FATAL": "critical", "ALERT": "critical", "EMERG": "critical", "PANIC": "critical"}
_UPPER, _LOWER = "|".join(_LEVELS), "|".join(_LEVELS).lower()
_LEVEL = re.compile(rf"(?<![\w/.-])({_UPPER})(?![\w/-])|(?<![\w/.-])({_LOWER})(?=[\]:|]|\s*$| )")
_LETTER = re.compile(r"(?:\d[ /]|^)([TDVIWEF])(?:[/ ]|\d{4} )")
_LETTERS = {"T": "trace", "V": "trace", "D": "debug", "I": "info", "W": "warning", "E": "error", "F": "critical"}
_TROUBLE = re.compile(r"\w(?:Exception|Error)\b|\b(?:Exception|Error)\b|^Traceback \(|\b[Ff]ailed\b|\bpanic:")
_THROWN = re.compile(r"^(?:Traceback \(|Caused by: |[\w.$]+(?:Exception|Error)(?::|$))", re.MULTILINE)
#: from the least to the most grave
LEVELS = ("", "trace", "debug", "info", "warning", "error", "critical")
_LEAST_OF_THROWN = "warning"

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d+(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP] |\d{9}(?:Z|[+-]\d\d:\d\d) )", re.MULTILINE)
_HOST = re.compile(r"\s*\S+\s+(?=[\w.()/-]+(?:\[\d+\])?:)")
#: what stands between the time and the text: a level, a number, something in brackets
_FIELD = re.compile(rf"[\s\-|,:*\])]*(?:[\[(<]?\b(?P<level>{_UPPER}|{_LOWER}|{_LOWER.title()}|[TDVIWEF](?=[ /]))\b[\])>]?"
                    r"|\[(?:[^\[\]]|\[[^\[\]]*\])*\](?:/[^\s\]]*\])?|(?P<number>[\d#.]+)(?=[\s|:*]))(?=[\s\-|,:/]|$)")


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


def message(line: str) -> str:
    """The line without its time, host, process and thread, which say nothing about the event; its level and component stay."""
    for form in _times.FORMS:
        found = form.search(line, 0, _times.HEADER)
        if found and not any(_is_prose(word) for word in line[:found.start()].split()):
            line = line[found.end():]
            return _without_fields(_HOST.sub("", line, count=1) if form is _times.SYSLOG and _HOST.match(line) else line)
    return line


def _is_prose(word: str) -> bool:
    """Whether a word before a time is text: no node, number, dash or bracket."""
    return sum(map(str.isalpha, word)) > 1 and not any(map(str.isdigit, word))


def _without_fields(text: str) -> str:
    kept = []
    while (found := _FIELD.match(text)) and not (kept and found["number"]):  # a number behind the level is of the text
        kept += [found["level"]] if found["level"] else []
        text = text[found.end():]
    return " ".join([*kept, text])
