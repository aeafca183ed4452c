"""Situations that are no fault of the lab's own, one for each kind of mistake that a runbook can make in judging them.

For each: the cause that is named, no change that does harm, "mitigated" only where customers are served. Beside the assertions every
drill writes how customers were served before and after.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time

import drill
import pytest
from labkit import faults
from labkit.host import LabError

pytestmark = pytest.mark.alone

AUTH = {"auth_degradation_smoke_user": "alice", "auth_degradation_smoke_password": "wonderland", "auth_degradation_window": 10}
BREAKER = {"CIRCUIT_BREAKER_ENABLED": "false"}
#: requests that nobody waits for between two of them, each again as soon as it is answered
CLOSED_LOOP = """
for worker in $(seq 12); do
  (while :; do curl -s -o /dev/null --max-time 10 -H "X-Client: $1" "http://api-gateway:8080$2" || sleep 0.2; done) &
done
wait"""


class Seen:
    """What came of a run: its output in one line, its record, and how customers were served before and after."""

    def __init__(self, shop, incident_id, run):
        self.before = shop.served()
        self.done = run()
        self.after = shop.served()
        self.flat = " ".join(self.done.stdout.split())
        record = shop.record(incident_id) if f"incident-{incident_id}" in shop.kubectl("get", "configmaps", "-o", "name") else {}
        head = record.get("incident", {})
        self.cause, self.status = head.get("cause"), head.get("status")
        self.made = [(value["change"]["summary"], value["state"]) for key, value in record.items() if key.startswith("change.")]
        print(f"SEEN rc={self.done.returncode} cause={self.cause} status={self.status} changes={self.made}")
        print(f"SEEN customers before {self.before[0]:.1f}/s ({self.before[1]:.0%}), after {self.after[0]:.1f}/s ({self.after[1]:.0%})")


@pytest.fixture(name="answer")
def fixture_answer(healed, runbook, incident_id):
    def run(name, *flags, **variables):
        return Seen(healed, incident_id, lambda: runbook.run(f"incident/{name}.yml", *flags, incident_id=incident_id, **variables))
    return run


@contextlib.contextmanager
def repeating(act, every):
    """Somebody who acts again and again, whatever others do."""
    over = threading.Event()

    def go_on():
        while not over.wait(every):
            with contextlib.suppress(LabError):
                act()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def fights(shop, wanted, put_back, after):
    """Put something back each time it has been otherwise for so many seconds."""
    since = [0.0]

    def act():
        if wanted(shop):
            since[0] = 0.0
        elif not since[0]:
            since[0] = time.monotonic()
        elif time.monotonic() - since[0] >= after:
            put_back(shop)
    return repeating(act, 1)


@contextlib.contextmanager
def closed_loop(shop, client, route):
    """A client that asks again as soon as it is answered: the quicker it is refused, the more it asks."""
    shop.kubectl("run", client, "--image=shop/debug-pod:lab", "--image-pull-policy=IfNotPresent", "--restart=Never", "--command", "--",
                 "sh", "-c", CLOSED_LOOP, "sh", client, route)
    try:
        shop.kubectl("wait", "--for=condition=Ready", f"pod/{client}", "--timeout=60s")
        yield
    finally:
        shop.kubectl("delete", "pod", client, "--grace-period=0", "--force")


def env_of(shop, workload):
    return {entry["name"]: entry.get("value") for entry in shop.get("deployment", workload)["spec"]["template"]["spec"]["containers"][0].get("env", [])}


def patch(shop, workload, **spec):
    shop.kubectl("patch", "deployment", workload, "-p", json.dumps({"spec": {"template": {"spec": spec}}}))


# --- our change does not stay ---


@pytest.mark.parametrize("after", [12, 45])
def test_a_rollback_that_somebody_takes_back_is_no_mitigation(healed, answer, after):
    drill.cause("auth_bad_release")
    with fights(healed, lambda shop: env_of(shop, "auth-service").get("PASSWORD_PEPPER") == "v2",
                lambda shop: shop.kubectl("set", "env", "deployment/auth-service", "PASSWORD_PEPPER=v2"), after):
        seen = answer("auth_degradation", **AUTH)
    assert (seen.cause, seen.status) == ("bad_release", "not_mitigated")
    assert "no longer in place" in seen.flat and "kubectl-set" in seen.flat


def test_a_step_of_the_ladder_that_somebody_takes_back_is_no_mitigation(healed, answer):
    drill.cause("gateway_slow_upstream")
    with fights(healed, lambda shop: shop.get("configmap", "api-gateway-config")["data"]["CIRCUIT_BREAKER_ENABLED"] == "false",
                lambda shop: shop.kubectl("patch", "configmap", "api-gateway-config", "-p", json.dumps({"data": BREAKER})), 25):
        seen = answer("api_gateway_overload", api_gateway_overload_steps={"slow_upstream": ["circuit_breaker"]}, api_gateway_overload_step_timeout=40)
    assert (seen.cause, seen.status) == ("slow_upstream", "not_mitigated")


# --- the database ---


def test_a_database_that_is_down_is_named_and_nothing_is_changed(healed, answer):
    healed.kubectl("annotate", "deployment/postgres", f"{faults.SPOILED}=true", "--overwrite")
    healed.kubectl("scale", "deployment/postgres", "--replicas=0")
    time.sleep(20)
    seen = answer("db_pool_exhaustion")
    assert (seen.cause, seen.status, seen.made) == ("database_down", "not_mitigated", [])


def sql(shop, text):
    shop.kubectl("exec", "-i", "deployment/postgres", "--", "psql", "-h", "/tmp", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "shop", stdin=text)


ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop';\n"


def test_a_password_that_was_changed_is_named_and_nothing_is_changed(healed, answer):
    healed.kubectl("annotate", "deployment/postgres", f"{faults.SPOILED}=true", "--overwrite")
    sql(healed, f"ALTER ROLE shop PASSWORD 'another';\n{ENDED}")
    time.sleep(20)
    seen = answer("db_pool_exhaustion")
    assert (seen.cause, seen.status, seen.made) == ("credentials_refused", "not_mitigated", [])


def test_a_database_that_admits_nobody_is_named_and_nothing_is_changed(healed, answer):
    healed.kubectl("annotate", "deployment/postgres", f"{faults.SPOILED}=true", "--overwrite")
    healed.kubectl("exec", "deployment/postgres", "--", "sh", "-c", "cd \"$(psql -h /tmp -U postgres -Atc 'SHOW data_directory')\" && "
                   "{ echo 'host all shop all reject'; cat pg_hba.conf; } > new && mv new pg_hba.conf")
    sql(healed, f"SELECT pg_reload_conf();\n{ENDED}")
    time.sleep(20)
    seen = answer("db_pool_exhaustion")
    assert (seen.cause, seen.status, seen.made) == ("not_admitted", "not_mitigated", [])


def test_two_clients_of_one_program_are_told_apart(healed, answer):
    drill.cause("idle_in_transaction")
    healed.kubectl("scale", "deployment/nightly-report", "--replicas=2")
    healed.kubectl("set", "env", "deployment/nightly-report", "SESSIONS=45")
    time.sleep(20)
    pods = [name.removeprefix("pod/") for name in healed.kubectl("get", "pods", "-l", "app=nightly-report", "-o", "name").split()]
    seen = answer("db_pool_exhaustion")
    assert (seen.cause, seen.made) == ("other_client", [])
    assert len(pods) == 2 and all(pod in seen.flat for pod in pods), pods


# --- the change cannot be made, or leads nowhere ---


def test_a_circuit_that_refuses_all_is_no_success(healed, answer):
    drill.cause("gateway_slow_upstream")
    with closed_loop(healed, "impatient", "/api/search?seconds=6"):
        time.sleep(10)
        seen = answer("api_gateway_overload", api_gateway_overload_steps={"slow_upstream": ["circuit_breaker"]}, api_gateway_overload_step_timeout=45)
    assert seen.status == "not_mitigated" or seen.after[0] >= seen.before[0]


def test_a_quota_in_the_way_of_more_pods_leaves_the_other_steps(healed, answer):
    drill.cause("gateway_overload")
    healed.kubectl("create", "quota", "tight", "--hard=pods=14")
    try:
        drill.until(lambda: healed.get("quota", "tight").get("status", {}).get("used"), pause=0.5)
        seen = answer("api_gateway_overload", api_gateway_overload_step_timeout=45)
    finally:
        healed.kubectl("delete", "quota", "tight")
    assert seen.cause == "load_above_capacity" and "ResourceQuota tight has" in seen.flat
    assert seen.status == "not_mitigated" or seen.after[1] >= 0.9 or seen.after[0] > seen.before[0]


def test_the_route_that_a_scraper_loads_is_named(healed, answer):
    drill.cause("gateway_overload")
    seen = answer("api_gateway_overload", "--check")
    assert "Most of it is for /users" in seen.flat and "profile-crawler sends most" in seen.flat


def test_no_rollback_to_what_needs_a_secret_that_is_gone(healed, answer):
    healed.kubectl("create", "secret", "generic", "old-pepper", "--from-literal=pepper=")
    old = {"name": "auth-service", "env": [{"name": "OLD", "valueFrom": {"secretKeyRef": {"name": "old-pepper", "key": "pepper"}}}]}
    patch(healed, "auth-service", containers=[old])
    healed.kubectl("rollout", "status", "deployment/auth-service", "--timeout=90s")
    healed.kubectl("delete", "secret", "old-pepper")
    gone = [{"name": "OLD", "$patch": "delete"}, {"name": "PASSWORD_PEPPER", "value": "v2"}]
    patch(healed, "auth-service", containers=[{"name": "auth-service", "env": gone}])
    drill.cause("auth_bad_release")
    seen = answer("auth_degradation", **AUTH)
    assert seen.cause == "bad_release"
    assert "old-pepper" in seen.flat
    assert seen.status == "mitigated" and seen.after[1] >= 0.9


def test_a_bad_revision_that_is_rolled_out_again_is_not_old(healed, answer):
    drill.cause("auth_bad_release")
    time.sleep(50)
    healed.kubectl("set", "env", "deployment/auth-service", "PASSWORD_PEPPER-")
    healed.kubectl("rollout", "status", "deployment/auth-service", "--timeout=90s")
    time.sleep(20)
    drill.cause("auth_bad_release")
    seen = answer("auth_degradation", auth_degradation_recent_minutes=1, **AUTH)
    assert (seen.cause, seen.status) == ("bad_release", "mitigated")
    assert seen.after[1] >= 0.9


@pytest.mark.parametrize("name, workload, variables", [
    ("auth_degradation", "auth-service", AUTH), ("db_pool_exhaustion", "api-server", {})])
def test_a_rollout_that_is_stuck_for_good_has_a_way_out(healed, answer, name, workload, variables):
    drill.cause({"auth_degradation": "auth_bad_release", "db_pool_exhaustion": "pool_leak"}[name])
    healed.kubectl("set", "image", f"deployment/{workload}", f"{workload}=shop/services:never-built")
    drill.until(lambda: "ImagePullBackOff" in healed.kubectl("get", "pods", "-l", f"app={workload}", "-o", "json"), timeout=90, pause=1)
    seen = answer(name, **variables)
    assert "never-built" in seen.flat
    assert seen.status != "mitigated" or seen.after[1] >= 0.9


# --- what was not measured ---


def test_signals_that_were_not_measured_are_no_health(healed, answer):
    drill.cause("auth_bad_release")
    misspelt = answer("auth_degradation", auth_degradation_series={"logins": "auth_login_attempts"}, **AUTH)
    assert misspelt.done.returncode != 0 and "auth_login_attempts" in misspelt.flat and "could not be measured" in misspelt.flat
    assert misspelt.made == []
