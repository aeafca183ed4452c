# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident at a time works on a target: a Lease in the target's namespace says which."""

from __future__ import annotations

import datetime

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, Refused

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def holder(cluster: Cluster, target: Target) -> str | None:
    """The incident that holds the target now, None where it is free or the lock has expired."""
    lease = cluster.find("Lease", target.namespace, _name(target))
    return lease["spec"].get("holderIdentity") if lease and not _expired(cluster, lease) else None


def refuse_if_held(cluster: Cluster, target: Target, incident_id: str) -> None:
    """Refuse when another incident works on the target."""
    other = holder(cluster, target)
    if other and other != incident_id:
        raise _held(cluster, target, other)


def acquire(cluster: Cluster, target: Target, incident_id: str, seconds: int) -> None:
    """Take or renew the lock; it expires by itself after that many seconds."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": _name(target), "namespace": target.namespace,
                          "labels": {"app.kubernetes.io/managed-by": "sre.runbooks"}},
             "spec": _spec(cluster, incident_id, seconds)}
    try:
        cluster.create("Lease", target.namespace, lease)
        return
    except ClusterError as error:
        if error.status != 409:
            raise
    current = cluster.get("Lease", target.namespace, _name(target))
    other = current["spec"].get("holderIdentity")
    if other and other != incident_id and not _expired(cluster, current):
        raise _held(cluster, target, other)
    try:
        cluster.patch("Lease", target.namespace, _name(target), {
            "metadata": {"resourceVersion": current["metadata"]["resourceVersion"]},
            "spec": _spec(cluster, incident_id, seconds)})
    except ClusterError as error:
        if error.status == 409:
            raise _held(cluster, target, "another run, a moment ago,") from error
        raise


def release(cluster: Cluster, target: Target, incident_id: str) -> None:
    """Give the lock back, if this incident holds it."""
    lease = cluster.find("Lease", target.namespace, _name(target))
    if lease and lease["spec"].get("holderIdentity") == incident_id:
        cluster.delete("Lease", target.namespace, _name(target), {"uid": lease["metadata"]["uid"]})


def _spec(cluster: Cluster, incident_id: str, seconds: int) -> Json:
    moment = cluster.now().strftime(_FORMAT)  # by the cluster's clock, which all controllers share
    return {"holderIdentity": incident_id, "leaseDurationSeconds": seconds,
            "acquireTime": moment, "renewTime": moment}


def _expired(cluster: Cluster, lease: Json) -> bool:
    spec = lease["spec"]
    if not spec.get("renewTime"):
        return True
    renewed = datetime.datetime.strptime(spec["renewTime"], _FORMAT).replace(tzinfo=datetime.timezone.utc)
    age = cluster.now() - renewed
    return age.total_seconds() > spec.get("leaseDurationSeconds", 0)


def _held(cluster: Cluster, target: Target, other: str) -> Refused:
    return Refused(
        f"Cluster {cluster.name}: incident {other} already works on {target}; two at once would undo each other. "
        "Nothing was changed.", f"Continue that incident with -e incident_id={other}, or wait until its lock expires.",
        holder=other)


def _name(target: Target) -> str:
    return f"runbooks-{target.kind.lower()}-{target.name}"
