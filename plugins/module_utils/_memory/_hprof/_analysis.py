# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file to everything that is known of it: the steps in order, each timed and told."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import pathlib
import resource
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import compiled_before, np, require_compiler
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import (
    _collections, _dominators, _graph, _growth, _layout, _loaders, _model, _numbers, _records, _roots, _savings, _scan, _source,
    _strings, _suspects, _threads)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._arena import Arena, give_back_what_is_freed
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Dump, Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._layout import Classes
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import HeapAnalysis
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._pages import available_memory
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._scan import Scan
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._tree import Tree

Tell = t.Callable[[str], None]
Texts = concurrent.futures.Future[tuple[list[_model.DuplicateString], int]]
#: bytes that the graph and the tree take for each object and each reference
_PER_OBJECT, _PER_REFERENCE = 48, 10
#: share of the heap from which it is mostly garbage
_MOSTLY = 0.8
_DOMINATORS, _DEPTH, _WIDTH = 40, 5, 12
#: step, field of the result, and what fills it
_DETAILS: tuple[tuple[str, str, t.Callable[[Heap], t.Any]], ...] = (
    ("looking into collections", "collections", _collections.largest),
    ("class loaders", "class_loaders", _loaders.class_loaders),
    ("soft and weak references", "references", _loaders.references),
    ("threads", "threads", _threads.stacks),
    ("ThreadLocals", "thread_locals", _threads.thread_locals),
)


class Steps:
    """Tells and times the steps of an analysis."""

    def __init__(self, tell: Tell) -> None:
        self.timings: list[_model.Timing] = []
        self._tell = tell

    @contextlib.contextmanager
    def step(self, name: str) -> t.Iterator[None]:
        """Time one step."""
        self._tell(name)
        started = time.perf_counter()
        yield
        self.timings.append(_model.Timing(name, round(time.perf_counter() - started, 3)))


def histogram(path: str, progress: Tell = lambda line: None) -> HeapAnalysis:
    """The class histogram only: one walk, nothing written to disk, also of a pipe that is still being filled."""
    steps = _begin(path, progress)
    with steps.step("reading the histogram"):
        if _source.can_be_mapped(path):
            with _source.mapped(path, None) as mapping:
                scan = _scan.of_mapping(mapping, path)
                return _result(scan, Classes(scan), len(mapping.data), "", steps)
        stream = _source.Stream(path)
        try:
            scan, size = _scan.of_stream(stream, _every_gigabyte(progress))
        finally:
            stream.close()
        return _result(scan, Classes(scan), size, stream.compression, steps)


def _every_gigabyte(progress: Tell) -> t.Callable[[int], None]:
    told = [0]

    def tell(count: int) -> None:
        if count - told[0] >= 1 << 30:
            told[0] = count
            progress(f"{count >> 20} MiB read")
    return tell


def analyse(path: str, progress: Tell = lambda line: None, scratch: str | None = None, references: str = "strong") -> HeapAnalysis:
    """Everything.

    :param progress: shows one line to the person who waits.
    :param scratch: directory for what does not fit in memory, and for a compressed dump while it is read.
    :param references: ``all`` counts weak, soft, phantom and final references like any other, and takes only the roots that the dump
        names, as other tools do.
    :raises RunbookError: it cannot be read, or is no heap dump.
    """
    _source.check_scratch(scratch)
    steps = _begin(path, progress)
    with _source.mapped(path, scratch) as mapping:
        with steps.step("reading the histogram"):
            scan = _scan.of_mapping(mapping, path)
            classes = Classes(scan)
            result = _result(scan, classes, len(mapping.data), mapping.compression, steps)
        if scan.problem or not scan.counts.state[_records.OBJECTS]:
            return result
        arena = _arena_for(scan, scratch, result)
        dump = _read(mapping, classes, steps, references == "all", arena)
        # Texts are compared beside what follows: they need the dump, and the other steps the graph.
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            texts = beside.submit(_strings.duplicates, dump)
            heap = _build(dump, steps, arena, beside)
            _fill(result, heap, texts, steps)
    result.peak_memory_bytes = _peak()
    return result


