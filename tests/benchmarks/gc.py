# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection logs: lines a second by format, and how much of a folder of logs is read.

Prints Markdown and asserts nothing. Speed is in lines for a second of processor time, the best of several runs, of the unit tests' samples and
of generated lines. Accuracy is over files that are not part of this project: give a folder with --fixtures; a file ``expected.tsv`` in it
(name, pauses, seconds in all) is what to judge by, as a peer's tests assert it or its parser says. Without it the log's own account is
shown: what was read, and what is known not to have been.
"""

from __future__ import annotations

import argparse
import collections
import csv
import gzip
import pathlib
import time

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis, _read

_SAMPLES = pathlib.Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/memory/gc_log/samples"
_PARALLEL_8 = ("{n}.000: [GC (Allocation Failure) [PSYoungGen: 305152K->12000K(305664K)] 400000K->107000K(1005056K), 0.2500000 secs] "
               "[Times: user=0.90 sys=0.02, real=0.25 secs]")
_CMS_8 = """{n}.000: [GC (Allocation Failure) {n}.000: [ParNew
Desired survivor size 20971520 bytes, new threshold 6 (max 6)
- age   1:    1936560 bytes,    1936560 total
: 368640K->4096K(368640K), 0.0400000 secs] 900000K->540000K(2056192K), 0.0410000 secs] [Times: user=0.10 sys=0.01, real=0.05 secs]"""
_APPLICATION = "2026-11-24 03:45:16,201 INFO [main] shop.Orders - order [17] took 12 ms"


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", type=pathlib.Path, help="folder of logs to measure the accuracy over")
    parser.add_argument("--lines", type=int, default=20_000, help="lines for the speed (default %(default)s)")
    options = parser.parse_args()
    speed(options.lines)
    if options.fixtures:
        accuracy(options.fixtures)


def speed(count: int) -> None:
    """Lines for a second of processor time."""
    kinds = {name: gzip.decompress((_SAMPLES / f"{name}.log.gz").read_bytes()).decode().splitlines() for name in ("g1_leak", "zgc_leak", "shen_leak")}
    kinds["Parallel of JDK 8"] = [_PARALLEL_8.format(n=n) for n in range(1000)]
    kinds["CMS of JDK 8, ages"] = [line for n in range(1000) for line in _CMS_8.format(n=n).splitlines()]
    kinds["an application's"] = [_APPLICATION]
    print("| lines | lines/s of processor time |\n|---|---|")
    for name, lines in kinds.items():
        repeated = (lines * (count // len(lines) + 1))[:count]
        print(f"| {name} | {count / min(_seconds(repeated) for _run in range(5)):,.0f} |")


def _seconds(lines: list[str]) -> float:
    started = time.process_time()
    _read.read(lines)
    return time.process_time() - started


def accuracy(folder: pathlib.Path) -> None:
    """How many files are read completely, in part, not at all, and wrong."""
    expected = _expected(folder / "expected.tsv")
    tally: collections.Counter[str] = collections.Counter()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "expected.tsv"):
        try:
            figures = _analysis.of_file(str(path))["figures"]
        except InvalidInput:
            continue  # an empty file
        tally[judged(figures["pauses"]["count"], figures["pauses"]["total_seconds"], figures["unread"], expected.get(path.name))] += 1
    print("\n| files | |\n|---|---|")
    for verdict, count in tally.most_common():
        print(f"| {verdict} | {count} |")


def judged(pauses: int, seconds: float, unread: int, expected: tuple[int, float] | None) -> str:
    """One file's verdict."""
    if expected is None:
        return "without a stop" if not pauses + unread else "read, nothing left over" if not unread else "some missing, and said so"
    if pauses == expected[0] and abs(seconds - expected[1]) <= 0.0006 + 0.002 * expected[1]:
        return "read completely"
    return "none read" if not pauses else "some missing" if seconds < expected[1] else "wrong: more than there is"


def _expected(path: pathlib.Path) -> dict[str, tuple[int, float]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {name: (int(pauses), float(seconds)) for name, pauses, seconds in csv.reader(file, delimiter="\t")}


if __name__ == "__main__":
    main()
