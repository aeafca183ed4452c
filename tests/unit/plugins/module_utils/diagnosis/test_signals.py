# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a reading."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _signals
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal


@pytest.mark.parametrize(("text", "pods", "said"), [
    ("memory in use 99% of the limit in api-1", ("api-1",), "memory in use 99% of the limit in api-1"),
    ("memory in use 99% of the limit in api-1", ("api-1", "api-2"), "memory in use 99% of the limit in api-1; also api-2"),
    ("2 of 3 pods OOMKilled", ("api-1", "api-2"), "2 of 3 pods OOMKilled: api-1, api-2"),
    ("log-ins fail", (), "log-ins fail"),
])
def test_a_pod_is_named_once(text, pods, said):
    reading = Reading("now", (Signal("x", 1, 0, True, text, pods),), True)
    assert _signals.says(reading, "breached") == [said]
