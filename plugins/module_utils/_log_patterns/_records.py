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
#: what a record has been so far; NEW where a line begins another one. CHAINED: a further traceback of Python's is announced;
#: GOROUTINE: Go's frames; SAYS: what made Rust panic is on the next line; PANICKED: Rust has said it
_NEW, _PLAIN, _THROWN, _TRACEBACK, _CHAINED, _GOROUTINE, _SAYS, _PANICKED = -1, 0, 1, 2, 3, 4, 5, 6
#: bytes of "2026-11-24T03:00:00.123456789Z ", of "stdout F ", and of a zone that is not Z
_STAMP, _STREAM, _ZONE = 31, 9, 6
#: bytes of a line that are looked at for a frame's function or place
_FRAME = 1024
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
    """Where the application's text begins: behind colours, and the time that the kubelet gives to each line, or the runtime's, with its stream."""
    while block[at] == 27 and block[at + 1] == 91:
        while block[at] != 10 and block[at] != 109:
            at += 1
        at += block[at] == 109
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
def _next_line(block: t.Any, at: t.Any) -> t.Any:
    """Where the text of the next line begins; where there is none, the end of the block."""
    while at < block.shape[0] and block[at] != 10:
        at += 1
    return _told(block, at + 1) if at + 1 < block.shape[0] else block.shape[0]


@kernel
def _names_error(block: t.Any, begin: t.Any, end: t.Any) -> t.Any:
    return end - begin >= 9 and _is(block, end - 9, b"Exception") or end - begin >= 5 and _is(block, end - 5, b"Error")


@kernel
def _thrown(block: t.Any, at: t.Any) -> t.Any:
    """Whether a line begins with the name of an exception's class: dotted and named so, or one of both and a frame on the next line."""
    begin, dotted, named = at, False, False
    while 46 <= block[at] <= 57 or 65 <= block[at] <= 90 or 97 <= block[at] <= 122 or block[at] == 36 or block[at] == 95:
        dotted |= block[at] == 46
        named |= block[at] == 36 and _names_error(block, begin, at)  # one of its inner classes
        at += 1
    if block[at] != 58 and block[at] != 10 and block[at] != 13:
        return False
    named |= _names_error(block, begin, at)
    if dotted == named:
        return dotted
    at = _next_line(block, at)
    indented = at
    while at < block.shape[0] and (block[at] == 32 or block[at] == 9):
        at += 1
    return at > indented and _is(block, at, b"at ")


@kernel
def _frame(block: t.Any, at: t.Any) -> t.Any:
    """Whether a line is a frame although it is not indented: Ruby's place, or Go's function, whose place is on the next line."""
    begin, depth = at, 0
    while block[at] != 10:
        byte = block[at]
        depth += np.int64(byte == 40) - np.int64(byte == 41)
        if byte == 32 and depth <= 0:
            return at - begin > 4 and _is(block, at - 3, b":in") and 48 <= block[at - 4] <= 57
        at += 1
        if at - begin > _FRAME:
            return False
    place = _next_line(block, at)
    if place >= block.shape[0] or block[place] != 9:
        return False
    for at in range(place, min(place + _FRAME, block.shape[0] - 1)):
        if block[at] == 10:
            return False
        if block[at] == 58 and 48 <= block[at + 1] <= 57 and (_is(block, at - 3, b".go") or _is(block, at - 2, b".s")):
            return True
    return False


@kernel
def _goes_on(block: t.Any, at: t.Any, byte: t.Any) -> t.Any:
    """Whether a line is what always belongs to the one before, whoever wrote it."""
    if byte == 67:
        return _is(block, at, b"Caused by:")
    if byte == 83:
        return _is(block, at, b"Suppressed:") or _is(block, at, b"Stack trace:")
    if byte == 35:  # PHP's frames
        return 48 <= block[at + 1] <= 57
    if byte == 91:
        return _is(block, at, b"[stacktrace]")
    if byte == 0xE2:  # a frame that is drawn around a text: U+2500 to U+257F
        return block[at + 1] == 0x94 or block[at + 1] == 0x95
    return byte == 42 and _is(block, at, b"** (")  # Elixir's exceptions


