# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection logs: samples that OpenJDK 17 wrote, documented lines of other versions, and broken input."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis, _read, _summary
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _command as command_line

SAMPLES = pathlib.Path(__file__).parent / "samples"
MIB = 1 << 20


def sample(name):
    return _analysis.of_file(str(SAMPLES / f"{name}.log.gz"))


def lines_of(name):
    return gzip.decompress((SAMPLES / f"{name}.log.gz").read_bytes()).decode().splitlines()


def figures(lines):
    return _summary.summarize(_read.read(lines), 0.2)


@pytest.mark.parametrize(("name", "collector", "low", "high"), [
    # the program keeps 30, 25, 25, 20 and 20 arrays of 1,016 bytes, with a map entry each, every 10 ms and a little more
    ("g1_leak", "G1", 8_500, 10_500), ("parallel_leak", "Parallel", 4_500, 9_000), ("serial_leak", "Serial", 6_000, 9_000),
    ("zgc_leak", "ZGC", 6_000, 8_500), ("shen_leak", "Shenandoah", 3_000, 7_500)])
def test_a_planted_leak_is_found_with_its_slope_whatever_the_collector(name, collector, low, high):
    found = sample(name)
    assert (found["cause"], found["figures"]["collector"]) == ("leak", collector)
    assert low < found["figures"]["live"]["bytes_per_hour"] / MIB < high


def test_a_healthy_program_is_not_accused():
    found = sample("g1_healthy")
    assert (found["cause"], found["figures"]["live"]["growing"]) == ("undetermined", False)
    assert found["figures"]["seconds"] > 30


def test_a_heap_full_to_the_brim_is_a_leak_and_its_evacuation_failures_are_counted():
    found = sample("g1_full")
    assert found["cause"] == "leak"
    log = gzip.decompress((SAMPLES / "g1_full.log.gz").read_bytes()).decode()
    assert found["figures"]["full_collections"]["count"] == log.count("Pause Full") > 100
    assert found["figures"]["evacuation_failures"]["count"] > 0


