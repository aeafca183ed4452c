# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not serve: the reason that a person would find with ``describe`` and ``logs --previous``."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json

#: states of a container on its way up
STARTING = {"ContainerCreating", "PodInitializing"}


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What is wrong with a pod.

    :param serious: whether something that should run does not; not so what is starting, or has ended for good.
    :param reason: such as ``CrashLoopBackOff after OOMKilled (exit 137), 4 restarts``.
    """

    pod: str
    serious: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.pod}: {self.reason}"


def trouble(pod: Json, moment: datetime.datetime, grace: float, recent: float) -> Trouble | None:
    """What is wrong with a pod, None where it serves or has done its work.

    :param grace: seconds that a pod may take to start or to stop.
    :param recent: seconds for which a container that was killed or has crashed is worth a word.
    """
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return None
    stopping = pod["metadata"].get("deletionTimestamp")
    if stopping:
        late = _seconds_since(stopping, moment) > grace
        return Trouble(name, True, f"still Terminating, due at {stopping}") if late else None
    if status.get("phase") == "Failed":
        return Trouble(name, False, _join(status.get("reason") or "Failed", status.get("message")))
    if _workload.ready(pod):
        return _recent_crash(pod, moment, recent)
    waited = _seconds_since(pod["metadata"]["creationTimestamp"], moment)
    reason, starting = _why_not_ready(pod)
    return Trouble(name, not starting or waited > grace, reason)


def _why_not_ready(pod: Json) -> tuple[str, bool]:
    """The reason, and whether it is a pod on its way up."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return _join("Pending", condition.get("message") or condition.get("reason")), False
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for container in containers:
        reason = _container_reason(container)
        if reason:
            return reason, False
    waiting = [state["reason"] for container in containers
               if (state := container.get("state", {}).get("waiting")) and state.get("reason")]
    if waiting or not containers:
        return (waiting or [status.get("phase", "Unknown")])[0], True
    unready = ", ".join(container["name"] for container in status.get("containerStatuses", []) if not container.get("ready"))
    return f"running, but not ready ({unready or 'a readiness gate'})", True


def _container_reason(container: Json) -> str:
    """Why a container does not run, empty where it runs, has done its work or is starting."""
    state, last = container.get("state", {}), container.get("lastState", {}).get("terminated")
    waiting, ended = state.get("waiting"), state.get("terminated")
    restarts = f", {container['restartCount']} restarts" if container.get("restartCount") else ""
    if waiting and waiting.get("reason") not in (None, *STARTING):
        after = f" after {_ending(last)}" if last else f": {waiting['message']}" if waiting.get("message") else ""
        return f"{waiting['reason']}{after}{restarts}"
    if ended and ended.get("reason") != "Completed":
        return f"{_ending(ended)}{restarts}"
    if "running" in state and last and last.get("reason") != "Completed" and not container.get("ready"):
        return f"starting again after {_ending(last)}{restarts}"
    return ""


def _recent_crash(pod: Json, moment: datetime.datetime, recent: float) -> Trouble | None:
    for container in _workload.container_statuses(pod):
        last = container.get("lastState", {}).get("terminated")
        if last and last.get("reason") != "Completed" and _seconds_since(last["finishedAt"], moment) <= recent:
            return Trouble(pod["metadata"]["name"], False, f"ready again after {_ending(last)} at {last['finishedAt']}, "
                           f"{container.get('restartCount', 0)} restarts")
    return None


def _ending(terminated: t.Mapping[str, t.Any]) -> str:
    return f"{terminated.get('reason') or 'Error'} (exit {terminated.get('exitCode', '?')})"


def _join(reason: str, message: str | None) -> str:
    return f"{reason}: {message}" if message else reason


def _seconds_since(timestamp: str, moment: datetime.datetime) -> float:
    return (moment - datetime.datetime.fromisoformat(timestamp)).total_seconds()
