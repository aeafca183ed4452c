# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of pods: every container's current life and the one before, without secrets from here on."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True)
class Log:
    """One container's log.

    :param previous: whether it is of the container's life before the current one.
    :param text: lines with the time that the kubelet gave them, redacted; empty on error.
    :param error: why there is no log, empty if there is one.
    """

    pod: str
    container: str
    previous: bool
    text: str = ""
    error: str = ""


def fetch(cluster: Cluster, pods: t.Sequence[Json], container: str | None, since_seconds: int,
          max_bytes: int) -> list[Log]:
    """All logs of the pods at once; a log that cannot be had is a result, missing permission is an error.

    :param container: only this one; all of a pod's when None.
    """
    wanted = [Log(pod["metadata"]["name"], status["name"], previous)
              for pod in pods for status in _workload.container_statuses(pod)
              if container in (None, status["name"])
              for previous in ((False, True) if status.get("restartCount", 0) else (False,))]
    namespaces = {pod["metadata"]["name"]: pod["metadata"]["namespace"] for pod in pods}
    return each(lambda log: _fetch_one(cluster, namespaces[log.pod], log, since_seconds, max_bytes), wanted)


def tail(cluster: Cluster, pods: t.Sequence[Json], container: str, since_seconds: int, lines: int) -> list[tuple[str, str, str]]:
    """The newest lines of all pods at once, in the order of time: each with its time, its pod and the text.

    :param lines: most lines of each pod.
    """
    query = {"container": container, "timestamps": "true", "sinceSeconds": str(since_seconds), "tailLines": str(lines)}

    def read(pod: Json) -> list[tuple[str, str, str]]:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        try:
            data = cluster.raw("GET", resource_path("Pod", namespace, name, "log"), query=query, timeout=TIMEOUT)
        except ClusterError as error:
            if error.status in (400, 404):  # no container has run yet, or the pod is gone
                return []
            raise
        split = (line.partition(" ") for line in redact(data.decode("utf-8", "replace")).splitlines())
        return [(at, name, text) for at, _space, text in split]

    return sorted(line for found in each(read, pods) for line in found)


def _fetch_one(cluster: Cluster, namespace: str, log: Log, since_seconds: int, max_bytes: int) -> Log:
    query = {"container": log.container, "timestamps": "true", "limitBytes": str(max_bytes)}
    if log.previous:
        query["previous"] = "true"
    else:
        query["sinceSeconds"] = str(since_seconds)
    try:
        data = cluster.raw("GET", resource_path("Pod", namespace, log.pod, "log"), query=query, timeout=TIMEOUT)
    except ClusterError as error:
        if error.status in (400, 404):
            return dataclasses.replace(log, error=error.message)
        raise
    return dataclasses.replace(log, text=redact(data.decode("utf-8", "replace")))
