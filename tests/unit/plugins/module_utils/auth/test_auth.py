# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication: what the figures mean, and which cause fits them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib

import pytest
import yaml
from fake_api import deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._auth import _signals
from ansible_collections.sre.runbooks.plugins.module_utils._auth._facts import Measured, facts, tables, tell_readers
from ansible_collections.sre.runbooks.plugins.module_utils._auth._signals import SERIES, Thresholds, pod_facts, signals, traffic
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict

ROOT = pathlib.Path(__file__).resolve().parents[5]
RULES = _rules.load([yaml.safe_load((ROOT / "roles" / "auth_degradation" / "files" / "causes.yml").read_text())])
NOW = datetime.datetime(2026, 11, 24, 3, 0, tzinfo=datetime.timezone.utc)
OLD = {"revision": 1, "begun_at": "2026-11-01T00:00:00Z", "change_cause": "", "images": ["auth:1"], "current": False, "changes": [],
       "restart": False}
NEW = {**OLD, "revision": 2, "begun_at": "2026-11-24T02:50:00Z", "current": True,
       "changes": [{"path": "spec.containers[auth].image", "before": "auth:1", "after": "auth:2"}]}
FINE = [{"name": "redis", "status": "ok", "value": "4/100", "detail": ""}, {"name": "database", "status": "ok", "value": "9/100", "detail": ""}]
NO_REDIS = [{"name": "redis", "status": "bad", "value": "no answer", "detail": "refused"}, FINE[1]]
FRESH = {"kind": "Secret", "name": "key", "how": "volume", "version": "7", "changed_at": "2026-11-24T02:00:00Z", "older_pods": [], "newer_pods": ["a", "b"],
         "certificates": [], "error": ""}
EXPIRED, GOOD = ({**FRESH, "name": "tls", "certificates": [{"key": "tls.crt", "not_after": f"2026-11-{day}T00:00:00Z"}]} for day in (23, 30))
STALE = {**FRESH, "older_pods": ["a"], "newer_pods": ["b"]}
IDLE = [{"pod": "a", "cpu_cores": 0.01, "cpu_limit": None}]


def metrics(ok=0, wrong=0, limited=0, bad=0, accepted=0, rejected=0, hits=0, slow=0):
    lines = ["# TYPE auth_login_attempts_total counter"]
    lines += [f'auth_login_attempts_total{{result="{result}"}} {count}'
              for result, count in (("ok", ok), ("wrong_password", wrong), ("rate_limited", limited), ("bad_request", bad))]
    lines += ["# TYPE auth_jwt_validation_seconds histogram"]
    for result, count, late in (("ok", accepted, slow), ("rejected", rejected, 0)):
        lines += [f'auth_jwt_validation_seconds_bucket{{result="{result}",le="0.01"}} {count - late}',
                  f'auth_jwt_validation_seconds_bucket{{result="{result}",le="5"}} {count}',
                  f'auth_jwt_validation_seconds_bucket{{result="{result}",le="+Inf"}} {count}',
                  f'auth_jwt_validation_seconds_sum{{result="{result}"}} {late * 3}',
                  f'auth_jwt_validation_seconds_count{{result="{result}"}} {count}']
    return Samples("\n".join([*lines, "# TYPE auth_rate_limit_hits_total counter", f"auth_rate_limit_hits_total {hits}", ""]))


def window(pod="a", before=None, **after):
    return Window(pod, 10.0, metrics(**(before or {})), metrics(**after))


def measured(*windows):
    rows = [pod_facts(one, SERIES) for one in windows]
    facts = traffic(windows, SERIES)
    return facts, rows, {signal.name: signal for signal in signals(facts, rows, Thresholds())}


def test_ordinary_traffic_is_no_signal_and_clients_mistakes_do_not_count():
    facts, _rows, found = measured(window(ok=40, wrong=1, bad=30, accepted=40), window("b", ok=20, accepted=20))
    assert facts["login_success"] == pytest.approx(60 / 61)
    assert not any(signal.breached for signal in found.values())


