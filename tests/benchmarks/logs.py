"""Log patterns: how well and how fast, ours against drain3.

Prints Markdown and asserts nothing. Speed is of a million generated lines; accuracy of labelled sets, which are not part of this
project: give the folder of LogHub's 2k sets (NAME_2k.log_structured.csv with Content and EventId) with --sets. A line counts as
right when its group is exactly its true group. Our three parameters are chosen for each set by the others.
"""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import functools
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from unittest import mock

from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _group
from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

_SUBJECT = "ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._command"
#: what anybody would mask without knowing the log
_MASKS = [(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b", "IP"), (r"\b0x[0-9a-fA-F]+\b", "HEX"), (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
          (r"(?<![A-Za-z0-9])[-+]?\d+(\.\d+)?(?![A-Za-z0-9])", "NUM")]
_CHOICES = [(fewest, names, share) for fewest in (2, 3, 4, 5) for names in (5, 8, 16) for share in (0.6, 0.7, 0.8)]

_PARAMETERS = ("FEWEST_VALUES", "FEWEST_NAMES", "LEAST_CONSTANT")
_SHIPPED = tuple(getattr(_group, name) for name in _PARAMETERS)
#: makes a record of a message, whatever it begins with
_TIME = "2026-11-24T03:00:00Z"

Labels = t.Sequence[t.Hashable]


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=pathlib.Path, help="folder of labelled sets")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines for the speed (default %(default)s)")
    options = parser.parse_args()
    if options.sets:
        accuracy(options.sets)
    speed(options.lines)


def accuracy(folder: pathlib.Path) -> None:
    """Grouping accuracy of every set: of its messages alone, as is customary, and of the log as it was written."""
    sets = {path.name.removesuffix("_2k.log_structured.csv"): _labelled(path) for path in sorted(folder.glob("*_structured.csv"))}
    raw = {name: (folder / f"{name}_2k.log").read_text(encoding="utf-8", errors="replace").splitlines() for name in sets}
    records = {name: [f"{_TIME} {message}" for message in messages] for name, (messages, _labels) in sets.items()}
    scores = {choice: {name: right(_ours(records[name], choice), labels) for name, (_messages, labels) in sets.items()} for choice in _CHOICES}
    print(f"{len(sets)} sets. Mean over them, for any of the {len(_CHOICES)} choices of our parameters: "
          + " to ".join(f"{of(statistics.mean(score.values()) for score in scores.values()):.3f}" for of in (min, max)) + ".\n")
    print("| set | ours, chosen by the other sets | as shipped | drain3, generic masks | drain3 | with headers: ours | drain3, generic masks |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for name, (messages, labels) in sets.items():
        best = max(_CHOICES, key=lambda choice: sum(score for other, score in scores[choice].items() if other != name))
        found = (_ours(records[name]), _drain(messages, _MASKS), _drain(messages, []), _ours(raw[name]), _drain(raw[name], _MASKS))
        rows.append((scores[best][name], *(right(one, labels) for one in found)))
        print(f"| {name} | {rows[-1][0]:.3f} {best} | " + " | ".join(f"{score:.3f}" for score in rows[-1][1:]) + " |")
    for title, of in (("mean", statistics.mean), ("least", min)):
        print(f"| **{title}** | " + " | ".join(f"**{of(column):.3f}**" for column in zip(*rows, strict=True)) + " |")
    print()


def right(found: Labels, true: Labels) -> float:
    """The share of lines whose group is exactly a true one."""
    members: dict[t.Hashable, list[int]] = collections.defaultdict(list)
    wanted: dict[t.Hashable, list[int]] = collections.defaultdict(list)
    for index, (one, other) in enumerate(zip(found, true, strict=True)):
        members[one].append(index)
        wanted[other].append(index)
    exact = {tuple(group) for group in wanted.values()}
    return sum(len(group) for group in members.values() if tuple(group) in exact) / len(true)


def _labelled(path: pathlib.Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["Content"] for row in rows], [row["EventId"] for row in rows]


def _ours(lines: t.Sequence[str], parameters: t.Sequence[float] = _SHIPPED) -> Labels:
    """The number of each line's pattern, as the command line's --assign writes it."""
    chosen = dict(zip(_PARAMETERS, parameters, strict=True))
    with mock.patch.multiple(_group, **chosen), tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        return _files.numbered(file.name)[1]


def _drain(lines: t.Sequence[str], masks: t.Sequence[tuple[str, str]]) -> Labels:
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(*mask) for mask in masks]
    miner = TemplateMiner(config=config)
    return [miner.add_log_message(line)["cluster_id"] for line in lines]


def speed(lines: int) -> None:
    """Lines per second, the best of several runs, of a file with headers and times, compared with the hour before.

    drain3 gets a fiftieth of its messages, in memory, without headers.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "app.log")
        messages = _generate(path, lines)
        _files.patterns_of([str(path)])  # compiled from here on
        ours = _best(7, lambda: _files.patterns_of([str(path)], "2026-11-24T02:00:00Z"), lines)
        command, peak = _command(path)
    print(f"{lines} lines, {len(messages)} of them for drain3. The whole command, with the start of Python: {command:.2f} s, {peak / 1e6:.0f} MB at most.\n")
    print("| | lines/s | a second of processor time | ours is faster |\n|---|---|---|---|")
    print(f"| ours, file with headers | {ours[0]:,.0f} | {ours[1]:,.0f} | |")
    for title, masks in (("drain3, generic masks, header stripped", _MASKS), ("drain3, no masks, header stripped", [])):
        theirs = _best(5, functools.partial(_drain, messages, masks), len(messages))
        ratios = " and ".join(f"{one / other:.0f} ×" for one, other in zip(ours, theirs, strict=True))
        print(f"| {title} | {theirs[0]:,.0f} | {theirs[1]:,.0f} | {ratios} |")


def _best(runs: int, work: t.Callable[[], t.Any], lines: int) -> tuple[float, float]:
    """Lines a second by the clock and by the processor's, each of its best run."""
    taken = []
    for _run in range(runs):
        started = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return lines / min(clock for clock, _cpu in taken), lines / min(cpu for _clock, cpu in taken)


def _command(path: pathlib.Path) -> tuple[float, int]:
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", _SUBJECT, str(path)], stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def _generate(path: pathlib.Path, lines: int) -> list[str]:
    """A log of 134 templates, as skewed as real ones are.

    :returns: the messages of the first fiftieth, without their headers.
    """
    chance = random.Random(7)
    verbs = "opened closed read wrote sent got kept".split()
    things = [f"{one}{two}" for one in ("order", "cart", "user", "stock") for two in ("Store", "Cache", "Queue", "Index", "Log")]
    templates = [f"{thing} {verb} %d entries of %x in %d ms for {'client' if number % 2 else 'customer %d of'} {thing.lower()}"
                 for number, (verb, thing) in enumerate((verb, thing) for verb in verbs for thing in things)][:134]
    weights = [1 / (rank + 1) for rank in range(len(templates))]
    at = datetime.datetime(2026, 11, 24, 1)
    kept = []
    with path.open("w", encoding="utf-8") as file:
        for number, template in enumerate(chance.choices(templates, weights, k=lines)):
            at += datetime.timedelta(milliseconds=7)
            message = template % tuple(chance.randrange(10 ** 6) for _place in range(template.count("%")))
            file.write(f"{at.isoformat(timespec='milliseconds')}Z INFO [worker-{number % 16}] {message}\n")
            if number < lines // 50:
                kept.append(message)
    return kept


if __name__ == "__main__":
    main()
