# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a heap analysis found: the one contract between the engine, the JSON, and the pages made of it.

Sizes are bytes as the JVM that wrote the dump laid its objects out. An object is named by its address in hexadecimal (``0x7f…``);
addresses, labels and texts may be quoted, never values that look like secrets (see ``_redact``).
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass
class DumpFile:
    """The file itself.

    :param bytes: of the dump, uncompressed.
    :param compression: ``gzip``, ``zstd`` or empty.
    :param truncated_at: offset (uncompressed) at which reading ended before the file should have ended, None for a whole file.
    :param problem: why it ended there, in words; empty for a whole file.
    """

    path: str
    format: str
    id_bytes: int
    bytes: int
    compression: str = ""
    taken_at: str = ""
    truncated_at: int | None = None
    problem: str = ""


@dataclasses.dataclass
class Layout:
    """How the JVM laid objects out; a dump does not say, so it is inferred from the distances between addresses."""

    reference_bytes: int
    object_header_bytes: int
    array_header_bytes: int
    alignment_bytes: int


@dataclasses.dataclass
class Totals:
    """The heap in figures; what is reachable is known only when the graph was built, so None in a mere histogram."""

    objects: int
    shallow_bytes: int
    classes: int
    roots: int
    class_loaders: int | None = None
    reachable_objects: int | None = None
    reachable_bytes: int | None = None
    duplicate_string_bytes: int | None = None


@dataclasses.dataclass
class HistogramRow:
    """One class. ``retained_bytes`` is what would go if all its instances went; None where the graph was not built."""

    class_name: str
    instances: int
    shallow_bytes: int
    retained_bytes: int | None = None


@dataclasses.dataclass
class Node:
    """An object in the dominator tree.

    :param label: what a person calls it: a thread's name, a class object's class, a String's beginning, else the class.
    :param children: the largest of those that it alone keeps, by retained size; the tree is cut in depth and width.
    :param child_count: how many it has in all.
    """

    object: str
    class_name: str
    label: str
    shallow_bytes: int
    retained_bytes: int
    child_count: int = 0
    children: list[Node] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Step:
    """One object on a path from a root, and the reference in it that leads to the next.

    :param field: name of that field, ``[17]`` in an array, empty in the last step.
    :param kind: ``static``, ``field``, ``element``, ``local`` (a thread's stack), ``class`` (an object's class),
        ``loader`` (a class's loader, super class or domain), or empty in the last step.
    :param declaring_class: the class whose source declares the field.
    """

    object: str
    class_name: str
    label: str
    retained_bytes: int
    field: str = ""
    kind: str = ""
    declaring_class: str = ""


@dataclasses.dataclass
class Group:
    """Objects of one class."""

    class_name: str
    instances: int
    retained_bytes: int


@dataclasses.dataclass
class CodeArea:
    """A place in the source to look at: the field ``declaring_class.field`` keeps what grows."""

    declaring_class: str
    field: str
    kind: str
    why: str


@dataclasses.dataclass
class Suspect:
    """What keeps a large part of the heap: one object, or many of one class.

    :param kind: ``object`` or ``group``; of a group, ``object`` is its largest member.
    :param share: of all reachable bytes, 0 to 1.
    :param accumulation_point: the object below which the memory spreads over many.
    :param path: from a root to the accumulation point, shortest, without weak, soft, phantom and final references.
    :param root_kind: ``static field``, ``thread``, ``local variable``, ``JNI global`` and so on.
    :param groups: what lies directly below the accumulation point, by class, largest first.
    :param description: one paragraph for a person.
    """

    kind: str
    object: str
    class_name: str
    label: str
    instances: int
    retained_bytes: int
    share: float
    accumulation_point: Node
    root_kind: str
    path: list[Step]
    groups: list[Group]
    code_areas: list[CodeArea]
    description: str


@dataclasses.dataclass
class Collection:
    """A large collection.

    :param kind: ``map``, ``list``, ``set``, ``queue`` or ``array``.
    :param capacity: slots of its table, None where it has none (linked nodes, trees).
    :param fill: entries per slot, None without capacity.
    :param key_types: of a map; of the others ``value_types`` has the elements. From a sample of the entries.
    :param held_by: the field that holds it, as ``Class.field``; empty where that was not found.
    """

    object: str
    class_name: str
    kind: str
    entries: int
    capacity: int | None
    fill: float | None
    retained_bytes: int
    key_types: list[Group] = dataclasses.field(default_factory=list)
    value_types: list[Group] = dataclasses.field(default_factory=list)
    held_by: str = ""


@dataclasses.dataclass
class DuplicateString:
    """A text that is on the heap many times; ``text`` is cut and redacted."""

    text: str
    characters: int
    count: int
    wasted_bytes: int


