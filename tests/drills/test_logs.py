"""Logs as patterns: the error that came with a broken client is first and new, its secret is gone, and what goes wrong is said."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from drill import NAMESPACE, until

TOKEN = "open-sesame-and-more"
BROKEN = f"http://api-server:8080/search?seconds=token={TOKEN}"
ASKED = {"namespace": NAMESPACE, "workload": "api-server"}


@pytest.fixture(name="began")
def fixture_began(shop):
    """A client puts its token where a number belongs; the time before that is known, and so is the time it began."""
    until(lambda: _age(shop) > 75, timeout=80, pause=1)
    time.sleep(1)
    began = datetime.datetime.now(datetime.timezone.utc)
    shop.kubectl("exec", "deployment/debug-pod", "--", "sh", "-c", f"for i in $(seq 30); do curl -s -o /dev/null '{BROKEN}'; done")
    return began.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_new_error_is_first_and_its_secret_is_gone(shop, runbook, incident_id, began):
    done = runbook.run("analysis/logs.yml", logs_since=began, incident_id=incident_id)
    saved = next(runbook.incidents.rglob("log-patterns.json")).read_text()
    assert done.returncode == 0
    assert "new, 30 × since" in " ".join(done.stdout.split())
    first = json.loads(saved)["patterns"][0]
    assert first["new"] and first["since"] == 30 and first["level"] == "error"
    assert first["template"].startswith("ERROR api bad request req <*> route ") and "NumberFormatException" in first["template"]
    assert len(first["sources"]) > 1, "every replica is read"
    assert first["first_seen"] >= began
    assert TOKEN not in done.stdout + saved and "[REDACTED]" in first["examples"][0]


def test_saved_logs_tell_when_errors_rose_and_which(shop, runbook, incident_id, began):
    saved = {"incident_id": incident_id, "incidents_dir": str(runbook.incidents)}
    assert runbook.module("sre.runbooks.workload_logs", {**ASKED, **saved})["rc"] == 0
    answer = runbook.module("sre.runbooks.log_patterns_info", {**saved, "captured": True, "since": "errors"})["result"]
    assert answer["since"] and "rose from" in answer["how"]
    assert "NumberFormatException" in answer["patterns"][0]["template"] and answer["patterns"][0]["since"] >= 30
    assert answer["tables"][0]["rows"][0][0].startswith("ERROR api bad request")
    assert TOKEN not in json.dumps(answer)


def test_what_is_asked_wrongly_or_may_not_be_read_is_said(shop, runbook):
    bad = runbook.module("sre.runbooks.log_patterns_info", {**ASKED, "since": "yesterday"})
    assert bad["rc"] != 0 and "'yesterday' is no time" in bad["result"]["msg"]
    absent = runbook.module("sre.runbooks.log_patterns_info", {**ASKED, "workload": "no-such-thing"})
    assert absent["rc"] != 0 and "no-such-thing" in absent["result"]["msg"]
    forbidden = runbook.module("sre.runbooks.log_patterns_info", {"namespace": "kube-system", "workload": "coredns"})
    assert forbidden["rc"] != 0 and "kube-system" in forbidden["result"]["msg"]


def test_since_the_rollout_there_is_nothing_to_compare_with_and_it_says_so(shop, runbook):
    found = runbook.module("sre.runbooks.log_patterns_info", {**ASKED, "since": "rollout"})["result"]
    assert found["records"] > 0 and not any(pattern["new"] for pattern in found["patterns"])
    assert any("what is new cannot be told" in line for line in found["says"])


def _age(shop):
    """Seconds for which the youngest pod of api-server has run."""
    pods = json.loads(shop.kubectl("get", "pods", "-l", "app=api-server", "-o", "json"))["items"]
    started = max(pod["metadata"]["creationTimestamp"] for pod in pods)
    return time.time() - datetime.datetime.fromisoformat(started).timestamp()
