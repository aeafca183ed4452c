# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections as JDK 8 and older write them, and what comes between their pieces."""

from __future__ import annotations

AGES = """
Desired survivor size 4194304 bytes, new threshold 7 (max 15)
- age   1:    1936560 bytes,    1936560 total
"""
HEAP = """{Heap before GC invocations=7 (full 1):
 par new generation   total 3686400K, used 368640K [0x0000000640000000, 0x00000006a0000000, 0x00000006a0000000)
  eden space 3276800K,  11% used [0x0000000640000000, 0x000000067140a1f0, 0x0000000680000000)
"""
FREE_LISTS = """Before GC:
Statistics for BinaryTreeDictionary:
------------------------------------
Total Free Space: 7289486
"""
SWEEP = "2026-11-24T03:00:09.000+0000: 9.000: [CMS-concurrent-sweep: 6.244/8.725 secs] [Times: user=0.50 sys=0.01, real=8.73 secs]\n"
HISTOGRAM = """[Class Histogram (before full gc): \n num     #instances         #bytes  class name
----------------------------------------------
   1:      98460990     7018731456  [I
   2:       7387804     2608719296  [C
Total     105848794     9627450752
, 0.2000000 secs]"""
ERGONOMICS = " 10.000: [G1Ergonomics (CSet Construction) start choosing CSet, _pending_cards: 512, predicted base time: 2.55 ms]\n"
STAMP = "2026-11-24T03:00:10.000+0000: 10.000: "

