# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take changes back: the ledger replayed backwards, refusing where someone else has written since."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Drift, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, INTENDED, UNDONE, VOID, Incident, LedgerEntry

TEMPORARY, EXPIRED, ALL = "temporary", "expired", "all"


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


def pending(incident: Incident, which: str = TEMPORARY, numbers: t.Collection[int] = ()) -> list[LedgerEntry]:
    """What is still in place and is to be taken back, newest first.

    Restarts come last: they make pods read what was put back before.

    :param which: TEMPORARY, EXPIRED (temporary, and its time is up) or ALL (that can be reversed).
    :param numbers: only these entries, all when empty.
    """
    chosen = {TEMPORARY: lambda change: change.temporary, ALL: lambda change: change.reversible,
              EXPIRED: lambda change: bool(change.expires_at) and change.expires_at <= now()}[which]
    entries = [entry for entry in reversed(incident.ledger())
               if entry.state in (DONE, INTENDED) and chosen(entry.change) and (not numbers or entry.number in numbers)]
    return sorted(entries, key=lambda entry: entry.change.action == "restart")


def standing(cluster: Cluster, incident: Incident, numbers: t.Collection[int] = ()) -> list[tuple[LedgerEntry, str, str]]:
    """Each change that was made and not taken back: where its object stands now, and who has written since.

    :param numbers: only these entries, all when empty.
    """
    made = [entry for entry in incident.ledger() if entry.state == DONE and (not numbers or entry.number in numbers)]
    return [(entry, state, "" if state == "after" else _since(cluster, entry, state))
            for entry in made if (state := entry.change.state(cluster))]


def _since(cluster: Cluster, entry: LedgerEntry, state: str) -> str:
    if state == "gone":
        return f"{entry.change.target} is no more the object that was changed"
    try:
        entry.change.refuse_drift(cluster)
    except Drift as drift:
        return drift.message
    return f"{entry.change.target} is as it was before"


def rehearse(cluster: Cluster, incident: Incident) -> Json:
    """What taking back every reversible change would do now, without writing.

    Keys: at; restorable and settled (numbers of changes); refused (each with change and why); failed (why it could not be tried), where so.
    """
    at, entries = now(), pending(incident, ALL)
    try:
        tried = each(lambda entry: undo(cluster, incident, [entry], check_mode=True), entries)
    except RunbookError as error:
        return {"at": at, "failed": error.message}
    return {"at": at, "restorable": sorted(entry.number for one in tried for entry in one.restored),
            "settled": sorted(entry.number for one in tried for entry in one.settled),
            "refused": [{"change": entry.number, "why": drift.message} for entry, one in zip(entries, tried, strict=True) for drift in one.refused]}


def undo(cluster: Cluster, incident: Incident, entries: t.Sequence[LedgerEntry], check_mode: bool) -> Undone:
    """Restore what an incident changed.

    :param entries: as ``pending`` returns them.
    """
    result = Undone()
    for entry in entries:
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
