# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environment of a workload's container says; it comes by exec, because it may be from Secrets that the runbooks may not read."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _psql
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

_PRINT = 'for name; do printf "%s=%s\\0" "$name" "$(printenv "$name")"; done'


def variables(cluster: Cluster, namespace: str, workload: str, container: str | None, names: t.Iterable[str], instead: str) -> dict[str, str]:
    """The values of variables by name; empty for those that are not set.

    :param instead: what a person may set where the environment cannot be read, for the message.
    :raises ClusterError: no pod of the workload runs, or its container has no shell.
    """
    where = _psql.container_of(cluster, namespace, Way(workload, container))
    result = _exec.run(cluster, where, ["sh", "-c", _PRINT, "sh", *names])
    if result.code:
        raise ClusterError(f"Cluster {cluster.name}: the environment of {where} cannot be read: it has no sh or no printenv (exit {result.code}).",
                           f"{instead}, or name another workload.")
    return dict(entry.split("=", 1) for entry in result.text.split("\0") if entry)
