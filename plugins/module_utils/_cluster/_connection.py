# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster: its connection, and JSON requests to its API server.

Requests are raw JSON on the pooled, verified connection that the kubernetes
client configures. The client's typed models cost 0.8 s to load on first use,
so nothing here touches them. What a kubeconfig means is read by ``_kubeconfig``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import ssl
import time
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _kubeconfig
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._clock import Clock
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._kubeconfig import Credential, Identity, Server
from ansible_collections.sre.runbooks.plugins.module_utils._core._bounded import read_bounded
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import urllib3
    from kubernetes import config as kube_config
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
except Exception:
    pass

Json = t.Dict[str, t.Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

#: what makes the API server leave out everything but the metadata of a collection's items
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

FIELD_MANAGER = "sre.runbooks"

#: what OpenSSL says of certificates that only strict verification refuses
STRICT_FAILURES = (
    "Missing Authority Key Identifier", "Missing Subject Key Identifier", "Authority Key Identifier marked critical",
    "Subject Key Identifier marked critical", "CA cert does not include key usage extension", "Basic Constraints of CA cert not marked critical",
    "Key usage keyCertSign invalid for non-CA cert", "Path length invalid for non-CA cert", "Path length given without key usage keyCertSign",
    "Empty Subject Alternative Name extension", "Issuer name empty", "Subject name empty", "Using cert extension requires at least X509v3")

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


def proxy_path(kind: str, namespace: str, name: str, port: int | str, scheme: str = "") -> str:
    """The path under which the API server leads to a port of a Pod or Service; the scheme is ``https`` where that wants TLS."""
    return resource_path(kind, namespace, f"{scheme}:{name}:{port}" if scheme else f"{name}:{port}", "proxy")


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
    :param strict_certificates: verify it as strictly as RFC 5280 asks, which Python does from 3.13 on; only that is relaxed without.
    :param proxy: URL of an HTTP(S) or SOCKS proxy.
    :param timeout: seconds for one request.
    :param retries: how often a failed request is repeated (429, 5xx, connection errors).
    :param directory: private, and removed by the caller; keys and certificates that a kubeconfig has in itself become files there.
    """

    name: str = "cluster"
    kubeconfig: str = ""
    context: str = ""
    host: str = ""
    token: str = dataclasses.field(default="", repr=False)
    ca_cert: str = ""
    validate_certs: bool = True
    strict_certificates: bool = True
    proxy: str = dataclasses.field(default="", repr=False)
    timeout: float = 15.0
    retries: int = 2
    directory: str = ""


class Cluster:
    """JSON requests to one API server, each with a timeout and a bounded retry."""

    def __init__(self, connection: Connection) -> None:
        require("kubernetes", "jsonpatch")
        self.connection = connection
        self.name = connection.name
        self.configuration, self.identity = _configure(connection)
        self.clock = Clock()
        self._pool = _pool(connection, self.configuration)
        self._plurals: dict[str, str] = {}

    def now(self) -> datetime.datetime:
        """The time by the cluster's clock, for what is compared with times that the cluster noted."""
        if not self.clock.known:
            with contextlib.suppress(ClusterError):  # any answer has a date, a refusal too
                self._send("GET", "/version", None, None, "", None)
        return self.clock.now()

    def timestamp(self) -> str:
        """``now`` as ISO 8601 in milliseconds, UTC."""
        return self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

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
        return self.get(kind, namespace, **query).get("items") or []  # an empty list may be written as null

    def list_metadata(self, kind: str, namespace: str = "") -> list[Json]:
        """Read only the metadata of a collection's items: the content of Secrets does not travel."""
        path = self._path(kind, namespace)
        return self._decoded("GET", path, self._send("GET", path, None, None, "", None, accept=METADATA_ONLY)).get("items") or []

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
        return self._decoded(method, path, self._send(method, path, query, body, content_type, None))

    def raw(self, method: str, path: str, *, query: t.Mapping[str, str] | None = None, body: t.Any = None,
            content_type: str = "application/json", timeout: float | None = None) -> bytes:
        """Send one request and return the answer's bytes (logs, metrics through the pod proxy)."""
        return self._send(method, path, query, body, content_type, timeout).data

    def bounded(self, path: str, *, query: t.Mapping[str, str], headers: t.Mapping[str, str], timeout: float, most: int) -> bytes:
        """Read through the API server what somebody else made (a service behind its proxy): at most ``most`` bytes, in ``timeout`` seconds.

        :raises TooMuch: there is more than that.
        """
        ends = time.monotonic() + timeout
        return read_bounded(self._send("GET", path, query, None, "", timeout, headers=headers, whole=False), most, ends)

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

    def _send(self, method: str, path: str, query: t.Mapping[str, str] | None, body: t.Any,
              content_type: str, timeout: float | None, accept: str = "application/json, */*",
              headers: t.Mapping[str, str] | None = None, whole: bool = True) -> t.Any:
        headers = urllib3.HTTPHeaderDict({"Accept": accept, "User-Agent": FIELD_MANAGER, **(headers or {})})
        for name, value in self.identity.headers():
            headers.add(name, value)
        payload = None
        if body is not None:
            headers["Content-Type"] = content_type
            payload = json.dumps(body)
        url = self.configuration.host + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        sent = time.time()
        try:
            response = self._pool.request(
                method, url, body=payload, headers=headers, redirect=False, preload_content=whole,
                timeout=urllib3.Timeout(connect=min(5.0, self.connection.timeout),
                                        read=timeout or self.connection.timeout),
                retries=_retry_policy(self.connection.retries, method))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._unreachable(method, path, error) from None  # whose own text may hold a header
        self.clock.learn(response.headers.get("Date", ""), sent, time.time())
        if response.status >= 300:
            raise self._rejected(method, path, response)
        return response

    def _decoded(self, method: str, path: str, response: t.Any) -> Json:
        if not response.data:
            return {}
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ClusterError(f"Cluster {self.name}: {self.configuration.host} answered {method} {path} with {_kind_of(response)}, and not "
                               "as an API server does.", "Is it a log-in page or a proxy? Check the address of the API server, and log in again.")
        return answer

    def _unreachable(self, method: str, path: str, error: Exception) -> ClusterError:
        reason = getattr(error, "reason", None) or error
        next_step = "Check the address, the network and the API server, then run the same command again."
        if isinstance(reason, (urllib3.exceptions.SSLError, ssl.SSLError)):
            next_step = _about_certificates(str(reason))
        through = f" through the proxy {redact(self.configuration.proxy)}" if self.configuration.proxy else ""
        return ClusterError(
            f"Cluster {self.name}: no answer from {redact(self.configuration.host)}{through} to {method} {path} "
            f"({_short(reason)}); {self.connection.retries + 1} attempts of at most "
            f"{self.connection.timeout:g} s each.", next_step)

    def _rejected(self, method: str, path: str, response: t.Any) -> ClusterError:
        status, reason = response.status, _reason(response)
        messages = {
            401: ("the API server does not accept the credentials (401): the token is expired, revoked or wrong",
                  "Renew the credentials of this host (token or kubeconfig) and run the same command again."),
            403: (f"permission denied (403): {reason}", _about_permission(reason)),
            404: (f"not found (404): {reason}", "Check the name, the namespace and the cluster."),
        }
        what, next_step = messages.get(status, (f"answered {status}: {reason}", ""))
        if 300 <= status < 400:
            what, next_step = (f"redirected ({status}) to {redact(response.headers.get('Location', 'nowhere'))}, as no API server does",
                               "Is it a log-in page or a proxy? Check the address of the API server, and log in again.")
        return ClusterError(f"Cluster {self.name}: {method} {path}: {what}.", next_step, status=status)


def _configure(connection: Connection) -> tuple["Configuration", Identity]:
    server, identity = _server_and_identity(connection)
    configuration = Configuration()
    configuration.host = server.url
    configuration.ssl_ca_cert = server.ca_file or None
    configuration.verify_ssl = server.verify and connection.validate_certs
    configuration.tls_server_name = server.name or None
    configuration.cert_file = identity.credential.cert_file or None
    configuration.key_file = identity.credential.key_file or None
    proxy = connection.proxy or server.proxy
    if proxy:  # one that is named counts for every host, as with kubectl
        configuration.proxy, configuration.no_proxy = proxy, ""
    return configuration, identity


def _server_and_identity(connection: Connection) -> tuple[Server, Identity]:
    if connection.host:
        return _given(connection), Identity(lambda: Credential(_authorization(connection)))
    if connection.token:  # another identity than the one that was named is never used in silence
        raise InvalidInput(f"Cluster {connection.name}: runbooks_token goes with runbooks_host, which is not set; a kubeconfig has credentials of its own.",
                           "Set runbooks_host (and runbooks_ca_cert), or remove the token; nothing was sent.")
    paths = connection.kubeconfig or _kubeconfig.default_paths()
    if _kubeconfig.exists(paths):
        where = f"Cluster {connection.name}: kubeconfig {paths}{f' context {connection.context}' if connection.context else ''}"
        with _kubeconfig.well_formed(where):
            found = _kubeconfig.Kubeconfig(where, paths, connection.context, connection.directory)
            return found.server(), found.identity()
    if connection.kubeconfig or connection.context:
        raise InvalidInput(f"Cluster {connection.name}: there is no kubeconfig {paths}.",
                           "Check runbooks_kubeconfig and runbooks_context of this host; nothing was sent.")
    return _in_cluster(connection, paths)


def _given(connection: Connection) -> Server:
    if not connection.host.startswith(("https://", "http://")):
        raise InvalidInput(f"Cluster {connection.name}: runbooks_host {redact(connection.host)!r} is no URL.", "For example: https://10.0.0.1:6443")
    if connection.ca_cert and not os.path.isfile(connection.ca_cert):
        raise InvalidInput(f"Cluster {connection.name}: the CA bundle {connection.ca_cert} does not exist.", "Check runbooks_ca_cert; nothing was sent.")
    return Server(connection.host.rstrip("/"), connection.ca_cert)


def _authorization(connection: Connection) -> str:
    try:
        return _kubeconfig.bearer(connection.token) if connection.token else ""
    except ValueError:
        raise InvalidInput(f"Cluster {connection.name}: the token is empty or has characters that no header can hold.",
                           "Check runbooks_token of this host; nothing was sent.") from None


def _in_cluster(connection: Connection, paths: str) -> tuple[Server, Identity]:
    """The service account of the pod that this runs in; the client reads its token again as it is replaced."""
    configuration = Configuration()
    try:
        kube_config.load_incluster_config(client_configuration=configuration)
    except kube_config.ConfigException as error:
        raise InvalidInput(
            f"Cluster {connection.name}: no kubeconfig ({paths}) and not inside a cluster ({error}).",
            "Set KUBECONFIG, or runbooks_kubeconfig (and runbooks_context) for this host.") from None

    def current() -> Credential:
        minute = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=_kubeconfig.TOKEN_FILE_SECONDS)
        return Credential(configuration.get_api_key_with_prefix("BearerToken", "authorization") or "", expires=minute)

    return Server(configuration.host, configuration.ssl_ca_cert or ""), Identity(current)


