# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mitigating modules share: one plan, one set of guardrails, one way to make changes."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import WORKLOAD_KINDS, Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident import _lock
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident, LedgerEntry, check_id
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _approval, _plan
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._guardrails import Limits
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._plan import Plan
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task

MITIGATION_SPEC: dict[str, dict[str, t.Any]] = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "incident_id": {"type": "str", "required": True},
    "plan_hash": {"type": "str"},
    "approval_expires": {"type": "str"},
    "approvers": {"type": "path"},
    "approval": {"type": "path"},
    "approval_request": {"type": "path"},
    "require_evidence": {"type": "list", "elements": "str", "default": []},
    "incidents_dir": {"type": "path", "default": "incidents"},
    "cooldown": {"type": "float", "default": 1800.0},
    "max_memory": {"type": "str", "default": "4Gi"},
    "max_replicas": {"type": "int", "default": 20},
    "denied_namespaces": {"type": "list", "elements": "str",
                          "default": ["kube-system", "kube-public", "kube-node-lease"]},
    "respect_disruption_budgets": {"type": "bool", "default": True},
    "respect_owners": {"type": "bool", "default": True},
    "lock_seconds": {"type": "int", "default": 3600},
}


def mitigate(task: Task, wanted: t.Sequence[Json]) -> Result:
    """Plan the wanted changes and, outside check mode, make them.

    :param wanted: dicts with ``action`` and the action's parameters.
    """
    p = task.params
    check_id(p["incident_id"])
    cluster = task.cluster()
    settled: list[LedgerEntry] = []
    incident = None
    if not task.check_mode:
        incident = Incident.load(cluster, p["namespace"], p["incident_id"])
        named = {Target.parse(p["namespace"], item["workload"]) for item in wanted if item.get("workload")}
        for target in {incident.target, *named}:
            _lock.acquire(cluster, target, incident.id, p["lock_seconds"])
        settled = _plan.resume(cluster, incident)
    plan = _plan.make_plan(cluster, p["namespace"], wanted, p["incident_id"], _limits(p))
    _plan.refuse_other_plan(plan, p["plan_hash"], p["approval_expires"])
    # The time is the cluster's, for it is compared with times that the cluster noted.
    result = {"plan": plan.to_json(), "plan_hash": plan.hash, "changes": [], "workloads": [], "mitigated_at": cluster.timestamp(),
              "diff": [change.diff() for change in plan.changes]}
    repeated = _plan.cooling_down(cluster, plan, p["incident_id"], p["cooldown"])
    if repeated:
        return {**result, "diff": [], "outcome": "cooldown", "says": _cooldown_lines(repeated, p["cooldown"])}
    if task.check_mode or incident is None:
        asked = _approval.write_request(p["approval_request"], plan, cluster.name, p["incident_id"], cluster.now()) if (
            p["approval_request"] and plan.changes) else []
        return {**result, "outcome": "planned", "changed": bool(plan.changes), "says": (_plan_lines(plan) if wanted else []) + asked}
    _refuse_without_approval(task, cluster, incident, plan)
    _refuse_without_evidence(task, plan)
    made = _plan.execute(cluster, incident, plan)
    return {**result, "outcome": "changed" if made or settled else "unchanged", "changed": bool(made or settled),
            "changes": [entry.number for entry in (*settled, *made)], "workloads": _workloads(plan),
            "says": [*plan.told] + [f"finished an interrupted change: {entry.change.summary}" for entry in settled]
            + [f"changed: {entry.change.summary}" for entry in made] or ["everything is in place already"] * bool(wanted)}


def _limits(p: dict[str, t.Any]) -> Limits:
    return Limits(p["max_memory"], p["max_replicas"], tuple(p["denied_namespaces"]), p["respect_disruption_budgets"],
                  p["respect_owners"])


def _workloads(plan: Plan) -> list[str]:
    """The workloads whose pods the plan replaces or adds, for whose rollout to wait."""
    return sorted({change.target.short for change in plan.changes if change.target.kind in WORKLOAD_KINDS.values()})


def _refuse_without_approval(task: Task, cluster: Cluster, incident: Incident, plan: Plan) -> None:
    """Where approvers are named, each plan needs a signature of one of them; who it was goes into the record before anything is changed."""
    p = task.params
    if not p["approvers"] or not plan.changes:
        return
    approved = _approval.verify(p["approval"] or "", p["approvers"], plan, cluster.name, incident.id, cluster.now())
    incident.note("plan", f"plan {plan.hash} approved by {approved.by}, {approved.how}, until {approved.expires}", plan=plan.hash, approved_by=approved.by)


def _refuse_without_evidence(task: Task, plan: Plan) -> None:
    p = task.params
    if not any(change.disruptive for change in plan.changes):
        return
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    missing = [kind for kind in p["require_evidence"] if not store.verified(kind)]
    if missing:
        raise Refused(
            f"Cluster {p['cluster_name']}: refused to {plan.changes[0].summary}: it would destroy evidence that is "
            f"not saved yet ({', '.join(missing)} of {p['incident_id']} in {store.root}).",
            "Capture it first, or accept the loss by taking it out of the runbook's required evidence.",
            missing_evidence=missing)


def _plan_lines(plan: Plan) -> list[str]:
    if not plan.changes:
        return ["nothing to change: everything is in place already"]
    return [*plan.told, *(f"would {change.summary}" for change in plan.changes), f"plan {plan.hash}"]


def _cooldown_lines(repeated: t.Sequence[tuple[Incident, t.Any]], cooldown: float) -> list[str]:
    incident, entry = repeated[-1]
    return [f"cooldown: {incident.id} did the same at {entry.at} ({entry.change.summary}); a second time within "
            f"{cooldown / 60:.0f} min would only hide the cause: escalate"]
