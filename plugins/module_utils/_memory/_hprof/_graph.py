# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph of references as compressed rows: objects by number, and behind each the numbers of those that it refers to."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _records
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._arena import Arena
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import (
    OBJECT, Table, find, identifier, kernel, load8, load32)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._layout import Classes
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._numbers import Numbers, number_of
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import (
    ARRAY, CLASS, INSTANCE, PRIMITIVES, PRIMITIVES_WITHOUT_DATA, record_end)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._source import Mapping

#: kinds of java.lang.ref.Reference, strongest first; 0 is none
KINDS = ("", "soft", "final", "weak", "phantom")
_REFERENCE_CLASSES = {"java.lang.ref.SoftReference": 1, "java.lang.ref.FinalReference": 2, "java.lang.ref.WeakReference": 3,
                      "java.lang.ref.PhantomReference": 4}
_REFERENT = "referent"
#: ends an object's targets where it has fewer than it could have
_FREE = -1


class Shapes(t.NamedTuple):
    """What each class's objects refer to, by row.

    :param begin: of its instances' references in ``offsets``; one entry more than there are rows.
    :param offsets: of references in an instance's bytes.
    :param static_begin: of the class object's references in ``static_targets``; one more too.
    :param static_targets: identifiers: static fields, super class, loader, signers, domain.
    :param referent: offset of what a soft, weak, … reference does not keep, -1 for none.
    :param kind: of reference, see ``KINDS``.
    :param via_class: identifier of the class object that each instance refers to, 0 where the class is kept anyway.
    :param is_array: whether its objects are arrays of references.
    """

    begin: t.Any
    offsets: t.Any
    static_begin: t.Any
    static_targets: t.Any
    referent: t.Any
    kind: t.Any
    via_class: t.Any
    is_array: t.Any


class Objects(t.NamedTuple):
    """One entry for each object: row of its class, length or size, offset in the dump, and where its references begin, which end where the
    next one's begin."""

    class_of: t.Any
    units: t.Any
    place: t.Any
    begin: t.Any


@dataclasses.dataclass
class Graph:
    """All references of a dump.

    :param targets: of all references, object by object.
    :param referents: (kind, object) of what soft, weak, … references refer to.
    """

    classes: Classes
    numbers: Numbers
    objects: Objects
    targets: t.Any
    referents: t.Any
    shapes: Shapes

    def forget_references(self) -> None:
        """Once they have been turned around nobody asks for them any more."""
        none = np.zeros(0, np.uint32)
        self.targets, self.objects = none, self.objects._replace(begin=none)


def shapes(classes: Classes, weak_is_strong: bool, kept_anyway: set[int]) -> Shapes:
    """Gather what each class's objects refer to.

    :param weak_is_strong: treat the referents of weak and other references like any field.
    :param kept_anyway: ids of the classes that are roots: that an instance keeps its class tells nothing there.
    """
    scan, count = classes.scan, len(classes.names)
    offsets: list[int] = []
    targets: list[int] = []
    begin, static_begin = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    referent, kind, via = np.full(count, -1, np.int64), np.zeros(count, np.int8), np.zeros(count, np.int64)
    reference_base = {int(classes.ids[row]) for row in classes.called("java.lang.ref.Reference")}
    reference_kinds = {int(classes.ids[row]): number for name, number in _REFERENCE_CLASSES.items() for row in classes.called(name)}
    for row in range(count):
        class_id = int(classes.ids[row])
        dump = scan.counts.class_dumps.get(class_id)
        if dump and not classes.is_array[row]:
            fields = [field for field in classes.fields.of(class_id) if field.kind == OBJECT]
            offsets += [field.offset for field in fields]
            kinds = [reference_kinds[ancestor] for ancestor in classes.fields.ancestors(class_id) if ancestor in reference_kinds]
            if kinds and not weak_is_strong:
                kind[row] = kinds[0]
                referent[row] = next((field.offset for field in fields if field.declared_by in reference_base
                                      and scan.texts[field.name] == _REFERENT), -1)
        if dump:
            targets += filter(None, (dump.super, dump.loader, dump.signers, dump.domain))
            targets += [static.value for static in dump.statics if static.kind == OBJECT and static.value]
            via[row] = 0 if class_id in kept_anyway else class_id
        begin[row + 1], static_begin[row + 1] = len(offsets), len(targets)
    return Shapes(begin, np.array(offsets or [0], np.int64), static_begin, np.array(targets or [0], np.int64), referent, kind, via,
                  classes.is_array & (np.arange(count) >= _records.FIRST_CLASS))


