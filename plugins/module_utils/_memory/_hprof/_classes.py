# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes as a dump describes them, and where in an instance's bytes each field lies."""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import OBJECT, TYPE_BYTES


class Static(t.NamedTuple):
    """A static field; ``value`` is an identifier for an object."""

    name: int
    kind: int
    value: int


class ClassDump(t.NamedTuple):
    """One class.

    :param fields: (id of the name, kind) of those that it declares itself, in the order of an instance's bytes.
    """

    id: int
    super: int
    loader: int
    signers: int
    domain: int
    statics: list[Static]
    fields: list[tuple[int, int]]

    @classmethod
    def parse(cls, body: bytes, id_bytes: int) -> ClassDump:
        """Read the record; ``body`` begins after the tag."""
        one = "q" if id_bytes == 8 else "I"
        ids = struct.unpack_from(f">{one}I6{one}", body)
        p = 7 * id_bytes + 8
        (count,) = struct.unpack_from(">H", body, p)
        p += 2
        for _entry in range(count):
            p += 3 + _bytes_of(body[p + 2], id_bytes)
        (count,) = struct.unpack_from(">H", body, p)
        p += 2
        statics = []
        for _entry in range(count):
            name, kind = struct.unpack_from(f">{one}B", body, p)
            p += id_bytes + 1
            end = p + _bytes_of(kind, id_bytes)
            statics.append(Static(name, kind, int.from_bytes(body[p:end], "big", signed=id_bytes == 8)))
            p = end
        (count,) = struct.unpack_from(">H", body, p)
        fields = list(struct.iter_unpack(f">{one}B", body[p + 2:p + 2 + count * (id_bytes + 1)]))
        return cls(ids[0], ids[2], ids[3], ids[4], ids[5], statics, t.cast("list[tuple[int, int]]", fields))


class Field(t.NamedTuple):
    """A field of an instance, its own or inherited: where its value begins in the instance's bytes."""

    name: int
    kind: int
    offset: int
    declared_by: int


class Fields:
    """The fields of each class's instances, its own first, then its super class's, as a dump has them."""

    def __init__(self, dumps: dict[int, ClassDump], id_bytes: int) -> None:
        self._dumps, self._id_bytes = dumps, id_bytes
        self._of: dict[int, list[Field]] = {}

    def of(self, class_id: int) -> list[Field]:
        """All fields of an instance of that class."""
        known = self._of.get(class_id)
        if known is None:
            known = self._of[class_id] = list(self._walk(class_id))
        return known

    def ancestors(self, class_id: int) -> t.Iterator[int]:
        """The class, its super class, and so on."""
        seen: set[int] = set()
        while class_id in self._dumps and class_id not in seen:
            seen.add(class_id)
            yield class_id
            class_id = self._dumps[class_id].super

    def _walk(self, class_id: int) -> t.Iterator[Field]:
        offset = 0
        for ancestor in self.ancestors(class_id):
            for name, kind in self._dumps[ancestor].fields:
                yield Field(name, kind, offset, ancestor)
                offset += _bytes_of(kind, self._id_bytes)


def _bytes_of(kind: int, id_bytes: int) -> int:
    return id_bytes if kind == OBJECT else TYPE_BYTES.get(kind, 0)
