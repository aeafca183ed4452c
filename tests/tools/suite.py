"""Everything that must pass, in lanes: what computes beside what waits.

Static stages compute: they run one after another, and give way to the drills. Drills mostly wait: each cluster of the lab is a
lane that takes the next drill of one queue, longest first. A stage is a target of make. Its output is shown when it ends; the
lines that say why something failed come again at the end, before the figures.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"

STATIC = ("unit", "lint", "docs", "sanity", "package", "database", "analysis", "newest")
#: needs a cluster that nothing has changed yet, so a lane begins with it
ON_A_NEW_CLUSTER = "drills-correlation"
#: what takes minutes begins first, so that the lanes end at about the same time; the others come in any order
LONGEST = ("drills-data", "drills-auth", "drills-mitigations", "drill-auth_overload", "drills-guardrails", "drills-gateway", "drills-runbooks")
#: CI ends a run after 90 minutes, wherever it is; by then the lab must be down again
CI_SECONDS = 80 * 60
#: for drills to set the shop back after an interrupt
GRACE_SECONDS = 60
#: lines that say why, for a reader of a long log
WHY = re.compile(r"fatal:|^E   |^FAILED|ERROR")


@dataclasses.dataclass(frozen=True)
class Result:
    """How one stage went: seconds on the clock, and seconds that it and its children computed on this machine (without pods)."""

    name: str
    passed: bool
    seconds: float
    computing: float

    def __str__(self) -> str:
        return f"{self.name:<28}{self.seconds:6.0f} s{self.computing:8.0f} s  {'passed' if self.passed else 'FAILED'}"


class Suite:
    """Runs stages, a few at the same time, and keeps how they went."""

    def __init__(self, logs: pathlib.Path, again: bool = False) -> None:
        self.logs, self.again = logs, again
        self.second: list[str] = []
        self.results: list[Result] = []
        self.left_out: list[str] = []
        self.stopped = False
        self._running: set[int] = set()
        self._beginning, self._printing = threading.Lock(), threading.Lock()

    def stage(self, target: str, *variables: str, cluster: str = "", gives_way: bool = False, always: bool = False) -> bool:
        """Run one target of make to its end; returns whether it passed.

        :param gives_way: let everything else compute first.
        :param always: also after a stop.
        """
        log = self.logs / f"{target}.log"
        began = time.monotonic()
        with self._beginning:
            if self.stopped and not always:
                self.left_out.append(target)
                return False
            process = self._start([*(["nice", "-n", "10"] if gives_way else []), "make", "--no-print-directory", target, *variables], cluster, log)
        self._say(f"==> {target} begins{f' on {cluster}' if cluster else ''}")
        _pid, status, usage = os.wait4(process.pid, 0)
        self._running.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        result = Result(target, process.returncode == 0, time.monotonic() - began, usage.ru_utime + usage.ru_stime)
        self._say(f"\n==> {target}\n{log.read_text(errors='replace')}==> {result}\n")
        self.results.append(result)
        return result.passed

    def static(self) -> None:
        """What computes, one after another."""
        for name in STATIC:
            self.stage(name, gives_way=True)
        self._once_more(STATIC)

    def drills(self, lanes: int) -> None:
        """Bring the lab up, run every drill in these lanes, and take down what was not up before."""
        ours = subprocess.run([LAB, "status"], capture_output=True, check=False).returncode != 0
        try:
            if self.stage("lab-up", f"CLUSTERS={lanes}"):
                self._in_lanes(lanes)
                self.stage("fleet")
                self._once_more([*every_drill(), "fleet"], cluster="lab1")
        finally:
            if ours:
                self.stage("lab-down", always=True)
            else:
                self._say("==> The lab was up already: it is left up")

    def stop(self) -> None:
        """Begin nothing more and interrupt what runs; what has not ended after a while of grace is killed."""
        with self._beginning:
            self.stopped = True
            told = set(self._running)
        _signal(told, signal.SIGINT)
        deadline = time.monotonic() + GRACE_SECONDS
        while told & self._running and time.monotonic() < deadline:
            time.sleep(0.2)
        _signal(told & self._running, signal.SIGKILL)

    def passed(self) -> bool:
        """Whether every stage ran and passed."""
        return not self.left_out and all(result.passed for result in self.results)

    def summary(self) -> str:
        """Why stages failed, how long each took, the longest first, and the figures."""
        failed = [result for result in self.results if not result.passed]
        lines = []
        for result in failed:
            said = (self.logs / f"{result.name}.log").read_text(errors="replace").splitlines()
            lines += [f"{result.name} failed:", *[line[:1500] for line in said if WHY.search(line)][-12:]]
        lines += [f"{'':<28}{'seconds':>8}{'computing':>10}", *map(str, sorted(self.results, key=lambda result: -result.seconds))]
        lines += [f"{name:<28} failed beside the other lanes, and was run once more alone" for name in self.second]
        lines += [f"{name:<28} was not run" for name in self.left_out]
        return "\n".join([*lines, "", f"{len(self.results) - len(failed)} passed, {len(failed) + len(self.left_out)} failed"])

    def _once_more(self, names: t.Iterable[str], cluster: str = "") -> None:
        """What failed while every lane was busy, alone: for a machine that decides about a change and has two cores."""
        for failed in [result for result in self.results if self.again and not self.stopped and not result.passed and result.name in names]:
            self.results.remove(failed)
            self.second.append(failed.name)
            self.stage(failed.name, cluster=cluster)

    def _in_lanes(self, lanes: int) -> None:
        waiting = collections.deque(in_order(every_drill()))
        with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
            ends = [pool.submit(self._lane, f"lab{lanes}", waiting, begins_with=[ON_A_NEW_CLUSTER])]
            ends += [pool.submit(self._lane, f"lab{number}", waiting) for number in range(1, lanes)]
        for end in ends:
            end.result()

    def _lane(self, cluster: str, waiting: collections.deque[str], begins_with: t.Iterable[str] = ()) -> None:
        """Take drills for one cluster until none is left."""
        for name in itertools.chain(begins_with, _taken_from(waiting)):
            self.stage(name, cluster=cluster)

    def _start(self, command: list[str], cluster: str, log: pathlib.Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **({"LAB_CLUSTER": cluster} if cluster else {})}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        self._running.add(process.pid)
        return process

    def _say(self, text: str) -> None:
        with self._printing:
            print(text, flush=True)


def _taken_from(waiting: collections.deque[str]) -> t.Iterator[str]:
    with contextlib.suppress(IndexError):  # another lane took the last one
        while True:
            yield waiting.popleft()


def _signal(groups: t.Iterable[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or sudo passes it on
            os.killpg(group, number)


def every_drill() -> list[str]:
    """The targets of all drills that one cluster is enough for: molecule's scenarios, and the files in Python."""
    scenarios = [f"drill-{path.parent.name}" for path in ROOT.glob("extensions/molecule/*/molecule.yml")]
    files = [f"drills-{path.stem.removeprefix('test_')}" for path in ROOT.glob("tests/drills/test_*.py")]
    return sorted(scenarios) + sorted(files)


