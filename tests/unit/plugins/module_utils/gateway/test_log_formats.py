# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access logs that gateways write."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._access_log import Traffic
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._log_formats import CHOICES, PRESETS, Entry, Parser, looks_like_a_request

STAMP = "2026-11-24T00:00:10.123456789Z "
AT = "24/Nov/2026:00:00:10 +0000"
CLF = f'10.1.2.3 - - [{AT}] "GET /api/orders/17?x=1 HTTP/1.1" {{}} 12 "-" "curl/8"'
INGRESS = f"{CLF} 99 {{}} [shop-pay-80] [] {{}} {{}} {{}} {{}} ab12"
ENVOY = ('[2026-11-24T00:00:10.123Z] "GET /api/orders/17 HTTP/1.1" {} {} {} "-" 0 12 9 {} "{}" "curl/8" "ab12" "shop" "10.0.0.1:8080" '
         "outbound|8080||pay.shop.svc.cluster.local 10.0.0.3:1 10.0.0.4:80 10.1.2.3:9 - default")
HAPROXY = "10.1.2.3:33317 [24/Nov/2026:00:00:10.123] http-in~ pay/{} {} {} 2750 - - {} 1/1/1/1/{} 0/0 {{}} \"GET /api/orders/17 HTTP/1.1\""
ALB = ('https 2026-11-24T00:00:10.123456Z app/shop/50dc 10.1.2.3:2817 {} {} {} {} 34 366 "GET https://shop.example.com:443/api/orders/17?x=1 HTTP/1.1" '
       '"curl/8" ECDHE TLSv1.2 arn:aws:tg/pay/73e2 "ab12"')


def traefik(**more):
    return {"ClientAddr": "10.1.2.3:63261", "ClientHost": "10.1.2.3", "DownstreamStatus": 200, "Duration": 9000000, "OriginDuration": 8000000,
            "OriginStatus": 200, "RequestPath": "/api/orders/17", "RetryAttempts": 0, "ServiceName": "pay@docker", "ServiceAddr": "10.0.0.1:80",
            "request_X-Request-Id": "ab12", **more}


def envoy(**more):
    return {"duration": 9, "path": "/api/orders/17", "response_code": 200, "response_flags": "-", "upstream_cluster": "outbound|80||pay",
            "x_forwarded_for": None,
            "downstream_remote_address": "10.1.2.3:30000", "request_id": "ab12", "upstream_service_time": "8", "upstream_host": "10.0.0.1:80", **more}


def kong(**more):
    return {"latencies": {"request": 9, "kong": 1, "proxy": 8}, "request": {"uri": "/api/orders/17", "id": "ab12"}, "response": {"status": 200},
            "client_ip": "10.1.2.3", "service": {"name": "pay"}, "tries": [{"ip": "10.0.0.1", "port": 80}], "upstream_status": "200", **more}


def nginx(**more):
    return {"remote_addr": "10.1.2.3", "request_uri": "/api/orders/17", "status": "200", "request_time": "0.009", "upstream_response_time": "0.008",
            "upstream_addr": "10.0.0.1:80", "upstream_status": "200", "request_id": "ab12", **more}


