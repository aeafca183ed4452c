# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a rollout's status."""

from __future__ import annotations

import fake_api
import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target


def deployment(wanted=3, strategy=None, generation=2, **status):
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted, "strategy": strategy or {}},
            "status": {"observedGeneration": 2, **status}}


@pytest.mark.parametrize("workload, updated, finished", [
    (deployment(updatedReplicas=3, replicas=3, availableReplicas=3), True, True),
    (deployment(updatedReplicas=3, replicas=4, availableReplicas=3), True, False),
    (deployment(updatedReplicas=3, replicas=3, availableReplicas=2), True, False),
    (deployment(updatedReplicas=1, replicas=4, availableReplicas=3), False, False),
    (deployment(generation=3, updatedReplicas=3, replicas=3, availableReplicas=3), False, False),
])
def test_deployment(workload, updated, finished):
    progress = _rollout.progress("Deployment", workload)
    assert (progress.updated, progress.finished) == (updated, finished)


def test_controller_gave_up():
    stuck = deployment(updatedReplicas=1, conditions=[
        {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}])
    assert _rollout.progress("Deployment", stuck).failed == "timed out progressing"


@pytest.mark.parametrize("strategy, lowest", [
    ({"rollingUpdate": {"maxUnavailable": 0}}, 4),
    ({"rollingUpdate": {"maxUnavailable": "50%"}}, 2),
    ({"rollingUpdate": {"maxUnavailable": 1}}, 3),
    ({"type": "Recreate"}, 0),
    ({}, 3),
])
def test_lowest_available(strategy, lowest):
    assert _rollout.lowest_available("Deployment", deployment(wanted=4, strategy=strategy)) == lowest


@pytest.mark.parametrize("kind, strategy, more", [
    ("Deployment", {}, 2), ("Deployment", {"rollingUpdate": {"maxSurge": "50%"}}, 3), ("Deployment", {"rollingUpdate": {"maxSurge": 0}}, 0),
    ("Deployment", {"type": "Recreate"}, 0), ("StatefulSet", {}, 0)])
def test_pods_on_top_during_a_rollout(kind, strategy, more):
    assert _rollout.surge(kind, deployment(wanted=5, strategy=strategy)) == more


def test_pods_that_the_api_server_refuses_are_told():
    status = {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: tight"}]}
    assert _rollout.refused(status) == "FailedCreate: exceeded quota: tight"
    assert _rollout.refused({}) == ""


GAVE_UP = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing",
           "lastUpdateTime": "2026-11-28T01:00:00Z"}


def written(at):
    return [{"manager": "sre.runbooks", "time": at, "fieldsV1": {"f:spec": {"f:template": {}}}},
            {"manager": "kube-controller-manager", "time": "2026-11-28T09:00:00Z", "subresource": "status", "fieldsV1": {"f:spec": {}}}]


@pytest.mark.parametrize("at, generation, failed", [
    ("2026-11-28T00:50:00Z", 2, True),    # the rollout that it is about
    ("2026-11-28T01:00:01Z", 2, False),   # a rollback since, that the controller has seen but not yet made progress with
    ("2026-11-28T01:00:01Z", 3, False),   # nor seen
    ("2026-11-28T00:50:00Z", 3, False),
])
def test_a_condition_from_before_the_change_says_nothing_of_it(at, generation, failed):
    workload = deployment(generation=generation, updatedReplicas=1, conditions=[GAVE_UP])
    workload["metadata"]["managedFields"] = written(at)
    assert bool(_rollout.progress("Deployment", workload).failed) == failed


def test_a_rollback_out_of_a_rollout_that_was_given_up_is_waited_for(monkeypatch):
    monkeypatch.setattr(_rollout, "POLL_SECONDS", 0.01)
    workload = fake_api.deployment()
    workload["metadata"]["generation"] = 3
    workload["status"].update(updatedReplicas=1, conditions=[GAVE_UP])
    with fake_api.serving() as api:
        api.add(workload, fake_api.pod("a", workload))

        def controller(_line):  # makes progress once somebody has looked
            workload["status"] = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}

        assert _rollout.wait(api.cluster, Target("shop", "Deployment", "checkout"), 5, controller).finished


