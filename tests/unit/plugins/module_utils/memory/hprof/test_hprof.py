# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import gzip
import os
import pathlib
import random
import sys
import threading

import networkx
import numpy as np
import pytest
import zstandard

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _analysis, _counts, _dominators, _growth, _pages, _suspects
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._arena import Arena
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import (
    Collection, GrowingCollection, Group, Growth, HeapAnalysis, HistogramRow)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._tree import Tree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from hprof_writer import BYTE, INT, OBJECT, Writer


@pytest.fixture(autouse=True)
def small_heaps_count(monkeypatch):
    monkeypatch.setattr(_suspects, "LEAST_BYTES", 64)


def cache(**how):
    """class app.Cache { static Object[] ITEMS } with 5 of 6 items of 64 bytes, and a WeakReference to one that nothing else keeps."""
    writer = Writer(**how)
    items_class = writer.add_class("[Lapp/Item;")
    item_class = writer.add_class("app/Item", fields=[("payload", OBJECT)])
    reference = writer.add_class("java/lang/ref/Reference", fields=[("referent", OBJECT)])
    weak = writer.add_class("java/lang/ref/WeakReference", reference)
    items = [writer.instance(item_class, payload=writer.bytes_(b"x" * 48)) for _each in range(6)]
    array = writer.array(items_class, [*items[:5], 0])
    holder = writer.add_class("app/Cache", statics=[("ITEMS", array)])
    only_weak = writer.instance(weak, referent=items[5])
    writer.root(holder)
    writer.root(only_weak, 7)
    return writer.dump()


def analysed(tmp_path, data: bytes, **how) -> HeapAnalysis:
    path = tmp_path / "a.hprof"
    path.write_bytes(data)
    return _analysis.analyse(str(path), **how)


def rows(analysis: HeapAnalysis) -> dict[str, HistogramRow]:
    return {row.class_name: row for row in analysis.histogram}


@pytest.mark.parametrize("how", [{}, {"id_bytes": 4}, {"version": "1.0.1"}, {"id_bytes": 4, "version": "1.0.1"}, {"scattered": 1 << 22}])
def test_the_cache_is_the_suspect_in_every_format(tmp_path, how):
    found = analysed(tmp_path, cache(**how))
    histogram = rows(found)
    assert (histogram["app.Item"].instances, histogram["byte[]"].instances, histogram["app.Item[]"].instances) == (6, 6, 1)
    assert found.outcome == "suspects"
    suspect = found.suspects[0]
    assert suspect.label == "class app.Cache"
    assert suspect.accumulation_point.class_name == "app.Item[]"
    assert [(step.label, step.field, step.kind) for step in suspect.path] == [("class app.Cache", "ITEMS", "static"), ("app.Item[6]", "", "")]
    assert (suspect.code_areas[0].declaring_class, suspect.code_areas[0].field) == ("app.Cache", "ITEMS")
    assert suspect.groups[0].class_name == "app.Item"
    assert suspect.groups[0].instances == 5


def test_sizes_are_the_jvms_and_what_is_only_weakly_kept_is_not_retained(tmp_path):
    found = rows(analysed(tmp_path, cache()))
    assert found["app.Item"].shallow_bytes == 6 * 16
    assert found["byte[]"].shallow_bytes == 6 * 64
    assert found["app.Item"].retained_bytes == 5 * 80
    assert found["app.Item[]"].retained_bytes == 40 + 5 * 80


def test_a_heap_that_is_nearly_all_garbage_is_said_to_be(tmp_path):
    def heap(garbage):
        writer = Writer()
        holder = writer.add_class("app/Cache", statics=[("ITEM", writer.bytes_(b"x" * 1000))])
        writer.root(holder)
        for _each in range(garbage):
            writer.bytes_(b"x" * 1000)
        return analysed(tmp_path, writer.dump())
    assert "of the heap is garbage" in heap(20).says[0]
    assert not any("garbage" in line for line in heap(1).says)


@pytest.mark.parametrize(("how", "room", "words"), [
    ({}, 16, ""), ({}, 8, "closer together than their fields need"), ({"scattered": 1 << 22}, 16, "no two objects lie close enough")])
