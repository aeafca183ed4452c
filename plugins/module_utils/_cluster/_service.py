# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Service of the cluster names, reached directly or through the API server by a port-forward to a pod behind it."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _forward, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError


#: option of every module that reaches something so
ROUTE_SPEC: dict[str, t.Any] = {"type": "str", "default": "auto", "choices": ["auto", "direct", "port_forward"]}


@contextlib.contextmanager
def reached(cluster: Cluster, namespace: str, host: str, port: int, route: str, what: str) -> t.Iterator[_forward.Forwarder | None]:
    """While the context lasts, a forwarder whose port on 127.0.0.1 leads there; None where the host itself is to be connected to.

    :param route: ``auto`` forwards a port where the host is a Service of the cluster, and connects directly otherwise.
    :param what: is there, for messages: ``database``.
    :raises ClusterError: a port is to be forwarded and the host is no Service, or none of its pods is ready.
    """
    pod = None if route == "direct" else _pod_behind(cluster, namespace, host, port, what)
    if pod is None and route == "port_forward":
        raise ClusterError(f"Cluster {cluster.name}: {host} is no Service with a ready pod in {namespace}, so no port can be forwarded to it.",
                           "Set route: direct, or host to a Service's name.")
    with contextlib.ExitStack() as until_then:
        yield until_then.enter_context(_forward.forwarded(cluster, *pod)) if pod else None


def _pod_behind(cluster: Cluster, namespace: str, host: str, port: int, what: str) -> tuple[str, str, int] | None:
    """Namespace, ready pod and its port, where the host names a Service: ``postgres`` or ``postgres.shop.svc.cluster.local``.

    :param what: is behind it, for messages: ``database``.
    :returns: None where the host is no Service that chooses pods.
    :raises ClusterError: none of its pods is ready.
    """
    service_name, _dot, domain = host.partition(".")
    if domain and not re.fullmatch(r"[a-z0-9-]+(\.svc(\..+)?)?", domain):
        return None
    where = domain.partition(".")[0] or namespace
    service = cluster.find("Service", where, service_name)
    if service is None or not service["spec"].get("selector"):
        return None
    labels = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    ready = [pod for pod in cluster.list("Pod", where, labelSelector=labels) if _workload.ready(pod)]
    if not ready:
        raise ClusterError(f"Cluster {cluster.name}: no pod behind Service {where}/{service_name} is ready, so the {what} "
                           "cannot be reached.", f"Look at the {what}'s pod first.")
    return where, ready[0]["metadata"]["name"], _target_port(service, ready[0], port)


def _target_port(service: Json, pod: Json, port: int) -> int:
    target = next((entry.get("targetPort", entry["port"]) for entry in service["spec"]["ports"] if entry["port"] == port), port)
    if isinstance(target, int):
        return target
    named = [entry["containerPort"] for container in pod["spec"]["containers"] for entry in container.get("ports", [])
             if entry.get("name") == target]
    return named[0] if named else port