def test_only_what_happened_in_the_window_counts_and_a_restarted_pod_counts_from_zero():
    facts, _rows, _found = measured(window(before={"ok": 100, "wrong": 50}, ok=110, wrong=50), window("b", before={"ok": 70}, ok=5))
    assert (facts["logins"]["ok"], facts["login_count"], facts["login_success"]) == (15, 15, 1.0)


@pytest.mark.parametrize("after, name", [
    ({"ok": 10, "wrong": 10}, "login_success"),
    ({"accepted": 10, "rejected": 3}, "tokens_rejected"),
    ({"accepted": 10, "slow": 5}, "validation_seconds"),
    ({"ok": 100, "limited": 4, "hits": 4}, "rate_limit_hits"),
])
def test_each_signal(after, name):
    _facts, _rows, found = measured(window(**after))
    assert [signal.name for signal in found.values() if signal.breached] == [name]


def test_a_single_failed_login_of_few_is_chance_and_no_traffic_is_no_failure():
    assert not measured(window(ok=2, wrong=1))[2]["login_success"].breached
    assert measured(window())[2]["login_success"].value is None


@pytest.mark.parametrize(("before", "now", "breached"), [
    (window(wrong=40), window(ok=40, accepted=40), False),
    (window(ok=200, accepted=200, wrong=80), window(ok=40, accepted=40), True),  # who has given up does not log in again
    (window(accepted=40, rejected=40), window(accepted=80), False)])
def test_users_are_served_again_only_where_as_many_come_in(before, now, breached):
    signal, = _signals.served_signal(_signals.traffic([now], SERIES), _signals.traffic([before], SERIES))
    assert (signal.name, signal.breached) == ("served", breached)


def test_one_person_who_mistypes_a_password_is_no_signal():
    assert not measured(window(ok=7, wrong=2))[2]["login_success"].breached
    assert measured(window(ok=7, wrong=3))[2]["login_success"].breached


def facts_of(*windows, **known):
    window_facts, rows, found = measured(*windows)
    given = {"revisions": [OLD], "mounted": [FRESH], "rate_limit": {}, "store": {"groups": []}, "usage": IDLE, "health": FINE, **known}
    return Measured([signal.to_json() for signal in found.values()], rows, window_facts, moment=NOW, **given)


def sheet_of(found):
    sheet = facts(found)
    sheet.known("in_namespace", "shop")
    sheet.known("workload", "auth")
    sheet.known("readers", [])
    return sheet.to_json()


def diagnose(found):
    return _verdict.diagnose(RULES, _facts.parse(sheet_of(found)))


BURST = {"count": 400, "lines": [], "groups": [{"value": "partner", "count": 390, "share": 0.97}, {"value": "other", "count": 10, "share": 0.03}]}


@pytest.mark.parametrize("found, cause, mitigation, about", [
    (facts_of(window(wrong=30), revisions=[OLD, NEW]), "bad_release", "rollback", "revision 2"),
    (facts_of(window(accepted=20, slow=20), revisions=[OLD, NEW]), "bad_release", "rollback", "revision 2"),
    (facts_of(window("a", rejected=9, accepted=9), window("b", ok=20), mounted=[STALE]), "stale_secret", "restart", "Secret key"),
    (facts_of(window(rejected=9, accepted=9), mounted=[STALE], revisions=[OLD, NEW]), "stale_secret", "restart", "Secret key"),
    (facts_of(window(limited=30), health=NO_REDIS), "dependency", "emergency", "redis"),
    (facts_of(window(limited=30), health=NO_REDIS, revisions=[OLD, NEW]), "dependency", "emergency", "redis"),
    (facts_of(window(wrong=30), health=[FINE[0], {**FINE[1], "status": "bad"}]), "dependency", "", "database"),
    (facts_of(window(wrong=30), mounted=[GOOD, EXPIRED]), "expired_certificate", "", "tls.crt of Secret tls"),
    (facts_of(window(wrong=30), mounted=[GOOD], revisions=[OLD, NEW]), "bad_release", "rollback", "revision 2"),
    (facts_of(window(before={"ok": 100}, ok=110, limited=90, hits=90), rate_limit=BURST), "login_burst", "", "partner"),
    (facts_of(window(wrong=22, limited=6, hits=6), rate_limit=BURST, revisions=[OLD, NEW]), "bad_release", "rollback", "revision 2"),
    (facts_of(window(accepted=20, slow=20), usage=[{"pod": "a", "cpu_cores": 0.98, "cpu_limit": 1.0}]), "overload", "scale", ""),
])
def test_the_cause_and_what_fits_it(found, cause, mitigation, about):
    best = diagnose(found)
    assert (best["cause"], best["recommendation"]) == (cause, mitigation)
    assert best["who"] == (about or "auth") and best["candidates"][0]["evidence_for"]


