# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a walk over sub-records counts: objects by class, roots, classes. Walks over parts of a dump can be joined."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _records
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._classes import ClassDump
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import Table, new_table
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import (
    ARRAY_HEADER, CLASSES, COLUMNS, DUMPS, FAR, FULL, GAP, HIGHEST, ID_BITS, LOWEST, NARROW, OBJECTS, REASON, REFERENCES, ROOTS, WIDE)

_ROOTS, _DUMPS, _CLASSES = 1 << 16, 1 << 14, 1 << 13


class Counts:
    """What has been counted so far; ``tally`` and ``state`` as in ``_records``.

    :param table: class object's id -> row of ``tally``.
    :param segments: (begin, end) of the stretches that were read.
    """

    def __init__(self, id_bytes: int) -> None:
        self.table: Table = new_table(_CLASSES)
        self.tally, self.state = _new_tally(_CLASSES), _new_state()
        self.class_dumps: dict[int, ClassDump] = {}
        self.segments: list[tuple[int, int]] = []
        self._id_bytes, self._root_bytes = id_bytes, _records.root_bytes(id_bytes)
        self._roots, self._root_parts = np.zeros((_ROOTS, 4), np.int64), []
        self._dumps = np.zeros(_DUMPS, np.int64)

    @property
    def roots(self) -> t.Any:
        """All roots: (tag, id, serial number of the thread or -1, frame or -1) per row."""
        return np.concatenate([*self._root_parts, self._roots[:self.state[ROOTS]]])

    def walk(self, data: t.Any, begin: int, end: int, base: int) -> int:
        """Take the sub-records in these bytes; ``base`` is the offset of ``data[0]`` in the dump.

        :returns: where it stopped; ``state[REASON]`` says why.
        """
        p = begin
        while True:
            p = int(_records.count_objects(data, p, end, self._id_bytes, self._root_bytes, self.table, self.tally, self._dumps,
                                           self._roots, self.state))
            self._keep_dumps(data)
            if self.state[REASON] != FULL:
                break
            self._make_room(1)
        self.segments.append((base + begin, base + p))
        return p

    def join(self, later: Counts) -> None:
        """Add what was counted of a part that comes later."""
        used = np.flatnonzero(later.table.keys)
        self._make_room(len(used))
        rows = np.arange(int(later.state[CLASSES]))  # ours, by row of the later ones
        for slot in used[np.argsort(later.table.values[used])]:  # in the order in which one walk would have met them
            rows[later.table.values[slot]] = _records.class_row(self.table, later.table.keys[slot], self.state)
        tally = later.tally[:len(rows)]
        gaps = np.minimum(self.tally[rows, GAP], tally[:, GAP])
        self.tally[rows] += tally
        self.tally[rows, GAP] = gaps
        ours, theirs = self.state, later.state
        for field in (OBJECTS, NARROW, WIDE, REFERENCES):
            ours[field] += theirs[field]
        for field, of_both in ((LOWEST, min), (ARRAY_HEADER, min), (HIGHEST, max)):
            ours[field] = of_both(ours[field], theirs[field])
        ours[ID_BITS] |= theirs[ID_BITS]
        self.class_dumps |= later.class_dumps
        self.segments += later.segments
        self._put_roots_away()
        self._root_parts.append(later.roots)

    def _make_room(self, classes: int) -> None:
        """Have room for more roots and for that many more classes."""
        if self.state[ROOTS] == len(self._roots):
            self._put_roots_away()
        needed = int(self.state[CLASSES]) + classes + 1
        if needed > len(self.tally):
            more = _new_tally(4 * needed)
            more[:len(self.tally)] = self.tally
            used, bigger = self.table.keys != 0, new_table(len(more))
            for key, row in zip(self.table.keys[used], self.table.values[used], strict=True):
                _records.put(bigger, key, row)
            self.tally, self.table = more, bigger

    def _put_roots_away(self) -> None:
        self._root_parts.append(self._roots[:self.state[ROOTS]].copy())
        self.state[ROOTS] = 0

    def _keep_dumps(self, data: t.Any) -> None:
        for p in self._dumps[:self.state[DUMPS]].tolist():
            end = _records.class_end(data, p, len(data), self._id_bytes)
            dump = ClassDump.parse(bytes(data[p + 1:end]), self._id_bytes)
            self.class_dumps[dump.id] = dump
        self.state[DUMPS] = 0


def _new_tally(rows: int) -> t.Any:
    tally = np.zeros((rows, COLUMNS), np.int64)
    tally[:, GAP] = FAR
    return tally


def _new_state() -> t.Any:
    state = np.zeros(_records.STATE_FIELDS, np.int64)
    state[LOWEST], state[HIGHEST], state[ARRAY_HEADER] = FAR, -FAR, FAR
    state[CLASSES], state[_records.LAST_CLASS] = _records.FIRST_CLASS, -1
    return state
