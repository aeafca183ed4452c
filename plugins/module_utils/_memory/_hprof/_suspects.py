# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leak suspects as Eclipse MAT defines them: the largest dominators, alone or as a group of one class, the point below which
their memory spreads over many objects, and the shortest way from a root to it."""

from __future__ import annotations

import itertools
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _paths
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._layout import CLASS_OF_CLASSES
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import CodeArea, Group, Step, Suspect

#: share of the reachable heap from which something is suspect; MAT's own
THRESHOLD = 0.2
#: a JVM that does nothing keeps a few MB; shares of them mean nothing
LEAST_BYTES = 8 << 20
#: the way down goes on while one child has this share of its parent
DESCENT = 0.5
_GROUPS = 8
_REPEATED = 8
#: what collections are made of: looked through to see what is in them
ENTRIES = re.compile(r"\$(Tree)?(Node|Entry|Index|QNode|WeightedValue|StrongEntry|BindingNode)$|Node$|Entry$")
#: members of a group of these are not one thing
_UNRELATED = {CLASS_OF_CLASSES, "java.lang.String"}
_THREAD_LOCALS = "java.lang.ThreadLocal$ThreadLocalMap"


def find(heap: Heap) -> list[Suspect]:
    """The suspects, largest first; none in a heap where nothing stands out."""
    total = int(heap.tree.retained[0])
    floor = max(total * THRESHOLD, LEAST_BYTES / 8)
    top = heap.tree.children(0)
    sizes = heap.tree.retained[top]
    single = [int(v) for v in top[sizes >= floor]]
    found = [_suspect(heap, [v]) for v in single]
    rest = top[sizes < floor]
    groups = heap.group[rest]
    sums = np.bincount(groups, weights=heap.tree.retained[rest], minlength=1)
    for group in np.flatnonzero(sums >= floor):
        members = rest[groups == group]
        if _belong_together(heap, members):
            found.append(_suspect(heap, heap.tree.largest(members, len(members))))
    return sorted(found, key=lambda suspect: -suspect.retained_bytes)


def _belong_together(heap: Heap, members: t.Any) -> bool:
    """Whether many objects of one class are one thing: texts and arrays are not, and threads only by their ThreadLocals."""
    name = heap.class_name(int(heap.reached.object[members[0]]))
    if int(heap.reached.object[members[0]]) not in heap.roots.threads:
        return name not in _UNRELATED and not name.endswith("[]")
    below = np.concatenate([heap.tree.children(int(v)) for v in members])
    maps = [v for v in below if heap.class_name(int(heap.reached.object[v])) == _THREAD_LOCALS]
    return bool(heap.tree.retained[maps].sum() >= DESCENT * heap.tree.retained[members].sum())


def accumulation_point(heap: Heap, vertex: int) -> int:
    """Go down while one child has most of it; a chain or tree of objects of one class is not entered."""
    path, seen = [vertex], {}
    while True:
        v = path[-1]
        row = _row(heap, v)
        seen.setdefault(row, len(path) - 1)
        same = [child for child in heap.tree.largest_children(v, 4) if _row(heap, child) == row]
        if heap.tree.retained[same].sum() >= DESCENT * heap.tree.retained[v]:
            return path[max(len(path) - 2, 0)]
        largest = heap.tree.largest_children(v, 1)
        if not largest or heap.tree.retained[largest[0]] < DESCENT * heap.tree.retained[v]:
            return v
        if sum(_row(heap, above) == row for above in path) > _REPEATED:
            return path[max(seen[row] - 1, 0)]
        path.append(largest[0])


def groups_below(heap: Heap, vertex: int) -> list[Group]:
    """What lies below a vertex by class, looked at through the entries that collections are made of; of two that keep as much, the
    application's first."""
    names = heap.classes.group_names
    through = np.array([bool(ENTRIES.search(name)) for name in names])
    tally = heap.tree.below(vertex, heap.reached.object, heap.group, heap.graph.objects.units, through)
    groups = [Group(names[group], int(tally[group, 0]), int(tally[group, 1]) * 8) for group in np.flatnonzero(tally[:, 0])]
    return sorted(groups, key=lambda group: (-group.retained_bytes, bool(_paths.PLATFORM.match(group.class_name)), group.class_name))[:_GROUPS]


def _suspect(heap: Heap, members: list[int]) -> Suspect:
    vertex = members[0]
    retained = int(heap.tree.retained[members].sum()) * 8
    o = int(heap.reached.object[vertex])
    point = accumulation_point(heap, vertex)
    objects = _paths.shortest(heap, point)
    steps = _paths.steps(heap, objects)
    kind = heap.roots.kind_of.get(objects[0], "root")
    if steps[0].kind == "static":
        kind = "static field"
    elif steps[0].kind == "local":
        kind = "local variable"
    groups, share = groups_below(heap, point), retained / max(int(heap.tree.retained[0]) * 8, 1)
    suspect = Suspect("object" if len(members) == 1 else "group", heap.address(o), heap.class_name(o), heap.label(o), len(members),
                      retained, round(share, 4), heap.node(point), kind, steps, groups, _code_areas(heap, objects[-1], steps, groups), "")
    suspect.description = _describe(suspect)
    return suspect


def _row(heap: Heap, vertex: int) -> int:
    return int(heap.graph.objects.class_of[heap.reached.object[vertex]])


def _code_areas(heap: Heap, o: int, steps: list[Step], groups: list[Group]) -> list[CodeArea]:
    """The fields on the path that the application's own classes declare, the one nearest to the memory first; where the shortest
    path has none, such a field on another."""
    areas = [CodeArea(step.declaring_class, step.field, step.kind, f"it leads to {after.label}, {_size(after.retained_bytes)}")
             for step, after in itertools.pairwise(steps) if step.kind in ("static", "field", "local") and step.declaring_class]
    own = [area for area in reversed(areas) if not _paths.PLATFORM.match(area.declaring_class)]
    declaring, field = _paths.holder(heap, o)
    if not own and declaring and not _paths.PLATFORM.match(declaring):
        own = [CodeArea(declaring, field, "field", "it leads there too")]
    kept = [CodeArea(group.class_name, "", "class", f"{group.instances} kept, {_size(group.retained_bytes)}")
            for group in groups[:3] if not _paths.PLATFORM.match(group.class_name) and not group.class_name.endswith("[]")]
    return (own or list(reversed(areas)))[:4] + kept[:2]


def path_text(steps: list[Step]) -> str:
    """The path on one line: ``class Leak$SessionCache.SESSIONS -> java.util.HashMap.table -> …``."""
    return " -> ".join(step.label + (step.field if step.kind == "element" else f".{step.field}" if step.field else "")
                       for step in steps)


def _describe(suspect: Suspect) -> str:
    what = suspect.label if suspect.kind == "object" else f"{suspect.instances} objects of {suspect.class_name} together"
    text = f"{what} keep{'s' * (suspect.kind == 'object')} {_size(suspect.retained_bytes)}, {suspect.share:.0%} of the reachable heap."
    point = suspect.accumulation_point
    text += f" {'It' if suspect.kind == 'object' else 'In the largest, it'} accumulates in {point.label} ({_size(point.retained_bytes)})"
    if suspect.groups:
        text += ": " + ", ".join(f"{group.instances} x {group.class_name} ({_size(group.retained_bytes)})" for group in suspect.groups[:3])
    return f"{text}. It is kept by a {suspect.root_kind}: {path_text(suspect.path)}."


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
