# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heap as objects with fields: what the analyses ask. Objects are numbers, -1 is none."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import np
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _model
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._classes import Field
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._dominators import Predecessors, Reached
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._graph import Graph
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._kernel import OBJECT, TYPE_BYTES
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._layout import CLASS_OF_CLASSES
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._numbers import number_of
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._records import ARRAY, PRIMITIVES
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._roots import Roots
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._source import Mapping
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._stacks import frames
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._tree import Tree, group_of_vertices

LABEL_CHARACTERS = 80
_ARRAY_TYPES = {4: ">i1", 5: ">u2", 6: ">f4", 7: ">f8", 8: ">i1", 9: ">i2", 10: ">i4", 11: ">i8"}


@dataclasses.dataclass
class Dump:
    """What a dump says of its objects."""

    mapping: Mapping
    graph: Graph
    roots: Roots

    def __post_init__(self) -> None:
        self.data, self.classes = self.mapping.data, self.graph.classes
        self._id_bytes = self.classes.scan.id_bytes
        self._id_type = f">i{self._id_bytes}" if self._id_bytes == 8 else ">u4"
        self._rows = len(self.classes.names)

    def number(self, key: int) -> int:
        """The object with that identifier."""
        return int(number_of(self.graph.numbers, key)) if key else -1

    def identifier(self, o: int) -> int:
        """The object's identifier."""
        return self._number_at(int(self.graph.objects.place[o]) + 1, self._id_bytes)

    def address(self, o: int) -> str:
        """The identifier for a person."""
        return f"0x{self.identifier(o) & (1 << 64) - 1:x}"

    def is_class(self, o: int) -> bool:
        """Whether it is a class object."""
        return int(self.graph.objects.class_of[o]) >= self._rows

    def row(self, o: int) -> int:
        """Row of its class; of a class object the row of what it stands for."""
        return int(self.graph.objects.class_of[o]) % self._rows

    def class_name(self, o: int) -> str:
        """Name of its class."""
        return CLASS_OF_CLASSES if self.is_class(o) else self.classes.names[self.row(o)]

    def shallow(self, o: int) -> int:
        """Its own bytes."""
        return int(self.graph.objects.units[o]) * 8

    def all_fields(self, o: int) -> list[Field]:
        """The fields of an instance, none for an array or a class object."""
        row = self.row(o)
        return [] if self.is_class(o) or self.classes.is_array[row] else self.classes.fields.of(int(self.classes.ids[row]))

    def field_name(self, field: Field) -> str:
        """The field's name."""
        return self.classes.scan.texts[field.name]

    def value(self, o: int, field: Field) -> int:
        """The field's value as a number; of a reference the identifier."""
        body = int(self.graph.objects.place[o]) + 9 + 2 * self._id_bytes
        return self._number_at(body + field.offset, self._id_bytes if field.kind == OBJECT else TYPE_BYTES[field.kind])

    def get(self, o: int, *names: str) -> int:
        """The value of the first field of one of these names: an object for a reference, else a number; -1 without such a field."""
        if o < 0:
            return -1
        fields = {}
        for field in self.all_fields(o):
            fields.setdefault(self.field_name(field), field)
        for name in names:
            if name in fields:
                value = self.value(o, fields[name])
                return self.number(value) if fields[name].kind == OBJECT else value
        return -1

    def elements(self, o: int, most: int | None = None) -> t.Any:
        """An array's elements: numbers, or the identifiers of objects (0 is null)."""
        place = int(self.graph.objects.place[o])
        tag = int(self.data[place])
        count = self._number_at(place + 5 + self._id_bytes, 4)
        count = count if most is None else min(count, most)
        if tag == ARRAY:
            begin, kind = place + 9 + 2 * self._id_bytes, np.dtype(self._id_type)
        elif tag == PRIMITIVES:
            begin, kind = place + 10 + self._id_bytes, np.dtype(_ARRAY_TYPES[int(self.data[place + 9 + self._id_bytes])])
        else:
            return np.zeros(0, np.int64)
        return np.frombuffer(self.data, kind, count, begin)

    def length(self, o: int) -> int:
        """Elements of an array."""
        return self._number_at(int(self.graph.objects.place[o]) + 5 + self._id_bytes, 4)

    def text(self, o: int, most: int = LABEL_CHARACTERS) -> str:
        """The beginning of a java.lang.String, redacted; empty for anything else."""
        if o < 0 or self.class_name(o) != "java.lang.String":
            return ""
        value = self.get(o, "value")
        if value < 0:
            return ""
        offset, count = max(self.get(o, "offset"), 0), self.get(o, "count")
        wide = self.class_name(value) == "char[]" or self.get(o, "coder") == 1
        raw = self.elements(value)
        if self.class_name(value) == "char[]":
            text = raw[offset:][:count if count >= 0 else None][:most + 1].astype("<u2").tobytes().decode("utf-16-le", "replace")
        else:
            text = raw[:2 * (most + 1)].tobytes().decode("utf-16-le" if wide else "latin-1", "replace")
        return redact(text if len(text) <= most else text[:most] + "…")

    def label(self, o: int) -> str:
        """What a person calls it."""
        name = self.class_name(o)
        if self.is_class(o):
            return f"class {self.classes.names[self.row(o)]}"
        if name == "java.lang.String":
            return f'"{self.text(o)}"'
        if o in self.roots.threads:
            return f'thread "{self.thread_name(o)}"'
        if self.classes.is_array[self.row(o)]:
            return f"{name[:-2]}[{self.length(o)}]"
        return name

    def thread_name(self, o: int) -> str:
        """A thread's name."""
        value = self.get(o, "name")
        if value >= 0 and self.class_name(value) == "char[]":
            return redact(self.elements(value)[:LABEL_CHARACTERS].astype("<u2").tobytes().decode("utf-16-le", "replace"))
        return self.text(value) or self.text(self.get(self.get(o, "holder"), "name"))

    def stack(self, thread: int) -> list[str]:
        """The thread's frames, the innermost first."""
        return frames(self.classes.scan, self.roots.threads.get(thread, (-1, -1))[1])

    def method_at(self, thread: int, frame: int) -> str:
        """The method of one frame; empty where it is not known."""
        stack = self.stack(thread)
        return stack[frame] if 0 <= frame < len(stack) else ""

    def _number_at(self, offset: int, size: int) -> int:
        return int.from_bytes(bytes(self.data[offset:offset + size]), "big", signed=size == 8)


@dataclasses.dataclass
class Heap(Dump):
    """Everything that is known of a dump's objects."""

    reached: Reached
    sources: Predecessors
    tree: Tree

    def __post_init__(self) -> None:
        super().__post_init__()
        self.group = group_of_vertices(self.reached.object, self.graph.objects.class_of, self.classes.group_of)

    def retained(self, o: int) -> int:
        """Bytes that it alone keeps, its own included; 0 for what cannot be reached."""
        vertex = int(self.reached.vertex[o])
        return int(self.tree.retained[vertex]) * 8 if vertex else 0

    def node(self, vertex: int, depth: int = 0, width: int = 0) -> _model.Node:
        """A vertex of the dominator tree, with what lies below it."""
        o = int(self.reached.object[vertex])
        node = _model.Node(self.address(o), self.class_name(o), self.label(o), self.shallow(o), self.retained(o),
                           len(self.tree.children(vertex)))
        if depth:
            floor = node.retained_bytes // 200
            node.children = [self.node(child, depth - 1, width) for child in self.tree.largest_children(vertex, width)
                             if int(self.tree.retained[child]) * 8 >= floor]
        return node