def test_every_fact_of_the_table_is_told_and_no_other():
    declared = {name for name, item in RULES.names.items() if item.value is None}
    for found in (facts_of(window(wrong=30), revisions=[OLD, NEW]), facts_of(revisions=[], mounted=[], store={}, usage=[], health=[])):
        assert {fact["name"] for fact in sheet_of(found)} == declared


def test_nothing_measured_is_no_health_and_no_cause():
    told = {fact["name"]: fact["known"] for fact in sheet_of(facts_of())}
    assert not any(told[name] for name in ("login_success", "rejected_share", "p95"))


NOAUTH = {"name": "redis", "status": "unknown", "value": "", "detail": "redis-cli cannot ask: NOAUTH Authentication required."}
SAYS_NOAUTH = {"groups": [{"value": "NOAUTH", "count": 9, "share": 1.0}], "lines": ["rate limit cannot be checked: NOAUTH Authentication required."]}


@pytest.mark.parametrize("store, verdict", [(SAYS_NOAUTH, "established"), ({"groups": []}, "likely")])
def test_redis_that_answers_and_refuses_is_the_cause_however_healthy_the_database(store, verdict):
    best = diagnose(facts_of(window(limited=30), health=[NOAUTH, FINE[1]], store=store, revisions=[OLD, NEW]))
    assert (best["cause"], best["verdict"], best["recommendation"]) == ("store_refuses", verdict, "emergency")


def test_a_health_check_without_the_password_is_no_cause_while_log_ins_work():
    assert diagnose(facts_of(window(ok=30), health=[NOAUTH, FINE[1]]))["cause"] == "undetermined"
    assert diagnose(facts_of(window(wrong=30), health=[NOAUTH, FINE[1]], revisions=[OLD, NEW]))["cause"] == "bad_release"


def test_without_evidence_no_cause_is_named():
    assert diagnose(facts_of(window(before={"ok": 1000}, ok=1000, wrong=10), health=[]))["cause"] == "undetermined"


def test_wrong_passwords_that_began_now_roll_no_harmless_release_back():
    best = diagnose(facts_of(window(before={"ok": 5000}, ok=5005, wrong=30), revisions=[OLD, NEW]))
    assert best["verdicts"]["bad_release"] == "excluded" and best["recommendation"] == "" and best["cause"] == "wrong_credentials"


def test_a_bad_release_is_known_while_good_pods_still_run_beside_it():
    found = facts_of(window("old", before={"ok": 5000}, ok=5020), window("new", wrong=10), revisions=[OLD, NEW])
    found.pods[0]["started_at"], found.pods[1]["started_at"] = "2026-11-01T00:00:00Z", "2026-11-24T02:50:03Z"
    best = diagnose(found)
    assert best["cause"] == "bad_release"
    assert {"from the beginning", "of what pods of the revision before do, only 0 % fails"} <= {
        part for text in best["candidates"][0]["evidence_for"] for part in (text, text.rpartition(": ")[2])}


STUCK = {**NEW, "revision": 3, "begun_at": "2026-11-24T02:58:00Z",
         "changes": [{"path": "spec.containers[auth].image", "before": "auth:2", "after": "auth:gone"}]}


def test_a_newer_release_that_never_came_up_is_not_what_ails_and_the_way_back_is_past_both():
    found = facts_of(window(wrong=40), revisions=[OLD, {**NEW, "current": False}, STUCK])
    found = dataclasses.replace(found, pods=[{**found.pods[0], "started_at": "2026-11-24T02:50:03Z"}])
    told = _facts.parse(sheet_of(found))
    assert (told["revision"].value, told["back_to"].value) == (2, 1) and "auth:gone" in told["stuck"].value
    assert diagnose(found)["mitigation"] == {"action": "rollback", "values": {"revision": 1}, "cause": "bad_release"}