def _pool(connection: Connection, configuration: "Configuration") -> "urllib3.PoolManager":
    try:
        if configuration.proxy:
            auth = urllib3.util.parse_url(configuration.proxy).auth
            configuration.proxy_headers = urllib3.make_headers(proxy_basic_auth=urllib.parse.unquote(auth)) if auth else None
        pool = RESTClientObject(configuration).pool_manager
    except ImportError:
        raise InvalidInput(f"Cluster {connection.name}: the proxy {redact(configuration.proxy or '')} speaks SOCKS, for which Python needs PySocks.",
                           "Install it where Ansible runs (pip install PySocks), or name an HTTP proxy. Nothing was sent.") from None
    except (urllib3.exceptions.HTTPError, ValueError):
        raise InvalidInput(f"Cluster {connection.name}: the proxy {redact(configuration.proxy or '')} cannot be used.",
                           "Write it as http://HOST:PORT (or https://, socks5://). Nothing was sent.") from None
    if not connection.strict_certificates and configuration.verify_ssl:
        context = urllib3.util.ssl_.create_urllib3_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        pool.connection_pool_kw["ssl_context"] = context
    return pool


def _retry_policy(retries: int, method: str) -> "urllib3.Retry":
    """Repeat what is safe to repeat: a write only when the server said that it did not act on it."""
    reads = method == "GET"
    return urllib3.Retry(
        total=retries, connect=retries, read=retries if reads else 0, status=retries, redirect=0,
        allowed_methods=None, backoff_factor=0.3, respect_retry_after_header=True,
        status_forcelist=(429, 500, 502, 503, 504) if reads else (429,), raise_on_status=False)


