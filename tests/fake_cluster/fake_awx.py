# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A REST server that keeps what it is given, in the shape of AWX's API: enough for the modules of awx.awx, and no judge of AWX's rules."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import re
import threading
import typing as t
import urllib.parse

Json = dict[str, t.Any]
RELATED = ("credentials", "labels", "survey_spec", "workflow_nodes", "success_nodes", "failure_nodes", "always_nodes", "create_approval_template",
           "instance_groups", "schedules", "galaxy_credentials", "notification_templates_started", "notification_templates_success",
           "notification_templates_error", "notification_templates_approvals", "update", "webhook_key")


@dataclasses.dataclass
class FakeAwx:
    """What it holds: collection -> id -> object; and what was written."""

    objects: dict[str, dict[int, Json]] = dataclasses.field(default_factory=dict)
    lists: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    surveys: dict[str, Json] = dataclasses.field(default_factory=dict)
    written: list[str] = dataclasses.field(default_factory=list)
    url: str = ""

    def handle(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Json]:
        """Answer one request."""
        parts = path.removeprefix("/api/v2/").strip("/").split("/")
        if not path.startswith("/api/v2/"):
            return 200, {"current_version": "/api/v2/", "available_versions": {"v2": "/api/v2/"}, "description": "AWX REST API"}
        if parts[0] in ("config", "ping"):
            return 200, {"version": "24.6.1", "license_info": {}}
        if method != "GET":
            self.written.append(f"{method} {path}")
        if len(parts) == 1:
            return self._made(parts[0], body) if method == "POST" else (200, _page(self._matching(parts[0], query)))
        kept = self.objects.get(parts[0], {})
        if not parts[1].isdigit() or int(parts[1]) not in kept:
            return 404, {"detail": "Not found."}
        one = kept[int(parts[1])]
        if len(parts) == 2:
            if method == "PATCH":
                one.update(body)
            if method == "DELETE":
                del kept[int(parts[1])]
                return 204, {}
            return 200, one
        return self._related(method, parts[2], path, body, one)

    def _related(self, method: str, name: str, path: str, body: Json, one: Json) -> tuple[int, Json]:
        if name == "survey_spec":
            if method == "POST":
                self.surveys[path] = body
            return 200, self.surveys.get(path, {})
        if name == "create_approval_template":
            status, made = self._made("workflow_approval_templates", body)
            one["unified_job_template"] = made["id"]
            one["related"]["unified_job_template"] = made["url"]
            one["summary_fields"]["unified_job_template"] = {**made, "unified_job_type": "workflow_approval"}
            return status, made
        members = self.lists.setdefault(path, [])
        if method == "POST":
            members.remove(body["id"]) if body.get("disassociate") else members.append(body["id"])
            return 204, {}
        if name == "workflow_nodes":
            return 200, _page([node for node in self.objects.get("workflow_job_template_nodes", {}).values() if node["workflow_job_template"] == one["id"]])
        return 200, _page([{"id": number} for number in members])

    def _made(self, collection: str, body: Json) -> tuple[int, Json]:
        kept = self.objects.setdefault(collection, {})
        number = 1 + sum(len(others) for others in self.objects.values()) + len(self.written)
        url = f"/api/v2/{collection}/{number}/"
        kept[number] = {"id": number, "url": url, "type": collection.rstrip("s"), "summary_fields": {}, "status": "successful",
                        "related": {name: f"{url}{name}/" for name in RELATED}, **body}
        return 201, kept[number]

    def _matching(self, collection: str, query: dict[str, str]) -> list[Json]:
        collections = ("job_templates", "workflow_job_templates", "projects") if collection == "unified_job_templates" else (collection,)
        wanted = {re.sub("^or__", "", key).removesuffix("__exact"): value for key, value in query.items() if "__" not in key.removeprefix("or__")}
        found = [one for name in collections for one in self.objects.get(name, {}).values()]
        fields = ("name", "identifier", "organization", "id", "inventory", "workflow_job_template")
        return [one for one in found if all(str(one.get(key)) == value for key, value in wanted.items() if key in fields)]


def _page(items: list[Json]) -> Json:
    return {"count": len(items), "next": None, "previous": None, "results": items}


@contextlib.contextmanager
def serving() -> t.Iterator[FakeAwx]:
    """While the context lasts, the server answers."""
    awx = FakeAwx()

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found = awx.handle(self.command, parts.path, dict(urllib.parse.parse_qsl(parts.query)), json.loads(text) if text else {})
            data = b"" if status == 204 else json.dumps(found).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    awx.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield awx
    finally:
        server.shutdown()
        server.server_close()
