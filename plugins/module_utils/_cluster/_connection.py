# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster: its connection, and JSON requests to its API server.

Requests are raw JSON on the pooled, verified connection that the kubernetes
client configures. The client's typed models cost 0.8 s to load on first use,
so nothing here touches them.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require

try:
    import urllib3
    from kubernetes import config as kube_config
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
except ImportError:
    pass

Json = t.Dict[str, t.Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

#: what makes the API server leave out everything but the metadata of a collection's items
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

FIELD_MANAGER = "sre.runbooks"

#: kind -> (API group and version, plural name); what the runbooks read and write.
KINDS: dict[str, tuple[str, str]] = {
    "ConfigMap": ("v1", "configmaps"),
    "Event": ("v1", "events"),
    "Namespace": ("v1", "namespaces"),
    "Node": ("v1", "nodes"),
    "Pod": ("v1", "pods"),
    "ResourceQuota": ("v1", "resourcequotas"),
    "Secret": ("v1", "secrets"),
    "Service": ("v1", "services"),
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "ControllerRevision": ("apps/v1", "controllerrevisions"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "PodMetrics": ("metrics.k8s.io/v1beta1", "pods"),
    "NodeMetrics": ("metrics.k8s.io/v1beta1", "nodes"),
    "SelfSubjectAccessReview": ("authorization.k8s.io/v1", "selfsubjectaccessreviews"),
}


def api_version(kind: str) -> str:
    """The API group and version of a kind, such as ``apps/v1``."""
    return KINDS[kind][0] if kind in KINDS else kind.rpartition("/")[0]


def resource_path(kind: str, namespace: str = "", name: str = "", subresource: str = "", plural: str = "") -> str:
    """The API path of an object or of a collection, such as ``/api/v1/namespaces/shop/pods``."""
    group_version, plural = api_version(kind), plural or KINDS[kind][1]
    parts = ["api" if group_version == "v1" else "apis", group_version]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (plural, name, subresource) if part]
    return "/" + "/".join(parts)


@dataclasses.dataclass(frozen=True)
class Connection:
    """How to reach one cluster.

    :param name: what messages call the cluster (the inventory host).
    :param kubeconfig: path; empty for ``KUBECONFIG`` or the client's default, or in-cluster.
    :param context: kubeconfig context; empty for the current one.
    :param host: API server URL; with it no kubeconfig is read.
    :param token: bearer token that goes with ``host``.
    :param ca_cert: path of the CA bundle that goes with ``host``.
    :param validate_certs: verify the API server's certificate.
    :param proxy: HTTP(S) proxy URL.
    :param timeout: seconds for one request.
    :param retries: how often a failed request is repeated (429, 5xx, connection errors).
    :param directory: private, and removed by the caller; keys and certificates that a kubeconfig has in itself become files there.
    """

    name: str = "cluster"
    kubeconfig: str = ""
    context: str = ""
    host: str = ""
    token: str = ""
    ca_cert: str = ""
    validate_certs: bool = True
    proxy: str = ""
    timeout: float = 15.0
    retries: int = 2
    directory: str = ""


class Cluster:
    """JSON requests to one API server, each with a timeout and a bounded retry."""

    def __init__(self, connection: Connection) -> None:
        require("kubernetes", "jsonpatch")
        self.connection = connection
        self.name = connection.name
        self.configuration = _configure(connection)
        self._pool = RESTClientObject(self.configuration).pool_manager
        self._plurals: dict[str, str] = {}

    def get(self, kind: str, namespace: str = "", name: str = "", subresource: str = "", **query: str) -> Json:
        """Read one object, or a collection when no name is given."""
        return self.request("GET", self._path(kind, namespace, name, subresource), query=query)

    def find(self, kind: str, namespace: str = "", name: str = "") -> Json | None:
        """Read one object, or None where it does not exist."""
        try:
            return self.get(kind, namespace, name)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str = "", **query: str) -> list[Json]:
        """Read the items of a collection (``labelSelector``, ``fieldSelector`` as keywords)."""
        return self.get(kind, namespace, **query).get("items", [])

    def list_metadata(self, kind: str, namespace: str = "") -> list[Json]:
        """Read only the metadata of a collection's items: the content of Secrets does not travel."""
        data = self._send("GET", self._path(kind, namespace), None, None, "", None, accept=METADATA_ONLY).data
        return json.loads(data).get("items", [])

    def create(self, kind: str, namespace: str, body: Json) -> Json:
        """Create an object; the caller's field manager is recorded."""
        path = self._path(kind, namespace)
        return self.request("POST", path, body=body, query={"fieldManager": FIELD_MANAGER})

    def patch(self, kind: str, namespace: str, name: str, body: t.Any, content_type: str = MERGE_PATCH,
              subresource: str = "") -> Json:
        """Patch an object; the field manager is recorded."""
        path = self._path(kind, namespace, name, subresource)
        return self.request("PATCH", path, body=body, content_type=content_type, query={"fieldManager": FIELD_MANAGER})

    def delete(self, kind: str, namespace: str, name: str, preconditions: Json | None = None) -> Json:
        """Delete an object, optionally only if its uid or resourceVersion still match."""
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if preconditions:
            body["preconditions"] = preconditions
        return self.request("DELETE", self._path(kind, namespace, name), body=body)

    def request(self, method: str, path: str, *, query: t.Mapping[str, str] | None = None,
                body: t.Any = None, content_type: str = "application/json") -> Json:
        """Send one request and return the decoded JSON answer."""
        data = self.raw(method, path, query=query, body=body, content_type=content_type)
        return json.loads(data) if data else {}

    def raw(self, method: str, path: str, *, query: t.Mapping[str, str] | None = None, body: t.Any = None,
            content_type: str = "application/json", timeout: float | None = None) -> bytes:
        """Send one request and return the answer's bytes (logs, metrics through the pod proxy)."""
        return self._send(method, path, query, body, content_type, timeout).data

    def _path(self, kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """As ``resource_path``; a kind that is not in KINDS is ``group/version/Kind`` and asked of the cluster."""
        if kind in KINDS:
            return resource_path(kind, namespace, name, subresource)
        group_version, _slash, short = kind.rpartition("/")
        if kind not in self._plurals:
            found = self.request("GET", f"/{'api' if group_version == 'v1' else 'apis'}/{group_version}")
            plurals = [item["name"] for item in found["resources"] if item["kind"] == short and "/" not in item["name"]]
            if not plurals:
                raise ClusterError(f"Cluster {self.name}: {group_version} has no kind {short}.",
                                   "Check apiVersion and kind of the manifest.", status=404)
            self._plurals[kind] = plurals[0]
        return resource_path(kind, namespace, name, subresource, plural=self._plurals[kind])

    def auth_headers(self) -> dict[str, str]:
        """The authorization header of this connection, refreshed where the kubeconfig says how."""
        settings = self.configuration.auth_settings().values()
        return {setting["key"]: setting["value"] for setting in settings if setting["in"] == "header"}

    def _send(self, method: str, path: str, query: t.Mapping[str, str] | None, body: t.Any,
              content_type: str, timeout: float | None, accept: str = "application/json, */*") -> t.Any:
        headers = {"Accept": accept, "User-Agent": FIELD_MANAGER, **self.auth_headers()}
        payload = None
        if body is not None:
            headers["Content-Type"] = content_type
            payload = json.dumps(body)
        url = self.configuration.host + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        try:
            response = self._pool.request(
                method, url, body=payload, headers=headers, redirect=False,
                timeout=urllib3.Timeout(connect=min(5.0, self.connection.timeout),
                                        read=timeout or self.connection.timeout),
                retries=_retry_policy(self.connection.retries, method))
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(method, path, error) from error
        if response.status >= 400:
            raise self._rejected(method, path, response)
        return response

    def _unreachable(self, method: str, path: str, error: Exception) -> ClusterError:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, urllib3.exceptions.SSLError):
            next_step = "Check runbooks_ca_cert or the kubeconfig's certificate-authority-data; nothing was sent."
        else:
            next_step = "Check the address, the network and the API server, then run the same command again."
        return ClusterError(
            f"Cluster {self.name}: no answer from {self.configuration.host} to {method} {path} "
            f"({_short(reason)}); {self.connection.retries + 1} attempts of at most "
            f"{self.connection.timeout:g} s each.", next_step)

    def _rejected(self, method: str, path: str, response: t.Any) -> ClusterError:
        status, reason = response.status, _reason(response)
        messages = {
            401: ("the API server does not accept the credentials (401): the token is expired, revoked or wrong",
                  "Renew the credentials of this host (token or kubeconfig) and run the same command again."),
            403: (f"permission denied (403): {reason}",
                  "Grant the verb with the Role in docs/rbac/, or run as a user that has it."),
            404: (f"not found (404): {reason}", "Check the name, the namespace and the cluster."),
        }
        what, next_step = messages.get(status, (f"answered {status}: {reason}", ""))
        return ClusterError(f"Cluster {self.name}: {method} {path}: {what}.", next_step, status=status)


