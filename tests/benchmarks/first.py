# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which series moved first, on the labelled cases of amazon-science/petshop-root-cause-analysis (CC-BY-4.0), beside N-sigma and random.

A case is a node's latency or availability that went wrong, and the node that caused it. Every node is a candidate by its metrics of that kind. Cases of
a scenario without metrics of normal operation are left out, and counted.
"""

from __future__ import annotations

import argparse
import csv
import json
import pathlib
import random
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _first

#: node -> rows of time and value
Metrics = t.Dict[str, t.List[t.Tuple[float, float]]]
Ranker = t.Callable[[Metrics, float], t.List[str]]


def read(path: pathlib.Path, metric: str) -> Metrics:
    """The averages of a metric of each node."""
    with path.open(newline="") as file:
        nodes, metrics, statistic, *rows = list(csv.reader(file))
    found: Metrics = {}
    for at, node in enumerate(nodes):
        if (metrics[at], statistic[at]) == (metric, "Average"):
            found[node] = [(float(row[0]), float(row[at])) for row in rows if row[at] and row[0][:1].isdigit()]
    return found


def cases(folder: pathlib.Path) -> tuple[list[tuple[Metrics, float, str]], int]:
    """Metrics from before and during a case, its beginning, and its cause; and how many cases cannot be told."""
    found, left_out = [], 0
    for target in sorted(folder.glob("*/*/issue_*/target.json")):
        usual = target.parents[2] / "noissue" / "metrics.csv"
        if not usual.is_file() or usual.stat().st_size < 1000:
            left_out += 1
            continue
        case = json.loads(target.read_text())
        metric = case["target"]["metric"]
        before, during = read(usual, metric), read(target.parent / "metrics.csv", metric)
        found.append((_after(before, during), float(case["target"]["timestamp"]), case["root_cause"]["node"]))
    return found, left_out


def _after(before: Metrics, during: Metrics) -> Metrics:
    """One behind the other: normal operation was recorded at another time, and here ends an hour before the case."""
    moved = min(at for points in during.values() for at, _value in points) - 3600 - max(at for points in before.values() for at, _value in points)
    return {node: [(at + moved, value) for at, value in before.get(node, [])] + points for node, points in during.items()}


def moved_first(metrics: Metrics, onset: float) -> list[str]:
    """Ours."""
    return [move.series for move in _first.moved_first(metrics, onset)]


def n_sigma(metrics: Metrics, onset: float) -> list[str]:
    """By how many standard deviations from the mean of before a node went at most."""
    scores = {}
    for node, points in metrics.items():
        usual = [value for at, value in points if at < onset - _first.BEFORE]
        around = [value for at, value in points if onset - _first.BEFORE <= at <= onset + _first.AFTER]
        if len(usual) > 1 and around:
            scores[node] = max(abs(value - statistics.fmean(usual)) for value in around) / (statistics.stdev(usual) or 1e-9)
    return sorted(scores, key=lambda node: -scores[node])


def at_random(seed: int) -> Ranker:
    """Any order of the nodes that have samples."""
    chance = random.Random(seed)
    return lambda metrics, _onset: chance.sample(nodes := sorted(node for node, points in metrics.items() if points), len(nodes))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="the data set's folder `dataset`")
    given, left_out = cases(parser.parse_args().folder)
    print(f"{len(given)} cases, {left_out} left out for want of metrics of normal operation; the cause is first, among the first three")
    for name, rankers in {"moved first": [moved_first], "N-sigma": [n_sigma], "random, mean of 50": [at_random(seed) for seed in range(50)]}.items():
        cells = []
        for late in (0, 60):
            ranks = [ranker(metrics, onset + late) for ranker in rankers for metrics, onset, _cause in given]
            causes = [cause for _ranker in rankers for _metrics, _onset, cause in given]
            cells += [statistics.fmean(cause in rank[:most] for rank, cause in zip(ranks, causes, strict=True)) for most in (1, 3)]
        print(f"{name:<20} {cells[0]:>6.0%} {cells[1]:>6.0%}   onset 60 s late {cells[2]:>6.0%} {cells[3]:>6.0%}")


if __name__ == "__main__":
    main()
