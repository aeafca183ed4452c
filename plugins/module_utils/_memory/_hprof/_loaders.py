# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Class loaders, and what soft, weak, phantom and final references refer to."""

from __future__ import annotations

import collections

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._graph import KINDS
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import ClassLoader, ReferenceKind
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import COUNT

_LOADERS = 50


def class_loaders(heap: Heap) -> list[ClassLoader]:
    """The loaders that keep most; several of one class that loaded a class of the same name are twins."""
    classes, rows_of = heap.classes, collections.defaultdict(list)
    for class_id, dump in classes.scan.counts.class_dumps.items():
        if dump.loader and heap.number(dump.loader) >= 0:
            rows_of[heap.number(dump.loader)].append(classes.rows[class_id])
    loaded = collections.Counter((heap.class_name(o), name) for o, rows in rows_of.items()
                                 for name in {classes.names[row] for row in rows})
    return [ClassLoader(heap.address(o), heap.class_name(o), heap.text(heap.get(o, "name")) or heap.class_name(o), len(rows_of[o]),
                        int(classes.scan.counts.tally[rows_of[o], COUNT].sum()), heap.retained(o),
                        max(loaded[heap.class_name(o), classes.names[row]] for row in rows_of[o]))
            for o in sorted(rows_of, key=heap.retained, reverse=True)[:_LOADERS]]


def references(heap: Heap) -> list[ReferenceKind]:
    """Each kind's references; a referent that nothing stronger keeps counts for the strongest kind that refers to it."""
    found, counted = [], np.zeros(0, np.int32)
    for kind, name in enumerate(KINDS):
        referents = heap.graph.referents[heap.graph.referents[:, 0] == kind, 1]
        only = np.setdiff1d(referents[heap.reached.vertex[referents] == 0], counted)
        counted = np.union1d(counted, only)
        if name and len(referents):
            found.append(ReferenceKind(name, len(referents), len(only), int(heap.graph.objects.units[only].sum()) * 8))
    return found
