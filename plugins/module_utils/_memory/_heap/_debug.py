# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ephemeral debug container beside a container that has no tools of its own."""

from __future__ import annotations

import time

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import STRATEGIC_PATCH, Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError

NAME = "runbooks-debug"
START_SECONDS = 60.0
LIFE_SECONDS = "3600"


def attach(cluster: Cluster, pod: Json, container: str, image: str) -> Container:
    """Start the debug container, or use the one that is there; it shares the target's processes.

    It ends by itself after an hour. A JVM listens to its own user and to root: where the pod names the user, that one
    is used; where only the image does, root with SYS_PTRACE, which looking into another user's process needs.
    """
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    present = [c["name"] for c in pod["spec"].get("ephemeralContainers", [])]
    if NAME not in present:
        cluster.patch("Pod", namespace, name, {"spec": {"ephemeralContainers": [{
            "name": NAME, "image": image, "targetContainerName": container, "command": ["sleep", LIFE_SECONDS],
            "securityContext": _same_user(pod, container) or {"capabilities": {"add": ["SYS_PTRACE"]}}}]}}, STRATEGIC_PATCH, "ephemeralcontainers")
    _wait(cluster, namespace, name, image)
    return Container(namespace, name, NAME)


def _same_user(pod: Json, container: str) -> Json:
    own = _workload.container_spec(pod, container).get("securityContext", {})
    shared = pod["spec"].get("securityContext", {})
    return {key: value for key in ("runAsUser", "runAsGroup", "runAsNonRoot")
            if (value := own.get(key, shared.get(key))) is not None}


def _wait(cluster: Cluster, namespace: str, name: str, image: str) -> None:
    deadline, state = time.monotonic() + START_SECONDS, {}
    while time.monotonic() < deadline:
        pod = cluster.get("Pod", namespace, name)
        statuses = pod["status"].get("ephemeralContainerStatuses", [])
        state = next((status["state"] for status in statuses if status["name"] == NAME), {})
        if "running" in state:
            return
        if "terminated" in state:
            break
        time.sleep(0.5)
    raise RunbookError(f"Cluster {cluster.name}: the debug container ({image}) does not start in pod {namespace}/{name}: "
                       f"{state or 'no state after ' + str(START_SECONDS) + ' s'}.",
                       "Check that the node can pull the image, and that admission policies allow ephemeral containers.")
