# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk over a dump, mapped or streamed: texts, classes, stacks, roots, and the tally of objects by class."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _records, _source
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._counts import Counts
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import (
    FAR, FRAME, HEAP_DUMP, HEAP_END, HEAP_SEGMENT, LOAD_CLASS, REASON, SHORT, STRING, TRACE)

_BATCH = 1 << 16
#: bytes of a segment that are held in memory at once where several threads walk
_LONGEST = 256 << 20
#: a hidden class has its address in its name, which is another one in each process
_HIDDEN = re.compile(r"[+.]0x[0-9a-f]+(?=;?$)")
_KNOWN = {*range(1, 0x0F), HEAP_SEGMENT, HEAP_END}


class Texts:
    """The dump's strings (names of classes, fields, methods) by identifier; they stay where they are until asked for."""

    def __init__(self) -> None:
        self._parts: list[tuple[t.Any, t.Any, t.Any, t.Any]] = []
        self._sorted: tuple[t.Any, t.Any, t.Any, t.Any] | None = None

    def add(self, data: t.Any, ids: t.Any, offsets: t.Any, lengths: t.Any) -> None:
        """Enter texts that lie in ``data``."""
        self._parts.append((data, ids, offsets, lengths))
        self._sorted = None

    def __getitem__(self, key: int) -> str:
        """The text, or its identifier where the dump has none."""
        if self._sorted is None:
            self._sorted = self._sort()
        ids, parts, offsets, lengths = self._sorted
        place = int(np.searchsorted(ids, key))
        if place == len(ids) or ids[place] != key:
            return f"?{key:x}"
        data, offset = self._parts[parts[place]][0], int(offsets[place])
        return bytes(data[offset:offset + int(lengths[place])]).decode("utf-8", "replace")

    def _sort(self) -> tuple[t.Any, t.Any, t.Any, t.Any]:
        if not self._parts:
            return tuple(np.zeros(0, np.int64) for _each in range(4))
        ids, offsets, lengths = (np.concatenate([part[i] for part in self._parts]) for i in (1, 2, 3))
        parts = np.repeat(np.arange(len(self._parts)), [len(part[1]) for part in self._parts])
        order = np.argsort(ids, kind="stable")
        return ids[order], parts[order], offsets[order], lengths[order]


