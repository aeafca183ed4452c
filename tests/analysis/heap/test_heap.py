"""Real dumps of real JVMs, judged by the JVM's own count, by VisualVM's library and by a plain second implementation."""

from __future__ import annotations

import gzip
import html.parser
import re
import typing as t

import dumps
import judge
import pytest
import reference

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _analysis, _markdown, _page
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import HeapAnalysis, Node

#: program: (what the suspect is called, the field that has to be named, the class that fills it)
PLANTED = {
    "StaticMap": ("class StaticMap$SessionCache", "StaticMap$SessionCache.SESSIONS", "StaticMap$Session"),
    "ListenerList": ('thread "main"', "ListenerList$EventBus.listeners", "ListenerList$View$$Lambda"),
    "ThreadLocals": ('thread "worker-2"', "ThreadLocals$RequestContext.audit", "byte[]"),
    "ClassLoaders": ("class ClassLoaders$Registry", "ClassLoaders$Registry.DRIVERS", "DeployedApplication"),
    "UnboundedQueue": ("java.util.concurrent.ThreadPoolExecutor", "java.util.concurrent.ThreadPoolExecutor.workQueue", "UnboundedQueue$SendMail"),
}
ALL = [*PLANTED, "Healthy"]
#: small enough for networkx
JUDGED_MEGABYTES = 1
#: the JVM fills gaps with arrays that are in its count and in no dump
FILLER = "int[]"

_analyses: dict[str, HeapAnalysis] = {}


def analysis_of(program: str) -> HeapAnalysis:
    if program not in _analyses:
        _analyses[program] = _analysis.analyse(str(dumps.make(program).hprof))
    return _analyses[program]


def by_class(analysis: HeapAnalysis) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for row in analysis.histogram:
        name = dumps.java_name(row.class_name)
        before = counts.get(name, (0, 0))
        counts[name] = (before[0] + row.instances, before[1] + row.shallow_bytes)
    return counts


def nodes_of(nodes: list[Node]) -> t.Iterator[Node]:
    for node in nodes:
        yield node
        yield from nodes_of(node.children)


@pytest.mark.parametrize("program", ALL)
def test_the_histogram_is_the_jvms_own(program):
    ours, jvms = by_class(analysis_of(program)), dict(dumps.make(program).histogram)
    assert len(jvms) > 200
    assert ours.pop(FILLER)[0] == pytest.approx(jvms.pop(FILLER)[0], abs=10)
    assert {name: row for name, row in ours.items() if row[0]} == jvms


@pytest.mark.parametrize("program", ALL)
def test_visualvm_counts_the_same_instances(program):
    ours, theirs = by_class(analysis_of(program)), reference.visualvm(dumps.make(program).hprof, "histogram").histogram
    # It counts only those class objects that stand for primitive types.
    del ours["java.lang.Class"], theirs["java.lang.Class"]
    assert {name: row[0] for name, row in ours.items() if row[0]} == {name: row[0] for name, row in theirs.items() if row[0]}


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("references", ["all", "strong"])
def test_retained_sizes_are_those_of_a_second_implementation(program, references):
    dump = dumps.make(program, JUDGED_MEGABYTES)
    heap = judge.read(dump.hprof)
    more_roots = [] if references == "all" else judge.permanent_classes(heap)
    expected = judge.retained(heap, judge.shallow_sizes(heap, dump.histogram), references == "all", more_roots)
    analysis = _analysis.analyse(str(dump.hprof), references=references)
    ours = {int(node.object, 16): node.retained_bytes for node in nodes_of(analysis.dominators)}
    assert len(ours) > 500
    assert ours == {address: expected.of_object.get(address) for address in ours}
    assert (analysis.totals.reachable_objects, analysis.totals.reachable_bytes) == (len(expected.of_object) - 1, expected.of_object[0])
    by_class: dict[str, int] = {}
    for row in analysis.histogram:
        if row.instances:
            by_class[dumps.java_name(row.class_name)] = row.retained_bytes or 0
    assert by_class == {name: expected.of_class.get(name, 0) for name in by_class}


# Not the class loaders, because there no instance keeps its class; not the queue, because a long chain takes it minutes.
@pytest.mark.parametrize("program", [program for program in ALL if program not in ("ClassLoaders", "UnboundedQueue")])
def test_retained_sizes_are_visualvms_but_for_its_rounding(program):
    # It takes references and headers for 8 bytes wide, so the JVM is told to have them so; it rounds no object up to 8 bytes.
    dump = dumps.make(program, jvm_options=("-XX:-UseCompressedOops", "-XX:-UseCompressedClassPointers"))
    theirs = reference.visualvm(dump.hprof).retained
    analysis = _analysis.analyse(str(dump.hprof), references="all")
    found = [*nodes_of(analysis.dominators), *analysis.class_loaders, *(step for suspect in analysis.suspects for step in suspect.path)]
    ours = {int(one.object, 16): one.retained_bytes for one in found}
    compared = {address: (theirs[address], ours[address]) for address in theirs if address in ours}
    assert len(compared) >= 6
    for without, rounded in compared.values():
        assert without <= rounded <= 1.15 * without


