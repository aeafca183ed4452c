# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels over the bytes of a log: where a record begins and ends, and which shape it has.

A record is a line with what belongs to it: indented lines, what was thrown, and the frames of its stack. A block ends with a newline.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import njit, np

#: what a byte is to a shape: a to f, a digit, any other part of a word, between words, the end of a line
_GAPS = b" \t\r\v\f\0=:,;()[]{}\"'|<>"
_HEX, _DIGIT, _LETTER, _GAP, _END = 0, 1, 2, 4, 5
#: letters of a hexadecimal number without digits, and the places at which numbers have been seen
_LEAST_HEX, _PLACES = 4, 1 << 12
#: what a record has been so far; NEW where a line begins another one
_NEW, _PLAIN, _THROWN, _TRACEBACK, _GOROUTINE = -1, 0, 1, 2, 3
#: bytes of "2026-11-24T03:00:00.123456789Z ", of "stdout F ", and of a zone that is not Z
_STAMP, _STREAM, _ZONE = 31, 9, 6
#: bytes of a date with the time of day
_DATED = 19

kernel = njit(boundscheck=False)


@functools.lru_cache(maxsize=None)
def kinds() -> t.Any:
    """The kind of each byte."""
    table = np.full(256, _LETTER, np.uint8)
    table[list(b"abcdefABCDEF")] = _HEX
    table[list(b"0123456789")] = _DIGIT
    table[list(_GAPS)] = _GAP
    table[10] = _END
    return table


@kernel
def _is(block: t.Any, at: t.Any, text: t.Any) -> t.Any:
    if at + len(text) > block.shape[0]:
        return False
    for place in range(len(text)):
        if block[at + place] != text[place]:
            return False
    return True


@kernel
def _told(block: t.Any, at: t.Any) -> t.Any:
    """Where the application's text begins: behind the time that the kubelet gives to each line, or the runtime's, with its stream."""
    if at + 40 > block.shape[0] or block[at + 10] != 84 or block[at + 4] != 45 or block[at + 7] != 45 or block[at + 19] != 46:
        return at
    end = at + 20
    while end < at + 36 and block[end] > 32:
        end += 1
    if block[end] != 32:
        return at
    if _is(block, end + 1, b"stdout ") or _is(block, end + 1, b"stderr "):
        return end + 1 + _STREAM
    return end + 1 if end + 1 - at == _STAMP or end + 1 - at == _STAMP - 1 + _ZONE else at


@kernel
def _thrown(block: t.Any, at: t.Any) -> t.Any:
    """Whether a line begins with the dotted name of an exception's class."""
    dots = 0
    while 46 <= block[at] <= 57 or 65 <= block[at] <= 90 or 97 <= block[at] <= 122 or block[at] == 36 or block[at] == 95:
        dots += block[at] == 46
        at += 1
    return dots > 0 and (block[at] == 58 or block[at] == 10) and (_is(block, at - 9, b"Exception") or _is(block, at - 5, b"Error"))


@kernel
def _after(block: t.Any, at: t.Any, state: t.Any) -> t.Any:
    """What a record is with the line whose text begins there."""
    byte = block[at]
    if byte <= 32 or byte == 125:  # indented, empty, or a closing brace
        return _THROWN if byte == 10 and state == _GOROUTINE else state
    if byte == 67 and _is(block, at, b"Caused by:") or byte == 83 and _is(block, at, b"Suppressed:"):
        return _THROWN
    if byte == 35 and 48 <= block[at + 1] <= 57:  # PHP's frames
        return _THROWN
    if state == _PLAIN:
        if byte == 84 and _is(block, at, b"Traceback ("):
            return _TRACEBACK
        if byte == 103 and _is(block, at, b"goroutine "):
            return _GOROUTINE
        return _THROWN if _thrown(block, at) else _NEW
    if state == _TRACEBACK:  # its last line tells the exception
        return _THROWN
    return _GOROUTINE if state == _GOROUTINE else _NEW


@kernel
def _bad_status(block: t.Any, at: t.Any) -> t.Any:
    """Whether that is a status of HTTP behind a request: ``HTTP/1.1" 503``."""
    return (block[at] == 52 or block[at] == 53) and block[at - 1] == 32 and _is(block, at - 10, b"HTTP/")


@kernel
def last_record(block: t.Any, at: t.Any) -> t.Any:
    """Where the last record begins.

    :param at: beginning of a line; only what is behind it is looked at.
    """
    size = block.shape[0]
    begin, state = at, _NEW
    while at < size:
        following = _after(block, _told(block, at), state) if state != _NEW else _NEW
        if following == _NEW:
            begin, following = at, max(_PLAIN, _after(block, _told(block, at), _PLAIN))
        state = following
        while at < size and block[at] != 10:
            at += 1
        at += 1
    return begin


