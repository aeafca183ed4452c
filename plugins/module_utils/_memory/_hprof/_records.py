# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a dump: where each ends, and one walk that counts the objects and measures the distances between them.

A walk can stop anywhere and go on, so that the same code reads a mapped file and a stream. Rows of ``tally`` are classes: the
arrays of primitives first, at the number of their element's kind (4 to 11), then the others as they come.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import (
    Table, find, identifier, kernel, load8, load16, load32, put, value_bytes)

# records
STRING, LOAD_CLASS, FRAME, TRACE, HEAP_DUMP, HEAP_SEGMENT, HEAP_END = 0x01, 0x02, 0x04, 0x05, 0x0C, 0x1C, 0x2C
# sub-records of a heap dump
CLASS, INSTANCE, ARRAY, PRIMITIVES, PRIMITIVES_WITHOUT_DATA, HEAP_INFO = 0x20, 0x21, 0x22, 0x23, 0xC3, 0xFE
JNI_GLOBAL, JNI_LOCAL, JAVA_FRAME, NATIVE_STACK, STICKY_CLASS, THREAD_BLOCK, MONITOR, THREAD = 1, 2, 3, 4, 5, 6, 7, 8
# why a walk stopped
DONE, SHORT, UNKNOWN, FULL = 0, 1, 2, 3
# fields of ``state``
(REASON, OBJECTS, LOWEST, HIGHEST, ID_BITS, CLASSES, DUMPS, ROOTS, REFERENCES, ARRAY_HEADER, NARROW, WIDE, LAST, LAST_CLASS,
 LAST_LENGTH, STATE_FIELDS) = range(16)
# columns of ``tally``
COUNT, LENGTH, GAP, RESIDUE, COLUMNS = 0, 1, 2, 3, 19
FIRST_CLASS = 16
FAR = 1 << 62


def root_bytes(id_bytes: int) -> t.Any:
    """Bytes after the tag of each kind of root, 0 for what is not a root; kinds from 0x89 on are Android's."""
    sizes = np.zeros(256, np.int64)
    for tag in (0xFF, 5, 7, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x90):
        sizes[tag] = id_bytes
    for tag in (4, 6):
        sizes[tag] = id_bytes + 4
    for tag in (2, 3, 8, 0x8E):
        sizes[tag] = id_bytes + 8
    sizes[JNI_GLOBAL] = 2 * id_bytes
    return sizes


@kernel
def class_end(data: t.Any, p: int, end: int, id_bytes: int) -> int:
    """End of the class dump whose tag is at p, -1 if it does not end before ``end``."""
    q = p + 1 + 7 * id_bytes + 8
    for table in range(3):
        if q + 2 > end:
            return -1
        entries = load16(data, q)
        q += 2
        if table == 2:
            q += entries * (id_bytes + 1)
            break
        name = 2 if table == 0 else id_bytes
        for _entry in range(entries):
            if q + name + 1 > end:
                return -1
            size = value_bytes(load8(data, q + name), id_bytes)
            if size == 0:
                return -1
            q += name + 1 + size
    return q if q <= end else -1


@kernel
def record_end(data: t.Any, p: int, end: int, id_bytes: int, root_sizes: t.Any) -> int:
    """End of the sub-record at p, which may lie after ``end``; -1 if even its head does not fit, -2 for an unknown one."""
    tag = load8(data, p)
    if tag == INSTANCE:
        if p + 9 + 2 * id_bytes > end:
            return -1
        return p + 9 + 2 * id_bytes + load32(data, p + 5 + 2 * id_bytes)
    if tag == ARRAY:
        if p + 9 + 2 * id_bytes > end:
            return -1
        return p + 9 + 2 * id_bytes + load32(data, p + 5 + id_bytes) * id_bytes
    if tag == PRIMITIVES or tag == PRIMITIVES_WITHOUT_DATA:
        if p + 10 + id_bytes > end:
            return -1
        size = value_bytes(load8(data, p + 9 + id_bytes), id_bytes)
        if size == 0 or load8(data, p + 9 + id_bytes) < 4:
            return -2
        return p + 10 + id_bytes + (load32(data, p + 5 + id_bytes) * size if tag == PRIMITIVES else 0)
    if tag == CLASS:
        return class_end(data, p, end, id_bytes)
    if tag == HEAP_INFO:
        return p + 5 + id_bytes
    if root_sizes[tag] == 0:
        return -2
    return p + 1 + root_sizes[tag]


@kernel
def identifiers(data: t.Any, offsets: t.Any, id_bytes: int, out: t.Any) -> None:
    """The identifiers at these offsets."""
    for i in range(offsets.shape[0]):
        out[i] = identifier(data, offsets[i], id_bytes)


