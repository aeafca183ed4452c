# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A treemap of retained sizes as SVG: a rectangle's area is what goes when the object goes."""

from __future__ import annotations

import dataclasses
import html
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Group, Node
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import number, percent, short, size, titles

_WIDTH, _HEIGHT, _TITLE = 1120.0, 520.0, 18.0
_LEAST_SIDE, _LEAST_TEXT, _PER_LETTER = 3.0, 34.0, 6.6
_DEPTH = 7


class Box(t.NamedTuple):
    """A rectangle on the page."""

    x: float
    y: float
    width: float
    height: float

    def inner(self) -> Box:
        """What is left for those inside, below the title."""
        return Box(self.x + 3, self.y + _TITLE, self.width - 6, self.height - _TITLE - 3)


def treemap(nodes: list[Node], total: int, below: dict[str, list[Group]]) -> str:
    """The picture.

    :param total: bytes of the whole; what the nodes do not cover is drawn as the rest.
    :param below: of the objects on a suspect's path, by address: what lies below its end, by class; drawn in the last that is in the tree.
    """
    box = Box(0, 0, _WIDTH, _HEIGHT)
    parts = [_rectangle(_summed(node, below), place, total, 0) for node, place in _places(nodes, total, box)]
    rest = total - sum(node.retained_bytes for node in nodes)
    about = f"Treemap of {size(total)}: " + "; ".join(f"{_name(node)} {size(node.retained_bytes)}" for node in nodes[:5])
    if rest > total / 200:
        about += f"; others {size(rest)}"
    return (f'<svg class="treemap" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{_safe(about)}">'
            f'<rect class="rest" width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"><title>Others: {size(max(rest, 0))}</title></rect>'
            + "".join(parts) + "</svg>")


def _summed(node: Node, below: dict[str, list[Group]]) -> Node:
    if node.object in below and not any(child.object in below for child in node.children):
        children = [Node("", group.class_name, f"{number(group.instances)} × {short(group.class_name)}", 0, group.retained_bytes)
                    for group in below[node.object]]
    else:
        children = [_summed(child, below) for child in node.children]
    return dataclasses.replace(node, children=children)


def _rectangle(node: Node, box: Box, total: int, depth: int) -> str:
    tip = f"{_name(node)}\n{node.class_name} {node.object}\nretains {size(node.retained_bytes)} ({percent(node.retained_bytes / total)})"
    parts = [f'<g><title>{_safe(tip)}</title><rect class="d{depth % 5}" x="{box.x:.1f}" y="{box.y:.1f}" '
             f'width="{box.width:.1f}" height="{box.height:.1f}"/>{_text(node, box)}']
    inner = box.inner()
    if depth + 1 < _DEPTH and inner.width > 12 and inner.height > 12:
        parts += [_rectangle(child, place, total, depth + 1) for child, place in _places(node.children, node.retained_bytes, inner)]
    return "".join(parts) + "</g>"


def _text(node: Node, box: Box) -> str:
    letters = int((box.width - 10) / _PER_LETTER)
    if box.width < _LEAST_TEXT or box.height < _TITLE - 2 or letters < 4:
        return ""
    name, amount = _name(node), f"  {size(node.retained_bytes)}"
    line = name + amount if len(name + amount) <= letters else name if len(name) <= letters else name[:letters - 1] + "…"
    return f'<text x="{box.x + 5:.1f}" y="{box.y + 13:.1f}">{_safe(line)}</text>'


def _places(nodes: list[Node], total: int, box: Box) -> list[tuple[Node, Box]]:
    """Squarified: rows along the shorter side, each as long as that makes its rectangles squarer."""
    nodes = sorted((node for node in nodes if node.retained_bytes > 0), key=lambda node: -node.retained_bytes)
    if not nodes or box.width <= 0 or box.height <= 0:
        return []
    total = max(total, sum(node.retained_bytes for node in nodes))
    scale = box.width * box.height / total
    placed: list[tuple[Node, Box]] = []
    while nodes:
        side = min(box.width, box.height)
        count = _row_length([node.retained_bytes * scale for node in nodes], side)
        row, nodes = nodes[:count], nodes[count:]
        thickness = sum(node.retained_bytes for node in row) * scale / side
        if thickness < _LEAST_SIDE:
            break
        placed += _along(row, box, thickness, scale)
        box = (Box(box.x + thickness, box.y, box.width - thickness, box.height) if box.width >= box.height
               else Box(box.x, box.y + thickness, box.width, box.height - thickness))
        if min(box.width, box.height) < _LEAST_SIDE:
            break
    return placed


def _row_length(areas: list[float], side: float) -> int:
    best, count = float("inf"), 0
    while count < len(areas):
        worst = _worst(areas[:count + 1], side)
        if worst > best:
            break
        best, count = worst, count + 1
    return max(count, 1)


def _worst(row: list[float], side: float) -> float:
    """The least square of a row's rectangles, as the ratio of its sides."""
    whole = sum(row)
    return max(side * side * row[0] / (whole * whole), whole * whole / (side * side * row[-1]))


def _along(row: list[Node], box: Box, thickness: float, scale: float) -> list[tuple[Node, Box]]:
    placed, offset = [], 0.0
    upright = box.width >= box.height
    for node in row:
        length = node.retained_bytes * scale / thickness
        place = (Box(box.x, box.y + offset, thickness, length) if upright else Box(box.x + offset, box.y, length, thickness))
        offset += length
        if length >= _LEAST_SIDE:
            placed.append((node, place))
    return placed


def _name(node: Node) -> str:
    return titles(node.class_name, node.label)[0]


def _safe(text: str) -> str:
    return html.escape(redact(text))
