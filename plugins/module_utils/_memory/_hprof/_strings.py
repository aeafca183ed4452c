# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that are on the heap many times."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._graph import Objects
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Dump
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import identifier, kernel, load8, load32, load64, value_bytes
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import DuplicateString
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._numbers import Numbers, number_of
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import COUNT, PRIMITIVES

_TEXTS = 25
_GOLDEN = -7046029254386353131
_LONGEST = 4096
#: objects whose texts are looked at before the dump is let go
_AT_A_TIME = 1 << 17


def duplicates(dump: Dump) -> tuple[list[DuplicateString], int]:
    """The texts whose copies waste most, and what the copies of all texts waste; Strings that share their characters are one copy."""
    classes = dump.classes
    offsets = {row: field.offset for row in classes.called("java.lang.String") for field in classes.fields.of(int(classes.ids[row]))
               if dump.field_name(field) == "value"}
    strings = int(classes.scan.counts.tally[list(offsets), COUNT].sum()) if offsets else 0
    if not strings:
        return [], 0
    row, offset = next(iter(offsets.items()))
    slots = 1 << (strings + strings // 7).bit_length()
    keys, counts, examples = np.zeros(slots, np.int64), np.zeros(slots, np.int32), np.zeros(slots, np.int32)
    seen = np.zeros(len(dump.graph.objects.units), np.bool_)
    for first in range(0, len(seen), _AT_A_TIME):
        _count_texts(dump.data, dump.graph.objects, dump.graph.numbers, classes.scan.id_bytes, row, offset, first,
                     min(first + _AT_A_TIME, len(seen)), seen, keys, counts, examples)
        dump.mapping.let_go()
    many = np.flatnonzero(counts > 1)
    counts, examples = counts[many], examples[many]
    values = np.empty(len(many), np.int32)
    _values(dump.data, dump.graph.objects, dump.graph.numbers, classes.scan.id_bytes, offset, examples, values)
    wasted = (counts - 1) * dump.graph.objects.units[values].astype(np.int64) * 8
    most = np.argsort(-wasted, kind="stable")[:_TEXTS]
    return [DuplicateString(dump.text(int(examples[i])), dump.length(int(values[i])), int(counts[i]), int(wasted[i]))
            for i in most], int(wasted.sum())


@kernel
def _values(data: t.Any, objects: Objects, numbers: Numbers, id_bytes: int, offset: int, strings: t.Any, out: t.Any) -> None:
    """The arrays of characters of these Strings."""
    for i in range(strings.shape[0]):
        out[i] = number_of(numbers, identifier(data, np.int64(objects.place[strings[i]]) + 9 + 2 * id_bytes + offset, id_bytes))


@kernel
def _count_texts(data: t.Any, objects: Objects, numbers: Numbers, id_bytes: int, row: int, offset: int, first: int, end: int,
                 seen: t.Any, keys: t.Any, counts: t.Any, examples: t.Any) -> None:
    """Count each text by a hash of its bytes; of very long ones the beginning and the length."""
    mask = keys.shape[0] - 1
    for o in range(first, end):
        if objects.class_of[o] != row:
            continue
        value = number_of(numbers, identifier(data, np.int64(objects.place[o]) + 9 + 2 * id_bytes + offset, id_bytes))
        if value < 0 or seen[value]:
            continue
        seen[value] = True
        place = np.int64(objects.place[value])
        if load8(data, place) != PRIMITIVES:
            continue
        length = load32(data, place + 5 + id_bytes) * value_bytes(load8(data, place + 9 + id_bytes), id_bytes)
        hashed = length * _GOLDEN + 1
        p, last = place + 10 + id_bytes, place + 10 + id_bytes + (length if length < _LONGEST else _LONGEST)
        while p + 8 <= last:
            hashed = (hashed ^ load64(data, p)) * _GOLDEN
            hashed ^= (hashed >> 32) & 0xFFFFFFFF
            p += 8
        while p < last:
            hashed = (hashed ^ load8(data, p)) * 1099511628211
            p += 1
        hashed = hashed if hashed != 0 else 1
        slot = (hashed ^ (hashed >> 29)) & mask
        while keys[slot] != 0 and keys[slot] != hashed:
            slot = (slot + 1) & mask
        keys[slot], examples[slot] = hashed, o
        counts[slot] += 1
