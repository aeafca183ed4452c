# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of a workload that does not come up, from objects as the API has them."""

from __future__ import annotations

import crash_objects as o
import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _signals

SINCE = o.at(3600)
CRASHED = {"waiting": "CrashLoopBackOff", "last": ("Error", 1, 20), "restarts": 4}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}
REFUSED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: tight"}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes", "lastTransitionTime": o.at(100)}


def pair(*pods):
    """Two pods of the current revision that are well, and the given ones in place of the first."""
    well = [o.pod(f"well-{number}", statuses=[o.WELL], conditions=[o.ready()]) for number in range(2)]
    return [*pods, *well[len(pods):]]


def breached(look, since=SINCE, after=False, **limits):
    return {signal.name for signal in _signals.measure(look, _signals.Limits(**limits), since, after).breached}


@pytest.mark.parametrize("pods, names", [
    (pair(), set()),
    (pair(o.pod(statuses=[{"waiting": "ContainerCreating"}], created=o.at(5))), set()),
    (pair(o.pod(statuses=[{"running": True}], created=o.at(40))), set()),  # starting: it runs and is not ready
    (pair(o.pod(statuses=[CRASHED])), {"crash_loop", "ended"}),
    (pair(o.pod(statuses=[{"running": True, "last": ("Error", 1, 900, 800), "restarts": 1}])), {"ended"}),  # a slow crash, never in back-off
    (pair(o.pod(statuses=[{"ended": ("Error", 1, 2)}])), {"ended"}),
    (pair(o.pod(statuses=[{"ready": True, "last": ("Error", 1, 900), "restarts": 1}], conditions=[o.ready()])), set()),  # one end, and well since
    (pair(o.pod(statuses=[{"ready": True, "last": ("Error", 1, 900), "restarts": 3}], conditions=[o.ready()])), {"ended"}),
    (pair(o.pod(statuses=[{"ready": True, "last": ("Error", 1, 7200), "restarts": 9}], conditions=[o.ready()])), set()),  # long ago
    (pair(o.pod(statuses=[{"ended": ("Completed", 0, 2)}])), {"ended"}),
    (pair(o.pod(statuses=[{"waiting": "ImagePullBackOff"}])), {"image_not_pulled"}),
    (pair(o.pod(statuses=[{"waiting": "ErrImagePull"}])), {"image_not_pulled"}),
    (pair(o.pod(statuses=[{"waiting": "CreateContainerConfigError"}])), {"config_error"}),
    (pair(o.pod(statuses=[{"waiting": "RunContainerError", "last": ("StartError", 128, 9)}])), {"not_started", "ended"}),
    (pair(o.pod(statuses=[{"waiting": "PodInitializing"}], init=[{"name": "migrate", "waiting": "CrashLoopBackOff", "last": ("Error", 1, 9), "restarts": 3}])),
     {"init_failed"}),
    (pair(o.pod(statuses=[{"waiting": "PodInitializing"}], init=[{"name": "migrate", "ended": ("Error", 1, 9)}])), {"init_failed"}),
    (pair(o.pod(statuses=[o.WELL], conditions=[o.ready()], init=[{"name": "migrate", "ended": ("Completed", 0, 9)}])), set()),
    (pair(o.pod(statuses=[o.WELL], init=[{"name": "native-proxy", "waiting": "CrashLoopBackOff", "last": ("Error", 1, 9), "restarts": 3}])),
     {"crash_loop", "ended"}),  # a native sidecar is a container beside the main one
    (pair(o.pod(statuses=[{"ready": True}, {"name": "proxy", **CRASHED}])), {"crash_loop", "ended"}),
    (pair(o.pod(statuses=[], node="", phase="Pending", conditions=[NO_NODE])), {"unschedulable"}),
    (pair(o.pod(phase="Failed", reason="Evicted", statuses=[], conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": o.at(60)}])), {"failed"}),
    (pair(o.pod(phase="Failed", reason="Evicted", statuses=[], conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": o.at(9000)}],
                created=o.at(9999))), set()),
])
def test_signals_of_pods(pods, names):
    assert breached(o.look(pods)) == names


def test_pods_of_another_owner_do_not_count():
    stranger = o.pod("stranger", owner="someone-else", statuses=[CRASHED])
    assert breached(o.look([*pair(), stranger])) == set()


def test_a_pod_that_is_being_deleted_does_not_count():
    leaving = o.pod("leaving", statuses=[CRASHED])
    leaving["metadata"]["deletionTimestamp"] = o.at(1)
    assert breached(o.look([*pair(), leaving])) == set()


@pytest.mark.parametrize("workload, names", [
    (o.deployment(conditions=[STUCK]), {"rollout_stuck"}), (o.deployment(replicas=3, conditions=[REFUSED]), {"pods_refused"}),
    (o.deployment(replicas=2, conditions=[REFUSED]), set()), (o.deployment(replicas=3), set())])
def test_signals_of_the_workload(workload, names):
    assert breached(o.look(pair(), workload)) == names


def test_a_stateful_set_has_no_condition_for_refused_pods_but_an_event():
    workload = {**o.deployment(replicas=2), "status": {"updateRevision": "api-a"}}
    revisions, label = [o.controller_revision("api-a", 1, label="controller.kubernetes.io/hash")], {"controller-revision-hash": "api-a"}
    only = o.pod("api-0", owner="w", label=label, statuses=[o.WELL], conditions=[o.ready()])
    refusals = [o.event("api", "FailedCreate", "create Pod api-1 in StatefulSet api failed error: exceeded quota: tight", kind="StatefulSet")]
    assert breached(o.look([only], workload, revisions, refusals, "StatefulSet")) == {"pods_refused"}
    assert breached(o.look([only], workload, revisions, (), "StatefulSet")) == set()


KILL = o.event("api-1", "Killing", "Container app failed liveness probe, will be restarted", ago=22)


@pytest.mark.parametrize("status, events, names", [
    ({"running": True, "last": ("Error", 137, 20), "restarts": 3}, [KILL], {"killed_by_probe"}),
    ({"waiting": "CrashLoopBackOff", "last": ("Error", 143, 20), "restarts": 3}, [KILL], {"killed_by_probe", "crash_loop"}),
    ({"running": True, "last": ("Error", 137, 20), "restarts": 3}, [], {"ended"}),
    ({"running": True, "last": ("Error", 1, 20), "restarts": 3}, [o.event("api-1", "Killing", KILL["message"], ago=2000)], {"ended"}),  # another end
])
def test_kills_by_probes_are_told_from_other_ends(status, events, names):
    assert breached(o.look(pair(o.pod(statuses=[status])), events=events)) == names


MOUNT = o.event("api-1", "FailedMount", 'MountVolume.SetUp failed for volume "data" : hostPath type check failed')


@pytest.mark.parametrize("created, events, names", [
    (o.at(60), [MOUNT], {"not_mounted"}), (o.at(5), [MOUNT], set()), (o.at(60), [], set()), (o.at(600), [], {"not_mounted"}),
    (o.at(600), [o.event("api-1", "Pulling", "Pulling image")], set()),  # a large image
    (o.at(60), [o.event("api-1", "FailedMount", 'object "shop"/"x" not registered')], set()),
    (o.at(60), [o.event("api-1", "FailedCreatePodSandBox", "plugin failed")], {"not_mounted"}), (o.at(600), None, set())])
def test_pods_without_volumes_or_network(created, events, names):
    waiting = o.pod(statuses=[{"waiting": "ContainerCreating"}], created=created, phase="Pending")
    assert breached(o.look(pair(waiting), events=events)) == names


def test_without_events_nothing_is_called_healthy():
    reading = _signals.measure(o.look(pair(), events=None), _signals.Limits(), SINCE, False)
    assert not reading.complete and "it is forbidden" in reading.incomplete_because


@pytest.mark.parametrize("pods, names", [
    (pair(), set()),
    (pair(o.pod(statuses=[{"running": True}], created=o.at(3))), {"not_ready"}),  # after a change a pod that starts is not enough
    (pair(o.pod(statuses=[{"ready": True, "last": ("Error", 1, 5), "restarts": 1}], conditions=[o.ready()])), {"ended"}),  # each end counts
    ([*pair(), o.pod("old", revision=1, statuses=[CRASHED])], set()),  # of the revision that is on its way out
    ([o.pod(f"old-{number}", revision=1, statuses=[o.WELL], conditions=[o.ready()]) for number in range(2)], {"not_ready"}),
])
def test_after_a_change_all_pods_of_the_current_revision_are_ready_and_none_ends(pods, names):
    assert breached(o.look(pods), since=o.at(60), after=True) == names


@pytest.mark.parametrize("strategy, names", [({}, {"not_ready"}), ({"type": "OnDelete"}, set()), ({"rollingUpdate": {"partition": 1}}, set())])
def test_partitions_and_pods_that_are_replaced_by_hand(strategy, names):
    workload = {**o.deployment(), "status": {"updateRevision": "api-b"}}
    workload["spec"]["updateStrategy"] = strategy
    labels = [{"controller-revision-hash": name} for name in ("api-a", "api-b")]
    pods = [o.pod(f"api-{number}", owner="w", label=label, statuses=[o.WELL], conditions=[o.ready()]) for number, label in enumerate(labels)]
    revisions = [o.controller_revision("api-a", 1, label="controller.kubernetes.io/hash"), o.controller_revision("api-b", 2,
                                                                                                                 label="controller.kubernetes.io/hash")]
    assert breached(o.look(pods, workload, revisions, (), "StatefulSet"), since=o.at(60), after=True) == names
