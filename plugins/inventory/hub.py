# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hub
short_description: One inventory host per cluster that a hub knows, Argo CD or Open Cluster Management
version_added: 0.1.0
author: sre.runbooks contributors (@sre-runbooks)
description:
  - Makes every cluster of a hub an inventory host, from the Secrets that Argo CD stores its clusters in, or from the ManagedClusters of Open
    Cluster Management.
  - Credentials go into a kubeconfig for each cluster, which only its owner can read, below O(directory); the host has its path as
    C(runbooks_kubeconfig). No credential is in a variable, so C(ansible-inventory --list) shows none.
  - Each host gets C(hub_cluster) with the keys C(name), C(server), C(labels) and C(available) (Open Cluster Management's word, else C(none)), to make
    groups from. A cluster without a usable credential is left out, with a warning that says which and why.
  - Hosts are named as with P(sre.runbooks.kubeconfig#inventory).
options:
  plugin:
    description: Names this plugin.
    type: str
    required: true
    choices: [sre.runbooks.hub]
  source:
    description: Who keeps the clusters, C(argocd) (its cluster Secrets) or C(ocm) (ManagedClusters).
    type: str
    required: true
    choices: [argocd, ocm]
  kubeconfig:
    description: Kubeconfig of the hub; the usual one when not set. May be a template.
    type: str
    default: ''
  context:
    description: Its context; the current one when not set.
    type: str
    default: ''
  namespace:
    description: Namespace of Argo CD's Secrets.
    type: str
    default: argocd
  service_account:
    description:
      - Of Open Cluster Management, the ManagedServiceAccount whose token is used. The hub has it as a Secret of this name in each cluster's namespace.
    type: str
    default: sre-runbooks
  clusters:
    description: Clusters to take. Shell patterns, or regular expressions after a V(~).
    type: list
    elements: str
    default: ['*']
  exclude:
    description: Clusters to leave out.
    type: list
    elements: str
    default: []
  directory:
    description: Where the kubeconfigs are kept.
    type: str
    default: ~/.ansible/sre.runbooks/hub
  cache_seconds:
    description: So long the hub is not asked again; V(0) asks it each time.
    type: int
    default: 600
extends_documentation_fragment:
  - ansible.builtin.constructed
"""

EXAMPLES = r"""
# clusters.yml: what Argo CD deploys to, production only, in groups by a label
plugin: sre.runbooks.hub
source: argocd
context: hub
clusters: ['prod-*']
keyed_groups:
  - key: hub_cluster.labels.region
    prefix: region
---
# Open Cluster Management
plugin: sre.runbooks.hub
source: ocm
groups:
  unavailable: hub_cluster.available is false
"""

import base64
import binascii
import dataclasses
import hashlib
import json
import os
import pathlib
import time
import typing as t

from ansible.errors import AnsibleParserError

from ansible_collections.sre.runbooks.plugins.inventory.kubeconfig import ClusterInventory, host_names, matches
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Connection
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import write_private

Json = t.Dict[str, t.Any]
#: how Argo CD calls the cluster that it runs in
ITSELF = "https://kubernetes.default.svc"
_MANAGED = "/apis/cluster.open-cluster-management.io/v1/managedclusters"


class NoCredential(Exception):
    """Why a cluster cannot be reached with what the hub has."""


@dataclasses.dataclass(frozen=True)
class Found:
    """A cluster of a hub.

    :param labels: as the hub has them.
    :param available: what the hub says, None where it says nothing.
    :param cluster: ``cluster`` of a kubeconfig; None for the hub itself.
    :param user: ``user`` of a kubeconfig.
    """

    name: str
    server: str
    labels: t.Mapping[str, str]
    available: bool | None = None
    cluster: Json | None = None
    user: Json = dataclasses.field(default_factory=dict, repr=False)

    def shown(self) -> Json:
        """What is no secret."""
        return {"name": self.name, "server": self.server, "labels": dict(self.labels), "available": self.available}

    def kubeconfig(self) -> str:
        """A kubeconfig with this cluster only."""
        return json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": self.name,
                           "clusters": [{"name": self.name, "cluster": self.cluster}], "users": [{"name": self.name, "user": self.user}],
                           "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}]})


def of_argocd(hub: Cluster, namespace: str, unusable: t.Callable[[str, str], None]) -> t.Iterator[Found]:
    """The clusters of Argo CD's Secrets.

    :param unusable: is told of those that are left out, their name and why.
    """
    for secret in hub.list("Secret", namespace, labelSelector="argocd.argoproj.io/secret-type=cluster"):
        name = secret["metadata"]["name"]
        try:
            data = {key: _decoded(value) for key, value in (secret.get("data") or {}).items()}
            name, server = data.get("name") or name, data["server"]
            labels = {key: value for key, value in (secret["metadata"].get("labels") or {}).items() if not key.startswith("argocd.argoproj.io/")}
            if server.rstrip("/") == ITSELF:
                yield Found(name, server, labels)
                continue
            config = json.loads(data.get("config") or "{}")
            yield Found(name, server, labels, None, _cluster_of(server, config.get("tlsClientConfig") or {}), _user_of(config))
        except NoCredential as error:
            unusable(name, str(error))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            unusable(name, f"its Secret is none of Argo CD ({type(error).__name__})")  # the error's text may quote it


def of_ocm(hub: Cluster, service_account: str, unusable: t.Callable[[str, str], None]) -> t.Iterator[Found]:
    """The ManagedClusters of Open Cluster Management that have a token of this service account on the hub."""
    for managed in hub.request("GET", _MANAGED).get("items") or []:
        name = managed["metadata"]["name"]
        places = (managed.get("spec") or {}).get("managedClusterClientConfigs") or []
        secret = hub.find("Secret", name, service_account)
        token = _decoded(((secret or {}).get("data") or {}).get("token") or "")
        if not places or not places[0].get("url"):
            unusable(name, "it names no address (spec.managedClusterClientConfigs)")
        elif not token:
            unusable(name, f"the hub has no token of {service_account} in namespace {name} (a ManagedServiceAccount makes one)")
        else:
            conditions = (managed.get("status") or {}).get("conditions") or []
            known = next((one.get("status") for one in conditions if one.get("type") == "ManagedClusterConditionAvailable"), None)
            authority = places[0].get("caBundle") or (secret["data"].get("ca.crt") if secret else "")
            cluster = {"server": places[0]["url"], **({"certificate-authority-data": authority} if authority else {})}
            yield Found(name, places[0]["url"], managed["metadata"].get("labels") or {}, {"True": True, "False": False}.get(known), cluster, {"token": token})


def _cluster_of(server: str, tls: Json) -> Json:
    return {"server": server, **_set({"certificate-authority-data": tls.get("caData"), "tls-server-name": tls.get("serverName"),
                                      "insecure-skip-tls-verify": tls.get("insecure") or None})}


def _user_of(config: Json) -> Json:
    """The credential, as a kubeconfig has it."""
    tls, plugin, aws = config.get("tlsClientConfig") or {}, config.get("execProviderConfig"), config.get("awsAuthConfig")
    if plugin:
        return {"exec": {"apiVersion": plugin.get("apiVersion") or "client.authentication.k8s.io/v1", "command": plugin["command"],
                         "args": plugin.get("args") or [], "interactiveMode": "Never",
                         "env": [{"name": name, "value": value} for name, value in (plugin.get("env") or {}).items()]}}
    if aws:
        role = ["--role-arn", aws["roleARN"]] if aws.get("roleARN") else []
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "interactiveMode": "Never", "env": [],
                         "args": ["eks", "get-token", "--cluster-name", aws["clusterName"], *role]}}
    user = _set({"token": config.get("bearerToken"), "username": config.get("username"), "password": config.get("password"),
                 "client-certificate-data": tls.get("certData"), "client-key-data": tls.get("keyData")})
    if not user:
        raise NoCredential("its Secret has no credential")
    return user


def _set(values: Json) -> Json:
    return {name: value for name, value in values.items() if value}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("no base64") from None


class InventoryModule(ClusterInventory):
    """Hosts from a hub."""

    NAME = "sre.runbooks.hub"

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the hosts of one inventory file."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        known: dict[str, Json] = {}
        for one in self._known(cache):
            known.setdefault(one["name"], one)
        for name, host in host_names([*known]).items():
            one = known[name]
            self.add_cluster(host, {**_set({"runbooks_kubeconfig": one["kubeconfig"], "runbooks_context": one["context"]}),
                                    "hub_cluster": {key: one[key] for key in ("name", "server", "labels", "available")}})

    def _known(self, cache: bool) -> list[Json]:
        """What is shown of each cluster and where its kubeconfig is, from the hub or from the last time."""
        kubeconfig = os.path.expanduser(self.templar.template(self.get_option("kubeconfig")) or "")
        options = [kubeconfig, *(self.get_option(name) for name in ("source", "context", "namespace", "service_account", "clusters", "exclude"))]
        directory = pathlib.Path(self.get_option("directory")).expanduser() / hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]
        index = directory / "clusters.json"
        if cache and index.exists() and time.time() - index.stat().st_mtime < self.get_option("cache_seconds"):
            return json.loads(index.read_text())
        hub = Cluster(Connection(name="hub", kubeconfig=kubeconfig, context=self.get_option("context")))
        try:
            known = [self._kept(one, directory, kubeconfig) for one in self._of(hub)
                     if matches(one.name, self.get_option("clusters")) and not matches(one.name, self.get_option("exclude"))]
        except RunbookError as error:
            raise AnsibleParserError(f"The hub cannot be asked for its clusters: {error}") from None
        for file in set(directory.glob("*.kubeconfig")) - {pathlib.Path(one["kubeconfig"]) for one in known}:
            file.unlink()  # the credential of a cluster that is gone
        write_private(index, json.dumps(known))
        return known

    def _of(self, hub: Cluster) -> t.Iterator[Found]:
        def unusable(name: str, why: str) -> None:
            self.display.warning(f"Cluster {name} of the hub is left out: {why}.")

        if self.get_option("source") == "argocd":
            return of_argocd(hub, self.get_option("namespace"), unusable)
        return of_ocm(hub, self.get_option("service_account"), unusable)

    def _kept(self, one: Found, directory: pathlib.Path, hub: str) -> Json:
        if one.cluster is None:
            return {**one.shown(), "kubeconfig": hub, "context": self.get_option("context")}
        file = directory / f"{hashlib.sha256(one.name.encode()).hexdigest()[:16]}.kubeconfig"
        write_private(file, one.kubeconfig())
        return {**one.shown(), "kubeconfig": str(file), "context": one.name}