def test_sizes_that_are_guessed_are_said_to_be(tmp_path, how, room, words):
    writer = Writer(**how)
    kind = writer.add_class("app/Item", fields=[("a", OBJECT), ("b", OBJECT)])
    other = writer.add_class("app/Other", fields=[("a", OBJECT), ("b", OBJECT)])
    made = [writer.instance(each, room=room + 8) for each in (kind, other) for _number in range(9)]
    if words.startswith("closer"):
        made += [writer.instance(each, room=8) for each in (kind, other) for _number in range(3)]
    made += [writer.bytes_(b"x" * 16) for _number in range(4)]
    writer.root(made[0])
    found = analysed(tmp_path, writer.dump())
    assert [words in line for line in found.warnings] == [True] * bool(words)


def test_other_tools_count_weak_references_as_strong(tmp_path):
    found = rows(analysed(tmp_path, cache(), references="all"))
    assert found["app.Item"].retained_bytes == 6 * 80


def test_compressed_dumps_in_several_parts_are_read_as_they_are(tmp_path):
    data = cache()
    parts = data[:300], data[300:]
    plain = analysed(tmp_path, data)
    for packed in (b"".join(map(gzip.compress, parts)), b"".join(map(zstandard.ZstdCompressor().compress, parts))):
        found = analysed(tmp_path, packed)
        assert found.file.compression
        assert found.histogram == plain.histogram
        assert _analysis.histogram(str(tmp_path / "a.hprof")).totals.objects == plain.totals.objects


def test_a_histogram_from_the_stream_equals_the_mapped_one(tmp_path):
    plain = analysed(tmp_path, cache())
    streamed = _analysis.histogram(str(tmp_path / "a.hprof"))
    assert [(row.class_name, row.instances, row.shallow_bytes) for row in streamed.histogram] == [
        (row.class_name, row.instances, row.shallow_bytes) for row in plain.histogram]
    assert streamed.outcome == "histogram"


def test_parts_are_counted_together_however_many_classes_and_roots_they_have(tmp_path, monkeypatch):
    monkeypatch.setattr(_counts, "_CLASSES", 20)
    monkeypatch.setattr(_counts, "_ROOTS", 3)
    writer = Writer()
    classes = [writer.add_class(f"app/Class{number}") for number in range(100)]
    for number, class_id in enumerate(classes * 2):
        for _each in range(number % 7 + 1):
            writer.root(writer.instance(class_id))
    found = analysed(tmp_path, writer.dump())
    counted = {row.class_name: row.instances for row in found.histogram if row.class_name.startswith("app.")}
    assert counted == {f"app.Class{number}": number % 7 + (number + 100) % 7 + 2 for number in range(100)}
    assert found.totals.roots == sum(counted.values())
    assert found.histogram[0].class_name == "java.lang.Class" and found.histogram[0].instances == 101


def test_a_histogram_comes_from_a_pipe_too(tmp_path):
    plain, pipe = analysed(tmp_path, cache()), tmp_path / "pipe"
    for data in (cache(), gzip.compress(cache())):
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        streamed = _analysis.histogram(str(pipe))
        writer.join()
        pipe.unlink()
        assert [(row.class_name, row.shallow_bytes) for row in streamed.histogram] == [(row.class_name, row.shallow_bytes) for row in plain.histogram]


def test_wherever_a_dump_is_cut_it_says_so_and_gives_what_it_can(tmp_path):
    data = cache()
    counted = []
    for length in range(60, len(data) - 1, 7):
        found = analysed(tmp_path, data[:length])
        assert found.outcome == "histogram"
        assert found.file.truncated_at <= length
        assert found.suspects == []
        assert all(row.retained_bytes is None for row in found.histogram)
        assert str(found.file.truncated_at) in found.warnings[0]
        counted.append(found.totals.objects)
    assert counted == sorted(counted)
    assert counted[-1] > 10


def test_a_gzip_file_cut_short_gives_the_histogram(tmp_path):
    packed = gzip.compress(cache(), 0)
    found = analysed(tmp_path, packed[:-200])
    assert found.outcome == "histogram"
    assert found.totals.objects > 5


