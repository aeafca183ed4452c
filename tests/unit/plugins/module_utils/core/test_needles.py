# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines hold one of many texts: what asking each line for each text would tell."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._core._needles import Needles
from hypothesis import given
from hypothesis import strategies as st

TEXTS = ["ab", "b.c", "é", "a(b"]


@given(st.lists(st.lists(st.sampled_from([*TEXTS, "a", "b", "c", " ", "\ud800", "\x00", "\n"]), max_size=6).map("".join), max_size=12))
def test_the_lines_that_hold_one(block):
    assert Needles(TEXTS).lines(block) == [number for number, line in enumerate(block) if any(text in line for text in TEXTS)]
