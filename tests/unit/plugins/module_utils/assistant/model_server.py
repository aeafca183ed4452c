# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model on loopback that answers as a test wants, in the form of either API."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import typing as t

Json = t.Dict[str, t.Any]


class Server:
    """What it answers, and what it was asked.

    :param answers: one for each request, the last one again and again: a text is a model's answer, a number a status, None silence.
    """

    def __init__(self, answers: t.Sequence[str | int | None], usage: tuple[int, int] = (100, 50), retry_after: str = "0") -> None:
        self.answers, self.usage, self.retry_after = list(answers), usage, retry_after
        self.requests: list[tuple[str, Json, Json]] = []
        self.url = ""
        self.over = threading.Event()

    def next(self) -> str | int | None:
        """The answer to the newest request."""
        return self.answers[min(len(self.requests), len(self.answers)) - 1]

    def form(self, path: str, text: str) -> Json:
        """An answer as the API of that path has it."""
        if path.endswith("/v1/messages"):
            try:
                content = [{"type": "tool_use", "id": "1", "name": "phrase", "input": json.loads(text)}]
            except ValueError:
                content = [{"type": "text", "text": text}]
            return {"content": content, "usage": {"input_tokens": self.usage[0], "output_tokens": self.usage[1]}}
        return {"choices": [{"message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": self.usage[0], "completion_tokens": self.usage[1]}}


@contextlib.contextmanager
def model(*answers: str | int | None, **more: t.Any) -> t.Iterator[Server]:
    """While the context lasts, it answers."""
    server = Server(answers, **more)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append((self.path, dict(self.headers), body))
            answer = server.next()
            if answer is None:
                server.over.wait()
                return
            status, said = (answer, {"error": "slow down"}) if isinstance(answer, int) else (200, server.form(self.path, answer))
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status != 200:
                self.send_header("Retry-After", server.retry_after)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listening.shutdown()
        listening.server_close()
