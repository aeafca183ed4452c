# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dominators: who alone keeps whom. Depth-first search, then the SEMI-NCA algorithm (Georgiadis), both without recursion.

Vertices are numbered in the order of the search from 1; 0 is a vertex above all roots.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._arena import Arena
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import kernel, prefetch


#: how many vertices, and references, ahead memory that is read in no order is asked for
_AHEAD, _FAR_AHEAD = 6, 24


@dataclasses.dataclass
class Reached:
    """What can be reached from the roots.

    :param count: of vertices; arrays by vertex have one entry more, for vertex 0.
    :param vertex: of each object, 0 for what cannot be reached.
    :param object: of each vertex.
    :param parent: vertex from which each was found first.
    """

    count: int
    vertex: t.Any
    object: t.Any
    parent: t.Any


@dataclasses.dataclass
class Predecessors:
    """Who refers to each vertex: ``source[begin[v]:begin[v + 1]]``; ``is_root`` marks the roots."""

    begin: t.Any
    source: t.Any
    is_root: t.Any


@kernel
def _search(begin: t.Any, targets: t.Any, roots: t.Any, seen: t.Any, vertex: t.Any, object_: t.Any, parent: t.Any, stack: t.Any) -> int:
    """``seen`` is a bit for each object, which fits into the cache where ``vertex`` does not; on the stack lie the vertices that are not done
    yet, each with its next reference and their end."""
    count = 0
    for r in range(roots.shape[0]):
        o = np.int64(roots[r])
        if seen[o >> 6] >> (o & 63) & 1:
            continue
        count += 1
        seen[o >> 6] |= np.int64(1) << (o & 63)
        vertex[o], object_[count], parent[count] = count, o, 0
        depth = np.int64(0)
        stack[0, 0], stack[0, 1], stack[0, 2] = count, begin[o], begin[o + 1]
        while depth >= 0:
            v, k, stop = stack[depth, 0], np.int64(stack[depth, 1]), np.int64(stack[depth, 2])
            depth -= 1
            while k < stop:
                target = np.int64(targets[k])
                k += 1
                word, bit = seen[target >> 6], np.int64(1) << (target & 63)
                if word & bit == 0:
                    count += 1
                    seen[target >> 6] = word | bit
                    vertex[target], object_[count], parent[count] = count, target, v
                    first, end = begin[target], begin[target + 1]
                    if first != end:
                        if k < stop:
                            depth += 1
                            stack[depth, 1] = k
                            prefetch(begin, np.int64(targets[k]))
                        depth += 1
                        stack[depth, 0], stack[depth, 1], stack[depth, 2] = count, first, end
                        break
            else:
                if depth >= 2 * _AHEAD:
                    prefetch(targets, np.int64(stack[depth - 2 * _AHEAD, 1]))
                    prefetch(begin, np.int64(targets[stack[depth - _AHEAD, 1]]))
    return count