@pytest.mark.parametrize(("data", "word"), [(b"", "0 bytes"), (b"#!/bin/sh\nexit 1\n", "not a heap dump"),
                                            (b"JAVA PROFILE 1.0.2\0\0\0\0\x10" + bytes(20), "16 bytes"), (b"\x1f\x8b\x08", "cannot be unpacked")])
def test_what_is_no_dump_is_refused(tmp_path, data, word):
    with pytest.raises(InvalidInput, match=word):
        analysed(tmp_path, data)


def test_a_scratch_directory_that_is_not_there_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InvalidInput, match="scratch directory"):
        analysed(tmp_path, cache(), scratch=str(tmp_path / "none"))


def test_noise_inside_a_dump_ends_it_there(tmp_path):
    data, dice = bytearray(cache()), random.Random(7)
    for _each in range(200):
        noisy = data.copy()
        for _byte in range(8):
            noisy[dice.randrange(40, len(noisy))] = dice.randrange(256)
        assert analysed(tmp_path, bytes(noisy)).outcome in ("histogram", "healthy", "suspects")


def test_a_linked_queue_is_the_point_and_not_its_middle(tmp_path):
    writer = Writer()
    node_class = writer.add_class("app/Queue$Node", fields=[("next", OBJECT), ("item", OBJECT)])
    queue_class = writer.add_class("app/Queue", fields=[("head", OBJECT)])
    following = 0
    for _each in range(50):
        following = writer.instance(node_class, room=24, next=following, item=writer.bytes_(b"x" * 40))
    queue = writer.instance(queue_class, head=following)
    writer.root(writer.add_class("app/Main", statics=[("PENDING", queue)]))
    suspect = analysed(tmp_path, writer.dump()).suspects[0]
    assert suspect.accumulation_point.class_name == "app.Queue"
    assert [(group.class_name, group.instances) for group in suspect.groups] == [("byte[]", 50), ("app.Queue$Node", 50)]


def test_many_equal_objects_without_one_owner_are_a_group(tmp_path):
    writer = Writer()
    item_class, items_class = writer.add_class("app/Item", fields=[("payload", OBJECT)]), writer.add_class("[Lapp/Item;")
    items = [writer.instance(item_class, payload=writer.bytes_(b"x" * 48)) for _each in range(9)]
    for name in ("A", "B"):
        writer.root(writer.add_class(f"app/{name}", statics=[("ALL", writer.array(items_class, items))]))
    suspect = analysed(tmp_path, writer.dump()).suspects[0]
    assert (suspect.kind, suspect.class_name, suspect.instances, suspect.retained_bytes) == ("group", "app.Item", 9, 9 * 80)


def test_nothing_is_claimed_where_nothing_stands_out(tmp_path):
    writer = Writer()
    for number in range(12):
        writer.root(writer.add_class(f"app/Part{number}", statics=[("DATA", writer.bytes_(b"x" * 100))]))
    found = analysed(tmp_path, writer.dump())
    assert (found.outcome, found.suspects) == ("healthy", [])
    assert found.says[0].startswith("No suspect")


def test_large_tables_can_lie_on_disk(tmp_path, monkeypatch):
    in_memory = analysed(tmp_path, cache())
    monkeypatch.setattr(_analysis, "available_memory", lambda: 0)
    on_disk = analysed(tmp_path, cache(), scratch=str(tmp_path))
    assert on_disk.histogram == in_memory.histogram
    assert "on disk" in on_disk.warnings[0]


def test_dominators_and_retained_sizes_agree_with_networkx_on_random_graphs():
    for seed in range(150):
        _compare_with_networkx(random.Random(seed))


def _compare_with_networkx(dice: random.Random) -> None:
    count = dice.randrange(2, 200)
    edges = sorted((dice.randrange(count), dice.randrange(count)) for _edge in range(dice.randrange(4 * count)))
    roots = sorted({dice.randrange(count) for _each in range(3)})
    begin = np.searchsorted([source for source, _target in edges], np.arange(count + 1)).astype(np.uint32)
    targets = np.array([target for _source, target in edges] or [0], np.int32)
    arena, objects = Arena(None, False), np.array(roots, np.int32)
    reached = _dominators.search(begin, targets, objects, arena)
    sources = _dominators.predecessors(reached, begin, targets, objects, arena)
    dominator = _dominators.dominators(reached, sources, arena)
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        tree = Tree(dominator, reached.object, np.ones(count, np.uint32), arena, beside)
    graph = networkx.DiGraph([*edges, *(("root", root) for root in roots)])
    expected = networkx.immediate_dominators(graph, "root")
    found = {int(reached.object[v]): "root" if dominator[v] == 0 else int(reached.object[dominator[v]])
             for v in range(1, reached.count + 1)}
    assert found == {node: above for node, above in expected.items() if node != "root"}
    below = networkx.DiGraph([(above, node) for node, above in found.items()])
    for v in range(1, reached.count + 1):
        assert tree.retained[v] == 1 + len(networkx.descendants(below, int(reached.object[v])))