@pytest.mark.parametrize("program", PLANTED)
def test_the_planted_leak_is_the_only_suspect(program):
    label, field, content = PLANTED[program]
    analysis = analysis_of(program)
    assert analysis.outcome == "suspects"
    [suspect] = analysis.suspects
    assert suspect.label == label
    assert suspect.share > 0.9
    assert field in {f"{step.declaring_class}.{step.field}" for step in suspect.path}
    assert suspect.groups[0].class_name.startswith(content)
    assert suspect.code_areas[0].declaring_class.startswith(program)


@pytest.mark.parametrize(("program", "word"), [("StaticMap", "give StaticMap$SessionCache.SESSIONS a bound"), ("ListenerList", "take listeners out"),
                                               ("ThreadLocals", "call remove()"), ("ClassLoaders", "when it is undeployed"),
                                               ("UnboundedQueue", "give the queue behind UnboundedQueue$Mailer.pool a bound")])
def test_the_first_way_to_save_memory_fits_the_kind_of_leak(program, word):
    saving = analysis_of(program).savings[0]
    assert word in saving.advice
    assert saving.bytes > 0.9 * dumps.TEST_MEGABYTES * (1 << 20)


def test_the_growing_collection_is_named_between_two_dumps_and_against_a_histogram():
    small, large = dumps.make("StaticMap", 12), dumps.make("StaticMap")
    for before, known in ((str(small.hprof), True), (str(small.hprof.with_suffix(".histogram")), False)):
        [growing] = [one for one in _analysis.answer(str(large.hprof), before=before).growth.collections if one.content == "StaticMap$Session"]
        assert (growing.held_by, growing.entries - growing.content_grown) == ("StaticMap$SessionCache.SESSIONS", growing.entries_before or growing.entries // 2)
        assert (growing.entries_before is not None) == known


def test_nothing_is_suspect_in_a_healthy_heap():
    analysis = analysis_of("Healthy")
    assert (analysis.outcome, analysis.suspects) == ("healthy", [])


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_dump_gives_a_histogram_and_no_retained_sizes(tmp_path, part):
    whole = dumps.make("StaticMap").hprof.read_bytes()
    cut = tmp_path / "cut.hprof"
    cut.write_bytes(whole[:int(len(whole) * part)])
    analysis = _analysis.analyse(str(cut))
    assert analysis.outcome == "histogram"
    assert analysis.file.truncated_at <= cut.stat().st_size
    assert analysis.suspects == analysis.dominators == []
    assert 0 < analysis.totals.objects < analysis_of("StaticMap").totals.objects
    assert analysis.warnings


@pytest.mark.parametrize("damage", ["whole", "cut short"])
def test_a_gzip_file_is_read_as_far_as_it_goes(tmp_path, damage):
    packed = gzip.compress(dumps.make("UnboundedQueue").hprof.read_bytes(), 1)
    path = tmp_path / "dump.hprof.gz"
    path.write_bytes(packed if damage == "whole" else packed[:len(packed) // 2])
    analysis = _analysis.analyse(str(path))
    if damage == "whole":
        assert analysis.histogram == analysis_of("UnboundedQueue").histogram
    else:
        assert analysis.outcome == "histogram"
        assert analysis.totals.objects > 0
        assert analysis.warnings


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(1000), b"JAVA PROFILE 9.9\0" + bytes(100), b"\x1f\x8b" + b"noise" * 50])
def test_what_is_no_dump_is_refused_in_words(tmp_path, content):
    path = tmp_path / "no.hprof"
    path.write_bytes(content)
    with pytest.raises(RunbookError, match=re.escape(str(path))):
        _analysis.analyse(str(path))


class _Outside(html.parser.HTMLParser):
    """Collects what a page would load, and elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "srcset", "action") or (name == "href" and (value or "#")[0] != "#")]
        self.open += [] if tag in ("meta", "input", "br", "wbr") else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<path/>`` opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("program", ALL)
def test_the_page_is_whole_and_loads_nothing(program):
    page = _Outside()
    page.feed(_page.render(analysis_of(program)))
    assert (page.loads, page.open) == ([], [])


@pytest.mark.parametrize("program", PLANTED)
def test_page_and_markdown_name_the_field_at_their_top(program):
    analysis = analysis_of(program)
    field = PLANTED[program][1].rsplit(".", 1)[-1]
    assert PLANTED[program][2].split(".")[-1] in _markdown.render(analysis).replace("\\", "")[:3000]
    assert field in _page.render(analysis).partition("<h2>What keeps the memory")[0]


def test_markup_and_secrets_in_a_dump_reach_neither_page_nor_markdown():
    analysis = _analysis.analyse(str(dumps.make("StaticMap", JUDGED_MEGABYTES).hprof))
    evil = "<script>alert(1)</script> password=hunter2"
    for node in nodes_of(analysis.dominators):
        node.label = evil
    for suspect in analysis.suspects:
        suspect.label = suspect.description = evil
        for step in suspect.path:
            step.label = step.field = evil
    analysis.says = analysis.warnings = [evil]
    for text in (_page.render(analysis), _markdown.render(analysis)):
        assert "hunter2" not in text
        assert "<script>alert" not in re.sub(r"(?s)```.*?```", "", text)
