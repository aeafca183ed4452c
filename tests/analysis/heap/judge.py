"""A second, independent answer to who keeps what: a plain reader of HPROF, sizes as the JVM counted them, dominators by networkx.

Nothing here is shared with the engine, and nothing is fast: it is for dumps of some ten thousand objects.
"""

from __future__ import annotations

import dataclasses
import pathlib
import struct
import typing as t

import dumps
import networkx

_PRIMITIVES = {4: ("boolean", 1), 5: ("char", 2), 6: ("float", 4), 7: ("double", 8), 8: ("byte", 1), 9: ("short", 2), 10: ("int", 4),
               11: ("long", 8)}
_REFERENCE = 2
#: sub-records that name a root: the bytes that follow the object's id (ids count 8)
_ROOTS = {0xFF: 0, 0x01: 8, 0x02: 8, 0x03: 8, 0x04: 4, 0x05: 0, 0x06: 4, 0x07: 0, 0x08: 8}
_THREAD_LOCAL_ROOTS = (0x02, 0x03)
_STRING, _LOAD_CLASS, _DUMPS = 0x01, 0x02, (0x0C, 0x1C)
_WEAK = ("java.lang.ref.WeakReference", "java.lang.ref.SoftReference", "java.lang.ref.PhantomReference", "java.lang.ref.FinalReference")


@dataclasses.dataclass
class _Class:
    name: str
    super_id: int
    loader: int
    references: list[int]
    static_bytes: int
    fields: list[tuple[str, int]]


@dataclasses.dataclass
class Heap:
    """Objects by address: class name, length of an array (else 0), and the objects that it refers to.

    :param weak: of a reference object the one that it does not keep.
    """

    classes: dict[int, _Class] = dataclasses.field(default_factory=dict)
    objects: dict[int, tuple[str, int]] = dataclasses.field(default_factory=dict)
    edges: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    roots: set[int] = dataclasses.field(default_factory=set)
    weak: dict[int, int] = dataclasses.field(default_factory=dict)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> t.Any:
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values


def read(path: pathlib.Path) -> Heap:
    """A whole dump with 8-byte identifiers."""
    reader = _Reader(path.read_bytes())
    reader.at = reader.data.index(0) + 1
    assert reader.take("I") == 8
    reader.at += 8
    heap, strings, names, raw = Heap(), {}, {}, []
    threads: dict[int, int] = {}
    local_roots: list[tuple[int, int]] = []
    while reader.at < len(reader.data):
        tag, _time, length = reader.take("BII")
        end = reader.at + length
        if tag == _STRING:
            name = reader.take("Q")
            strings[name] = reader.data[reader.at:end].decode(errors="replace")
        elif tag == _LOAD_CLASS:
            _serial, class_id, _stack, name = reader.take("IQIQ")
            names[class_id] = dumps.java_name(strings[name])
        elif tag in _DUMPS:
            while reader.at < end:
                _sub_record(reader, heap, strings, names, raw, threads, local_roots)
        reader.at = end
    for class_id, object_id, at in raw:
        _instance(reader, heap, class_id, object_id, at)
    for serial, object_id in local_roots:
        # What a thread's stack refers to is kept by the thread.
        if threads.get(serial) in heap.edges:
            heap.edges[threads[serial]].append(object_id)
        else:
            heap.roots.add(object_id)
    return heap


def _sub_record(reader: _Reader, heap: Heap, strings: dict[int, str], names: dict[int, str], raw: list[tuple[int, int, int]],
                threads: dict[int, int], local_roots: list[tuple[int, int]]) -> None:
    tag = reader.take("B")
    if tag in _ROOTS:
        object_id, rest = reader.take("Q"), reader.at
        if tag in _THREAD_LOCAL_ROOTS:
            local_roots.append((reader.take("I"), object_id))
        else:
            if tag == 0x08:
                threads[reader.take("I")] = object_id
            heap.roots.add(object_id)
        reader.at = rest + _ROOTS[tag]
    elif tag == 0x20:
        _class(reader, heap, strings, names)
    elif tag == 0x21:
        object_id, _stack, class_id, length = reader.take("QIQI")
        raw.append((class_id, object_id, reader.at))
        heap.objects[object_id] = (names[class_id], 0)
        heap.edges[object_id] = [class_id]
        reader.at += length
    elif tag == 0x22:
        object_id, _stack, length, class_id = reader.take("QIIQ")
        heap.objects[object_id] = (names[class_id], length)
        heap.edges[object_id] = [class_id, *_ids(reader, length)]
    else:
        assert tag == 0x23, f"sub-record {tag:#x} at {reader.at}"
        object_id, _stack, length, kind = reader.take("QIIB")
        name, size = _PRIMITIVES[kind]
        heap.objects[object_id] = (name + "[]", length)
        heap.edges[object_id] = []
        reader.at += length * size


