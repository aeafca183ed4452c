# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a workload that does not come up or does not stay up: the workload, its revisions, its own pods and their events."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _messages, _pods
from ansible_collections.sre.runbooks.plugins.module_utils._crash._pods import Container

#: events of one namespace that are looked at; the API server gives them in no order of time
MOST_EVENTS = "5000"
#: seconds between a kill and the end that it causes: clocks apart, the time that a process may take to stop, events that are told seldom
SECONDS_OF_CLOCKS, SHORTLY, SELDOM = 5.0, 120.0, 900.0


@dataclasses.dataclass(frozen=True)
class Look:
    """What was seen at one moment.

    :param revisions: ReplicaSets or ControllerRevisions, oldest first.
    :param pods: the workload's own, without those that are being deleted.
    :param events: of the workload, its revisions, its pods and their claims, oldest first; None where they could not be read.
    :param no_events: why not.
    :param main: name of the main container.
    """

    target: Target
    workload: Json
    revisions: tuple[Json, ...]
    pods: tuple[Json, ...]
    events: tuple[Json, ...] | None
    no_events: str
    main: str
    at: datetime.datetime

    @property
    def current(self) -> str:
        """The hash of the revision that the workload wants."""
        if self.target.kind == "StatefulSet":
            return self.workload.get("status", {}).get("updateRevision", "")
        return revision_hash(self.revisions[-1]) if self.revisions else ""

    @property
    def desired(self) -> int:
        """How many pods there should be."""
        if self.target.kind == "DaemonSet":
            return self.workload.get("status", {}).get("desiredNumberScheduled", 0)
        return self.workload["spec"].get("replicas", 1)

    @property
    def desired_current(self) -> int:
        """How many of them should have the current revision: with a partition, or where pods are replaced by hand, not all."""
        strategy = self.workload["spec"].get("updateStrategy", {})
        if strategy.get("type") == "OnDelete":
            return 0
        return max(0, self.desired - (strategy.get("rollingUpdate") or {}).get("partition", 0))

    def containers(self, pods: t.Sequence[Json] | None = None) -> list[Container]:
        """Every container of some pods, of all that have not failed for good by default."""
        chosen = [pod for pod in self.pods if not _pods.gone_for_good(pod)] if pods is None else pods
        return [container for pod in chosen for container in _pods.containers(pod, self.main)]

    def of_current(self) -> list[Json]:
        """The pods of the current revision."""
        return [pod for pod in self.pods if _pods.revision_hash(pod) == self.current]

    def events_of(self, name: str, *reasons: str) -> list[Json]:
        """The events about one object, of some reasons; none where events could not be read."""
        return [event for event in self.events or () if event["involvedObject"].get("name") == name and (not reasons or event.get("reason") in reasons)]

    def probe_kills(self, since: datetime.datetime | None = None) -> list[tuple[Container, str, Json]]:
        """The containers that a probe has killed, with the probe and the newest event about it."""
        found = {}
        by_place = {(container.pod, container.name): container for container in self.containers()}
        for event in self.events or ():
            killed = _messages.killed_by_probe(event.get("message") or "") if event.get("reason") == "Killing" else None
            container = killed and by_place.get((event["involvedObject"].get("name"), killed[0]))
            if killed and container and (since is None or _pods.moment(event_time(event)) >= since) and _explains(event, container):
                found[container.place] = (container, killed[1], event)
        return list(found.values())


def take(cluster: Cluster, target: Target, container: str | None = None) -> Look:
    """Look at everything at once; events are left out where they may not be read."""
    workload = _workload.read(cluster, target)
    namespace = target.namespace
    found = gather(
        revisions=lambda: sorted(_revisions.objects(cluster, target, workload), key=_revisions.number),
        pods=lambda: cluster.list("Pod", namespace, labelSelector=_workload.selector(workload)),
        events=lambda: _pods.attempt(lambda: cluster.list("Event", namespace, limit=MOST_EVENTS)))
    revisions = found["revisions"]
    own = _pods.own(found["pods"], workload, revisions if target.kind == "Deployment" else ())
    events, no_events = found["events"]
    claims = {volume["persistentVolumeClaim"]["claimName"] for pod in own for volume in pod["spec"].get("volumes", []) if "persistentVolumeClaim" in volume}
    names = {target.name, *(item["metadata"]["name"] for item in (*own, *revisions)), *claims}
    return Look(target, workload, tuple(revisions), tuple(pod for pod in own if not _pods.leaving(pod)),
                None if events is None else tuple(sorted((event for event in events if event["involvedObject"].get("name") in names), key=event_time)),
                no_events, _workload.main_container(workload, container), datetime.datetime.now(datetime.timezone.utc))


def _explains(event: Json, container: Container) -> bool:
    """Whether a kill is what ended a container last: it came shortly before, or a while before where the end was by a signal.

    Events of one kind are told less and less often, so the newest may be of an earlier kill.
    """
    end = container.last_end
    if end is None or not end.finished_at:
        return True
    before = (_pods.moment(end.finished_at) - _pods.moment(event_time(event))).total_seconds()
    return -SECONDS_OF_CLOCKS <= before <= (SELDOM if end.exit_code in (137, 143) else SHORTLY)


def revision_hash(item: Json) -> str:
    """What the pods of a ReplicaSet or ControllerRevision carry as their revision: a hash, of a StatefulSet the revision's name."""
    labels = item["metadata"].get("labels", {})
    return next((labels[label] for label in _pods.HASH_LABELS if label in labels), item["metadata"]["name"])


def event_time(event: Json) -> str:
    """When an event was seen last."""
    series = event.get("series") or {}
    return (series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
            or "1970-01-01T00:00:00Z")
