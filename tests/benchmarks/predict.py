# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches its limit within a week: ours beside predict_linear and a seasonal naive forecast, on 30 days of 50 seeded services in memory."""

from __future__ import annotations

import argparse
import pathlib
import random
import resource
import statistics
import sys
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/history"))

import services
from services import BEGIN, DAY, HOUR, LIMIT, Service, service

from ansible_collections.sre.runbooks.plugins.module_utils._learning._predict import _forecast

AHEAD = 7 * DAY
Judge = t.Callable[[Service, list[tuple[float, float]], float], bool]


def fifty(seed: int) -> list[Service]:
    """Eight leaks and four pools that grow, with deploys, gaps and a week's season; 38 that do neither."""
    chance = random.Random(seed)

    def draw(low: float, high: float) -> float:
        return chance.uniform(low, high)

    def usual() -> dict[str, t.Any]:
        return {"days": 30, "daily": draw(0.05, 0.2), "weekend": draw(0.4, 1), "noise": draw(0.003, 0.01)}

    grow = [service(f"{'leak' if number < 8 else 'pool'}-{number}", seed + number, **usual(), leak=draw(0.04, 0.12),
                    leak_from=draw(6, 20), base=draw(0.2, 0.35),
                    gaps=((draw(2, 3), draw(3.1, 3.8)),) if number % 3 == 0 else (), deploys=(draw(1, 4),) if number % 2 else ()) for number in range(12)]
    steady = []
    for number in range(38):
        kind = number % 7
        more: dict[str, t.Any] = ({}, {"sawtooth": draw(0.05, 0.3), "period_hours": draw(1, 30)}, {"deploys": tuple(sorted(draw(1, 29) for _time in range(4)))},
                                  {"warm_up": draw(0.05, 0.3), "warm_hours": draw(2, 36), "deploys": (draw(5, 25),)}, {"job": draw(0.1, 0.3)},
                                  {"gaps": ((draw(5, 10), draw(11, 13)),)}, {"daily": draw(0.3, 0.45), "weekend": draw(0.2, 0.6)})[kind]
        name = ("season", "sawtooth", "deploys", "warm-up", "job", "gap", "strong-season")[kind]
        steady.append(service(f"{name}-{number}", seed + 100 + number, **{**usual(), **more}))
    return grow + steady


def ours(_one: Service, points: list[tuple[float, float]], _now: float) -> bool:
    """What the module says."""
    found = _forecast.outlook(points, LIMIT, horizon=AHEAD / DAY)
    return found.verdict == _forecast.REACHES


def linear(_one: Service, points: list[tuple[float, float]], now: float) -> bool:
    """predict_linear(memory[1d], 7 days) > limit."""
    then = services.predict_linear(points, now, DAY, AHEAD)
    return then is not None and then > LIMIT


def seasonal_naive(_one: Service, points: list[tuple[float, float]], now: float) -> bool:
    """The last day as it is, plus what it has over the same day a week before."""
    last = [value for at, value in points if at > now - DAY]
    before = [value for at, value in points if now - 8 * DAY < at <= now - 7 * DAY]
    return bool(last and before) and max(last) + statistics.mean(last) - statistics.mean(before) > LIMIT


def main() -> None:
    """Print a table for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--every", type=int, default=24, help="hours between two looks, from the tenth day on (default: %(default)s)")
    options = parser.parse_args()
    judges: dict[str, Judge] = {"ours": ours, "predict_linear 1d": linear, "seasonal naive": seasonal_naive}
    _forecast.outlook([(at * HOUR, float(at % 24)) for at in range(200)], 100.0)  # what importing costs is no part of it
    for seed in options.seeds:
        shop = fifty(seed)
        print(f"seed {seed}: 12 of 50 grow; days before the limit, and false alarms: looks at which a steady service was called one that is full within a week")
        print(f"{'':<20}{'found':>8}{'median lead':>13}{'least':>8}{'services':>10}{'looks':>14}{'s':>8}")
        for name, judge in judges.items():
            print(row(name, judge, shop, options.every), flush=True)
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 10:.0f} MiB")


def row(name: str, judge: Judge, shop: t.Sequence[Service], every: int) -> str:
    """One forecaster on every service: a growth counts as found by two looks in a row, before the limit."""
    leads, wrong, wrong_services, looks = [], 0, 0, 0
    began = time.perf_counter()
    growing = [one for one in shop if one.leak]
    for one in shop:
        ends = one.full_at or BEGIN + 30 * DAY
        moments = [at for at in range(BEGIN + 10 * DAY, BEGIN + 30 * DAY + 1, every * HOUR) if at <= ends]
        said = [judge(one, [point for point in one.points if point[0] <= now], now) for now in moments]
        if not one.leak:
            wrong, looks, wrong_services = wrong + sum(said), looks + len(said), wrong_services + any(said)
        elif one.full_at:
            first = next((at for at, now, then in zip(moments, said, said[1:], strict=False) if now and then), None)
            leads += [(one.full_at - first) / DAY] if first else []
    full = sum(bool(one.full_at) for one in growing)
    return (f"{name:<20}{f'{len(leads)}/{full}':>8}{statistics.median(leads) if leads else 0:>13.1f}{min(leads, default=0):>8.1f}{f'{wrong_services}/38':>10}"
            f"{f'{wrong}/{looks}':>14}{time.perf_counter() - began:>8.1f}")


if __name__ == "__main__":
    main()
