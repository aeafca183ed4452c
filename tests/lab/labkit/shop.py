"""The demo shop on a cluster, and the user that runbooks run as."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import typing as t

import yaml

from labkit.cluster import Cluster
from labkit.host import KUBECONFIG, LAB, NAMESPACE, ROOT, LabError, run, say, step

MANIFESTS = LAB / "shop" / "manifests"
RBAC = ROOT / "docs" / "rbac"
USER = "runbooks"
READY_TIMEOUT = "180s"

Kubectl = t.Callable[..., str]


def deploy(kubectl: Kubectl, image_prefix: str = "") -> None:
    """Apply the shop and wait until every Deployment is available; also what ``heal`` does.

    :param image_prefix: registry of the images on a cluster that cannot see the lab's own.
    """
    with step("deploying the demo shop"):
        kubectl("apply", "-f", "-", stdin=manifests(MANIFESTS, image_prefix))
        for path in sorted(RBAC.glob("*.yml")):
            kubectl("apply", "-f", path)
        wait(kubectl)


def restart(kubectl: Kubectl) -> None:
    """Replace every pod, so that new images are used."""
    kubectl("-n", NAMESPACE, "delete", "pods", "--all", "--wait=true", timeout=120)
    wait(kubectl)


def wait(kubectl: Kubectl) -> None:
    """Wait until every Deployment of the shop is rolled out."""
    try:
        kubectl("-n", NAMESPACE, "rollout", "status", "deployments", f"--timeout={READY_TIMEOUT}", timeout=600)
    except LabError as error:
        pods = kubectl("-n", NAMESPACE, "get", "pods", "-o", "wide")
        raise LabError(f"{error}\n{pods}") from error


def manifests(directory: pathlib.Path, image_prefix: str) -> str:
    """Every manifest of a directory in the order of their names, as one YAML stream."""
    lists = [yaml.safe_load(path.read_text()) for path in sorted(directory.glob("*.yml"))]
    documents = [document for listed in lists for document in listed.get("items", [listed])]
    if image_prefix:
        documents = [_with_prefix(document, image_prefix) for document in documents]
    return yaml.safe_dump_all(documents)


def write_kubeconfig(clusters: t.Sequence[Cluster]) -> None:
    """One kubeconfig for all clusters: context labN for runbooks, labN-admin for the administrator."""
    merged: dict[str, t.Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": [],
                                "current-context": clusters[0].name if clusters else ""}
    for cluster in clusters:
        name = cluster.name
        merged["clusters"].append({"name": name, "cluster": {
            "server": cluster.server, "certificate-authority-data": _base64(cluster.pki.path("ca.crt"))}})
        merged["users"] += [
            {"name": f"{name}-{USER}", "user": {"token": _token(cluster)}},
            {"name": f"{name}-admin", "user": {
                "client-certificate-data": _base64(cluster.pki.path("admin.crt")),
                "client-key-data": _base64(cluster.pki.path("admin.key"))}}]
        merged["contexts"] += [
            {"name": name, "context": {"cluster": name, "user": f"{name}-{USER}", "namespace": NAMESPACE}},
            {"name": f"{name}-admin", "context": {"cluster": name, "user": f"{name}-admin", "namespace": NAMESPACE}}]
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(yaml.safe_dump(merged))
    # The lab runs as root, the runbooks as the person who started it with sudo.
    os.chown(KUBECONFIG, int(os.environ.get("SUDO_UID", 0)), int(os.environ.get("SUDO_GID", 0)))
    say(f"kubeconfig: {KUBECONFIG} (contexts {', '.join(c['name'] for c in merged['contexts'])})")


def deployed(kubectl: Kubectl) -> bool:
    """Whether the shop is there at all: an interrupted ``up`` leaves a cluster without it."""
    return bool(kubectl("-n", NAMESPACE, "get", "deployments", "-o", "name").strip())


def deployments(kubectl: Kubectl) -> list[tuple[str, int, int]]:
    """Name, available and wanted replicas of every Deployment of the shop."""
    items = json.loads(kubectl("-n", NAMESPACE, "get", "deployments", "-o", "json"))["items"]
    return [(item["metadata"]["name"], item.get("status", {}).get("availableReplicas", 0), item["spec"]["replicas"])
            for item in items]


def settings(kubectl: Kubectl) -> dict[str, t.Any]:
    """Replicas and templates of Deployments, bounds of autoscalers, content of ConfigMaps; restarts and records left out."""
    items = json.loads(kubectl("-n", NAMESPACE, "get", "deployments,hpa,configmaps", "-o", "json"))["items"]
    found = {}
    for item in items:
        if "runbooks.sre/incident" not in item["metadata"].get("labels", {}):
            item.get("spec", {}).get("template", {}).get("metadata", {}).pop("annotations", None)
            found[f"{item['kind'].lower()}/{item['metadata']['name']}"] = item.get("spec") or item.get("data")
    return found


def of_kubeconfig(path: str) -> Kubectl:
    """kubectl for a cluster that is not ours."""
    from labkit import binaries

    def kubectl(*words: object, stdin: str | None = None, timeout: float = 120) -> str:
        return run([binaries.kubernetes() / "kubectl", "--kubeconfig", path, *words],
                   stdin=stdin.encode() if stdin is not None else None, timeout=timeout)

    return kubectl


def _token(cluster: Cluster) -> str:
    return cluster.kubectl("-n", NAMESPACE, "create", "token", USER, "--duration=720h").strip()


def _with_prefix(document: dict[str, t.Any], prefix: str) -> dict[str, t.Any]:
    pod = document.get("spec", {}).get("template", {}).get("spec", {})
    for container in pod.get("containers", []) + pod.get("initContainers", []):
        container["image"] = f"{prefix.rstrip('/')}/{container['image']}"
        container["imagePullPolicy"] = "IfNotPresent"
    return document


def _base64(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
