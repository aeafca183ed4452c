# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else decides about what is changed is told before the change, and one that would not stay is refused with its patch."""

from __future__ import annotations

import dataclasses
import re

import pytest
import yaml
from fake_api import deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation import _plan
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._guardrails import Limits

LIMITS = Limits(max_memory="4Gi", max_replicas=20, denied_namespaces=(), respect_disruption_budgets=True)
MEMORY = {"action": "resources", "limits": {"memory": "1Gi"}}
LIMIT_FIELDS = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"checkout"}': {"f:resources": {"f:limits": {"f:memory": {}}}}}}}}}
REPLICAS = {"f:spec": {"f:replicas": {}}}


def tracked(**meta):
    workload = deployment()
    workload["metadata"].update(meta)
    return workload


def by(manager, fields, time="2026-11-28T00:00:00Z"):
    return {"managedFields": [{"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields}]}


def application(**automated):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {"syncPolicy": {"automated": automated} if automated else {}}}


def kustomization(**spec):
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps", "namespace": "flux-system"},
            "spec": {"interval": "10m", **spec}}


DISCOVERY = {f"/apis/{version}": {"resources": [{"name": plural, "kind": kind}]} for version, plural, kind in (
    ("argoproj.io/v1alpha1", "applications", "Application"), ("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization"),
    ("helm.toolkit.fluxcd.io/v2", "helmreleases", "HelmRelease"), ("autoscaling.k8s.io/v1", "verticalpodautoscalers", "VerticalPodAutoscaler"))}
ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}
HELM_FLUX = {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "flux-system"}}
RELEASE = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "shop", "namespace": "flux-system"},
           "spec": {"driftDetection": {"mode": "enabled"}}}
VPA = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": "checkout", "namespace": "shop"},
       "spec": {"targetRef": {"kind": "Deployment", "name": "checkout"}}}


@pytest.fixture(name="plan")
def plan_fixture():
    with serving() as api:
        api.objects.update(DISCOVERY)

        def plan(workload, *objects, item=None, limits=LIMITS):
            api.add(workload, pod("a", workload), *objects)
            return _plan.make_plan(api.cluster, "shop", [{"workload": "checkout", **(item or MEMORY)}], "INC-1", limits)
        yield plan


@pytest.mark.parametrize("workload, objects, who", [
    (tracked(**ARGO), [application(selfHeal=True)], "Argo CD .application shop. heals itself"),
    (tracked(**ARGO, **by("argocd-controller", LIMIT_FIELDS)), [application(selfHeal=True)], "Argo CD"),
    (tracked(labels={"argocd.argoproj.io/instance": "shop"}), [application(selfHeal=True)], "Argo CD"),
    (tracked(labels={"app.kubernetes.io/instance": "shop"}, **by("argocd-controller", LIMIT_FIELDS)), [application(selfHeal=True)], "Argo CD"),
    (tracked(**FLUX), [kustomization()], "Flux .Kustomization flux-system/apps. .*every 10m.*flux -n flux-system suspend"),
    (tracked(**FLUX), [], "Flux .Kustomization"),
    (tracked(**HELM_FLUX), [RELEASE], "Flux .HelmRelease flux-system/shop. corrects drift"),
    (tracked(), [VPA], "VerticalPodAutoscaler checkout .updateMode Auto.*minAllowed"),
    (tracked(ownerReferences=[{"kind": "Shop", "name": "main", "apiVersion": "shop.example/v1", "controller": True, "uid": "s"}]), [],
     "operator of Shop main.*edit shop.shop.example main"),
])
def test_a_change_that_would_not_stay_is_refused(plan, workload, objects, who):
    with pytest.raises(Refused, match=who) as caught:
        plan(workload, *objects)
    assert "runbooks_respect_owners=false" in str(caught.value)
    assert yaml.safe_load(caught.value.details["patch"]) == {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"},
        "spec": {"template": {"spec": {"containers": [{"name": "checkout", "resources": {"limits": {"memory": "1Gi"}}}]}}}}
    allowed = plan(workload, *objects, limits=dataclasses.replace(LIMITS, respect_owners=False))
    assert len(allowed.changes) == 1 and allowed.told


@pytest.mark.parametrize("workload, objects, told", [
    (tracked(), [], ""),
    (tracked(**ARGO), [application()], "will show it as out of sync"),
    (tracked(**ARGO), [application(prune=True)], "will show it as out of sync"),
    (tracked(**ARGO), [], "could not be read"),
    (tracked(**ARGO, **by("argocd-controller", REPLICAS)), [application(selfHeal=True)], "but not these fields"),
    (tracked(**FLUX), [kustomization(suspend=True)], "is suspended"),
    (tracked(**FLUX, **by("kustomize-controller", REPLICAS)), [kustomization()], "but not these fields"),
    (tracked(**HELM_FLUX), [], "with the next release"),
    (tracked(annotations={"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"}), [], "Helm .release shop/shop."),
    (tracked(), [{**VPA, "spec": {**VPA["spec"], "updatePolicy": {"updateMode": "Off"}}}], ""),
    (tracked(**by("cost-controller", LIMIT_FIELDS)), [], "cost-controller wrote spec.template.*may do so again"),
    (tracked(**by("cost-controller", REPLICAS)), [], ""),
    (tracked(**by("kubectl-edit", LIMIT_FIELDS)), [], ""),
    (tracked(labels={"app.kubernetes.io/managed-by": "shop-operator"}), [], "shop-operator manages this object"),
    (tracked(labels={"app.kubernetes.io/managed-by": "Helm"}), [], ""),
])
def test_who_may_take_it_back_is_told_before(plan, workload, objects, told):
    found = plan(workload, *objects)
    assert len(found.changes) == 1
    assert re.search(told, " ".join(found.told)) if told else not found.told


@pytest.mark.parametrize("workload", [tracked(**ARGO), tracked(**FLUX)])
def test_a_restart_is_nobodys(plan, workload):
    assert not plan(workload, application(selfHeal=True), kustomization(), item={"action": "restart"}).told


def test_an_autoscaler_of_keda_is_changed_at_its_source(plan):
    autoscaler = {"kind": "HorizontalPodAutoscaler",
                  "metadata": {"name": "keda-hpa-checkout", "namespace": "shop", "uid": "h", "ownerReferences": [
                      {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "checkout", "uid": "s", "controller": True}]},
                  "spec": {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "checkout"}}}
    node = {"kind": "Node", "metadata": {"name": "n1"}, "spec": {}, "status": {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "110"}}}
    with pytest.raises(Refused, match="KEDA .ScaledObject checkout. .*patch scaledobject checkout --type merge -p "
                                      "'{\"spec\": {\"minReplicaCount\": 8, \"maxReplicaCount\": 8}}'"):
        plan(tracked(), autoscaler, node, item={"action": "scale", "replicas": 8})
