# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a root to where the memory piles up, as a picture in SVG."""

from __future__ import annotations

import html

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Step, Suspect
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import number, percent, short, size, titles

_WIDTH, _LEFT, _BOX_WIDTH, _BOX, _ARROW, _TOP = 760, 20, 720, 46, 36, 34
_LEAF_HEIGHT, _LEAVES = 26, 6
_NAME, _LETTERS = 68, 76


def picture(suspect: Suspect, total: int) -> str:
    """Boxes from the root downwards, the references between them, and what lies below the last.

    :param total: bytes of the reachable heap; a box is filled by its share of it.
    """
    parts = [f'<text class="root" x="{_LEFT}" y="20">Root: {_safe(suspect.root_kind)}</text>']
    y = _TOP
    for position, step in enumerate(suspect.path):
        last = position == len(suspect.path) - 1
        parts.append(_box(step, y, total, last))
        y += _BOX
        if not last:
            parts.append(_arrow(step, y))
            y += _ARROW
    leaves = suspect.groups[:_LEAVES]
    largest = max([group.retained_bytes for group in leaves], default=1)
    if leaves:
        y += 12
    for group in leaves:
        width = max(4, 300 * group.retained_bytes / max(largest, 1))
        parts.append(f'<path class="branch" d="M{_LEFT + 24} {y - 14} v{_LEAF_HEIGHT} h18"/>'
                     f'<rect class="leaf" x="{_LEFT + 44}" y="{y + 3}" width="{width:.0f}" height="18" rx="3"/>'
                     f'<text class="leaf" x="{_LEFT + 52 + width:.0f}" y="{y + 17}">'
                     f"{number(group.instances)} × {_safe(_cut(group.class_name, 40))}, {size(group.retained_bytes)}</text>")
        y += _LEAF_HEIGHT
    return (f'<svg class="path" viewBox="0 0 {_WIDTH} {y + 8}" role="img" aria-label="{_safe(_spoken(suspect))}">'
            + "".join(parts) + "</svg>")


def _box(step: Step, y: int, total: int, last: bool) -> str:
    share = min(step.retained_bytes / total, 1) if total else 0
    name, below = titles(step.class_name, step.label)
    return (f'<g class="{"last" if last else "step"}"><title>{_safe(f"{step.class_name} {step.object}")}</title>'
            f'<rect class="box" x="{_LEFT}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX}" rx="6"/>'
            f'<rect class="share" x="{_LEFT}" y="{y}" width="{_BOX_WIDTH * share:.0f}" height="{_BOX}" rx="6"/>'
            f'<text class="name" x="{_LEFT + 12}" y="{y + (19 if below else 28)}">{_safe(_cut(name, _NAME))}</text>'
            f'<text class="label" x="{_LEFT + 12}" y="{y + 37}">{_safe(_cut(below, _LETTERS))}</text>'
            f'<text class="amount" x="{_LEFT + _BOX_WIDTH - 12}" y="{y + 28}">{size(step.retained_bytes)} · {percent(share)}</text></g>')


def _arrow(step: Step, y: int) -> str:
    middle = _LEFT + 34
    declared = "" if step.declaring_class in ("", step.class_name) and step.kind != "static" else step.declaring_class
    owner = f"{short(declared)}." if declared and step.field and not step.field.startswith("[") else ""
    kind = {"static": "static field", "local": "local variable", "element": "element", "field": "field",
            "class": "its class", "loader": "class loader"}.get(step.kind, step.kind)
    return (f'<path class="arrow" d="M{middle} {y} v{_ARROW - 7}"/>'
            f'<path class="head" d="M{middle - 5} {y + _ARROW - 8} h10 l-5 8 z"/>'
            f'<text class="field" x="{middle + 16}" y="{y + 22}">{_safe(_cut(owner + step.field, 70))}'
            f'<tspan class="kind">  {_safe(kind)}</tspan></text>')


def _spoken(suspect: Suspect) -> str:
    way = " to ".join(short(step.class_name) + (f", {step.kind} {step.field}," if step.field else "") for step in suspect.path)
    return f"Path from the root ({suspect.root_kind}): {way}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length - 1] + "…"


def _safe(text: str) -> str:
    return html.escape(redact(text))
