# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a Prometheus: whatever goes wrong is one line, in bounded time and memory."""

from __future__ import annotations

import base64
import itertools
import time

import fake_api
import fake_prometheus
import pytest
from fake_prometheus import FakePrometheus

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Connection
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._history import _prometheus
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import HistoryError, Place, Prometheus

CLUSTER = Cluster(Connection(name="prod", host="http://127.0.0.1:1", retries=0))


def asked(fake: FakePrometheus, **more: object) -> Prometheus:
    return Prometheus(Place.parse({"url": fake.url, "timeout": 1, **more}), CLUSTER)


@pytest.mark.parametrize("given", [
    7, ["x"], {}, {"url": "https://a", "service": "b/c:1"}, {"url": "ftp://a"}, {"url": "https://a", "tokn": "x"}, "monitoring/prometheus",
    {"service": "monitoring/prometheus:9090", "token": "x"}, {"service": "a/b:1/../../secrets"}, "http://"])
def test_a_place_that_is_none_is_refused(given):
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        Place.parse(given)


def test_credentials_tenant_and_labels_travel():
    with fake_prometheus.serving(FakePrometheus()) as fake:
        asked(fake, token="abc", headers={"X-Scope-OrgID": "shop"}).count("up")
        asked(fake, username="u", password="p").count("up")
    headers = [{name.lower(): value for name, value in one[2].items()} for one in fake.asked]
    assert headers[0]["authorization"] == "Bearer abc" and headers[0]["x-scope-orgid"] == "shop"
    assert headers[1]["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert "abc" not in repr(Place(url="https://a", token="abc", password="abc", headers={"Authorization": "abc"}))


def test_a_service_is_reached_through_the_api_server():
    body = fake_prometheus.result("vector", [{"metric": {}, "value": [1.0, "3"]}])
    path = "/api/v1/namespaces/monitoring/services/https:thanos-query:http/proxy/prometheus/api/v1/query"
    with fake_api.serving(fake_api.FakeApi(answers={path: (200, body, {})})) as api:
        place = Place.parse({"service": "monitoring/https:thanos-query:http", "path": "/prometheus", "headers": {"X-Scope-OrgID": "shop"}})
        assert Prometheus(place, api.cluster).count("up") == 3
        assert api.sent("X-Scope-OrgID") == ["shop"]
        api.answers[path] = (200, b"x" * (_prometheus.MOST_BYTES + 1), {})
        with pytest.raises(HistoryError, match="more than 16 MiB"):
            Prometheus(place, api.cluster).count("up")
        api.answers.clear()
        with pytest.raises(HistoryError, match=r"service monitoring/https:thanos-query:http\): .*not found"):
            Prometheus(place, api.cluster).count("up")


@pytest.mark.parametrize(("answer", "words"), [
    ((422, b'{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}'), "422: .*too many samples"),
    ((503, b'{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}'), "503: query timed out"),
    ((503, b"<html>no healthy upstream</html>"), "no JSON"), ((200, b"<html>log in</html>"), "no JSON"), ((302, b""), "no JSON"), ((200, b""), "no JSON"),
    ((401, b'{"error":"no org id"}'), "refuses the credentials or the tenant.*no org id"), ((200, b"[]"), "no JSON"),
    ((200, b'{"status":"success","data":{"result":[{"metric":{},"value":["a"]}]}}'), "no result of a query"),
    ((200, b'{"status":"success"}'), "no result of a query"),
    ((400, b'{"status":"error","error":"bad token=hunter2hunter2 \\n in line"}'), "400: bad"),
    ((200, [b"x" * 2 ** 20] * 17), "more than 16 MiB")])
def test_what_goes_wrong_is_one_line(answer, words):
    with fake_prometheus.serving(FakePrometheus(answer=answer)) as fake, pytest.raises(HistoryError, match=words) as raised:
        asked(fake).range("up", 0, 10, 1)
    assert "\n" not in str(raised.value) and "hunter2" not in str(raised.value)


def test_a_slow_one_costs_its_timeout_and_no_more():
    def dripping():
        for _number in itertools.count():
            time.sleep(0.1)
            yield b" "

    for fake in (FakePrometheus(wait=1), FakePrometheus(answer=(200, dripping()))):
        began = time.monotonic()
        with fake_prometheus.serving(fake), pytest.raises(HistoryError, match="no answer within 0.3 s|not complete in time"):
            asked(fake, timeout=0.3).count("up")
        assert time.monotonic() - began < 0.3 * 10, "it would go on for ever"


def test_one_that_is_down():
    with pytest.raises(HistoryError, match="cannot be reached"):
        Prometheus(Place(url="http://127.0.0.1:1"), CLUSTER).count("up")


def test_too_many_series_are_refused_before_they_are_fetched():
    with fake_prometheus.serving(FakePrometheus(series={"up": [({"pod": str(n)}, ()) for n in range(50_000)]})) as fake:
        with pytest.raises(HistoryError, match="50000 series match, 500 is the most"):
            asked(fake).range("up", 0, 10, 1)
        assert [path for path, _query, _headers in fake.asked] == ["/api/v1/query"]


def test_what_is_no_number_is_left_out_and_points_are_bounded():
    points = [(1.0, 5.0), (2.0, float("nan")), (3.0, float("inf"))]
    with fake_prometheus.serving(FakePrometheus(series={"up": [({"pod": "a"}, points)]})) as fake:
        found = asked(fake).range("up", 0, 10 ** 6, 1)
    assert found[0].points == ((1.0, 5.0),)
    assert float(fake.asked[-1][1]["step"].rstrip("s")) == 200


def test_its_clock_counts():
    with fake_prometheus.serving(FakePrometheus(seconds_ahead=600)) as fake:
        prometheus = asked(fake)
        prometheus.count("up")
    assert prometheus.now() == pytest.approx(time.time() + 600, abs=3) and prometheus.skew() == pytest.approx(600, abs=3)
