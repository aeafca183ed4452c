# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last words of containers: their logs, of the life that is over and of the one that is under way, init containers too."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._logs import Log
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _log_lines
from ansible_collections.sre.runbooks.plugins.module_utils._crash._log_lines import Reading
from ansible_collections.sre.runbooks.plugins.module_utils._crash._pods import Container

#: of each life: the API server cuts what is over the bytes at its end, so the lines come first
MOST_LINES, MOST_BYTES, TIMEOUT = "500", str(8 << 20), 20.0
#: containers of one name say the same, so a few of their pods are enough
PODS_OF_A_CONTAINER, MOST_CONTAINERS = 3, 18


@dataclasses.dataclass(frozen=True)
class LastWords:
    """What the logs of one container say.

    :param reading: of the end of its last life.
    :param error: why there is no log of it, empty where there is one.
    """

    container: Container
    reading: Reading
    error: str
    logs: tuple[Log, ...]


def fetch(cluster: Cluster, namespace: str, containers: t.Sequence[Container]) -> list[LastWords]:
    """The logs of some containers at once; one that cannot be had costs that one."""
    return each(lambda container: _one(cluster, namespace, container), _chosen(containers))


def _chosen(containers: t.Sequence[Container]) -> list[Container]:
    seen: collections.Counter[str] = collections.Counter()
    chosen = []
    for container in containers:
        seen[container.name] += 1
        if seen[container.name] <= PODS_OF_A_CONTAINER:
            chosen.append(container)
    return chosen[:MOST_CONTAINERS]


def _one(cluster: Cluster, namespace: str, container: Container) -> LastWords:
    lives = (False, True) if container.restarts else (False,)
    logs = tuple(_read(cluster, namespace, Log(container.pod, container.name, previous)) for previous in lives)
    # A container that does not run shows its newest end as its current log.
    over = logs[-1] if container.running else logs[0]
    return LastWords(container, _log_lines.read(over.text), over.error, logs)


def _read(cluster: Cluster, namespace: str, log: Log) -> Log:
    query = {"container": log.container, "timestamps": "true", "tailLines": MOST_LINES, "limitBytes": MOST_BYTES}
    if log.previous:
        query["previous"] = "true"
    try:
        data = cluster.raw("GET", resource_path("Pod", namespace, log.pod, "log"), query=query, timeout=TIMEOUT)
    except ClusterError as error:
        return dataclasses.replace(log, error="it is forbidden" if error.status == 403 else error.message)
    return dataclasses.replace(log, text=data.decode("utf-8", "replace"))
