# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two histograms of one application, some time apart: which classes grow."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import (
    Collection, GrowingCollection, Growth, GrowthRow, HistogramRow)
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._paths import PLATFORM
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._scan import nice_name

_ROWS = 50
#: from so many entries on, more objects of the JDK's own classes may well lie in a collection of such
_MANY = 1000
#: less growth of a class, or of a collection beside its entries, is in the report only
_WORTH_BYTES, _WORTH_SHARE = 100_000, 0.005
#: lambdas are numbered as they come up, which differs from run to run
_NUMBER = re.compile(r"(?<=\$\$Lambda)\$?\d*$")


@dataclasses.dataclass(frozen=True)
class Earlier:
    """What is known of the application some time before; ``collections`` is None where that is a class histogram only."""

    name: str
    histogram: list[HistogramRow]
    collections: list[Collection] | None = None


def compare(before: Earlier, after: list[HistogramRow], collections: list[Collection]) -> Growth:
    """Rows by bytes grown; classes that did not change are left out."""
    old, new = _by_name(before.histogram), _by_name(after)
    none = HistogramRow("", 0, 0)
    rows = [GrowthRow(name, old.get(name, none).instances, new.get(name, none).instances, old.get(name, none).shallow_bytes,
                      new.get(name, none).shallow_bytes) for name in {**old, **new}]
    changed = sorted((row for row in rows if row.grown or row.instances != row.instances_before),
                     key=lambda row: (-row.grown, row.class_name))
    more = {row.class_name: row.instances - row.instances_before for row in rows}
    return Growth(before.name, sum(row.shallow_bytes for row in before.histogram), sum(row.shallow_bytes for row in after), changed[:_ROWS],
                  _growing(before.collections or [], collections, more))


def _growing(before: list[Collection], after: list[Collection], more: dict[str, int]) -> list[GrowingCollection]:
    """The largest collection of each field, if it has more entries than before, or may hold what the heap has more of.

    :param more: instances by class that the heap has more than before.
    """
    earlier: dict[tuple[str, str], int] = {}
    for one in before:
        earlier[one.held_by, one.class_name] = max(one.entries, earlier.get((one.held_by, one.class_name), 0))
    found: dict[tuple[str, str], GrowingCollection] = {}
    for one in after:
        key = one.held_by, one.class_name
        content = _NUMBER.sub("", one.value_types[0].class_name) if one.value_types else ""
        grown, known = more.get(content, 0), earlier.get(key)
        may_hold = 0 < grown <= one.entries and (one.entries >= _MANY or not PLATFORM.match(content))
        if key not in found and (one.entries > known if known is not None else may_hold):
            found[key] = GrowingCollection(one.held_by, one.class_name, one.entries, known, one.retained_bytes, content, grown)
    return list(found.values())


def of_text(text: str) -> list[HistogramRow]:
    """The rows of ``jcmd GC.class_histogram`` or ``jmap -histo``."""
    from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _histogram  # brings the client of a cluster with it
    return [HistogramRow(nice_name(row.name), row.instances, row.bytes) for row in _histogram.parse(text)]


def says(growth: Growth) -> list[str]:
    """The growth in words: what is worth acting on, the rest is in the report."""
    line = f"{_signed(growth.bytes - growth.bytes_before)} since {growth.before.rsplit('/', 1)[-1]}"
    largest = [f"{row.class_name} {_signed(row.grown)} ({row.instances - row.instances_before:+d} instances)"
               for row in growth.rows[:4] if row.grown >= _WORTH_BYTES]
    telling = [one for one in growth.collections if _share_grown(one) >= _WORTH_SHARE] or growth.collections[:1]
    return [f"{line}; most: {', '.join(largest)}" if largest else f"{line}; no class has grown by {_signed(_WORTH_BYTES)[1:]}",
            *(f"growing: {one.held_by}, {one.class_name} of {one.entries} entries{entries_before(one)}" for one in telling[:3])]


def _share_grown(one: GrowingCollection) -> float:
    """Of a collection's entries, the share that is new, or may be."""
    new = one.content_grown if one.entries_before is None else one.entries - one.entries_before
    return new / max(one.entries, 1)


def entries_before(one: GrowingCollection) -> str:
    """What was there before, in words that follow the number of entries now."""
    content = f"{one.content_grown:+d} {one.content} on the heap" if one.content_grown else ""
    known = "" if one.entries_before is None else f"{one.entries_before} before"
    return "".join(f", {text}" for text in (known, content) if text)


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
