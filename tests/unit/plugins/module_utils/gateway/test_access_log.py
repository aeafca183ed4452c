"""A gateway's access log."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _access_log
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._access_log import OTHERS, Frequent, Repeats, Times, Traffic
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._log_formats import Entry, Parser

STAMP = "2026-11-24T00:00:10.123456789Z "
LINES = {
    "shop": "2026/11/24 00:00:10.1 INFO access client=customers route=/api/orders req=ab12 status=201 ms=9 "
            "upstream=api-server upstream_ms=8 refused=-",
    "nginx": '10.1.2.3 - - [24/Nov/2026:00:00:10 +0000] "GET /api/orders/17?x=1 HTTP/1.1" 201 12 "-" "curl/8" 99 0.009 '
             "[shop-api-server-8080] [] 10.0.0.1:8080, 10.0.0.2:8080 12, 12 0.008 201 ab12",
    "envoy": '[2026-11-24T00:00:10.123Z] "GET /api/orders/17 HTTP/1.1" 201 - 0 12 9 8 "10.1.2.3" "curl/8" "ab12" "shop" '
             '"10.0.0.1:8080"',
    "istio": '[2026-11-24T00:00:10.123Z] "GET /api/orders/17 HTTP/1.1" 201 - via_upstream - "-" 0 12 9 8 "10.1.2.3" "curl/8" '
             '"ab12" "shop" "10.0.0.1:8080" outbound|8080||api-server 10.0.0.3:1 10.0.0.4:80 10.1.2.3:9 - default',
    "json": '{"remote_addr": "10.1.2.3", "path": "/api/orders/17", "status": 201, "request_id": "ab12", "duration_ms": 9, '
            '"upstream": "api-server", "upstream_response_time": "0.008"}',
}


def parse(line):
    return Parser().parse(STAMP + line)


@pytest.mark.parametrize("name", LINES)
def test_every_known_format_gives_the_same_figures(name):
    entry = parse(LINES[name])
    assert (entry.status, entry.request_id, entry.ms, entry.upstream_ms, entry.refused) == (201, "ab12", 9, 8, "")
    assert entry.client in ("customers", "10.1.2.3")
    assert entry.route in ("/api/orders", "/api/orders/*")
    assert entry.upstream and round(entry.at % 60, 3) == 10.123


@pytest.mark.parametrize("line, refused", [
    (LINES["shop"].replace("refused=-", "refused=shed"), "shed"),
    (LINES["shop"].replace("refused=-", "refused=queue"), ""),
    (LINES["envoy"].replace("201 -", "503 UO"), "UO"),
    (LINES["envoy"].replace("201 -", "503 UH"), ""),
])
def test_only_what_is_refused_on_purpose_is_refused(line, refused):
    assert parse(line).refused == refused


def test_what_is_not_known_stays_unknown():
    entry = parse('10.1.2.3 - - [24/Nov/2026:00:00:10 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"')
    assert (entry.request_id, entry.ms, entry.upstream, entry.upstream_ms) == ("", None, "", None)
    never_reached = LINES["shop"].replace("upstream=api-server upstream_ms=8", "upstream=- upstream_ms=-")
    assert (parse(never_reached).upstream, parse(never_reached).upstream_ms) == ("", None)


@pytest.mark.parametrize("line", ["2026/11/24 INFO started", "{broken", '{"msg": "hello"}', ""])
def test_other_lines_are_no_requests(line):
    assert parse(line) is None


def test_a_format_of_ones_own():
    parser = Parser("auto", r"who=(?P<client>\w+) what=(?P<route>\S+) code=(?P<status>\d+) s=(?P<seconds>\S+)")
    entry = parser.parse(STAMP + "who=bob what=/x/0123456789abcdef/y code=502 s=1.5")
    assert entry == Entry(entry.at, "bob", "/x/*/y", 502, ms=1500.0, ended_by="unknown")


def test_quantiles_are_within_a_quarter():
    times = Times()
    for ms in range(1, 1001):
        times.add(float(ms))
    assert 400 < times.quantile(0.5) < 625 and 760 < times.quantile(0.95) < 1190
    assert Times().quantile(0.5) is None
    beyond = Times()
    beyond.add(10 ** 9)
    assert beyond.quantile(0.5) == pytest.approx(_access_log.BOUNDS[-2], abs=1)


def test_rare_keys_are_forgotten_and_frequent_ones_are_not():
    frequent = Frequent(limit=10)
    for number in range(1000):
        frequent.add(f"rare-{number}")
        frequent.add("often")
    assert len(frequent.counts) <= 21
    assert frequent.counts["often"] == 1000 and frequent.counts.total() == 2000 and frequent.counts[OTHERS] > 900


@pytest.mark.parametrize("limit", [20000, 100])
def test_repeats_are_counted_from_a_sample_of_bounded_size(limit):
    repeats = Repeats(limit)
    for number in range(2000):
        for _try in range(5 if number % 2 else 1):
            repeats.add(Entry(0, "impatient" if number % 2 else "patient", "/x", 503, f"id-{number}"))
    found = repeats.summary()
    assert found["distinct"] <= limit
    assert found["per_request"] == pytest.approx(3.0, abs=0.5) and found["most"] == 5
    assert found["clients"][0]["client"] == "impatient" and found["clients"][0]["per_request"] == 5
    assert found["clients"][1]["per_request"] == 1


def test_the_same_id_on_another_route_is_no_repeat_and_no_id_is_no_evidence():
    repeats = Repeats()
    repeats.add(Entry(0, "a", "/x", 200, "1"))
    repeats.add(Entry(0, "a", "/y", 200, "1"))
    repeats.add(Entry(0, "a", "/y", 200, ""))
    assert repeats.summary()["share"] == 0
    assert Repeats().summary() is None


def traffic(entries, until=100.0):
    found = Traffic(until - 30, until)
    for entry in entries:
        found.add(entry)
    return found.summary()


def test_recent_requests_are_compared_with_what_was_usual():
    before = [Entry(at / 10, "customers", "/x", 200) for at in range(0, 700, 2)]
    surge = [Entry(70 + at / 100, "crawler", "/users", 200) for at in range(3000)]
    found = traffic([*before, *surge])
    assert found["usual_per_second"] == pytest.approx(5, abs=0.2)
    assert found["per_second"] == 100
    assert found["clients"][0] == {"client": "crawler", "requests": 3000, "share": 1.0, "per_second": 100.0, "before_per_second": 0.0}


def test_an_incident_that_began_a_little_before_does_not_hide_what_is_usual():
    quiet = [Entry(float(at), "customers", "/x", 200) for at in range(40)]
    begun = [Entry(40 + at / 50, "customers", "/x", 200) for at in range(3000)]
    assert traffic([*quiet, *begun])["usual_per_second"] == pytest.approx(1, abs=0.2)


def test_without_earlier_log_nothing_is_usual():
    assert traffic([Entry(90.0, "a", "/x", 200)])["usual_per_second"] is None


def test_what_is_refused_on_purpose_is_no_error():
    statuses = [(200, ""), (503, "shed"), (503, "circuit"), (429, "rate_limit"), (503, ""), (502, "")]
    found = traffic([Entry(90.0, "a", "/x", status, refused=refused) for status, refused in statuses])
    assert found["errors"] == 2 and found["refused"] == {"shed": 1, "circuit": 1, "rate_limit": 1}


def test_time_is_told_apart_by_upstream_and_gateway():
    found = traffic([Entry(90.0, "a", "/x", 200, ms=100, upstream="slow", upstream_ms=90),
                     Entry(90.0, "a", "/y", 200, ms=100, upstream="quick", upstream_ms=10)])
    assert found["upstream_time_share"] == pytest.approx(0.5)
    assert {row["upstream"]: row["upstream_p95_ms"] > 50 for row in found["upstreams"]} == {"slow": True, "quick": False}


def test_routes_without_end_are_counted_together():
    entries = [Entry(90.0, "a", f"/{number}x", 200) for number in range(300)]
    rows = traffic(entries)["routes"]
    assert rows[0]["route"] == OTHERS and rows[0]["requests"] == 100


def test_an_empty_log_is_no_traffic():
    found = traffic([])
    assert (found["requests"], found["repeats"], found["upstream_time_share"]) == (0, None, None)
