"""What changed before it broke: the planted change is the first candidate, and what may not be read is named."""

from __future__ import annotations

import datetime
import json
import re
import time

import pytest
from drill import NAMESPACE, ROOT, cause

pytestmark = pytest.mark.alone  # what earlier drills changed a few minutes ago is a candidate too, and rightly

#: what ails, the fault that is planted, and the objects whose change it is
PLANTED = [
    ("auth-service", "auth_bad_release", {"deployment/auth-service"}),
    ("auth-service", "auth_rotated_secret", {"secret/auth-signing-key"}),
    ("api-gateway", "gateway_undersized", {"deployment/api-gateway", "configmap/api-gateway-config"}),
    ("api-server", "idle_in_transaction", {"deployment/nightly-report"}),
    # Last, because what heals it is a change of what every service needs.
    ("auth-service", "auth_redis_refusing", {"deployment/redis"}),
]

#: long enough for a log to show that it has no errors
QUIET_SECONDS = 20


@pytest.fixture(name="fault")
def fixture_fault(healed):
    return cause


@pytest.fixture(name="ask")
def fixture_ask(runbook):
    def ask(workload, **options):
        answer = runbook.module("sre.runbooks.change_correlation_info", {"namespace": NAMESPACE, "workload": workload, **options})
        assert answer["rc"] == 0
        return answer["result"]
    return ask


@pytest.mark.parametrize(("workload", "name", "planted"), PLANTED, ids=[name for _workload, name, _planted in PLANTED])
def test_the_planted_change_is_the_first_candidate(fault, ask, now, workload, name, planted):
    fault(name)
    found = ask(workload)
    assert found["cause"].partition(" ")[2] in planted
    assert found["candidates"][0]["evidence_for"]
    assert [row for row in found["timeline"] if row["at"] >= now and row["object"] in planted]


@pytest.fixture(name="quiet_logs")
def fixture_quiet_logs(healed):
    """New pods, callers last, which have served for a while: no error of an earlier drill is in their logs."""
    for app in ("auth-service", "api-gateway"):
        healed.kubectl("delete", "pods", "-l", f"app={app}")
        healed.kubectl("rollout", "status", f"deployment/{app}", "--timeout=120s")
    time.sleep(QUIET_SECONDS)
    return healed


def test_the_onset_is_read_from_the_log_and_what_comes_later_is_no_cause(quiet_logs, fault, ask, now):
    fault("auth_redis_refusing")
    quiet_logs.kubectl("patch", "secret/auth-signing-key", "-p", json.dumps({"metadata": {"labels": {"a": "b"}}, "stringData": {"note": "later"}}))
    found = ask("auth-service")
    earlier, later = map(float, re.search(r"rose from ([\d.]+) to ([\d.]+) a minute", found["onset"]["how"]).groups())
    assert later > 10 * max(earlier, 1)
    assert found["onset"]["at"] >= now
    assert found["cause"] == "stopped deployment/redis"
    kinds = [row["kind"] for row in found["timeline"] if row["at"] >= now and row["kind"] != "pod"]
    assert kinds[-3:] == ["stopped", "onset", "secret"]


def test_who_needs_whom_is_read_from_environment_metrics_and_logs(shop, ask):
    edges = {(edge["source"].partition("/")[2], edge["target"].partition("/")[2]): edge["how"] for edge in ask("api-gateway")["graph"]}
    assert edges["api-server", "postgres"] == ["env DB_HOST"]
    assert "its metrics" in edges["api-gateway", "auth-service"]


def test_nothing_of_a_secret_travels_and_nothing_is_written(shop, ask, now):
    since = datetime.datetime.now(datetime.timezone.utc)
    found = ask("auth-service")
    assert "shop-lab" not in json.dumps(found)
    assert found["not_seen"] == []
    assert shop.writes(since.isoformat()) == []


def test_what_may_not_be_read_is_named(healed, shop, ask):
    shop.kubectl("delete", "rolebinding", "runbooks-analysis")
    try:
        found = ask("auth-service")
    finally:
        shop.cluster.kubectl("apply", "-f", ROOT / "docs/rbac/analysis.yml")
    assert "Secret" in {row["kind"] for row in found["not_seen"]}  # Services may be listed by the Role of the health check too
    assert "not seen: " in found["says"][-1] and "Secret (" in found["says"][-1]
