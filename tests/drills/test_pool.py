"""Slow queries and a role's limit are named and left alone, a restart that is not possible is refused, and what the connection log tells."""

from __future__ import annotations

import json

import pytest
from drill import NAMESPACE, cause

PLAYBOOK = "incident/db_pool_exhaustion.yml"


@pytest.fixture
def slow(healed):
    cause("slow_query")
    return healed


def test_slow_queries_are_named_and_left_alone(slow, runbook, incident_id, now):
    done = runbook.run(PLAYBOOK, incident_id=incident_id, db_pool_exhaustion_response_seconds=2)  # api-server gives up after 3
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "established: queries of api-server are slow" in flat
    assert "pg_sleep" in flat, "the query is named"
    assert "a person must look at it now" in flat
    record = slow.record(incident_id)
    assert record["incident"]["cause"] == "slow_query" and record["incident"]["status"] == "not_mitigated"
    assert record["incident"]["severity"] == "P2"
    assert "| response_seconds | **over** 95 % of the requests answered in " in next(runbook.incidents.rglob("report.md")).read_text()
    assert not [key for key in record if key.startswith("change.")]
    assert not [write for write in slow.writes(now) if "deployments" in write]


@pytest.fixture
def limited(healed):
    cause("role_limit")
    return healed


def test_the_limit_of_a_role_is_no_pool_that_is_too_small(limited, runbook, incident_id, now):
    done = runbook.run(PLAYBOOK, incident_id=incident_id)
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "established: the limit of the role or the database is used up" in flat and "role shop may have " in flat
    assert limited.record(incident_id)["incident"]["cause"] == "role_limit"
    assert not [write for write in limited.writes(now) if "deployments" in write], "no pool is raised"


def test_only_the_session_that_was_seen_is_ended(healed, runbook, incident_id):
    """A pid that belongs to another session by now is left alone."""
    asked = {"namespace": NAMESPACE, "incident_id": incident_id, "incidents_dir": str(runbook.incidents)}
    opened = runbook.module("sre.runbooks.incident", {
        "state": "open", "incident_id": incident_id, "incident_type": "drill", "namespace": NAMESPACE, "workload": "api-server"})
    assert opened["rc"] == 0
    unsaved = runbook.module("sre.runbooks.db_sessions_terminate", {**asked, "sessions": [{"pid": 1, "backend_start": "", "xact_start": ""}]})
    assert unsaved["rc"] != 0 and "is not saved yet" in unsaved["result"]["msg"]
    sessions = runbook.module("sre.runbooks.db_sessions_info", asked)["result"]["sessions"]
    mine = [session for session in sessions if session["client"] == "api-server"]
    stale = [{**session, "backend_start": "2020-01-01T00:00:00.000000Z"} for session in mine]
    ended = runbook.module("sre.runbooks.db_sessions_terminate", {**asked, "sessions": stale})["result"]
    assert ended["outcome"] == "unchanged" and ended["ended"] == []


@pytest.fixture
def leaking(healed):
    cause("pool_leak")
    yield healed
    healed.kubectl("delete", "lease", "runbooks-deployment-api-server", "--ignore-not-found")


def test_a_restart_that_is_blocked_is_refused_and_says_by_what(leaking, runbook, incident_id):
    quick = {"db_pool_exhaustion_leaked_after": 5, "incident_id": incident_id}

    def refused():
        generation = leaking.get("deployment", "api-server")["metadata"]["generation"]
        done = runbook.run(PLAYBOOK, **quick)
        record = leaking.record(incident_id)
        assert done.returncode != 0 and record["incident"]["status"] == "failed"
        assert not [key for key in record if key.startswith("change.")]
        assert leaking.get("deployment", "api-server")["metadata"]["generation"] == generation
        return " ".join(done.stdout.split())

    leaking.kubectl("rollout", "pause", "deployment/api-server")
    assert "its rollouts are paused" in refused()
    leaking.kubectl("rollout", "resume", "deployment/api-server")
    leaking.kubectl("patch", "deployment", "api-server", "-p", json.dumps(
        {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}}}))
    assert "PodDisruptionBudget api-server asks for 2" in refused()


def test_the_connection_log_tells_queries_peaks_and_requests_that_take_two(shop, runbook):
    today = shop.kubectl("exec", "deployment/debug-pod", "--", "date", "-u", "+%F").strip()
    calls = [f"http://api-server:8080/report?day={today}"] * 4 + ["http://api-server:8080/search?seconds=2"] * 3
    shop.kubectl("exec", "deployment/debug-pod", "--", "curl", "-s", "--parallel", *(word for url in calls for word in ("-o", "/dev/null", url)))
    found = runbook.module("sre.runbooks.connection_log_info", {"namespace": NAMESPACE, "workload": "api-server", "since_seconds": 120})["result"]
    queries = {row["at"]: row for row in found["log"]["queries"]}
    search = next(row for query, row in queries.items() if query.startswith("SELECT count(*), pg_sleep(?)"))
    assert search["p95_ms"] >= 2000 and any(query.startswith("INSERT INTO orders") for query in queries)
    assert found["log"]["longest"][0]["ms"] >= 2000
    assert {peak["pod"].rpartition("-")[0].rpartition("-")[0] for peak in found["log"]["peaks"]} == {"api-server"}
    nested = next(row for row in found["log"]["nested"] if row["inner"].startswith("Orders.bestSeller:"))
    assert nested["outer"].startswith("Orders.report:") and nested["count"] >= 4
    kinds = {(item["kind"], item["at"].partition(":")[0].partition("(?)")[0]) for item in found["improvements"]}
    assert {("nested", "Orders.bestSeller"), ("hold", "Orders.slowSearch"), ("query", "SELECT count(*), pg_sleep")} <= kinds