#: a line, and of it: status, ms, upstream_ms, upstream, attempts, refused, ended_by
FORMS = [
    (CLF.format(200), (200, None, None, "", None, "", "")),
    (CLF.format(502), (502, None, None, "", None, "", "unknown")),
    (CLF.format("-"), (0, None, None, "", None, "", "")),
    (CLF.format(200) + ' "10.1.2.3, 10.9.9.9"', (200, None, None, "", None, "", "")),
    (CLF.format(504) + ' rt=5.003 uct="0.001" urt="5.002" ups="10.0.0.1:80" us="504"', (504, 5003, 5002, "10.0.0.1:80", 1, "", "upstream")),
    (CLF.format(200) + " 0.009 0.008", (200, 9, 8, "", None, "", "")),
    (CLF.format(200) + " 12345", (200, None, None, "", None, "", "")),
    (CLF.format(200) + ' kong_request_id: "ab12"', (200, None, None, "", None, "", "")),
    ("shop.example.com:443 " + CLF.format(200), (200, None, None, "", None, "", "")),
    (INGRESS.format(200, "0.009", "10.0.0.1:80", "12", "0.008", "200"), (200, 9, 8, "shop-pay-80", 1, "", "")),
    (INGRESS.format(504, "15.003", "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80", "0, 0, 0", "5.001, 5.000, 5.002", "504, 504, 504"),
     (504, 15003, 15003, "shop-pay-80", 3, "", "upstream")),
    (INGRESS.format(200, "0.020", "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.9:80", "0, 1 : 5", "0.005, 0.003 : 0.002", "502, 404 : 200"),
     (200, 20, 10, "shop-pay-80", 3, "", "")),
    (INGRESS.format(503, "0.000", "-", "-", "-", "-"), (503, 0, None, "shop-pay-80", 0, "", "gateway")),
    (INGRESS.format(499, "3.000", "10.0.0.1:80", "0", "3.000", "-"), (499, 3000, 3000, "shop-pay-80", 1, "", "client")),
    (CLF.format(200) + ' 17348 "pay@docker" "http://10.0.0.1:80" 9ms', (200, 9, None, "pay@docker", None, "", "")),
    (CLF.format(504) + ' 17348 "pay@docker" "http://10.0.0.1:80" 9ms', (504, 9, None, "pay@docker", None, "", "upstream")),
    (CLF.format(503) + ' 17348 "pay@docker" "-" 0ms', (503, 0, None, "pay@docker", None, "", "gateway")),
    (ENVOY.format(200, "-", "via_upstream -", 8, "-"), (200, 9, 8, "outbound|8080||pay.shop.svc.cluster.local", None, "", "")),
    (ENVOY.format(503, "UO", "overflow -", "-", "-"), (503, 9, None, "outbound|8080||pay.shop.svc.cluster.local", None, "UO", "")),
    (ENVOY.format(503, "UF,URX", "upstream_reset -", "-", "10.1.2.3,10.7.7.7"), (503, 9, None, "outbound|8080||pay.shop.svc.cluster.local", None, "",
                                                                                 "upstream")),
    (ENVOY.format(0, "DC", "downstream_remote_disconnect -", "-", "-"), (0, 9, None, "outbound|8080||pay.shop.svc.cluster.local", None, "", "client")),
    (ENVOY.format(500, "-", "via_upstream -", 8, "-"), (500, 9, 8, "outbound|8080||pay.shop.svc.cluster.local", None, "", "upstream")),
    (ENVOY.format(503, "NC", "cluster_not_found -", "-", "-"), (503, 9, None, "outbound|8080||pay.shop.svc.cluster.local", None, "", "gateway")),
    (HAPROXY.format("srv1", "0/0/1/7/9", 200, "----", 0), (200, 9, 8, "pay", 1, "", "")),
    ("haproxy[14389]: " + HAPROXY.format("srv1", "0/0/1/-1/5001", 504, "sH--", 2), (504, 5001, 5001, "pay", 3, "", "upstream")),
    (HAPROXY.format("<NOSRV>", "0/5000/-1/-1/5000", 503, "sQ--", 0), (503, 5000, 0, "pay", 1, "", "gateway")),
    (HAPROXY.format("<NOSRV>", "0/-1/-1/-1/0", 503, "SC--", 0), (503, 0, None, "pay", 1, "", "upstream")),
    (HAPROXY.format("srv1", "0/0/1/-1/30", -1, "CH--", 0), (0, 30, None, "pay", 1, "", "client")),
    (HAPROXY.format("<NOSRV>", "0/-1/-1/-1/0", 403, "PR--", 0), (403, 0, None, "pay", 1, "PR--", "")),
    (ALB.format("10.0.0.1:80", "0.001 0.008 0.000", 200, 200), (200, 9, 8, "arn:aws:tg/pay/73e2", None, "", "")),
    (ALB.format("10.0.0.1:80", "0.000 0.008 0.001", 500, 500), (500, 9, 8, "arn:aws:tg/pay/73e2", None, "", "upstream")),
    (ALB.format("-", "-1 -1 -1", 503, "-"), (503, None, None, "arn:aws:tg/pay/73e2", None, "", "upstream")),
    (ALB.format("10.0.0.1:80", "0.001 -1 -1", 460, "-"), (460, 1, None, "arn:aws:tg/pay/73e2", None, "", "client")),
    (traefik(), (200, 9, 8, "pay@docker", 1, "", "")),
    (traefik(DownstreamStatus=502, OriginStatus=502, RetryAttempts=2), (502, 9, 8, "pay@docker", 3, "", "upstream")),
    (traefik(DownstreamStatus=503, OriginStatus=0), (503, 9, 8, "pay@docker", 1, "", "gateway")),
    (traefik(DownstreamStatus=499, OriginStatus=499), (499, 9, 8, "pay@docker", 1, "", "client")),
    (envoy(), (200, 9, 8, "outbound|80||pay", None, "", "")),
    ('ACCESS [2026-11-24T03:00:00.123Z] "GET /api/orders/17 HTTP/1.1" 503 UF 0 91 9 - "10.1.2.3" "curl/8" "ab12" "pay" "10.2.0.1:80"',
     (503, 9, None, "10.2.0.1:80", None, "", "upstream")),
    ('[2026-11-24T03:00:00.123Z] "GET /api/orders/17 HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{connection_failure} - "delayed:_111" 0 91 9 - '
     '"-" "curl/8" "ab12" "pay" "10.2.0.1:80" outbound|80||pay 10.0.0.1:4 10.0.0.2:80 10.1.2.3:55 - default',
     (503, 9, None, "outbound|80||pay", None, "", "upstream")),
    ('2026-11-24 03:00:00.123  INFO 1 --- [or-http-epoll-2] reactor.netty.http.server.AccessLog : '
     '10.1.2.3 - - [24/Nov/2026:03:00:00 +0000] "GET /api/orders/17 HTTP/1.1" 503 91 34', (503, None, None, "", None, "", "unknown")),
    ('2026/11/24 03:00:00.123\tERROR\thttp.log.access.log0\thandled request\t'
     '{"request": {"remote_ip": "10.1.2.3", "uri": "/api/orders/17"}, "duration": 0.009, "status": 502}',
     (502, 9, None, "", None, "", "unknown")),
    ('{"method": "GET", "requested_uri": "/api/orders/17", "status_code": 500, "elapsed_time": 9, "remote_host": "10.1.2.3"}',
     (500, 9, None, "", None, "", "unknown")),
    (envoy(response_code=503, response_flags="UO", upstream_service_time=None), (503, 9, None, "outbound|80||pay", None, "UO", "")),
    (envoy(response_code=504, response_flags="UT", upstream_request_attempt_count=3), (504, 9, 8, "outbound|80||pay", 3, "", "upstream")),
    (envoy(response_code="oops"), (0, 9, 8, "outbound|80||pay", None, "", "")),
    (kong(), (200, 9, 8, "pay", 1, "", "")),
    (kong(response={"status": 503}, latencies={"request": 1, "kong": 1, "proxy": -1}, tries=[], upstream_status=None), (503, 1, None, "pay", 0, "", "gateway")),
    (kong(response={"status": 504}, upstream_status="504"), (504, 9, 8, "pay", 1, "", "upstream")),
    ({"level": "info", "msg": "handled request", "ts": 1795478410.1, "status": 200, "duration": 0.009,
      "request": {"client_ip": "10.1.2.3", "uri": "/api/orders/17", "headers": {"X-Request-Id": ["ab12"]}}}, (200, 9, None, "", None, "", "")),
    ({"status": 200, "duration": "9ms", "request": {"remote_ip": "10.1.2.3", "uri": "/api/orders/17"}, "request_id": "ab12"}, (200, 9, None, "", None, "", "")),
    (nginx(), (200, 9, 8, "10.0.0.1:80", 1, "", "")),
    (nginx(status=504, request_time="10.002", upstream_response_time="5.001, 5.001", upstream_addr="10.0.0.1:80, 10.0.0.2:80", upstream_status="504, 504"),
     (504, 10002, 10002, "10.0.0.2:80", 2, "", "upstream")),
    (nginx(status=503, upstream_addr="-", upstream_status="-", upstream_response_time="-"), (503, 9, None, "", 0, "", "gateway")),
    (nginx(request_time="soon", upstream_response_time="later"), (200, None, None, "10.0.0.1:80", 1, "", "")),
    ({"http_status": 504, "termination_state": "sH", "client_ip": "10.1.2.3", "http_request": "GET /api/orders/17 HTTP/1.1", "upstream_response_time": 8,
      "session_duration": "9", "backend_name": "pay", "retries": 0, "request_id": "ab12"}, (504, 9, 8, "pay", 1, "", "upstream")),
    ({"httpRequest": {"status": 502, "latency": "0.009s", "remoteIp": "10.1.2.3", "requestUrl": "https://shop.example.com/api/orders/17"},
      "jsonPayload": {"statusDetails": "failed_to_pick_backend"}, "trace": "ab12"}, (502, 9, None, "", None, "", "upstream")),
    ({"client": "10.1.2.3", "path": "/api/orders/17", "status": 200, "duration": 9, "request_id": "ab12"}, (200, None, None, "", None, "", "")),
    ({"client": "10.1.2.3", "path": "/api/orders/17", "status": 200, "duration": "9ms", "request_id": "ab12"}, (200, 9, None, "", None, "", "")),
]


