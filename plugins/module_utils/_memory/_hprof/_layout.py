# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large objects are. A dump does not say how the JVM laid them out: whether references take 4 bytes or 8, how long headers
are, and what is hidden in classes like java.lang.Class follow from how close to each other objects lie."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _model
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._classes import Fields
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import OBJECT, TYPE_BYTES, kernel
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import (
    ARRAY_HEADER, CLASSES, COUNT, FIRST_CLASS, GAP, HIGHEST, ID_BITS, LENGTH, LOWEST, NARROW, RESIDUE, WIDE)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._scan import Scan

PRIMITIVE_ARRAYS = {4: "boolean[]", 5: "char[]", 6: "float[]", 7: "double[]", 8: "byte[]", 9: "short[]", 10: "int[]", 11: "long[]"}
CLASS_OF_CLASSES = "java.lang.Class"
#: bytes by which an instance may be larger than its fields say: padding between super classes, less than a dead object could take
_PADDING = 8
#: the same where the JVM adds fields of its own, or keeps fields apart (@Contended), in these classes and those that extend them
_HIDDEN = {CLASS_OF_CLASSES: 72, "java.lang.ClassLoader": 24, "java.lang.Module": 24, "java.lang.Thread": 296,
           "java.lang.invoke.ResolvedMethodName": 24, "java.lang.invoke.MemberName": 24, "java.lang.StackFrameInfo": 24,
           "java.lang.invoke.MethodHandleNatives$CallSiteContext": 24, "java.util.concurrent.atomic.Striped64$Cell": 296,
           "java.util.concurrent.ConcurrentHashMap$CounterCell": 296, "java.util.concurrent.ForkJoinPool": 296,
           "java.util.concurrent.ForkJoinPool$WorkQueue": 296, "java.util.concurrent.Exchanger$Node": 296}
#: a distance to the next object that says nothing of a size
_FAR_APART = 1 << 20
#: share of classes whose objects may seem to overlap, by what the JVM writes while it dumps
_CROWDED = 0.05
#: header of an array -> of an object, where identifiers have 8 bytes
_OBJECT_HEADERS = {12: 8, 16: 12, 20: 16, 24: 16}


