# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pattern, how much it grew, and how that is told."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table

#: standard deviations from which on an error is named as grown, and other records as gone
_GREW, _GONE = 2.0, -4.0
#: patterns in a report
_ROWS = 8


@dataclasses.dataclass
class Pattern:
    """Records that say the same.

    :param template: their words, values as <*>; of a stack trace its first line.
    :param level: the gravest of its records.
    :param frames: of a stack trace, innermost first as written.
    :param before: records in the baseline; since: records since the incident.
    :param rate_before: records per minute.
    :param growth: how many times the rate is what it was; None where nothing is known of before.
    :param surprise: how unlikely the difference is by chance (signed square root of twice the log-likelihood ratio of two
        Poisson rates: about standard deviations, after Dunning 1993).
    :param new: seen since the incident only, while there is a baseline.
    """

    template: str
    level: str
    before: int
    since: int
    first_seen: str
    last_seen: str
    sources: list[str]
    examples: list[str]
    frames: list[str]
    rate_before: float = 0.0
    rate_since: float = 0.0
    growth: float | None = None
    surprise: float = 0.0
    new: bool = False

    def to_json(self) -> Json:
        """As module results show it."""
        return dataclasses.asdict(self)

    def compare(self, minutes_before: float, minutes_since: float) -> None:
        """Fill in the rates; where the logs tell of less than a minute before, nothing is compared."""
        if minutes_since:
            self.rate_since = self.since / minutes_since
        if minutes_before >= 1:
            self.rate_before = self.before / minutes_before
            self.new = not self.before and self.since > 0
            self.growth = (self.since + 0.5) / minutes_since / ((self.before + 0.5) / minutes_before)
            self.surprise = surprise(self.before, minutes_before, self.since, minutes_since)

    @property
    def grave(self) -> bool:
        """Whether it is an error."""
        return self.level in ("error", "critical")


def surprise(before: int, minutes_before: float, since: int, minutes_since: float) -> float:
    """Signed root of twice the log-likelihood ratio of two Poisson counts: positive where the rate grew."""
    rate = (before + since) / (minutes_before + minutes_since)
    ratio = sum(count * math.log(count / (rate * minutes)) for count, minutes in ((before, minutes_before), (since, minutes_since)) if count)
    return math.copysign(math.sqrt(max(0.0, 2 * ratio)), since / minutes_since - before / minutes_before)


def table(found: Json, patterns: t.Sequence[Pattern]) -> Table:
    """The errors that grew most, for a report."""
    compared = found["minutes_before"] >= 1
    rows = [(_short(pattern), pattern.before if compared else "", pattern.since, "new" if pattern.new else f"{pattern.growth:.1f} ×" if compared else "",
             pattern.first_seen, pattern.last_seen) for pattern in patterns if pattern.grave and pattern.since][:_ROWS]
    since = f" since {found['since']}" if found["since"] else ""
    return Table(f"Errors in the logs{since}", ("pattern", "before", "since", "growth", "first seen", "last seen"), rows)


def says(found: Json, patterns: t.Sequence[Pattern]) -> list[str]:
    """Lines for a person."""
    read = f"{found['records']} records in {len(patterns)} pattern{'s' * (len(patterns) != 1)}"
    said = [f"{read}; {found['how']}" if found["how"] else read]
    grave = [pattern for pattern in patterns if pattern.grave and pattern.since]
    compared = found["minutes_before"] >= 1
    for pattern in [pattern for pattern in grave if not compared or pattern.surprise > _GREW][:5]:
        said.append(f"{_how_often(pattern, compared)}: {_short(pattern)}")
    if compared and not any(pattern.surprise > _GREW for pattern in grave):
        said.append("no error grew since")
    fallen = [pattern for pattern in patterns if pattern.surprise < _GONE and not pattern.since]
    said.extend(f"not any more ({pattern.before} × before): {_short(pattern)}" for pattern in sorted(fallen, key=lambda one: one.surprise)[:2])
    return said + found["problems"]


def _how_often(pattern: Pattern, compared: bool) -> str:
    if not compared:
        return f"{pattern.since} ×"
    if pattern.new:
        return f"new, {pattern.since} × since {pattern.first_seen}"
    return f"{pattern.growth:.1f} times as often, {pattern.rate_since:.1f} a minute"


def _short(pattern: Pattern) -> str:
    text = f"{pattern.template} {pattern.frames[0]}" if pattern.frames else pattern.template
    return text if len(text) <= 160 else text[:159] + "…"
