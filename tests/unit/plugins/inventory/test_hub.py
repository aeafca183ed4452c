# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of Argo CD and of Open Cluster Management: each can be reached, and nothing that is shown is a secret."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import stat
import subprocess
import sys

import fake_api
import pytest
import yaml
from fake_api import FakeApi

from ansible_collections.sre.runbooks.plugins.inventory import hub

ROOT = pathlib.Path(__file__).resolve().parents[4]
TOKEN = "canary-token-0123456789"
KEY = base64.b64encode(b"canary-key").decode()
MANAGED = "/apis/cluster.open-cluster-management.io/v1/managedclusters"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def argocd(name: str, config: object, server: str = "", **labels: str) -> dict:
    return {"kind": "Secret", "metadata": {"name": f"cluster-{name.replace('/', '-')}", "namespace": "argocd", "labels": {
        "argocd.argoproj.io/secret-type": "cluster", **labels}},
        "data": {"name": b64(name), "server": b64(server or f"https://{name}.example.com"), "config": b64(json.dumps(config))}}


def listed(directory: pathlib.Path, api: FakeApi, **options: object) -> tuple[dict, str]:
    """What ansible-inventory shows of it, and all that it prints with -vvv."""
    path = directory / "hub"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "hub", "clusters": [
        {"name": "hub", "cluster": {"server": api.url}}], "users": [{"name": "hub", "user": {"token": "of-the-hub"}}],
        "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "hub"}}]}))
    file = directory / "clusters.yml"
    file.write_text(yaml.safe_dump({"plugin": "sre.runbooks.hub", "kubeconfig": str(path), "directory": str(directory / "kept"), **options}))
    done = subprocess.run([pathlib.Path(sys.executable).with_name("ansible-inventory"), "-i", file, "--list", "-vvv"], capture_output=True, text=True,
                          check=True, env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections")})
    return json.loads(done.stdout[done.stdout.index("\n{\n"):]), done.stdout + done.stderr


@pytest.mark.parametrize(("config", "user", "cluster"), [
    ({"bearerToken": TOKEN, "tlsClientConfig": {"caData": "Q0E=", "serverName": "k"}}, {"token": TOKEN},
     {"certificate-authority-data": "Q0E=", "tls-server-name": "k"}),
    ({"tlsClientConfig": {"certData": "Q0VSVA==", "keyData": KEY, "insecure": True}}, {"client-certificate-data": "Q0VSVA==", "client-key-data": KEY},
     {"insecure-skip-tls-verify": True}),
    ({"username": "u", "password": TOKEN}, {"username": "u", "password": TOKEN}, {}),
    ({"execProviderConfig": {"command": "gke-plugin", "args": ["a"], "env": {"X": TOKEN}, "apiVersion": "client.authentication.k8s.io/v1"}},
     {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "gke-plugin", "args": ["a"], "interactiveMode": "Never",
               "env": [{"name": "X", "value": TOKEN}]}}, {}),
    ({"awsAuthConfig": {"clusterName": "eks", "roleARN": "arn:aws:iam::1:role/x"}},
     {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "interactiveMode": "Never", "env": [],
               "args": ["eks", "get-token", "--cluster-name", "eks", "--role-arn", "arn:aws:iam::1:role/x"]}}, {})])
def test_every_form_in_which_argo_cd_keeps_a_credential(config, user, cluster):
    with fake_api.serving() as api:
        api.add(argocd("prod-eu", config, region="eu"))
        [found] = hub.of_argocd(api.cluster, "argocd", never)
    kubeconfig = json.loads(found.kubeconfig())
    assert kubeconfig["users"][0]["user"] == user
    assert kubeconfig["clusters"][0]["cluster"] == {"server": "https://prod-eu.example.com", **cluster}
    assert found.shown() == {"name": "prod-eu", "server": "https://prod-eu.example.com", "labels": {"region": "eu"}, "available": None}
    assert TOKEN not in repr(found) and KEY not in repr(found)


def never(name: str, why: str) -> None:
    raise AssertionError(f"{name}: {why}")