def test_pauses_are_those_of_the_log():
    pauses = sorted(float(line.rsplit(" ", 1)[1][:-2]) for line in lines_of("serial_leak") if " Pause " in line and line.endswith("ms"))
    found = figures(lines_of("serial_leak"))["pauses"]
    assert (found["count"], found["max_ms"]) == (len(pauses), pauses[-1])
    assert found["p50_ms"] == pauses[(len(pauses) + 1) // 2 - 1]
    assert found["total_seconds"] == pytest.approx(sum(pauses) / 1000)


def test_allocation_and_promotion_are_differences_between_collections():
    found = figures(["[0.5s][info][gc,init] Heap Region Size: 1M", "[1.0s][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 20M->4M(64M) 2.0ms",
                     "[3.0s][gc,heap] GC(1) Old regions: 2->5", "[3.0s][gc] GC(1) Pause Young (Normal) (G1 Evacuation Pause) 24M->8M(64M) 2.0ms"])
    assert found["allocation"]["bytes_per_second"] == 10 * MIB
    assert found["promotion"]["bytes"] == 3 * MIB


@pytest.mark.parametrize("decorations", [
    "[{uptime:.3f}s]", "[2026-11-24T03:44:{uptime:06.3f}+0000][info][gc ]", "[{millis}ms][17][gc]", "[{nanos}ns]",
    "[1764000000{millis3}ms][{uptime:.3f}s]", "2026-11-24T03:44:{uptime:06.3f}Z [info][gc]"])
def test_any_decoration_gives_the_time(decorations):
    text = [decorations.format(uptime=at, millis=int(at * 1000), millis3=f"{int(at * 1000) % 1000:03d}", nanos=int(at * 1e9))
            + f" GC({n}) Pause Young (Allocation Failure) 20M->4M(64M) 10.0ms" for n, at in enumerate((1.0, 3.0, 5.0))]
    found = figures(text)
    assert (found["seconds"], found["pauses"]["count"]) == (pytest.approx(4.0), 3)
    assert found["pauses"]["share"] == pytest.approx(0.03 / 4)


@pytest.mark.parametrize(("line", "collector"), [
    ("[1.0s][gc,heap] GC(7) Tenured: 12037K(32768K)->13484K(32768K)", "Serial"), ("[1.0s][gc,heap] GC(7) ParOldGen: 12037K->13484K(32768K)", "Parallel"),
    ("[1.0s][gc,heap] GC(7) Old regions: 2->5", "G1")])
def test_a_log_that_begins_after_the_jvm_still_tells_the_collector(line, collector):
    assert figures([line])["collector"] == collector


def test_lines_without_time_give_pauses_and_say_what_is_missing():
    found = figures(["GC(0) Pause Young (Normal) (G1 Evacuation Pause) 20M->4M(64M) 2.0ms"] * 2)
    assert (found["pauses"]["count"], found["allocation"]["bytes_per_second"]) == (2, None)
    assert "no time" in found["notes"][0]


def test_causes_and_system_gc():
    found = _analysis.of_lines("x", [f"[{n}.0s] GC({n}) Pause Full (System.gc()) 20M->4M(64M) 300.0ms" for n in (1, 9)])
    assert found["cause"] == "explicit_gc"
    assert found["figures"]["causes"] == [{"name": "System.gc()", "count": 2, "total_ms": 600.0, "max_ms": 300.0}]


def test_a_stop_that_waits_for_threads_is_named():
    found = _analysis.of_lines("x", [
        '[1.0s][safepoint] Safepoint "RevokeBias", Time since last: 5 ns, Reaching safepoint: 900000000 ns, At safepoint: 100000000 ns, Total: 1000000000 ns',
        "[2.0s] Total time for which application threads were stopped: 0.0100000 seconds, Stopping threads took: 0.0000100 seconds"])
    assert found["cause"] == "safepoints"
    assert found["figures"]["safepoints"]["longest"] == [{"at": 1.0, "reason": "RevokeBias", "ms": 1000.0, "reaching_ms": 900.0, "collecting_ms": 0.0}]
    assert found["figures"]["safepoints"]["count"] == 2


def test_stalls_of_zgc_and_generational_cycles():
    found = figures(["[1.0s][gc] Using The Z Garbage Collector", "[2.0s][gc] Allocation Stall (worker-1) 120.5ms",
                     "[3.0s][gc,phases] GC(3) Y: Pause Mark Start (Major) 0.066ms",
                     "[4.0s][gc] GC(3) Major Collection (Allocation Rate) 158M(82%)->32M(17%) 0.193s",
                     "[5.0s][gc] GC(4) Minor Collection (Allocation Rate) 158M(82%)->64M(17%) 0.193s"])
    assert found["stalls"]["longest"][0]["ms"] == 120.5
    assert (found["live"]["points"], found["live"]["last"], found["pauses"]["count"]) == (1, 32 * MIB, 1)


PARALLEL_8 = """\
2019-04-18T13:52:42.068+0800: 0.110: [GC (Allocation Failure) [PSYoungGen: 5643K->432K(9216K)] 5643K->4528K(19456K), 0.0046494 secs] \
[Times: user=0.01 sys=0.00, real=0.00 secs]
2019-04-18T13:52:42.083+0800: 0.125: [Full GC (Ergonomics) [PSYoungGen: 7838K->4096K(9216K)] [ParOldGen: 7504K->7496K(10240K)] 15342K->11593K(19456K), \
[Metaspace: 2995K->2995K(1056768K)], 0.0074408 secs] [Times: user=0.02 sys=0.00, real=0.01 secs]"""
CMS_8 = "0.091: [GC (Allocation Failure) [ParNew: 17445K->2172K(19648K), 0.001 secs] 17445K->6670K(63360K), 0.0033590 secs]"
G1_8 = """\
2026-06-17T09:48:37.904+0800: 0.105: [GC pause (G1 Evacuation Pause) (mixed), 0.0274956 secs]
   [Parallel Time: 2.9 ms, GC Workers: 8]
   [Eden: 24576.0K(24576.0K)->0.0B(33792.0K) Survivors: 0.0B->3072.0K Heap: 26014.0K(65536.0K)->8396.5K(65536.0K)]"""


@pytest.mark.parametrize(("text", "collector", "kind", "pause", "after"), [
    (PARALLEL_8, "Parallel", "full", 0.0074408, 11593 << 10), (CMS_8, "CMS", "young", 0.003359, 6670 << 10),
    (G1_8, "G1", "mixed", 0.0274956, int(8396.5 * 1024))])
def test_logs_of_jdk_8(text, collector, kind, pause, after):
    log = _read.read(text.splitlines())
    last = log.collections[-1]
    assert (log.collector, last.kind, last.pause, last.after) == (collector, kind, pause, after)


def test_promotion_in_jdk_8_is_what_left_the_young_generation_and_stayed():
    assert _read.read(PARALLEL_8.splitlines()).collections[0].promoted == (5643 - 432 - (5643 - 4528)) << 10


def test_lines_of_the_application_between_do_not_disturb():
    clean, other = lines_of("parallel_leak"), "2026-11-24 03:45:16 INFO [main] shop.Orders - Pause of [order] 12M->13M"
    mixed = [line for collected in clean for line in (collected, other)]
    one, other = figures(clean), figures(mixed)
    assert {**one, "lines": 0} == {**other, "lines": 0}


def test_a_restart_begins_a_new_trend():
    again = lines_of("g1_leak") + lines_of("g1_healthy")
    found = _analysis.of_lines("x", again)
    assert found["figures"]["restarts"] == 1
    assert found["figures"]["live"]["growing"] is False
    assert any("restarted 1 times" in line for line in found["says"])


def test_a_clock_that_is_set_back_changes_no_figure():
    def stamped(clock):
        return [f"[2026-11-24T{clock(n)}+0000][{n * 10}.000s][gc] GC({n}) Pause Full (Ergonomics) {20 + n}M->{10 + n}M(64M) 5.0ms" for n in range(10)]
    steady = figures(stamped(lambda n: f"03:0{n // 6}:{n % 6}0.000"))
    jumped = figures(stamped(lambda n: f"0{3 if n < 5 else 1}:0{n // 6}:{n % 6}0.000"))
    assert (jumped["seconds"], jumped["live"]) == (steady["seconds"], steady["live"])
    assert "the clock jumped 1 times" in jumped["notes"][0]
    assert steady["notes"] == []


@pytest.mark.parametrize("garbage", [bytes(range(256)) * 40, b"[" * 100_000, b"GC(1) Pause " + b"x" * 1_000_000 + b" 1M->1M(1M) 1.0ms\n"])
def test_noise_is_read_and_understood_as_nothing(tmp_path, garbage):
    (tmp_path / "gc.log").write_bytes(garbage)
    found = _analysis.of_file(str(tmp_path / "gc.log"))
    assert found["figures"]["understood"] == 0
    assert "none of a garbage collection" in found["says"][0]


def test_gzip_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path):
    whole = (SAMPLES / "g1_leak.log.gz").read_bytes()
    (tmp_path / "gc.log.gz").write_bytes(whole[:len(whole) // 2])
    found = _analysis.of_file(str(tmp_path / "gc.log.gz"))
    assert found["figures"]["pauses"]["count"] > 50
    assert "can be read only in part" in found["says"][-1]


def test_an_empty_or_absent_file_is_refused(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    for name, reason in (("empty", "0 bytes"), ("absent", "No such file")):
        with pytest.raises(InvalidInput, match=reason):
            _analysis.of_file(str(tmp_path / name))


def test_utf_16_is_read(tmp_path):
    (tmp_path / "gc.log").write_text("\n".join(lines_of("serial_leak")), encoding="utf-16")
    assert _analysis.of_file(str(tmp_path / "gc.log"))["cause"] == "leak"


def test_files_on_disk_are_analysed_from_the_command_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["x", "--json", str(SAMPLES / "serial_leak.log.gz")])
    assert command_line.main() == 0
    assert json.loads(capsys.readouterr().out)["cause"] == "leak"
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "absent")])
    assert command_line.main() == 1
    assert "Name a file that this user may read." in capsys.readouterr().err
