# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an access log holds: no exception, figures that can be, and time that grows with a line's length."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _access_log, _log_formats
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = [
    '10.0.0.1 - - [24/Nov/2026:03:00:24 +0000] "GET /a HTTP/1.1" 200 61 "-" "x" 348 0.101 [shop-80] [] 10.1.0.6:80, 10.1.0.7:80 61, - 0.1, - 200, - 83ae',
    '[2026-11-24T03:00:00.123Z] "GET /a HTTP/1.1" 503 UO 0 81 0 - "10.0.0.1" "x" "id" "shop" "-"',
    'http 2026-11-24T03:00:03.6Z app/x/a6 10.0.0.3:5 10.1.0.1:80 0.001 8.9 -1 502 - 1 2 "GET http://s/a HTTP/1.1" "x" - - t "R" "-" "-"',
    'haproxy[1]: 10.0.0.1:4 [24/Nov/2026:03:00:24.1] web shop/srv1 0/0/1/-1/5001 504 194 - - sH-- 1/1/0/0/3 0/0 "GET /a HTTP/1.1"',
    json.dumps({"ClientHost": "10.0.0.1", "DownstreamStatus": 504, "Duration": 3e10, "RequestPath": "/a", "time": "2026-11-24T03:00:30Z"}),
    json.dumps({"time": "2026-11-24T03:00:30Z", "remote_addr": "10.0.0.1", "request": "GET /a HTTP/1.1", "status": 200, "request_time": "0.1",
                "upstream_response_time": "5.0, 0.1", "upstream_addr": "a:1, b:2"})]
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


def sane(lines):
    parser, traffic = _log_formats.Parser(), _access_log.Traffic(0, 4e9)
    for line in lines:
        _log_formats.looks_like_a_request(line)
        if entry := parser.parse(line):
            assert entry.ms is None or entry.ms >= 0
            traffic.add(entry)
    found = traffic.summary()
    assert 0 <= found["errors"] <= found["requests"] <= len(lines)
    json.dumps(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 200), st.sampled_from(LINES), st.integers(0, 200)), max_size=8))
def test_lines_that_two_writers_cut(pieces):
    sane([one[:cut] + other[begin:] for one, cut, other, begin in pieces])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200).map(lambda data: data.decode("utf-8", "replace")), max_size=9))
def test_any_bytes(lines):
    sane(lines)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LINES[-2:]), st.data())
def test_objects_with_anything_in_their_fields(line, data):
    fields = json.loads(line)
    for key in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        fields[key] = data.draw(VALUES)
    sane([json.dumps(fields)])


@pytest.mark.parametrize("piece", [*LINES, "1", "[", '"', "10.0.0.1 ", "a, ", "- ", "x=1 ", '{"a":', "GET / ", "0/", "\\", '"-" '])
def test_twice_the_length_takes_about_twice_the_time(piece):
    """Four times the length: 16 where the time is quadratic."""
    def seconds(times):
        line = LINES[0][:60] + piece * (times // len(piece) + 1)
        best = float("inf")
        for _each in range(3):
            started = time.process_time()
            sane([line, piece * (times // len(piece) + 1)])
            best = min(best, time.process_time() - started)
        return best
    assert seconds(24_000) < 9 * seconds(6_000) + 0.02
