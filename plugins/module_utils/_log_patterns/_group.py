# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Group shapes into patterns: mask what is variable by its form, then decide column by column what is text and what is value."""

from __future__ import annotations

import collections
import re
import typing as t

WILD = "<*>"
#: a place with fewer different words than this is text (opened, closed), not a value; words with a capital are names that the
#: program gives (states, classes, methods) more often than values, so it takes more of them
FEWEST_VALUES, FEWEST_NAMES = 3, 8
#: a pattern in which a smaller share of the words is the same says nothing, so it is told apart further
LEAST_CONSTANT = 0.7
#: with more different words than this, and in more than every second text another one, a place is a value all the same
MOST_TEXTS = 64
#: words of a record that are looked at
MOST_WORDS = 120

_SEPARATORS = re.compile(r"[\s=:,;()\[\]{}\"'|<>]+")
#: statuses of HTTP are kept as their class; \1 and \2 stand for it until numbers are masked
_STATUS = {"4": "\1", "5": "\2"}
#: values by their form: what a text with one of them contains, the form, and what it becomes
_MASKS: list[tuple[str, re.Pattern[str], t.Any]] = [(hint, re.compile(pattern), by) for hint, pattern, by in (
    (":", r"\b(?:[a-z][a-z0-9+]*://[^\s\"']+|[\w-]+(?:\.[\w-]+)+:\d+(?=[\s,;)\]]|$))", "\0"),  # addresses
    ("HTTP/", r'(?<=HTTP/\d\.\d" )([45])\d\d\b', lambda found: _STATUS[found[1]]),
    ("HTTP/", r"\bHTTP/\d(?:\.\d)?\b", "HTTP"),
    ('"', r"([=:]\s?)\"[^\"]*\"|\"[^\"\s]*\"", "\\1\0"),  # quoted, but for sentences: klog's messages, requests
    ("'", r"(?<![\w])'[^']*'", "\0"),
    ("=", r"(?<=[\w.\]])= ?(?![\w.]+=)[^\s,;)\]}]+", "= \0 "),  # key=value, but for key= without one
    ("(", r"(?<![\w.])[A-Za-z_]\w*\(\d+\)", "\0"),  # LOCAL(0)
    ("", r"[^\s=:,;()\[\]{}\"'|<>]*\d[^\s=:,;()\[\]{}\"'|<>]*", "\0"),  # anything with a digit
    ("\0", r"(?<=\0) ?(?:[kKMGT]?i?[bB]|bytes?|%|[mun]?s|secs?|seconds?|mins?|minutes?|hours?|days?)\b", ""),  # units of numbers
    ("\0", r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\b(?=,? +(?:\0|[A-Z][a-z][a-z] ))", "\0"),
)]

Words = t.Tuple[str, ...]


def words(text: str) -> Words:
    """The words of a record's text, values masked; neighbouring values are one."""
    for hint, pattern, by in _MASKS:
        if hint in text:
            text = pattern.sub(by, text)
    found: list[str] = []
    for word in _SEPARATORS.split(text.replace("\1", "4xx").replace("\2", "5xx")):
        if "\0" in word:
            word = WILD
        if word and not (word == WILD and found and found[-1] == WILD):
            found.append(word)
    return tuple(found[:MOST_WORDS])


def group(texts: t.Sequence[Words]) -> list[Words]:
    """The pattern of each text: texts of equal length are told apart where few words differ, again and again.

    What Brain (Yu et al., IEEE TSC 2023) and IPLoM (Makanju et al., KDD 2009) do by columns, without their roots.
    """
    lengths: dict[int, list[int]] = collections.defaultdict(list)
    for index, text in enumerate(texts):
        lengths[len(text)].append(index)
    patterns: list[Words] = [()] * len(texts)
    undecided = list(lengths.values())
    while undecided:
        members = undecided.pop()
        columns = [set(column) for column in zip(*(texts[index] for index in members), strict=True)]
        place = _text_place(columns, len(members))
        if place is not None:
            parts: dict[str, list[int]] = collections.defaultdict(list)
            for index in members:
                parts[texts[index][place]].append(index)
            undecided.extend(parts.values())
            continue
        pattern = tuple(next(iter(values)) if len(values) == 1 else WILD for values in columns)
        for index in members:
            patterns[index] = pattern
    joined = _joined(dict.fromkeys(patterns))
    return [joined.get(pattern, pattern) for pattern in patterns]


def _joined(patterns: t.Iterable[Words]) -> dict[Words, Words]:
    """What becomes of patterns that differ in one place only, by values: nothing but the order of the places has told them apart."""
    alike: dict[tuple[int, Words], list[Words]] = collections.defaultdict(list)
    for pattern in patterns:
        for place in range(len(pattern)):
            alike[place, (*pattern[:place], WILD, *pattern[place + 1:])].append(pattern)
    found: dict[Words, Words] = {}
    for (place, joined), members in sorted(alike.items(), key=lambda one: -len(one[1])):
        members = [pattern for pattern in members if pattern not in found]
        if len(members) >= _enough([pattern[place] for pattern in members]) and _constant_enough(joined, place):
            found.update(dict.fromkeys(members, joined))
    return found


def _constant_enough(pattern: Words, place: int) -> bool:
    """Whether the pattern is the same event whatever stands there."""
    others = [word for at, word in enumerate(pattern) if at != place and word != WILD]
    return len(others) >= LEAST_CONSTANT * (len(others) + 1)


def _text_place(columns: t.Sequence[set[str]], texts: int) -> int | None:
    """The place by whose words texts are different events, None where they are one event."""
    varying = [place for place, values in enumerate(columns) if len(values) > 1]
    if not varying:
        return None
    place = min(varying, key=lambda place: len(columns[place]) / _enough(columns[place]))
    if len(columns[place]) < _enough(columns[place]):
        return place
    masked = sum(values == {WILD} for values in columns)
    constant = len(columns) - masked - len(varying)
    place = min(varying, key=lambda place: len(columns[place]))
    only_values = constant and len(columns[place]) > max(MOST_TEXTS, texts // 2)
    return place if constant < LEAST_CONSTANT * (len(columns) - masked) and not only_values else None


def _enough(values: t.Iterable[str]) -> int:
    return FEWEST_NAMES if all(word[0].isupper() for word in values if word != WILD) else FEWEST_VALUES
