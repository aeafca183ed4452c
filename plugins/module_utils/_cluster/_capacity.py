# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods ask for, and how many of them the nodes can still take."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather

try:
    from kubernetes.utils.quantity import parse_quantity
except ImportError:
    pass

RESOURCES = ("cpu", "memory")


def demand(template: Json, pods: int) -> dict[str, t.Any]:
    """What a number of pods ask for, by the names that a ResourceQuota uses (``requests.cpu``, ``pods``…)."""
    wanted: dict[str, t.Any] = {"pods": pods}
    for container in template["spec"]["containers"]:
        resources = container.get("resources", {})
        limits = resources.get("limits", {})
        for group, amounts in (("limits", limits), ("requests", {**limits, **resources.get("requests", {})})):
            for name, amount in amounts.items():
                key = f"{group}.{name}"
                wanted[key] = wanted.get(key, 0) + pods * parse_quantity(amount)
    return wanted


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
        room = {name: parse_quantity(node["status"]["allocatable"][name]) for name in (*RESOURCES, "pods")}
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
