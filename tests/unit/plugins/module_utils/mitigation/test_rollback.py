# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback is planned only to a revision that has what it refers to."""

from __future__ import annotations

import copy

import pytest
from fake_api import deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _references
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _plan
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._guardrails import Limits

LIMITS = Limits(max_memory="4Gi", max_replicas=20, denied_namespaces=(), respect_disruption_budgets=True)


def revision(workload, number, secret):
    template = copy.deepcopy(workload["spec"]["template"])
    template["spec"]["containers"][0]["env"] = [{"name": "N", "value": str(number)},
                                                {"name": "P", "valueFrom": {"secretKeyRef": {"name": secret, "key": "p"}}}]
    return {"kind": "ReplicaSet", "spec": {"template": template},
            "metadata": {"name": f"checkout-{number}", "namespace": "shop", "uid": str(number), "creationTimestamp": "2026-11-01T00:00:00Z",
                         "labels": dict(workload["spec"]["selector"]["matchLabels"]), "annotations": {"deployment.kubernetes.io/revision": str(number)},
                         "ownerReferences": [{"kind": "Deployment", "name": "checkout", "uid": workload["metadata"]["uid"]}]}}


@pytest.fixture(name="roll")
def roll_fixture():
    with serving() as api:
        workload = deployment()
        workload["metadata"].setdefault("uid", "w")
        kept = [revision(workload, 1, "old"), revision(workload, 2, "gone"), revision(workload, 3, "old")]
        workload["spec"]["template"] = copy.deepcopy(kept[-1]["spec"]["template"])
        api.add(workload, pod("a", workload), *kept)

        def roll(*secrets, **item):
            api.add(*({"kind": "Secret", "metadata": {"name": name, "namespace": "shop"}} for name in secrets))
            plan = _plan.make_plan(api.cluster, "shop", [{"action": "rollback", "workload": "checkout", **item}], "INC-1", LIMITS)
            return " ".join(change.summary for change in plan.changes)
        yield api, roll


def test_a_revision_whose_secret_is_gone_is_passed_over(roll):
    assert "back to revision 1 " in roll[1]("old")


def test_a_revision_that_was_asked_for_and_lacks_its_secret_is_refused(roll):
    with pytest.raises(Refused, match="revision 2 needs Secret gone, which is not there"):
        roll[1]("old", revision=2)


def test_where_none_has_what_it_needs_nothing_is_planned(roll):
    with pytest.raises(Refused, match="revision 2 needs Secret gone; revision 1 needs Secret old, which is not there"):
        roll[1]()


FORBIDDEN = (403, b'{"message": "forbidden"}', {"Content-Type": "application/json"})


@pytest.mark.parametrize(("listing", "number"), [(False, 2), (True, 1)])
def test_what_may_be_neither_read_nor_listed_is_not_told_to_be_gone(roll, listing, number):
    api, plan = roll
    for name in ("gone", "old"):
        api.answers[f"/api/v1/namespaces/shop/secrets/{name}"] = FORBIDDEN
    if not listing:
        api.answers["/api/v1/namespaces/shop/secrets"] = FORBIDDEN
    assert f"back to revision {number} " in plan("old")


def test_what_is_optional_may_be_gone():
    spec = {"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "s", "optional": True}}, {"name": "w", "configMap": {"name": "c"}}]}
    with serving() as api:
        assert _references.gone(api.cluster, "shop", {"spec": spec}) == ["ConfigMap c"]
