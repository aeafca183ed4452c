# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each pattern of a log began to come more often than it usually does: what may precede incidents."""

from __future__ import annotations

import collections
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _read, _times

HOUR = 3600.0
#: how many times as often as in the usual hour
MORE = 3.0
#: patterns of a log, those with the most records first
MOST_PATTERNS = 500


def appearances(path: str) -> tuple[float, dict[str, list[float]]]:
    """When the log begins, and of each pattern the first record of each time in which it came more often.

    The usual hour is the median one. A pattern that has none in most hours appears with each record after an hour without.

    :raises InvalidInput: it cannot be read, or the times of its records are not understood.
    """
    found, numbers = _files.numbered(path)
    moments = _moments(path)
    if len(moments) != len(numbers) or not moments:
        raise InvalidInput(f"{path} has {len(numbers)} records and {len(moments)} lines with a time, so it is not known when each was written.",
                           "Give a log in which each record begins with its time.")
    written: dict[int, list[float]] = collections.defaultdict(list)
    for number, at in zip(numbers, moments, strict=True):
        if number:
            written[number].append(at)
    begin, end = min(moments), max(moments)
    most = sorted(written, key=lambda number: -len(written[number]))[:MOST_PATTERNS]
    return begin, {found["patterns"][number - 1]["template"]: began(written[number], begin, end) for number in most}


def began(times: t.Sequence[float], begin: float, end: float) -> list[float]:
    """The first of each run of hours that have more than usual; a pattern that always comes has none."""
    first: dict[int, float] = {}
    for at in times:
        hour = int((at - begin) // HOUR)
        first[hour] = min(at, first.get(hour, at))
    counts = collections.Counter(int((at - begin) // HOUR) for at in times)
    hours = int((end - begin) // HOUR) + 1
    usual = statistics.median([*counts.values(), *([0] * (hours - len(counts)))])
    more = {hour for hour, count in counts.items() if count > MORE * usual}
    return [first[hour] for hour in sorted(more) if hour - 1 not in more]


def _moments(path: str) -> list[float]:
    """The time of each line that begins with one."""
    file = _read.Blocks(path)
    lines = (line.decode("utf-8", "replace") for block in file for line in block.splitlines())
    return [at for line in lines if not line[:1].isspace() and (at := _times.moment(line[:_times.HEADER], file.latest)) is not None]