def _class(reader: _Reader, heap: Heap, strings: dict[int, str], names: dict[int, str]) -> None:
    class_id, _stack, super_id, loader, signers, domain, _1, _2, _size = reader.take("QIQQQQQQI")
    for _constant in range(reader.take("H")):
        reader.at += 2
        _value(reader, reader.take("B"))
    references, statics = [super_id, loader, signers, domain], []
    for _static in range(reader.take("H")):
        name, kind = reader.take("QB")
        value = _value(reader, kind)
        references += [value] if kind == _REFERENCE else []
        # The JVM's own entries are no fields of the class.
        statics += [] if strings[name].startswith("<") else [4 if kind == _REFERENCE else -_PRIMITIVES[kind][1]]
    fields = [reader.take("QB") for _field in range(reader.take("H"))]
    heap.classes[class_id] = _Class(names[class_id], super_id, loader, references, _laid_out(statics), [(strings[name], kind) for name, kind in fields])
    heap.objects[class_id] = ("java.lang.Class", 0)
    heap.edges[class_id] = references


def _instance(reader: _Reader, heap: Heap, class_id: int, object_id: int, at: int) -> None:
    reader.at = at
    bases = []
    while class_id:
        bases.append(heap.classes[class_id].name)
        for name, kind in heap.classes[class_id].fields:
            value = _value(reader, kind)
            if kind == _REFERENCE:
                heap.edges[object_id].append(value)
                if name == "referent" and any(base in _WEAK for base in bases):
                    heap.weak[object_id] = value
        class_id = heap.classes[class_id].super_id


def _value(reader: _Reader, kind: int) -> int:
    if kind == _REFERENCE:
        return reader.take("Q")
    reader.at += _PRIMITIVES[kind][1]
    return 0


def _ids(reader: _Reader, count: int) -> tuple[int, ...]:
    values = struct.unpack_from(f">{count}Q", reader.data, reader.at)
    reader.at += 8 * count
    return values


def _laid_out(statics: list[int]) -> int:
    """Bytes of static fields in a class object: references (positive sizes) first, then the others, the widest first."""
    end = sum(size for size in statics if size > 0)
    for width in sorted((-size for size in statics if size < 0), reverse=True):
        end = (end + width - 1) // width * width + width
    return end


def shallow_sizes(heap: Heap, histogram: dict[str, tuple[int, int]]) -> dict[int, int]:
    """Bytes of every object in a JVM with compressed references, from what the JVM counted per class."""
    each = {name: size // count for name, (count, size) in histogram.items()}
    widths = {name + "[]": width for name, width in _PRIMITIVES.values()}
    sizes = {address: _aligned(16 + length * widths.get(name, 4)) if name.endswith("[]") else each.get(name, 16)
             for address, (name, length) in heap.objects.items()}
    return sizes | _mirror_sizes(heap, histogram["java.lang.Class"][1])


def _mirror_sizes(heap: Heap, total: int) -> dict[int, int]:
    """A class object is as large as its static fields make it; what all have in common follows from their total."""
    classes = [address for address, (name, _length) in heap.objects.items() if name == "java.lang.Class"]
    statics = {address: heap.classes[address].static_bytes if address in heap.classes else 0 for address in classes}
    for common in range(64, 200, 4):
        sizes = {address: _aligned(common + own) for address, own in statics.items()}
        if sum(sizes.values()) == total:
            return sizes
    raise AssertionError("no size of java.lang.Class explains what the JVM counted")


def _aligned(size: int) -> int:
    return (size + 7) // 8 * 8


def permanent_classes(heap: Heap) -> set[int]:
    """Classes that the JVM never unloads: those of the boot loader, and of its own two others."""
    return {address for address, one in heap.classes.items()
            if one.loader == 0 or heap.objects[one.loader][0].startswith("jdk.internal.loader.ClassLoaders$")}


@dataclasses.dataclass(frozen=True)
class Retained:
    """Bytes that go when an object goes, of every reachable object (0 stands for all roots together), or all objects of a class."""

    of_object: dict[int, int]
    of_class: dict[str, int]


def retained(heap: Heap, sizes: dict[int, int], weak_keeps: bool, more_roots: t.Iterable[int] = ()) -> Retained:
    """What networkx's dominators say."""
    graph = networkx.DiGraph()
    graph.add_edges_from((0, root) for root in heap.roots | set(more_roots) if root in heap.objects)
    for source, targets in heap.edges.items():
        dropped = None if weak_keeps else heap.weak.get(source)
        graph.add_edges_from((source, target) for target in targets if target in heap.objects and target != dropped)
    dominators = networkx.immediate_dominators(graph, 0)
    tree = networkx.DiGraph((above, below) for below, above in dominators.items() if above is not None and above != below)
    totals = {address: sizes.get(address, 0) for address in tree}
    for address in networkx.dfs_postorder_nodes(tree, 0):
        if address:
            totals[dominators[address]] += totals[address]
    return Retained(totals, _by_class(heap, tree, totals))


def _by_class(heap: Heap, tree: networkx.DiGraph, totals: dict[int, int]) -> dict[str, int]:
    """Of each class the objects that no other of it lies above in the tree."""
    found: dict[str, int] = {}
    above: dict[str, int] = {}
    for _from, address, kind in networkx.dfs_labeled_edges(tree, 0):
        name = heap.objects[address][0] if address else ""
        if kind == "forward":
            if not above.get(name):
                found[name] = found.get(name, 0) + totals[address]
            above[name] = above.get(name, 0) + 1
        elif kind == "reverse":
            above[name] -= 1
    return found
