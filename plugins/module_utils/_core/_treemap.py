# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A treemap as SVG: the area of a rectangle is its share of the whole, and what it is made of lies in it."""

from __future__ import annotations

import dataclasses
import html
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

Json = t.Dict[str, t.Any]

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


@dataclasses.dataclass(frozen=True)
class Area:
    """One rectangle.

    :param amount: its size in words.
    :param tip: what more there is to say of it.
    """

    name: str
    amount: str
    size: float
    tip: str = ""
    children: tuple[Area, ...] = ()

    def to_json(self) -> Json:
        """For a record."""
        return {**dataclasses.asdict(self), "children": [child.to_json() for child in self.children]}

    @classmethod
    def from_json(cls, data: Json) -> Area:
        """As ``to_json`` made it."""
        return cls(**{**data, "children": tuple(map(cls.from_json, data["children"]))})

    def cut(self, least: float, deep: int) -> Area:
        """Without parts that are smaller, and only so many levels of them."""
        inner = tuple(child.cut(least, deep - 1) for child in self.children if child.size >= least) if deep else ()
        return dataclasses.replace(self, children=inner)


def treemap(whole: Area) -> str:
    """The picture of its parts; what they do not cover is drawn as the rest, and named by the tip of the whole."""
    box = Box(0, 0, _WIDTH, _HEIGHT)
    parts = [_rectangle(area, place, 0) for area, place in _places(whole.children, whole.size, box)]
    named = [f"{area.name} {area.amount}" for area in whole.children[:5]] + ([whole.tip] if whole.tip else [])
    about = f"Treemap of {whole.amount}: {'; '.join(named)}"
    return (f'<svg class="treemap" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{_safe(about)}">'
            f'<rect class="rest" width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"><title>{_safe(whole.tip or whole.name)}</title></rect>'
            + "".join(parts) + "</svg>")


def _rectangle(area: Area, box: Box, depth: int) -> str:
    tip = area.tip or f"{area.name} {area.amount}"
    parts = [f'<g><title>{_safe(tip)}</title><rect class="d{depth % 5}" x="{box.x:.1f}" y="{box.y:.1f}" '
             f'width="{box.width:.1f}" height="{box.height:.1f}"/>{_text(area, box)}']
    inner = box.inner()
    if depth + 1 < _DEPTH and inner.width > 12 and inner.height > 12:
        parts += [_rectangle(child, place, depth + 1) for child, place in _places(area.children, area.size, inner)]
    return "".join(parts) + "</g>"


def _text(area: Area, box: Box) -> str:
    letters = int((box.width - 10) / _PER_LETTER)
    if box.width < _LEAST_TEXT or box.height < _TITLE - 2 or letters < 4:
        return ""
    name, amount = area.name, f"  {area.amount}"
    line = name + amount if len(name + amount) <= letters else name if len(name) <= letters else name[:letters - 1] + "…"
    return f'<text x="{box.x + 5:.1f}" y="{box.y + 13:.1f}">{_safe(line)}</text>'


def _places(areas: t.Iterable[Area], total: float, box: Box) -> list[tuple[Area, Box]]:
    """Squarified: rows along the shorter side, each as long as that makes its rectangles squarer."""
    left = sorted((area for area in areas if area.size > 0), key=lambda area: -area.size)
    if not left or box.width <= 0 or box.height <= 0:
        return []
    total = max(total, sum(area.size for area in left))
    scale = box.width * box.height / total
    placed: list[tuple[Area, Box]] = []
    while left:
        side = min(box.width, box.height)
        count = _row_length([area.size * scale for area in left], side)
        row, left = left[:count], left[count:]
        thickness = sum(area.size for area in row) * scale / side
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


def _along(row: list[Area], box: Box, thickness: float, scale: float) -> list[tuple[Area, Box]]:
    placed, offset = [], 0.0
    upright = box.width >= box.height
    for area in row:
        length = area.size * scale / thickness
        place = (Box(box.x, box.y + offset, thickness, length) if upright else Box(box.x + offset, box.y, length, thickness))
        offset += length
        if length >= _LEAST_SIDE:
            placed.append((area, place))
    return placed


def _safe(text: str) -> str:
    return html.escape(redact(text))
