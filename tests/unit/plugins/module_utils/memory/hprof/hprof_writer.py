# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small HPROF dumps: classes with fields, objects, arrays and roots, as a JVM lays them out."""

from __future__ import annotations

import struct

OBJECT, CHAR, BYTE, INT, LONG = 2, 5, 8, 10, 11
_SIZES = {CHAR: 2, BYTE: 1, INT: 4, LONG: 8}


class Writer:
    """Collects records; ``dump()`` is the file."""

    def __init__(self, id_bytes: int = 8, version: str = "1.0.2", scattered: int = 1) -> None:
        self.id_bytes, self.version, self._scattered = id_bytes, version, scattered
        self._texts: dict[str, int] = {}
        self._records: list[bytes] = []
        self._heap: list[bytes] = []
        self._next = 0x10000
        self._fields: dict[int, list[tuple[str, int]]] = {}
        self._supers: dict[int, int] = {}
        self._serial = 0
        self.object_class = self.add_class("java/lang/Object", 0, [])

    def id(self, value: int) -> bytes:
        return value.to_bytes(self.id_bytes, "big")

    def text(self, text: str) -> int:
        if text not in self._texts:
            self._texts[text] = 0x100 + len(self._texts)
            self._record(1, self.id(self._texts[text]) + text.encode())
        return self._texts[text]

    def add_class(self, name: str, parent: int | None = None, fields: list[tuple[str, int]] = (),
                  statics: list[tuple[str, int]] = (), loader: int = 0) -> int:
        """A class; static fields are objects."""
        class_id = self.address(8)
        parent = self.object_class if parent is None else parent
        self._serial += 1
        self._record(2, struct.pack(">I", self._serial) + self.id(class_id) + struct.pack(">I", 0) + self.id(self.text(name)))
        body = b"\x20" + self.id(class_id) + struct.pack(">I", 0) + self.id(parent) + self.id(loader) + self.id(0) * 4
        body += struct.pack(">IH", 0, 0) + struct.pack(">H", len(statics))
        body += b"".join(self.id(self.text(field)) + bytes([OBJECT]) + self.id(value) for field, value in statics)
        body += struct.pack(">H", len(fields)) + b"".join(self.id(self.text(field)) + bytes([kind]) for field, kind in fields)
        self._heap.append(body)
        self._fields[class_id], self._supers[class_id] = list(fields), parent
        return class_id

    def address(self, size: int) -> int:
        """A place for an object of that size."""
        address, self._next = self._next, self._next + self._scattered * (size + 7 & -8)
        return address

    def instance(self, class_id: int, room: int = 16, **values: int) -> int:
        """An object; fields that are not given are null or 0."""
        at = self.address(room)
        body, owner = b"", class_id
        while owner:
            for name, kind in self._fields[owner]:
                body += values.get(name, 0).to_bytes(self.id_bytes if kind == OBJECT else _SIZES[kind], "big")
            owner = self._supers[owner]
        self._heap.append(b"\x21" + self.id(at) + struct.pack(">I", 0) + self.id(class_id) + struct.pack(">I", len(body)) + body)
        return at

    def array(self, class_id: int, elements: list[int]) -> int:
        """An array of objects."""
        at = self.address(16 + 4 * len(elements))
        self._heap.append(b"\x22" + self.id(at) + struct.pack(">II", 0, len(elements)) + self.id(class_id)
                          + b"".join(map(self.id, elements)))
        return at

    def bytes_(self, content: bytes) -> int:
        """A byte[]."""
        at = self.address(16 + len(content))
        self._heap.append(b"\x23" + self.id(at) + struct.pack(">II", 0, len(content)) + bytes([BYTE]) + content)
        return at

    def root(self, at: int, tag: int = 5, extra: bytes = b"") -> None:
        """A root; a system class's without more."""
        self._heap.append(bytes([tag]) + self.id(at) + extra)

    def dump(self) -> bytes:
        """The file: 1.0.2 in segments with an end record, 1.0.1 in one heap record."""
        head = f"JAVA PROFILE {self.version}".encode() + b"\0" + struct.pack(">IQ", self.id_bytes, 1_700_000_000_000)
        if self.version == "1.0.1":
            return head + b"".join(self._records) + _framed(0x0C, b"".join(self._heap))
        half = len(self._heap) // 2
        segments = [_framed(0x1C, b"".join(part)) for part in (self._heap[:half], self._heap[half:])]
        return head + b"".join(self._records) + b"".join(segments) + _framed(0x2C, b"")

    def _record(self, tag: int, body: bytes) -> None:
        self._records.append(_framed(tag, body))


def _framed(tag: int, body: bytes) -> bytes:
    return struct.pack(">BII", tag, 0, len(body)) + body