def _configure(connection: Connection) -> "Configuration":
    configuration = Configuration()
    if connection.host:
        configuration.host = connection.host.rstrip("/")
        configuration.api_key = {"authorization": f"Bearer {connection.token}"} if connection.token else {}
        configuration.ssl_ca_cert = connection.ca_cert or None
    else:
        _load_kubeconfig(connection, configuration)
    if connection.host or not connection.validate_certs:
        configuration.verify_ssl = connection.validate_certs
    if connection.proxy:
        configuration.proxy = connection.proxy
    return configuration


def _load_kubeconfig(connection: Connection, configuration: "Configuration") -> None:
    try:
        kube_config.load_kube_config(config_file=connection.kubeconfig or None, context=connection.context or None,
                                     client_configuration=configuration, temp_file_path=connection.directory or None)
        return
    except (kube_config.ConfigException, OSError) as error:
        if connection.kubeconfig or connection.context:
            raise InvalidInput(
                f"Cluster {connection.name}: cannot use kubeconfig {connection.kubeconfig or '(default)'}"
                f"{f' context {connection.context}' if connection.context else ''}: {error}.",
                "Check runbooks_kubeconfig and runbooks_context of this host; nothing was sent.") from error
        missing = error
    try:
        kube_config.load_incluster_config(client_configuration=configuration)
    except kube_config.ConfigException as error:
        raise InvalidInput(
            f"Cluster {connection.name}: no kubeconfig ({missing}) and not inside a cluster ({error}).",
            "Set KUBECONFIG, or runbooks_kubeconfig (and runbooks_context) for this host.") from error


def _retry_policy(retries: int, method: str) -> "urllib3.Retry":
    """Repeat what is safe to repeat: a write only when the server said that it did not act on it."""
    reads = method == "GET"
    return urllib3.Retry(
        total=retries, connect=retries, read=retries if reads else 0, status=retries, redirect=0,
        allowed_methods=None, backoff_factor=0.3, respect_retry_after_header=True,
        status_forcelist=(429, 500, 502, 503, 504) if reads else (429,), raise_on_status=False)


def _reason(response: t.Any) -> str:
    body = response.data.decode("utf-8", "replace")
    try:
        return json.loads(body).get("message", body)
    except (ValueError, AttributeError):
        return body.strip()[:300] or response.reason


def _short(reason: object) -> str:
    return str(reason).rsplit(": ", 1)[-1][:200]
