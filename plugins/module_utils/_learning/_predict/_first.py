# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which series moved first around the beginning of an incident: by when each left what it usually is, then by how far.

What moved within two samples of each other moved in the same moment, as far as anybody can tell; there only the distance counts.
"""

from __future__ import annotations

import dataclasses
import typing as t

np: t.Any = None
try:
    import numpy as np
except Exception:  # told by _forecast.require_libraries
    pass

#: seconds before and after the beginning in which a move counts: incidents are noticed late
BEFORE, AFTER = 1800.0, 900.0
#: samples from before that time which tell what is usual
FEWEST = 12
#: standard deviations that are a move, and the least that counts as one: a share of the usual value
MOVES, FINEST = 3.0, 0.01
#: standard deviations between the lowest and the highest tenth of what is usual, which a few earlier incidents do not bend
BETWEEN = 2.563
#: standard deviations beyond which it does not matter how many: a series that never changed has any number of them
MOST = 1000.0


@dataclasses.dataclass(frozen=True)
class Move:
    """A series that left what it usually is.

    :param at: seconds since 1970 of the first sample that did, and the one after it, too.
    :param deviations: how far it went at most, in its usual standard deviations.
    """

    series: str
    at: float
    deviations: float


def moved_first(series: t.Mapping[str, t.Any], onset: float) -> list[Move]:
    """Those that moved, the first one first; of those in the same moment the one that went furthest.

    :param series: by name, rows of seconds since 1970 and value in the order of time.
    :param onset: when the incident began, as far as is known; a few minutes more or less do not matter.
    """
    moves, steps = [], []
    for name, points in series.items():
        rows = np.asarray(points, dtype=float).reshape(-1, 2)
        rows = rows[np.isfinite(rows).all(axis=1)]
        move = _move(name, rows, onset)
        if move:
            moves.append(move)
            steps.append(float(np.median(np.diff(rows[:, 0]))))
    same = 2 * max(steps, default=0.0)
    ranked: list[Move] = []
    moves.sort(key=lambda move: move.at)
    while moves:
        together = [move for move in moves if move.at <= moves[0].at + same]
        moves = moves[len(together):]
        ranked += sorted(together, key=lambda move: (-move.deviations, move.series))
    return ranked


def _move(name: str, points: t.Any, onset: float) -> Move | None:
    usual = points[points[:, 0] < onset - BEFORE, 1]
    around = points[(points[:, 0] >= onset - BEFORE) & (points[:, 0] <= onset + AFTER)]
    if len(usual) < FEWEST or not len(around):
        return None
    low, middle, high = (float(value) for value in np.quantile(usual, [0.1, 0.5, 0.9]))
    spread = max((high - low) / BETWEEN, FINEST * abs(middle), 1e-9)
    away = np.minimum(np.abs(around[:, 1] - middle) / spread, MOST)
    moves = away >= MOVES
    lasting = moves & np.append(moves[1:], True)
    if not lasting.any():
        return None
    return Move(name, float(around[np.argmax(lasting), 0]), float(away[np.argmax(lasting):].max()))