def test_a_burst_of_many_clients_after_a_harmless_release_is_no_bad_release():
    many = {"count": 400, "lines": [], "groups": [{"value": "one of many", "count": 8, "share": 0.02}]}
    assert diagnose(facts_of(window(before={"ok": 1000}, ok=2000, hits=40), revisions=[OLD, NEW], rate_limit=many))["cause"] == "login_burst"


@pytest.mark.parametrize("usage", [[], [{"pod": "a", "cpu_cores": 0.6, "cpu_limit": None}]])
def test_slow_validations_alone_are_no_overload(usage):
    best = diagnose(facts_of(window(accepted=20, slow=20), usage=usage))
    assert best["cause"] == "undetermined" and best["verdicts"]["overload"] == "possible"


def test_limits_that_the_release_lowered_are_its_fault():
    small = {**NEW, "changes": [{"path": "spec.containers[auth].resources.limits.cpu", "before": "1", "after": "10m"}]}
    best = diagnose(facts_of(window(accepted=20, slow=20), revisions=[OLD, small], usage=[{"pod": "a", "cpu_cores": 0.01, "cpu_limit": 0.01}]))
    assert best["cause"] == "bad_release" and "revision 2 lowered containers[auth].resources.limits.cpu from 1 to 10m" in " ".join(best["says"])


def test_what_could_not_be_read_is_unknown_and_speaks_neither_way():
    best = diagnose(facts_of(window(rejected=9, accepted=9), mounted=[{**FRESH, "error": "may not read secrets"}], health=[]))
    assert best["verdicts"]["stale_secret"] == "not_to_be_told"
    assert (best["missing"]["fact"], best["missing"]["because"]) == ("stale", "key could not be read")


def reader(name, secret):
    volumes = [{"name": "key", "secret": {"secretName": secret}}]
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [], "volumes": volumes}}}}


def of(workload, name, started):
    return {"metadata": {"name": name, "creationTimestamp": started, "labels": {"pod-template-hash": "5f"},
                         "ownerReferences": [{"kind": "ReplicaSet", "name": f"{workload}-5f"}]}, "status": {}}


def test_who_else_reads_a_rotated_secret_is_told():
    sheet = facts(facts_of(window(ok=5), mounted=[STALE]))
    early, late = "2026-11-24T01:00:00Z", "2026-11-24T02:30:00Z"
    pods = [of("auth", "a", early), of("auth", "b", late), of("mail", "m-1", early), of("mail", "m-2", late), of("web", "w-1", late), of("x", "x-1", early)]
    tell_readers(sheet, facts_of(window(ok=5), mounted=[STALE]),
                 [reader("auth", "key"), reader("mail", "key"), reader("web", "key"), reader("x", "other")], pods)
    assert next(fact["value"] for fact in sheet.to_json() if fact["name"] == "readers") == [
        "deployment/mail reads Secret key too (volume); 1 of its 2 pods started before it was written",
        "deployment/web reads Secret key too (volume); all its pods are newer"]


def test_what_the_pods_use_is_put_beside_the_revision_that_ran_when_it_was_written():
    rows = {table.title: table.rows for table in tables(facts_of(window(ok=5), mounted=[FRESH, {**GOOD, "changed_at": "2026-11-24T02:55:00Z"}],
                                                                 revisions=[OLD, NEW]))}
    assert [row[4] for row in rows["What the pods use"]] == ["1", "2"]
    assert rows["Certificates"] == [["tls.crt of Secret tls", "2026-11-30T00:00:00Z", "6"]]


def test_names_of_series_can_be_others():
    assert _signals.traffic([window(ok=5)], {**SERIES, "ok": "wrong_password"})["login_success"] == 0