def read_objects(mapping: Mapping, segments: t.Any, classes: Classes, numbers: Numbers, count: int, arena: Arena) -> Objects:
    """Read each object's class, length and place."""
    scan = classes.scan
    place = arena.empty(count, np.uint32 if len(mapping.data) < 1 << 32 else np.int64)
    row = np.uint16 if 2 * len(classes.names) <= 1 << 16 else np.int32  # half the memory, for all but the largest applications
    objects = Objects(arena.zeros(count, row), arena.empty(count, np.uint32), place, arena.zeros(count + 1, np.uint32))

    def enter(windows: t.Iterator[t.Any]) -> None:
        for window in windows:
            _enter_objects(mapping.data, window, scan.id_bytes, _records.root_bytes(scan.id_bytes), numbers, scan.counts.table, len(classes.names),
                           objects)

    if count == scan.counts.state[_records.OBJECTS]:
        mapping.share(segments, enter)
    else:  # a damaged dump has identifiers twice, and the last one counts
        enter(mapping.windows(segments))
    return objects


def build(mapping: Mapping, segments: t.Any, classes: Classes, numbers: Numbers, objects: Objects, shape: Shapes,
          locals_of: dict[int, list[int]], arena: Arena) -> Graph:
    """Read all references.

    :param locals_of: thread object -> what its stack refers to, which the thread keeps as its fields do.
    :raises InvalidInput: more references than 32 bits can number.
    """
    scan = classes.scan
    most = int(scan.counts.state[_records.REFERENCES]) + int(np.diff(shape.begin) @ scan.counts.tally[:len(shape.kind), _records.COUNT])
    if most + len(objects.units) >= 1 << 32:
        raise InvalidInput(f"{scan.path} has about {most} references; up to {1 << 32} can be followed. The histogram can be read.",
                           "Ask for the histogram only.")
    _most_references(objects, shape)
    for thread, found in locals_of.items():
        objects.begin[thread + 1] += len(found)
    targets = arena.empty(int(_running_sum(objects.begin)) + 1, np.int32)
    weak = int(scan.counts.tally[:len(shape.kind), _records.COUNT][shape.kind > 0].sum())

    def enter(windows: t.Iterator[t.Any]) -> t.Any:
        referents, found = np.zeros((weak, 2), np.int32), 0
        for window in windows:
            found += _enter_references(mapping.data, window, scan.id_bytes, _records.root_bytes(scan.id_bytes), numbers, shape, objects,
                                       targets, referents[found:])
        return referents[:found]

    referents = np.concatenate(mapping.share(segments, enter))
    for thread, found in locals_of.items():
        row = targets[int(objects.begin[thread]):int(objects.begin[thread + 1])]
        free = int(np.argmax(row == _FREE))
        row[free:] = _FREE
        row[free:free + len(found)] = found
    used = _compact(objects, targets)
    return Graph(classes, numbers, objects, targets[:used + 1], referents, shape)


@kernel
def _compact(objects: Objects, targets: t.Any) -> int:
    """Close the gaps that null and unknown references left, so that an object's targets end where the next one's begin."""
    w, first, last = np.int64(0), np.int64(objects.begin[0]), objects.begin.shape[0] - 1
    for o in range(last):
        k, first = first, np.int64(objects.begin[o + 1])
        objects.begin[o] = w
        while k < first and targets[k] != _FREE:
            targets[w] = targets[k]
            w += 1
            k += 1
    objects.begin[last] = w
    return w


