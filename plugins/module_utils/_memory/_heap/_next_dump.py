# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JVM that dumps its heap by itself when it runs out: the patch of its workload, for a person to apply."""

from __future__ import annotations

import json
import shlex

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

OPTIONS, VOLUME, PLACE = "JAVA_TOOL_OPTIONS", "heap-dumps", "/dumps"
DUMPS = f"-XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath={PLACE}"
#: the heap must run out before the container does, or the kernel ends the JVM without a word
HEAP_OF_LIMIT = 0.7


def patch(workload: Json, container: str) -> Json | None:
    """A strategic merge patch: the options, and a volume on disk that outlives the container.

    :returns: None where the options are not written there, or hold something secret, so that they cannot be added to.
    """
    spec = _workload.container_spec(workload, container)
    before = next((entry for entry in spec.get("env") or [] if entry["name"] == OPTIONS), {})
    options = before.get("value", "")
    if "valueFrom" in before or redact(options) != options:
        return None
    env = [{"name": OPTIONS, "value": " ".join(filter(None, (options, DUMPS, _heap(spec))))}]
    changed = {"name": container, "env": env, "volumeMounts": [{"name": VOLUME, "mountPath": PLACE}]}
    return {"spec": {"template": {"spec": {"containers": [changed], "volumes": [{"name": VOLUME, "emptyDir": {}}]}}}}


def command(target: Target, workload: Json, container: str) -> str:
    """The patch as a person would apply it, empty where there is none."""
    change = patch(workload, container)
    return f"kubectl -n {target.namespace} patch {target.short} --type strategic -p {shlex.quote(json.dumps(change))}" if change else ""


def _heap(spec: Json) -> str:
    """A heap that the limit leaves room for; the last one that is written counts."""
    try:
        limit = _quantity.parse(((spec.get("resources") or {}).get("limits") or {}).get("memory"))
    except InvalidInput:
        return ""
    return f"-Xmx{int(float(limit) * HEAP_OF_LIMIT) >> 20}m"