@kernel
def _after_thrown(block: t.Any, at: t.Any, byte: t.Any) -> t.Any:
    """What a line makes of a record whose exception is told: more of its message, or the next one of Python's chain."""
    if byte == 84 and _is(block, at, b"The above exception was ") or byte == 68 and _is(block, at, b"During handling of the above "):
        return _CHAINED
    if byte == 91 and (_is(block, at, b"[SQL: ") or _is(block, at, b"[parameters: ")) or byte == 40 and _is(block, at, b"(Background on this error"):
        return _THROWN
    if byte == 76 and _is(block, at, b"LINE ") or byte == 68 and _is(block, at, b"DETAIL: ") or byte == 72 and _is(block, at, b"HINT: "):
        return _THROWN
    return _NEW


@kernel
def _after(block: t.Any, at: t.Any, state: t.Any) -> t.Any:
    """What a record is with the line whose text begins there."""
    byte = block[at]
    if byte <= 32 or byte == 125:  # indented, empty, or a closing brace
        return _TRACEBACK if _is(block, at, b'  File "') else state
    if state == _SAYS:
        return _PANICKED
    if 48 <= byte <= 57:
        return _NEW
    if _goes_on(block, at, byte):
        return _THROWN
    if byte == 103 and _is(block, at, b"goroutine ") and (state == _PLAIN or state == _GOROUTINE):
        return _GOROUTINE
    if state == _GOROUTINE and (_is(block, at, b"created by ") or _is(block, at, b"...")):
        return _GOROUTINE
    if byte == 91 and _is(block, at, b"[signal SIG"):
        return state
    if state == _PANICKED and (_is(block, at, b"stack backtrace:") or _is(block, at, b"note: ")):
        return _PANICKED
    if byte == 84 and (state == _PLAIN or state == _CHAINED) and _is(block, at, b"Traceback ("):
        return _TRACEBACK
    if state == _TRACEBACK:  # its last line tells the exception
        return _THROWN
    if _frame(block, at):
        return _GOROUTINE
    if state == _THROWN:
        return _after_thrown(block, at, byte)
    return _THROWN if state == _PLAIN and _thrown(block, at) else _NEW


@kernel
def _begun(block: t.Any, at: t.Any) -> t.Any:
    """What a record is that begins with the line whose text begins there."""
    if _is(block, at, b"thread '"):
        while block[at] != 10 and not _is(block, at, b" panicked at "):
            at += 1
        if block[at] != 10:
            while block[at] != 10:
                at += 1
            return _SAYS if block[at - 1] == 58 else _PANICKED
        return _PLAIN
    return max(_PLAIN, _after(block, at, _PLAIN))


@kernel
def _open(block: t.Any, at: t.Any, text: t.Any, opened: t.Any) -> t.Any:
    """The streams whose line has not ended with this line, a bit for each: 1 for stdout, 2 for stderr."""
    if text - at < _STREAM + _DATED or block[text - 3] != 32 or block[text - 1] != 32:
        return opened
    stream = 1 if _is(block, text - _STREAM, b"stdout") else 2 if _is(block, text - _STREAM, b"stderr") else 0
    return opened | stream if block[text - 2] == 80 else opened & ~stream


@kernel
def _bad_status(block: t.Any, at: t.Any) -> t.Any:
    """Whether that is a status of HTTP behind a request: ``HTTP/1.1" 503``."""
    return (block[at] == 52 or block[at] == 53) and block[at - 1] == 32 and _is(block, at - 10, b"HTTP/")


@kernel
def last_record(block: t.Any, at: t.Any) -> t.Any:
    """Where the last record begins; not with the last line, which may belong to the one before for what follows it.

    :param at: beginning of a line; only what is behind it is looked at.
    """
    size = block.shape[0]
    before, begin, line, state, opened = at, at, at, _NEW, 0
    while at < size:
        line, text = at, _told(block, at)
        following = _after(block, text, state) if state != _NEW else _NEW
        if opened:
            following = max(state, following)
        elif following == _NEW:
            before, begin, following = begin, at, _begun(block, text)
        state, opened = following, _open(block, at, text, opened)
        while at < size and block[at] != 10:
            at += 1
        at += 1
    return before if begin == line else begin


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
        state = _begun(block, at)
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
