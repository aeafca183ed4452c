# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two histograms of one application, some time apart: which classes grow."""

from __future__ import annotations

import re

from ansible_collections.sre.runbooks.plugins.module_utils._heap import _histogram
from ansible_collections.sre.runbooks.plugins.module_utils._hprof._model import Growth, GrowthRow, HistogramRow
from ansible_collections.sre.runbooks.plugins.module_utils._hprof._scan import nice_name

_ROWS = 50
#: lambdas are numbered as they come up, which differs from run to run
_NUMBER = re.compile(r"(?<=\$\$Lambda)\$?\d*$")


def compare(before: list[HistogramRow], after: list[HistogramRow], name: str) -> Growth:
    """Rows by bytes grown; classes that did not change are left out."""
    old, new = _by_name(before), _by_name(after)
    none = HistogramRow("", 0, 0)
    rows = [GrowthRow(name, old.get(name, none).instances, new.get(name, none).instances, old.get(name, none).shallow_bytes,
                      new.get(name, none).shallow_bytes) for name in {**old, **new}]
    changed = sorted((row for row in rows if row.grown or row.instances != row.instances_before),
                     key=lambda row: (-row.grown, row.class_name))
    return Growth(name, sum(row.shallow_bytes for row in before), sum(row.shallow_bytes for row in after), changed[:_ROWS])


def of_text(text: str) -> list[HistogramRow]:
    """The rows of ``jcmd GC.class_histogram`` or ``jmap -histo``."""
    return [HistogramRow(nice_name(row.name), row.instances, row.bytes) for row in _histogram.parse(text)]


def says(growth: Growth) -> list[str]:
    """The growth in words."""
    line = f"{_signed(growth.bytes - growth.bytes_before)} since {growth.before}"
    largest = [f"{row.class_name} {_signed(row.grown)} ({row.instances - row.instances_before:+d} instances)"
               for row in growth.rows[:4] if row.grown > 0]
    return [f"{line}; most: {', '.join(largest)}" if largest else f"{line}; no class has grown"]


def _by_name(rows: list[HistogramRow]) -> dict[str, HistogramRow]:
    merged: dict[str, HistogramRow] = {}
    for row in rows:
        name = _NUMBER.sub("", row.class_name)
        known = merged.setdefault(name, HistogramRow(name, 0, 0))
        known.instances += row.instances
        known.shallow_bytes += row.shallow_bytes
    return merged


def _signed(size: int) -> str:
    return f"{size / 1e6:+.1f} MB"
