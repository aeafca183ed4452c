# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a pod can bear to be looked into: whatever runs inside a container counts against its memory limit.

An ephemeral container has no limit of its own, but the pod has one: the sum of its containers' limits, where every
container has one. So it helps where the pod has more room than the container, and not where that is the pod's only one.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _quantity, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Usage
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._memory._signals import current_usage

MIB = 1 << 20
#: a jcmd with ``_jvm.SMALL`` takes 17 MiB of its own (20 to 23 without); the rest is for the shell and the kernel
NEEDED = 24.0 * MIB
#: with less than this left, pods are entered one at a time, and the last ready one not at all
TIGHT = 64.0 * MIB
INSIDE, BESIDE = "inside", "beside"


@dataclasses.dataclass(frozen=True)
class Room:
    """The memory that a pod has left.

    :param limit: of the container, in bytes; infinite where it has none.
    :param left: bytes until the container's limit; None where its usage is not known.
    :param pod_left: bytes until the limit of the pod as a whole, likewise.
    """

    pod: str
    ready: bool
    limit: float
    left: float | None
    pod_left: float | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """How a pod is looked into.

    :param way: ``INSIDE`` the container, ``BESIDE`` it in an ephemeral one, or empty where it is not entered.
    :param alone: whether no other pod is looked into meanwhile.
    :param floor: bytes that must be left when the container itself says how full it is.
    :param spare: bytes that the pod has left besides what its container has: what an ephemeral container has more.
    :param why_not: why it is not entered.
    """

    pod: str
    way: str
    alone: bool = False
    floor: float = NEEDED
    spare: float = 0.0
    why_not: str = ""


def entries(rooms: t.Sequence[Room], debug_image: str) -> list[Entry]:
    """How each pod is looked into; the ready ones are counted among those that are given.

    What is not known neither forbids nor allows: such a pod is entered alone, and asked for its room before a JVM is started in it.
    """
    ready = sum(room.ready for room in rooms)
    return [_entry(room, room.ready and ready == 1, debug_image) for room in rooms]


def _entry(room: Room, last: bool, debug_image: str) -> Entry:
    floor = TIGHT if last else NEEDED
    inside, beside = _least(room.left, room.pod_left), room.pod_left
    if inside is not None and inside < TIGHT and debug_image and beside is not None and beside >= TIGHT:
        return Entry(room.pod, BESIDE)
    if inside is None or inside >= floor:
        return Entry(room.pod, INSIDE, alone=inside is None or inside < TIGHT, floor=floor, spare=_spare(room) if debug_image else 0.0)
    if debug_image and beside is not None and beside >= floor:
        return Entry(room.pod, BESIDE, alone=True)
    return Entry(room.pod, "", why_not=_why_not(room, inside, last, debug_image))


def _spare(room: Room) -> float:
    """What is not known is none."""
    if room.left is None or room.pod_left is None or math.isinf(room.left):
        return 0.0
    return max(0.0, room.pod_left - room.left)


def refusal(pod: str, left: float, limit: float, last: bool = False) -> str:
    """Why a pod is not entered."""
    of = f" of {size(limit)}" if math.isfinite(limit) else ""
    return f"{pod}: only {size(max(left, 0))} left{of}{', and no other pod is ready' if last else ''}: not entered"


def _why_not(room: Room, inside: float, last: bool, debug_image: str) -> str:
    said = refusal(room.pod, inside, room.limit, last and inside >= NEEDED)
    if room.pod_left is None or room.pod_left >= TIGHT:
        return said if debug_image else f"{said}; memory_leak_debug_image would look from an ephemeral container, which that limit does not bind"
    return f"{said}; an ephemeral container would count against the same limit, the pod's"


def _least(*amounts: float | None) -> float | None:
    """The smallest; what is known may be too little already, whatever the rest is."""
    known = [amount for amount in amounts if amount is not None]
    least = min(known, default=None)
    return least if len(known) == len(amounts) or (least is not None and least < TIGHT) else None


def read(cluster: Cluster, workload: Json, pods: t.Sequence[Json], container: str) -> list[Room]:
    """The room of each pod, by the metrics API; not known where that has no sample of this life of a container."""
    try:
        used = _pod_metrics.usage(cluster, workload["metadata"]["namespace"], _workload.selector(workload))
    except ClusterError:
        used = {}
    return [of_pod(pod, container, used) for pod in pods]


def of_pod(pod: Json, container: str, used: t.Mapping[tuple[str, str], Usage]) -> Room:
    """The room of one pod.

    :param used: by pod and container.
    """
    names = _workload.container_names(pod)
    usage = {name: _used(pod, name, used) for name in names}
    limits = {name: _limit(_workload.container_spec(pod, name)) for name in names}
    ceiling = _limit(pod["spec"])
    ceiling = sum(limits.values()) if math.isinf(ceiling) else ceiling
    together = None if None in usage.values() else sum(t.cast(t.Iterable[float], usage.values()))
    return Room(pod["metadata"]["name"], _workload.ready(pod), limits.get(container, math.inf),
                _left(limits.get(container, math.inf), usage.get(container)), _left(ceiling, together))


def _used(pod: Json, name: str, used: t.Mapping[tuple[str, str], Usage]) -> float | None:
    running = _workload.container_status(pod, name).get("state", {}).get("running") or {}
    return current_usage(used.get((pod["metadata"]["name"], name)), running.get("startedAt"))


def _limit(owner: Json) -> float:
    amount = ((owner.get("resources") or {}).get("limits") or {}).get("memory")
    return math.inf if amount is None else float(_quantity.parse(amount, "limits.memory"))


def _left(limit: float, used: float | None) -> float | None:
    if math.isinf(limit):
        return math.inf
    return None if used is None else limit - used