EXPOSITIONS = {
    "keycloak": ('keycloak_user_events_total{event="login",error="",realm="shop"} 10\n'
                 'keycloak_user_events_total{event="login",error="invalid_user_credentials",realm="shop"} 40\n'
                 'keycloak_user_events_total{event="logout",error="",realm="shop"} 5\n',
                 'keycloak_user_events_total{event="login",error="",realm="shop"} 16\n'
                 'keycloak_user_events_total{event="login",error="internal_error",realm="shop"} 4\n'
                 'keycloak_user_events_total{event="login",error="invalid_user_credentials",realm="shop"} 90\n'
                 'keycloak_user_events_total{event="logout",error="",realm="shop"} 50\n'),
    "keycloak_spi": ('keycloak_logins_total{realm="shop",provider="keycloak"} 10\n',
                     'keycloak_logins_total{realm="shop",provider="keycloak"} 16\n'
                     'keycloak_failed_login_attempts_total{realm="shop",error="internal_error"} 4\n'
                     'keycloak_failed_login_attempts_total{realm="shop",error="user_not_found"} 40\n'),
    "dex": ('http_requests_total{handler="/token",code="200",method="post"} 10\n',
            'http_requests_total{handler="/token",code="200",method="post"} 14\nhttp_requests_total{handler="/callback",code="303",method="get"} 2\n'
            'http_requests_total{handler="/token",code="500",method="post"} 4\nhttp_requests_total{handler="/token",code="401",method="post"} 9\n'
            'http_requests_total{handler="/healthz",code="200",method="get"} 900\n'),
    "ory": ('http_requests_total{app="ory-kratos",code="200",method="GET"} 10\n',
            'http_requests_total{app="ory-kratos",code="200",method="GET"} 16\nhttp_requests_total{app="ory-kratos",code="503",method="GET"} 4\n'
            'http_requests_total{app="ory-kratos",code="404",method="GET"} 40\n'),
}


@pytest.mark.parametrize("preset", EXPOSITIONS)
def test_presets_tell_successes_from_failures(preset):
    before, after = map(Samples, EXPOSITIONS[preset])
    windows = [Window("a", 10.0, before, after)]
    name, names = _signals.dialect_of(windows, {})
    facts = traffic(windows, names)
    assert (name, facts["login_count"], facts["login_success"]) == (preset, 10, pytest.approx(0.6))
    found = {signal.name: signal for signal in signals({**facts, "preset": name}, [pod_facts(windows[0], names)], Thresholds())}
    assert found["login_success"].breached
    assert "not measured" in found["validation_seconds"].text and "not measured" in found["rate_limit_hits"].text


def test_every_login_failing_is_no_silence():
    counts = iter(range(300, 3000, 300))
    workload = deployment("sso")
    with serving() as api:
        api.add(workload, pod("sso-1", workload))
        api.pages["sso-1:9000"] = lambda: f'keycloak_user_events_total{{event="login",error="internal_error"}} {next(counts)}\n'
        assert [signal.name for signal in read(api).breached] == ["login_success"]
        api.pages["sso-1:9000"] = "other_logins_total 3\n"
        reading = read(api)
        assert not reading.complete and "name them with series" in reading.incomplete_because
        reading = read(api, {"logins": "loginz_total"})
        assert not reading.complete and "have no loginz_total" in reading.incomplete_because
        assert "not measured" in reading.signals[0].text


def read(api, series=None):
    source = _signals.Source(Target("shop", "Deployment", "sso"), None, 9000, "/metrics", _signals.series_of(series or {}), 0.01, "")
    return _signals.measure(api.cluster, source, Thresholds())


@pytest.mark.parametrize("given, why", [({"login": "x"}, "series names login"), ({"logins": "sum(x)"}, "no series that can be read"),
                                        ({"logins": 'x{a=~"("}'}, "no regular expression"), ({"ok": "("}, "ok is no regular expression")])
def test_misspelt_series_are_refused(given, why):
    with pytest.raises(InvalidInput, match=why):
        _signals.series_of(given)


@pytest.mark.parametrize(("share", "count", "doubtful"), [
    (0.0, 4, True), (0.25, 4, True), (0.75, 4, False), (0.0, 2, True), (0.0, 1, True), (0.5, 2, False), (0.0, 5, False), (1.0, 4, False), (None, 0, False)])
def test_few_log_ins_that_fail_are_neither_health_nor_an_incident(share, count, doubtful):
    facts = {"login_success": share, "login_count": count, "seconds": 5.0}
    assert bool(_signals.too_few(facts, 0.95)) == doubtful
