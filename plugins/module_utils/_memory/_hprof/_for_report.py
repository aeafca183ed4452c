# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an incident's report takes from a heap analysis: four tables, and what to do."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._areas import areas
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import HeapAnalysis, Step
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import number, percent, place, size

_ROWS = 5
#: share of the heap that an object has to keep for the report's picture of it, and how deep that goes
_LEAST, _DEEP = 0.02, 3


def tables(analysis: HeapAnalysis) -> list[Table]:
    """Those that have rows; class names stand as code, because of what Markdown makes of their signs."""
    suspects = analysis.suspects[:_ROWS]
    total = analysis.totals.reachable_bytes or 0
    picture = areas(analysis, total).cut(_LEAST * total, _DEEP) if total else None
    growing = analysis.growth.collections[:_ROWS] if analysis.growth else []
    found = [
        Table("What keeps the memory", ("suspect", "retained", "share of the heap", "reached by", "what lies in it"), [
            (_code(one.label), size(one.retained_bytes), percent(one.share), " → ".join(_code(_step(step)) for step in one.path),
             ", ".join(f"{number(group.instances)} × {_code(group.class_name)}" for group in one.groups[:3])) for one in suspects], picture),
        Table("Code to look at", ("place", "why"), [
            (_code(place(area)), area.why) for one in suspects for area in one.code_areas]),
        Table("Growing collections", ("held by", "collection", "entries", "before", "more on the heap"), [
            (_code(one.held_by), _code(one.class_name), number(one.entries), "" if one.entries_before is None else number(one.entries_before),
             f"{one.content_grown:+d} {_code(one.content)}" if one.content_grown else "") for one in growing]),
        Table("Ways to save memory", ("saves at most", "where", "how"), [
            (size(one.bytes), _code(one.where), one.advice) for one in analysis.savings[:_ROWS]])]
    return [table for table in found if table.rows]


def fixes(analysis: HeapAnalysis) -> list[str]:
    """What would prevent it for good."""
    return [f"{one.advice[:1].upper()}{one.advice[1:]} ({size(one.bytes)})." for one in analysis.savings[:_ROWS] if one.kind == "unbounded"]


def _step(step: Step) -> str:
    return f"{step.label}.{step.field}" if step.field else step.label


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
