# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else decides about the fields of a change: GitOps, Helm, autoscalers and operators, and where the change has to go then.

Who will write a field back makes a change vanish, within seconds or with the next release, so it is told before the change.
Whether an owner cares for a field is read from the object's managed fields.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change import _fields
from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field, manages
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import FIELD_MANAGER, KINDS, Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    import yaml
except Exception:
    pass

_ARGO, _FLUX, _HELM_FLUX = "argocd.argoproj.io", "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
#: what writes an object for each owner, as its managed fields name it
_ARGO_WRITERS = ("argocd-controller", "argocd-application-controller", "argocd-server")
_FLUX_WRITERS = ("kustomize-controller",)
#: writers that are people, or that hand a template on; any other is a program that may write again
_PEOPLE = (FIELD_MANAGER, "kubectl", "helm", "kube-controller-manager", "kubectl-client-side-apply", "before-first-apply",
           "Mozilla", "rancher", *_ARGO_WRITERS, *_FLUX_WRITERS, "helm-controller")


@dataclasses.dataclass(frozen=True)
class Owner:
    """Somebody who decides about fields of a change.

    :param who: such as ``Argo CD (application shop)``.
    :param takes_back: whether the change will not stay; None where that is not known.
    :param how: when it takes it back, or why not.
    :param source: where the change belongs: a command, or a place with what to write there.
    """

    who: str
    takes_back: bool | None
    how: str
    source: str

    def __str__(self) -> str:
        return f"{self.who} {self.how}. {self.source}"


def of(cluster: Cluster, change: Change, current: Json | None) -> list[Owner]:
    """The owners of a change's fields.

    :param current: the object that is changed; None where it is to be created.
    """
    if current is None or change.action == "restart":  # the annotation of a restart is nobody's
        return []
    found = [_controller(change, current), _argo(cluster, change, current), *_flux(cluster, change, current), _helm(change, current),
             _vertical_autoscaler(cluster, change), _program(change, current)]
    return [owner for owner in found if owner]


def patch(change: Change) -> str:
    """The change as a strategic merge patch in YAML, for the source that the object comes from."""
    content: Json = {}
    for field in change.fields:
        _put(content, _fields.parse(field.path), field.after)
    kind = change.target.kind.rpartition("/")[2]
    version = KINDS[kind][0] if kind in KINDS else change.target.kind.rpartition("/")[0]
    return yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": {"name": change.target.name}, **content}, sort_keys=False)


def _put(content: Json, segments: t.Sequence[_fields.Segment], value: t.Any) -> None:
    key, rest = str(segments[0]), segments[1:]
    if not rest:
        content[key] = value
        return
    if isinstance(rest[0], str):
        _put(content.setdefault(key, {}), rest, value)
        return
    selector, inner = rest[0], rest[1:]
    items = content.setdefault(key, [])
    item = next((item for item in items if item[selector.key] == selector.value), None)
    if item is None:
        items.append(item := {selector.key: selector.value})
    if inner:
        _put(item, inner, value)
    elif isinstance(value, dict):
        item.update(value)


def _controller(change: Change, current: Json) -> Owner | None:
    owner = next((owner for owner in current["metadata"].get("ownerReferences") or [] if owner.get("controller")), None)
    if owner is None:
        return None
    where = f"kubectl -n {change.target.namespace}"
    if owner["kind"] == "ScaledObject":
        bounds = {{"spec.minReplicas": "minReplicaCount", "spec.maxReplicas": "maxReplicaCount"}.get(field.path, field.path): field.after
                  for field in change.fields}
        return Owner(f"KEDA (ScaledObject {owner['name']})", True, "writes this autoscaler again within seconds",
                     f"{where} patch scaledobject {owner['name']} --type merge -p '{json.dumps({'spec': bounds})}'")
    return Owner(f"The operator of {owner['kind']} {owner['name']}", True, "made this object and writes it again as that says",
                 f"Change it there: {where} edit {owner['kind'].lower()}.{owner['apiVersion'].partition('/')[0]} {owner['name']} "
                 f"({_wanted(change)}).")


def _argo(cluster: Cluster, change: Change, current: Json) -> Owner | None:
    labels, annotations = (current["metadata"].get(part) or {} for part in ("labels", "annotations"))
    application = annotations.get(f"{_ARGO}/tracking-id", "").partition(":")[0] or labels.get(f"{_ARGO}/instance", "")
    if not application and any(entry.get("manager") in _ARGO_WRITERS for entry in current["metadata"].get("managedFields") or []):
        application = labels.get("app.kubernetes.io/instance", "")
    if not application:
        return None
    who, source = f"Argo CD (application {application})", _in_source(change)
    if _cares(change, current, _ARGO_WRITERS) is False:
        return Owner(who, False, "keeps this object, but not these fields", source)
    namespace, _underscore, name = application.rpartition("_")
    found = _read(cluster, "argoproj.io/v1alpha1/Application", namespace or "argocd", name)
    automated = None if found is None else ((found["spec"].get("syncPolicy") or {}).get("automated") or {})
    if automated is None:
        return Owner(who, None, "keeps this object as Git says; whether it heals by itself could not be read", source)
    if automated.get("selfHeal") and automated.get("enabled", True):
        return Owner(who, True, "heals itself (selfHeal) and takes the change back within seconds", source)
    return Owner(who, False, "will show it as out of sync, and takes it back with the next sync", source)


