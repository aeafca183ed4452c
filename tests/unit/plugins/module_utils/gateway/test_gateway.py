"""A gateway's signals, and what causes them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib

import pytest
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _served, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _signals
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._facts import Measured, pointless, rate_limit, tables
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._facts import facts as told
from ansible_collections.sre.runbooks.plugins.module_utils._gateway._signals import (
    PRESETS, Thresholds, dialect_of, series_of, signals, tells_statuses, throttled, traffic)

BEFORE = """
gateway_request_seconds_count{route="/a",status="200"} 100
gateway_request_seconds_count{route="/a",status="503"} 10
gateway_refused_total{route="/a",reason="shed"} 10
"""
AFTER = """
gateway_request_seconds_count{route="/a",status="200"} 180
gateway_request_seconds_count{route="/a",status="503"} 30
gateway_request_seconds_count{route="/b",status="429"} 20
gateway_request_seconds_count{route="/b",status="502"} 10
gateway_refused_total{route="/a",reason="shed"} 25
gateway_refused_total{route="/a",reason="queue"} 5
gateway_queue_length 7
"""
POD = {"pod": "gw-1", "cpu_share": 0.2, "throttled_share": None, "queue": 0.0, "queue_before": 0.0}


def windows(*pairs, seconds=10.0):
    return [Window(f"gw-{number}", seconds, before and Samples(before), after and Samples(after))
            for number, (before, after) in enumerate(pairs, 1)]


def test_refusals_on_purpose_are_no_errors_and_each_route_is_told():
    found = traffic(windows((BEFORE, AFTER)), PRESETS["shop"], "50[234]")
    assert (found["requests"], found["errors"], found["intended"]) == (130, 15, 15)
    assert found["per_second"] == 13
    assert [(row["route"], row["requests"], row["errors"]) for row in found["routes"]] == [("/b", 30, 10), ("/a", 100, 5)]


def test_pods_are_added_up_and_a_restart_does_not_count_backwards():
    restarted = 'gateway_request_seconds_count{route="/a",status="503"} 4'
    found = traffic(windows((BEFORE, restarted), (BEFORE, AFTER), (None, AFTER)), PRESETS["shop"], "503")
    assert found["requests"] == 134 and found["errors"] == 9


@pytest.mark.parametrize("name, text", [
    ("shop", AFTER), ("nginx", 'nginx_ingress_controller_requests{path="/",status="200"} 1'),
    ("istio", 'istio_requests_total{response_code="200"} 1'),
    ("envoy", 'envoy_cluster_upstream_rq{envoy_response_code="200"} 1'),
    ("shop", "gateway_queue_length 0"), ("", "go_goroutines 9")])
def test_the_dialect_is_recognised(name, text):
    assert dialect_of(windows((text, text)), "auto", {})["name"] == name


def test_names_of_ones_own_replace_the_presets():
    found = dialect_of(windows(("mine 1", "mine 2")), "auto", {"requests": "mine", "queue": ""})
    assert (found["name"], found["requests"], found["queue"]) == ("custom", "mine", "")


def test_throttling_is_a_share_of_the_periods():
    pod = {"metadata": {"namespace": "n", "name": "gw-1"}}

    def counters(periods, stopped, container="c"):
        labels = f'{{namespace="n",pod="gw-1",container="{container}"}}'
        return Samples(f"container_cpu_cfs_periods_total{labels} {periods}\ncontainer_cpu_cfs_throttled_periods_total{labels} {stopped}\n")
    assert throttled(counters(100, 10), counters(150, 40), pod, "c") == pytest.approx(0.6)
    assert throttled(counters(100, 10, ""), counters(150, 20, ""), pod, "c") == pytest.approx(0.2), "of the whole pod"
    assert throttled(None, counters(1, 1), pod, "c") is None
    assert throttled(counters(5, 1), counters(5, 1), pod, "c") is None


def facts(**more):
    return {"requests": 100.0, "errors": 0.0, "intended": 0.0, "error_share": 0.0, "seconds": 5.0, "per_second": 20.0,
            "p95_seconds": 0.1, "routes": [{"route": "/a", "error_share": 0.0, "requests": 100.0}], **more}


@pytest.mark.parametrize("pod, window, breached", [
    ({}, {}, set()),
    ({}, {"error_share": 0.06}, {"error_share"}),
    ({}, {"error_share": 0.05}, set()),
    ({"queue": 60.0, "queue_before": 55.0}, {}, {"queue_length"}),
    ({"queue": 30.0}, {}, {"queue_growing"}),
    ({"cpu_share": 0.95}, {}, {"cpu_at_limit"}),
    ({"throttled_share": 0.8}, {}, {"cpu_throttled"}),
    ({}, {"p95_seconds": 2.1}, {"response_seconds"}),
    ({"cpu_share": None, "queue": None, "queue_before": None}, {"p95_seconds": None, "requests": 0}, set()),
])
def test_signals(pod, window, breached):
    found = signals([{**POD, **pod}], facts(**window), Thresholds())
    assert {signal.name for signal in found if signal.breached} == breached


def row(name, key, p95=5.0, statuses=None, requests=100):
    return {key: name, "requests": requests, "statuses": statuses or {"200": requests}, "error_share": 0.0, "p50_ms": 2.0,
            "p95_ms": p95, "upstream_p50_ms": 2.0, "upstream_p95_ms": p95}


def traffic_facts(per_second=7.0, repeats=0.0, upstream=None, share=0.95, before=7.0):
    tries = 1 / (1 - repeats)
    return {"per_second": per_second, "usual_per_second": 7.0, "upstream_time_share": share,
            "clients": [{"client": "customers", "share": 0.9, "per_second": per_second, "before_per_second": before}],
            "repeats": {"share": repeats, "per_request": tries, "most": 9, "clients": [{"client": "customers", "per_request": tries}]},
            "upstreams": [upstream or row("api-server", "upstream")], "routes": [row("/api/orders", "route")]}


ROOT = pathlib.Path(__file__).resolve().parents[5]
RULES = _rules.load([yaml.safe_load((ROOT / "roles" / "api_gateway_overload" / "files" / "causes.yml").read_text())])
AT = datetime.datetime(2026, 11, 28, 9, tzinfo=datetime.timezone.utc)


def diagnose(found):
    sheet = told(found)
    sheet.known("in_namespace", "shop")
    sheet.known("workload", "gateway")
    return _verdict.diagnose(RULES, _facts.parse(sheet.to_json()))


def measured(cpu, found, throttled=None, p95=0.1, revisions=()):
    return Measured([{"cpu_share": cpu, "throttled_share": throttled}] * 2, {"p95_seconds": p95}, found, 1000.0, found.get("usual_per_second"), revisions, AT)


SLOW = row("api-server", "upstream", p95=5800.0, statuses={"200": 50, "502": 50})


@pytest.mark.parametrize("cause, cpu, found", [
    ("load_above_capacity", 1.0, traffic_facts(per_second=160, share=0.3)),
    ("load_above_capacity", 1.0, traffic_facts(per_second=160, share=0.9)),
    ("slow_upstream", 0.03, traffic_facts(upstream=SLOW)),
    ("slow_upstream", 0.03, traffic_facts(per_second=15, upstream=SLOW)),
    ("retry_storm", 0.2, traffic_facts(per_second=160, repeats=0.75)),
    ("retry_storm", 1.0, traffic_facts(per_second=160, repeats=0.75)),
    ("gateway_undersized", 1.0, traffic_facts(share=0.4)),
    ("undetermined", 0.03, traffic_facts()),
])
def test_the_right_cause_comes_first(cause, cpu, found):
    assert diagnose(measured(cpu, found))["cause"] == cause


def test_throttling_alone_makes_no_surge():
    assert diagnose(measured(None, traffic_facts(share=0.4), throttled=0.6))["cause"] == "gateway_undersized"


def test_without_access_log_and_cpu_nothing_is_guessed():
    assert diagnose(measured(None, {}))["cause"] == "undetermined"


def test_a_gateway_that_waits_while_its_log_names_nobody():
    assert diagnose(measured(0.1, {}, p95=4.0))["cause"] == "waits_for_somebody"


def test_every_fact_of_the_table_is_told_and_no_other():
    declared = {name for name, item in RULES.names.items() if item.value is None}
    for found in (measured(1.0, traffic_facts()), measured(None, {})):
        assert {fact["name"] for fact in told(found).to_json()} | {"in_namespace", "workload"} == declared


def test_who_it_is_about_and_what_would_prevent_it():
    found = diagnose(measured(0.1, traffic_facts(upstream=SLOW)))
    assert found["who"] == "api-server" and "shorter than clients wait" in found["fixes"][0]
    assert found["hand_over"][0]["command"].endswith("-e db_pool_exhaustion_workload=api-server")
    assert [table.title for table in tables(traffic_facts())] == ["Clients", "Routes", "Upstreams"]
    assert all(not table.rows for table in tables({}))


def test_the_route_that_carries_the_load_is_named():
    routes = [{**row("/api/orders", "route", requests=900), "share": 0.6, "per_second": 30.0, "before_per_second": 29.0},
              {**row("/users/", "route", requests=600), "share": 0.4, "per_second": 20.0, "before_per_second": 0.5}]
    found = diagnose(measured(1.0, {**traffic_facts(per_second=50, before=50.0), "routes": routes,
                                    "clients": [{"client": "a", "share": 0.2, "per_second": 10.0, "before_per_second": 3.0}]}))
    assert (found["cause"], found["who"]) == ("load_above_capacity", "/users/")
    assert "Most of it is for /users/ (20 a second, 0.5 before)" in found["advice"][0]


def revision(number, restart=False, **changes):
    return {"revision": number, "begun_at": "2026-11-28T08:30:00Z", "restart": restart,
            "changes": [{"path": path, "before": before, "after": after} for path, (before, after) in changes.items()]}


CPU = "spec.containers[gateway].resources.limits.cpu"


@pytest.mark.parametrize("lowered, changes", [
    (True, {CPU: ("500m", "20m")}), (False, {CPU: ("500m", "0.5")}), (False, {CPU: ("20m", "500m")}), (True, {CPU: (None, "20m")}),
    (False, {CPU: ("500m", None)}), (False, {"spec.containers[gateway].resources.requests.cpu": ("500m", "20m")}),
    (True, {"spec.containers[gateway].env[GATEWAY_CONCURRENCY].value": ("64", "8")}),
    (False, {"spec.containers[gateway].env[QUEUE].value": (None, "8")}), (False, {"spec.containers[gateway].env[LOG].value": ("9", "8")})])
def test_limits_that_a_release_lowered_are_a_cause(lowered, changes):
    found = diagnose(measured(1.0, traffic_facts(), revisions=[revision(1), revision(2, **changes), revision(3, restart=True)]))
    assert found["cause"] == ("limits_lowered" if lowered else "gateway_undersized")
    assert found["recommendation"] == ("rollback" if lowered else "scale")


def test_a_step_that_cannot_make_a_difference_is_told_with_its_reason():
    quick, slow = measured(1.0, traffic_facts(per_second=9.0)), measured(0.1, traffic_facts(per_second=15.0, upstream=SLOW))
    assert pointless(quick, 2, 0, ["/api/search"]) == {
        "scale": "there are 2 pods already", "rate_limit": "a limit of 10 a second in all refuses nothing of 9 a second",
        "circuit_breaker": "every upstream answers quickly, so no circuit would open", "shed": "no request is for /api/search"}
    assert pointless(slow, 10, 0, ["/api/orders"]) == {} and set(pointless(slow, 10, 1000, [])) == {"rate_limit"}
    assert "no limit can be computed" in pointless(measured(1.0, {}), 10, 0, [])["rate_limit"]


CLIENTS = [{"client": "crawler", "per_second": 300.0, "before_per_second": None}, {"client": "shop", "per_second": 22.0, "before_per_second": 20.0},
           {"client": "partner", "per_second": 4.0, "before_per_second": 4.0}]
NEW_LOG = [{**row, "before_per_second": None} for row in CLIENTS]


@pytest.mark.parametrize(("limit_of", "found", "limit"), [
    ("all", {"usual_per_second": 40.0}, 60.0), ("all", {}, None),
    ("client", {"usual_per_second": 24.0, "clients": CLIENTS}, 30.0),  # nobody but the crawler is refused anything
    ("client", {"clients": NEW_LOG}, 33.0), ("client", {"clients": NEW_LOG[:1]}, None), ("client", {}, None)])
def test_a_rate_limit_leaves_room_for_the_usual(limit_of, found, limit):
    assert rate_limit(dataclasses.replace(measured(1.0, found), limit_of=limit_of)) == limit


def test_a_limit_for_each_client_is_left_out_where_no_client_sends_more():
    found = dataclasses.replace(measured(1.0, {"clients": CLIENTS[1:], "per_second": 26.0}), limit_of="client")
    assert pointless(found, 10, 0, [])["rate_limit"] == "a limit of 30 a second for each client refuses nothing of 22 a second"


def test_what_is_refused_on_purpose_is_not_served():
    found = traffic(windows((BEFORE, AFTER)), PRESETS["shop"], "50[234]")
    assert found["served_per_second"] == 8 and found["served_share"] == pytest.approx(80 / 130)


@pytest.mark.parametrize("now, before, usual, breached", [
    ((20, 0.9), (10, 0.5), None, False),   # more, and a larger share
    ((10, 0.9), (11, 0.95), None, False),  # as before, as far as seconds can tell
    ((10, 0.2), (10, 0.9), None, True),    # as many, but most are refused now
    ((3.0, 0.2), (3.5, 0.26), None, True),  # an open circuit: neither more nor a larger share
    ((4, 1.0), (10, 0.5), None, True),     # nobody fails, but fewer come through
    ((30, 0.3), (10, 0.6), None, False),   # clients repeat what is refused, and three times as many are served
    ((4, 0.1), (2, 0.05), 40, True),       # twice as many as hardly any
    ((5, 0.3), (3, 0.2), 100, False),      # the usual rate is of another time: so many do not come now
    ((30, 0.3), (60, 0.9), 40, False),     # the usual ones are served; what was too much is refused
    ((0, None), (10, 0.5), None, True),    # no request arrives any more
    ((0, None), (0, None), None, False),   # and none did before: nobody asks at night
    ((0, None), (0.2, 1.0), None, False),  # one did
])
def test_customers_have_to_be_served(now, before, usual, breached):
    readings = [{"served_per_second": rate, "served_share": share, "served_seconds": 5.0} for rate, share in (now, before)]
    (signal,) = _served.served_signal(*readings, usual)
    assert signal.breached is breached


def test_what_is_shed_for_the_others_sake_is_not_what_customers_are_measured_by():
    routes = {"seconds": 5.0, "routes": [{"route": "/api/search", "requests": 240.0, "served": 40.0},
                                         {"route": "/api/orders", "requests": 30.0, "served": 9.0}]}
    assert _signals.without(routes, ("/api/search",)) == {"served_per_second": 1.8, "served_share": 0.3, "served_seconds": 5.0}
    assert _signals.without(routes, ()) is routes


def test_without_a_reading_from_before_nothing_is_compared():
    (signal,) = _served.served_signal({"served_per_second": 3.0, "served_share": 0.1, "served_seconds": 5.0}, {})
    assert not signal.breached and signal.text == "3.0 requests a second are served (10% of all)"
    assert _served.served_signal({}, {}) == ()


EXPOSITIONS = {
    "traefik": 'traefik_service_requests_total{code="%s",method="GET",protocol="http",service="shop@kubernetes"} %d\n',
    "traefik_entrypoints": 'traefik_entrypoint_requests_total{code="%s",entrypoint="web",method="GET",protocol="http"} %d\n',
    "haproxy": 'haproxy_backend_http_responses_total{proxy="shop",code="%.1sxx"} %d\n',
    "kong": 'kong_http_requests_total{service="shop",route="orders",code="%s",source="service",consumer=""} %d\n',
    "spring_cloud_gateway": 'spring_cloud_gateway_requests_seconds_count{httpMethod="GET",httpStatusCode="%s",outcome="X",routeId="orders"} %d\n',
    "nginx": 'nginx_ingress_controller_requests{ingress="shop",path="/orders",status="%s"} %d\n',
}


@pytest.mark.parametrize("preset", EXPOSITIONS)
def test_presets_tell_what_failed_and_where(preset):
    line = EXPOSITIONS[preset]
    found = windows((line % ("200", 10) + line % ("503", 1), line % ("200", 70) + line % ("503", 41)))
    names = dialect_of(found, "auto", {})
    facts = traffic(found, names, "50[234]")
    assert (names["name"], facts["requests"], facts["errors"]) == (preset, 100, 40)
    assert facts["routes"][0]["route"] and facts["p95_seconds"] is None
    assert {signal.name: signal.text for signal in signals([POD], facts, Thresholds())}["response_seconds"] == "response time: not measured"


def test_a_gateway_without_a_label_for_routes_still_fails():
    found = windows(('mine{status="503"} 1', 'mine{status="503"} 9'))
    names = dialect_of(found, "auto", {"requests": "mine", "route_label": "nowhere"})
    assert traffic(found, names, "50[234]")["error_share"] == 1


def test_requests_whose_end_nobody_knows_are_not_healthy():
    found = windows(("mine 1", "mine 9"))
    assert not tells_statuses(found, dialect_of(found, "auto", {"requests": "mine"}))


@pytest.mark.parametrize("given, why", [({"request": "x"}, "series names request"), ({"requests": "rate(x[5m])"}, "no series that can be read")])
def test_misspelt_series_are_refused(given, why):
    with pytest.raises(InvalidInput, match=why):
        series_of(given)
