# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dominator tree: retained sizes of objects and of classes, and who lies below whom. Vertices as in ``_dominators``."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._arena import Arena
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import kernel


class Tree:
    """The tree; sizes are in units of 8 bytes.

    :param retained: of each vertex; of vertex 0 all that is reachable.
    """

    def __init__(self, dominator: t.Any, object_: t.Any, units: t.Any, arena: Arena, beside: concurrent.futures.Executor) -> None:
        vertices = len(dominator)
        self.child_begin, self._children = arena.zeros(vertices + 1, np.uint32), arena.empty(vertices, np.int32)
        sorting = beside.submit(_sort_children, dominator, self.child_begin, self._children)
        # Half the memory, for all heaps below 16 GB.
        self.retained = arena.zeros(vertices, np.int32 if int(units.sum(dtype=np.int64)) < 1 << 31 else np.int64)
        _retain(dominator, object_, units, self.retained)
        sorting.result()

    def children(self, vertex: int) -> t.Any:
        """All vertices directly below one."""
        return self._children[self.child_begin[vertex]:self.child_begin[vertex + 1]]

    def largest_children(self, vertex: int, most: int) -> list[int]:
        """The largest of them, largest first."""
        return self.largest(self.children(vertex), most)

    def largest(self, vertices: t.Any, most: int) -> list[int]:
        """The largest of some vertices, largest first."""
        if len(vertices) > most:
            vertices = vertices[np.argpartition(-self.retained[vertices], most)[:most]]
        return [int(vertex) for vertex in vertices[np.argsort(-self.retained[vertices], kind="stable")]]

    def by_group(self, group: t.Any, groups: int) -> t.Any:
        """Units that would go with all objects of a group of classes (what a group's objects keep of each other counts once)."""
        out = np.zeros(groups, np.int64)
        _retain_groups(self.child_begin, self._children, group, self.retained, np.zeros(groups, np.int32), *self._stacks(2), out)
        return out

    def below(self, vertex: int, object_: t.Any, group: t.Any, units: t.Any, through: t.Any) -> t.Any:
        """What lies below a vertex by group of classes: (objects, units retained); objects of the groups marked in ``through`` are looked through
        and count with their own units only."""
        out = np.zeros((len(through), 2), np.int64)
        _tally_below(vertex, self.child_begin, self._children, object_, group, units, self.retained, through, *self._stacks(1), out)
        return out

    def _stacks(self, count: int) -> list[t.Any]:
        """Room for a walk as deep as the tree may be; the system gives memory only for what is used."""
        return [np.empty(len(self.retained), np.int32) for _each in range(count)]


def group_of_vertices(object_: t.Any, class_of: t.Any, group_of: t.Any) -> t.Any:
    """The group of classes of each vertex; vertex 0 has none, and any number."""
    groups = np.empty(len(object_), class_of.dtype)
    _enter_groups(object_, class_of, group_of, groups)
    return groups


@kernel
def _enter_groups(object_: t.Any, class_of: t.Any, group_of: t.Any, groups: t.Any) -> None:
    for v in range(object_.shape[0]):
        groups[v] = group_of[class_of[object_[v]]]


@kernel
def _retain(dominator: t.Any, object_: t.Any, units: t.Any, retained: t.Any) -> None:
    for v in range(1, dominator.shape[0]):
        retained[v] = units[object_[v]]
    for v in range(dominator.shape[0] - 1, 0, -1):
        retained[dominator[v]] += retained[v]


@kernel
def _sort_children(dominator: t.Any, begin: t.Any, children: t.Any) -> None:
    vertices = dominator.shape[0]
    for v in range(1, vertices):
        begin[dominator[v] + 1] += 1
    for v in range(vertices):
        begin[v + 1] += begin[v]
    for v in range(1, vertices):
        children[begin[dominator[v]]] = v
        begin[dominator[v]] += 1
    for v in range(vertices, 0, -1):
        begin[v] = begin[v - 1]
    begin[0] = 0


@kernel
def _retain_groups(child_begin: t.Any, children: t.Any, group_of: t.Any, retained: t.Any, above: t.Any, stack: t.Any, cursor: t.Any,
                   out: t.Any) -> None:
    """Walk down with a count of the objects of each group above: only those with none above add to it."""
    depth = 0
    stack[0], cursor[0] = 0, child_begin[0]
    while depth >= 0:
        v = stack[depth]
        if cursor[depth] < child_begin[v + 1]:
            child = children[cursor[depth]]
            cursor[depth] += 1
            group = group_of[child]
            if above[group] == 0:
                out[group] += retained[child]
            if child_begin[child] != child_begin[child + 1]:
                above[group] += 1
                depth += 1
                stack[depth], cursor[depth] = child, child_begin[child]
        else:
            if v != 0:
                above[group_of[v]] -= 1
            depth -= 1


@kernel
def _tally_below(vertex: int, child_begin: t.Any, children: t.Any, object_: t.Any, group_of: t.Any, units: t.Any, retained: t.Any,
                 through: t.Any, stack: t.Any, out: t.Any) -> None:
    depth = 0
    stack[0] = vertex
    while depth >= 0:
        v = stack[depth]
        depth -= 1
        for k in range(child_begin[v], child_begin[v + 1]):
            child = children[k]
            group = group_of[child]
            out[group, 0] += 1
            if through[group]:
                out[group, 1] += units[object_[child]]
                depth += 1
                stack[depth] = child
            else:
                out[group, 1] += retained[child]
