# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take changes back: the ledger replayed backwards, refusing where someone else has written since."""

from __future__ import annotations

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._errors import Drift
from ansible_collections.sre.runbooks.plugins.module_utils._incident import DONE, INTENDED, UNDONE, VOID, Incident, LedgerEntry


@dataclasses.dataclass
class Undone:
    """What an undo did.

    :param restored: entries whose previous values are back (or would be, in check mode).
    :param settled: entries with nothing to restore (never made, already back, object gone).
    :param refused: entries that someone else has changed since, each with the explanation.
    """

    restored: list[LedgerEntry] = dataclasses.field(default_factory=list)
    settled: list[LedgerEntry] = dataclasses.field(default_factory=list)
    refused: list[Drift] = dataclasses.field(default_factory=list)


def pending(incident: Incident) -> list[LedgerEntry]:
    """The temporary changes that are still in place, newest first."""
    return [entry for entry in reversed(incident.ledger())
            if entry.change.temporary and entry.state in (DONE, INTENDED)]


def undo(cluster: Cluster, incident: Incident, check_mode: bool) -> Undone:
    """Restore what an incident changed for a while."""
    result = Undone()
    for entry in pending(incident):
        state = entry.change.state(cluster)
        if state in ("before", "gone"):
            result.settled.append(entry)
            if not check_mode:
                incident.mark(entry, VOID if entry.state == INTENDED else UNDONE)
            continue
        try:
            if not check_mode:
                entry.change.undo(cluster)
                incident.mark(entry, UNDONE)
                incident.note("undo", f"restored: {entry.change.summary}", change=entry.number)
            elif state == "drift":
                entry.change.refuse_drift(cluster)
            result.restored.append(entry)
        except Drift as drift:
            result.refused.append(drift)
            if not check_mode:
                incident.note("undo", f"refused: {drift.message}", change=entry.number)
    return result
