# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches its limit within a week: ours beside predict_linear and a seasonal naive forecast, on 30 days of 50 seeded services.

In memory with a sample in five minutes; with --real written as blocks with a sample in 15 seconds, and read from a real Prometheus over HTTP.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import math
import pathlib
import random
import resource
import statistics
import sys
import tempfile
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/history"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "history"))

import real_prometheus
import services
from services import BEGIN, DAY, HOUR, LIMIT, Service, service

from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import Place, Prometheus
from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _forecast, _series

AHEAD = 7 * DAY
#: seconds between two samples of a real Prometheus, and of one of its blocks
SCRAPED, BLOCK = 15, 162 * HOUR
Points = t.Sequence[t.Any]
Judge = t.Callable[[Service, Points, float], bool]


def fifty(seed: int, step: int = services.STEP) -> t.Iterator[Service]:
    """Eight leaks and four pools that grow, with deploys, gaps and a week's season; 38 that do neither."""
    chance = random.Random(seed)

    def draw(low: float, high: float) -> float:
        return chance.uniform(low, high)

    def usual() -> dict[str, t.Any]:
        return {"days": 30, "step": step, "daily": draw(0.05, 0.2), "weekend": draw(0.4, 1), "noise": draw(0.003, 0.01)}

    for number in range(12):
        yield service(f"{'leak' if number < 8 else 'pool'}-{number}", seed + number, **usual(), leak=draw(0.04, 0.12),
                      leak_from=draw(6, 20), base=draw(0.2, 0.35),
                      gaps=((draw(2, 3), draw(3.1, 3.8)),) if number % 3 == 0 else (), deploys=(draw(1, 4),) if number % 2 else ())
    for number in range(38):
        kind = number % 7
        more: dict[str, t.Any] = ({}, {"sawtooth": draw(0.05, 0.3), "period_hours": draw(1, 30)}, {"deploys": tuple(sorted(draw(1, 29) for _time in range(4)))},
                                  {"warm_up": draw(0.05, 0.3), "warm_hours": draw(2, 36), "deploys": (draw(5, 25),)}, {"job": draw(0.1, 0.3)},
                                  {"gaps": ((draw(5, 10), draw(11, 13)),)}, {"daily": draw(0.3, 0.45), "weekend": draw(0.2, 0.6)})[kind]
        name = ("season", "sawtooth", "deploys", "warm-up", "job", "gap", "strong-season")[kind]
        yield service(f"{name}-{number}", seed + 100 + number, **{**usual(), **more})


def upto(points: Points, now: float) -> Points:
    """Those that are known by then."""
    return points[:bisect.bisect_right(points, now, key=lambda point: point[0])]


def between(points: Points, begin: float, end: float) -> list[float]:
    """The values after the one time and up to the other."""
    return [float(value) for _at, value in upto(points, end)[len(upto(points, begin)):]]


def ours(one: Service, points: Points, _now: float) -> bool:
    """What the module says."""
    return _forecast.outlook(points, LIMIT, horizon=AHEAD / DAY, counter=one.name.startswith(COUNTED)).verdict == _forecast.REACHES


def linear(_one: Service, points: Points, now: float) -> bool:
    """predict_linear(memory[1d], 7 days) > limit."""
    then = services.predict_linear(list(points), now, DAY, AHEAD)
    return then is not None and then > LIMIT


def seasonal_naive(_one: Service, points: Points, now: float) -> bool:
    """The last day as it is, plus what it has over the same day a week before."""
    last, before = between(points, now - DAY, now), between(points, now - 8 * DAY, now - 7 * DAY)
    return bool(last and before) and max(last) + statistics.mean(last) - statistics.mean(before) > LIMIT


#: services of a real Prometheus that are counted, as bytes, by a counter that starts again; that nothing was ever scraped of but for a day
COUNTED, QUIET = "resets", "quiet"
MEMORY, SENT = "memory", "sent_total"


