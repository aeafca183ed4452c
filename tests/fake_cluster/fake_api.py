# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small API server on loopback for unit tests: objects by their paths, and what was asked of it.

It writes quantities in the canonical form and leaves out empty values, as an API server does, selects by labels, applies JSON
and merge patches, and refuses a merge patch for another version of the object.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import decimal
import http.server
import json
import re
import threading
import time
import typing as t
import urllib.parse

import jsonpatch
from kubernetes.utils.quantity import parse_quantity

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import KINDS, Cluster, Connection, resource_path

Json = dict[str, t.Any]
COLLECTIONS = {plural for _version, plural in KINDS.values()} | {"verticalpodautoscalers"}
_PROXY = re.compile(r"/api/v1/namespaces/[^/]+/pods/([^/]+)/proxy/(.*)")


@dataclasses.dataclass
class FakeApi:
    """What the server holds, and what it was asked.

    :param objects: path -> object.
    :param pages: name in the pod proxy (``pod:port``, ``https:pod:port``) -> its text, or a function that makes it.
    :param answers: path -> (status, body, headers) that stands for everything else.
    :param seconds_ahead: of its clock.
    """

    objects: dict[str, Json] = dataclasses.field(default_factory=dict)
    pages: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = dataclasses.field(default_factory=dict)
    seconds_ahead: float = 0.0
    requests: list[tuple[str, str, list[tuple[str, str]]]] = dataclasses.field(default_factory=list)
    url: str = ""

    @property
    def cluster(self) -> Cluster:
        """A connection to it."""
        return Cluster(Connection(name="prod", host=self.url, token="t", retries=0, timeout=5))

    def add(self, *objects: Json) -> None:
        """Put in objects, each with kind, namespace and name."""
        for item in objects:
            self.objects[path_of(item)] = item

    def sent(self, name: str) -> list[str]:
        """The values of a header of the last request."""
        return [value for key, value in self.requests[-1][2] if key.lower() == name.lower()]

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Answer one request."""
        if path in self.answers:
            return self.answers[path]
        if page := _PROXY.fullmatch(path):
            text = self.pages.get(page[1])
            text = text() if callable(text) else text
            return _json(503, {"message": "error trying to reach service: connection refused"}) if text is None else (
                200, text.encode(), {"Content-Type": "text/plain"})
        if path.endswith("/selfsubjectaccessreviews"):
            return _json(201, {"status": {"allowed": True}})
        if method == "POST":
            item = canonical(json.loads(body))
            item["metadata"].setdefault("uid", "new")
            item["metadata"]["resourceVersion"] = "1"
            self.objects[f"{path}/{item['metadata']['name']}"] = item
            return _json(201, item)
        if method == "PATCH":
            return self._patch(path, json.loads(body))
        if path in self.objects:
            return _json(200, self.objects[path])
        if path.rpartition("/")[2] in COLLECTIONS:
            items = [item for where, item in self.objects.items() if where.rpartition("/")[0] == path and _selected(item, query)]
            return _json(200, {"items": items or None})
        return _json(404, {"message": "the server could not find the requested resource"})

    def _patch(self, path: str, patch: t.Any) -> tuple[int, bytes, dict[str, str]]:
        if path not in self.objects:
            return _json(404, {"message": "not found"})
        version = self.objects[path]["metadata"].get("resourceVersion", "0")
        if isinstance(patch, dict) and patch.get("metadata", {}).get("resourceVersion", version) != version:
            return _json(409, {"message": "the object has been modified"})
        try:
            new = jsonpatch.apply_patch(self.objects[path], patch) if isinstance(patch, list) else _merged(self.objects[path], patch)
        except jsonpatch.JsonPatchException as error:
            return _json(422, {"message": str(error)})
        if new.get("kind") == "ConfigMap" and sum(len(key) + len(value.encode()) for key, value in new.get("data", {}).items()) > 1 << 20:
            return _json(422, {"message": "Too long: must have at most 1048576 bytes"})
        self.objects[path] = canonical(new)
        self.objects[path]["metadata"]["resourceVersion"] = str(int(version) + 1)
        return _json(200, self.objects[path])


@contextlib.contextmanager
def serving(api: FakeApi | None = None) -> t.Iterator[FakeApi]:
    """While the context lasts, the server answers."""
    api = api or FakeApi()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urllib.parse.urlsplit(self.path)
            api.requests.append((self.command, self.path, list(self.headers.items())))
            status, data, headers = api.handle(self.command, parts.path, dict(urllib.parse.parse_qsl(parts.query)), body)
            self.send_response_only(status)
            self.send_header("Date", self.date_time_string(self._now()))
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _now(self) -> float:
            return time.time() + api.seconds_ahead

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def path_of(item: Json) -> str:
    """Where an object lies."""
    kind, meta = item["kind"], item["metadata"]
    plural = {"ScaledObject": "scaledobjects", "Application": "applications", "VerticalPodAutoscaler": "verticalpodautoscalers",
              "Kustomization": "kustomizations", "HelmRelease": "helmreleases"}.get(kind, "")
    if plural:
        return f"/apis/{item['apiVersion']}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"
    return resource_path(kind, meta.get("namespace", ""), meta["name"])


def deployment(name: str = "checkout", containers: list[Json] | None = None, replicas: int = 2, kind: str = "Deployment", **spec: t.Any) -> Json:
    """A workload that has finished its rollout."""
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 2, "creationTimestamp": "2026-11-01T00:00:00Z"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {"containers": containers or [container(name)]}}, **spec},
            "status": {"observedGeneration": 2, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
                       "availableReplicas": replicas}}


def container(name: str, memory: str = "512Mi", **more: t.Any) -> Json:
    """A container with a memory limit."""
    return {"name": name, "image": f"{name}:1", "resources": {"limits": {"memory": memory}, "requests": {"memory": memory}}, **more}


def pod(name: str, workload: Json, **status: t.Any) -> Json:
    """A pod that the workload's controller made, running and ready."""
    meta, template = workload["metadata"], workload["spec"]["template"]
    owner = {"kind": workload["kind"], "name": meta["name"], "uid": meta["uid"], "controller": True}
    labels = dict(template["metadata"]["labels"])
    if workload["kind"] == "Deployment":
        owner, labels = {**owner, "kind": "ReplicaSet", "name": f"{meta['name']}-abc", "uid": "rs"}, {**labels, "pod-template-hash": "abc"}
    return {"kind": "Pod", "metadata": {"name": name, "namespace": meta["namespace"], "labels": labels, "creationTimestamp": "2026-11-28T00:00:00Z",
                                        "ownerReferences": [owner]},
            "spec": {"nodeName": "n1", **copy.deepcopy(template["spec"])},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
                {"name": one["name"], "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-28T00:00:00Z"}}}
                for one in template["spec"]["containers"]], **status}}