def _about_permission(reason: str) -> str:
    if "system:anonymous" in reason:
        return ("The API server knows nobody by what was sent: log in again, or give this host credentials (runbooks_kubeconfig, runbooks_token). "
                "Grant nothing to system:anonymous.")
    if "cannot impersonate" in reason:
        return "The kubeconfig's user acts as somebody else (as): grant it the verb impersonate, or choose a context without."
    return "Grant the verb with the Role in docs/rbac/, or run as a user that has it."


def _about_certificates(reason: str) -> str:
    if any(words in reason for words in STRICT_FAILURES):
        return ("Python 3.13 and newer verify as strictly as RFC 5280 asks, and this certificate was made without what that needs: have it made "
                "anew, or set runbooks_strict_certificates=false for this host, which relaxes only that. Nothing was sent.")
    return "Check runbooks_ca_cert or the kubeconfig's certificate-authority-data; nothing was sent."


def _reason(response: t.Any) -> str:
    body = response.data.decode("utf-8", "replace")
    try:
        return redact(str(json.loads(body)["message"]))
    except (ValueError, TypeError, KeyError):
        text = _kind_of(response) if body.lstrip().startswith("<") else redact(body.strip())[:300]
        return text or response.reason or "no reason given"


def _kind_of(response: t.Any) -> str:
    return "a web page" if response.data.lstrip()[:1] == b"<" else f"{response.headers.get('Content-Type', 'something')} that is no JSON object"


def _short(reason: object) -> str:
    return redact(str(reason).rsplit(": ", 1)[-1])[:200]