@kernel
def _with(record: t.Any, word: t.Any) -> t.Any:
    record = (record ^ word) * np.uint64(0x9E3779B97F4A7C15)
    return record ^ (record >> np.uint64(29))


@kernel
def _dated(block: t.Any, at: t.Any) -> t.Any:
    """Whether that is 2026-11-24 03:00:00, or with a T: the commonest beginning is not worth to be looked at byte by byte."""
    return at + _DATED < block.shape[0] and block[at + 4] == 45 and block[at + 7] == 45 and block[at + 13] == 58 and block[at + 16] == 58 \
        and 48 <= block[at] <= 57 and 48 <= block[at + 18] <= 57


@kernel
def _hash_text(block: t.Any, at: t.Any, kind_of: t.Any, record: t.Any, places: t.Any, note: t.Any) -> t.Any:
    """The hash with the words of a line: values are alike, and neighbouring ones are one.

    A value is a word with a digit, or one of only a to f where numbers have been seen.

    :param places: of numbers, by the hash of what stands before them; note: whether to add those of this line.
    :returns: the hash, where the line ends, whether it has words.
    """
    word, kinds_in, valued, some, one = np.uint64(0), np.uint8(0), False, False, np.uint64(1)
    if _dated(block, at):
        at += _DATED
        record, valued, some = _with(record, one), True, True
    place = start = np.uint64(at)  # an index that cannot be negative is cheaper
    while True:
        byte = block[place]
        kind = kind_of[byte]
        place += one
        if kind < _GAP:
            word = ((word << np.uint64(7)) | (word >> np.uint64(57))) ^ np.uint64(byte)
            kinds_in |= kind
            continue
        length = np.int64(place - start) - 1
        if length > 0:
            some = True
            known = record & np.uint64(_PLACES - 1)
            value = kinds_in & _DIGIT or kinds_in == _HEX and length >= _LEAST_HEX and places[known] == record
            if not value:
                record = _with(record, word)
            elif length == 3 and _bad_status(block, np.int64(start)):
                record = _with(record, np.uint64(block[start]))
            elif not valued:
                if note:
                    places[known] = record
                record = _with(record, one)
            valued = value
            word, kinds_in = np.uint64(0), np.uint8(0)
        if kind == _END:
            return record, np.int64(place), some
        start = place


@kernel
def _hash_more(block: t.Any, at: t.Any, kind_of: t.Any, record: t.Any) -> t.Any:
    """The hash with a line that belongs to a record: a frame's words are its meaning, so that only their digits are left out."""
    word = np.uint64(0)
    while True:
        byte = block[at]
        kind = kind_of[byte]
        at += 1
        if kind == _HEX or kind == _LETTER:
            word = ((word << np.uint64(7)) | (word >> np.uint64(57))) ^ np.uint64(byte)
        elif kind >= _GAP:
            record = _with(record, word) if word else record
            word = np.uint64(0)
            if kind == _END:
                return record, at


@kernel
def count_shapes(block: t.Any, kind_of: t.Any, slots: t.Any, shapes: t.Any, labels: t.Any) -> t.Any:
    """Hash each record and count it in an open-addressing table.

    :param slots: the table: numbers of shapes, from 1.
    :param shapes: for each its key, its count, where its first record begins and ends, and where its last one begins.
    :param labels: gets the key of every record, as far as it is long.
    :returns: records, shapes, and records that had no place among them.
    """
    basis, mask = np.uint64(0xCBF29CE484222325), np.int64(slots.shape[0] - 1)
    places = np.zeros(_PLACES, np.uint64)
    size = block.shape[0]
    at, records, used, others = 0, 0, 0, 0
    while at < size:
        start = at
        at = text = _told(block, at)
        state = max(_PLAIN, _after(block, at, _PLAIN))
        record, at, some = _hash_text(block, at, kind_of, basis, places, False)
        while at < size:
            ahead = _told(block, at)
            state = _after(block, ahead, state)
            if state == _NEW:
                break
            record, at = _hash_more(block, ahead, kind_of, record)
        if not some:
            continue
        key = np.int64(record)
        if records < labels.shape[0]:
            labels[records] = key
        records += 1
        slot = (key >> 20) & mask
        while slots[slot] != 0 and shapes[slots[slot] - 1, 0] != key:
            slot = (slot + 1) & mask
        if slots[slot] == 0:
            if used == shapes.shape[0]:
                others += 1
                continue
            shapes[used, 0], shapes[used, 2], shapes[used, 3] = key, start, at
            used += 1
            slots[slot] = used
            _hash_text(block, text, kind_of, basis, places, True)
        number = slots[slot] - 1
        shapes[number, 1] += 1
        shapes[number, 4] = start
    return records, used, others
