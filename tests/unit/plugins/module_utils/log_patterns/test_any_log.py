# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a log holds: no exception, every record counted once, and time that grows with the length."""

from __future__ import annotations

import pathlib
import tempfile
import time

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files
from hypothesis import given, settings
from hypothesis import strategies as st

PIECES = ["2026-11-24T03:00:00Z ERROR refused 7", "\n", "\n  indented", "\n\tat a.B(C.java:1)", "\njava.lang.Exception: no", "\nCaused by: a.B: no",
          "\nTraceback (most recent call last):", '\n  File "/a.py", line 1, in f', "\nValueError", "\npanic: no", "\ngoroutine 1 [running]:",
          "\nmain.f()\n\t/a.go:1", '\n{"level":"error","msg":"x","stack":"a\\\\n b"}', "\n{", "\nlevel=info msg=x a=1", "\x1b[31m", "\x00", "é", "\u2501 ",
          "\n2026-11-24T03:00:00.123456789Z stderr P x", "\n2026-11-24T03:00:00.123456789Z stderr F y", "\n-----BEGIN RSA PRIVATE KEY-----", "\nMIIEabc",
          "\n[pod/a/b] x", "\nthread 'a' panicked at b:1:", "=", '"', "'", "[", "(1)", "HTTP/1.1", "1117813370 ", "9" * 40, "x" * 300]


def found(data):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "app.log")
        path.write_bytes(data or b"\n")
        return _files.patterns_of([str(path)], "2026-11-24T02:59:00Z")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.integers(0, 9))
def test_pieces_of_logs_in_any_order_and_cut(pieces, cut):
    result = found("".join(pieces).encode()[cut:])
    assert sum(pattern["before"] + pattern["since"] for pattern in result["patterns"]) + result["others"] == result["records"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=1500))
def test_any_bytes(data):
    result = found(data)
    assert sum(pattern["before"] + pattern["since"] for pattern in result["patterns"]) + result["others"] == result["records"]


@pytest.mark.parametrize("piece", [*PIECES, "a=", "a= b", "a:b ", "A ", "<*> ", "f(1)", "[a", "- "])
@pytest.mark.parametrize("joined", [b"", b"\n"])
def test_twice_the_length_takes_about_twice_the_time(piece, joined):
    """Four times the length: 16 where the time is quadratic."""
    def seconds(size):
        data = joined.join([piece.encode()] * (size // (len(piece.encode()) + len(joined)) + 1))
        best = float("inf")
        for _each in range(2):
            started = time.process_time()
            found(data)
            best = min(best, time.process_time() - started)
        return best
    assert seconds(20_000) < 9 * seconds(5_000) + 0.03
