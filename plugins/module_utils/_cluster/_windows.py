# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters over a window of time: every pod is scraped twice, and what counts is the difference."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Scraped, Series
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each

#: series texts to try in order; the first that is there counts
Names = t.Sequence[str]
#: so many times its length a window may grow where too little happens in it
LONGEST = 6


@dataclasses.dataclass(frozen=True)
class Window:
    """One pod's metrics at the beginning and at the end of a window.

    :param pod: its name.
    :param seconds: between the two scrapes.
    :param first: None where the pod did not answer then.
    :param last: likewise.
    :param why_not: why one of them is missing, empty where none is.
    """

    pod: str
    seconds: float
    first: Samples | None
    last: Samples | None
    why_not: str = ""

    @property
    def measured(self) -> bool:
        """Whether both scrapes succeeded."""
        return self.first is not None and self.last is not None

    def gauge(self, names: Names) -> float | None:
        """The value at the end of the window."""
        return None if self.last is None else self.last.first(_series(names))

    def lowest(self, names: Names) -> float | None:
        """The lower of a gauge's two values: what holds for the whole window, as far as two looks can tell."""
        values = [value for samples in (self.first, self.last)
                  if samples is not None and (value := samples.first(_series(names))) is not None]
        return min(values, default=None)

    def delta(self, names: Names) -> float | None:
        """How much a counter grew; all of it where the process restarted meanwhile."""
        after = self.gauge(names)
        if after is None or self.first is None:
            return None
        before = self.first.first(_series(names)) or 0.0
        return after - before if after >= before else after

    def buckets(self, name: str, labels: str = "") -> dict[float, float]:
        """A histogram's cumulative counts by upper bound, of this window only."""
        if self.first is None or self.last is None:
            return {}
        series = Series.parse(f"{name}_bucket{{{labels}}}")
        before, after = ({bound: count for bound, count in samples.by_label(series, "le").items() if bound} for samples in (self.first, self.last))
        return {float(bound): count - before.get(bound, 0.0) if count >= before.get(bound, 0.0) else count
                for bound, count in after.items()}


def watch(cluster: Cluster, pods: t.Sequence[Json], port: int | str, path: str, seconds: float,
          decides: t.Callable[[list[Window]], bool] = lambda windows: True) -> list[Window]:
    """Scrape every running pod, wait, and scrape it again; the pods at once.

    :param seconds: the window; the wait counts from the first scrape's end.
    :param decides: whether what was seen is enough to judge; the window grows until it is, to ``LONGEST`` times its length at most.
    """
    running = [pod for pod in pods if _workload.running(pod)]
    first = _scrape(cluster, running, port, path)
    for _turn in range(LONGEST):
        time.sleep(seconds)
        last = _scrape(cluster, running, port, path)
        windows = [Window(pod["metadata"]["name"], at_end - at_begin, begin.samples, end.samples, end.why_not or begin.why_not)
                   for pod, (at_begin, begin), (at_end, end) in zip(running, first, last, strict=True)]
        if decides(windows):
            break
    return windows


def total(windows: t.Sequence[Window], names: Names) -> float | None:
    """How much a counter grew over all pods; None where no pod has it."""
    grown = [delta for window in windows if (delta := window.delta(names)) is not None]
    return sum(grown) if grown else None


def per_second(windows: t.Sequence[Window], names: Names) -> float | None:
    """A counter's rate over all pods."""
    rates = [delta / window.seconds for window in windows
             if window.seconds > 0 and (delta := window.delta(names)) is not None]
    return sum(rates) if rates else None


def mean(windows: t.Sequence[Window], name: str, labels: str = "") -> float | None:
    """The mean of a histogram's or summary's observations in the window; None without any."""
    count = total(windows, [f"{name}_count{{{labels}}}"])
    summed = total(windows, [f"{name}_sum{{{labels}}}"])
    return summed / count if count and summed is not None else None


def quantile(windows: t.Sequence[Window], name: str, q: float, labels: str = "") -> float | None:
    """A quantile of a histogram's observations in the window, as Prometheus computes it; None without any.

    :param q: 0 to 1.
    """
    counts: dict[float, float] = {}
    for window in windows:
        for bound, count in window.buckets(name, labels).items():
            counts[bound] = counts.get(bound, 0.0) + count
    return interpolate(counts, q)


def interpolate(cumulative: t.Mapping[float, float], q: float) -> float | None:
    """A quantile from cumulative counts by upper bound: linear inside a bucket, the last finite bound at most."""
    bounds = sorted(cumulative)
    if not bounds or not cumulative[bounds[-1]]:
        return None
    rank, lower, below = q * cumulative[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if cumulative[bound] >= rank:
            inside = cumulative[bound] - below
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * ((rank - below) / inside if inside else 1.0)
        lower, below = bound, cumulative[bound]
    return lower


def _series(names: Names) -> list[Series]:
    return [Series.parse(text) for text in names]


def why_not(windows: t.Sequence[Window], otherwise: str) -> str:
    """Why not every pod gave its metrics, in the first pod's words."""
    return next((window.why_not for window in windows if window.why_not), otherwise)


def _scrape(cluster: Cluster, pods: t.Sequence[Json], port: int | str, path: str) -> list[tuple[float, Scraped]]:
    def one(pod: Json) -> tuple[float, Scraped]:
        scraped = _pod_metrics.read(cluster, pod, port, path)
        return time.monotonic(), scraped
    return each(one, pods)
