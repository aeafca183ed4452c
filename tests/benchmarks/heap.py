"""Reading heap dumps: ours against hprof-slurp, VisualVM's library and LeakCanary's shark, on the same dumps, one run each.

Prints Markdown: wall time and peak memory of each, and ratios; asserts nothing. hprof-slurp is taken from PATH
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "analysis" / "heap")]

import dumps  # noqa: E402
import reference  # noqa: E402

#: what a program has to keep for a dump of about one MB
_LEAK_PER_MB, _GRAPH_PER_MB = 0.64, 0.54
_SUBJECT = "ansible_collections.sre.runbooks.plugins.module_utils._hprof._command"


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


def compare(megabytes: int) -> None:
    """A leak's dump, read by everyone."""
    dump = dumps.make("StaticMap", int(megabytes * _LEAK_PER_MB), folder=dumps.BUILD / "benchmark").hprof
    bytes_read = dump.stat().st_size
    # The first reader would pay for the disk.
    dump.read_bytes()
    start = measure([sys.executable, "-c", f"import {_SUBJECT}._analysis, numpy, numba"])
    with tempfile.TemporaryDirectory() as empty:
        cold = ours(dump, XDG_CACHE_HOME=empty, NUMBA_CACHE_DIR=empty)
    runs = {"ours: interpreter and imports only": start, "ours: histogram": ours(dump, "--histogram"), "ours: everything": ours(dump),
            "ours: everything, first run on a machine": cold}
    if shutil.which("hprof-slurp"):
        runs["hprof-slurp: histogram"] = measure(["hprof-slurp", str(dump)])
    reference.forget(dump)
    runs["VisualVM's library: everything"] = measure(reference.visualvm_command(dump, "all"))
    reference.forget(dump)
    runs["shark: path of one leaking object"] = measure(reference.shark_command(dump, "StaticMap$SessionCache"))
    print(f"\n## A leak, dump of {bytes_read / 1e6:.0f} MB\n\n| | wall | peak memory | everything of ours is |\n| --- | --- | --- | --- |")
    whole = runs["ours: everything"]
    for name, run in runs.items():
        print(f"| {name} | {run.cells()} | {ratio(run, whole) if not name.startswith('ours') else ''} |")
    print(f"\nPeak memory of everything is {whole.peak / bytes_read:.2f} times the dump. Beyond interpreter and imports, our histogram took "
          f"{difference(runs['ours: histogram'], start)}.", flush=True)


def shapes(megabytes: int) -> None:
    """Objects that refer to each other at random, against as many in a tree."""
    print(f"\n## Shapes of the graph, {megabytes} MB\n\n| | wall | peak memory |\n| --- | --- | --- |")
    runs = {}
    for shape in ("tree", "random"):
        dump = dumps.make("Graph", int(megabytes * _GRAPH_PER_MB), shape, folder=dumps.BUILD / "benchmark").hprof
        dump.read_bytes()
        runs[shape] = ours(dump)
        print(f"| {shape}, {dump.stat().st_size / 1e6:.0f} MB | {runs[shape].cells()} |")
    if runs["tree"].seconds and runs["random"].seconds:
        print(f"\nRandom against tree: {runs['random'].seconds / runs['tree'].seconds:.1f} times the time.", flush=True)


def ratio(other: Run, whole: Run) -> str:
    """How much faster ours is."""
    return f"{other.seconds / whole.seconds:.1f} times faster" if other.seconds and whole.seconds else ""


def difference(run: Run, start: Run) -> str:
    """Time beyond the interpreter's start."""
    return f"{run.seconds - start.seconds:.2f} s" if run.seconds and start.seconds else "unknown"


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
