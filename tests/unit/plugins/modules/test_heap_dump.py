# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod that cannot be dumped is passed over for the next."""

from __future__ import annotations

import types

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import heap_dump


def dumped(monkeypatch, *pods):
    """Try pods called full (no room there), dead (dies meanwhile), damaged (arrives damaged) or good."""
    def place(_cluster, candidate, _wanted):
        if candidate.name == "full":
            raise RunbookError("no room for a heap dump")

    def capture(_cluster, _store, _incident, candidate, *_rest):
        if candidate.name in ("dead", "damaged"):
            raise (ClusterError if candidate.name == "dead" else RunbookError)(f"{candidate.name} meanwhile")
        return candidate.name, {}

    monkeypatch.setattr(heap_dump, "_save_histogram", lambda *_arguments: None)
    monkeypatch.setattr(heap_dump, "_dump", types.SimpleNamespace(choose_directory=place, capture=capture))
    task = Task({"max_attempts": 2, "incident_id": "INC-1", "directory": "", "live": True})
    ranked = [types.SimpleNamespace(name=name) for name in pods]
    return heap_dump._first_that_works(task, types.SimpleNamespace(name="prod"), None, ranked, "shop/app")


@pytest.mark.parametrize("first, lost", [("good", 0), ("full", 1), ("dead", 1)])
def test_the_next_pod_is_dumped_where_the_first_cannot_be(monkeypatch, first, lost):
    item, _seconds, said = dumped(monkeypatch, first, "good")
    assert item == "good" and len(said) == lost


def test_a_dump_that_was_made_but_did_not_arrive_is_continued_and_not_made_again_elsewhere(monkeypatch):
    with pytest.raises(RunbookError, match="damaged meanwhile"):
        dumped(monkeypatch, "damaged", "good")


def test_where_none_can_be_dumped_each_reason_is_said_with_the_variable(monkeypatch):
    with pytest.raises(RunbookError, match="(?s)full.*no room.*dead.*memory_leak_allow_missing_evidence"):
        dumped(monkeypatch, "full", "dead", "good")
