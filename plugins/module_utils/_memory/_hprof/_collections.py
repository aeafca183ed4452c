# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large collections: how many entries, how full, of what, and who holds them."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _paths
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Collection, Group

_COLLECTIONS, _SAMPLE, _TYPES = 25, 256, 3
#: slots of a table of which entries are taken as a sample
_LOOKED_AT = 1 << 16
_LEAST_SHARE = 2000


class _Kind(t.NamedTuple):
    """How a class keeps its entries: the field with their number, the one with the table (empty for linked ones)."""

    kind: str
    count: str
    table: str


_KINDS = {
    "java.util.HashMap": _Kind("map", "size", "table"), "java.util.Hashtable": _Kind("map", "count", "table"),
    "java.util.WeakHashMap": _Kind("map", "size", "table"), "java.util.TreeMap": _Kind("map", "size", ""),
    "java.util.concurrent.ConcurrentHashMap": _Kind("map", "baseCount", "table"),
    "java.util.ArrayList": _Kind("list", "size", "elementData"), "java.util.Vector": _Kind("list", "elementCount", "elementData"),
    "java.util.LinkedList": _Kind("list", "size", ""), "java.util.PriorityQueue": _Kind("queue", "size", "queue"),
    "java.util.concurrent.CopyOnWriteArrayList": _Kind("list", "", "array"),
    "java.util.ArrayDeque": _Kind("queue", "", "elements"),
    "java.util.concurrent.ArrayBlockingQueue": _Kind("queue", "count", "items"),
    "java.util.concurrent.LinkedBlockingQueue": _Kind("queue", "count", ""),
    "java.util.concurrent.LinkedBlockingDeque": _Kind("queue", "count", ""),
}
_FIRST = ("head", "first", "root")


def largest(heap: Heap) -> list[Collection]:
    """The collections that keep most; sets are shown as the maps that they are made of."""
    kinds = {row: kind for row in range(len(heap.classes.names)) if (kind := kind_of(heap, row))}
    wanted = np.zeros(2 * len(heap.classes.names), np.bool_)
    wanted[list(kinds)] = True
    big = np.flatnonzero(heap.tree.retained >= max(int(heap.tree.retained[0]) // _LEAST_SHARE, 128))[1:]  # without vertex 0, which is all
    chosen = heap.tree.largest(big[wanted[heap.graph.objects.class_of[heap.reached.object[big]]]], _COLLECTIONS)
    found = []
    for v in chosen[:_COLLECTIONS]:
        found.append(_describe(heap, int(heap.reached.object[v]), kinds))
        heap.mapping.let_go()
    return found


def kind_of(heap: Heap, row: int) -> _Kind | None:
    """How objects with that row keep entries, None for what is no collection."""
    names = heap.classes.scan.class_names
    found = (_KINDS.get(names.get(ancestor, "")) for ancestor in heap.classes.fields.ancestors(int(heap.classes.ids[row])))
    return next(filter(None, found), None)


def _describe(heap: Heap, o: int, kinds: dict[int, _Kind]) -> Collection:
    kind = kinds[heap.row(o)]
    table = heap.get(o, kind.table) if kind.table else -1
    capacity = heap.length(table) if table >= 0 else None
    entries = _count(heap, o, kind, table)
    found = Collection(heap.address(o), heap.class_name(o), kind.kind, entries, capacity,
                       round(entries / capacity, 3) if capacity else None, heap.retained(o), held_by=held_by(heap, o))
    sample = _sample(heap, o, table)
    if kind.kind == "map":
        found.key_types = _types(heap, (heap.get(entry, "key", "referent") for entry in sample))
        found.value_types = _types(heap, (heap.get(entry, "value", "val") for entry in sample))
    else:
        found.value_types = _types(heap, sample if table >= 0 else (heap.get(entry, "item") for entry in sample))
    return found


def _count(heap: Heap, o: int, kind: _Kind, table: int) -> int:
    """Its entries as it counts them itself; of one that does not, the slots that are used."""
    if not kind.count:
        return int(np.count_nonzero(heap.elements(table))) if table >= 0 else 0
    fields = {heap.field_name(field): field for field in reversed(heap.all_fields(o))}
    count = heap.get(o, kind.count)
    if kind.count in fields and fields[kind.count].kind == 2:  # an AtomicInteger
        count = heap.get(count, "value")
    cells = heap.get(o, "counterCells")
    if cells >= 0:
        count += sum(heap.get(heap.number(int(key)), "value") for key in heap.elements(cells) if key)
    return max(count, 0)


def _sample(heap: Heap, o: int, table: int) -> list[int]:
    """Some entries: of a table the first ones, of a linked collection those nearest to its end."""
    if table >= 0:
        keys = heap.elements(table, _LOOKED_AT)
        return [heap.number(int(key)) for key in keys[keys != 0][:_SAMPLE]]
    entry, found = heap.get(o, *_FIRST), []
    while entry >= 0 and len(found) < _SAMPLE:
        found.append(entry)
        entry = heap.get(entry, "next", "left")
    return found


def _types(heap: Heap, objects: t.Iterable[int]) -> list[Group]:
    counts: collections.Counter[str] = collections.Counter()
    retained: collections.Counter[str] = collections.Counter()
    for o in objects:
        if o >= 0:
            counts[heap.class_name(o)] += 1
            retained[heap.class_name(o)] += heap.retained(o)
    return [Group(name, count, retained[name]) for name, count in counts.most_common(_TYPES)]


def held_by(heap: Heap, o: int) -> str:
    """The field that holds it, empty where nothing refers to it."""
    return ".".join(filter(None, _paths.holder(heap, o)))