def answer(path: str, progress: Tell = lambda line: None, before: str | None = None, histogram_only: bool = False,
           scratch: str | None = None, references: str = "strong") -> HeapAnalysis:
    """The analysis, or the histogram, and what has grown since an earlier dump or histogram."""
    result = histogram(path, progress) if histogram_only else analyse(path, progress, scratch, references)
    if before:
        earlier = _earlier(before, progress, histogram_only, scratch)
        result.growth = _growth.compare(earlier, result.histogram, result.collections)
        result.says += _growth.says(result.growth)
    return result


def _earlier(path: str, progress: Tell, histogram_only: bool, scratch: str | None) -> _growth.Earlier:
    """An earlier dump, or a histogram that was saved as text."""
    stream = _source.Stream(path)
    stream.close()
    with open(path, "rb") as file:
        head = file.read(12)
    if stream.compression or head == b"JAVA PROFILE":
        progress(f"the same of {path}")
        found = histogram(path, progress) if histogram_only else analyse(path, progress, scratch)
        return _growth.Earlier(path, found.histogram, found.collections)
    rows = _growth.of_text(pathlib.Path(path).read_text("utf-8", "replace"))
    if not rows:
        raise InvalidInput(f"{path} is neither a heap dump nor a class histogram.",
                           "Name a dump, or the text that jcmd GC.class_histogram wrote.")
    return _growth.Earlier(path, rows)


def _begin(path: str, progress: Tell) -> Steps:
    require_compiler()
    if not compiled_before(__file__):
        progress("first run on this machine: the analysis is being compiled, about 10 s more than later runs")
    give_back_what_is_freed()
    return Steps(progress)