def in_order(drills: t.Iterable[str]) -> list[str]:
    """The longest first; without the one that a lane begins with."""
    place = {name: number for number, name in enumerate(LONGEST)}
    return sorted(set(drills) - {ON_A_NEW_CLUSTER}, key=lambda name: (place.get(name, len(place)), name))


def main() -> int:
    """Run it all; the exit status says whether everything passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=3, help="clusters that drills run on at the same time (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="run what failed once more, alone, and say so")
    options = parser.parse_args()
    if not sys.stdout.isatty():
        os.environ.update(NO_COLOR="1", ANSIBLE_NOCOLOR="1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as logs:
        suite = Suite(pathlib.Path(logs), options.again)
        interrupted = _run(suite, options.lanes)
        print(f"\n==> make test took {time.monotonic() - began:.0f} s\n{suite.summary()}", flush=True)
    if interrupted:
        return 130
    return 0 if suite.passed() else 1


def _run(suite: Suite, lanes: int) -> bool:
    """Both sides to their end; returns whether somebody interrupted them."""
    if os.environ.get("CI"):
        limit = threading.Timer(CI_SECONDS, suite.stop)
        limit.daemon = True
        limit.start()
    interrupted = False
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sides = [pool.submit(suite.static), pool.submit(suite.drills, lanes)]
        while not all(side.done() for side in sides):
            try:
                concurrent.futures.wait(sides)
            except KeyboardInterrupt:
                if not interrupted:
                    print("==> interrupted: what runs is told to end, and the lab is taken down unless it was up before", flush=True)
                    pool.submit(suite.stop)
                interrupted = True
    for side in sides:
        side.result()
    return interrupted


if __name__ == "__main__":
    sys.exit(main())
