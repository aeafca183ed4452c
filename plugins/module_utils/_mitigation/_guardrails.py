# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mitigation may not do. Each guardrail refuses by raising; silence is consent."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _capacity, _quantity, _rollout, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import WORKLOAD_KINDS
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _owners
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._actions import Planned


@dataclasses.dataclass(frozen=True)
class Limits:
    """Caps that hold for every change.

    :param max_memory: largest memory limit or request that a change may set.
    :param max_replicas: most pods that a workload may be scaled to.
    :param denied_namespaces: namespaces that are never changed.
    :param respect_disruption_budgets: refuse a restart that would break a PodDisruptionBudget.
    :param respect_owners: refuse a change that somebody else is known to take back.
    """

    max_memory: str
    max_replicas: int
    denied_namespaces: tuple[str, ...]
    respect_disruption_budgets: bool
    respect_owners: bool = True


def check(cluster: Cluster, planned: Planned, limits: Limits) -> list[str]:
    """Refuse a change that no runbook should make.

    :returns: what is to be told before it is made: who else decides about its fields.
    """
    _within_bounds(cluster, planned, limits)
    return _told_of_owners(cluster, planned, limits)


def _told_of_owners(cluster: Cluster, planned: Planned, limits: Limits) -> list[str]:
    change = planned.change
    owners = _owners.of(cluster, change, _owners.object_of(cluster, change, planned.workload))
    certain = [owner for owner in owners if owner.takes_back]
    if certain and limits.respect_owners:
        raise Refused(f"Cluster {cluster.name}: refused to {change.summary}: it would not stay. "
                      f"{' '.join(f'{owner.who} {owner.how}.' for owner in certain)}",
                      f"{' '.join(owner.source for owner in certain)} Or set runbooks_respect_owners=false to make it all the same.",
                      owners=[str(owner) for owner in certain], patch=_owners.patch(change))
    return [f"{change.target.short}: {owner}" for owner in owners]


def _within_bounds(cluster: Cluster, planned: Planned, limits: Limits) -> None:
    change, workload = planned.change, planned.workload
    where = f"Cluster {cluster.name}: refused to {change.summary}"
    _namespace_is_allowed(change, limits, where)
    _memory_is_capped(change, limits, where)
    if workload is None:
        return
    _replicas_are_capped(planned, workload, limits, where)
    _quota_leaves_room(cluster, planned, workload, where)
    if planned.more_pods:
        _nodes_have_room(cluster, planned, workload, where)
    if change.disruptive:
        _not_paused(change, workload, where)
        _pods_are_replaced(change, workload, where)
        if change.action != "rollback":  # which is the way out of a rollout that never ends
            _no_rollout_under_way(cluster, change, workload, where)
        if limits.respect_disruption_budgets:
            _budgets_hold(cluster, change, workload, where)


def _namespace_is_allowed(change: Change, limits: Limits, where: str) -> None:
    if change.target.namespace in limits.denied_namespaces:
        raise Refused(f"{where}: namespace {change.target.namespace} is in runbooks_denied_namespaces.",
                      "Runbooks change applications, not the cluster's own namespaces.")


def _memory_is_capped(change: Change, limits: Limits, where: str) -> None:
    for path, quantity in _memory(change):
        if _quantity.parse(quantity, path) > _quantity.parse(limits.max_memory, "runbooks_max_memory"):
            raise Refused(f"{where}: {path} {quantity} is over the cap of {limits.max_memory}.",
                          "Ask for less, or raise runbooks_max_memory after looking at the node's room.")


def _not_paused(change: Change, current: Json, where: str) -> None:
    if current["spec"].get("paused"):
        raise Refused(f"{where}: its rollouts are paused, so the change would wait for ever.",
                      f"kubectl -n {change.target.namespace} rollout resume {change.target.short}")


def _pods_are_replaced(change: Change, current: Json, where: str) -> None:
    """A change of the template reaches pods only as the update strategy lets it."""
    target = change.target
    if _workload.on_delete(current):
        raise Refused(f"{where}: its update strategy is OnDelete, so its pods stay as they are until somebody deletes them.",
                      f"Set spec.updateStrategy.type of {target.short} to RollingUpdate, or change it by hand and delete its pods one at a time.")
    kept = min(_workload.partition(current), _workload.replicas(current))
    if kept and change.action != "rollback":  # which undoes the pods above the partition, and only these have the release
        raise Refused(f"{where}: its update strategy has the partition {_workload.partition(current)}, so its first {kept} pods would stay as they are.",
                      f"Finish or take back the staged rollout first: spec.updateStrategy.rollingUpdate.partition of {target.short}.")


