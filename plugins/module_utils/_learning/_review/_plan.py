# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps need which, and what that leaves to do at the same time.

Only reads move: whatever changes, waits, asks or is not known stays between the steps that stand before and after it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import READS, Step


@dataclasses.dataclass(frozen=True)
class Plan:
    """The graph and the times that come of it.

    :param needs: of each step the numbers of those that must end before it, from 0.
    :param starts: when each step can start, in seconds.
    :param one_by_one: seconds of all steps after each other; ``critical`` of the longest way through the graph.
    :param together: groups of reads that can run at the same time.
    """

    needs: tuple[tuple[int, ...], ...]
    starts: tuple[float, ...]
    one_by_one: float
    critical: float
    together: tuple[tuple[int, ...], ...]

    @property
    def saving(self) -> float:
        """Seconds."""
        return self.one_by_one - self.critical


def plan(steps: t.Sequence[Step]) -> Plan:
    """The graph of the steps."""
    needs = _needs(steps)
    starts: list[float] = []
    for wanted in needs:
        starts.append(max((starts[other] + steps[other].act.time.median for other in wanted), default=0.0))
    ends = [start + step.act.time.median for start, step in zip(starts, steps, strict=True)]
    together: dict[float, list[int]] = {}
    for at, step in enumerate(steps):
        if step.kind == READS:
            together.setdefault(starts[at], []).append(at)
    groups = tuple(tuple(group) for group in together.values() if len(group) > 1)
    return Plan(tuple(needs), tuple(starts), sum(step.act.time.median for step in steps), max(ends, default=0.0), groups)


def _needs(steps: t.Sequence[Step]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    before_it: list[set[int]] = []
    givers: dict[str, set[int]] = {}
    users: dict[str, set[int]] = {}
    fence: int | None = None
    since: list[int] = []
    for at, step in enumerate(steps):
        wanted = {other for name in step.needs for other in givers.get(name, ())}
        wanted |= {other for name in step.gives for other in users.get(name, ())}
        before = set() if fence is None else {fence}
        if step.kind == READS:
            wanted |= before
            since.append(at)
        else:
            wanted |= set(since) or before
            fence, since = at, []
        direct = {one for one in wanted if not any(one in before_it[other] for other in wanted)}
        before_it.append(wanted.union(*(before_it[one] for one in wanted)))
        found.append(tuple(sorted(direct)))
        for names, kept in ((step.gives, givers), (step.needs, users)):
            for name in names:
                kept.setdefault(name, set()).add(at)
    return found
