# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of all replicas' logs, and which of them came with the incident."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core import _redact
from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import compiled_before, require_compiler
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _group, _header, _pattern, _structured, _times
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._pattern import Pattern
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._shapes import MOST_SHAPES, Shape, Shapes
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._sides import Sides

#: seconds before the incident that its records are compared with
BASELINE = 3600.0
#: characters of an example, and examples of a pattern
LONGEST_EXAMPLE, EXAMPLES = 500, 3
#: from this share of the shapes on, what looks like the name of a component is one
NAMED = 0.95

_FRAME = re.compile(r"\s*(?:at \S|File \"|#\d|\d+: \S|goroutine \d|/\S+\.(?:go|s):\d|from \S+:\d|\S+\.rb:\d)")
_FRAME_NUMBER = re.compile(r"0x[0-9a-f]+|@[0-9a-f]{4,}|\d+")
_THROWN = re.compile(r"((?:Caused by: |Suppressed: )?[\w.$]+(?:Exception|Error)): .*")
_MORE = re.compile(r"\s*\.\.\. \d* ?(?:more|common frames)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]+")


@dataclasses.dataclass
class _Told:
    """What one shape says, secrets removed.

    :param frames: of a stack; without one, all lines are text.
    """

    key: int
    shape: Shape
    text: str
    redacted: bool
    level: str
    frames: tuple[str, ...]
    message: _header.Message
    words: _group.Words = ()


def prepare(tell: t.Callable[[str], None]) -> None:
    """Refuse where the compiler is missing, and say it where this is the first run, which takes longer."""
    require_compiler()
    if not compiled_before(__file__):
        tell("first run on this machine: the analysis is being compiled, some seconds more than later runs")


class Miner:
    """Takes logs one after the other, keeps only the shapes.

    :param since: when the incident began, seconds since 1970; without it nothing is compared.
    :param latest: no record is younger.
    :param baseline: seconds before since to compare with.
    :param most: shapes that are told apart.
    :param label: whether ``numbers`` is wanted.
    :param how: how since is known, for a person.
    """

    def __init__(self, since: float | None, latest: float, baseline: float = BASELINE, most: int = MOST_SHAPES, label: bool = False) -> None:
        self.since, self.baseline, self.latest = since, baseline, latest
        self.problems: list[str] = []
        self.numbers: list[int] = []
        self.how = ""
        self._shapes = Shapes(latest, most, label)
        self._first: float | None = None
        self._last: float | None = None

    def add(self, source: str, blocks: t.Iterable[bytes]) -> None:
        """Count a log's records.

        :param blocks: of whole records, in the order of the log.
        """
        sides = Sides(self.since, self.baseline, self.latest)
        parts = (part for block in _redact.without_keys(blocks) for part in sides.split(_structured.as_plain(block)))
        self._shapes.add(parts, source)
        if sides.went_back:
            self.problems.append(f"{source}: {sides.went_back}; its records are sorted by the time of each.")
        if self.since is not None and sides.first is None:
            self.problems.append(f"{source}: no times were understood; all its records count as since the incident.")
        times = [at for at in (self._first, self._last, sides.first, sides.last) if at is not None]
        self._first, self._last = (min(times), max(times)) if times else (None, None)

    def result(self) -> Json:
        """Patterns by how much they grew, errors first, and what a person should read; ``numbers`` has the pattern of every record."""
        told = [_tell(key, shape) for key, shape in self._shapes.shapes.items()]
        _put_into_words(told)
        before, since = self._minutes()
        grouped = [(_told_together(words, members), members) for words, members in _grouped(told)]
        for pattern, _members in grouped:
            pattern.compare(before, since)
        grouped.sort(key=lambda one: (not one[0].grave, -one[0].surprise, -one[0].since))
        patterns = [pattern for pattern, _members in grouped]
        number = {one.key: index for index, (_pattern_of, members) in enumerate(grouped, 1) for one in members}
        self.numbers = [number.get(key, 0) for key in self._shapes.labels]
        found: Json = {
            "since": _times.iso(self.since), "how": self.how, "records": self._shapes.records, "shapes": len(told), "others": sum(self._shapes.others),
            "minutes_before": round(before, 1), "minutes_since": round(since, 1),
            "patterns": [pattern.to_json() for pattern in patterns], "problems": [*self.problems, *self._limits(before)]}
        table = _pattern.table(found, patterns)
        return {**found, "tables": [table.to_json()] if table.rows else [], "says": _pattern.says(found, patterns)}

    def _limits(self, minutes_before: float) -> t.Iterator[str]:
        if any("\ufffd" in shape.example for shape in self._shapes.shapes.values()):
            yield "Some records have bytes that are not UTF-8; they are shown as \ufffd."
        if any(self._shapes.others):
            yield f"{sum(self._shapes.others)} records of more than {self._shapes.most} shapes are counted but not told apart."
        if self.since is not None and self._first is not None and minutes_before < 1:
            yield f"No log tells of the time before {_times.iso(self.since)}, so what is new cannot be told."

    def _minutes(self) -> tuple[float, float]:
        """How long the logs tell of before the incident, and since."""
        if self._first is None or self._last is None:
            return 0.0, 0.0
        if self.since is None:
            return 0.0, max(self._last - self._first, 1.0) / 60
        before = min(self.baseline, self.since - self._first)
        return max(before, 0.0) / 60, max(self._last - max(self.since, self._first), 1.0) / 60


