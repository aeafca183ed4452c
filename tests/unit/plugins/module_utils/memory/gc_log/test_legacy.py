# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logs of JDK 8 and older: one collection over many lines, whatever was written between, and what the header says."""

from __future__ import annotations

import pathlib

import sys

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis, _read

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from jdk8_lines import EVENTS, HEADER, NOISE, SWEEP

KIB, MIB = 1 << 10, 1 << 20


def read(text):
    return _read.read(text.splitlines())


@pytest.mark.parametrize("name", EVENTS)
def test_a_collection_is_read_whatever_lies_between_its_pieces(name):
    text, collector, kind, pause, after = EVENTS[name]
    log = read(text)
    found = next(item for item in log.collections if item.pause)
    # a collector whose names the log does not have is not guessed
    assert log.collector in (collector, "") and (log.collector == collector or name == "g1, full in a concurrent cycle")
    assert (len(log.collections), found.kind, found.pause, log.unread) == (1, kind, pytest.approx(pause), 0)
    assert found.after == (None if after is None else after * KIB)


@pytest.mark.parametrize("name", EVENTS)
def test_lines_of_the_application_between_the_pieces_change_nothing(name):
    text = EVENTS[name][0]
    alone, mixed = read(text), _read.read([line for piece in text.splitlines() for line in (piece, NOISE)])
    assert mixed.collections == alone.collections


@pytest.mark.parametrize("name", EVENTS)
def test_what_a_container_runtime_writes_in_front_changes_nothing(name):
    text = EVENTS[name][0]
    assert _read.read([f"2026-11-24T03:00:10.5Z stdout F {line}" for line in text.splitlines()]).collections == read(text).collections


@pytest.mark.parametrize("name", EVENTS)
def test_a_collection_that_lost_its_end_is_counted_and_gives_no_figure(name):
    whole = "20.000: [GC (Allocation Failure) [PSYoungGen: 24576K->4080K(28672K)] 24576K->12000K(94208K), 0.0500000 secs]"
    text = EVENTS[name][0]
    cut = text[:max(text.rfind(" secs]"), text.rfind(" ms]"))]
    cut = cut[:cut.rindex(",")]
    log = read(f"{cut}\n{whole}")
    assert [item.pause for item in log.collections if item.at is None or item.at >= 20][-1] == 0.05
    assert log.unread + len([item for item in log.collections if item.pause]) == 2


def test_two_collections_in_one_line_are_two():
    log = read("1.000: [GC [PSYoungGen: 580836K->9639K(1305216K)] 624449K->57502K(4101440K), 0.0130840 secs]2.000: [Full GC (System) [PSYoungGen: "
               "9639K->0K(1305216K)] "
               "[PSOldGen: 47862K->57155K(2796224K)] 57502K->57155K(4101440K), 0.2991580 secs] [Times: user=0.30 sys=0.00, real=0.30 secs]")
    assert [(item.kind, item.pause, item.cause) for item in log.collections] == [("young", 0.013084, ""), ("full", 0.299158, "System.gc()")]


def test_times_behind_a_concurrent_phase_are_not_those_of_the_collection():
    log = read(f"{EVENTS['cms, a phase in the middle'][0]} [Times: user=0.10 sys=0.01, real=0.05 secs]\n{SWEEP}")
    assert (log.collections[0].cpu, log.collections[0].real) == (pytest.approx(0.11), 0.05)


def test_a_sweep_leaves_a_point_for_the_trend():
    lines = []
    for at in range(0, 80, 10):
        lines += [f"{at}.0: [CMS-concurrent-sweep: 1.0/2.0 secs]",
                  f"{at + 1}.0: [GC {at + 1}.0: [ParNew: 300000K->20000K(368640K), 0.0400000 secs] {1000000 + at * 1000}K->730000K(2056192K), 0.0410000 secs]"]
    found = _analysis.of_lines("x", lines)
    assert (found["figures"]["live"]["basis"], found["figures"]["live"]["points"]) == ("concurrent cycles", 8)
    assert found["figures"]["live"]["bytes_per_hour"] == pytest.approx(1000 * 10 * KIB * 360)
    assert found["cause"] == "leak"


def test_a_marking_of_g1_leaves_a_point_even_without_mixed_collections():
    lines = []
    for at in range(0, 80, 10):
        lines += [f"{at}.0: [GC cleanup 900M->880M(2048M), 0.0100000 secs]",
                  f"{at + 1}.0: [GC pause (G1 Evacuation Pause) (young) 900M->{400 + at}M(2048M), 0.0410000 secs]",
                  f"{at + 2}.0: [GC pause (G1 Evacuation Pause) (young) 900M->{700 + at}M(2048M), 0.0410000 secs]"]
    live = _analysis.of_lines("x", lines)["figures"]["live"]
    assert (live["basis"], live["points"], live["last"], live["growing"]) == ("concurrent marking", 8, 470 * MIB, True)


def test_the_header_tells_the_collector_the_limit_and_the_flags():
    log = read(HEADER)
    assert (log.version, log.collector, log.heap_max, log.old_format) == ("8.0_352-b08", "CMS", 2 << 30, True)
    assert (log.flags["CMSInitiatingOccupancyFraction"], log.flags["UseLargePages"]) == ("92", False)


def test_advice_names_the_flags_as_they_are_and_none_of_another_jdk():
    found = _analysis.of_lines("x", f"{HEADER}{EVENTS['cms, promotion failed'][0]}\n20.0: [GC 30K->20K(40K), 0.1000000 secs]".splitlines())
    assert found["cause"] == "full_collections"
    assert "(-XX:CMSInitiatingOccupancyFraction (now 92)" in found["fixes"][0]
    assert "-Xmx (now 2,048 MiB)" in found["fixes"][0]
    assert "-Xlog:" not in str(found)


def test_a_log_with_no_pause_says_so_and_how_to_get_them_with_its_jdk():
    old = _analysis.of_lines("x", ["1.0: Total time for which application threads were stopped: 0.0100000 seconds"])
    assert "no pauses in this log; threads stopped 1 times, 10 ms" in old["says"][0]
    assert "-XX:+PrintGCDetails" in old["says"][0] and "-Xlog:" not in old["says"][0]
    new = _analysis.of_lines("x", ["[0.995s][info][gc] Using The Z Garbage Collector", "[1.2s][info][gc] GC(0) Garbage Collection (Warmup) 106M(0%)->88M(0%)"])
    assert "no pauses in this log (log with -Xlog:gc*" in new["says"][0]
    assert "None" not in " ".join(old["says"] + new["says"])


@pytest.mark.parametrize("torn", ["1.0: [GC pause (young) 1.0: [G1Ergonomics (CSet Construction) start INFO order 17\n target pause time: 500.00 ms]",
                                  "1.0: [GC [PSYoungGen: 5K->1K(9K)] 5K->1K(9K), 0.0INFO order 17\n1 secs] [Times: user=0.1 INFO order 18\n sys=0.0, "
                                  "real=9.04 secs]",
                                  "1.0: [GC 1.0: [ParNewINFO order 17\n1.0: [CMS-concurrent-markINFO order 18\n: 1.0/9.0 secs]"])
def test_a_figure_of_something_else_is_not_taken_for_a_torn_collection(torn):
    assert [item.pause for item in read(torn).collections] == []