@kernel
def _enter_objects(data: t.Any, segments: t.Any, id_bytes: int, sizes: t.Any, numbers: Numbers, table: Table, rows: int,
                   objects: Objects) -> None:
    for s in range(segments.shape[0]):
        p, end = segments[s, 0], segments[s, 1]
        while p < end:
            tag = load8(data, p)
            row, length = np.int64(-1), np.int64(0)
            if tag == INSTANCE:
                row = find(table, identifier(data, p + 5 + id_bytes, id_bytes))
            elif tag == ARRAY:
                row, length = find(table, identifier(data, p + 9 + id_bytes, id_bytes)), load32(data, p + 5 + id_bytes)
            elif tag == PRIMITIVES or tag == PRIMITIVES_WITHOUT_DATA:
                row, length = load8(data, p + 9 + id_bytes), load32(data, p + 5 + id_bytes)
            elif tag == CLASS:
                row = find(table, identifier(data, p + 1, id_bytes)) + rows
            if row >= 0:
                o = number_of(numbers, identifier(data, p + 1, id_bytes))
                objects.class_of[o], objects.units[o], objects.place[o] = row, length, p
            p = record_end(data, p, end, id_bytes, sizes)


@kernel
def _most_references(objects: Objects, shape: Shapes) -> None:
    """Enter at ``begin[o + 1]`` how many references an object can have."""
    rows = shape.kind.shape[0]
    for o in range(objects.class_of.shape[0]):
        row = np.int64(objects.class_of[o])
        if row >= rows:
            most = shape.static_begin[row - rows + 1] - shape.static_begin[row - rows]
        else:
            most = np.int64(objects.units[o]) if shape.is_array[row] else shape.begin[row + 1] - shape.begin[row]
            most += shape.via_class[row] != 0
        objects.begin[o + 1] = most


@kernel
def _running_sum(values: t.Any) -> int:
    total = np.int64(0)
    for i in range(values.shape[0]):
        total += values[i]
        values[i] = total
    return total


@kernel
def _enter_references(data: t.Any, segments: t.Any, id_bytes: int, sizes: t.Any, numbers: Numbers, shape: Shapes, objects: Objects,
                      targets: t.Any, referents: t.Any) -> int:
    """Fill the targets; null, and what is not in the dump, is left out. Returns the number of referents."""
    found, rows = 0, shape.kind.shape[0]
    for s in range(segments.shape[0]):
        p, end = segments[s, 0], segments[s, 1]
        while p < end:
            tag = load8(data, p)
            o = np.int64(-1)
            if tag == INSTANCE or tag == ARRAY or tag == CLASS:
                o = number_of(numbers, identifier(data, p + 1, id_bytes))
            if o >= 0 and objects.place[o] == p:  # a damaged dump may have an identifier twice
                w, room, row = np.int64(objects.begin[o]), np.int64(objects.begin[o + 1]), np.int64(objects.class_of[o])
                body = p + 9 + 2 * id_bytes
                if tag == INSTANCE:
                    last = load32(data, p + 5 + 2 * id_bytes) - id_bytes
                    for k in range(shape.begin[row], shape.begin[row + 1]):
                        if shape.offsets[k] > last:
                            break
                        target = number_of(numbers, identifier(data, body + shape.offsets[k], id_bytes))
                        if target >= 0 and shape.offsets[k] == shape.referent[row]:
                            referents[found, 0], referents[found, 1] = shape.kind[row], target
                            found += 1
                        elif target >= 0 and w < room:
                            targets[w] = target
                            w += 1
                elif tag == ARRAY:
                    for k in range(load32(data, p + 5 + id_bytes)):
                        target = number_of(numbers, identifier(data, body + k * id_bytes, id_bytes))
                        if target >= 0 and w < room:
                            targets[w] = target
                            w += 1
                else:
                    for k in range(shape.static_begin[row - rows], shape.static_begin[row - rows + 1]):
                        target = number_of(numbers, shape.static_targets[k])
                        if target >= 0:
                            targets[w] = target
                            w += 1
                if tag != CLASS and shape.via_class[row] != 0:
                    target = number_of(numbers, shape.via_class[row])
                    if target >= 0 and w < room:
                        targets[w] = target
                        w += 1
                if w < room:
                    targets[w] = _FREE
            p = record_end(data, p, end, id_bytes, sizes)
    return found
