# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands, and waiting for its end."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._workload import Target

POLL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a rollout stands.

    :param updated: every pod has the newest template.
    :param finished: and all of them are available, with no old one left.
    :param failed: the controller gave up (progress deadline exceeded), empty if not.
    :param text: the figures, for a person.
    """

    updated: bool
    finished: bool
    failed: str
    text: str


def progress(kind: str, workload: Json) -> Progress:
    """Read a workload's status as ``kubectl rollout status`` does."""
    spec, status = workload["spec"], workload.get("status", {})
    if kind == "DaemonSet":
        wanted, fresh = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
        available, total = status.get("numberAvailable", 0), fresh
    else:
        wanted, fresh = spec.get("replicas", 1), status.get("updatedReplicas", 0)
        available, total = status.get("availableReplicas", 0), status.get("replicas", 0)
    observed = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    updated = observed and fresh >= wanted
    return Progress(updated, updated and total <= fresh and available >= wanted, _gave_up(status),
                    f"{fresh} of {wanted} pods updated, {available} available")


def wait(cluster: Cluster, target: Target, timeout: float, tell: t.Callable[[str], None]) -> Progress:
    """Wait until a rollout is finished or failed, or the time is up; returns where it stands then.

    :param timeout: seconds.
    :param tell: takes a line whenever the figures change.
    """
    deadline, told = time.monotonic() + timeout, ""
    while True:
        current = progress(target.kind, _workload.read(cluster, target))
        if current.text != told:
            told = current.text
            tell(f"{target.short}: {told}")
        if current.finished or current.failed or time.monotonic() >= deadline:
            return current
        time.sleep(POLL_SECONDS)


def lowest_available(kind: str, workload: Json) -> int:
    """How few pods may be available during a rolling update."""
    spec, status = workload["spec"], workload.get("status", {})
    wanted = spec.get("replicas", 1) if kind != "DaemonSet" else status.get("desiredNumberScheduled", 0)
    if kind == "StatefulSet":
        return wanted - 1
    strategy = spec.get("strategy" if kind == "Deployment" else "updateStrategy", {})
    if strategy.get("type") == "Recreate":
        return 0
    unavailable = strategy.get("rollingUpdate", {}).get("maxUnavailable", "25%")
    if isinstance(unavailable, str):
        unavailable = math.floor(wanted * int(unavailable.rstrip("%")) / 100)
    return wanted - unavailable


def _gave_up(status: Json) -> str:
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return condition.get("message", "progress deadline exceeded")
    return ""
