# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory_facts_info makes of the results of earlier tasks."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import memory_facts_info


def told(**params):
    defaults = {name: spec.get("default") for name, spec in memory_facts_info.ARGUMENT_SPEC.items()}
    done = memory_facts_info.run(Task({**defaults, "namespace": "shop", "workload": "api", "pods": [], "at": "2026-11-23T05:00:00Z", **params}))
    return {fact["name"]: fact for fact in done["facts"]}


def test_what_was_not_captured_is_a_fact_that_is_not_known_with_the_reason():
    found = told(why_no_histogram="api-1: only 12 MiB left")
    assert not found["live_grown"]["known"] and found["live_grown"]["because"] == "api-1: only 12 MiB left"
    assert not found["limit_lowered"]["known"] and not found["memory_error"]["known"]


def test_logs_without_an_error_are_known_to_have_none():
    assert told(patterns=[])["memory_error"]["value"] == ""


def test_an_error_before_the_window_is_of_an_earlier_incident():
    pattern = {"template": "java.lang.OutOfMemoryError: Metaspace", "examples": [], "last_seen": "2026-11-23T04:20:00Z"}
    assert told(patterns=[pattern])["memory_error"]["value"] == "metaspace"
    assert told(patterns=[pattern], window_minutes=30)["memory_error"]["value"] == ""
