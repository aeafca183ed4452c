# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mitigation may not do. Each guardrail refuses by raising; silence is consent."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._change import Change
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._errors import Refused

try:
    from kubernetes.utils.quantity import parse_quantity
except ImportError:
    pass


@dataclasses.dataclass(frozen=True)
class Limits:
    """Caps that hold for every change.

    :param max_memory: largest memory limit or request that a change may set.
    :param denied_namespaces: namespaces that are never changed.
    :param respect_disruption_budgets: refuse a restart that would break a PodDisruptionBudget.
    """

    max_memory: str
    denied_namespaces: tuple[str, ...]
    respect_disruption_budgets: bool


def check(cluster: Cluster, change: Change, current: Json, limits: Limits) -> None:
    """Refuse a change that no runbook should make."""
    where = f"Cluster {cluster.name}: refused to {change.summary}"
    _namespace_is_allowed(change, limits, where)
    _memory_is_capped(change, limits, where)
    if change.disruptive:
        _not_paused(change, current, where)
        _no_rollout_under_way(change, current, where)
        _quota_leaves_room(cluster, change, current, where)
        if limits.respect_disruption_budgets:
            _budgets_hold(cluster, change, current, where)


def _namespace_is_allowed(change: Change, limits: Limits, where: str) -> None:
    if change.target.namespace in limits.denied_namespaces:
        raise Refused(f"{where}: namespace {change.target.namespace} is in runbooks_denied_namespaces.",
                      "Runbooks change applications, not the cluster's own namespaces.")


def _memory_is_capped(change: Change, limits: Limits, where: str) -> None:
    for path, quantity in _memory(change):
        if parse_quantity(quantity) > parse_quantity(limits.max_memory):
            raise Refused(f"{where}: {path} {quantity} is over the cap of {limits.max_memory}.",
                          "Ask for less, or raise runbooks_max_memory after looking at the node's room.")


def _not_paused(change: Change, current: Json, where: str) -> None:
    if current["spec"].get("paused"):
        raise Refused(f"{where}: its rollouts are paused, so the change would wait for ever.",
                      f"kubectl -n {change.target.namespace} rollout resume {change.target.short}")


def _no_rollout_under_way(change: Change, current: Json, where: str) -> None:
    progress = _rollout.progress(change.target.kind, current)
    if not progress.updated:
        raise Refused(f"{where}: a rollout is under way ({progress.text}).",
                      f"Wait for it: kubectl -n {change.target.namespace} rollout status {change.target.short}")


def _quota_leaves_room(cluster: Cluster, change: Change, current: Json, where: str) -> None:
    extra = {f"{group}.memory": more for group, more in _extra_memory(change, current) if more > 0}
    if not extra:
        return
    for quota in cluster.list("ResourceQuota", change.target.namespace):
        hard, used = quota.get("status", {}).get("hard", {}), quota.get("status", {}).get("used", {})
        for name, more in extra.items():
            if name in hard and parse_quantity(used.get(name, "0")) + more > parse_quantity(hard[name]):
                raise Refused(f"{where}: ResourceQuota {quota['metadata']['name']} has {used.get(name, 0)} of "
                              f"{hard[name]} {name} in use, and this needs {int(more) >> 20} Mi more.",
                              "Raise the quota or choose a smaller value.")


def _budgets_hold(cluster: Cluster, change: Change, current: Json, where: str) -> None:
    lowest = _rollout.lowest_available(change.target.kind, current)
    labels = current["spec"]["template"]["metadata"].get("labels", {})
    for budget in cluster.list("PodDisruptionBudget", change.target.namespace):
        wanted = budget["spec"].get("selector", {}).get("matchLabels", {})
        desired = budget.get("status", {}).get("desiredHealthy", 0)
        if wanted and wanted.items() <= labels.items() and lowest < desired:
            raise Refused(
                f"{where}: the rolling update may go down to {lowest} available pods, and PodDisruptionBudget "
                f"{budget['metadata']['name']} asks for {desired}.",
                "Lower maxUnavailable (or raise maxSurge) of the workload, or set "
                "runbooks_respect_disruption_budgets=false to accept it.")


def _memory(change: Change) -> t.Iterator[tuple[str, str]]:
    for field in change.fields:
        if field.path.endswith((".limits.memory", ".requests.memory")) and field.after is not None:
            yield field.path, field.after


def _extra_memory(change: Change, current: Json) -> t.Iterator[tuple[str, t.Any]]:
    replicas = current["spec"].get("replicas", 1)
    before = {field.path: field.before for field in change.fields}
    for path, quantity in _memory(change):
        yield path.split(".")[-2], replicas * (parse_quantity(quantity) - parse_quantity(before[path] or "0"))
