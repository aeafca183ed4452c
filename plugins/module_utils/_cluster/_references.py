# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod template refers to: the Secrets, ConfigMaps and claims without which its pods do not start."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

SECRET, CONFIG_MAP, CLAIM = "Secret", "ConfigMap", "PersistentVolumeClaim"
CLAIM_KIND = "v1/PersistentVolumeClaim"
_FIELDS = {"secretRef": SECRET, "secretKeyRef": SECRET, "secret": SECRET, "configMapRef": CONFIG_MAP, "configMapKeyRef": CONFIG_MAP,
           "configMap": CONFIG_MAP}


@dataclasses.dataclass(frozen=True, order=True)
class Reference:
    """An object, or one key of it, that pods cannot start without.

    :param key: empty for the whole object.
    """

    kind: str
    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"key {self.key} of {self.kind} {self.name}" if self.key else f"{self.kind} {self.name}"


def of(template: Json) -> list[Reference]:
    """Everything that pods of a template cannot start without; what is marked optional is left out."""
    spec = template.get("spec", {})
    found = [reference for container in [*spec.get("initContainers", []), *spec.get("containers", [])]
             for source in [*container.get("envFrom", []), *(entry.get("valueFrom") or {} for entry in container.get("env", []))]
             for reference in _references(source)]
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            found += _references(source)
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        found += [Reference(CLAIM, claim)] if claim else []
    return sorted(set(found))


def gone(cluster: Cluster, namespace: str, template: Json) -> list[str]:
    """The objects that a template refers to and that are not there; what may not be read is not told to be gone."""
    objects = dict.fromkeys((reference.kind, reference.name) for reference in of(template))
    return [f"{kind} {name}" for kind, name in objects if _is_gone(cluster, namespace, kind, name)]


def _is_gone(cluster: Cluster, namespace: str, kind: str, name: str) -> bool:
    """Whether it is not there. Who may read only some Secrets by their names may often list what there is, without the content."""
    try:
        return cluster.find(CLAIM_KIND if kind == CLAIM else kind, namespace, name) is None
    except ClusterError:
        pass
    try:
        return kind == SECRET and all(item["metadata"]["name"] != name for item in cluster.list_metadata(kind, namespace))
    except ClusterError:
        return False


def _references(source: t.Mapping[str, t.Any]) -> list[Reference]:
    """What one entry of a template refers to, in the many ways in which the API spells that."""
    found = []
    for field, kind in _FIELDS.items():
        reference = source.get(field) or {}
        name = reference.get("name") or reference.get("secretName")
        if not name or reference.get("optional"):
            continue
        names = [reference["key"]] if "key" in reference else [item["key"] for item in reference.get("items") or []]
        found += [Reference(kind, name, key) for key in names] or [Reference(kind, name)]
    return found
