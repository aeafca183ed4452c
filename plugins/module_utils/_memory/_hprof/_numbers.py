# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifiers to consecutive numbers, in the order of addresses: a bitmap with ranks, or a sorted list where addresses are sparse."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import identifier, kernel, load8, popcount
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import (
    ARRAY, CLASS, HIGHEST, ID_BITS, INSTANCE, LOWEST, OBJECTS, PRIMITIVES, PRIMITIVES_WITHOUT_DATA, record_end, root_bytes)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._scan import Scan
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._source import Mapping

#: a bitmap may take as much as this many bytes for each object
_BITMAP_PER_OBJECT = 16


class Numbers(t.NamedTuple):
    """Where the number of an identifier is found.

    :param bits: one bit for each possible address; empty when ``ids`` is used.
    :param ranks: how many bits are set before each word.
    :param ids: sorted identifiers; empty when ``bits`` is used.
    """

    bits: t.Any
    ranks: t.Any
    ids: t.Any
    lowest: int
    highest: int
    shift: int


@kernel
def number_of(numbers: Numbers, key: int) -> int:
    """The object's number, -1 for what is no object of this dump."""
    if key < numbers.lowest or key > numbers.highest:
        return -1
    if numbers.ids.shape[0]:
        low, high = 0, numbers.ids.shape[0] - 1
        while low < high:
            middle = (low + high) >> 1
            if numbers.ids[middle] < key:
                low = middle + 1
            else:
                high = middle
        return low if numbers.ids[low] == key else -1
    distance = key - numbers.lowest
    slot = distance >> numbers.shift
    if slot << numbers.shift != distance:
        return -1
    word, bit = numbers.bits[slot >> 6], np.int64(1) << (slot & 63)
    if word & bit == 0:
        return -1
    return numbers.ranks[slot >> 6] + popcount(word & (bit - 1))


@kernel
def _mark(data: t.Any, segments: t.Any, id_bytes: int, root_sizes: t.Any, numbers: Numbers, out: t.Any) -> int:
    """Set the bit of each object, or, without a bitmap, enter its identifier in ``out``."""
    count = 0
    for s in range(segments.shape[0]):
        p, end = segments[s, 0], segments[s, 1]
        while p < end:
            tag = load8(data, p)
            if tag == INSTANCE or tag == ARRAY or tag == PRIMITIVES or tag == CLASS or tag == PRIMITIVES_WITHOUT_DATA:
                key = identifier(data, p + 1, id_bytes)
                if out.shape[0]:
                    out[count] = key
                    count += 1
                else:
                    slot = (key - numbers.lowest) >> numbers.shift
                    numbers.bits[slot >> 6] |= np.int64(1) << (slot & 63)
            p = record_end(data, p, end, id_bytes, root_sizes)
    return count


@kernel
def _rank(bits: t.Any, ranks: t.Any) -> int:
    total = 0
    for i in range(bits.shape[0]):
        ranks[i] = total
        total += popcount(bits[i])
    return total


def build(mapping: Mapping, segments: t.Any, scan: Scan) -> tuple[Numbers, int]:
    """Number all objects; returns how many there are too."""
    state, none, ranks = scan.counts.state, np.zeros(0, np.int64), np.zeros(0, np.int32)
    lowest, highest, objects = int(state[LOWEST]), int(state[HIGHEST]), int(state[OBJECTS])
    low_bits = (int(state[ID_BITS]) | 8) & 15
    shift = (low_bits & -low_bits).bit_length() - 1
    words = ((highest - lowest) >> shift) // 64 + 1
    sizes = root_bytes(scan.id_bytes)
    if words * 12 <= max(objects * _BITMAP_PER_OBJECT, 1 << 22):
        def mark(windows: t.Iterator[t.Any]) -> Numbers:
            numbers = Numbers(np.zeros(words, np.int64), np.zeros(words, np.int32), none, lowest, highest, shift)
            for window in windows:
                _mark(mapping.data, window, scan.id_bytes, sizes, numbers, none)
            return numbers

        numbers, *others = mapping.share(segments, mark)
        for other in others:
            np.bitwise_or(numbers.bits, other.bits, out=numbers.bits)
        return numbers, int(_rank(numbers.bits, numbers.ranks))
    ids, count = np.empty(objects, np.int64), 0
    for window in mapping.windows(segments):
        count += _mark(mapping.data, window, scan.id_bytes, sizes, Numbers(none, ranks, none, lowest, highest, shift), ids[count:])
    ids = np.unique(ids)
    return Numbers(none, ranks, ids, lowest, highest, shift), len(ids)
