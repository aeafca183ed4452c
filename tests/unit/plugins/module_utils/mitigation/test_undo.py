# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes an undo takes back, and in which order."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, Drift
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, UNDONE, LedgerEntry
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._undo import ALL, EXPIRED, TEMPORARY, pending, rehearse


def entry(number, action, state=DONE, **traits):
    change = Change(action, Target("shop", "Deployment", "api"), "uid", (Field("spec.replicas", 1, 2),), action, **traits)
    return LedgerEntry(number, change, state, "2026-11-23T00:00:00Z")


class Record:
    """An incident of which only the ledger is read."""

    def ledger(self):
        return [entry(1, "config", expires_at="2026-01-01T00:00:00.000Z"), entry(2, "restart", temporary=True),
                entry(3, "scale"), entry(4, "rollback", temporary=False),
                entry(5, "restart", temporary=False, reversible=False), entry(6, "env", UNDONE),
                entry(7, "config", expires_at="2999-01-01T00:00:00.000Z")]


@pytest.mark.parametrize("which, numbers", [(TEMPORARY, [7, 3, 1, 2]), (EXPIRED, [1]), (ALL, [7, 4, 3, 1, 2])])
def test_newest_first_and_restarts_last(which, numbers):
    assert [entry.number for entry in pending(Record(), which)] == numbers


def test_only_the_entries_that_are_named():
    assert [entry.number for entry in pending(Record(), ALL, [4, 1, 5])] == [4, 1]


def test_a_rehearsal_tells_of_each_change_and_writes_nothing(monkeypatch):
    states = {1: "after", 2: "before", 3: "drift"}

    class Tried(Change):
        def state(self, cluster):
            return states[int(self.summary)]

        def refuse_drift(self, cluster):
            raise Drift("bob has written since")

    class Ledger:
        def ledger(self):
            return [LedgerEntry(number, Tried("env", Target("shop", "Deployment", "api"), "uid", (), str(number)), DONE, "2026-11-23T00:00:00Z")
                    for number in states]

    found = rehearse(None, Ledger())
    assert {key: found[key] for key in ("restorable", "settled", "refused")} == {
        "restorable": [1], "settled": [2], "refused": [{"change": 3, "why": "bob has written since"}]}

    def broken(self, cluster):
        raise ClusterError("no answer")
    monkeypatch.setattr(Tried, "state", broken)
    assert rehearse(None, Ledger())["failed"] == "no answer"
