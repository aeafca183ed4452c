# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive: everything arrives as it is, once, and what did not is said loudly."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._archive import _archive, _places
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError


class Storage(http.server.ThreadingHTTPServer):
    """Objects by their paths; ``troubles`` are what the next requests are answered."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects, self.troubles, self.puts, self.spoil = {}, [], [], False


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.urlsplit(self.path).path
        if self.server.troubles:
            return self._answer(self.server.troubles.pop(0), b"")
        assert "Signature=" in self.headers["Authorization"]
        if self.command == "PUT":
            self.server.puts.append(path)
            self.server.objects[path] = body[:-1] if self.server.spoil else body
            return self._answer(200, b"", ETag=f'"{hashlib.md5(body).hexdigest()}"')
        if path not in self.server.objects:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message><Resource>x</Resource><RequestId>1</RequestId></Error>")
        return self._answer(200, self.server.objects[path])

    def _answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/xml", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = _handle

    def log_message(self, *_arguments):
        pass


@pytest.fixture(name="storage")
def fixture_storage():
    server = Storage()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(name="bucket")
def fixture_bucket(storage):
    return _places.place("s3://incidents/prod", {"endpoint": f"http://127.0.0.1:{storage.server_port}", "access_key": "a", "secret_key": "s", "timeout": 3})


@pytest.fixture(name="found")
def fixture_found(tmp_path):
    root = tmp_path / "INC-1" / "prod"
    (root / "evidence" / "logs").mkdir(parents=True)
    (root / "manifest.json").write_text("[]")
    (root / "evidence" / "logs" / "a.log").write_text("one\n")
    (root / ".lock").write_text("")
    return _archive.files(root)


def test_a_file_in_the_making_is_none(found):
    assert sorted(found) == ["evidence/logs/a.log", "manifest.json"]


def test_a_directory_gets_everything_once(tmp_path, found):
    place = _places.place(str(tmp_path / "archive"), {})
    first = _archive.archive(place, "INC-1/prod", found, "{}\n")
    again = _archive.archive(place, "INC-1/prod", found, "{}\n")
    assert [one["sent"] for one in first] == [True] * 3 and not any(one["sent"] for one in again)
    kept = json.loads((tmp_path / "archive" / "INC-1" / "prod" / "archive.json").read_text())
    for one in kept["files"]:
        assert hashlib.sha256((tmp_path / "archive" / "INC-1" / "prod" / one["name"]).read_bytes()).hexdigest() == one["sha256"]


def test_a_bucket_gets_everything_once(storage, bucket, found):
    _archive.archive(bucket, "INC-1/prod", found, "{}\n")
    puts = len(storage.puts)
    assert set(storage.puts) == {f"/incidents/prod/INC-1/prod/{name}" for name in ("evidence/logs/a.log", "manifest.json", "record.json", "archive.json")}
    assert storage.objects["/incidents/prod/INC-1/prod/evidence/logs/a.log"] == b"one\n"
    _archive.archive(bucket, "INC-1/prod", found, "{}\n")
    assert len(storage.puts) == puts


@pytest.mark.parametrize("troubles", [[503], [500, 429]])
def test_a_storage_that_stumbles_gets_everything(storage, bucket, found, troubles):
    storage.troubles = troubles
    assert len(_archive.archive(bucket, "INC-1/prod", found, "{}\n")) == 3


def test_a_storage_that_refuses_is_told(storage, bucket, found):
    storage.troubles = [403]
    with pytest.raises(RunbookError, match="could not be archived to s3://incidents/prod"):
        _archive.archive(bucket, "INC-1/prod", found, "{}\n")


def test_what_arrived_differently_is_told(storage, bucket, found):
    storage.spoil = True
    with pytest.raises(RunbookError, match="what is there is not what was sent"):
        _archive.archive(bucket, "INC-1/prod", found, "{}\n")


@pytest.mark.parametrize("to", ["", "https://example.org/x", "s3://"])
def test_an_address_that_cannot_be_meant_is_refused(to):
    with pytest.raises(InvalidInput):
        _places.place(to, {})
