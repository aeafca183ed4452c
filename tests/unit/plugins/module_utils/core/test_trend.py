# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line through points with outliers."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core import _trend


def test_the_trend_does_not_follow_outliers():
    points = [(float(x), 2.0 * x) for x in range(20)]
    points[3], points[11] = (3.0, 900.0), (11.0, -700.0)
    trend = _trend.fit(points)
    assert trend.slope == pytest.approx(2.0)
    assert trend.low <= 2.0 <= trend.high
