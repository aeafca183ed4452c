"""Reading heap dumps: ours against hprof-slurp, VisualVM's library and LeakCanary's shark, on the same dumps, one run each.

Prints Markdown: wall time and peak memory of each, and the ratios that are promised beside what was measured; asserts nothing.
What takes about a second is run three times, and the fastest counts. hprof-slurp is taken from PATH
(cargo install hprof-slurp) and left out where it is not; what others keep beside a dump is removed before they are timed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "analysis" / "heap")]

import dumps  # noqa: E402
import reference  # noqa: E402

#: what a program has to keep for a dump of about one MB
_LEAK_PER_MB, _GRAPH_PER_MB = 0.64, 0.54
_SLURP, _VISUALVM = "hprof-slurp: histogram", "VisualVM's library: everything"
_IMPORTS, _START = "ours: interpreter and imports only", "ours: histogram of a dump of 4 MB"
_SUBJECT = "ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._command"
#: what our command does before it reads anything, and how it ends
_IMPORT = f"import gc, os, {_SUBJECT} as command; gc.disable(); from {_SUBJECT.rpartition('.')[0]} import _analysis; os._exit(0)"


@dataclasses.dataclass(frozen=True)
class Run:
    """One command's wall time in seconds and peak memory in bytes; None where it failed."""

    seconds: float | None
    peak: int

    def cells(self) -> str:
        """Two cells of a table."""
        return f"{self.seconds:.2f} s | {self.peak / 1e6:.0f} MB" if self.seconds is not None else "failed | "


def measure(command: list[str], **environment: str) -> Run:
    """Run it once."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(ROOT / ".build" / "collections"), **environment})
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(time.perf_counter() - started if process.returncode == 0 else None, usage.ru_maxrss * 1024)


def ours(dump: pathlib.Path, *options: str, **environment: str) -> Run:
    """Our command line, as a user calls it."""
    return measure([sys.executable, "-m", _SUBJECT, str(dump), *options], **environment)


def warm(dump: pathlib.Path) -> None:
    """The first reader would pay for the disk. (What this process itself takes would count as its children's peak.)"""
    with open(dump, "rb") as file:
        while file.read(1 << 20):
            pass


def best_of(runs: int, run: t.Callable[[], Run]) -> Run:
    """The fastest: what takes a second is disturbed by little."""
    return min((run() for _each in range(runs)), key=lambda one: one.seconds or float("inf"))


def compare(megabytes: int) -> None:
    """A leak's dump, read by everyone."""
    dump = dumps.make("StaticMap", int(megabytes * _LEAK_PER_MB), folder=dumps.BUILD / "benchmark").hprof
    warm(dump)
    with tempfile.TemporaryDirectory() as empty:
        cold = ours(dump, XDG_CACHE_HOME=empty, NUMBA_CACHE_DIR=empty)
    ours(dump)  # compiles what is not kept yet
    start = best_of(3, lambda: measure([sys.executable, "-c", _IMPORT]))
    tiny = dumps.make("StaticMap", 1).hprof
    runs = {_IMPORTS: start, _START: best_of(3, lambda: ours(tiny, "--histogram")), "ours: histogram": best_of(3, lambda: ours(dump, "--histogram")),
            "ours: everything": ours(dump), "ours: everything, first run on a machine": cold}
    if shutil.which("hprof-slurp"):
        runs[_SLURP] = best_of(3, lambda: measure(["hprof-slurp", str(dump)]))
    reference.forget(dump)
    runs[_VISUALVM] = measure(reference.visualvm_command(dump, "all"))
    reference.forget(dump)
    runs["shark: path of one leaking object"] = measure(reference.shark_command(dump, "StaticMap$SessionCache"))
    table(f"A leak, dump of {dump.stat().st_size / 1e6:.0f} MB", runs)
    judge(runs, dump.stat().st_size)


def judge(runs: dict[str, Run], size: int) -> None:
    """The ratios that are promised."""
    whole, histogram, visualvm = runs["ours: everything"], runs["ours: histogram"], runs[_VISUALVM]
    print("\n| | measured | wanted |\n| --- | --- | --- |")
    for name, start in (("interpreter and imports", _IMPORTS), ("what a dump of 4 MB takes", _START)):
        beyond = Run((histogram.seconds or 0) - (runs[start].seconds or 0), histogram.peak)
        if _SLURP in runs:
            print(f"| histogram beyond {name}, to hprof-slurp | {ratio(beyond, runs[_SLURP])} | at most 1.0 |")
    print(f"| everything, VisualVM's library to ours | {ratio(visualvm, whole)} | at least 15 |\n"
          f"| peak memory of everything, to VisualVM's library | {whole.peak / visualvm.peak:.2f} | below 1 |\n"
          f"| peak memory of everything, to the dump | {whole.peak / size:.2f} | at most 2 |\n"
          f"| first run on a machine | {runs['ours: everything, first run on a machine'].seconds or 0:.1f} s | below 15 s |", flush=True)


def shapes(megabytes: int) -> None:
    """Objects that refer to each other at random, against as many in a tree."""
    runs = {}
    for shape in ("tree", "random"):
        dump = dumps.make("Graph", int(megabytes * _GRAPH_PER_MB), shape, folder=dumps.BUILD / "benchmark").hprof
        warm(dump)
        runs[f"{shape}, {dump.stat().st_size / 1e6:.0f} MB"] = ours(dump)
    table("Shapes of the graph", runs)
    print(f"\n| | measured | wanted |\n| --- | --- | --- |\n| random references to a tree | {ratio(*reversed(list(runs.values())))} | at most 3 |", flush=True)


def table(title: str, runs: dict[str, Run]) -> None:
    """Wall time and memory of each."""
    print(f"\n## {title}\n\n| | wall | peak memory |\n| --- | --- | --- |")
    for name, run in runs.items():
        print(f"| {name} | {run.cells()} |")


def ratio(one: Run, other: Run) -> str:
    """Wall time of one to that of the other."""
    return f"{one.seconds / other.seconds:.2f}" if one.seconds and other.seconds else "unknown"


def main() -> None:
    """Measure each size, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", type=int, nargs="*", default=[200, 1000], help="sizes of the dumps")
    sizes = parser.parse_args().megabytes
    for megabytes in sizes:
        compare(megabytes)
    shapes(max(sizes))


if __name__ == "__main__":
    main()
