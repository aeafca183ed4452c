# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortest way from a root to an object, and by which field each object on it refers to the next."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import OBJECT, kernel
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Step

#: classes whose source is not the application's
PLATFORM = re.compile(r"(java|javax|jdk|sun|com\.sun|kotlin|scala)\.")
#: references to go up from an object before giving up on a field of the application
_WAY_UP = 8


@kernel
def _breadth_first(vertex: int, begin: t.Any, source: t.Any, is_root: t.Any, towards: t.Any, queue: t.Any) -> int:
    """Walk from a vertex against the references; ``towards`` says from where each was reached. Returns the first root."""
    head, tail = 0, 1
    queue[0], towards[vertex] = vertex, vertex
    while head < tail:
        v = queue[head]
        head += 1
        if is_root[v]:
            return v
        for k in range(begin[v], begin[v + 1]):
            above = source[k]
            if towards[above] == 0:
                towards[above] = v
                queue[tail] = above
                tail += 1
    return 0


def shortest(heap: Heap, vertex: int) -> list[int]:
    """Objects from a root to a vertex, both included; soft, weak, phantom and final references are not in the graph."""
    vertices = heap.reached.count + 1
    towards, queue = np.zeros(vertices, np.int32), np.empty(vertices, np.int32)
    v = int(_breadth_first(vertex, heap.sources.begin, heap.sources.source, heap.sources.is_root, towards, queue))
    path = [v]
    while v and v != vertex:
        v = int(towards[v])
        path.append(v)
    return [int(heap.reached.object[v]) for v in path]


def steps(heap: Heap, objects: list[int]) -> list[Step]:
    """The objects of a path with the references between them."""
    found = []
    for o, target in zip(objects, [*objects[1:], -1], strict=True):
        step = Step(heap.address(o), heap.class_name(o), heap.label(o), heap.retained(o))
        if target >= 0:
            step.field, step.kind, step.declaring_class = reference(heap, o, target)
        found.append(step)
    return found


def reference(heap: Heap, o: int, target: int) -> tuple[str, str, str]:
    """Field, kind and declaring class of the reference from one object to another; see ``Step``."""
    key, name_of = heap.identifier(target), heap.classes.scan.class_names
    if heap.is_class(o):
        owner = heap.classes.names[heap.row(o)]
        dump = heap.classes.scan.counts.class_dumps[heap.identifier(o)]
        for static in dump.statics:
            if static.kind == OBJECT and static.value == key:
                return heap.classes.scan.texts[static.name], "static", owner
        return next((name for name in ("super", "loader", "signers", "domain") if getattr(dump, name) == key), ""), "loader", owner
    if heap.classes.is_array[heap.row(o)]:
        places = np.flatnonzero(heap.elements(o) == key)
        return (f"[{places[0]}]", "element", heap.class_name(o)) if len(places) else ("<class>", "class", heap.class_name(o))
    for field in heap.all_fields(o):
        if field.kind == OBJECT and heap.value(o, field) == key:
            return heap.field_name(field), "field", name_of.get(field.declared_by, heap.class_name(o))
    for local in heap.roots.locals_of.get(o, []):
        if local.object == target:
            return f"<{local.kind}>", "local", heap.method_at(o, local.frame)
    return "<class>", "class", heap.class_name(o)


def holder(heap: Heap, o: int) -> tuple[str, str]:
    """Declaring class and name of a field that holds it: the application's own nearest to it, else the nearest of all."""
    nearest, v = ("", ""), int(heap.reached.vertex[o])
    for _step in range(_WAY_UP):
        begin, end = (int(place) for place in heap.sources.begin[v:v + 2])
        if begin == end:
            break
        source = int(heap.sources.source[begin])
        field, kind, declaring = reference(heap, int(heap.reached.object[source]), int(heap.reached.object[v]))
        if kind in ("field", "static") and not field.startswith("<") and not PLATFORM.match(declaring):
            return declaring, field
        nearest, v = (nearest if nearest[0] else (declaring, field)), source
    return nearest