class Classes:
    """The classes by row of the tally, and their objects' sizes.

    A class object itself has the row ``len(names) + row``.

    :param names: by row; empty for rows that no kind of array uses.
    :param ids: of the class object by row, 0 for arrays of primitives.
    :param group_of: number of the class's name by row, both kinds of rows: several loaders may have loaded a class of one name.
    :param group_names: those names; the first is that of class objects.
    :param fixed: bytes of an object without its elements, not yet rounded up, for both kinds of rows.
    :param element: bytes of one element, 0 for what is no array.
    :param doubt: why the sizes may be wrong, empty where there is no reason to think so.
    """

    def __init__(self, scan: Scan) -> None:
        count = int(scan.counts.state[CLASSES])
        self.scan, self.fields = scan, Fields(scan.counts.class_dumps, scan.id_bytes)
        self.names = [""] * count
        self.ids = np.zeros(count, np.int64)
        for kind, name in PRIMITIVE_ARRAYS.items():
            self.names[kind] = name
        used = scan.counts.table.keys != 0
        for class_id, row in zip(scan.counts.table.keys[used].tolist(), scan.counts.table.values[used].tolist(), strict=True):
            self.names[row], self.ids[row] = scan.class_names.get(class_id, f"class@{class_id & (1 << 64) - 1:x}"), class_id
        self.rows = {int(class_id): row for row, class_id in enumerate(self.ids) if class_id}
        self.is_array = np.array([name.endswith("[]") for name in self.names]) | (scan.counts.tally[:count, RESIDUE:].sum(axis=1) > 0)
        numbers = {name: number for number, name in enumerate(dict.fromkeys([CLASS_OF_CLASSES, *self.names]))}
        self.group_names = list(numbers)
        self.group_of = np.array([numbers[name] for name in self.names] + [0] * count, np.int32)
        self.layout = _layout(scan)
        self.fixed, self.element = np.zeros(2 * count, np.int64), np.zeros(2 * count, np.int64)
        self._measure()
        self.doubt = self._doubt()

    def called(self, name: str) -> list[int]:
        """Rows of the classes of that name (several loaders may have loaded one)."""
        return [row for row, known in enumerate(self.names) if known == name]

    def class_id(self, row: int) -> int:
        """Identifier of the class of an object with that row, 0 for arrays of primitives and class objects."""
        return int(self.ids[row]) if row < len(self.ids) else 0

    def histogram(self) -> list[_model.HistogramRow]:
        """Instances and bytes by class name, the largest first."""
        tally, layout, merged = self.scan.counts.tally[:len(self.names)], self.layout, {}
        sizes = tally[:, COUNT] * _round(self.fixed[:len(self.names)], layout.alignment_bytes)
        for row in np.flatnonzero(self.is_array):
            residues = np.arange(16) * self.element[row] + self.fixed[row]
            padding = _round(residues, layout.alignment_bytes) - residues
            sizes[row] = (tally[row, COUNT] * self.fixed[row] + tally[row, LENGTH] * self.element[row]
                          + int(np.sum(tally[row, RESIDUE:] * padding)))
        for row, name in enumerate(self.names):
            if tally[row, COUNT]:
                known = merged.setdefault(name, _model.HistogramRow(name, 0, 0))
                known.instances += int(tally[row, COUNT])
                known.shallow_bytes += int(sizes[row])
        known = merged.setdefault(CLASS_OF_CLASSES, _model.HistogramRow(CLASS_OF_CLASSES, 0, 0))
        for class_id in self.scan.counts.class_dumps:
            known.instances += 1
            known.shallow_bytes += int(_round(self.fixed[len(self.names) + self.rows[class_id]], layout.alignment_bytes))
        return sorted(merged.values(), key=lambda row: (-row.shallow_bytes, row.class_name))

    def _measure(self) -> None:
        layout, tally = self.layout, self.scan.counts.tally
        for row in range(len(self.names)):
            if self.is_array[row]:
                self.element[row] = TYPE_BYTES[row] if row < FIRST_CLASS else layout.reference_bytes
                self.fixed[row] = _round(layout.array_header_bytes, int(self.element[row]))
            else:
                least = self._least(row)
                hidden = max(_HIDDEN.get(self.scan.class_names.get(ancestor, ""), _PADDING)
                             for ancestor in (0, *self.fields.ancestors(int(self.ids[row]))))
                self.fixed[row] = tally[row, GAP] if least <= tally[row, GAP] <= least + hidden else least
        mirrors = self.called(CLASS_OF_CLASSES)
        base = int(self.fixed[mirrors[0]]) if mirrors else layout.object_header_bytes
        for class_id, dump in self.scan.counts.class_dumps.items():
            kinds = [kind for name, kind, _value in dump.statics if not self.scan.texts[name].startswith("<")]
            self.fixed[len(self.names) + self.rows[class_id]] = base + self._static_bytes(kinds)

    def _doubt(self) -> str:
        """Objects that would overlap with these sizes, or too little to measure them by."""
        tally, rows = self.scan.counts.tally, np.flatnonzero(~self.is_array)
        near = [row for row in rows.tolist() if row < len(self.names) and tally[row, COUNT] and tally[row, GAP] < _FAR_APART]
        crowded = sum(self._least(row) > tally[row, GAP] for row in near)
        if crowded > _CROWDED * len(near):
            return (f"objects of {crowded} of {len(near)} classes lie closer together than their fields need: the dump's identifiers are no addresses, "
                    "as in dumps that another JVM or a tool has converted")
        state = self.scan.counts.state
        if self.scan.id_bytes == 8 and not state[NARROW] and not state[WIDE] and int(state[ARRAY_HEADER]) not in _OBJECT_HEADERS:
            return "no two objects lie close enough together to measure references and headers"
        return ""

    def _least(self, row: int) -> int:
        fields = sum(self._bytes(field.kind) for field in self.fields.of(int(self.ids[row])))
        return int(_round(self.layout.object_header_bytes + fields, self.layout.alignment_bytes))

    def _static_bytes(self, kinds: list[int]) -> int:
        """Static fields in their class object: references first, then the others, the widest first, each aligned to its width."""
        end = self.layout.reference_bytes * kinds.count(OBJECT)
        for width in sorted((self._bytes(kind) for kind in kinds if kind != OBJECT), reverse=True):
            end = int(_round(end, width)) + width
        return end

    def _bytes(self, kind: int) -> int:
        return self.layout.reference_bytes if kind == OBJECT else TYPE_BYTES.get(kind, 0)


def _layout(scan: Scan) -> _model.Layout:
    state = scan.counts.state
    if scan.id_bytes == 4:
        return _model.Layout(4, 8, 12, 8)
    if state[NARROW] or state[WIDE]:
        reference = 4 if state[NARROW] > state[WIDE] // 100 else 8
    else:
        reference = 4 if state[HIGHEST] - state[LOWEST] < 32 << 30 else 8
    array = int(state[ARRAY_HEADER])
    if array not in _OBJECT_HEADERS:
        array = 16 if reference == 4 else 24
    return _model.Layout(reference, _OBJECT_HEADERS[array], array, 8 if state[ID_BITS] & 15 else 16)


def _round(size: t.Any, alignment: int) -> t.Any:
    return (size + alignment - 1) & -alignment


@kernel
def units_of(class_of: t.Any, lengths: t.Any, fixed: t.Any, element: t.Any, alignment: int) -> None:
    """Turn lengths of arrays into sizes of objects, in units of 8 bytes, in place."""
    for o in range(class_of.shape[0]):
        row = class_of[o]
        lengths[o] = ((fixed[row] + element[row] * np.int64(lengths[o]) + alignment - 1) & -alignment) >> 3
