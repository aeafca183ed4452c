# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods ask for, and how many of them the nodes can still take."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather

RESOURCES = ("cpu", "memory")


def demand(template: Json, pods: int) -> dict[str, t.Any]:
    """What a number of pods ask for, by the names that a ResourceQuota uses (``requests.cpu``, ``pods``…)."""
    wanted: dict[str, t.Any] = {"pods": pods}
    for group in ("limits", "requests"):
        for name, amount in _of_a_pod(template["spec"], group).items():
            wanted[f"{group}.{name}"] = pods * amount
    return wanted


def quota_amount(asked: t.Mapping[str, t.Any], name: str) -> t.Any:
    """What ``demand`` asks of a quota's name; ``cpu`` is ``requests.cpu``, and ``count/pods`` counts pods too."""
    return asked.get({"count/pods": "pods"}.get(name, name), asked.get(f"requests.{name}", 0))


def in_scope(quota: Json, spec: Json) -> bool:
    """Whether a ResourceQuota counts pods of a spec; what its scopes say that is not known counts as yes."""
    wanted = quota.get("spec") or {}
    terms = [{"scopeName": scope, "operator": "Exists"} for scope in wanted.get("scopes") or []]
    terms += (wanted.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_matches_scope(term, spec) for term in terms)


def _matches_scope(term: Json, spec: Json) -> bool:
    name, operator, values = term["scopeName"], term.get("operator", "Exists"), term.get("values") or []
    if name == "PriorityClass":
        own = spec.get("priorityClassName") or ""
        return {"In": own in values, "NotIn": own not in values, "Exists": bool(own), "DoesNotExist": not own}.get(operator, True)
    ends, asks = spec.get("activeDeadlineSeconds") is not None, any(_of_a_pod(spec, group) for group in ("limits", "requests"))
    holds = {"Terminating": ends, "NotTerminating": not ends, "BestEffort": not asks, "NotBestEffort": asks}.get(name, True)
    return holds if operator != "DoesNotExist" else not holds


def _of_a_pod(spec: Json, group: str) -> dict[str, t.Any]:
    """Limits or requests of one pod: its containers together, or an init container that asks for more, or what the pod says itself."""
    lasting: dict[str, t.Any] = {}
    peak: dict[str, t.Any] = {}
    for container in spec.get("initContainers") or []:
        own = _of_a_container(container, group)
        if container.get("restartPolicy") == "Always":
            lasting = own = _added(lasting, own)
        else:
            own = _added(lasting, own)
        peak = {name: max(peak.get(name, 0), own.get(name, 0)) for name in {*peak, *own}}
    for container in spec["containers"]:
        lasting = _added(lasting, _of_a_container(container, group))
    total = {name: max(lasting.get(name, 0), peak.get(name, 0)) for name in {*lasting, *peak}}
    whole = spec.get("resources") or {}
    if group == "requests":  # a limit of the pod is its request where nothing else asks
        total = {**_parsed(whole.get("limits"), "limits"), **total}
    total.update(_parsed(whole.get(group), group))
    overhead = _parsed(spec.get("overhead"), "overhead")
    return _added(total, {name: amount for name, amount in overhead.items() if group == "requests" or name in total})


def _of_a_container(container: Json, group: str) -> dict[str, t.Any]:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    return _parsed(limits if group == "limits" else {**limits, **(resources.get("requests") or {})}, group)


def _parsed(amounts: t.Mapping[str, t.Any] | None, what: str) -> dict[str, t.Any]:
    return {name: _quantity.parse(amount, f"{what}.{name}") for name, amount in (amounts or {}).items()}


def _added(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {*one, *other}}


def pods_that_fit(cluster: Cluster, template: Json, wanted: int) -> int | None:
    """How many more pods of a template the nodes can take, at most ``wanted``; None without permission to look.

    Each pod goes to the first node with room, as requests and not usage count for the scheduler. Affinity and
    topology are not weighed: the rollout would tell.
    """
    try:
        found = gather(nodes=lambda: cluster.list("Node"), pods=lambda: cluster.list("Pod"))
    except ClusterError as error:
        if error.status == 403:
            return None
        raise
    one = _requests(template)
    return min(wanted, sum(_fit(room, one) for room in _rooms(found["nodes"], found["pods"], template)))


def quantity(name: str, amount: t.Any) -> str:
    """An amount of a resource for a person."""
    return f"{int(amount) >> 20}Mi" if name.endswith("memory") else f"{float(amount):g}"


def _rooms(nodes: list[Json], pods: list[Json], template: Json) -> t.Iterator[dict[str, t.Any]]:
    for node in nodes:
        if node["spec"].get("unschedulable") or not _tolerated(node, template) or not _selected(node, template):
            continue
        room = {name: _quantity.parse(node["status"]["allocatable"][name]) for name in (*RESOURCES, "pods")}
        for pod in pods:
            if pod["spec"].get("nodeName") == node["metadata"]["name"] and pod["status"].get("phase") in ("Running", "Pending"):
                for name, amount in _requests(pod).items():
                    room[name] -= amount
        yield room


def _requests(pod: Json) -> dict[str, t.Any]:
    asked = demand(pod, 1)
    return {"pods": 1, **{name: asked.get(f"requests.{name}", 0) for name in RESOURCES}}


def _fit(room: dict[str, t.Any], one: dict[str, t.Any]) -> int:
    return max(0, min(int(room[name] // amount) for name, amount in one.items() if amount))


def _tolerated(node: Json, template: Json) -> bool:
    tolerations = template["spec"].get("tolerations", [])
    return all(any(_tolerates(toleration, taint) for toleration in tolerations)
               for taint in node["spec"].get("taints", []) if taint["effect"] != "PreferNoSchedule")


def _tolerates(toleration: Json, taint: Json) -> bool:
    return (toleration.get("effect") in (None, "", taint["effect"])
            and toleration.get("key") in (None, "", taint["key"])
            and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")))


def _selected(node: Json, template: Json) -> bool:
    return template["spec"].get("nodeSelector", {}).items() <= node["metadata"].get("labels", {}).items()
