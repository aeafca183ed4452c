# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the memory runbook changes for each cause, and what it says where it changes nothing."""

from __future__ import annotations

import pathlib

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "memory_leak"


def rendered(name, cause, recommendation, **variables):
    loader = DataLoader()
    known = {}
    for file in ("defaults/main.yml", "vars/main.yml"):
        known |= loader.load_from_file(str(ROLE / file), trusted_as_template=True)
    values = {"limit": "512Mi", "container": "app"} if cause == "limit_lowered" else {}
    diagnosis = {"cause": cause, "recommendation": recommendation, "mitigation": {"values": values},
                 "advice": [], "hand_over": [], "missing": {}, "no_mitigation": []}
    known |= {"__memory_leak_diagnosis": diagnosis, "runbook_outcome": "not_mitigated",
              "runbook_acts": False, "__memory_leak_before": {"pods": [{"runtime": "JVM"}]}, "__memory_leak_histogram_1": {}, "ansible_check_mode": False,
              "__memory_leak_heap_dump": {"file": "a.hprof"}, **variables}
    return Templar(loader=loader, variables=known).template(known[name])


@pytest.mark.parametrize("cause, recommendation, variables, actions", [
    ("undetermined", "", {}, []),
    ("undetermined", "", {"memory_leak_fallback": "restart"}, ["restart"]),
    ("undetermined", "", {"memory_leak_adjust_memory": "always"}, ["resources"]),
    ("leak", "restart", {}, ["restart"]),
    ("native_memory", "restart", {}, ["restart"]),
    ("limit_too_small", "resources", {}, ["resources"]),
    ("limit_too_small", "resources", {"memory_leak_adjust_memory": "never"}, []),
    ("limit_lowered", "resources", {}, ["resources"]),
    ("gc_storm", "", {}, []),
])
def test_what_is_changed(cause, recommendation, variables, actions):
    changes = rendered("__memory_leak_changes", cause, recommendation, **variables)
    assert [change["action"] for change in changes] == actions
    steps = rendered("__memory_leak_next_steps", cause, recommendation, **variables)
    assert ("a person must decide" in " ".join(steps)) == (not actions)


@pytest.mark.parametrize("cause, limits, requests", [
    ("limit_lowered", {"memory": "512Mi"}, {}), ("limit_too_small", {"memory": "1Gi"}, {"memory": "512Mi"})])
def test_a_limit_that_was_lowered_is_put_back_and_requests_are_left_as_they_are(cause, limits, requests):
    change = rendered("__memory_leak_changes", cause, "resources")[0]
    assert (change["limits"], change["requests"]) == (limits, requests)


@pytest.mark.parametrize("variables, lacks", [
    ({}, False), ({"__memory_leak_heap_dump": {"msg": "No room."}}, True),
    ({"__memory_leak_heap_dump": {"msg": "No room."}, "ansible_check_mode": True}, False),
    ({"__memory_leak_heap_dump": {"msg": "No room."}, "memory_leak_allow_missing_evidence": True}, False),
    ({"__memory_leak_heap_dump": {}, "__memory_leak_before": {"pods": [{"runtime": "Go"}, {"runtime": ""}]}}, False),
    ({"__memory_leak_heap_dump": {}, "__memory_leak_histogram_1": {"msg": "a container app runs no JVM (no process called java)"}}, False)])
def test_without_what_explains_it_nothing_is_changed_and_the_run_goes_on_to_its_report(variables, lacks):
    assert [change["action"] for change in rendered("__memory_leak_changes", "leak", "restart", **variables)] == ([] if lacks else ["restart"])
    steps = " ".join(rendered("__memory_leak_next_steps", "leak", "restart", **variables))
    assert ("memory_leak_allow_missing_evidence=true" in steps) is lacks


@pytest.mark.parametrize("runtime, kind", [("JVM", "heap_dump"), ("", "heap_dump"), ("Go", "process_memory")])
def test_where_there_is_no_jvm_the_kernels_account_is_what_must_be_saved(runtime, kind):
    assert rendered("__memory_leak_required", "leak", "restart", __memory_leak_before={"pods": [{"runtime": runtime}]}) == ["snapshot", "logs", kind]


def test_nothing_that_was_not_made_is_said_not_to_have_held():
    assert not [step for step in rendered("__memory_leak_next_steps", "undetermined", "") if "did not hold" in step]


@pytest.mark.parametrize("message", [
    "No room.", "", "runs no JVM. To go on without a heap dump: memory_leak_heap_dump=false, or memory_leak_allow_missing_evidence=true."])
def test_a_failed_capture_names_the_variable_once(message):
    said = rendered("__memory_leak_no_heap_dump", "undetermined", "", __memory_leak_heap_dump={"msg": message} if message else {})
    assert said.startswith(message or "There is no heap dump.") and said.count("memory_leak_allow_missing_evidence=true") == 1
