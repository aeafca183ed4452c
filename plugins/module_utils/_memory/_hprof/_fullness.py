# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections that are empty, and tables far larger than what is in them, summed up by who holds them."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _collections
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._graph import Objects
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import identifier, kernel, load32
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Saving
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._numbers import Numbers, number_of

#: a table of which more than one slot in this many is used, or as large as a new one is, is not worth a word
_SLOTS_PER_ENTRY, _NEW = 4, 16
_INT = 10


class _Places(t.NamedTuple):
    """By row: where an instance has its number of entries, and the reference to its table; -1 for what has none."""

    count: t.Any
    table: t.Any


def savings(heap: Heap) -> list[Saving]:
    """Empty and oversized collections, by their class and their holders' class."""
    places = _places(heap)
    wanted = np.concatenate([places.count >= 0, np.zeros(len(places.count), np.bool_)])
    vertices = np.flatnonzero(wanted[heap.graph.objects.class_of[heap.reached.object[1:]]]) + 1
    vertices = vertices[heap.sources.begin[vertices] < heap.sources.begin[vertices + 1]]
    if not len(vertices):
        return []
    chosen, layout = heap.reached.object[vertices], heap.classes.layout
    entries, slots = np.empty(len(chosen), np.int64), np.empty(len(chosen), np.int64)
    _look(heap.data, heap.graph.objects, heap.graph.numbers, heap.classes.scan.id_bytes, places, chosen, entries, slots)
    table = np.where(slots > 0, layout.array_header_bytes + slots * layout.reference_bytes, 0)
    empty, sparse = entries == 0, (entries > 0) & (slots > _SLOTS_PER_ENTRY * np.maximum(entries, _NEW))
    return [*_by_holder(heap, vertices[empty], heap.graph.objects.units[chosen[empty]] * np.int64(8) + table[empty], "empty_collections",
                        "are empty: create one when its first entry comes, or share one that cannot be changed"),
            *_by_holder(heap, vertices[sparse], (slots - 2 * entries)[sparse] * layout.reference_bytes, "oversized_collections",
                        f"use less than 1 slot of {_SLOTS_PER_ENTRY}: create them with the size they need, or trim them when they are filled")]


def _places(heap: Heap) -> _Places:
    rows = len(heap.classes.names)
    places = _Places(np.full(rows, -1, np.int64), np.full(rows, -1, np.int64))
    for row in range(rows):
        kind = _collections.kind_of(heap, row)
        if kind:
            fields = {heap.field_name(field): field for field in reversed(heap.classes.fields.of(int(heap.classes.ids[row])))}
            if kind.count in fields and fields[kind.count].kind == _INT:
                places.count[row] = fields[kind.count].offset
                places.table[row] = fields[kind.table].offset if kind.table in fields else -1
    return places


def _by_holder(heap: Heap, vertices: t.Any, sizes: t.Any, kind: str, advice: str) -> list[Saving]:
    """One saving for each class of collections in each class of holders, placed by its largest member."""
    if not len(vertices):
        return []
    holders = heap.sources.source[heap.sources.begin[vertices]]
    own, theirs = (heap.group[some].astype(np.int64) for some in (vertices, holders))
    keys = own * len(heap.classes.group_names) + theirs
    order = np.argsort(keys, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    found = []
    for group in members:
        largest = int(heap.reached.object[vertices[group[np.argmax(sizes[group])]]])
        found.append(Saving(kind, _collections.held_by(heap, largest), len(group), int(sizes[group].sum()),
                            f"{len(group)} of {heap.class_name(largest)} {advice}"))
    return found


@kernel
def _look(data: t.Any, objects: Objects, numbers: Numbers, id_bytes: int, places: _Places, chosen: t.Any, entries: t.Any,
          slots: t.Any) -> None:
    """Read each collection's number of entries, and how many its table has room for."""
    for i in range(chosen.shape[0]):
        o = chosen[i]
        row = objects.class_of[o]
        body = np.int64(objects.place[o]) + 9 + 2 * id_bytes
        entries[i], slots[i] = load32(data, body + places.count[row]), 0
        if places.table[row] >= 0:
            table = number_of(numbers, identifier(data, body + places.table[row], id_bytes))
            if table >= 0:
                slots[i] = load32(data, np.int64(objects.place[table]) + 5 + id_bytes)