def _result(scan: Scan, classes: Classes, size: int, compression: str, steps: Steps) -> HeapAnalysis:
    rows = classes.histogram()
    taken = datetime.datetime.fromtimestamp(scan.milliseconds / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    file = _model.DumpFile(scan.path, scan.format, scan.id_bytes, size, compression, taken, scan.truncated_at, scan.problem)
    totals = _model.Totals(sum(row.instances for row in rows), sum(row.shallow_bytes for row in rows), len(scan.counts.class_dumps),
                           len(scan.counts.roots))
    result = HeapAnalysis(file, totals, classes.layout, "histogram", rows, timings=steps.timings, peak_memory_bytes=_peak())
    result.says = [f"{totals.objects} objects of {totals.classes} classes, {totals.shallow_bytes / 1e6:.1f} MB; most: "
                   + ", ".join(f"{row.class_name} {row.shallow_bytes / 1e6:.1f} MB" for row in rows[:3])]
    if scan.problem:
        result.warnings.append(
            f"The dump is damaged: {scan.problem}, at offset {scan.truncated_at} of {size} bytes. The histogram covers what comes before; "
            "retained sizes and suspects would be wrong and are left out.")
    elif classes.doubt and totals.objects:
        result.warnings.append(f"Sizes are a guess: {classes.doubt}. Numbers of instances are right.")
    return result


def _arena_for(scan: Scan, scratch: str | None, result: HeapAnalysis) -> Arena:
    """Where the tables go; that they do not fit in memory is a warning."""
    needed = int(scan.counts.state[_records.OBJECTS]) * _PER_OBJECT + int(scan.counts.state[_records.REFERENCES]) * _PER_REFERENCE
    arena = Arena(scratch, needed > available_memory() * 0.7)
    if arena.on_disk:
        result.warnings.append(f"About {needed >> 20} MiB are needed and less are free: large tables are on disk, which is slower.")
    return arena


def _build(dump: Dump, steps: Steps, arena: Arena, beside: concurrent.futures.Executor) -> Heap:
    """Dominators and retained sizes."""
    graph, roots = dump.graph, dump.roots
    with steps.step("searching what is reachable"):
        reached = _dominators.search(graph.objects.begin, graph.targets, roots.objects, arena)
    with steps.step("finding the dominators"):
        sources = _dominators.predecessors(reached, graph.objects.begin, graph.targets, roots.objects, arena)
        graph.forget_references()
        dominator = _dominators.dominators(reached, sources, arena)
    with steps.step("adding up retained sizes"):
        tree = Tree(dominator, reached.object, graph.objects.units, arena, beside)
    del dominator  # its memory is wanted for what follows
    return Heap(dump.mapping, graph, roots, reached, sources, tree)


def _read(mapping: _source.Mapping, classes: Classes, steps: Steps, weak_is_strong: bool, arena: Arena) -> Dump:
    """The graph as the dump has it."""
    segments = np.array(classes.scan.counts.segments, np.int64).reshape(-1, 2)
    with steps.step("numbering the objects"):
        numbers, count = _numbers.build(mapping, segments, classes.scan)
        objects = _graph.read_objects(mapping, segments, classes, numbers, count, arena)

    def number(key: int) -> int:
        return int(_numbers.number_of(numbers, key)) if key else -1

    with steps.step("reading the references"):
        permanent = set() if weak_is_strong else _roots.permanent_classes(
            classes, lambda key: classes.class_id(int(objects.class_of[number(key)])) if number(key) >= 0 else 0)
        roots = _roots.gather(classes, number, permanent)
        shape = _graph.shapes(classes, weak_is_strong, roots.classes)
        locals_of = {thread: [local.object for local in found] for thread, found in roots.locals_of.items()}
        graph = _graph.build(mapping, segments, classes, numbers, objects, shape, locals_of, arena)
    _layout.units_of(objects.class_of, objects.units, classes.fixed, classes.element, classes.layout.alignment_bytes)
    return Dump(mapping, graph, roots)


def _fill(result: HeapAnalysis, heap: Heap, texts: Texts, steps: Steps) -> None:
    """All findings."""
    result.totals.reachable_objects = heap.reached.count
    result.totals.reachable_bytes = int(heap.tree.retained[0]) * 8
    with steps.step("retained sizes by class"):
        _retained_by_class(result, heap)
        result.dominators = [heap.node(v, _DEPTH, _WIDTH) for v in heap.tree.largest_children(0, _DOMINATORS)]
    with steps.step("looking for suspects"):
        result.suspects = _suspects.find(heap)
    for name, attribute, find in _DETAILS:
        with steps.step(name):
            setattr(result, attribute, find(heap))
            heap.mapping.let_go()
    with steps.step("comparing texts"):
        result.duplicate_strings, result.totals.duplicate_string_bytes = texts.result()
    with steps.step("ways to save memory"):
        result.savings = _savings.find(heap, result)
    result.totals.class_loaders = len({dump.loader for dump in heap.classes.scan.counts.class_dumps.values() if dump.loader})
    result.outcome = "suspects" if result.suspects else "healthy"
    first = [suspect.description for suspect in result.suspects] or [
        "No suspect: no object, and no group of one class, keeps "
        f"{_suspects.THRESHOLD:.0%} of the {result.totals.reachable_bytes / 1e6:.1f} MB that are reachable."]
    result.says = _garbage(result.totals) + first + result.says


def _garbage(totals: _model.Totals) -> list[str]:
    """That the heap is nearly all garbage, where it is: then what is reachable explains little of it."""
    garbage = totals.shallow_bytes - (totals.reachable_bytes or 0)
    if garbage < _MOSTLY * totals.shallow_bytes:
        return []
    return [f"{garbage / totals.shallow_bytes:.0%} of the heap is garbage: {garbage / 1e6:.1f} of {totals.shallow_bytes / 1e6:.1f} MB are kept by "
            "nothing and go with the next full collection. The heap does not leak by them: look at allocation and at the log of the collections."]


def _retained_by_class(result: HeapAnalysis, heap: Heap) -> None:
    classes = heap.classes
    units = heap.tree.by_group(heap.group, len(classes.group_names))
    retained = dict(zip(classes.group_names, units.tolist(), strict=True))
    for row in result.histogram:
        row.retained_bytes = retained[row.class_name] * 8


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