def scraped(seed: int) -> t.Iterator[tuple[Service, Points]]:
    """The fifty, four of them of other kinds, with what a Prometheus has of them."""
    for number, one in enumerate(fifty(seed, SCRAPED)):
        if one.name.startswith("season-"):
            quiet = number % 2 == 0
            one = dataclasses.replace(one, name=one.name.replace("season", QUIET if quiet else COUNTED))
            yield one, one.points[-DAY // SCRAPED:] if quiet else counted(one)
        else:
            yield one, one.points


def counted(one: Service) -> list[tuple[float, float]]:
    """A counter that grows by the service's values each second, and is zero again every four days."""
    total, found = 0.0, []
    for number, (at, value) in enumerate(one.points):
        total = 0.0 if number % (4 * DAY // SCRAPED) == 0 else total + value * SCRAPED
        found.append((at, total))
    return found


def write_blocks(shop: t.Iterable[tuple[Service, Points]], directory: pathlib.Path, moved: float) -> list[Service]:
    """The samples as a Prometheus' blocks, and the services without them. Each file has the time of one block, so that promtool reads it once."""
    files: dict[int, t.TextIO] = {}
    bare = []
    for one, points in shop:
        name = SENT if one.name.startswith(COUNTED) else MEMORY
        for at, value in points:
            number = int((at + moved) // BLOCK)
            if number not in files:
                files[number] = (directory / f"{number}.om").open("w")
            files[number].write(f'{name}{{service="{one.name}"}} {value:.0f} {at + moved:.0f}\n')
        bare.append(dataclasses.replace(one, points=(), full_at=one.full_at and one.full_at + moved))
    for file in files.values():
        file.write("# EOF\n")
        file.close()
        real_prometheus.create_blocks(pathlib.Path(file.name), directory / "data", longest=f"{BLOCK // HOUR}h")
        pathlib.Path(file.name).unlink()
    return bare


def real(seed: int, every: int) -> None:
    """Print the table for what a real Prometheus has, and what it all costs."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        began = spent()
        # The last look is at the last whole hour.
        moved = time.time() // HOUR * HOUR - BEGIN - 30 * DAY
        shop = write_blocks(scraped(seed), directory, moved)
        written = spent()
        print(f"{len(shop)} services, 30 days with a sample in {SCRAPED} s, made and written as blocks of "
              f"{sum(one.stat().st_size for one in directory.rglob('*')) / 2 ** 20:.0f} MiB: {written - began:.0f} s of a core", flush=True)
        with real_prometheus.serving(directory) as (url, process):
            asked = Prometheus(Place(url=url, timeout=60), None)
            answers = {label.removeprefix("service="): points for query in (f"max by (service) ({MEMORY})", f"max by (service) ({SENT})")
                       for label, points in _series.ask(asked, query, 30.2, SCRAPED).items()}
            print(f"{sum(map(len, answers.values())):,} samples of {len(answers)} series over HTTP: {spent() - written:.0f} s of a core", flush=True)
            begin = BEGIN + moved
            linear_says = {series.labels["service"]: {at for at, value in series.points if value > LIMIT}
                           for query in (f"predict_linear({MEMORY}[1d], {AHEAD})", f"predict_linear(rate({SENT}[5m])[1d:1m], {AHEAD})")
                           for series in asked.range(query, begin + 10 * DAY, begin + 30 * DAY, every * HOUR)}
            shop = [dataclasses.replace(one, points=answers.get(one.name, ())) for one in shop]
            table({"ours": ours, "predict_linear 1d": lambda one, _points, now: now in linear_says.get(one.name, ()),
                   "seasonal naive": lambda one, points, now: seasonal_naive(one, rates(one, points), now)}, shop, every, begin)
            last = [_forecast.outlook(one.points, LIMIT, AHEAD / DAY, one.name.startswith(COUNTED)) for one in shop]
            print(f"at the end nothing is said of {sum(found.verdict == _forecast.ABSTAINS for found in last)}, among them "
                  f"{sum(found.verdict == _forecast.ABSTAINS for one, found in zip(shop, last, strict=True) if one.name.startswith(QUIET))} of "
                  f"{sum(one.name.startswith(QUIET) for one in shop)} with a day of samples")
            peak = next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(f"all of it {spent() - began:.0f} s of a core; most memory {most_memory():.0f} MiB, of Prometheus {peak / 2 ** 10:.0f} MiB, of promtool "
              f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2 ** 10:.0f} MiB at most")


def rates(one: Service, points: Points) -> Points:
    """A counter's growth per second by the hour, anything else as it is."""
    if not one.name.startswith(COUNTED) or not len(points):
        return points
    begin, values = _forecast.hourly(points, counter=True)
    return [(begin + at * HOUR, value) for at, value in enumerate(values.tolist()) if not math.isnan(value)]


def spent() -> float:
    """Seconds of a core, by this process and by those that it started and that have ended."""
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def most_memory() -> float:
    """MiB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 10


def main() -> None:
    """Print a table for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--every", type=int, default=24, help="hours between two looks, from the tenth day on (default: %(default)s)")
    parser.add_argument("--real", action="store_true", help="a sample in 15 seconds, as blocks of a real Prometheus")
    options = parser.parse_args()
    _forecast.outlook([(at * HOUR, float(at % 24)) for at in range(200)], 100.0)  # what importing costs is no part of it
    for seed in options.seeds:
        print(f"seed {seed}: 12 of 50 grow; days before the limit, and false alarms: looks at which a steady service was called one that is full within a week")
        if options.real:
            real(seed, options.every)
        else:
            table({"ours": ours, "predict_linear 1d": linear, "seasonal naive": seasonal_naive}, list(fifty(seed)), options.every, BEGIN)
            print(f"most memory {most_memory():.0f} MiB")


def table(judges: t.Mapping[str, Judge], shop: t.Sequence[Service], every: int, begin: float) -> None:
    """A row for each forecaster."""
    print(f"{'':<20}{'found':>8}{'median lead':>13}{'least':>8}{'services':>10}{'looks':>14}{'s':>8}")
    for name, judge in judges.items():
        print(row(name, judge, shop, every, begin), flush=True)


def row(name: str, judge: Judge, shop: t.Sequence[Service], every: int, begin: float) -> str:
    """One forecaster on every service: a growth counts as found by two looks in a row, before the limit."""
    leads, wrong, wrong_services, looks = [], 0, 0, 0
    began = time.process_time()
    growing = [one for one in shop if one.leak]
    for one in shop:
        ends = one.full_at or begin + 30 * DAY
        moments = [at for at in range(int(begin) + 10 * DAY, int(begin) + 30 * DAY + 1, every * HOUR) if at <= ends]
        said = [judge(one, upto(one.points, now), now) for now in moments]
        if not one.leak:
            wrong, looks, wrong_services = wrong + sum(said), looks + len(said), wrong_services + any(said)
        elif one.full_at:
            first = next((at for at, now, then in zip(moments, said, said[1:], strict=False) if now and then), None)
            leads += [(one.full_at - first) / DAY] if first else []
    full = sum(bool(one.full_at) for one in growing)
    return (f"{name:<20}{f'{len(leads)}/{full}':>8}{statistics.median(leads) if leads else 0:>13.1f}{min(leads, default=0):>8.1f}{f'{wrong_services}/38':>10}"
            f"{f'{wrong}/{looks}':>14}{time.process_time() - began:>8.1f}")


if __name__ == "__main__":
    main()
