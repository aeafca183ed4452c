# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory_diagnosis_info makes of the results of earlier tasks."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import memory_diagnosis_info


def diagnosed(**params):
    defaults = {name: spec.get("default") for name, spec in memory_diagnosis_info.ARGUMENT_SPEC.items()}
    return memory_diagnosis_info.run(Task({**defaults, "pods": [], **params}))


def test_without_a_cause_nothing_is_recommended():
    found = diagnosed()
    assert (found["cause"], found["recommendation"]) == ("undetermined", "")


def histogram(at, mib, started_at="2026-11-23T03:00:00Z", pod="a"):
    return {"pod": pod, "at": at, "started_at": started_at, "bytes": mib << 20,
            "classes": [{"name": "shop.Note", "instances": mib, "bytes": mib << 20}]}


def test_two_histograms_of_one_life_show_a_leak_and_those_of_two_lives_nothing():
    first = [histogram("2026-11-23T04:00:00Z", 100), histogram("2026-11-23T04:00:00Z", 10, pod="lost")]
    assert diagnosed(first=first, second=[histogram("2026-11-23T04:00:05Z", 120)])["cause"] == "leak"
    restarted = histogram("2026-11-23T04:00:05Z", 120, started_at="2026-11-23T04:00:03Z")
    assert diagnosed(first=first, second=[restarted])["growth"] == []


def test_a_container_that_has_only_started_and_one_that_is_within_the_floor_count_for_nothing():
    first = [histogram("2026-11-23T03:00:09Z", 100)]
    found = diagnosed(first=first, second=[histogram("2026-11-23T03:00:14Z", 120)])
    assert found["cause"] == "undetermined" and "counts for nothing" in " ".join(found["says"])
    first, second = [histogram("2026-11-23T04:00:09Z", 100)], [histogram("2026-11-23T04:00:14Z", 120)]
    assert diagnosed(first=first, second=second, growth_floor=50 << 20)["cause"] == "undetermined"
