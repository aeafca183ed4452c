# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairing connections that are taken and given back."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log, _connection_report
from ansible_collections.sre.runbooks.plugins.module_utils._pool._connection_log import Analysis, Patterns

SHOP = Patterns.parse(_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT)


def stamped(second: int, text: str) -> str:
    return f"2026-11-23T03:{second // 60:02d}:{second % 60:02d}.000000001Z {text}"


LOG = [
    stamped(0, "INFO pool - release conn=c0 req=r0 held_ms=7"),
    stamped(1, "INFO pool - acquire conn=c1 req=r1 at=Orders.find:37"),
    stamped(1, "INFO pool - release conn=c1 req=r1 held_ms=12"),
    stamped(2, "INFO pool - acquire conn=c2 req=r2 at=Orders.report:60"),
    stamped(3, "INFO pool - acquire conn=c3 req=r3 at=Orders.find:37"),
    stamped(50, "ERROR pool - connection timeout req=r4 at=Orders.find:37 active=10"),
    stamped(55, "INFO pool - acquire conn=c5 req=r5 at=Orders.find:37"),
    stamped(58, "INFO pool - release conn=c3 req=r3 held_ms=55000"),
    stamped(60, "something else"),
]


@pytest.fixture
def found():
    analysis = Analysis(SHOP)
    analysis.read("pod-a", LOG)
    analysis.read("pod-b", [stamped(20, "INFO pool - acquire conn=c2 req=r9 at=Orders.report:60")])
    return analysis.findings(30)


def test_what_is_never_given_back_is_named_with_its_place(found):
    assert [(leak["at"], leak["count"], leak["pods"], leak["requests"]) for leak in found["leaks"]] == [
        ("Orders.report:60", 2, ["pod-a", "pod-b"], ["r2", "r9"])]
    assert found["leaks"][0]["oldest_seconds"] == 56


def test_a_connection_that_is_young_is_open_and_not_lost(found):
    find = next(row for row in found["locations"] if row["at"] == "Orders.find:37")
    assert (find["acquired"], find["released"], find["open"], find["timeouts"], find["longest_ms"]) == (3, 2, 1, 1, 55000)


def test_the_same_name_in_two_replicas_is_two_connections(found):
    report = next(row for row in found["locations"] if row["at"] == "Orders.report:60")
    assert report["open"] == 2


def test_counts(found):
    assert (found["acquired"], found["released"], found["timeouts"]) == (5, 2, 1)


def test_held_time_is_computed_where_the_log_does_not_say_it():
    analysis = Analysis(Patterns.parse(r"took (?P<conn>\w+)", r"gave (?P<conn>\w+)", "never"))
    analysis.read("pod", [stamped(0, "took a"), stamped(3, "gave a")])
    assert analysis.findings(30)["locations"][0]["median_ms"] == 3000


def test_a_log_of_something_else_finds_nothing():
    analysis = Analysis(SHOP)
    analysis.read("pod", [stamped(0, "hello")])
    found = analysis.findings(30)
    assert found.pop("lines") == 1
    assert not any(found.values())
    assert _connection_report.says({**found, "lines": 1})[0].startswith("1 lines, and none says that a connection was taken")


def test_a_location_that_never_closes_is_told_from_one_that_sometimes_does_not(found):
    items = _connection_report.improvements(found)
    assert [(item["kind"], item["at"]) for item in items] == [("close", "Orders.report:60"), ("hold", "Orders.find:37"), ("timeout", "Orders.find:37")]
    assert "it is never given back: the call of close is missing; 2 are lost" in items[0]["text"]
    assert "look for a lock" not in items[1]["text"]
    now_and_then = Analysis(SHOP)
    now_and_then.read("pod", [*LOG, stamped(40, "acquire conn=c7 req=r7 at=Orders.report:60"), stamped(41, "release conn=c7 req=r7 held_ms=1000")])
    assert "in 1 of 2 uses: one path" in _connection_report.improvements(now_and_then.findings(30))[0]["text"]


def test_the_longest_uses_are_named_whether_they_are_over_or_not(found):
    assert [(row["conn"], row["ms"], row["open"]) for row in found["longest"][:3]] == [("c2", 56000, True), ("c3", 55000, False), ("c2", 38000, True)]


def test_the_most_that_were_open_at_once_is_counted_for_each_replica(found):
    assert [(row["pod"], row["open"], row["at"][11:19]) for row in found["peaks"]] == [("pod-a", 3, "03:00:55"), ("pod-b", 1, "03:00:20")]


def test_a_request_that_takes_two_connections_is_named():
    analysis = Analysis(SHOP)
    analysis.read("pod", [stamped(1, "acquire conn=a req=r1 at=Outer.run:1"), stamped(2, "acquire conn=b req=r1 at=Inner.run:2"),
                          stamped(3, "release conn=b req=r1"), stamped(4, "release conn=a req=r1"), stamped(5, "acquire conn=c req=r1 at=Inner.run:2")])
    found = analysis.findings(30)
    assert found["nested"] == [{"outer": "Outer.run:1", "inner": "Inner.run:2", "count": 1}]
    nested, = [item for item in _connection_report.improvements(found) if item["kind"] == "nested"]
    assert "Take one connection per request: 1 times Inner.run:2" in nested["text"]


