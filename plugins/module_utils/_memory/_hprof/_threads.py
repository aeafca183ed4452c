# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads: what each keeps by its stack and by its ThreadLocals."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Frame, ThreadLocalValue, ThreadStack

_THREADS, _VALUES, _FRAMES, _LOCALS = 50, 50, 30, 3


def stacks(heap: Heap) -> list[ThreadStack]:
    """The threads that keep most, each with its stack and the largest objects of each frame."""
    largest = sorted(heap.roots.threads, key=heap.retained, reverse=True)[:_THREADS]
    return [ThreadStack(heap.address(o), heap.class_name(o), heap.thread_name(o), heap.retained(o),
                        len(heap.roots.locals_of.get(o, [])), _frames(heap, o)) for o in largest]


def thread_locals(heap: Heap) -> list[ThreadLocalValue]:
    """The values in ThreadLocals that keep most."""
    found = []
    for thread in heap.roots.threads:
        for name in ("threadLocals", "inheritableThreadLocals"):
            table = heap.get(heap.get(thread, name), "table")
            entries = heap.elements(table) if table >= 0 else ()
            for entry in (heap.number(int(key)) for key in entries if key):
                value, key = heap.get(entry, "value"), heap.get(entry, "referent")
                if value >= 0:
                    found.append((heap.retained(value), thread, key, value))
    return [ThreadLocalValue(heap.thread_name(thread), heap.class_name(key) if key >= 0 else "", heap.address(value),
                             heap.class_name(value), retained, key < 0)
            for retained, thread, key, value in sorted(found, reverse=True)[:_VALUES]]


def _frames(heap: Heap, thread: int) -> list[Frame]:
    frames = [Frame(method) for method in heap.stack(thread)[:_FRAMES]]
    held: dict[int, set[int]] = {}
    for local in heap.roots.locals_of.get(thread, []):
        if 0 <= local.frame < len(frames) and heap.reached.vertex[local.object]:
            held.setdefault(local.frame, set()).add(local.object)
    for number, objects in held.items():
        largest = sorted(objects, key=heap.retained, reverse=True)[:_LOCALS]
        frames[number].locals = [heap.node(int(heap.reached.vertex[o])) for o in largest]
    return frames
