# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan changes, check them against the guardrails, and make them: ledger first, then the write."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Drift, InvalidInput, Refused, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import (
    DONE, INTENDED, UNDONE, VOID, Incident, LedgerEntry)
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _guardrails
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._actions import ACTIONS, Request


@dataclasses.dataclass(frozen=True)
class Plan:
    """The changes that a run would make, in order; those already in place are left out.

    :param told: what is to be known before they are made: who else decides about their fields.
    """

    changes: tuple[Change, ...]
    told: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Names exactly this plan: other objects, fields or values give another hash."""
        content = [{"action": c.action, "target": str(c.target), "uid": c.uid,
                    "fields": [dataclasses.asdict(field) for field in c.fields]} for c in self.changes]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> list[Json]:
        """As module results show it."""
        return [{"action": change.action, "target": str(change.target), "summary": change.summary,
                 "temporary": change.temporary, "disruptive": change.disruptive, "expires_at": change.expires_at,
                 "fields": [dataclasses.asdict(field) for field in change.fields]} for change in self.changes]


def make_plan(cluster: Cluster, namespace: str, wanted: t.Sequence[Json], incident_id: str,
              limits: _guardrails.Limits) -> Plan:
    """Read every target and compute what would change.

    :param wanted: dicts with ``action`` and the action's own parameters; ``expires_in`` (seconds) with any.
    :raises Refused: a guardrail forbids one of them.
    """
    for item in wanted:
        if item.get("action") not in ACTIONS:
            raise InvalidInput(f"Not a change: {item}.", f"It needs action, one of {', '.join(sorted(ACTIONS))}.")

    def plan_one(item: Json) -> tuple[list[Change], list[str]]:
        planned = [one for one in ACTIONS[item["action"]](Request(cluster, namespace, incident_id, item)) if one.change.needed]
        told = [line for one in planned for line in _guardrails.check(cluster, one, limits)]
        expires_at = _later(float(item["expires_in"])) if item.get("expires_in") else ""
        return [dataclasses.replace(one.change, expires_at=expires_at) for one in planned], told

    found = each(plan_one, wanted)
    return Plan(tuple(change for changes, _told in found for change in changes), tuple(line for _changes, told in found for line in told))


def resume(cluster: Cluster, incident: Incident) -> list[LedgerEntry]:
    """Settle what an interrupted run left: finish a write that was intended, note one that was made.

    :returns: the entries that are now done and were not before.
    """
    settled = []
    for entry in incident.ledger():
        if entry.state != INTENDED:
            continue
        state = entry.change.state(cluster)
        if state == "gone":
            incident.mark(entry, VOID)
            continue
        if state == "drift":
            raise Drift(f"Cluster {cluster.name}: an interrupted run of {incident.id} meant to {entry.change.summary}, "
                        "and someone else has changed those fields since. Nothing was overwritten.",
                        f"Look at {entry.change.target}, then take this incident back with "
                        f"clear_temporary_fixes.yml -e incident_id={incident.id}.")
        if state == "before":
            entry.change.apply(cluster)
        incident.mark(entry, DONE)
        settled.append(entry)
    return settled


def execute(cluster: Cluster, incident: Incident, plan: Plan) -> list[LedgerEntry]:
    """Make the changes in order, each written to the ledger first; all of them, or none."""
    made: list[LedgerEntry] = []
    try:
        for change in plan.changes:
            entry = incident.intend(change)
            change.apply(cluster)
            incident.mark(entry, DONE)
            incident.note("mitigate", f"changed: {change.summary}", change=entry.number)
            made.append(entry)
    except RunbookError as error:
        raise type(error)(f"{error.message} {_taken_back(cluster, incident, made)}".strip(), error.next_step,
                          **error.details) from error
    return made


def _taken_back(cluster: Cluster, incident: Incident, made: t.Sequence[LedgerEntry]) -> str:
    """Half a plan helps nobody: undo what it had changed before it failed, and say so."""
    reversible = [entry for entry in reversed(made) if entry.change.reversible]
    try:
        for entry in reversible:
            entry.change.undo(cluster)
            incident.mark(entry, UNDONE)
            incident.note("mitigate", f"restored, as the plan could not be finished: {entry.change.summary}", change=entry.number)
    except RunbookError as error:
        return (f"Before that it had changed: {'; '.join(entry.change.summary for entry in made)}; taking that back failed "
                f"too ({error.message}): clear_temporary_fixes.yml -e incident_id={incident.id} does it.")
    return f"Taken back: {'; '.join(entry.change.summary for entry in reversible)}." if reversible else ""


def refuse_other_plan(plan: Plan, approved: str | None, expires: str | None) -> None:
    """Refuse a plan that is not the one that was approved, or whose approval has expired."""
    if expires and datetime.datetime.fromisoformat(expires.replace("Z", "+00:00")) < _utc_now():
        raise Refused(f"The approval of plan {approved} expired at {expires}.",
                      "Run with --check --diff again and have the new plan approved.")
    if approved and plan.changes and plan.hash != approved:
        raise Refused(f"The plan is now {plan.hash}, but {approved} was approved: the cluster has changed since. "
                      "Nothing was changed.", "Run with --check --diff again and look at what differs.")


def cooling_down(cluster: Cluster, plan: Plan, incident_id: str, cooldown: float) -> list[tuple[Incident, LedgerEntry]]:
    """Identical mitigations that another incident made less than ``cooldown`` seconds ago."""
    if not plan.changes or not cooldown:
        return []
    wanted = {(change.action, change.target) for change in plan.changes}
    earliest = (_utc_now() - datetime.timedelta(seconds=cooldown)).isoformat()
    incidents = Incident.all(cluster, plan.changes[0].target.namespace)
    return [(incident, entry) for incident in incidents if incident.id != incident_id
            for entry in incident.ledger()
            if entry.state == DONE and entry.at >= earliest and (entry.change.action, entry.change.target) in wanted]


def _later(seconds: float) -> str:
    moment = _utc_now() + datetime.timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