@pytest.mark.parametrize(("megabytes", "available", "taken"), [(3, 100, [3]), (3, 2, [1]), (5000, 9000, [1024]), (0, 100, []), (3, -1, [])])
def test_no_more_memory_is_made_ready_than_the_file_needs_and_half_of_what_is_free(tmp_path, monkeypatch, megabytes, available, taken):
    path, sizes, before = tmp_path / "a.hprof", [], set(threading.enumerate())
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    monkeypatch.setattr(_pages, "available_memory", lambda: available << 20)
    monkeypatch.setattr(_pages, "_take", lambda size: sizes.append(size >> 20))
    _pages.make_ready(str(path))
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert sizes == taken
    _pages.make_ready(str(tmp_path / "none"))  # whoever reads it says so


def test_growth_compares_names_without_what_differs_from_run_to_run(tmp_path):
    before = _growth.of_text("   1:  10  240  [B (java.base@17)\n   2:  1  16  app.A$$Lambda$14/0x00007f0011  \n   3: 5 80 app.Gone\n")
    after = [HistogramRow("byte[]", 30_000, 720_240), HistogramRow("app.A$$Lambda$99", 1, 16)]
    growth = _growth.compare(_growth.Earlier("earlier", before), after, [])
    assert [(row.class_name, row.grown) for row in growth.rows] == [("byte[]", 720_000), ("app.Gone", -80)]
    assert "byte[] +0.7 MB (+29990 instances)" in _growth.says(growth)[0]


@pytest.mark.parametrize(("entries", "before", "content", "said"), [
    (325, None, 23, True), (1136, None, 1, False), (100_000, 99_000, 0, True), (100_000, 99_999, 1000, False)])
def test_what_is_not_worth_acting_on_is_in_the_report_only(entries, before, content, said):
    def of(name, *figures):
        return GrowingCollection(name, "java.util.HashMap", figures[0], figures[1], 1, "app.Note", figures[2])
    growth = Growth("earlier", 0, 0, [], [of("app.Leak.ALL", 100, 50, 50), of("app.Other.SOME", entries, before, content)])
    assert any("app.Other.SOME" in line for line in _growth.says(growth)) == said


def collection(entries: int, content: str = "app.Item", held_by: str = "app.Cache.ITEMS") -> Collection:
    return Collection("0x1", "java.util.HashMap", "map", entries, None, None, 100, value_types=[Group(content, 1, 1)], held_by=held_by)


def test_a_collection_grows_when_the_earlier_dump_had_fewer_entries_in_that_field():
    before = _growth.Earlier("earlier", [], [collection(5), collection(9, held_by="app.Other.ALL")])
    growth = _growth.compare(before, [], [collection(8), collection(2), collection(9, held_by="app.Other.ALL")])
    assert [(one.held_by, one.entries, one.entries_before) for one in growth.collections] == [("app.Cache.ITEMS", 8, 5)]
    assert "app.Cache.ITEMS, java.util.HashMap of 8 entries, 5 before" in _growth.says(growth)[1]


def test_against_a_histogram_a_collection_grows_when_what_is_in_it_does():
    rows = [HistogramRow("app.Item", 30, 480), HistogramRow("app.Other", 5, 80)]
    growth = _growth.compare(_growth.Earlier("earlier", [HistogramRow("app.Item", 20, 320), HistogramRow("app.Other", 5, 80)]), rows,
                             [collection(28), collection(5, "app.Other", "app.Other.ALL"), collection(9, held_by="app.Small.ITEMS")])
    assert [(one.held_by, one.entries_before, one.content_grown) for one in growth.collections] == [("app.Cache.ITEMS", None, 10)]