def test_only_new_pods_tell_that_a_rollout_is_stuck():
    workload = fake_api.deployment()
    old, new = (dying(fake_api.pod(name, workload), revision) for name, revision in (("old", "abc"), ("new", "def")))
    sets = [{"kind": "ReplicaSet", "metadata": {
        "name": f"checkout-{revision}", "namespace": "shop", "labels": {"app": "checkout", "pod-template-hash": revision},
        "annotations": {"deployment.kubernetes.io/revision": number}, "ownerReferences": [{"uid": "uid-checkout"}]}}
        for revision, number in (("abc", "1"), ("def", "2"))]
    with fake_api.serving() as api:
        api.add(workload, old, *sets)
        assert _rollout.stuck(api.cluster, Target("shop", "Deployment", "checkout"), workload) == ""
        api.add(new)
        assert _rollout.stuck(api.cluster, Target("shop", "Deployment", "checkout"), workload) == (
            "a new pod dies again and again: checkout of new ended 2 times, last with Error (exit 1)")


def dying(pod, revision):
    pod["metadata"]["labels"]["pod-template-hash"] = revision
    pod["metadata"]["ownerReferences"][0]["name"] = f"checkout-{revision}"
    pod["status"]["conditions"] = []
    pod["status"]["containerStatuses"][0].update(ready=False, restartCount=2, lastState={"terminated": {"reason": "Error", "exitCode": 1}})
    return pod


@pytest.mark.parametrize("strategy, fresh, updated, words", [
    ({"rollingUpdate": {"partition": 2}}, 1, True, "the first 2 stay"), ({"rollingUpdate": {"partition": 2}}, 0, False, "the first 2 stay"),
    ({"type": "OnDelete"}, 0, True, "OnDelete"), ({"rollingUpdate": {"partition": 0}}, 1, False, "1 of 3")])
def test_staged_rollouts(strategy, fresh, updated, words):
    workload = deployment(updatedReplicas=fresh, replicas=3, availableReplicas=3)
    workload["spec"]["updateStrategy"] = strategy
    progress = _rollout.progress("StatefulSet", workload)
    assert (progress.updated, progress.finished) == (updated, updated) and words in progress.text


def test_what_is_hopeless_from_the_first_look_on_is_still_waited_for_a_while(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr(_rollout.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(_rollout.time, "sleep", lambda seconds: moment.__setitem__(0, moment[0] + seconds))
    monkeypatch.setattr(_rollout._workload, "read", lambda _cluster, _target: deployment(updatedReplicas=1))
    monkeypatch.setattr(_rollout, "stuck", lambda *_words: f"{_rollout.HOPELESS[0]} of api-1: back-off")
    ended = _rollout.wait(None, Target("Deployment", "shop", "api"), 100, lambda _line: None)
    assert ended.failed.startswith(_rollout.HOPELESS[0])
    assert _rollout.PATIENCE_SECONDS <= moment[0] - 1000 < _rollout.PATIENCE_SECONDS + 10


KILLED, DONE = ({"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-11-28T10:00:05Z"}}
                for reason, code in (("OOMKilled", 137), ("Completed", 0)))
STATUS = {"name": "checkout", "state": {"running": {}}}


@pytest.mark.parametrize(("status", "since", "found"), [
    ({}, "10:00:00", []),
    ({"containerStatuses": [{**STATUS, "lastState": KILLED}]}, "10:00:05.500",
     ["checkout of new has ended since the change, at 2026-11-28T10:00:05Z: OOMKilled (exit 137)"]),
    ({"containerStatuses": [{**STATUS, "lastState": KILLED}]}, "10:00:06", []),
    ({"initContainerStatuses": [{"name": "init", "state": DONE}]}, "10:00:00", []),
    ({"conditions": []}, "10:00:00", ["new is not ready"])])
def test_a_workload_stands_where_every_pod_is_ready_and_none_has_ended_since(status, since, found):
    workload = fake_api.deployment()
    with fake_api.serving() as api:
        api.add(workload, fake_api.pod("old", workload), fake_api.pod("new", workload, **status))
        assert _rollout.unsteady(api.cluster, Target("shop", "Deployment", "checkout"), f"2026-11-28T{since}Z") == found


def test_a_workload_whose_rollout_is_not_at_its_end_does_not_stand():
    workload = fake_api.deployment()
    workload["status"]["availableReplicas"] = 1
    with fake_api.serving() as api:
        api.add(workload)
        assert _rollout.unsteady(api.cluster, Target("shop", "Deployment", "checkout"), "") == ["deployment/checkout: 2 of 2 pods updated, 1 available"]
