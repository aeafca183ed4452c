# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers on loopback that check what arrives: Slack, Teams, any webhook, a status page, and a mail server."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.server
import json
import threading
import time
import typing as t

import aiosmtpd.controller

Json = dict[str, t.Any]


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is posted to it.

    ``troubles`` are what the next requests meet, one each: ``500``, ``429``, ``slow`` (answers too late), ``cut`` (takes it and closes
    the connection without an answer).
    """

    daemon_threads = True

    def __init__(self, retry_after: str = "0.05") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.troubles: list[str] = []
        self.retry_after = retry_after
        self.posted: list[Json] = []
        self.lock = threading.Lock()
        self.gate = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def texts(self) -> list[str]:
        """Titles in the order in which they were taken."""
        return [one["body"].get("title") or one["body"].get("text") for one in self.posted]

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        """What it says to a request that it takes."""
        self.posted.append({"method": method, "path": path, "body": body})
        return 200, {"ok": True}


class Slack(Receiver):
    """chat.postMessage, conversations.history and conversations.replies."""

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        if "conversations." in path:
            return 200, {"ok": True, "messages": [{"ts": one["ts"], "metadata": one["body"]["metadata"]} for one in self.posted]}
        check_blocks(body["blocks"])
        ts = f"1700000000.{len(self.posted) + 1:06d}"
        self.posted.append({"method": method, "path": path, "body": body, "ts": ts})
        return 200, {"ok": True, "ts": ts, "channel": "C0123"}


class Teams(Receiver):
    """The URL of a Workflow: takes one Adaptive Card."""

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        assert body["type"] == "message" and len(body["attachments"]) == 1
        assert body["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
        check_card(body["attachments"][0]["content"])
        card = body["attachments"][0]["content"]
        self.posted.append({"method": method, "path": path, "body": {"title": card["body"][0]["text"], "card": card}})
        return 202, {}


class StatusPage(Receiver):
    """Incidents of a page, as Statuspage's API has them."""

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        if method == "GET":
            made = [one for one in self.posted if one["method"] == "POST"]
            return 200, {"incidents": [{"id": "inc1", "metadata": one["body"]["incident"]["metadata"]} for one in made], "id": "inc1",
                         "incident_updates": [{"body": one["body"]["incident"]["body"]} for one in self.posted]}
        assert set(body) == {"incident"} and body["incident"]["status"] in ("investigating", "identified", "monitoring", "resolved")
        self.posted.append({"method": method, "path": path, "body": body})
        return 201 if method == "POST" else 200, {"id": "inc1", **body["incident"]}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        if trouble in ("500", "429"):
            self.send_response(int(trouble))
            if trouble == "429":
                self.send_header("Retry-After", self.server.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with self.server.lock:
            status, answer = self.server.answer(self.command, self.path, json.loads(raw) if raw else {})
        if trouble == "slow":
            self.server.gate.wait(5)
        if trouble in ("slow", "cut"):
            self.connection.close()
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _handle

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def log_message(self, *_arguments: object) -> None:
        """Tests are quiet."""


@contextlib.contextmanager
def serving(receiver: Receiver) -> t.Iterator[Receiver]:
    """While the context lasts, it answers."""
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        receiver.shutdown()
        receiver.server_close()


class Mailbox:
    """What a mail server does with a mail: ``troubles`` are the answers to the next ones, such as ``451 later``."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.mails: list[email.message.EmailMessage] = []
        self.url = ""

    async def handle_DATA(self, _server: object, _session: object, envelope: t.Any) -> str:
        if self.troubles:
            return self.troubles.pop(0)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@contextlib.contextmanager
def mail_server(mailbox: Mailbox) -> t.Iterator[int]:
    """A mail server; its port."""
    controller = aiosmtpd.controller.Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with contextlib.closing(__import__("socket").socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(check: t.Callable[[], t.Any], timeout: float = 10) -> t.Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came so")


def check_blocks(blocks: list[Json]) -> None:
    """Slack's rules for blocks in messages, by its reference of Block Kit."""
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        kind = block["type"]
        if kind == "header":
            assert set(block) == {"type", "text"} and block["text"]["type"] == "plain_text" and 1 <= len(block["text"]["text"]) <= 150
        elif kind == "section":
            assert set(block) <= {"type", "text", "fields"} and ("text" in block) != ("fields" in block)
            assert "text" not in block or _text(block["text"], 3000)
            assert "fields" not in block or (1 <= len(block["fields"]) <= 10 and all(_text(one, 2000) for one in block["fields"]))
        else:
            assert kind == "context" and 1 <= len(block["elements"]) <= 10 and all(_text(one, 3000) for one in block["elements"])


def _text(text: Json, most: int) -> bool:
    return set(text) <= {"type", "text"} and text["type"] in ("mrkdwn", "plain_text") and 1 <= len(text["text"]) <= most


#: element of an Adaptive Card 1.4 -> its properties that we may use, and of what type: the published schema's
CARD = {
    "AdaptiveCard": {"$schema": str, "version": str, "body": list, "actions": list, "msteams": dict},
    "TextBlock": {"text": str, "weight": {"default", "lighter", "bolder"}, "size": {"default", "small", "medium", "large", "extraLarge"}, "wrap": bool,
                  "color": {"default", "dark", "light", "accent", "good", "warning", "attention"}, "isSubtle": bool},
    "FactSet": {"facts": list},
    "Action.OpenUrl": {"title": str, "url": str},
}


def check_card(element: Json) -> None:
    """The rules of the schema of Adaptive Cards for what is there."""
    rules = CARD[element["type"]]
    for name, value in element.items():
        if name == "type":
            continue
        rule = rules[name]
        assert isinstance(value, rule) if isinstance(rule, type) else value in rule, (name, value)
    for inner in [*element.get("body", []), *element.get("actions", [])]:
        check_card(inner)
    for fact in element.get("facts", []):
        assert set(fact) == {"title", "value"} and all(isinstance(one, str) for one in fact.values())
