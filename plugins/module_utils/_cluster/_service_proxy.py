# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests to Services through the API server: for namespaces in which no pod is known to have curl."""

from __future__ import annotations

import time
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, proxy_path
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Answer
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput


def ask(cluster: Cluster, namespace: str, url: str, timeout: float = 5.0) -> Answer:
    """GET a URL whose host is a Service, as a pod of the namespace would write it; certificates are not verified.

    :raises InvalidInput: the host is no Service.
    :raises ClusterError: the API server may not be asked to.
    """
    path = _path(namespace, url)
    began = time.monotonic()
    try:
        body = cluster.raw("GET", path, timeout=timeout)
    except ClusterError as error:
        milliseconds = (time.monotonic() - began) * 1000
        if error.status == 403 and "services/proxy" in error.message:
            raise
        if not error.status:
            return Answer(0, milliseconds, "", "timeout", f"no answer through the API server within {timeout:g} s")
        return Answer(error.status, milliseconds, error.message.partition(f"{path}: ")[2])
    return Answer(200, (time.monotonic() - began) * 1000, body[:200].decode("utf-8", "replace"))


def _path(namespace: str, url: str) -> str:
    """``http://name.namespace.svc:8080/health`` -> the path of the Service's proxy."""
    parts = urllib.parse.urlsplit(url)
    name, *domain = (parts.hostname or "").split(".")
    if parts.scheme not in ("http", "https") or not name or (domain[1:] and domain[1] != "svc"):
        raise InvalidInput(f"{url!r} is no Service's URL, and the API server leads only to those.",
                           "Name a workload with curl in health_check_prober, from whose pod it is asked.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    scheme = "https" if parts.scheme == "https" else ""
    query = f"?{parts.query}" if parts.query else ""
    return proxy_path("Service", domain[0] if domain else namespace, name, port, scheme) + (parts.path or "/") + query