@pytest.mark.parametrize("line, expected", FORMS, ids=[f"{number}" for number in range(len(FORMS))])
@pytest.mark.parametrize("before", [STAMP, STAMP + "stdout F "])
def test_every_form_is_read_with_its_own_units(line, expected, before):
    text = line if isinstance(line, str) else json.dumps(line)
    entry = Parser().parse(before + text)
    assert entry is not None
    ms, upstream_ms = (None if value is None else round(value, 3) for value in (entry.ms, entry.upstream_ms))
    assert (entry.status, ms, upstream_ms, entry.upstream, entry.attempts, entry.refused, entry.ended_by) == expected
    assert (entry.client, entry.route) == ("10.1.2.3", "/api/orders/*") and entry.request_id in ("ab12", "")


@pytest.mark.parametrize("line", [CLF.format(200), ENVOY.format(200, "-", "via_upstream -", 8, "-"), HAPROXY.format("a", "0/0/1/7/9", 200, "----", 0),
                                  ALB.format("10.0.0.1:80", "0.001 0.008 0.000", 200, 200), json.dumps({**nginx(), "time_iso8601": "2026-11-24T00:00:10Z"}),
                                  json.dumps(traefik(StartUTC="2026-11-24T00:00:10.1Z"))])
def test_a_log_that_the_kubelet_did_not_stamp_has_times_of_its_own(line):
    assert int(Parser().parse(line).at) == int(Parser().parse(STAMP + line).at)


