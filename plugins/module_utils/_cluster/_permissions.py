# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which permissions the current user has, asked of the cluster itself."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each


@dataclasses.dataclass(frozen=True)
class Permission:
    """A verb on a resource, with its API group and subresource where it has them."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        subresource = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{group}{subresource}"


def parse(text: str) -> Permission:
    """From ``create pods/exec`` or ``patch deployments.apps``."""
    verb, _space, rest = text.strip().partition(" ")
    name, _slash, subresource = rest.strip().partition("/")
    resource, _dot, group = name.partition(".")
    if not verb or not resource:
        raise InvalidInput(f"{text!r} is not a permission.", "Write a verb and a resource: patch deployments.apps")
    return Permission(verb, resource, group, subresource)


def refuse_missing(cluster: Cluster, namespace: str, wanted: t.Sequence[Permission]) -> None:
    """Refuse with the list of what the user lacks."""
    lacking = [str(permission) for permission, allowed in zip(
        wanted, each(lambda permission: allows(cluster, namespace, permission), wanted), strict=True) if not allowed]
    if lacking:
        raise RunbookError(
            f"Cluster {cluster.name}: in namespace {namespace} the current user may not: {', '.join(lacking)}. "
            "Nothing was changed.", "Apply the Role of this runbook from docs/rbac/ and bind it to that user.",
            missing_permissions=lacking)


def allows(cluster: Cluster, namespace: str, permission: Permission) -> bool:
    """Whether the current user has a permission in a namespace."""
    answer = cluster.request("POST", resource_path("SelfSubjectAccessReview"), body={
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**dataclasses.asdict(permission), "namespace": namespace}}})
    return bool(answer["status"].get("allowed"))