def test_what_cannot_be_reached_is_left_out_and_the_hub_is_itself():
    left_out = {}
    with fake_api.serving() as api:
        broken = argocd("broken", {})
        broken["data"]["config"] = b64(f'{{"bearerToken": "{TOKEN}"')
        other = {"kind": "Secret", "metadata": {"name": "other", "namespace": "argocd"}, "data": {"password": b64(TOKEN)}}
        api.add(argocd("in-cluster", {}, "https://kubernetes.default.svc"), argocd("empty", {"tlsClientConfig": {"insecure": False}}), broken, other)
        found = list(hub.of_argocd(api.cluster, "argocd", left_out.__setitem__))
    assert [(one.name, one.cluster) for one in found] == [("in-cluster", None)]
    assert left_out == {"empty": "its Secret has no credential", "broken": "its Secret is none of Argo CD (JSONDecodeError)"}


def ocm(api: FakeApi, *names: str) -> None:
    api.answers[MANAGED] = (200, json.dumps({"items": [
        {"metadata": {"name": name, "labels": {"vendor": "OpenShift"}}, "spec": {"managedClusterClientConfigs": [
            {"url": f"https://{name}.example.com:6443", "caBundle": "Q0E="}] if name != "no-address" else []},
         "status": {"conditions": [{"type": "ManagedClusterConditionAvailable", "status": "False" if name == "gone" else "True"}]}}
        for name in names]}).encode(), {})
    for name in names:
        if name != "no-token":
            api.add({"kind": "Secret", "metadata": {"name": "sre-runbooks", "namespace": name}, "data": {"token": b64(TOKEN)}})


def test_managed_clusters():
    left_out = {}
    with fake_api.serving() as api:
        ocm(api, "one", "gone", "no-token", "no-address")
        found = {one.name: one for one in hub.of_ocm(api.cluster, "sre-runbooks", left_out.__setitem__)}
    assert {name: one.available for name, one in found.items()} == {"one": True, "gone": False}
    assert found["one"].cluster == {"server": "https://one.example.com:6443", "certificate-authority-data": "Q0E="} and found["one"].user == {"token": TOKEN}
    assert "has no token of sre-runbooks" in left_out["no-token"] and "names no address" in left_out["no-address"]


def test_no_secret_is_printed_and_what_is_kept_is_its_owners(tmp_path):
    with fake_api.serving() as api:
        api.add(argocd("a", {"bearerToken": TOKEN}, region="eu"), argocd("b", {"tlsClientConfig": {"certData": "Q0VSVA==", "keyData": KEY}}),
                argocd("c", {"execProviderConfig": {"command": "x", "env": {"T": TOKEN}}}), argocd("prod/d", {"bearerToken": TOKEN}))
        regions = [{"key": "hub_cluster.labels.region", "prefix": "region"}]
        found, said = listed(tmp_path, api, source="argocd", keyed_groups=regions)
        asked = len(api.requests)
        again, _said = listed(tmp_path, api, source="argocd", keyed_groups=regions)
        assert again == found and len(api.requests) == asked, "within cache_seconds the hub is not asked"
        files = list((tmp_path / "kept").glob("*/*.kubeconfig"))
        modes = {stat.S_IMODE(path.stat().st_mode) for file in files for path in (file, file.parent)}
        del api.objects[next(path for path in api.objects if path.endswith("cluster-b"))]
        fewer, _said = listed(tmp_path, api, source="argocd", cache_seconds=0)
    assert set(found["_meta"]["hostvars"]) == {"a", "b", "c", "prod-d"} and found["region_eu"] == {"hosts": ["a"]}
    assert set(fewer["_meta"]["hostvars"]) == {"a", "c", "prod-d"}
    assert not [secret for secret in (TOKEN, KEY, "of-the-hub") if secret in said]
    assert modes == {0o600, 0o700}
    assert len(files) == 4 and len(list((tmp_path / "kept").glob("*/*.kubeconfig"))) == 3, "the credential of a cluster that is gone is removed"
