# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaks found in seven days of memory, and false alarms: ours beside predict_linear over six hours, on the same seeded services."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/history"))

import services
from services import BEGIN, DAY, HOUR, LIMIT, Service

from ansible_collections.sre.runbooks.plugins.module_utils._history import _growth

AHEAD = 3 * DAY


def ours(one: Service, now: float) -> bool:
    """Whether the limit is said to be reached within three days."""
    found = _growth.judge([point for point in one.points if point[0] <= now], [start for start in one.starts if start <= now], LIMIT, now)
    return found.hours is not None and found.hours * HOUR < AHEAD


def naive(one: Service, now: float) -> bool:
    """predict_linear(memory[6h], 3 * 86400) > limit."""
    then = services.predict_linear(list(one.points), now, 6 * HOUR, AHEAD)
    return then is not None and then > LIMIT


def main() -> None:
    """Print a table for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11, 12, 13, 14])
    parser.add_argument("--every", type=int, default=2, help="hours between two looks (default: %(default)s)")
    options = parser.parse_args()
    moments = range(BEGIN + DAY // 4, BEGIN + 7 * DAY, options.every * HOUR)
    for seed in options.seeds:
        print(f"seed {seed}{'':<18}{'full after':>12}{'ours after':>12}{'predict_linear':>16}")
        print("\n".join(_table(services.forty(seed), moments)), flush=True)


def _table(forty: t.Sequence[Service], moments: t.Sequence[int]) -> t.Iterator[str]:
    spent, wrong = {"ours": 0.0, "predict_linear": 0.0}, {"ours": 0, "predict_linear": 0}
    for one in forty:
        first: dict[str, float] = {}
        for name, judge in (("ours", ours), ("predict_linear", naive)):
            began = time.perf_counter()
            first[name] = next((now for now in moments if judge(one, now)), 0.0)
            spent[name] += time.perf_counter() - began
            wrong[name] += bool(first[name]) and not one.leak
        if one.leak:
            yield f"{one.name:<24}{_hours(one.full_at):>12}{_hours(first['ours']):>12}{_hours(first['predict_linear']):>16}"
    steady = sum(not one.leak for one in forty)
    yield f"{'false alarms':<36}{wrong['ours']:>9}/{steady}{wrong['predict_linear']:>13}/{steady}   ({spent['ours']:.1f} s)\n"


def _hours(at: float | None) -> str:
    return f"{(at - BEGIN) / HOUR:.0f} h" if at else "-"


if __name__ == "__main__":
    main()
