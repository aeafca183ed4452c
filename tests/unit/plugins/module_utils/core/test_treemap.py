# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A treemap's rectangles have the area of what they stand for, lie in what they are parts of, and survive the record."""

from __future__ import annotations

import json
import random
import re

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import Area, treemap


def made(seed):
    chance = random.Random(seed)
    parts = tuple(Area(f"part {number} <b>", "x", chance.expovariate(1), "", (Area("inner", "y", 0.1),)) for number in range(chance.randrange(1, 40)))
    return Area("whole", "all", sum(part.size for part in parts) * chance.choice((1, 1.5)), "others", parts)


def rectangles(svg):
    return [tuple(map(float, found)) for found in re.findall(r'<rect class="d0" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)]


@pytest.mark.parametrize("seed", range(8))
def test_an_area_is_a_share_of_the_whole_and_none_overlap(seed):
    whole = made(seed)
    drawn = rectangles(treemap(whole))
    sizes = sorted((part.size for part in whole.children), reverse=True)
    for (_x, _y, wide, high), size in zip(drawn, sizes, strict=False):
        assert wide * high == pytest.approx(size / whole.size * 1120 * 520, rel=0.05, abs=120)
    for one, (left, top, wide, high) in enumerate(drawn):
        assert 0 <= left and left + wide <= 1120.2 and 0 <= top and top + high <= 520.2
        for other_left, other_top, other_wide, other_high in drawn[one + 1:]:
            assert (left + wide <= other_left + 0.2 or other_left + other_wide <= left + 0.2 or top + high <= other_top + 0.2
                    or other_top + other_high <= top + 0.2)


def test_it_is_the_same_after_the_record_and_no_markup():
    whole = made(1)
    again = Area.from_json(json.loads(json.dumps(whole.to_json())))
    assert treemap(again) == treemap(whole) and "<b>" not in treemap(whole)


def test_what_is_cut_is_small_or_deep():
    whole = Area("w", "", 10, "", (Area("big", "", 9, "", (Area("deep", "", 9, "", (Area("deeper", "", 9),)),)), Area("small", "", 1)))
    cut = whole.cut(2, 2)
    assert [part.name for part in cut.children] == ["big"] and cut.children[0].children[0].children == ()