def canonical(value: t.Any, quantities: bool = False) -> t.Any:
    """As an API server stores it."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, dict):
        return quantity(value) if quantities and isinstance(value, str) else value
    empty = {"value"} if "name" in value and value.get("value") == "" else set()
    return {key: canonical(item, quantities or key in ("limits", "requests", "hard")) for key, item in value.items() if key not in empty}


def quantity(text: str) -> str:
    """The canonical form: the largest suffix that leaves a whole number."""
    amount: decimal.Decimal = parse_quantity(text)
    if amount != int(amount):
        return f"{int(amount * 1000)}m"
    step, names = (1024, ("", "Ki", "Mi", "Gi", "Ti")) if text.endswith("i") else (1000, ("", "k", "M", "G", "T"))
    number, suffix = int(amount), 0
    while number and number % step == 0 and suffix < 4:
        number, suffix = number // step, suffix + 1
    return f"{number}{names[suffix]}"


def _selected(item: Json, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    terms = [term.partition("=") for term in query.get("labelSelector", "").split(",") if term]
    return all(labels.get(key) == value if equals else key in labels for key, equals, value in terms)


def _merged(old: Json, patch: Json) -> Json:
    new = copy.deepcopy(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = _merged(new[key], value) if isinstance(value, dict) and isinstance(new.get(key), dict) else value
    return new


def _json(status: int, body: Json) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(body).encode(), {}
