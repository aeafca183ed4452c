# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to save memory: each with the bytes that it would save at most, where, and what to do."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _fullness
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._heap import Heap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import HeapAnalysis, Saving, Suspect

#: share of the reachable heap, and bytes, below which a way to save is not worth a line
_LEAST_SHARE, _LEAST_BYTES = 0.005, 64 << 10
_BOXES = ("Integer", "Long", "Short", "Byte", "Character", "Double", "Float", "Boolean")
_LISTENERS = re.compile(r"listener|observer|subscri|callback|handler", re.IGNORECASE)
_QUEUES = re.compile(r"Queue|Deque|Executor")
_MAPS = re.compile(r"Map\b|Map\$|Hashtable|Cache")
_THREAD_LOCALS = "java.lang.ThreadLocal$ThreadLocalMap"


def find(heap: Heap, analysis: HeapAnalysis) -> list[Saving]:
    """What there is to save, the largest first; ``analysis`` has everything else already."""
    redeployed = [any(len(heap.classes.called(group.class_name)) > 1 for group in suspect.groups if not group.class_name.endswith("[]"))
                  for suspect in analysis.suspects]
    found = [_bound(suspect, again) for suspect, again in zip(analysis.suspects, redeployed, strict=True)]
    found += [_texts(analysis), _boxes(analysis), _lost_thread_locals(analysis), *_fullness.savings(heap)]
    if not any(redeployed):
        found += _loaders(analysis)
    least = max(_LEAST_BYTES, _LEAST_SHARE * (analysis.totals.reachable_bytes or 0))
    return sorted((saving for saving in found if saving.bytes >= least), key=lambda saving: -saving.bytes)


def _bound(suspect: Suspect, redeployed: bool) -> Saving:
    """What a suspect piles up, and how its kind is kept from it; ``redeployed``: classes of what it keeps have been loaded again and again."""
    fields = [area for area in suspect.code_areas if area.field]
    where = f"{fields[0].declaring_class}.{fields[0].field}" if fields else suspect.label
    count = suspect.groups[0].instances if suspect.groups else 0
    return Saving("unbounded", where, count, suspect.accumulation_point.retained_bytes, _cure(suspect, where, redeployed))


def _cure(suspect: Suspect, where: str, redeployed: bool) -> str:
    path = " ".join([*(step.class_name for step in suspect.path), suspect.accumulation_point.class_name])
    names = " ".join([where, *(group.class_name for group in suspect.groups[:2])])
    if redeployed:
        return f"take out of {where} what an application put there when it is undeployed"
    if _THREAD_LOCALS in path:
        return f"call remove() on the ThreadLocal when the request ends: what {where} refers to lives as long as its pooled thread"
    if _QUEUES.search(path):
        return f"give the queue behind {where} a bound, and decide what happens when it is full"
    if _LISTENERS.search(names):
        return f"take listeners out of {where} when they are done"
    if _MAPS.search(path):
        return f"give {where} a bound: a largest size, or an age after which entries go"
    return f"remove from {where} what is no longer used"


def _texts(analysis: HeapAnalysis) -> Saving:
    texts = analysis.duplicate_strings
    example = f' (most: "{texts[0].text}", {texts[0].count} times)' if texts else ""
    return Saving("duplicate_strings", "java.lang.String", sum(text.count for text in texts), analysis.totals.duplicate_string_bytes or 0,
                  f"keep each text once{example}: share constants where they are read in, or run the JVM with -XX:+UseStringDeduplication")


def _boxes(analysis: HeapAnalysis) -> Saving:
    rows = [row for row in analysis.histogram if row.class_name in {f"java.lang.{name}" for name in _BOXES}]
    most = max(rows, key=lambda row: row.shallow_bytes, default=None)
    return Saving("boxed_numbers", most.class_name if most else "", sum(row.instances for row in rows),
                  sum(row.retained_bytes or 0 for row in rows),
                  "keep numbers in arrays, or in collections of primitives, instead of one object each")


def _lost_thread_locals(analysis: HeapAnalysis) -> Saving:
    lost = [value for value in analysis.thread_locals if value.key_collected]
    return Saving("lost_thread_locals", lost[0].value_class if lost else "", len(lost), sum(value.retained_bytes for value in lost),
                  "call remove() before a ThreadLocal is given up: its values stay in the threads, and nothing can read them any more")


def _loaders(analysis: HeapAnalysis) -> t.Iterator[Saving]:
    """All but one of the loaders that loaded the same classes."""
    for name in dict.fromkeys(loader.class_name for loader in analysis.class_loaders if loader.twins > 1):
        twins = [loader for loader in analysis.class_loaders if loader.class_name == name and loader.twins > 1]
        yield Saving("class_loaders", name, len(twins) - 1, sum(loader.retained_bytes for loader in twins[1:]),
                     f"{len(twins)} loaders have loaded the same classes: find what still refers to applications that were undeployed")
