# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the shapes of log records in one pass over their bytes.

A shape is a record in which every word with a digit is the same wildcard; it is known by its hash. Few shapes make up millions of
lines, so everything that is slow (masks, times, grouping) is done with one example of each shape instead of with every line.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _records, _times

#: shapes that are told apart; the records of further ones are only counted
MOST_SHAPES = 1 << 17
#: bytes of a record that are kept as its example
LONGEST_EXAMPLE = 4096
#: lines of a record, and its share of what was read at once, from which on it is doubtful that it is one
DOUBTFUL_LINES, DOUBTFUL_SHARE = 100, 0.5
#: blocks that are counted at the same time
WORKERS = min(4, os.cpu_count() or 1)


@dataclasses.dataclass
class Shape:
    """Records that are the same but for words with digits.

    :param example: the first one, as it stands in the log.
    :param counts: records before the incident, and since.
    :param sources: where it was seen.
    :param first: the earliest time at which it was seen, last: the latest.
    :param newest: the beginning of the last record, until its time is read.
    """

    example: str
    counts: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    sources: set[str] = dataclasses.field(default_factory=set)
    first: float | None = None
    last: float | None = None
    newest: bytes = b""

    def saw(self, at: float | None) -> None:
        """Note when it was seen."""
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)


class _Counted(t.NamedTuple):
    """What is in one block: key, count, span of the first record and beginning of the last one of each shape, in order of the first."""

    shapes: list[list[int]]
    records: int
    others: int
    labels: t.Any


class Shapes:
    """All shapes seen so far.

    :param latest: no record is younger; for times without a year.
    :param most: shapes that are told apart.
    :param label: whether to keep the shape of every record, eight bytes each.
    :param others: records of the shapes beyond, before the incident and since.
    :param bytes: that were read; ``doubtful``: of them those of records that hold most of what was read with them.
    """

    def __init__(self, latest: float, most: int = MOST_SHAPES, label: bool = False) -> None:
        self.latest, self.most, self._label = latest, most, label
        self.shapes: dict[int, Shape] = {}
        self.labels: list[int] = []
        self.records = 0
        self.others = [0, 0]
        self.bytes = self.doubtful = 0

    def add(self, parts: t.Iterable[tuple[int, bytes]], source: str) -> None:
        """Count the records of parts that end with a newline, several at once, in the order in which they come.

        :param parts: each with 1 for records since the incident, 0 for those before.
        """
        pending: collections.deque[tuple[int, bytes, concurrent.futures.Future[_Counted]]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for since, part in parts:
                pending.append((since, part, pool.submit(_count, part, self.most, self._label)))
                if len(pending) > WORKERS:
                    self._merge(source, *pending.popleft())
            while pending:
                self._merge(source, *pending.popleft())
        for shape in self.shapes.values():
            if shape.newest:
                shape.saw(_times.moment_at(shape.newest, 0, self.latest))
                shape.newest = b""

    def _merge(self, source: str, since: int, part: bytes, counting: concurrent.futures.Future[_Counted]) -> None:
        counted = counting.result()
        self.bytes += len(part)
        for key, count, first, end, last in counted.shapes:
            if end - first > DOUBTFUL_SHARE * len(part) and part.count(b"\n", first, end) >= DOUBTFUL_LINES:
                self.doubtful += end - first
            shape = self.shapes.get(key)
            if shape is None:
                if len(self.shapes) >= self.most:
                    self.others[since] += count
                    continue
                shape = self.shapes[key] = Shape(part[first:min(end, first + LONGEST_EXAMPLE)].decode("utf-8", "replace"))
            shape.counts[since] += count
            if source in shape.sources or last != first:
                shape.newest = part[last:last + _times.HEADER]
            if source not in shape.sources:
                shape.sources.add(source)
                shape.saw(_times.moment_at(part, first, self.latest))
        self.records += counted.records
        self.others[since] += counted.others
        self.labels.extend(counted.labels.tolist())


def _count(part: bytes, most: int, label: bool) -> _Counted:
    most = min(most, len(part) // 2 + 1)
    slots, shapes = np.zeros(1 << (2 * most - 1).bit_length(), np.int32), np.zeros((most, 5), np.int64)
    labels = np.zeros(part.count(b"\n") if label else 0, np.int64)
    records, used, others = _records.count_shapes(np.frombuffer(part, np.uint8), _records.kinds(), slots, shapes, labels)
    return _Counted(shapes[:used].tolist(), records, others, labels[:records])
