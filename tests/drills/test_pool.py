"""Slow queries: their owner is named, and nothing is ended that nobody has allowed to end."""

from __future__ import annotations

import subprocess
import sys

import pytest
from drill import CLUSTER, NAMESPACE, ROOT


@pytest.fixture
def slow(healed):
    subprocess.run([sys.executable, str(ROOT / "tests/lab/lab"), "fault", "slow_query", "--cluster", CLUSTER.name], check=True)
    return healed


def test_slow_queries_are_named_and_left_alone(slow, runbook, incident_id, now):
    done = runbook.run("incident/db_pool_exhaustion.yml", incident_id=incident_id)
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "likeliest cause: queries of api-server are slow" in flat
    assert "pg_sleep" in flat, "the query is named"
    assert "a person must look at it now" in flat
    record = slow.record(incident_id)
    assert record["incident"]["cause"] == "slow_query" and record["incident"]["status"] == "not_mitigated"
    assert not [key for key in record if key.startswith("change.")]
    assert not [write for write in slow.writes(now) if "deployments" in write]


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
