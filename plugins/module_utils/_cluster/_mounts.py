# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and ConfigMaps that a workload's pods use: whether they have changed since, and certificates that expire."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _TIME = 0xA0, 0x17, 0x18


@dataclasses.dataclass(frozen=True)
class Use:
    """A Secret or ConfigMap, and how pods take it: ``environment`` or ``volume``."""

    kind: str
    name: str
    how: str


def uses(template: Json) -> list[Use]:
    """Everything that a pod template takes from Secrets and ConfigMaps."""
    spec = template.get("spec", {})
    found = [use for container in [*spec.get("initContainers", []), *spec.get("containers", [])]
             for source in [*container.get("envFrom", []), *(entry.get("valueFrom", {}) for entry in container.get("env", []))]
             for use in _references(source, "environment")]
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            found += _references(source, "volume")
    return sorted(set(found), key=lambda use: (use.kind, use.name, use.how))


def read(cluster: Cluster, namespace: str, workload: Json) -> list[Json]:
    """What became of each object that the workload uses.

    Each has kind, name, how, version (its resourceVersion), changed_at (ISO 8601; both empty where unknown), older_pods (those
    that started before that), newer_pods, certificates (key and not_after) and error (why it could not be read).
    """
    pods = {pod["metadata"]["name"]: started_at(pod) for pod in _workload.pods(cluster, workload)}
    return each(lambda use: _row(cluster, namespace, use, pods), uses(workload["spec"]["template"]))


def started_at(pod: Json) -> str:
    """When the first of a pod's containers began its current life, or the pod itself."""
    times = [status["state"]["running"]["startedAt"] for status in pod.get("status", {}).get("containerStatuses", [])
             if status.get("state", {}).get("running")]
    return min(times, default=pod["metadata"]["creationTimestamp"])


def changed_at(item: Json) -> str:
    """When the content of an object was last written, as far as its field managers tell."""
    meta = item["metadata"]
    times = [entry["time"] for entry in meta.get("managedFields", []) if entry.get("time")
             and any(name in entry.get("fieldsV1", {}) for name in ("f:data", "f:stringData", "f:binaryData"))]
    return max([meta["creationTimestamp"], *times])


def certificates(item: Json) -> list[Json]:
    """The certificates in a Secret or ConfigMap, each with key and not_after (ISO 8601, UTC)."""
    found = []
    for key, value in (item.get("data") or {}).items():
        content = base64.b64decode(value) if item["kind"] == "Secret" else value.encode()
        found += [{"key": key, "not_after": moment} for pem in _PEM.findall(content) if (moment := not_after(base64.b64decode(pem)))]
    return found


def not_after(der: bytes) -> str:
    """Until when a certificate is valid, ISO 8601, UTC; empty for what is not one."""
    try:
        fields = list(_items(next(_items(next(_items(der))[1]))[1]))
        validity = fields[4 if fields[0][0] == _VERSION else 3]
        tag, text = list(_items(validity[1]))[1]
        form = {_UTC_TIME: "%y%m%d%H%M%SZ", _TIME: "%Y%m%d%H%M%SZ"}[tag]
        return datetime.datetime.strptime(text.decode(), form).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (IndexError, KeyError, ValueError, StopIteration):
        return ""


def _items(der: bytes) -> t.Iterator[tuple[int, bytes]]:
    """The items of a DER sequence: tag and content."""
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[position:position + size], "big")
            position += size
        yield tag, der[position:position + length]
        position += length


def _references(source: t.Mapping[str, t.Any], how: str) -> list[Use]:
    """The objects that one entry of a template refers to, in the many ways in which the API spells that."""
    found = []
    for field, kind in (("secretRef", "Secret"), ("secretKeyRef", "Secret"), ("secret", "Secret"),
                        ("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"), ("configMap", "ConfigMap")):
        reference = source.get(field) or {}
        name = reference.get("name") or reference.get("secretName")
        if name:
            found.append(Use(kind, name, how))
    return found


def _row(cluster: Cluster, namespace: str, use: Use, pods: t.Mapping[str, str]) -> Json:
    row: Json = {**dataclasses.asdict(use), "version": "", "changed_at": "", "older_pods": [], "newer_pods": [], "certificates": [], "error": ""}
    try:
        item = cluster.find(use.kind, namespace, use.name)
    except ClusterError as error:
        return {**row, "error": error.message}
    if item is None:
        return {**row, "error": "it does not exist"}
    changed = changed_at(item)
    return {**row, "version": item["metadata"]["resourceVersion"], "changed_at": changed,
            "older_pods": [pod for pod, started in pods.items() if started < changed],
            "newer_pods": [pod for pod, started in pods.items() if started >= changed],
            "certificates": certificates({"kind": use.kind, **item})}
