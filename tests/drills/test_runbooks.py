"""What holds for every runbook: it leaves a healthy shop alone, and refuses a target that is not there."""

from __future__ import annotations

import pytest

RUNBOOKS = ["memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "data_inconsistency"]


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_healthy_shop_is_left_alone(shop, runbook, now, name):
    # What an earlier drill did to the database is in the logs of the last minute, and counts there rightly.
    done = runbook.run(f"incident/{name}.yml", db_pool_exhaustion_log_seconds=5)
    assert done.returncode == 0
    assert "nothing is over its threshold" in done.stdout
    assert shop.writes(now) == []
    assert not runbook.incidents.exists(), "no incident, no files"


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_workload_that_is_not_there_is_refused(shop, runbook, now, name):
    done = runbook.run(f"incident/{name}.yml", **{f"{name}_workload": "no-such-thing", "runbooks_force": True})
    flat = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "there is no deployment/no-such-thing in namespace ai-development" in flat
    assert "api-server" in flat, "the workloads that are there are named"
    assert shop.writes(now) == []


@pytest.mark.parametrize("name", RUNBOOKS)
def test_check_mode_writes_nothing(shop, runbook, now, name):
    done = runbook.run(f"incident/{name}.yml", "--check", "--diff", runbooks_force=True, memory_leak_heap_dump=False)
    assert done.returncode == 0
    assert shop.writes(now) == []


def test_an_outage_is_not_taken_for_health(healed, runbook):
    healed.kubectl("scale", "deployment/auth-service", "--replicas=0")
    healed.kubectl("wait", "--for=delete", "pods", "-l", "app=auth-service", "--timeout=60s")
    done = runbook.run("incident/auth_degradation.yml")
    assert done.returncode != 0
    assert "no pod of auth-service is ready" in " ".join(done.stdout.split())
