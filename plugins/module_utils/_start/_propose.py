# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the runbooks for what was found in a namespace, and what each runbook still lacks there."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._health import _namespace
from ansible_collections.sre.runbooks.plugins.module_utils._start._look import AUTH, GATEWAY, MEMORY, POOL, Workload

#: runbook -> what its target's metrics must show
ABOUT = {"memory_leak": MEMORY, "db_pool_exhaustion": POOL, "auth_degradation": AUTH, "api_gateway_overload": GATEWAY}
#: what a workload of that kind is often called, where no metrics tell
CALLED = {"auth_degradation": ("auth", "login", "identity", "keycloak", "dex", "kratos", "hydra", "sso", "iam"),
          "api_gateway_overload": ("gateway", "ingress", "traefik", "kong", "envoy", "haproxy", "edge", "proxy")}
LACKS = {MEMORY: "a heap: it judges by the pods' memory alone, and takes no heap dump where there is no JVM",
         POOL: "series of a connection pool that are known: name them with db_pool_exhaustion_series (docs/metrics.md)",
         AUTH: "series of log-ins that are known: name them with auth_degradation_series (docs/metrics.md)",
         GATEWAY: "series of requests that are known: choose api_gateway_overload_preset or name them with api_gateway_overload_series"}


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What a namespace's inventory says.

    :param variables: name -> value.
    :param missing: runbook -> what it lacks, in sentences; a runbook that lacks nothing is not in it.
    :param others: runbook -> workloads that would do as well.
    """

    variables: dict[str, t.Any]
    missing: dict[str, list[str]]
    others: dict[str, list[str]]


def propose(namespace: str, workloads: t.Sequence[Workload]) -> Proposal:
    """Choose each runbook's target by what its metrics show, then by its name, and say what could not be chosen."""
    variables: dict[str, t.Any] = {}
    missing: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    applications = [workload for workload in workloads if not workload.program]
    for runbook in (*ABOUT, "crash_loop", "data_inconsistency"):
        variables[f"{runbook}_namespace"] = namespace
        chosen = _ranked(runbook, applications)
        if not chosen:
            missing[runbook] = [f"a target: no workload was recognized as one; name it with {runbook}_workload"]
            continue
        variables[f"{runbook}_workload"] = chosen[0].target
        others.update({runbook: [other.target for other in chosen[1:]]} if chosen[1:] else {})
        missing.update(_lacking(runbook, chosen[0], variables))
    variables.update(_health(namespace, workloads, missing))
    return Proposal(variables, missing, others)


def _ranked(runbook: str, applications: t.Sequence[Workload]) -> list[Workload]:
    """Workloads that a runbook may be about, the likeliest first."""
    about = ABOUT.get(runbook)
    if about:
        showing = [workload for workload in applications if about in workload.shows]
        called = [workload for workload in applications if any(word in workload.name.lower() for word in CALLED.get(runbook, ()))]
        chosen = [*sorted(showing, key=lambda workload: workload not in called), *(workload for workload in called if workload not in showing)]
        if chosen or runbook in CALLED:
            return chosen
    if runbook in ("db_pool_exhaustion", "data_inconsistency"):
        return [workload for workload in applications if workload.asks_a_database or POOL in workload.shows]
    return sorted(applications, key=lambda workload: (workload.port is None, -workload.wanted))


def _lacking(runbook: str, workload: Workload, variables: dict[str, t.Any]) -> dict[str, list[str]]:
    """Set where its metrics are; what is not there is told."""
    about = ABOUT.get(runbook)
    if about is None:
        return {"data_inconsistency": ["rules of what must be true in your database: write them into data_inconsistency_rules "
                                       "(docs/consistency-rules.md)"]} if runbook == "data_inconsistency" else {}
    if workload.port is None:
        return {runbook: [f"metrics of {workload.target}: {workload.why_no_metrics}; say where they are with {runbook}_metrics_port and "
                          f"{runbook}_metrics_path, or it judges by what Kubernetes alone knows"]}
    variables[f"{runbook}_metrics_port"], variables[f"{runbook}_metrics_path"] = workload.port, workload.path
    return {} if about in workload.shows else {runbook: [f"{workload.target} serves metrics on {workload.port}{workload.path}, but not {LACKS[about]}"]}


def _health(namespace: str, workloads: t.Sequence[Workload], missing: dict[str, list[str]]) -> dict[str, t.Any]:
    """What the health check finds by itself, for a person to correct."""
    targets = _namespace.targets(workloads)
    missing["health_check"] = list(targets.lacks)
    found = {"urls": list(targets.urls), "critical": list(targets.critical), "error_workload": targets.error_workload,
             "database_ways": [{"workload": way.workload, "user": way.user, "name": way.name} for way in targets.database_ways],
             **({"redis_host": targets.redis_host, "redis_port": targets.redis_port} if targets.redis_host else {})}
    return {"health_check_namespace": namespace, **{f"health_check_{name}": value for name, value in found.items() if value}}