@kernel
def top_records(data: t.Any, p: int, end: int, out: t.Any) -> tuple[int, int]:
    """Enter (tag, offset of the body, length) of each record that begins before ``end``.

    :returns: how many, and where the next one begins: after ``end`` when the last one is not whole.
    """
    count = 0
    while p + 9 <= end and count < out.shape[0]:
        tag, length = load8(data, p), load32(data, p + 5)
        if tag == HEAP_DUMP and length == 0:  # more than 32 bits can say, or written to a pipe: it goes to the end
            length = FAR
        out[count, 0], out[count, 1], out[count, 2] = tag, p + 9, length
        count += 1
        p += 9 + length
    return count, p


@kernel
def class_row(table: Table, key: int, state: t.Any) -> int:
    """The class's row in the tally, a new one if it was not seen before."""
    row = find(table, key)
    if row < 0:
        row = state[CLASSES]
        state[CLASSES] += 1
        put(table, key, row)
    return row


@kernel
def measure(tally: t.Any, state: t.Any, gap: int) -> None:
    """Learn from the distance to the next object: an upper bound of the last one's size."""
    row, length = state[LAST_CLASS], state[LAST_LENGTH]
    if length < 0:
        if gap < tally[row, GAP]:
            tally[row, GAP] = gap
    elif row < FIRST_CLASS:
        header = gap - length * value_bytes(row, 8)
        if 8 <= header < state[ARRAY_HEADER]:
            state[ARRAY_HEADER] = header
    elif length >= 4:
        if gap < 16 + 8 * length:
            state[NARROW] += 1
        else:
            state[WIDE] += 1


@kernel
def count_objects(data: t.Any, p: int, end: int, id_bytes: int, root_sizes: t.Any, table: Table, tally: t.Any, dumps: t.Any,
                  roots: t.Any, state: t.Any) -> int:
    """Walk the sub-records of a segment: tally by class, offsets of class dumps, roots (tag, id, serial, frame).

    :returns: where it stopped; ``state[REASON]`` says why: ``SHORT`` is a record that does not end before ``end``.
    """
    state[REASON] = DONE
    last_id, last_row = np.int64(0), np.int64(-1)
    while p < end:
        if state[ROOTS] == roots.shape[0] or state[DUMPS] == dumps.shape[0] or state[CLASSES] + 2 > tally.shape[0]:
            state[REASON] = FULL
            return p
        after = record_end(data, p, end, id_bytes, root_sizes)
        if after < 0 or after > end:
            state[REASON] = UNKNOWN if after == -2 else SHORT
            return p
        tag, this, length = load8(data, p), identifier(data, p + 1, id_bytes), np.int64(-1)
        if tag == INSTANCE:
            key = identifier(data, p + 5 + id_bytes, id_bytes)
            if key != last_id:
                last_id, last_row = key, class_row(table, key, state)
            row = last_row
        elif tag == ARRAY:
            length, row = load32(data, p + 5 + id_bytes), class_row(table, identifier(data, p + 9 + id_bytes, id_bytes), state)
            state[REFERENCES] += length
        elif tag == PRIMITIVES or tag == PRIMITIVES_WITHOUT_DATA:
            length, row = load32(data, p + 5 + id_bytes), load8(data, p + 9 + id_bytes)
        elif tag == CLASS:
            class_row(table, this, state)
            dumps[state[DUMPS]] = p
            state[DUMPS] += 1
            row = np.int64(-1)
        else:
            if tag != HEAP_INFO:
                add_root(data, p, id_bytes, root_sizes, roots, state)
            p = after
            continue
        state[OBJECTS] += 1
        if this < state[LOWEST]:
            state[LOWEST] = this
        if this > state[HIGHEST]:
            state[HIGHEST] = this
        state[ID_BITS] |= this
        if state[LAST_CLASS] >= 0 and this > state[LAST]:
            measure(tally, state, this - state[LAST])
        state[LAST], state[LAST_CLASS], state[LAST_LENGTH] = this, row, length
        if row >= 0:
            tally[row, COUNT] += 1
            if length >= 0:
                tally[row, LENGTH] += length
                tally[row, RESIDUE + (length & 15)] += 1
        p = after
    return p


@kernel
def add_root(data: t.Any, p: int, id_bytes: int, root_sizes: t.Any, roots: t.Any, state: t.Any) -> None:
    """Enter the root at p: tag, id, and where it has them the thread's serial number and the frame's."""
    tag, n = load8(data, p), state[ROOTS]
    size = root_sizes[tag]
    roots[n, 0], roots[n, 1] = tag, identifier(data, p + 1, id_bytes)
    roots[n, 2] = load32(data, p + 1 + id_bytes) if tag != JNI_GLOBAL and size >= id_bytes + 4 else -1
    roots[n, 3] = load32(data, p + 5 + id_bytes) if tag != JNI_GLOBAL and size >= id_bytes + 8 else -1
    state[ROOTS] += 1