@dataclasses.dataclass
class Scan:
    """What one walk has found.

    :param moving: the bytes are in a buffer that is used again, so that what is to stay must be copied.
    :param truncated_at: where reading ended too early, None for a whole dump; ``problem`` says why.
    """

    path: str
    id_bytes: int
    format: str
    milliseconds: int
    moving: bool = False
    texts: Texts = dataclasses.field(default_factory=Texts)
    class_names: dict[int, str] = dataclasses.field(default_factory=dict)
    class_serials: dict[int, int] = dataclasses.field(default_factory=dict)
    frames: dict[int, bytes] = dataclasses.field(default_factory=dict)
    traces: dict[int, bytes] = dataclasses.field(default_factory=dict)
    truncated_at: int | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        self.counts = Counts(self.id_bytes)
        self._batch = np.zeros((_BATCH, 3), np.int64)
        self._names: list[tuple[int, int]] = []
        self._left, self._tag, self._ended = 0, 0, False

    def feed(self, data: t.Any, p: int, end: int, base: int) -> int:
        """Take the bytes from p to ``end``; ``base`` is the offset of ``data[0]`` in the dump.

        :returns: where those begin that must come again, together with what follows them.
        """
        while not self.problem and p < end:
            if self._left:
                p = self._walk(data, p, end, base)
                if self._left:
                    return p
                continue
            count, after = _records.top_records(data, p, end, self._batch)
            if not count:
                return p
            p = self._take(data, end, base, self._batch[:count], after)
            if p < after and not self._left:
                return p
        return p

    def share(self, mapping: _source.Mapping, p: int) -> bool:
        """Take a whole mapped dump from p on, its segments by several threads; False where it has to be taken in order: something is wrong
        with it, or a segment is too long to be held in memory."""
        data, segments = mapping.data, []
        while p < len(data) and not self.problem:
            count, after = _records.top_records(data, p, min(p + _source.WINDOW, len(data)), self._batch)
            if not count or after > len(data):
                return False
            heap, p = self._sift(data, 0, self._batch[:count], after)
            segments += [(body, body + length) for _tag, body, length in heap.tolist() if length]
            mapping.let_go()
        if self.problem or any(end - begin > _LONGEST for begin, end in segments):
            return False

        def count_part(windows: t.Iterator[t.Any]) -> Counts | None:
            counts = Counts(self.id_bytes)
            whole = all(counts.walk(data, begin, end, 0) == end for window in windows for begin, end in window.tolist())
            return counts if whole else None

        parts = mapping.share(np.array(segments, np.int64).reshape(-1, 2), count_part) if segments else []
        for part in parts:
            if part is None:
                return False
            self.counts.join(part)
        return True

    def in_order(self, mapping: _source.Mapping, p: int) -> int:
        """Take a mapped dump from p on; returns the bytes at its end that were not taken."""
        data, end = mapping.data, p
        while end < len(data) and not self.problem:
            end = min(max(end, p) + _source.WINDOW, len(data))
            p = self.feed(data, p, end, 0)
            mapping.let_go()
        return len(data) - p

    def finish(self, rest: int, size: int, problem: str) -> None:
        """No more bytes come: is this where the dump ends?

        :param rest: bytes at the end that were not taken.
        :param problem: why the stream ended, if it ended early.
        """
        if not self.problem and (rest or 0 < self._left < FAR >> 1 or problem or (self._tag != HEAP_DUMP and not self._ended)):
            self.problem = problem or "it ends inside a record" * bool(rest or self._left) or "its end record is missing"
            self.truncated_at = size - rest
        for class_id, name_id in self._names:
            self.class_names[class_id] = nice_name(self.texts[name_id])

    def _take(self, data: t.Any, end: int, base: int, records: t.Any, after: int) -> int:
        """Take a batch of records; returns where to go on."""
        if after > end and records[-1, 0] not in (HEAP_DUMP, HEAP_SEGMENT):
            after = int(records[-1, 1]) - 9
            records = records[:-1]
        heap, after = self._sift(data, base, records, after)
        for _tag, body, length in heap.tolist():
            self._left = length
            p = self._walk(data, body, end, base) if length else body
            if self._left:
                return p
        return after

    def _sift(self, data: t.Any, base: int, records: t.Any, after: int) -> tuple[t.Any, int]:
        """Note what other records say; returns those of the heap, and where to go on."""
        unknown = np.flatnonzero(~np.isin(records[:, 0], list(_KNOWN)))
        if len(unknown):
            after = int(records[unknown[0], 1]) - 9
            records = records[:unknown[0]]
            self._stop(base + after, f"there is no record of kind {int(data[after]):#x}")
        is_heap = np.isin(records[:, 0], (HEAP_DUMP, HEAP_SEGMENT))
        heap = records[is_heap]
        self._note(data, records[~is_heap])
        self._ended |= bool(np.any(records[:, 0] == HEAP_END))
        if len(heap):
            self._tag = int(heap[-1, 0])
        return heap, after

    def _walk(self, data: t.Any, p: int, end: int, base: int) -> int:
        """Take the sub-records up to the segment's end, or up to ``end``."""
        begin, stop = p, min(p + self._left, end)
        p = self.counts.walk(data, begin, stop, base)
        self._left -= p - begin
        reason = self.counts.state[REASON]
        if reason == SHORT and stop == p + self._left:
            self._stop(base + p, "a record is longer than the segment that it is in")
        elif reason not in (SHORT, _records.DONE):
            self._stop(base + p, f"there is no heap record of kind {int(data[p]):#x}")
        return p

    def _stop(self, offset: int, problem: str) -> None:
        self.truncated_at, self.problem = offset, problem

    def _note(self, data: t.Any, records: t.Any) -> None:
        """Enter texts, names of classes, frames and traces."""
        def bodies(tag: int) -> tuple[t.Any, t.Any]:
            chosen = records[records[:, 0] == tag]
            return chosen[:, 1].copy(), chosen[:, 2]

        size = self.id_bytes
        offsets, lengths = bodies(LOAD_CLASS)
        classes, names = (_identifiers(data, offsets + shift, size).tolist() for shift in (4, 8 + size))
        self._names += zip(classes, names, strict=True)
        self.class_serials.update(zip(_identifiers(data, offsets, 4).tolist(), classes, strict=True))
        for tag, table, key in ((FRAME, self.frames, size), (TRACE, self.traces, 4)):
            for offset, length in zip(*(part.tolist() for part in bodies(tag)), strict=True):
                body = bytes(data[offset:offset + length])
                table[int.from_bytes(body[:key], "big", signed=key == 8)] = body
        offsets, lengths = bodies(STRING)
        if len(offsets):
            ids = _identifiers(data, offsets, size)
            if self.moving:
                begin, end = int(offsets[0]), int(offsets[-1] + lengths[-1])
                data, offsets = data[begin:end].copy(), offsets - begin
            self.texts.add(data, ids, offsets + size, lengths - size)


