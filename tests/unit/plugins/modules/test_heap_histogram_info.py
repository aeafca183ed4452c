# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod's failure costs one pod's histogram."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._candidates import Candidate
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._histogram import Histogram
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import Jvm
from ansible_collections.sre.runbooks.plugins.modules.heap_histogram_info import take_each


def candidate(name):
    """One whose name begins with x has no JVM that can be reached."""
    jvm = None if name.startswith("x") else Jvm(Container("shop", name, "app"), 1, {}, ())
    return Candidate({"metadata": {"name": name}}, jvm, 0, "" if jvm else "no shell")


def take(jvm):
    """One whose name begins with d dies meanwhile, one with r refuses."""
    if jvm.via.pod[0] in "dr":
        raise (ClusterError if jvm.via.pod[0] == "d" else RunbookError)("gone")
    return Histogram(jvm.via.pod, "2026-11-28T01:00:00Z", "", ())


@pytest.mark.parametrize("pods, taken, missing", [
    (["a", "b", "c"], ["a", "b"], []),
    (["a", "d1"], ["a"], [("d1", "gone")]),
    (["d1", "r1", "a", "b"], ["a", "b"], [("d1", "gone"), ("r1", "gone")]),
    (["a", "x1"], ["a"], [("x1", "no shell")]),
    (["d1", "x1"], [], [("x1", "no shell"), ("d1", "gone")]),
])
def test_histograms_of_those_that_give_one_and_reasons_for_the_others(pods, taken, missing):
    found, without = take_each([candidate(name) for name in pods], 2, take)
    assert [one.name for one, _histogram in found] == taken
    assert [(row["pod"], row["why"]) for row in without] == missing
