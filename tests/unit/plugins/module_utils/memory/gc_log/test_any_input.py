# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever bytes come: no exception, no figure that cannot be, and time that grows with the length and no faster."""

from __future__ import annotations

import sys

import gzip
import pathlib
import re
import time

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis, _read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from jdk8_lines import EVENTS, HEADER, NOISE

SAMPLES = pathlib.Path(__file__).parent / "samples"
UNIFIED = [gzip.decompress((SAMPLES / f"{name}.log.gz").read_bytes()).decode() for name in ("g1_full", "shen_leak", "zgc_leak")]
WORDS = ["[", "]", "(", ")", "GC", "[GC ", "[Full GC ", "[GC pause (young)", "[YG occupancy: ", "[ParNew", "[CMS", "[CMS-concurrent-sweep: ", "->", "1K",
         "20M", "(30G)", ", ",
         "0.01 secs]", "5,1 ms]", "[Times: user=0.1 sys=0.0, real=9.9 secs]", "--", "\n", "1.5: ", "2026-11-24T03:00:10.000+0000: ", "[1.0s]", "[info][gc] ",
         "GC(3) ",
         "Pause Young ", "Pause Full (System.gc()) ", "1M->2M(3M) ", "4.0ms", "User=0.1s Sys=0.1s Real=9.0s", "Live: - - ", "Old regions: 1->2",
         "Heap Region Size: 1M",
         "Total time for which application threads were stopped: ", "1.2.3", " seconds", "JRE (1.8.0", "CommandLine flags: -XX:MaxHeapSize=",
         "99999999999999999999", "\x00", "é",
         "9" * 30, "[Eden: 1M(1M)->0B(1M) Survivors: 0B->0B Heap: 1M(2M)->1M(2M)]"]


def sane(found):
    figures = found["figures"]
    assert figures["pauses"]["count"] >= 0 and figures["unread"] >= 0
    assert figures["pauses"]["share"] is None or 0 <= figures["pauses"]["share"] <= 1
    assert "None ms" not in " ".join(found["says"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_words_of_logs_in_any_order(words):
    sane(_analysis.of_lines("x", "".join(words).splitlines()))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "gc.log"
    path.write_bytes(data or b"\n")
    sane(_analysis.of_file(str(path)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(EVENTS)), min_size=1, max_size=5), st.data())
def test_a_log_that_is_cut_anywhere_gives_what_is_whole(names, data):
    """At most one collection is missing for each cut, and none is invented."""
    text = "".join(f"{EVENTS[name][0]}\n" for name in names)
    cut = data.draw(st.integers(0, len(text)))
    whole, start, end = (_read.read(part.splitlines()) for part in (text, text[:cut], text[cut:]))
    assert len(names) - 1 <= len(start.collections) + len(end.collections) <= len(names) + 1
    known = {round(item.pause, 6) for item in whole.collections} | {round(seconds, 6) for seconds in _inner(text)}
    assert {round(item.pause, 6) for item in start.collections + end.collections} <= known


def _inner(text):
    """Seconds of parts, which are all that is left of a collection whose beginning was cut off."""
    return {float(found.replace(",", ".")) for found in re.findall(r"(\d+[.,]\d+) secs", text)}


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(UNIFIED))
def test_two_writers_at_once(chance, text):
    lines = text.splitlines()[:300]
    for _each in range(20):
        at = chance.randrange(len(lines))
        place = chance.randrange(len(lines[at]) + 1)
        lines[at:at + 1] = [lines[at][:place] + NOISE.strip(), lines[at][place:]]
    before, after = _analysis.of_lines("x", text.splitlines()[:300]), _analysis.of_lines("x", lines)
    sane(after)
    assert after["figures"]["pauses"]["count"] <= before["figures"]["pauses"]["count"]


#: what could make a reader look at the same characters again and again
PIECES = {
    "digits": "1" * 400, "brackets": "[GC " * 100, "groups": "(a" * 200, "spaces": "GC(1) Pause " + "x 1 " * 100,
    "stamps": "2026-11-24T03:00:10.000+0000: " * 14,
    "sizes": "1K->1K(1K)" * 40, "dashes": "[" + "--" * 200, "never closed": "1.0: [GC (Allocation Failure) [ParNew\n" + "- age   1:  1936560 bytes\n" * 15,
    "phases": "1.0: [GC cleanup 1M->1M(2M), 0.1 secs]\n" * 10, "sample": UNIFIED[0][:4000], "header": HEADER + "-XX:A=1 " * 50}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("joined", ["", "\n"])
def test_twice_the_length_takes_about_twice_the_time(name, joined):
    def seconds(times):
        lines = joined.join([PIECES[name]] * times).splitlines()
        best = float("inf")
        for _each in range(3):
            started = time.process_time()
            _read.read(lines)
            best = min(best, time.process_time() - started)
        return best
    # four times the length: 16 where the time is quadratic
    assert seconds(100) < 9 * seconds(25) + 0.02