def test_cloudfront_s_columns():
    columns = ["2026-11-24", "00:00:10", "FRA2", "1045", "10.1.2.3", "GET", "shop.example.com", "/api/orders/17", "502", "-", "curl", "-", "-", "Error",
               "ab12", "d1.cloudfront.net", "https", "23", "0.009", "-", "TLSv1.2", "ECDHE", "Error", "HTTP/2.0", "-", "-", "11040", "0.008",
               "OriginConnectError", "text/html", "78", "-", "-"]
    entry = Parser().parse("\t".join(columns))
    assert (entry.client, entry.route, entry.status, entry.ms, entry.ended_by, entry.flags) == ("10.1.2.3", "/api/orders/*", 502, 9, "upstream",
                                                                                                "OriginConnectError")
    assert Parser("cloudfront").parse("\t".join(columns)) == entry


@pytest.mark.parametrize("address, client", [
    ("10.1.2.3", "10.1.2.3"), ("10.1.2.3:4711", "10.1.2.3"), ("[2001:db8::1]:4711", "2001:db8::1"), ("::ffff:10.1.2.3", "10.1.2.3"),
    ("2001:DB8:0::1", "2001:db8::1"), ("10.1.2.3, 10.9.9.9", "10.1.2.3"), ("customers", "customers"), ("10.1.2.3:4711,10.9.9.9", "10.1.2.3")])
def test_a_client_is_an_address_without_its_port(address, client):
    assert Parser().parse(STAMP + json.dumps(envoy(downstream_remote_address=address))).client == client
    assert Parser().parse(STAMP + json.dumps(envoy(x_forwarded_for=address))).client == client


@pytest.mark.parametrize("before", [
    "10.1.2.3 - -", "10.1.2.3 - ann", "10.1.2.3 - ann smith", "shop.example.com 10.1.2.3 - -", "shop.example.com:443 10.1.2.3 - ann", "_ 10.1.2.3 - -"])
@pytest.mark.parametrize("behind", [
    '"-" "x" 1475 143.8 [up] [] 10.2.0.1:443, 10.2.0.2:443 0, 0 0.1, 143.7 502, 101 c2c5', '"-" "x"', '"-" "x" 7 "r@docker" "http://a:1" 12ms'])
def test_a_host_in_front_of_the_address_is_no_client(before, behind):
    assert Parser().parse(f'{before} [24/Nov/2026:03:00:00 +0000] "GET /a HTTP/1.1" 200 10 {behind}').client == "10.1.2.3"


