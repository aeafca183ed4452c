# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines without what terminals, runtimes and kubectl put around them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core import _wrapped


@pytest.mark.parametrize(("line", "text"), [
    ("order 7 placed", "order 7 placed"),
    ("", ""),
    ("\x1b[32m INFO\x1b[0;39m order \x1b[1;38;5;202m7\x1b[m placed\x1b[K", " INFO order 7 placed"),
    ("\x1b]8;;http://a/b\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07up", "link up"),
    ("[pod/api-7d9f-a/api] \tat a.B(C.java:1)", "\tat a.B(C.java:1)"),
    ("web-1  | ready", "ready"),
    ("\x1b[33mdb_12         | \x1b[0mready", "ready"),
    ("api-7d9f8c6b5-x2x9k api ready", "ready"),
    ("2026-11-24T02:00:00.12345Z stderr F no", "2026-11-24T02:00:00.123450000Z no"),
    ("2026-11-24T02:00:00Z stdout F no", "2026-11-24T02:00:00.000000000Z no"),
    ("2026-11-24T02:00:00.123456789+01:00 stdout F:1 no", "2026-11-24T02:00:00.123456789+01:00 no"),
    ("[pod/api-1/api] 2026-11-24T02:00:00.123456789Z no", "2026-11-24T02:00:00.123456789Z no"),
    (json.dumps({"log": "\x1b[31mno\x1b[0m\n", "stream": "stderr", "time": "2026-11-24T02:00:00.5Z"}, separators=(",", ":")),
     "2026-11-24T02:00:00.500000000Z no"),
    # what only resembles them stays
    ("INFO  | ready", "INFO  | ready"),
    ("order-7 placed now", "order-7 placed now"),
    ('{"log":"a message","level":"info"}', '{"log":"a message","level":"info"}'),
    ('{"log":"cut sho', '{"log":"cut sho'),
    ("[pod] ready", "[pod] ready")])
def test_what_is_around_a_line_is_taken_off(line, text):
    assert list(_wrapped.unwrapped([line])) == [text]


def test_pieces_of_a_line_are_joined_each_with_those_of_its_stream_and_pod():
    stamp = "2026-11-24T02:00:00.000000001Z"
    lines = [f"{stamp} stdout P aaa", f"{stamp} stderr F broken", f"{stamp} stdout P bbb", f"{stamp} stdout F ccc",
             f"[pod/a/b] {stamp} stdout P one", f"[pod/a2/b] {stamp} stdout P two", f"[pod/a/b] {stamp} stdout F 1", f"[pod/a2/b] {stamp} stdout F 2"]
    assert list(_wrapped.unwrapped(lines)) == [f"{stamp} broken", f"{stamp} aaabbbccc", f"{stamp} one1", f"{stamp} two2"]


def test_a_line_of_docker_ends_with_a_line_end():
    lines = [json.dumps({"log": text, "stream": "stdout", "time": "2026-11-24T02:00:00Z"}, separators=(",", ":")) for text in ("a", "b\n", "c")]
    assert list(_wrapped.unwrapped(lines)) == ["2026-11-24T02:00:00.000000000Z ab", "2026-11-24T02:00:00.000000000Z c"]


def test_pieces_without_end_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(_wrapped, "LONGEST", 100)
    lines = ["2026-11-24T02:00:00Z stdout P " + "x" * 60] * 5
    assert [line.count("x") for line in _wrapped.unwrapped(lines)] == [120, 120, 60]


def test_lines_that_almost_match_take_linear_time():
    """A pattern that tries again and again would need minutes for these."""
    pieces = ["2026-11-24T02:00:00Z stdout P x"] * 100_000
    assert len("".join(_wrapped.unwrapped(pieces))) == 100_031
    for text in ("\x1b[" + "1;" * 500_000, "a-" * 500_000, "\x1b]" + "x" * 1_000_000, "1-" * 500_000 + "|", "\x1b" * 1_000_000):
        assert len("".join(_wrapped.unwrapped([text]))) <= len(text)
