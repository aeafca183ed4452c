# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of services over days, seeded: what leaks, and what only looks like it."""

from __future__ import annotations

import dataclasses
import math
import random

MIB = 2.0 ** 20
STEP, HOUR, DAY = 300, 3600, 86400
LIMIT = 512 * MIB
#: a Monday, 00:00 UTC
BEGIN = 1_795_910_400


@dataclasses.dataclass(frozen=True)
class Service:
    """One pod's memory.

    :param leak: share of the limit by which it grows in a day; 0 where it does not leak.
    :param points: seconds since 1970 and bytes.
    :param starts: when its process started.
    :param full_at: when it first reached the limit, None where it never does.
    """

    name: str
    leak: float
    points: tuple[tuple[float, float], ...]
    starts: tuple[float, ...]
    full_at: float | None


def service(name: str, seed: int, *, days: int = 7, base: float = 0.4, leak: float = 0.0, leak_from: float = 0.0, daily: float = 0.0,
            sawtooth: float = 0.0, period_hours: float = 1.0, warm_up: float = 0.0, warm_hours: float = 4.0, job: float = 0.0,
            deploys: tuple[float, ...] = (), gaps: tuple[tuple[float, float], ...] = (), noise: float = 0.005, weekend: float = 1.0,
            step: int = STEP) -> Service:
    """Shares are of the limit; times in days from the beginning, ``step`` in seconds. What reaches the limit is killed and starts again."""
    chance = random.Random(seed)
    starts, points, full_at = [float(BEGIN)], [], None
    pending = [BEGIN + day * DAY for day in deploys]
    peak, phase = chance.uniform(12, 20), chance.random()
    leaked = 0.0
    for at in range(BEGIN, BEGIN + days * DAY, step):
        if pending and at >= pending[0]:
            starts.append(float(pending.pop(0)))
            leaked = 0.0
        lives, hour, day = at - starts[-1], at % DAY / HOUR, (at - BEGIN) / DAY
        leaked += leak * step / DAY if day >= leak_from else 0.0
        load = (1 + math.cos((hour - peak) / 24 * 2 * math.pi)) / 2 * (weekend if int(day) % 7 >= 5 else 1.0)
        value = base + leaked + daily * load + warm_up * (1 - math.exp(-lives / HOUR / warm_hours)) + chance.gauss(0, noise)
        value += sawtooth * ((lives / HOUR / period_hours + phase) % 1.0)
        value += job if 2 <= hour < 4 else 0.0
        if value >= 1.0:
            full_at = full_at or float(at)
            starts.append(float(at))
            leaked, value = 0.0, base
        if not any(begin <= day < end for begin, end in gaps):
            points.append((float(at), max(0.05, value) * LIMIT))
    return Service(name, leak, tuple(points), tuple(starts), full_at)


def forty(seed: int = 7) -> list[Service]:
    """Eight that leak and 32 that do not, each kind several times over, with combinations."""
    chance = random.Random(seed)

    def draw(low: float, high: float) -> float:
        return chance.uniform(low, high)

    leaks = [
        service("leak-1", seed + 1, leak=0.01),
        service("leak-3-daily", seed + 2, leak=0.03, daily=0.1),
        service("leak-8-sawtooth", seed + 3, leak=0.08, sawtooth=0.1, period_hours=0.7),
        service("leak-12-daily-gap", seed + 4, leak=0.12, daily=0.08, base=0.3, gaps=((2.2, 3.2),)),
        service("leak-20-job", seed + 5, leak=0.2, job=0.05, base=0.3, deploys=(3.0,)),
        service("leak-25-late", seed + 6, leak=0.25, leak_from=2.0, daily=0.05, base=0.3),
        service("leak-35-warm-up", seed + 8, leak=0.35, warm_up=0.1, warm_hours=1.0, base=0.25),
        service("leak-50", seed + 9, leak=0.5, base=0.35),
    ]
    steady = []
    for number in range(32):
        kind, one = number % 8, seed + 100 + number
        name = ("sawtooth", "slow-sawtooth", "warm-up", "daily", "job", "resets", "gap", "everything")[kind]
        steady.append(service(f"{name}-{number}", one, **(
            {"sawtooth": draw(0.1, 0.4), "period_hours": draw(0.2, 3)}, {"sawtooth": draw(0.1, 0.4), "period_hours": draw(4, 30)},
            {"warm_up": draw(0.1, 0.4), "warm_hours": draw(1, 24), "deploys": (draw(1, 3), draw(4, 6))},
            {"daily": draw(0.1, 0.45), "weekend": draw(0.4, 1)}, {"job": draw(0.1, 0.5), "daily": draw(0, 0.05)},
            {"daily": draw(0.05, 0.3), "deploys": tuple(sorted(draw(0.2, 6.8) for _time in range(4)))},
            {"daily": draw(0.05, 0.3), "gaps": ((draw(1, 2), draw(2.5, 3.5)),)},
            {"daily": draw(0.05, 0.2), "sawtooth": draw(0.05, 0.15), "period_hours": draw(0.3, 8), "warm_up": draw(0.05, 0.1),
             "warm_hours": draw(1, 8), "job": draw(0, 0.1), "deploys": (draw(2, 5),), "weekend": draw(0.5, 1)})[kind]))
    return leaks + steady


def predict_linear(points: list[tuple[float, float]], now: float, window: float, ahead: float) -> float | None:
    """As Prometheus computes it: least squares over the window, from now on."""
    used = [(at - now, value) for at, value in points if now - window < at <= now]
    if len(used) < 2:
        return None
    mean_x, mean_y = sum(x for x, _y in used) / len(used), sum(y for _x, y in used) / len(used)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in used) / sum((x - mean_x) ** 2 for x, _y in used)
    return mean_y - slope * mean_x + slope * ahead
