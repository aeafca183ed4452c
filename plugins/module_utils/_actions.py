# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mitigations: which fields each of them sets on its target."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._change import Change
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import Json
from ansible_collections.sre.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._workload import Target

RESTART_ANNOTATION = "runbooks.sre/restart"

#: (target, current object, parameters, incident id) -> change
Action = t.Callable[[Target, Json, t.Mapping[str, t.Any], str], Change]


def restart(target: Target, current: Json, params: t.Mapping[str, t.Any], incident_id: str) -> Change:
    """Rolling restart: a new pod template annotation. Named by the incident, so that a rerun is a no-op."""
    path = f'spec.template.metadata.annotations["{RESTART_ANNOTATION}"]'
    return Change.plan("restart", target, current, {path: incident_id},
                       f"restart {target.short}, pod by pod", temporary=False)


def resources(target: Target, current: Json, params: t.Mapping[str, t.Any], incident_id: str) -> Change:
    """Set limits and requests of one container (``limits`` and ``requests``: resource name -> quantity)."""
    container = _workload.main_container(current, params.get("container"))
    base = f"spec.template.spec.containers[name={container}].resources"
    wanted = {f"{base}.{group}.{name}": str(quantity)
              for group in ("limits", "requests") for name, quantity in (params.get(group) or {}).items()}
    if not wanted:
        raise InvalidInput("A resources change needs limits or requests.", "For example: limits: {memory: 1Gi}")
    shown = ", ".join(f"{path.removeprefix(base + '.')} {quantity}" for path, quantity in wanted.items())
    return Change.plan("resources", target, current, wanted, f"set {target.short} {container}: {shown}")


ACTIONS: dict[str, Action] = {"restart": restart, "resources": resources}
