# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries of every kind go in where logs are captured; none comes out in evidence, report, message or on the console."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from ansible_collections.sre.runbooks.plugins.filter.redact import FilterModule
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import REMOVED
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.plugin_utils import console

LABELLED = pathlib.Path(__file__).parents[1] / "core" / "redact" / "secrets.txt"
MARKED = [line for line in LABELLED.read_text(encoding="utf-8").replace("¦", "").splitlines() if line and not line.startswith("# ")]
LINES = [re.sub("[«»]", "", line) for line in MARKED]
#: what is long enough to be found nowhere else
CANARIES = sorted({canary for line in MARKED for canary in re.findall("«(.+?)»", line) if len(canary) >= 8})
POD = {"metadata": {"name": "api-1", "namespace": "shop"}, "status": {"containerStatuses": [{"name": "api", "restartCount": 1}]}}


class FakeCluster:
    def raw(self, *_request, **_options):
        return "".join(f"2026-11-24T03:00:00.5Z {line}\n" for line in LINES).encode()


@pytest.fixture
def captured():
    return _logs.fetch(FakeCluster(), [POD], None, 60, 1 << 20)


def none_in(text: str) -> bool:
    found = [canary for canary in CANARIES if canary in text]
    assert not found, found
    return REMOVED in text


def test_there_are_canaries_of_many_kinds():
    assert len(CANARIES) >= 100


def test_logs_lose_their_secrets_where_they_are_captured(captured):
    assert all(none_in(log.text) for log in captured) and len(captured) == 2
    assert none_in("\n".join(text for _at, _pod, text in _logs.tail(FakeCluster(), [POD], "api", 60, 1000)))


def test_no_secret_reaches_evidence_or_report(tmp_path, captured):
    store = EvidenceStore(str(tmp_path), "INC-1", "lab1")
    raw = "\n".join(LINES)
    store.save_text("logs/raw.log", "logs", "a pod", raw)
    store.save_text("logs/captured.log", "logs", "a pod", captured[0].text)
    store.save_json("raw.json", "snapshot", "a pod", {"lines": LINES, "env": [{"name": "DB_PASSWORD", "value": CANARIES[0]}]})
    store.write_document("report.md", "\n".join(f"| {line} |" for line in LINES))
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("manifest.json", ".lock")]
    assert len(written) == 4 and all(none_in(path.read_text()) for path in written)
    assert all(store.verify(item) for item in store.items())


def test_no_secret_reaches_a_message_or_the_console(captured):
    message = FilterModule().filters()["redact"]({"text": "\n".join(LINES), "facts": LINES})
    assert none_in(json.dumps(message))
    said = console.ok_lines({"says": captured[0].text.splitlines()})
    assert none_in("\n".join(line.text for line in said))


def test_what_was_captured_is_not_changed_again(tmp_path, captured):
    store = EvidenceStore(str(tmp_path), "INC-1", "lab1")
    store.save_text("a.log", "logs", "a pod", captured[0].text)
    assert store.path("a.log").read_text() == captured[0].text
