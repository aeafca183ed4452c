# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A straight line through points that have outliers: Theil and Sen's, with the interval that Kendall's tau gives it."""

from __future__ import annotations

import dataclasses
import math
import statistics
import typing as t

Point = t.Tuple[float, float]

#: points that are fitted; slopes are counted in pairs, so more are thinned
MOST = 400
_Z95 = 1.96


@dataclasses.dataclass(frozen=True)
class Trend:
    """A fitted line.

    :param slope: of y for one of x; ``low`` and ``high`` bound it with 95 % confidence.
    :param level: y of the line at the last x.
    """

    slope: float
    low: float
    high: float
    level: float


def fit(points: t.Sequence[Point]) -> Trend | None:
    """The line, None for fewer than three points or no spread in x."""
    used = thinned(points)
    slopes = sorted((y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(used) for x2, y2 in used[i + 1:] if x2 > x1)
    if len(used) < 3 or not slopes:
        return None
    slope = statistics.median(slopes)
    spread = _Z95 * math.sqrt(len(used) * (len(used) - 1) * (2 * len(used) + 5) / 18)
    low = slopes[max(0, round((len(slopes) - spread) / 2))]
    high = slopes[min(len(slopes) - 1, round((len(slopes) + spread) / 2))]
    intercept = statistics.median(y - slope * x for x, y in used)
    return Trend(slope, low, high, intercept + slope * used[-1][0])


def thinned(points: t.Sequence[Point]) -> list[Point]:
    """At most MOST of the points, evenly chosen, the last one among them."""
    if len(points) <= MOST:
        return list(points)
    return [points[round(i * (len(points) - 1) / (MOST - 1))] for i in range(MOST)]
