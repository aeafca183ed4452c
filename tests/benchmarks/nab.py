# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change points of the 58 labelled series of github.com/numenta/NAB, beside a windowed Gaussian and random.

Ours are those of a prediction, from the whole series at once; the Gaussian sees only the past, with the threshold that suits it best on these series. The
score is made as NAB's is (standard profile: the first detection in a window counts up to 1, one outside costs 0.11 at most, a missed window 1; 0 is
nothing detected, 100 all of them at once), but by a fixed rule for what is early in a series: its first 15 % do not count.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import json
import math
import pathlib
import random
import statistics
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _forecast

PROBATION, PENALTY = 0.15, 0.11
DAY = 86400.0


@dataclasses.dataclass(frozen=True)
class Labelled:
    """One series and the windows in which something happened; times are seconds since 1970."""

    points: list[tuple[float, float]]
    windows: list[tuple[float, float]]

    @property
    def counts_from(self) -> float:
        """The end of the first part, which teaches what is usual."""
        return self.points[int(PROBATION * len(self.points))][0]


@dataclasses.dataclass(frozen=True)
class Score:
    """What detections on all series come to."""

    right: int = 0
    wrong: int = 0
    found: int = 0
    windows: int = 0
    points: float = 0.0

    def __add__(self, other: "Score") -> "Score":
        return Score(*(mine + theirs for mine, theirs in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def __str__(self) -> str:
        precision = self.right / (self.right + self.wrong) if self.right + self.wrong else math.nan
        normal = 100 * (self.points + self.windows) / (2 * self.windows)
        return f"{self.right + self.wrong:>8}{precision:>11.0%}{self.found / self.windows:>8.0%}{normal:>8.1f}"


def load(folder: pathlib.Path) -> list[Labelled]:
    """The series of NAB's folders ``data`` and ``labels``."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    found = []
    for name, windows in sorted(labels.items()):
        with (folder / "data" / name).open(newline="") as file:
            points = [(moment(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
        found.append(Labelled(points, [(moment(begin), moment(end)) for begin, end in windows]))
    return found


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


def ours(one: Labelled) -> list[float]:
    """The change points of a prediction."""
    return list(_forecast.outlook(one.points, None).changes)


def gaussian(one: Labelled, deviations: float) -> list[float]:
    """Values that are that many standard deviations from the day before them; the next hour says the same again and does not count."""
    found: list[float] = []
    begin, total, squares = 0, 0.0, 0.0
    for number, (at, value) in enumerate(one.points):
        while one.points[begin][0] < at - DAY:
            old = one.points[begin][1]
            begin, total, squares = begin + 1, total - old, squares - old * old
        count = number - begin
        if count >= 10:
            mean = total / count
            spread = math.sqrt(max(0.0, squares / count - mean * mean)) or 1e-9
            if abs(value - mean) > deviations * spread and not (found and at - found[-1] < 3600):
                found.append(at)
        total, squares = total + value, squares + value * value
    return found


def score(one: Labelled, detections: t.Sequence[float]) -> Score:
    """Detections of one series against its windows."""
    windows = [window for window in one.windows if window[1] > one.counts_from]
    first: dict[tuple[float, float], float] = {}
    right, wrong, points = 0, 0, 0.0
    for at in sorted(detections):
        if at < one.counts_from:
            continue
        inside = next((window for window in windows if window[0] <= at <= window[1]), None)
        if inside:
            right += 1
            first.setdefault(inside, at)
            continue
        wrong += 1
        before = max((window for window in windows if window[1] < at), default=None)
        # Soon after a window it costs less, as far from one as the window is long all of it.
        points -= PENALTY * (-_sigmoid((at - before[1]) / (before[1] - before[0])) if before else 1.0)
    points += sum(_sigmoid((at - end) / (end - begin)) / _sigmoid(-1.0) for (begin, end), at in first.items())
    return Score(right, wrong, len(first), len(windows), points - (len(windows) - len(first)))


def _sigmoid(position: float) -> float:
    """1 well before the end of a window, 0 at it, -1 well behind it; positions are in lengths of the window."""
    return 2 / (1 + math.exp(5 * min(position, 100.0))) - 1


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="a checkout of github.com/numenta/NAB")
    series = load(parser.parse_args().folder)

    def judged(detect: t.Callable[[Labelled], t.Sequence[float]]) -> Score:
        return sum((score(one, detect(one)) for one in series), Score())

    began = time.process_time()
    found = {id(one): ours(one) for one in series}
    spent = time.process_time() - began
    print(f"{len(series)} series, {sum(len(one.windows) for one in series)} windows\n{'':<28}{'changes':>8}{'precision':>11}{'recall':>8}{'score':>8}")
    print(f"{'ours':<28}{judged(lambda one: found[id(one)])}   {spent:.1f} s of a core")
    best = max(range(3, 16), key=lambda deviations: judged(lambda one: gaussian(one, deviations)).points)
    print(f"{f'windowed Gaussian, {best} sigma':<28}{judged(lambda one: gaussian(one, best))}")
    many = statistics.median(range(3, 16))
    print(f"{f'windowed Gaussian, {many} sigma':<28}{judged(lambda one: gaussian(one, many))}")
    chance = random.Random(7)
    tries = [judged(lambda one: [chance.uniform(one.counts_from, one.points[-1][0]) for _change in found[id(one)]]) for _try in range(20)]
    print(f"{'random, as many, median':<28}{sorted(tries, key=lambda one: one.points)[10]}")


if __name__ == "__main__":
    main()
