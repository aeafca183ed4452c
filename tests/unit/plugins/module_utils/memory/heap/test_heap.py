# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure parts of the heap modules: what the JVM and the container print, and whether a dump is whole."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _histogram, _jvm, _transfer
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._hprof import HprofCheck

HEADER = b"JAVA PROFILE 1.0.2\0" + struct.pack(">IQ", 8, 0)


def record(tag: int, body: bytes) -> bytes:
    return struct.pack(">BII", tag, 0, len(body)) + body


WHOLE = HEADER + record(0x01, b"x" * 20) + record(0x1C, b"y" * 5000) + record(0x2C, b"")


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_a_whole_dump_in_pieces_of_any_size(step):
    check = HprofCheck()
    for start in range(0, len(WHOLE), step):
        check.feed(WHOLE[start:start + step])
    assert check.problem() == ""
    assert check.bytes == len(WHOLE)


@pytest.mark.parametrize("data, words", [
    (WHOLE[:-500], "truncated"),
    (WHOLE[:-3], "truncated"),
    (b"\x1f\x8b" + WHOLE, "does not begin with JAVA PROFILE"),
    (HEADER + record(0x01, b"x"), "no heap record"),
    (b"", "no HPROF header"),
])
def test_a_dump_that_is_not_whole(data, words):
    check = HprofCheck()
    check.feed(data)
    assert words in check.problem()


def test_histogram_rows_are_merged_over_hidden_names():
    text = """ num     #instances         #bytes  class name (module)
-------------------------------------------------------
   1:         10           4000  [B (java.base@17.0.15)
   2:          3            300  shop.Main$$Lambda$14/0x0000000800c03000
   3:          2            200  shop.Main$$Lambda$15/0x0000000800c03218
Total            15           4500
"""
    rows = {row.name: row for row in _histogram.parse(text)}
    assert rows["[B"].bytes == 4000
    merged = [row for name, row in rows.items() if name.startswith("shop.Main")]
    assert [(row.instances, row.bytes) for row in merged] == [(5, 500)]


def test_histogram_of_openj9():
    text = """num   object count     total size    class name
-------------------------------------------------
  1           3354         107328    [C
  2            717          57360    java.lang.Class
 10              3             96    shop.Order
Total           4074         164784
"""
    assert [(row.name, row.instances, row.bytes) for row in _histogram.parse(text)] == [
        ("[C", 3354, 107328), ("java.lang.Class", 717, 57360), ("shop.Order", 3, 96)]


@pytest.mark.parametrize("text, used, committed, metaspace", [
    (" def new generation   total 1024K, used 2048K [0x0)\n  eden space 1K,  10% used [0x0)\n"
     " tenured generation   total 1024K, used 1024K [0x0)\n Metaspace       used 2048K, committed 1K\n  class space    used 1K", 3 << 20, 2 << 20, 2 << 20),
    (" garbage-first heap   total 262144K, used 51200K [0x0)\n  region size 1024K, 5 young (5120K)\n"
     " Metaspace       used 1K", 50 << 20, 256 << 20, 1 << 10),
    (" ZHeap           used 64M, capacity 128M, max capacity 512M\n Metaspace       used 1K", 64 << 20, 128 << 20, 1 << 10),
])
def test_heap_info_of_the_collectors(text, used, committed, metaspace):
    assert _jvm.parse_heap_info(text) == _jvm.HeapInfo(used, committed, metaspace)


def test_probe():
    via = Container("shop", "api-0", "api")
    text = "jvm 7 /opt/java/bin/java\ntool jcmd /usr/bin/jcmd\ntool gzip /bin/gzip\ndir 1024 ext2/ext3 /data\ndir 64 tmpfs /dev/shm\n"
    jvm = _jvm.parse_probe(via, text, "auto").jvm
    assert (jvm.pid, jvm.root, jvm.tools["jcmd"]) == (7, "/proc/7/root", "/usr/bin/jcmd")
    assert [(place.path, place.free, place.in_memory) for place in jvm.directories] == [
        ("/data", 1 << 20, False), ("/dev/shm", 64 << 10, True)]


def test_probe_without_a_jvm():
    assert _jvm.parse_probe(Container("shop", "api-0", "api"), "tool gzip /bin/gzip\n", "").jvm is None


@pytest.mark.parametrize("tools, suffix", [
    ({"zstd": "/usr/bin/zstd", "gzip": "/bin/gzip"}, ".zst"), ({"gzip": "/bin/gzip"}, ".gz"), ({}, "")])
def test_the_fastest_compression_that_there_is(tools, suffix):
    assert _transfer.choose(tools).suffix == suffix