#: pieces of one collection, its collector and kind, seconds, and KiB of the heap afterwards
EVENTS = {
    "parallel, ages": (f"{STAMP}[GC (Allocation Failure) {AGES}[PSYoungGen: 24576K->4080K(28672K)] 24576K->12000K(94208K), 0.0100000 secs]",
                       "Parallel", "young", 0.01, 12000),
    "parallel, sizing policy": ("10.000: [GCAdaptiveSizePolicy::compute_survivor_space_size_and_thresh:  survived: 2721008  overflow: true"
                                "AdaptiveSizeStart: 0.186 collection: 1 \nAdaptiveSizePolicy::survivor space sizes: collection: 1 (2752512, 2752512) -> "
                                "(2752512, 2752512) \nAdaptiveSizeStop: collection: 1 \n [PSYoungGen: 16420K->2657K(19136K)] 16420K->15919K(62848K), "
                                "0.0109211 secs]", "Parallel", "young", 0.0109211, 15919),
    "parallel, full, sizing policy": ("10.000: [Full GCAdaptiveSizeStart: 10.2 collection: 3 \nAdaptiveSizeStop: collection: 3 \n [PSYoungGen: "
                                      "2657K->0K(35584K)] "
                                      "[PSOldGen: 29366K->31933K(66688K)] 32023K->31933K(102272K) [PSPermGen: 2612K->2612K(21248K)], 0.0078451 secs]",
                                      "Parallel", "full", 0.0078451, 31933),
    "parallel, unloaded classes": ("10.000: [Full GC[Unloading class $Proxy111]\n[Unloading class $Proxy225]\n [PSYoungGen: 32064K->0K(819840K)] "
                                   "[PSOldGen: 355405K->387085K(699072K)] 387470K->387085K(1518912K), 1.5692400 secs]", "Parallel", "full", 1.56924, 387085),
    "parallel, references": (f"{STAMP}[GC (Allocation Failure) 10.001: [SoftReference, 0 refs, 0.0000300 secs]10.001: [JNI Weak Reference, 0.0000119 secs]"
                             "[PSYoungGen: 24576K->4080K(28672K)] 24576K->12000K(94208K), 0.0100000 secs]", "Parallel", "young", 0.01, 12000),
    "parallel, promotion failed": ("10.000: [GC-- [PSYoungGen: 24576K->24576K(28672K)] 90000K->94208K(94208K), 0.0100000 secs]", "Parallel", "young", 0.01,
                                   94208),
    "serial": ("10.000: [GC 10.000: [DefNew: 4928K->511K(4928K), 0.0080000 secs]10.008: [Tenured: 10000K->9000K(10944K), 0.1000000 secs] "
               "14000K->9000K(15872K), [Perm : 2600K->2600K(12288K)], 0.1100000 secs]", "Serial", "full", 0.11, 9000),
    "cms, ages, heap and free lists": (f"{STAMP}[GC {HEAP}{FREE_LISTS}10.000: [ParNew{AGES}: 368640K->4096K(368640K), 0.0400000 secs] "
                                       f"900000K->540000K(2056192K){FREE_LISTS}, 0.0410000 secs]", "CMS", "young", 0.041, 540000),
    "cms, a phase in the middle": (f"{STAMP}[GC (Allocation Failure) 10.000: [ParNew{SWEEP}: 368640K->4096K(368640K), 0.0400000 secs] "
                                   "900000K->540000K(2056192K), 0.0410000 secs]", "CMS", "young", 0.041, 540000),
    "cms, promotion failed": (f"{STAMP}[GC (Allocation Failure) 10.000: [ParNew (promotion failed){AGES}: 368640K->360000K(368640K), 0.7300000 "
                              f"secs]10.730: [CMS"
                              f"{SWEEP} (concurrent mode failure): 1650000K->1600000K(1687552K), 42.2000000 secs] 1990000K->1600000K(2056192K), "
                              "[Metaspace: 60000K->60000K(1105920K)], 42.9300000 secs]", "CMS", "full", 42.93, 1600000),
    "cms, bailing out": ("10.000: [Full GC 10.000: [CMSbailing out to foreground collection\n10.434: [CMS-concurrent-mark: 10.548/10.777 secs]\n "
                         "(concurrent mode "
                         "failure): 6014591K->6014592K(6014592K), 79.9352305 secs] 6256895K->6147510K(6256896K), [CMS Perm : 206989K->206977K(262144K)], "
                         "79.9356622 secs]", "CMS", "full", 79.9356622, 6147510),
    "cms, incremental": ("10.000: [GC 10.000: [ParNew: 261760K->1K(261952K), 0.0300000 secs] 300000K->40000K(2096960K) icms_dc=100 , 0.0400000 secs]",
                         "CMS", "young", 0.04, 40000),
    "cms, histogram before": (f"10.000: [Full GC 10.000: {HISTOGRAM}10.200: [CMS: 1000K->900K(2000K), 1.0000000 secs] 1500K->900K(3000K), "
                              "[CMS Perm : 20K->20K(30K)], 1.2500000 secs]", "CMS", "full", 1.25, 900),
    "cms, initial mark": (f"{STAMP}[GC (CMS Initial Mark) [1 CMS-initial-mark: 2540440K(3145728K)] 2542158K(4823488K), 0.0050634 secs]",
                          "CMS", "phase", 0.0050634, None),
    "cms, remark with a young collection in it": (
        f"{STAMP}[GC (CMS Final Remark) [YG occupancy: 576424 K (1677760 K)]{HEAP}{STAMP}[GC (CMS Final Remark) 10.000: [ParNew{AGES}: "
        "576424K->0K(1677760K), 0.0727407 secs] 1408353K->874059K(4823488K), 0.0729255 secs] [Times: user=0.31 sys=0.00, real=0.07 secs]\nHeap after GC "
        "invocations=9 (full 2):\n}\n10.073: [Rescan (parallel) , 0.0115687 secs]10.100: [weak refs processing, 0.0549756 secs] "
        "[1 CMS-remark: 874059K(3145728K)] 874059K(4823488K), 0.2020970 secs]", "CMS", "phase", 0.202097, None),
    "g1, ages and ergonomics": (f"{STAMP}[GC pause (G1 Evacuation Pause) (young){AGES}{ERGONOMICS}, 0.4000000 secs]\n   [Parallel Time: 390.0 ms, GC "
                                f"Workers: 4]\n"
                                "   [Eden: 90.0M(90.0M)->0.0B(90.0M) Survivors: 4096.0K->4096.0K Heap: 200.0M(256.0M)->110.0M(256.0M)]",
                                "G1", "young", 0.4, 110 << 10),
    "g1, glued to a concurrent phase": ("10.000: [GC pause (young)2026-11-24T03:00:09.900+0000: 9.900: [GC concurrent-root-region-scan-end, 0.3550210 secs]\n"
                                        "2026-11-24T03:00:09.900+0000: 9.900: [GC concurrent-mark-start]\n, 0.3349320 secs]\n"
                                        "   [Eden: 90.0M(90.0M)->0.0B(90.0M) Survivors: 4096.0K->4096.0K Heap: 200.0M(256.0M)->110.0M(256.0M)]",
                                        "G1", "young", 0.334932, 110 << 10),
    "g1, mixed, decimal commas": ("10,000: [GC pause (G1 Evacuation Pause) (mixed), 0,0213000 secs]\n"
                                  "   [Eden: 90,0M(90,0M)->0,0B(90,0M) Survivors: 4096,0K->4096,0K Heap: 200,0M(256,0M)->110,0M(256,0M)]",
                                  "G1", "mixed", 0.0213, 110 << 10),
    "g1, mark stack": ("10.000: [GC pause (young)Mark stack is full.\nSetting abort in CSMarkOopClosure because push failed.\n, 0.08032150 secs]\n   "
                       "[ 255M->181M(256M)]",
                       "G1", "young", 0.0803215, 181 << 10),
    "g1, full in a concurrent cycle": ("10.000: [Full GC (Metadata GC Threshold) [GC concurrent-root-region-scan-start]\n10.001: [GC "
                                       "concurrent-root-region-scan-end, "
                                       "0.0002076 secs]\n10.001: [GC concurrent-mark-start]\n 3227M->3226M(4096M), 1.3813895 secs]", "G1", "full", 1.3813895,
                                       3226 << 10),
    "g1, remark": ("10.000: [GC remark 10.001: [Finalize Marking, 0.0008144 secs] 10.001: [GC ref-proc, 0.0066596 secs] 10.010: [Unloading, 0.0904835 secs], "
                   "0.1005220 secs]", "G1", "phase", 0.100522, None),
    "shenandoah, full": ("2026-11-24T03:00:05.000+0000: 10.000: [Pause Full, start]\n    Using 2 of 2 workers for full gc\n"
                         "2026-11-24T03:00:09.077+0000: 14.077: [Pause Full 3900M->800M(3991M), 4077.274 ms]", "Shenandoah", "full", 4.077274, 800 << 10),
    "shenandoah, phase": ("10.000: [Pause Init Mark (process weakrefs), start]\n10.004: [Pause Init Mark (process weakrefs), 4.512 ms]",
                          "Shenandoah", "phase", 0.004512, None),
    "ids": (f"{STAMP}#0: [GC (Allocation Failure) [PSYoungGen: 32000K->5000K(38000K)] 32000K->9000K(123000K), 0.0100000 secs]", "Parallel", "young", 0.01,
            9000),
    "no stamps": ("[GC 325407K->83000K(776768K), 0.2300771 secs]", "", "young", 0.2300771, 83000),
    "jdk 1.3": ("[Full GC invoke=2 size=0 <System.gc()> 93589K->92458K(1571712K) new 7773K->0K(31616K) tenured 85815K->92458K(1540096K), 1.9574394 secs]",
                "", "full", 1.9574394, 92458),
}
NOISE = "2026-11-24 03:45:16,201 INFO [main] shop.Orders - order [17] took (12) ms, {a=[1, 2]} and 5 secs\n"
HEADER = """OpenJDK 64-Bit Server VM (25.352-b08) for linux-amd64 JRE (1.8.0_352-b08), built on Oct 16 2022 00:38:58 by "mockbuild" with gcc 8.5.0
Memory: 4k page, physical 32551620k(2213748k free), swap 16412668k(16409852k free)
CommandLine flags: -XX:CMSInitiatingOccupancyFraction=92 -XX:MaxHeapSize=2147483648 -XX:+PrintGC -XX:+UseConcMarkSweepGC -XX:-UseLargePages
"""