def test_keys_of_ones_own_go_into_objects():
    parser = Parser("json", fields={"status": ["answer.code"], "ms": ["took"], "client": "who"})
    entry = parser.parse(STAMP + '{"answer": {"code": 503}, "took": 12, "who": "bob", "path": "/x"}')
    assert entry == Entry(entry.at, "bob", "/x", 503, ms=12.0, ended_by="unknown")


@pytest.mark.parametrize("line", [
    "2026/11/24 INFO started", "{broken", '{"msg": "hello"}', "", "[]", '["status"]', '{"status": null}',
    '[2026-11-24T00:00:10.123Z] "- - -" 0 - - - "-" 2279 3059 63 - "-" "-" "-" "-" "1.2.3.4:443" PassthroughCluster 10.0.0.93:37018 1.2.3.4:443 '
    '10.0.0.93:39849 - -'])
def test_other_lines_are_no_requests(line):
    assert Parser().parse(STAMP + line) is None


def test_every_format_can_be_asked_for_and_reads_its_own():
    assert {name for names in CHOICES.values() for name in names} == set(PRESETS)
    for line, expected in FORMS:
        text = line if isinstance(line, str) else json.dumps(line)
        assert any(entry.status == expected[0] for name in CHOICES if name != "auto" and (entry := Parser(name).parse(STAMP + text))), text


def traffic(lines, parser=None):
    parser, found = parser or Parser(), Traffic(0, 2e9)
    for line in lines:
        entry = parser.parse(line)
        found.add(entry) if entry else found.skip(line)
    return found.summary()


def test_nginx_that_tried_several_upstreams_names_no_client_and_the_upstream_s_time():
    lines = [STAMP + (INGRESS.format(504, "15.003", "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80", "0, 0, 0", "5.001, 5.000, 5.002", "504, 504, 504") if number % 2
                      else INGRESS.format(200, "0.012", "10.0.0.1:80", "12", "0.011", "200")).replace("ab12", f"{number:032x}") for number in range(200)]
    found = traffic(lines)
    assert (found["requests"], found["errors"], found["repeats"]["share"], found["tried_again"]) == (200, 100, 0, 100)
    assert found["ended_by"] == {"upstream": 100} and found["upstream_time_share"] == pytest.approx(1, abs=0.001)


def test_nginx_s_json_keeps_the_requests_that_failed():
    failed = nginx(status="504", request_time="10.002", upstream_response_time="5.001, 5.001")
    found = traffic([STAMP + json.dumps({**(failed if number % 4 == 0 else nginx()), "request_id": f"r{number}"}) for number in range(100)])
    assert (found["requests"], found["errors"], found["error_share"], found["unknown_lines"]) == (100, 25, 0.25, 0)
    assert found["p95_ms"] == pytest.approx(10000, rel=0.25)


def test_istio_s_json_is_one_client_whatever_its_ports_and_an_open_circuit_is_no_error():
    found = traffic([STAMP + json.dumps(envoy(downstream_remote_address=f"10.0.0.1:{30000 + number}", request_id=f"r{number}",
                                              **({"response_code": 503, "response_flags": "UO"} if number % 2 else {}))) for number in range(100)])
    assert [(row["client"], row["share"]) for row in found["clients"]] == [("10.0.0.1", 1.0)]
    assert (found["refused"], found["errors"], found["ended_by"]) == ({"UO": 50}, 0, {})


def test_where_many_requests_cannot_be_read_the_share_of_errors_is_withheld():
    strange = STAMP + '10.1.2.3 | "GET /x HTTP/1.1" | 504'
    found = traffic([STAMP + CLF.format(200)] * 90 + [strange] * 10)
    assert found["error_share"] is None and "10 of 100 requests are in no known format" in found["withheld"]
    assert (found["unknown_lines"], found["unread_requests"], found["errors"]) == (10, 10, 0)
    chatty = traffic([STAMP + CLF.format(200)] * 90 + [STAMP + "INFO reloaded"] * 900)
    assert (chatty["error_share"], chatty["withheld"], chatty["unknown_lines"]) == (0, "", 900)
    without = traffic([STAMP + CLF.format(200)] * 50 + [STAMP + CLF.format("-")] * 50)
    assert without["error_share"] is None and "have no status" in without["withheld"]


@pytest.mark.parametrize("line, likely", [('"GET /x HTTP/1.1" 200', True), ('{"statusCode": 200}', True), ("INFO status changed", False), ("[notice] reload",
                                                                                                                                           False)])
def test_what_looks_like_a_request(line, likely):
    assert looks_like_a_request(line) is likely