@pytest.mark.parametrize(("count", "kinds"), [(8000, ["boxed_numbers", "duplicate_strings", "empty_collections", "oversized_collections"]), (4, [])])
def test_ways_to_save_are_named_with_their_bytes_and_place(tmp_path, count, kinds):
    writer = Writer()
    string = writer.add_class("java/lang/String", fields=[("value", OBJECT), ("coder", BYTE)])
    integer = writer.add_class("java/lang/Integer", fields=[("value", INT)])
    list_class = writer.add_class("java/util/ArrayList", fields=[("elementData", OBJECT), ("size", INT)])
    objects_class = writer.add_class("[Ljava/lang/Object;")
    order_class = writer.add_class("app/Order", fields=[("items", OBJECT), ("town", OBJECT), ("number", OBJECT)])
    orders = [writer.instance(order_class, room=32, town=writer.instance(string, value=writer.bytes_(b"a town"), room=24),
                              number=writer.instance(integer), items=writer.instance(
                                  list_class, room=24, elementData=writer.array(objects_class, [0] * 10))) for _each in range(count)]
    sparse = writer.instance(list_class, room=24, elementData=writer.array(objects_class, [0] * (8 * count)), size=1)
    writer.root(writer.add_class("app/Orders", statics=[("ALL", writer.array(objects_class, orders)), ("LATER", sparse)]))
    found = {saving.kind: saving for saving in analysed(tmp_path, writer.dump()).savings if saving.kind != "unbounded"}
    assert sorted(found) == kinds
    if kinds:
        assert (found["empty_collections"].where, found["empty_collections"].count, found["empty_collections"].bytes) == (
            "app.Order.items", count, count * (24 + 16 + 40))
        assert (found["oversized_collections"].where, found["oversized_collections"].bytes) == ("app.Orders.LATER", 4 * (8 * count - 2))
        assert (found["duplicate_strings"].count, found["duplicate_strings"].bytes) == (count, (count - 1) * 24)
        assert found["boxed_numbers"].bytes == count * 16


def test_collections_texts_and_thread_locals_are_described(tmp_path):
    writer = Writer()
    string = writer.add_class("java/lang/String", fields=[("value", OBJECT), ("coder", BYTE)])
    thread_class = writer.add_class("java/lang/Thread", fields=[("name", OBJECT), ("threadLocals", OBJECT)])
    map_class = writer.add_class("java/lang/ThreadLocal$ThreadLocalMap", fields=[("table", OBJECT)])
    entry_class = writer.add_class("java/lang/ThreadLocal$ThreadLocalMap$Entry", fields=[("value", OBJECT)])
    objects_class = writer.add_class("[Ljava/lang/Object;")
    list_class = writer.add_class("java/util/ArrayList", fields=[("elementData", OBJECT), ("size", INT)])

    def text(content):
        return writer.instance(string, value=writer.bytes_(content), room=24)

    texts = [text(b"password=hunter2") for _each in range(40)]
    kept = writer.instance(list_class, room=24, elementData=writer.array(objects_class, [*texts, 0]), size=40)
    entry = writer.instance(entry_class, value=kept)
    thread = writer.instance(thread_class, name=text(b"worker-1"),
                             threadLocals=writer.instance(map_class, table=writer.array(objects_class, [0, entry])))
    writer.root(thread, 8, bytes((0, 0, 0, 1, 0, 0, 0, 0)))
    found = analysed(tmp_path, writer.dump())
    (collection,) = found.collections
    assert (collection.kind, collection.entries, collection.capacity) == ("list", 40, 41)
    assert collection.held_by == "java.lang.ThreadLocal$ThreadLocalMap$Entry.value"
    assert [(row.class_name, row.instances) for row in collection.value_types] == [("java.lang.String", 40)]
    (duplicate,) = found.duplicate_strings
    assert (duplicate.text, duplicate.count) == ("password=[REDACTED]", 40)
    (value,) = found.thread_locals
    assert (value.thread, value.value_class, value.key_collected) == ("worker-1", "java.util.ArrayList", True)
    assert found.threads[0].name == "worker-1"
    assert found.suspects[0].label == 'thread "worker-1"'