def search(begin: t.Any, targets: t.Any, roots: t.Any, arena: Arena) -> Reached:
    """Find all that the roots reach; the targets of object o are ``targets[begin[o]:begin[o + 1]]``."""
    objects = len(begin) - 1
    vertex = arena.zeros(objects, np.int32)
    object_, parent = arena.empty(objects + 1, np.int32), arena.empty(objects + 1, np.int32)
    object_[0] = parent[0] = 0
    seen, stack = np.zeros(objects // 64 + 1, np.int64), arena.empty(3 * objects, np.uint32).reshape(objects, 3)
    count = int(_search(begin, targets, roots, seen, vertex, object_, parent, stack))
    return Reached(count, vertex, object_[:count + 1], parent[:count + 1])


@kernel
def _count_sources(vertex: t.Any, begin: t.Any, targets: t.Any, source_begin: t.Any) -> int:
    """Count who refers to each vertex; on the way, the targets of what was reached become vertices."""
    last = targets.shape[0] - 1
    for o in range(vertex.shape[0]):
        if vertex[o] != 0:
            for k in range(begin[o], begin[o + 1]):
                prefetch(vertex, np.int64(targets[min(k + _FAR_AHEAD, last)]))
                target = vertex[targets[k]]
                targets[k] = target
                source_begin[target + 1] += 1
    total = np.int64(0)
    for v in range(source_begin.shape[0]):
        total += source_begin[v]
        source_begin[v] = total
    return total


@kernel
def _fill_sources(vertex: t.Any, begin: t.Any, targets: t.Any, source_begin: t.Any, source: t.Any) -> None:
    last = targets.shape[0] - 1
    for o in range(vertex.shape[0]):
        v = vertex[o]
        if v != 0:
            for k in range(begin[o], begin[o + 1]):
                prefetch(source_begin, np.int64(targets[min(k + _FAR_AHEAD, last)]))
                target = targets[k]
                source[source_begin[target]] = v
                source_begin[target] += 1
    for v in range(source_begin.shape[0] - 1, 0, -1):
        source_begin[v] = source_begin[v - 1]
    source_begin[0] = 0


def predecessors(reached: Reached, begin: t.Any, targets: t.Any, roots: t.Any, arena: Arena) -> Predecessors:
    """Turn the references around; ``targets`` is used up."""
    source_begin = arena.zeros(reached.count + 2, np.uint32)
    total = int(_count_sources(reached.vertex, begin, targets, source_begin))
    source = arena.empty(total, np.int32)
    _fill_sources(reached.vertex, begin, targets, source_begin, source)
    is_root = np.zeros(reached.count + 1, np.bool_)
    is_root[reached.vertex[roots]] = True
    return Predecessors(source_begin, source, is_root)


@kernel
def _semi_nca(count: int, dominator: t.Any, source_begin: t.Any, source: t.Any, is_root: t.Any, semi: t.Any, link: t.Any,
              stack: t.Any) -> None:
    """``dominator`` holds the parents and receives the dominators.

    ``link`` is (ancestor, least semi-dominator on the way there), side by side, because both are wanted at once and lie anywhere.
    """
    for v in range(count + 1):
        link[v, 0], link[v, 1] = dominator[v], v
    for w in range(count, 0, -1):
        if w > 2 * _AHEAD:
            for k in range(source_begin[w - 2 * _AHEAD], source_begin[w - 2 * _AHEAD + 1]):
                if source[k] > w:
                    prefetch(link, 2 * np.int64(source[k]))
            for k in range(source_begin[w - _AHEAD], source_begin[w - _AHEAD + 1]):
                if source[k] > w:
                    prefetch(link, 2 * np.int64(link[source[k], 0]))
            for k in range(source_begin[w - _AHEAD // 2], source_begin[w - _AHEAD // 2 + 1]):
                if source[k] > w and link[source[k], 0] > w:
                    prefetch(link, 2 * np.int64(link[link[source[k], 0], 0]))
        least = dominator[w]
        if is_root[w]:
            least = 0
        else:
            for k in range(source_begin[w], source_begin[w + 1]):
                v = source[k]
                if v > w:
                    depth, x = 0, v
                    while link[x, 0] > w:
                        stack[depth] = x
                        depth += 1
                        x = link[x, 0]
                    while depth > 0:
                        depth -= 1
                        y = stack[depth]
                        if link[x, 1] < link[y, 1]:
                            link[y, 1] = link[x, 1]
                        link[y, 0] = link[x, 0]
                        x = y
                    v = link[v, 1]
                if v < least:
                    least = v
        semi[w] = link[w, 1] = least
    for w in range(1, count + 1):
        above = dominator[w]
        while above > semi[w]:
            above = dominator[above]
        dominator[w] = above


def dominators(reached: Reached, sources: Predecessors, arena: Arena) -> t.Any:
    """The immediate dominator of each vertex; ``reached.parent`` is used up."""
    count, parent = reached.count, reached.parent
    reached.parent = np.zeros(0, np.int32)
    link = arena.empty(2 * (count + 1), np.int32).reshape(count + 1, 2)
    semi, stack = arena.empty(count + 1, np.int32), arena.empty(count + 1, np.int32)
    _semi_nca(count, parent, sources.begin, sources.source, sources.is_root, semi, link, stack)
    return parent
