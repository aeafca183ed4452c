# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When it began: the moment from which a log has clearly more errors than before."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import itertools
import math
import typing as t

#: lines that count as errors, in the words and statuses of most applications
ERRORS = (r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC)\b|\b(?:level|severity)[\"']?[=:]\s*[\"']?(?:error|fatal|critical)"
          r"|\bstatus[\"']?[=: ]+[\"']?(?:401|403|429|5\d\d)\b|\bHTTP/[\d.]+\" 5\d\d\b|Exception\b|\bTraceback\b")
#: how sure a rise must be: log-likelihood ratio of two Poisson rates against one, at least twice the rate, and not a handful
SURE, TIMES, FEWEST = 8.0, 2.0, 5
#: seconds: a log is counted in minutes; a short one in shorter parts, a very long one in longer ones
MINUTE, SHORTEST, FEW_BINS, MOST_BINS = 60.0, 2.0, 60, 240

Line = t.Tuple[datetime.datetime, str]


@dataclasses.dataclass(frozen=True)
class Log:
    """A workload's log.

    :param begin: since when it is known; before its first line it is silent.
    :param lines: in order of time.
    """

    begin: datetime.datetime
    lines: t.Sequence[Line]


@dataclasses.dataclass(frozen=True)
class Onset:
    """When the incident began, and how that is known.

    :param at: None where nothing tells.
    :param rates: errors a minute before and after, where they were counted.
    """

    at: datetime.datetime | None
    how: str
    rates: tuple[float, float] | None = None


def estimate(log: Log, pattern: t.Pattern[str], source: str) -> Onset | None:
    """The onset that a log shows, None where its errors do not rise."""
    errors = [at for at, text in log.lines if pattern.search(text)]
    if not errors:
        return None
    begin, end = min(log.begin, log.lines[0][0]), log.lines[-1][0]
    length = (end - begin).total_seconds()
    bin_seconds = max(SHORTEST, length / MOST_BINS, min(MINUTE, length / FEW_BINS))
    by_bin = collections.Counter(_bin(at, begin, bin_seconds) for at in errors)
    found = last_rise([by_bin[index] for index in range(_bin(end, begin, bin_seconds) + 1)])
    if found is None:
        return None
    index, before, after = found
    at = next(moment for moment in errors if _bin(moment, begin, bin_seconds) >= index)
    rates = before * 60 / bin_seconds, after * 60 / bin_seconds
    return Onset(at, f"errors in the log of {source} rose from {rates[0]:.1f} to {rates[1]:.1f} a minute", rates)


def last_rise(counts: t.Sequence[int]) -> tuple[int, float, float] | None:
    """Where the last of all rises is, with the rates before and after: what rose and fell before is another incident."""
    begin, best = _begun(counts), None
    while found := rise(counts[begin:]):
        first, end, low, high = found
        best = (begin + first, low, high)
        begin += end
    return best


def _begun(counts: t.Sequence[int]) -> int:
    """Where the errors have fallen with which a log begins, as those of a service that starts; 0 where it does not begin so.

    Before its first line a log is silent; so many errors that quiet follows them, and a rise, are no part of what is usual.
    """
    found = rise([0, *counts])
    if found is None or found[0] != 1:
        return 0
    end = found[1] - 1
    later = rise(counts[end:])
    return end if later and later[2] * TIMES <= found[3] else 0


def rise(counts: t.Sequence[int]) -> tuple[int, int, float, float] | None:
    """The clearest rise: where it begins and ends, and the rates before and meanwhile; None where there is none that is sure."""
    sums = list(itertools.accumulate(counts, initial=0))
    ratio, first, end = max(((_ratio(sums[first], first, sums[end] - sums[first], end - first), first, end)
                             for first in range(1, len(counts)) for end in range(first + 1, len(counts) + 1)), default=(0.0, 0, 0))
    if not first:
        return None
    low, high = sums[first] / first, (sums[end] - sums[first]) / (end - first)
    sure = ratio >= SURE and high >= TIMES * low and sums[end] - sums[first] >= FEWEST
    return (first, end, low, high) if sure else None


def _ratio(before: int, bins_before: int, after: int, bins_after: int) -> float:
    """The log-likelihood ratio of two rates against one; 0 where the rate falls."""
    if after * bins_before <= before * bins_after:
        return 0.0
    return _part(before, bins_before) + _part(after, bins_after) - _part(before + after, bins_before + bins_after)


def _part(count: int, bins: int) -> float:
    return count * math.log(count / bins) if count else 0.0


def _bin(at: datetime.datetime, begin: datetime.datetime, seconds: float) -> int:
    return int((at - begin).total_seconds() // seconds)
