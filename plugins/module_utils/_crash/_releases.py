# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of a workload: which one is wanted since when, which was ever ready, and which one could be gone back to."""

from __future__ import annotations

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _pods, _references
from ansible_collections.sre.runbooks.plugins.module_utils._crash._look import Look, event_time, revision_hash
from ansible_collections.sre.runbooks.plugins.module_utils._crash._references import Inventory

#: an annotation that a ReplicaSet gets when it is used again: its time of creation then says nothing
USED_AGAIN = "deployment.kubernetes.io/revision-history"


@dataclasses.dataclass(frozen=True)
class GoodRevision:
    """The last earlier revision that was ready and has everything that it refers to.

    :param number: 0 where there is none; None where that is not known.
    :param unusable: what keeps the others from it, in words.
    :param because: why it is not known.
    """

    number: int | None
    unusable: tuple[str, ...] = ()
    because: str = ""


def wanted_since(look: Look) -> str:
    """When the current revision was rolled out (ISO 8601), empty where nothing tells; not the first use of its ReplicaSet."""
    if not look.revisions:
        return ""
    item = current(look)
    created = item["metadata"]["creationTimestamp"]
    if look.target.kind != "Deployment":  # a ControllerRevision is written again only when it is used again
        written = [entry["time"] for entry in item["metadata"].get("managedFields", []) if entry.get("time")]
        return max([created, *written], key=_pods.moment)
    if USED_AGAIN not in item["metadata"].get("annotations", {}):
        return created
    name = item["metadata"]["name"]
    scaled_up = [event for event in look.events_of(look.target.name, "ScalingReplicaSet") if f"Scaled up replica set {name} " in (event.get("message") or "")]
    first_pods = [pod["metadata"]["creationTimestamp"] for pod in look.of_current()]
    return min([*(event.get("firstTimestamp") or event_time(event) for event in scaled_up[-1:]), *first_pods], key=_pods.moment, default="")


def ever_ready(look: Look, item: Json) -> bool | None:
    """Whether pods of a revision were ever ready; None where nothing tells, which is not a no."""
    if any(_pods.was_ready(pod) for pod in look.pods if _pods.revision_hash(pod) == revision_hash(item)):
        return True
    if look.target.kind == "Deployment":
        return True if item.get("status", {}).get("readyReplicas") or _rolled_out(look, item) else None
    if look.target.kind == "StatefulSet":
        return True if _promoted(look, item) else None
    return None


def current_ever_ready(look: Look) -> bool | None:
    """Whether the current revision was ever ready; no, where its rollout is under way and none of its pods that are there was."""
    if not look.revisions:
        return None
    told = ever_ready(look, current(look))
    return False if told is None and look.of_current() else told


def good(look: Look, inventory: Inventory) -> GoodRevision:
    """Which revision could be gone back to: the newest that runs something else, was ready and has all that it needs."""
    if not look.revisions:
        return GoodRevision(None, because="the cluster has no revisions of it")
    unusable: list[str] = []
    running = _revisions.essence(_revisions.template(current(look)))
    for item in reversed(_earlier(look)):
        template, number = _revisions.template(item), _revisions.number(item)
        if _revisions.essence(template) == running:
            continue
        if not ever_ready(look, item):
            unusable.append(f"it is not known whether revision {number} was ever ready")
            continue
        references = _references.of(template)
        if missing := inventory.missing(references):
            unusable.append(f"revision {number} needs what is not there: {', '.join(missing)}")
            continue
        if why := inventory.untold(references):
            return GoodRevision(None, tuple(unusable), f"whether all is there that revision {number} needs ({why})")
        return GoodRevision(number, tuple(unusable))
    return GoodRevision(0, tuple(unusable))


def changes(look: Look) -> list[str]:
    """What the current revision changed against the one before, secrets removed."""
    earlier = _earlier(look)
    if not earlier:
        return []
    before, after = (_revisions.essence(_revisions.template(item)) for item in (earlier[-1], current(look)))
    return [f"{change['path'].removeprefix('spec.')}: {change['before'] or 'none'} -> {change['after'] or 'none'}"
            for change in _history.differences(before, after)]


def previous_stood(look: Look) -> float | None:
    """For how many seconds the revision before was the wanted one; None where that is not known."""
    earlier, since = _earlier(look), wanted_since(look)
    if not earlier or not since or USED_AGAIN in earlier[-1]["metadata"].get("annotations", {}):
        return None
    return (_pods.moment(since) - _pods.moment(earlier[-1]["metadata"]["creationTimestamp"])).total_seconds()


def current(look: Look) -> Json:
    """The ReplicaSet or ControllerRevision that is wanted; there must be one."""
    return next((item for item in look.revisions if revision_hash(item) == look.current or item["metadata"]["name"] == look.current), look.revisions[-1])


def _earlier(look: Look) -> list[Json]:
    wanted = current(look)
    return [item for item in look.revisions if item is not wanted]


def _rolled_out(look: Look, item: Json) -> bool:
    """Whether a Deployment's controller has seen the rollout of a ReplicaSet to its end."""
    progressing = _pods.condition(look.workload, "Progressing")
    return progressing.get("reason") == "NewReplicaSetAvailable" and f'"{item["metadata"]["name"]}"' in progressing.get("message", "")


def _promoted(look: Look, item: Json) -> bool:
    """Whether a StatefulSet's controller has made a revision its current one at the end of a rollout: its first one became so untried."""
    status = look.workload.get("status", {})
    return status.get("currentRevision") == item["metadata"]["name"] and _revisions.number(item) > 1

