# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dominator tree as areas of a treemap: an area is what goes when the object goes."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import Area
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Group, HeapAnalysis, Node
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import number, percent, short, size, titles


def areas(analysis: HeapAnalysis, total: int) -> Area:
    """The heap with its largest objects; what lies below the end of a suspect's path is drawn by class in the last that is in the tree.

    :param total: bytes of the heap.
    """
    below = {step.object: suspect.groups for suspect in reversed(analysis.suspects) for step in suspect.path}
    rest = total - sum(node.retained_bytes for node in analysis.dominators)
    others = f"others {size(rest)}" if rest > total / 200 else ""
    return Area("heap", size(total), total, others, tuple(_area(node, below, total) for node in analysis.dominators))


def _area(node: Node, below: t.Mapping[str, list[Group]], total: int) -> Area:
    name = titles(node.class_name, node.label)[0]
    tip = f"{name}\n{node.class_name} {node.object}\nretains {size(node.retained_bytes)} ({percent(node.retained_bytes / total)})"
    if node.object in below and not any(child.object in below for child in node.children):
        inner = tuple(_group(group, total) for group in below[node.object])
    else:
        inner = tuple(_area(child, below, total) for child in node.children)
    return Area(name, size(node.retained_bytes), node.retained_bytes, tip, inner)


def _group(group: Group, total: int) -> Area:
    name, amount = f"{number(group.instances)} × {short(group.class_name)}", size(group.retained_bytes)
    return Area(name, amount, group.retained_bytes, f"{name}\n{group.class_name}\nretains {amount} ({percent(group.retained_bytes / total)})")