def _flux(cluster: Cluster, change: Change, current: Json) -> t.Iterator[Owner]:
    labels, annotations = (current["metadata"].get(part) or {} for part in ("labels", "annotations"))
    if labels.get(f"{_FLUX}/name"):
        name, namespace = labels[f"{_FLUX}/name"], labels.get(f"{_FLUX}/namespace", change.target.namespace)
        who, source = f"Flux (Kustomization {namespace}/{name})", _in_source(change)
        found = _read(cluster, f"{_FLUX}/v1/Kustomization", namespace, name)
        if _cares(change, current, _FLUX_WRITERS) is False or annotations.get(f"{_FLUX}/reconcile") == "disabled":
            yield Owner(who, False, "keeps this object, but not these fields", source)
        elif found and found["spec"].get("suspend"):
            yield Owner(who, False, "is suspended, and takes it back when it is resumed", source)
        else:
            interval = found["spec"].get("interval", "some minutes") if found else "some minutes"
            yield Owner(who, True, f"takes it back with its next reconciliation (every {interval})",
                        f"{source} Until then: flux -n {namespace} suspend kustomization {name}")
    if labels.get(f"{_HELM_FLUX}/name"):
        name, namespace = labels[f"{_HELM_FLUX}/name"], labels.get(f"{_HELM_FLUX}/namespace", change.target.namespace)
        found = _read(cluster, f"{_HELM_FLUX}/v2/HelmRelease", namespace, name)
        corrects = (found or {}).get("spec", {}).get("driftDetection", {}).get("mode") == "enabled"
        yield Owner(f"Flux (HelmRelease {namespace}/{name})", corrects if found else None,
                    "corrects drift and takes it back" if corrects else "takes it back with the next release",
                    f"Set its values ({_wanted(change)}), or until then: flux -n {namespace} suspend helmrelease {name}")


def _helm(change: Change, current: Json) -> Owner | None:
    annotations = current["metadata"].get("annotations") or {}
    release = annotations.get("meta.helm.sh/release-name")
    if not release:
        return None
    where = annotations.get("meta.helm.sh/release-namespace", change.target.namespace)
    return Owner(f"Helm (release {where}/{release})", False, "takes it back with the next upgrade",
                 f"Put it into the release's values before that ({_wanted(change)}).")


def _vertical_autoscaler(cluster: Cluster, change: Change) -> Owner | None:
    if change.action != "resources":
        return None
    try:
        found = cluster.list("autoscaling.k8s.io/v1/VerticalPodAutoscaler", change.target.namespace)
    except ClusterError as error:
        if error.status in (403, 404):
            return None
        raise
    for item in found:
        target = item["spec"].get("targetRef") or {}
        mode = (item["spec"].get("updatePolicy") or {}).get("updateMode", "Auto")
        if (target.get("kind"), target.get("name")) == (change.target.kind, change.target.name) and mode != "Off":
            name = item["metadata"]["name"]
            return Owner(f"The VerticalPodAutoscaler {name}", True, f"(updateMode {mode}) gives the pods its own values as they start",
                         f"Raise spec.resourcePolicy.containerPolicies[].minAllowed of {name}, or set its updateMode to Off.")
    return None


def _program(change: Change, current: Json) -> Owner | None:
    """A program that wrote one of the fields last: it may do so again."""
    for field in change.fields:
        entries = [entry for entry in current["metadata"].get("managedFields") or []
                   if not entry.get("subresource") and manages(entry, field.path)]
        latest = max(entries, key=lambda entry: entry.get("time", ""), default=None)
        if latest and not latest.get("manager", "").startswith(_PEOPLE):
            return Owner(f"{latest['manager']}", None, f"wrote {field.path} at {latest.get('time', 'an unknown time')} and may do so again",
                         "Find out whether it is a program that decides about this field, and stop it or change it there.")
    label = (current["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by", "")
    if label and label.lower() not in ("helm", "kustomize", "kubectl", FIELD_MANAGER):
        return Owner(label, None, "manages this object, as its label says, and may write it again", f"Look there first ({_wanted(change)}).")
    return None


def _cares(change: Change, current: Json, writers: t.Sequence[str]) -> bool | None:
    """Whether one of the writers has written fields of the change; None where nothing is known of what it wrote."""
    entries = [entry for entry in current["metadata"].get("managedFields") or [] if entry.get("manager") in writers and not entry.get("subresource")]
    return any(manages(entry, field.path) for entry in entries for field in change.fields) if entries else None


def _in_source(change: Change) -> str:
    return f"Commit it to its source ({_wanted(change)})."


def _wanted(change: Change) -> str:
    return "; ".join(f"{field.path} {_short(field)}" for field in change.fields)


def _short(field: Field) -> str:
    value = field.shown()[-1][2] if not isinstance(field.after, dict) else field.after.get("value", "as in the revision that is rolled back to")
    return "removed" if value is None else str(value)


def _read(cluster: Cluster, kind: str, namespace: str, name: str) -> Json | None:
    """An owner's own object, None where it cannot be read: the runbooks' Roles need not allow it."""
    try:
        return cluster.find(kind, namespace, name)
    except ClusterError:
        return None


def object_of(cluster: Cluster, change: Change, workload: Json | None) -> Json | None:
    """The object that a change writes to, which need not be the workload whose pods it is about."""
    meta = (workload or {}).get("metadata", {})
    if workload and (meta.get("uid"), meta.get("name")) == (change.uid, change.target.name):
        return workload
    return None if change.creates else _found(cluster, change.target)


def _found(cluster: Cluster, target: Target) -> Json | None:
    return cluster.find(target.kind, target.namespace, target.name) if target.kind in KINDS or "/" in target.kind else None