@dataclasses.dataclass
class Saving:
    """A way to save memory.

    :param kind: ``unbounded``, ``duplicate_strings``, ``empty_collections``, ``oversized_collections``, ``boxed_numbers``,
        ``lost_thread_locals`` or ``class_loaders``.
    :param where: a field as ``Class.field``, or a class.
    :param count: of the objects meant.
    :param bytes: what it would save at most; two ways may mean the same objects.
    :param advice: what to do, and why.
    """

    kind: str
    where: str
    count: int
    bytes: int
    advice: str


@dataclasses.dataclass
class ClassLoader:
    """A class loader and what its classes keep.

    :param twins: loaders (this one too) that loaded a class of the same name as this one's first: many are a leak of redeployments.
    """

    object: str
    class_name: str
    label: str
    classes: int
    instances: int
    retained_bytes: int
    twins: int = 1


@dataclasses.dataclass
class ThreadLocalValue:
    """A value that a thread keeps in a ThreadLocal; ``key_collected`` when the ThreadLocal itself is gone but its value stays."""

    thread: str
    key_class: str
    value_object: str
    value_class: str
    retained_bytes: int
    key_collected: bool = False


@dataclasses.dataclass
class Frame:
    """One frame of a stack, with the largest objects that its local variables hold."""

    method: str
    locals: list[Node] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class ThreadStack:
    """A thread; ``retained_bytes`` includes what its local variables alone keep."""

    object: str
    class_name: str
    name: str
    retained_bytes: int
    local_roots: int
    frames: list[Frame] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class ReferenceKind:
    """Referents of weak, soft, phantom or final references.

    :param kind: ``weak``, ``soft``, ``phantom`` or ``final``.
    :param references: reference objects with a referent.
    :param only: referents that nothing stronger keeps, and their own bytes (without what they would keep).
    """

    kind: str
    references: int
    only: int
    only_bytes: int


@dataclasses.dataclass
class GrowthRow:
    """A class in an earlier and in this histogram."""

    class_name: str
    instances_before: int
    instances: int
    bytes_before: int
    bytes: int

    @property
    def grown(self) -> int:
        """Bytes more than before."""
        return self.bytes - self.bytes_before


@dataclasses.dataclass
class GrowingCollection:
    """A collection that has more entries than before, or whose content has.

    :param entries_before: of the largest collection that the same field held in the earlier dump; None where that is a histogram.
    :param content: class of what is in it, and how many more of these there are on the whole heap.
    """

    held_by: str
    class_name: str
    entries: int
    entries_before: int | None
    retained_bytes: int
    content: str
    content_grown: int


@dataclasses.dataclass
class Growth:
    """This dump against an earlier one; rows by bytes grown, collections by bytes kept, largest first (cut)."""

    before: str
    bytes_before: int
    bytes: int
    rows: list[GrowthRow]
    collections: list[GrowingCollection] = dataclasses.field(default_factory=list)
    seconds: float | None = None


@dataclasses.dataclass
class Timing:
    """Wall time of one step."""

    step: str
    seconds: float


@dataclasses.dataclass
class HeapAnalysis:
    """Everything. Lists are largest first and cut; ``dominators`` is the top of the tree, whose sum is ``totals.reachable_bytes``.

    :param says: lines for a person, the answer first.
    :param warnings: what is missing or weaker than usual, and why.
    :param outcome: ``suspects``, ``healthy`` (no suspect is claimed), or ``histogram`` (the graph was not built).
    """

    file: DumpFile
    totals: Totals
    layout: Layout
    outcome: str
    histogram: list[HistogramRow]
    dominators: list[Node] = dataclasses.field(default_factory=list)
    suspects: list[Suspect] = dataclasses.field(default_factory=list)
    collections: list[Collection] = dataclasses.field(default_factory=list)
    duplicate_strings: list[DuplicateString] = dataclasses.field(default_factory=list)
    class_loaders: list[ClassLoader] = dataclasses.field(default_factory=list)
    thread_locals: list[ThreadLocalValue] = dataclasses.field(default_factory=list)
    threads: list[ThreadStack] = dataclasses.field(default_factory=list)
    references: list[ReferenceKind] = dataclasses.field(default_factory=list)
    savings: list[Saving] = dataclasses.field(default_factory=list)
    growth: Growth | None = None
    says: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    timings: list[Timing] = dataclasses.field(default_factory=list)
    peak_memory_bytes: int = 0

    def to_json(self) -> dict[str, t.Any]:
        """Plain dicts and lists, as they stand in the JSON file."""
        return dataclasses.asdict(self)