def _no_rollout_under_way(cluster: Cluster, change: Change, current: Json, where: str) -> None:
    progress, namespace, short = _rollout.progress(change.target.kind, current), change.target.namespace, change.target.short
    if progress.updated:
        return
    reason = progress.failed or _rollout.stuck(cluster, change.target, current)
    if reason:
        raise Refused(f"{where}: its rollout is stuck ({progress.text}; {reason}), and waiting does not end that.",
                      f"Roll it back first: kubectl -n {namespace} rollout undo {short}, or the module workload_rollback.", stuck=reason)
    raise Refused(f"{where}: a rollout is under way ({progress.text}).", f"Wait for it: kubectl -n {namespace} rollout status {short}")


def _replicas_are_capped(planned: Planned, workload: Json, limits: Limits, where: str) -> None:
    replicas = _workload.replicas(workload) + planned.more_pods
    if planned.more_pods and replicas > limits.max_replicas:
        raise Refused(f"{where}: {replicas} pods are over the cap of {limits.max_replicas}.",
                      "Ask for fewer, or raise runbooks_max_replicas.")


def _quota_leaves_room(cluster: Cluster, planned: Planned, workload: Json, where: str) -> None:
    extra = _extra_demand(planned, workload)
    if not extra:
        return
    spec = workload["spec"]["template"]["spec"]
    for quota in cluster.list("ResourceQuota", planned.change.target.namespace):
        hard, used = (quota.get("status", {}).get(part) or {} for part in ("hard", "used"))
        for name in hard if _capacity.in_scope(quota, spec) else ():
            more = _capacity.quota_amount(extra, name)
            if more > 0 and _quantity.parse(used.get(name, "0"), name) + more > _quantity.parse(hard[name], name):
                raise Refused(f"{where}: ResourceQuota {quota['metadata']['name']} has {used.get(name, 0)} of "
                              f"{hard[name]} {name} in use, and this needs {_capacity.quantity(name, more)} more.",
                              "Raise the quota or choose a smaller value.")


def _nodes_have_room(cluster: Cluster, planned: Planned, workload: Json, where: str) -> None:
    fitting = _capacity.pods_that_fit(cluster, workload["spec"]["template"], planned.more_pods)
    if fitting is not None and fitting < planned.more_pods:
        raise Refused(f"{where}: the nodes have room for {fitting} of the {planned.more_pods} pods that it adds.",
                      "Add nodes, lower the pods' requests, or scale to fewer.", fitting=fitting)


def _extra_demand(planned: Planned, workload: Json) -> dict[str, t.Any]:
    """What a quota would have to give on top: in the end, and on the way where a new pod has to stand before an old one goes."""
    change, pods = planned.change, _workload.replicas(workload)
    later = change.after(workload) if change.target.kind in WORKLOAD_KINDS.values() else workload
    now = _capacity.demand(workload["spec"]["template"], pods)
    then = _capacity.demand(later["spec"]["template"], pods + planned.more_pods)
    extra = {name: amount - now.get(name, 0) for name, amount in then.items()}
    if change.disruptive and pods and _rollout.lowest_available(change.target.kind, workload) >= pods:
        one = _capacity.demand(later["spec"]["template"], 1)
        extra = {name: max(more, one.get(name, 0)) for name, more in extra.items()}
    return {name: more for name, more in extra.items() if more > 0}


def _budgets_hold(cluster: Cluster, change: Change, current: Json, where: str) -> None:
    lowest = _rollout.lowest_available(change.target.kind, current)
    for budget in cluster.list("PodDisruptionBudget", change.target.namespace):
        desired = budget.get("status", {}).get("desiredHealthy", 0)
        if lowest < desired and _is_for(cluster, budget, current):
            raise Refused(
                f"{where}: the rolling update may go down to {lowest} available pods, and PodDisruptionBudget "
                f"{budget['metadata']['name']} asks for {desired}.",
                "Lower maxUnavailable (or raise maxSurge) of the workload, or set "
                "runbooks_respect_disruption_budgets=false to accept it.")


def _is_for(cluster: Cluster, budget: Json, workload: Json) -> bool:
    """Whether a budget counts pods of the workload; the API server judges, so that labels and expressions mean what they mean to it."""
    if budget["spec"].get("selector") is None:  # selects no pod; an empty one selects all
        return False
    both = ",".join(filter(None, (_workload.selector(workload), _workload.selector(budget))))
    return bool(cluster.list("Pod", workload["metadata"]["namespace"], labelSelector=both))


def _memory(change: Change) -> t.Iterator[tuple[str, str]]:
    for field in change.fields:
        if field.path.endswith((".limits.memory", ".requests.memory")) and field.after is not None:
            yield field.path, field.after
