# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When it began: the minute from which a log has clearly more errors than before."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import math
import typing as t

#: lines that count as errors, in the words and statuses of most applications
ERRORS = (r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC)\b|\b(?:level|severity)[\"']?[=:]\s*[\"']?(?:error|fatal|critical)"
          r"|\bstatus[\"']?[=: ]+[\"']?(?:401|403|429|5\d\d)\b|\bHTTP/[\d.]+\" 5\d\d\b|Exception\b|\bTraceback\b")
#: how sure a rise must be: log-likelihood ratio of two Poisson rates against one, at least twice the rate, and not a handful
SURE, TIMES, FEWEST = 8.0, 2.0, 5

Line = t.Tuple[datetime.datetime, str]


@dataclasses.dataclass(frozen=True)
class Onset:
    """When the incident began, and how that is known.

    :param at: None where nothing tells.
    :param rates: errors a minute before and after, where they were counted.
    """

    at: datetime.datetime | None
    how: str
    rates: tuple[float, float] | None = None


def estimate(lines: t.Sequence[Line], pattern: t.Pattern[str], source: str) -> Onset | None:
    """The onset that a log shows, None where its errors do not rise.

    :param lines: in order of time; the first one says since when the log is known.
    """
    errors = [at for at, text in lines if pattern.search(text)]
    if not errors:
        return None
    begin = lines[0][0].replace(second=0, microsecond=0)
    by_minute = collections.Counter(_minute(at, begin) for at in errors)
    counts = [by_minute[minute] for minute in range(_minute(lines[-1][0], begin) + 1)]
    found = change_point(counts)
    if found is None:
        return None
    index, before, after = found
    at = next(moment for moment in errors if _minute(moment, begin) >= index)
    return Onset(at, f"errors in the log of {source} rose from {before:.1f} to {after:.1f} a minute", (before, after))


def change_point(counts: t.Sequence[int]) -> tuple[int, float, float] | None:
    """Where a rate rises to its peak, with the rates before and after; None where it does not, or not clearly."""
    if not counts:
        return None
    rising = counts[:max(range(len(counts)), key=counts.__getitem__) + 1]
    total, best = sum(rising), (0.0, 0)
    before = 0
    for split in range(1, len(rising)):
        before += rising[split - 1]
        best = max(best, (_ratio(before, split, total - before, len(rising) - split), split))
    ratio, split = best
    if not split:
        return None
    low, high = sum(rising[:split]) / split, sum(rising[split:]) / (len(rising) - split)
    sure = ratio >= SURE and high >= TIMES * low and sum(rising[split:]) >= FEWEST
    return (split, low, high) if sure else None


def _ratio(before: int, minutes_before: int, after: int, minutes_after: int) -> float:
    """The log-likelihood ratio of two rates against one; 0 where the rate falls."""
    if after * minutes_before <= before * minutes_after:
        return 0.0
    return _part(before, minutes_before) + _part(after, minutes_after) - _part(before + after, minutes_before + minutes_after)


def _part(count: int, minutes: int) -> float:
    return count * math.log(count / minutes) if count else 0.0


def _minute(at: datetime.datetime, begin: datetime.datetime) -> int:
    return int((at - begin).total_seconds() // 60)
