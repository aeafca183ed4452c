# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a connection log holds: no exception, the same findings in whatever pieces it is read, and time that grows with its length."""

from __future__ import annotations

import time
from unittest import mock

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log, _connection_report, _faults
from hypothesis import given, settings
from hypothesis import strategies as st

AT = "2026-11-24T03:00:{:02}.000000000Z "
PARTS = ["INFO GET /orders", "", "  indented", "\tat com.acme.Orders.load(Orders.java:41)", "\tat com.zaxxer.hikari.pool.HikariPool.get(HikariPool.java:1)",
         "ERROR request failed", "java.sql.SQLTimeoutException: Timeout after 10000ms of waiting for a connection.", "Caused by: java.io.IOException: no",
         "HikariPool-1 - Connection is not available, request timed out after 5ms (total=8, active=8, idle=0, waiting=3)", "\t... 7 more",
         "WARN HikariPool-1 - Connection leak detection triggered for org.postgresql.jdbc.PgConnection@1 on thread x, stack trace follows",
         "Previously reported leaked connection org.postgresql.jdbc.PgConnection@1 on thread x was returned to the pool (unleaked)",
         "goroutine 7 [select, 3 minutes]:", "database/sql.(*DB).conn(0xc0001)", "main.load(0x1)", "\t/app/orders.go:41 +0x1d", "goroutine 8 [running]:",
         "Traceback (most recent call last):", '  File "/usr/lib/python3/site-packages/asyncpg/pool.py", line 1, in acquire', "TimeoutError",
         '  File "/app/orders.py", line 41, in load',
         "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30",
         '{"level":"ERROR","message":"pq: sorry, too many clients already","stack_trace":"E: no\\n\\tat com.acme.A.b(A.java:1)"}', "{", "\x00", "é",
         "acquire conn=c1 req=r1 at=a.go:1", "release conn=c1 req=r1 held_ms=7", "connection timeout req=r2 at=b.go:2", "Error", "exit status 2"]
lines = st.lists(st.tuples(st.sampled_from(["", AT]), st.sampled_from(PARTS)), max_size=40).map(
    lambda found: [at.format(number % 60) + text for number, (at, text) in enumerate(found)])


def findings(log, block=256, needles=True):
    patterns = _connection_log.Patterns.parse(*((_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT) if needles else (
        f"(?:{text})" for text in (_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT))))
    with mock.patch.object(_connection_log, "_BLOCK", block):
        analysis = _connection_log.Analysis(patterns)
        analysis.read("api-1", log)
        return analysis.findings(60)


@settings(max_examples=80, deadline=None)
@given(lines, st.integers(1, 9))
def test_the_findings_do_not_depend_on_what_is_read_at_once(log, block):
    exact = findings(log, 1)
    assert findings(log, block) == findings(log) == findings(log, needles=False) == exact
    assert _connection_report.says(exact) and len(_connection_report.tables(exact)) == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=120).map(lambda data: data.decode("utf-8", "replace")), max_size=30), st.sampled_from(PARTS), st.integers(0, 60))
def test_any_bytes_and_cut_lines(noise, part, cut):
    found = findings([*noise, AT.format(1) + part[:cut], part[cut:]])
    assert found["lines"] == len(noise) + 2


@pytest.mark.parametrize(("pattern", "needed"), [
    ("acquire conn=(?P<conn>\\S+)", True), ("Obtained? connection (?P<conn>.)", True), ("(?:a|b) (?P<conn>.)", False), ("got|took (?P<conn>.)", False),
    ("(?i)acquire (?P<conn>.)", False), ("(?i:acquire) (?P<conn>.)", False), (".*acquire (?P<conn>.)", False), ("ab?c", False)])
def test_lines_are_passed_over_only_where_a_pattern_needs_a_text(pattern, needed):
    patterns = _connection_log.Patterns.parse(pattern, "release", "timeout")
    assert (patterns.needles is not None) is needed


@pytest.mark.parametrize("part", PARTS)
def test_a_line_that_is_said_to_begin_a_record_continues_none(part):
    for before in PARTS:
        record = _faults._Record("a", before, before, hinted=True)
        if _faults._BEGINS.match(part) and not record.goroutine:
            assert not _faults._continues(record, part)


@pytest.mark.parametrize("part", [*PARTS, "[", "{\"a\":", "at ", "a.", "Aaaa Aaaa ", "x" * 50, "(a", "conn ", "get conn ", "\\n"])
@pytest.mark.parametrize("joined", ["", "\n"])
def test_twice_the_length_takes_about_twice_the_time(part, joined):
    """Four times the length: 16 where the time is quadratic."""
    def seconds(times):
        log = joined.join([part] * times).split("\n")
        best = float("inf")
        for _each in range(3):
            started = time.process_time()
            findings(log)
            best = min(best, time.process_time() - started)
        return best
    assert seconds(400) < 9 * seconds(100) + 0.02
