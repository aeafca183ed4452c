# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From figures to causes: each cause from a log that has it, and none from what cannot be told."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis, _read

MIB = 1 << 20


def of(lines):
    return _analysis.of_lines("x", lines)


def unified(count, what, ms, seconds=10, before=600, after=200, extra=()):
    return [line for n in range(count) for line in (
        f"[{(n + 1) * seconds}.000s][info][gc] GC({n}) Pause {what} {before}M->{after}M(4096M) {ms}ms", *(text.format(n=n,
                                                                                                                      at=(n + 1) * seconds) for text in extra))]


def young_8(count, seconds, secs, times="[Times: user=0.90 sys=0.02, real=0.25 secs]"):
    return [f"{n * seconds}.000: [GC (Allocation Failure) [PSYoungGen: 305152K->12000K(305664K)] 400000K->107000K(1005056K), {secs} secs] {times}"
            for n in range(count)]


CPU = "[{at}.001s][info][gc,cpu] GC({n}) User=0.09s Sys=0.01s Real=0.81s"
CAUSES = {
    "allocation, jdk 8": ("allocation", young_8(100, 1, "0.2500000")),
    "allocation": ("allocation", unified(50, "Young (Normal) (G1 Evacuation Pause)", 250.0, seconds=1)),
    "g1, full collections": ("full_collections", unified(40, "Full (G1 Compaction Pause)", 1900.0, after=400)),
    "cms, concurrent mode failures": ("full_collections", [
        f"{n * 5}.0: [Full GC {n * 5}.0: [CMS (concurrent mode failure): 85316K->59534K(122880K), 1.1724657 secs] 89751K->59534K(231008K), 1.1726697 secs]"
        for n in range(1, 60)]),
    "shenandoah, degenerated": ("full_collections", ["[0.1s][info][gc] Using Shenandoah", *unified(20, "Degenerated GC (Mark)", 1500.0)]),
    "starved": ("starved", unified(10, "Young (Normal) (G1 Evacuation Pause)", 810.1, extra=(CPU,))),
    "starved, jdk 8": ("starved", young_8(3, 60, "0.0776960", "[Times: user=0.14 sys=0.01, real=37.70 secs]")),
    "pinned": ("pinned", unified(4, "Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: Pinned)", 9.1)),
    "no room": ("evacuation", unified(4, "Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: Allocation)", 9.1)),
    "operations": ("operations", ["[993.432s] Entering safepoint region: RedefineClasses", "[1017.618s] Leaving safepoint region",
                                  "[1017.618s] Total time for which application threads were stopped: 24.1957920 seconds, Stopping threads took: "
                                  "0.0094382 seconds"]),
    "operations, jdk 8": ("operations", ["10.0: Total time for which application threads were stopped: 13.2756956 seconds, Stopping threads took: "
                                         "0.0000456 seconds"]),
}


@pytest.mark.parametrize("name", CAUSES)
def test_each_cause_is_named_with_its_advice(name):
    cause, lines = CAUSES[name]
    found = of(lines)
    assert found["cause"] == cause
    assert found["fixes"] and "{" not in " ".join(found["fixes"])
    assert "None" not in " ".join(found["says"])


def test_a_stop_that_the_clock_shows_longer_counts_whole():
    found = of(CAUSES["starved, jdk 8"][1])
    assert found["figures"]["pauses"]["max_ms"] == 37700.0
    assert found["figures"]["starved"]["cpu_ms"] == 450.0


def test_a_long_stop_of_a_collection_is_not_told_twice():
    found = of([*CAUSES["cms, concurrent mode failures"][1][:1],
                "6.2: Total time for which application threads were stopped: 1.1730000 seconds, Stopping threads took: 0.0001000 seconds"])
    assert found["figures"]["safepoints"]["longest"][0]["collecting_ms"] == pytest.approx(1172.67)
    assert "operations" not in [candidate["name"] for candidate in found["candidates"] if candidate["score"] > 0]


def test_collections_that_were_asked_for_are_no_full_collections():
    found = of(unified(10, "Full (System.gc())", 1900.0))
    assert found["cause"] == "explicit_gc"
    assert "full_collections" not in [candidate["name"] for candidate in found["candidates"] if candidate["score"] > 0]


@pytest.mark.parametrize("generation", ["Young", "YOUNG"])
def test_young_cycles_of_a_generational_collector_are_no_evidence_for_a_leak(generation):
    lines = ["[0.010s][info][gc] Using Shenandoah"]
    lines += [f"[{n}0.4s][info][gc] GC({n}) Concurrent cleanup ({generation}) 2990M->{1000 + 40 * n}M(3138M) 0.032ms" for n in range(1, 13)]
    found = of([*lines, "[133.4s][info][gc] GC(13) Concurrent cleanup (Old) 1480M->600M(3138M) 0.032ms"])
    assert (found["cause"], found["figures"]["live"]["points"], found["figures"]["live"]["growing"]) == ("undetermined", 1, None)


def test_a_percentage_gives_no_limit():
    found = of([f"[{n}0.0s][info][gc] GC({n}) Garbage Collection (Warmup) {200 + n}M(20%)->{100 + n}M(10%)" for n in range(10)])
    live = found["figures"]["live"]
    assert (live["growing"], live["limit"], live["hours_to_limit"]) == (True, None, None)


WHOLE = young_8(10, 10, "0.0500000")
CUT = "[GC (Allocation Failure) [PSYoungGen: 305152K->12000K(305664K)] 400000K->107000K(10"


@pytest.mark.parametrize(("lost", "withheld"), [(0, False), (1, False), (2, True), (10, True)])
def test_where_too_much_could_not_be_read_there_is_no_verdict(lost, withheld):
    found = of([line for n, whole in enumerate(WHOLE) for line in ((f"{n * 10}.000: {CUT}", whole) if n < lost else (whole,))])
    assert found["figures"]["unread"] == lost
    assert any("no verdict" in line for line in found["says"]) is withheld
    assert any("could not be read" in line for line in found["says"]) is (lost > 0)
    assert (found["fixes"] == [] and found["cause"] == "undetermined") or not withheld


@pytest.mark.parametrize("line", [
    "[1.0s][info][gc] GC(3) Pause Young (Normal) (G1 Evacuation Pause) 20M->4M(2026-11-24 INFO shop.Orders - order 17",
    "[1.0s][info][gc] GC(3) Pause Young (Normal) (G1 Evacuation Pause) 20M->4M(64M) 2.0msINFO shop.Orders - order 17"])
def test_a_unified_pause_that_another_writer_cut_is_counted(line):
    assert of([line])["figures"]["unread"] == 1


@pytest.mark.parametrize(("what", "kind"), [
    ("Initial Mark (G1 Evacuation Pause) 80M->70M(128M)", "young"), ("Initial Mark 80M->80M(128M)", "phase"), ("Mixed (G1 Evacuation Pause) 80M->70M(128M)",
                                                                                                               "mixed"),
    ("Degenerated GC (Mark) 80M->70M(128M)", "cycle"), ("Degenerated GC (Young) (Mark) 80M->70M(128M)", "minor cycle"), ("Remark 80M->80M(128M)", "phase")])
def test_kinds_of_unified_pauses(what, kind):
    assert _read.read([f"[1,5s][info][gc] GC(3) Pause {what} 7,870ms"]).collections[0].kind == kind