def _identifiers(data: t.Any, offsets: t.Any, id_bytes: int) -> t.Any:
    out = np.empty(len(offsets), np.int64)
    _records.identifiers(data, offsets, id_bytes, out)
    return out


def nice_name(name: str) -> str:
    """A class's name as Java's source has it: ``java.util.HashMap$Node[]`` for ``[Ljava/util/HashMap$Node;``."""
    name = _HIDDEN.sub("", name.replace("/", "."))
    depth = len(name) - len(name.lstrip("["))
    if not depth:
        return name
    primitives = {"B": "byte", "C": "char", "I": "int", "J": "long", "Z": "boolean", "S": "short", "F": "float", "D": "double"}
    element = name[depth:]
    return (primitives.get(element) or element.removeprefix("L").removesuffix(";")) + "[]" * depth


def of_mapping(mapping: _source.Mapping, path: str) -> Scan:
    """Walk over a mapped dump."""
    data = mapping.data
    format_, id_bytes, milliseconds, begin = _source.header(bytes(data[:64]), path)
    scan, rest = Scan(path, id_bytes, format_, milliseconds), 0
    if not scan.share(mapping, begin):
        scan = Scan(path, id_bytes, format_, milliseconds)
        rest = scan.in_order(mapping, begin)
    scan.finish(rest, len(data), mapping.problem)
    return scan


def of_stream(stream: _source.Stream, tell: t.Callable[[int], None]) -> tuple[Scan, int]:
    """Walk over a dump as it comes, without keeping it; returns the bytes too.

    :param tell: called with the bytes read so far.
    """
    buffer = np.empty(4 * _source.BLOCK, np.uint8)
    have = base = 0
    scan: Scan | None = None
    while True:
        block = stream.read()
        count = len(block)
        if have + count > len(buffer):
            buffer = np.concatenate([buffer, np.empty(len(buffer) + count, np.uint8)])
        buffer[have:have + count] = np.frombuffer(block, np.uint8)
        have += count
        if scan is None and (have >= 64 or not count):
            format_, id_bytes, milliseconds, begin = _source.header(bytes(buffer[:min(have, 64)]), stream.path)
            scan, p = Scan(stream.path, id_bytes, format_, milliseconds, moving=True), begin
        elif scan is None:
            continue
        else:
            p = 0
        view = buffer.view()
        view.flags.writeable = False  # the kernels are compiled for what a mapped file is
        p = scan.feed(view, p, have, base)
        if not count or scan.problem:
            scan.finish(have - p, base + have, stream.problem)
            return scan, base + have
        buffer[:have - p], have, base = buffer[p:have].copy(), have - p, base + p
        tell(base + have)