def _tell(key: int, shape: Shape) -> _Told:
    raw = _header.told(shape.example).replace("\r", "").rstrip()
    if not raw.isprintable():
        raw = _UNPRINTABLE.sub("\ufffd", raw)
    text = _redact.redact(raw)
    first, *rest = raw.split("\n")
    message = _header.message(first)
    if not any(map(_FRAME.match, rest)):
        return _Told(key, shape, text, text != raw, _header.level(text), (), message._replace(text="\n".join([message.text, *rest])))
    frames = tuple(_THROWN.sub(r"\1", _FRAME_NUMBER.sub("", line).strip())
                   for line in text.split("\n")[1:] if line.strip() and not _MORE.match(line))
    return _Told(key, shape, text, text != raw, _header.level(text), frames, message)


def _put_into_words(told: t.Sequence[_Told]) -> None:
    """The words by which records are told apart: without the component where nearly all name theirs, and without what was redacted."""
    named = sum(bool(one.message.component) for one in told) > NAMED * len(told)
    for one in told:
        level, component, text = one.message
        words = _group.words(f"{level} {text}" if named else f"{level} {component} {text}")
        one.words = tuple(word if word in one.text else _group.WILD for word in words) if one.redacted else words


def _told_together(words: _group.Words, members: t.Sequence[_Told]) -> Pattern:
    shapes = [told.shape for told in members]
    return Pattern(
        template=_template(words, members), level=max((told.level for told in members), key=_header.LEVELS.index),
        before=sum(shape.counts[0] for shape in shapes), since=sum(shape.counts[1] for shape in shapes),
        first_seen=_times.iso(min((shape.first for shape in shapes if shape.first is not None), default=None)),
        last_seen=_times.iso(max((shape.last for shape in shapes if shape.last is not None), default=None)),
        sources=sorted(set().union(*(shape.sources for shape in shapes))), frames=list(members[0].frames),
        examples=[told.text[:LONGEST_EXAMPLE] for told in members[:EXAMPLES]])


def _template(words: _group.Words, members: t.Sequence[_Told]) -> str:
    """The words, with the component behind the level where it was left out and all have the same."""
    level, component, _text = members[0].message
    if component in words or any(told.message.component != component for told in members):
        return " ".join(words)
    shown = [word for word in _group.words(component) if word in members[0].text]
    at = 1 if level else 0
    return " ".join([*words[:at], *shown, *words[at:]])


def _grouped(told: t.Sequence[_Told]) -> t.Iterator[tuple[_group.Words, list[_Told]]]:
    """Records with the same frames are told apart by their words, those without frames likewise."""
    by_frames: dict[tuple[str, ...], list[_Told]] = collections.defaultdict(list)
    for one in told:
        by_frames[one.frames].append(one)
    for members in by_frames.values():
        groups: dict[_group.Words, list[_Told]] = collections.defaultdict(list)
        for one, pattern in zip(members, _group.group([one.words for one in members]), strict=True):
            groups[pattern].append(one)
        yield from groups.items()
