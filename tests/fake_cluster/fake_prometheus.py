# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prometheus answers, for unit tests: series by what their expressions contain, and every way to fail."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import threading
import time
import typing as t
import urllib.parse

Values = t.Sequence[t.Tuple[float, float]]


@dataclasses.dataclass
class FakePrometheus:
    """What the server knows, and what it was asked.

    :param series: part of an expression -> labels and points of its series; the longest part that fits counts.
    :param answer: (status, body) that stands for everything else; a body may be an iterable of pieces, which are sent one by one.
    :param seconds_ahead: of its clock.
    """

    series: dict[str, list[tuple[dict[str, str], Values]]] = dataclasses.field(default_factory=dict)
    answer: tuple[int, t.Any] | None = None
    seconds_ahead: float = 0.0
    wait: float = 0.0
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = dataclasses.field(default_factory=list)
    url: str = ""

    def handle(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, t.Any]:
        """Answer one question."""
        self.asked.append((path, query, headers))
        if self.answer:
            return self.answer
        expression = query["query"]
        parts = sorted((part for part in self.series if part in expression), key=len)
        found = self.series[parts[-1]] if parts else []
        if path.endswith("/query"):
            return 200, result("vector", [{"metric": {}, "value": [time.time() + self.seconds_ahead, str(len(found))]}])
        begin, end = float(query["start"]), float(query["end"])
        return 200, result("matrix", [{"metric": labels, "values": [[at, str(value)] for at, value in points if begin <= at <= end]}
                                      for labels, points in found])


def result(kind: str, items: list[t.Any]) -> bytes:
    """An answer as the API has it."""
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": items}}).encode()


@contextlib.contextmanager
def serving(prometheus: FakePrometheus) -> t.Iterator[FakePrometheus]:
    """While the context lasts, the server answers."""

    class Handler(http.server.BaseHTTPRequestHandler):

        def _answer(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            time.sleep(prometheus.wait)
            status, data = prometheus.handle(parts.path, dict(urllib.parse.parse_qsl(parts.query or body)), dict(self.headers.items()))
            self.send_response_only(status)
            self.send_header("Date", self.date_time_string(time.time() + prometheus.seconds_ahead))
            self.end_headers()
            with contextlib.suppress(OSError):  # the client has had enough
                for piece in [data] if isinstance(data, bytes) else data:
                    self.wfile.write(piece)
                    self.wfile.flush()

        do_GET = do_POST = _answer

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    prometheus.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield prometheus
    finally:
        server.shutdown()
        server.server_close()