def test_lines_about_anything_else_between_change_nothing():
    analysis, mixed = Analysis(SHOP), Analysis(SHOP)
    analysis.read("pod", LOG)
    mixed.read("pod", [line for logged in LOG for line in (logged, stamped(0, "INFO api - order created req=r1"))])
    assert {**mixed.findings(30), "lines": len(LOG)} == analysis.findings(30)


def test_queries_are_counted_by_their_shape():
    analysis = Analysis(SHOP)
    for number in range(3):
        analysis.read("pod", [stamped(number, f"acquire conn=a{number}"),
                              stamped(number + 2, f"release conn=a{number} held_ms=2000 query=SELECT * FROM t WHERE id = {number} AND n = 'x{number}'")])
    row, = analysis.findings(30)["queries"]
    assert (row["at"], row["acquired"], row["p95_ms"]) == ("SELECT * FROM t WHERE id = ? AND n = ?", 3, 2000)


def test_what_was_taken_before_the_log_or_again_is_counted():
    analysis = Analysis(SHOP)
    analysis.read("pod", [stamped(1, "release conn=z"), stamped(2, "acquire conn=a"), stamped(3, "acquire conn=a"), stamped(4, "release conn=a")])
    found = analysis.findings(0)
    assert (found["unmatched"], found["twice"], found["leaks"]) == (1, 1, [])


def test_a_leak_that_the_pool_itself_reports_names_the_code_of_the_application():
    analysis = Analysis(SHOP)
    analysis.read("pod", [
        "2026-11-24 03:00:00,123 WARN  ProxyLeakTask - Connection leak detection triggered for org.postgresql.jdbc.PgConnection@1b2 on thread t, "
        "stack trace follows",
        "java.lang.Exception: Apparent connection leak detected", "\tat com.zaxxer.hikari.HikariDataSource.getConnection(HikariDataSource.java:128)",
        "\tat org.springframework.jdbc.Something.get(Something.java:1)", "\tat shop.Orders.report(Orders.java:62)", "\tat shop.Main.handle(Main.java:80)"])
    found = analysis.findings(30)
    assert found["missed"] == [{"at": "shop.Orders.report (Orders.java:62), called by shop.Main.handle (Main.java:80)", "count": 1,
                                "first": "2026-11-24T03:00:00.123000", "last": "2026-11-24T03:00:00.123000", "current": True}]
    assert _connection_report.says(found)[0].startswith("the pool reported 1 connection as leaked at 2026-11-24T03:00:00, "
                                                        "taken at shop.Orders.report (Orders.java:62)")


def test_a_connection_that_the_pool_gets_back_after_all_is_not_lost():
    analysis = Analysis(SHOP)
    lines = [f"WARN - Connection leak detection triggered for {{}} on thread t, stack trace follows\n\tat shop.Orders.report(Orders.java:{line})".format(conn)
             for line, conn in ((1, "a@1"), (2, "b@2"))]
    analysis.read("pod", "\n".join([*lines, "INFO - Previously reported leaked connection b@2 on thread t was returned to the pool (unleaked)"]).splitlines())
    assert [(row["at"], row["count"]) for row in analysis.findings(30)["missed"]] == [("shop.Orders.report (Orders.java:1)", 1)]


@pytest.mark.parametrize("form", ["2026-11-23 03:00:{:02d},500 INFO x", "2026/11/23 03:00:{:02d}.500000 x", "[main] 2026-11-23T03:00:{:02d}.5+01:00 x"])
def test_the_application_s_own_times_are_read(form):
    analysis = Analysis(SHOP)
    analysis.read("file", [form.format(1) + " acquire conn=a", form.format(9) + " release conn=a"])
    assert analysis.findings(30)["locations"][0]["median_ms"] == 8000


def test_files_are_replicas_and_noise_is_no_error(tmp_path):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("\n".join(LOG))
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 1000)
    paths = [str(tmp_path / name) for name in ("a.log", "b.log", "noise")]
    found, problems = _connection_report.of_files(paths, SHOP, 30)
    assert (found["acquired"], found["leaks"][0]["pods"], problems) == (8, ["a.log", "b.log"], [])


def test_files_on_disk_are_analysed_from_the_command_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.log").write_text("\n".join(LOG))
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "a.log")])
    assert _connection_report.main() == 0
    assert "- Close the connection on every path of Orders.report:60" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["x", "--acquire", "(", str(tmp_path / "a.log")])
    assert _connection_report.main() == 1
    assert "is not a regular expression" in capsys.readouterr().err
