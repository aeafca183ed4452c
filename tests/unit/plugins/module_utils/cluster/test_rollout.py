# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a rollout's status."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _rollout


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
