# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of a workload: which one is wanted since when, which was ever ready, and which one could be gone back to."""

from __future__ import annotations

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _references, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _pods
from ansible_collections.sre.runbooks.plugins.module_utils._crash._look import Look, event_time, revision_hash
from ansible_collections.sre.runbooks.plugins.module_utils._crash._inventory import Inventory

#: seconds after its rollout: pods of a revision that are younger have taken the place of others
LATER = 600.0


@dataclasses.dataclass(frozen=True)
class WayBack:
    """Which revision could be gone back to.

    :param good: number of the newest earlier revision that was ready for sure and has everything that it refers to; 0 where there is none,
        None where that is not known.
    :param complete: whether the revision before has everything that it refers to, whatever became of its pods; None where that is not known.
    :param unusable: what keeps revisions from being the good one, in words.
    :param because: why something is not known.
    """

    good: int | None
    complete: bool | None
    unusable: tuple[str, ...] = ()
    because: str = ""


def wanted_since(look: Look) -> str:
    """When the current revision was rolled out (ISO 8601), empty where nothing tells; not the first use of its ReplicaSet."""
    if not look.revisions:
        return ""
    item = current(look)
    created = item["metadata"]["creationTimestamp"]
    if look.target.kind != "Deployment":
        return max(filter(None, [created, _revisions.written_at(item)]), key=_pods.moment)
    if _revisions.HISTORY not in item["metadata"].get("annotations", {}):
        return created
    name = item["metadata"]["name"]
    scaled_up = [event for event in look.events_of(look.target.name, "ScalingReplicaSet") if f"Scaled up replica set {name} " in (event.get("message") or "")]
    first_pods = [pod["metadata"]["creationTimestamp"] for pod in look.of_current()]
    return min([*(event.get("firstTimestamp") or event_time(event) for event in scaled_up[-1:]), *first_pods], key=_pods.moment, default="")


def ever_ready(look: Look, item: Json) -> bool | None:
    """Whether pods of a revision were ever ready; None where nothing tells, which is not a no."""
    if any(_pods.was_well(pod, look.at) for pod in look.pods if _pods.revision_hash(pod) == revision_hash(item)):
        return True
    if look.target.kind == "Deployment":
        return True if _rolled_out(look, item) and _pods_came_later(look, item) else None
    if look.target.kind == "StatefulSet":
        return True if _promoted(look, item) else None
    return None


def current_ever_ready(look: Look) -> bool | None:
    """Whether the current revision was ever ready; no, where pods of it are there and nothing tells that any of them was."""
    if not look.revisions:
        return None
    told = ever_ready(look, current(look))
    return False if told is None and look.of_current() else told


def way_back(look: Look, inventory: Inventory) -> WayBack:
    """Which revision could be gone back to: one that runs something else, was ready and has all that it needs."""
    if not look.revisions:
        return WayBack(None, None, because="the cluster has no revisions of it")
    running = _revisions.essence(_revisions.template(current(look)))
    others = [item for item in reversed(_earlier(look)) if _revisions.essence(_revisions.template(item)) != running]
    unusable: list[str] = []
    complete = _complete(others[0], inventory) if others else None
    for item in others:
        number, references = _revisions.number(item), _references.of(_revisions.template(item))
        if missing := inventory.missing(references):
            unusable.append(f"revision {number} needs what is not there: {', '.join(missing)}")
        elif not ever_ready(look, item):
            unusable.append(f"nothing tells whether revision {number} was ever ready")
        elif why := inventory.untold(references):
            return WayBack(None, complete, tuple(unusable), f"whether all is there that revision {number} needs ({why})")
        else:
            return WayBack(number, complete, tuple(unusable))
    return WayBack(0, complete, tuple(unusable))


def previous(look: Look) -> int:
    """The number of the revision before the current one, 0 where there is none."""
    earlier = _earlier(look)
    return _revisions.number(earlier[-1]) if earlier else 0


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
    if not earlier or not since or _revisions.HISTORY in earlier[-1]["metadata"].get("annotations", {}):
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


def _pods_came_later(look: Look, item: Json) -> bool:
    """Whether the pods of a revision are so much younger than its rollout that others of it were there before, at the rollout's end."""
    begin = wanted_since(look) if item is current(look) else item["metadata"]["creationTimestamp"]
    born = [_pods.moment(pod["metadata"]["creationTimestamp"]) for pod in look.pods if _pods.revision_hash(pod) == revision_hash(item)]
    return bool(begin and born) and (min(born) - _pods.moment(begin)).total_seconds() > LATER


def _complete(item: Json, inventory: Inventory) -> bool | None:
    references = _references.of(_revisions.template(item))
    if inventory.missing(references):
        return False
    return None if inventory.untold(references) else True


def _promoted(look: Look, item: Json) -> bool:
    """Whether a StatefulSet's controller has made a revision its current one at the end of a rollout: its first one became so untried."""
    status = look.workload.get("status", {})
    return status.get("currentRevision") == item["metadata"]["name"] and _revisions.number(item) > 1
