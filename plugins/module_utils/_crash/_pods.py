# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of a workload by their owners, and what has become of each of their containers."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

#: labels that tell a pod's revision: of Deployments, then of StatefulSets and DaemonSets
HASH_LABELS = ("pod-template-hash", "controller-revision-hash")

INIT, SIDECAR, MAIN = "init", "sidecar", "main"

#: reasons of a waiting container: on its way up, backing off from an end, or without its image, its configuration, its start
STARTING = ("", "ContainerCreating", "PodInitializing")
BACKING_OFF = "CrashLoopBackOff"
PULL_REASONS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable",
                "SignatureValidationFailed")
CONFIG_REASONS = ("CreateContainerConfigError",)
START_REASONS = ("CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun", "PreCreateHookError", "PreStartHookError",
                 "PostStartHookError")
#: seconds: ready for so long is more than a flash; the kubelet's pauses before it starts a container again double from one to the other
SETTLED, FIRST_PAUSE, LONGEST_PAUSE = 30.0, 10.0, 300.0
#: what a lost container is called, and its exit codes then say nothing of it
LOST_REASONS = ("ContainerStatusUnknown", "Unknown")


@dataclasses.dataclass(frozen=True)
class End:
    """One end of a container.

    :param reason: as the kubelet has it (``Error``, ``OOMKilled``, ``Completed``, ``StartError``…).
    :param life: seconds from start to end; None where a time is not known.
    """

    reason: str
    exit_code: int | None
    started_at: str
    finished_at: str
    message: str
    life: float | None


@dataclasses.dataclass(frozen=True)
class Container:
    """One container of one pod.

    :param part: INIT, SIDECAR (a container beside the main one, or an init container with ``restartPolicy: Always``) or MAIN.
    :param waiting: why it waits, empty where it does not.
    :param message: what the kubelet says about that.
    :param last_end: its newest end, None where it has not ended.
    """

    pod: str
    name: str
    part: str
    ready: bool
    running: bool
    waiting: str
    message: str
    image: str
    restarts: int
    last_end: End | None

    @property
    def place(self) -> str:
        """Pod and container."""
        return f"{self.pod}/{self.name}"

    @property
    def done(self) -> bool:
        """Whether it is an init container that has done its work."""
        return self.part == INIT and not self.running and not self.waiting and self.last_end is not None and self.last_end.exit_code == 0


def own(found: t.Sequence[Json], workload: Json, owners: t.Sequence[Json]) -> list[Json]:
    """The workload's own pods, by their owner and not by label alone, oldest first; those being deleted too.

    :param found: what its selector finds.
    :param owners: its ReplicaSets; StatefulSets and DaemonSets own their pods themselves.
    """
    uids = {item["metadata"]["uid"] for item in (workload, *owners)}
    return sorted((pod for pod in found if owner_uid(pod) in uids), key=lambda pod: pod["metadata"]["creationTimestamp"])


def owner_uid(pod: Json) -> str:
    """The uid of the controller that made a pod, empty where none did."""
    return next((owner["uid"] for owner in pod["metadata"].get("ownerReferences", []) if owner.get("controller")), "")


def revision_hash(pod: Json) -> str:
    """The hash of the template that a pod was made from."""
    labels = pod["metadata"].get("labels", {})
    return next((labels[label] for label in HASH_LABELS if label in labels), "")


def leaving(pod: Json) -> bool:
    """Whether a pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def gone_for_good(pod: Json) -> bool:
    """Whether a pod has failed as a whole (evicted, rejected by its node): its controller makes another one."""
    return pod.get("status", {}).get("phase") == "Failed"


def containers(pod: Json, main: str = "") -> list[Container]:
    """Every container of a pod: init containers in their order, then the others.

    :param main: the main container's name; the first one by default.
    """
    spec, status = pod["spec"], pod.get("status", {})
    main = main or spec["containers"][0]["name"]
    specs = [(item, SIDECAR if item.get("restartPolicy") == "Always" else INIT) for item in spec.get("initContainers", [])]
    specs += [(item, MAIN if item["name"] == main else SIDECAR) for item in spec["containers"]]
    statuses = {item["name"]: item for item in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]}
    return [_container(pod["metadata"]["name"], item, part, statuses.get(item["name"], {})) for item, part in specs]


def condition(owner: Json, kind: str) -> Json:
    """A condition of a pod or a workload by its type, empty where it has none."""
    return next((item for item in owner.get("status", {}).get("conditions", []) if item["type"] == kind), {})


def was_well(pod: Json, now: datetime.datetime) -> bool:
    """Whether a pod has been ready for a while, now or before its containers began to end.

    A process without a readiness probe is ready the moment it runs, so being ready for seconds between two ends is nothing. Ends and the
    kubelet's pauses between them explain some of a pod's age; what is clearly more than that, it was well for.
    """
    ready, started = condition(pod, "Ready"), pod.get("status", {}).get("startTime")
    if leaving(pod) or not started:
        return False
    ended = [container for container in containers(pod) if container.restarts and container.last_end]
    if not ended:
        return ready.get("status") == "True" and seconds_since(ready.get("lastTransitionTime") or started, now) >= SETTLED
    explained = max(_explained(container) for container in ended)
    return _ever_ready(pod, started) and seconds_since(started, now) - explained > max(2 * SETTLED, explained / 2)


def _ever_ready(pod: Json, started: str) -> bool:
    """Whether a pod is or was ready, if only for a flash: the condition is false from the start, and then does not move until it is true."""
    ready = condition(pod, "Ready")
    begins = [started, *(condition(pod, kind).get("lastTransitionTime") or started for kind in ("PodScheduled", "Initialized"))]
    moved = ready.get("lastTransitionTime") or started
    return ready.get("status") == "True" or (moment(moved) - max(map(moment, begins))).total_seconds() > 1


def _explained(container: Container) -> float:
    """The seconds that a container's ends took, if it lived each time as long as the last and the pauses doubled up to their longest."""
    life = container.last_end.life if container.last_end else None
    pauses = [min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** number) for number in range(min(container.restarts, 16))]
    pauses += [LONGEST_PAUSE] * (container.restarts - len(pauses))
    return (life or 0.0) * (container.restarts + 1) + sum(pauses)


def seconds_since(timestamp: str, now: datetime.datetime) -> float:
    """How long ago a time is."""
    return (now - moment(timestamp)).total_seconds()


def moment(timestamp: str) -> datetime.datetime:
    """A time of the API; what has no zone is UTC."""
    found = datetime.datetime.fromisoformat(timestamp)
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def attempt(read_it: t.Callable[[], t.Any]) -> tuple[t.Any, str]:
    """What a read returns, or None and why it could not be had."""
    try:
        return read_it(), ""
    except ClusterError as error:
        return None, {403: "it is forbidden", 404: "it is not there"}.get(error.status, error.message)


def _container(pod: str, spec: Json, part: str, status: Json) -> Container:
    state = status.get("state", {})
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
    return Container(pod, spec["name"], part, bool(status.get("ready")), "running" in state, waiting.get("reason") or "",
                     waiting.get("message") or "", spec.get("image", ""), status.get("restartCount", 0), _end(ended) if ended else None)


def _end(terminated: Json) -> End:
    started, finished = terminated.get("startedAt") or "", terminated.get("finishedAt") or ""
    known = bool(started and finished) and not started.startswith(("0001", "1970"))
    life = (moment(finished) - moment(started)).total_seconds() if known else None
    return End(terminated.get("reason") or "Error", terminated.get("exitCode"), started, finished, terminated.get("message") or "", life)
