# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of a workload that does not come up or does not stay up."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _messages, _pods
from ansible_collections.sre.runbooks.plugins.module_utils._crash._look import Look, event_time
from ansible_collections.sre.runbooks.plugins.module_utils._crash._pods import Container
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal

MOUNT_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
SANDBOX_EVENTS = ("FailedCreatePodSandBox", "NetworkNotReady")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is still no incident.

    :param grace: seconds that a pod may wait for a node, for its volumes and for its start.
    :param restarts: ends of one container that are still nothing while it is ready.
    """

    grace: float = 60.0
    restarts: int = 2


def measure(look: Look, limits: Limits, since: str, after_a_change: bool) -> Reading:
    """All signals of one look.

    :param since: what ended before (ISO 8601) does not count.
    :param after_a_change: only pods of the current revision count, each end since then counts, and all of them must be ready.
    """
    begin = _pods.moment(since)
    wanted = look.of_current() if after_a_change and look.desired_current else list(look.pods)
    alive = [pod for pod in wanted if not _pods.gone_for_good(pod)]
    containers = look.containers(alive)
    killed = {container.place: probe for container, probe, _event in look.probe_kills(begin)}

    def unstable(container: Container) -> bool:
        return _ended_since(container, begin) and (after_a_change or not container.ready or container.restarts > limits.restarts)

    signals = (
        _of_containers("crash_loop", "in CrashLoopBackOff", [item for item in containers if item.part != _pods.INIT and item.waiting == _pods.BACKING_OFF]),
        _of_containers("ended", "ended", [item for item in containers if item.part != _pods.INIT and unstable(item) and item.place not in killed]),
        _of_containers("killed_by_probe", "killed by a probe", [item for item in containers if item.place in killed and unstable(item)],
                       lambda item: killed[item.place]),
        _of_containers("init_failed", "failed to initialise", [item for item in containers if _init_fails(item, begin)]),
        _of_containers("image_not_pulled", "without an image", [item for item in containers if item.waiting in _pods.PULL_REASONS]),
        _of_containers("config_error", "without their configuration", [item for item in containers if item.waiting in _pods.CONFIG_REASONS]),
        _of_containers("not_started", "not to be started", [item for item in containers if item.waiting in _pods.START_REASONS]),
        _of_pods("unschedulable", "without a node", [pod for pod in alive if _unschedulable(pod, look.at, limits.grace)]),
        _of_pods("not_mounted", "without volumes or network", [pod for pod in alive if _not_set_up(look, pod, begin, limits.grace)]),
        _of_pods("failed", "evicted or failed", [pod for pod in wanted if _failed_since(pod, begin)]),
        _stuck(look), _refused(look), _not_ready(look, after_a_change))
    return Reading(look.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), signals, look.events is not None,
                   tuple(_row(pod, look) for pod in look.pods), {"desired": look.desired, "revision": look.current},
                   f"events could not be read ({look.no_events}), so kills by probes and failed mounts are not known")


def _ended_since(container: Container, begin: datetime.datetime) -> bool:
    end = container.last_end
    return bool(end and end.finished_at and _pods.moment(end.finished_at) >= begin)


def _init_fails(container: Container, begin: datetime.datetime) -> bool:
    if container.part != _pods.INIT or container.done or container.last_end is None or container.last_end.exit_code == 0:
        return False
    return container.waiting == _pods.BACKING_OFF or _ended_since(container, begin)


def _unschedulable(pod: Json, now: datetime.datetime, grace: float) -> bool:
    scheduled = _pods.condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return False
    return _pods.seconds_since(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"], now) > grace


def _not_set_up(look: Look, pod: Json, begin: datetime.datetime, grace: float) -> bool:
    """Whether a pod has a node, but its volumes or its network do not come."""
    if look.events is None or _pods.condition(pod, "PodScheduled").get("status") != "True" or not waits_to_start(look, pod):
        return False
    waited = _pods.seconds_since(_pods.condition(pod, "PodScheduled").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"], look.at)
    complaints = [event for event in look.events_of(pod["metadata"]["name"], *MOUNT_EVENTS, *SANDBOX_EVENTS)
                  if _pods.moment(event_time(event)) >= begin and _messages.mount(event.get("message") or "") != "not_registered"]
    return waited > grace / 4 if complaints else waited > 2 * grace and not look.events_of(pod["metadata"]["name"], "Pulling")


def waits_to_start(look: Look, pod: Json) -> bool:
    """Whether no container of a pod has run yet and none says why."""
    return all(not item.running and not item.last_end and item.waiting in _pods.STARTING for item in look.containers([pod]))


def _failed_since(pod: Json, begin: datetime.datetime) -> bool:
    if not _pods.gone_for_good(pod):
        return False
    times = [item["lastTransitionTime"] for item in pod["status"].get("conditions", []) if item.get("lastTransitionTime")]
    return _pods.moment(max(times, default=pod["metadata"]["creationTimestamp"])) >= begin


def _stuck(look: Look) -> Signal:
    reason = _rollout.progress(look.target.kind, look.workload).failed
    return Signal("rollout_stuck", float(bool(reason)), 0, bool(reason), f"the rollout has passed its progress deadline: {reason}" if reason else
                  "the rollout is within its progress deadline")


def _refused(look: Look) -> Signal:
    reason = refusal(look)
    return Signal("pods_refused", float(bool(reason)), 0, bool(reason), f"pods are refused: {reason}" if reason else "no pod is refused")


def refusal(look: Look) -> str:
    """Why pods cannot be created, while some are missing; empty where none is refused."""
    told = _rollout.refused(look.workload.get("status", {}))
    missing = len([pod for pod in look.pods if not _pods.gone_for_good(pod)]) < look.desired or len(look.of_current()) < look.desired_current
    if not missing:
        return ""
    refusals = [event for name in (look.target.name, *(item["metadata"]["name"] for item in look.revisions[-1:]))
                for event in look.events_of(name, "FailedCreate")]
    if not refusals:
        return told
    newest = max(refusals, key=event_time)
    # A StatefulSet or DaemonSet has no condition for it: the event counts while no pod has come since.
    youngest = max((pod["metadata"]["creationTimestamp"] for pod in look.pods), default="")
    late = not youngest or _pods.moment(event_time(newest)) > _pods.moment(youngest)
    return (newest.get("message") or told) if told or late else ""


def _not_ready(look: Look, after_a_change: bool) -> Signal:
    """Pods that are missing or not ready: after a change all must be; before it they may be starting."""
    ready = [pod for pod in look.pods if _workload.ready(pod)]
    fresh = [pod for pod in ready if _pods.revision_hash(pod) == look.current]
    lacking = max(look.desired - len(ready), look.desired_current - len(fresh), 0)
    return Signal("not_ready", float(lacking), 0, bool(lacking) and after_a_change,
                  f"{min(len(ready), look.desired)} of {look.desired} pods ready, {len(fresh)} of them of the current revision")


def _of_containers(name: str, what: str, found: t.Sequence[Container], detail: t.Callable[[Container], str] | None = None) -> Signal:
    """How many containers, and why: each container's name once, with what ended it."""
    details = dict.fromkeys(f"{item.name}: {detail(item) if detail else _why(item)}" for item in found)
    text = f"{_count(len(found), 'container')} {what}" + (f" ({'; '.join(list(details)[:5])})" if details else "")
    return Signal(name, float(len(found)), 0, bool(found), text, tuple(dict.fromkeys(item.pod for item in found)))


def _of_pods(name: str, what: str, found: t.Sequence[Json]) -> Signal:
    return Signal(name, float(len(found)), 0, bool(found), f"{_count(len(found), 'pod')} {what}", tuple(pod["metadata"]["name"] for pod in found))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _why(container: Container) -> str:
    if container.waiting and container.waiting != _pods.BACKING_OFF:
        return container.waiting
    end = container.last_end
    return f"{end.reason}, exit {end.exit_code}, {container.restarts} restarts" if end else container.waiting


def _row(pod: Json, look: Look) -> Json:
    containers = look.containers([pod])
    return {"pod": pod["metadata"]["name"], "node": pod["spec"].get("nodeName", ""), "ready": _workload.ready(pod),
            "current": _pods.revision_hash(pod) == look.current, "phase": pod.get("status", {}).get("phase", ""),
            "restarts": sum(item.restarts for item in containers),
            "containers": [{"name": item.name, "part": item.part, "ready": item.ready, "waiting": item.waiting, "restarts": item.restarts,
                            "last_end": item.last_end.reason if item.last_end else "",
                            "exit_code": item.last_end.exit_code if item.last_end else None} for item in containers]}
