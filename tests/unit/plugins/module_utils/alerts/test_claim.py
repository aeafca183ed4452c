# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run for each incident, whatever is delivered how often, by whom and when."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import json
import threading

import fake_api
import pytest
from fake_api import FakeApi

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _claim
from ansible_collections.sre.runbooks.plugins.module_utils._alerts._alert import Alert
from ansible_collections.sre.runbooks.plugins.module_utils._alerts._claim import (
    ANSWER, COOLDOWN, DONE, DUPLICATE, JOINED, NOTHING, RESOLVED, Claim, Limits, claim, decide, finish)
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import alert_standing_info

LIMITS = Limits(run=3600, cooldown=1800)
FIRST = Alert("firing", "memory_leak", "prod", "shop", "api-server", "aaaaaaaaaaaaaaaa", "2026-11-28T08:00:00.000Z", "memory")
OTHER = dataclasses.replace(FIRST, fingerprint="bbbbbbbbbbbbbbbb", text="heap")
LATER = dataclasses.replace(FIRST, starts_at="2026-11-28T09:00:00.000Z")


def resolved(alert: Alert) -> Alert:
    return dataclasses.replace(alert, status="resolved")


def after(*steps: tuple[float, object]) -> Claim | None:
    """The claim after deliveries (an alert) and ends of runs (an outcome), at their seconds."""
    known = None
    for now, step in steps:
        known = dataclasses.replace(known, state=DONE, outcome=step, since=now) if isinstance(step, str) else decide(known, step, now, LIMITS)[1]
    return known


@pytest.mark.parametrize(("before", "now", "alert", "action"), [
    ([], 0, FIRST, ANSWER), ([], 0, resolved(FIRST), NOTHING),
    ([(0, FIRST)], 1, FIRST, DUPLICATE), ([(0, FIRST)], 1, OTHER, JOINED), ([(0, FIRST)], 1, resolved(FIRST), RESOLVED),
    ([(0, FIRST), (1, resolved(FIRST))], 2, resolved(FIRST), NOTHING), ([(0, FIRST)], 1, resolved(OTHER), NOTHING),
    ([(0, FIRST)], 3600, FIRST, ANSWER), ([(0, FIRST)], 3599, FIRST, DUPLICATE),
    ([(0, FIRST), (60, "mitigated")], 100, FIRST, COOLDOWN), ([(0, FIRST), (60, "mitigated")], 100, LATER, COOLDOWN),
    ([(0, FIRST), (60, "mitigated")], 1859, LATER, COOLDOWN), ([(0, FIRST), (60, "mitigated")], 1860, LATER, ANSWER),
    ([(0, FIRST), (60, "mitigated")], 1860, FIRST, ANSWER), ([(0, FIRST), (60, "failed")], 100, FIRST, COOLDOWN),
    ([(0, FIRST), (10, "healthy")], 30, FIRST, COOLDOWN), ([(0, FIRST), (10, "healthy")], 70, FIRST, ANSWER),
    ([(0, FIRST), (60, "mitigated"), (90, resolved(FIRST))], 4000, FIRST, DUPLICATE),
    ([(0, LATER), (60, "mitigated")], 4000, FIRST, DUPLICATE), ([(0, LATER)], 1, FIRST, DUPLICATE),
    ([(0, FIRST), (60, "mitigated"), (90, resolved(FIRST))], 4000, LATER, ANSWER),
    # what is sent again by somebody who has listened, after another alert has begun the next incident
    ([(0, FIRST), (60, "mitigated"), (90, resolved(FIRST)), (4000, OTHER), (4060, "mitigated")], 9000, FIRST, DUPLICATE),
    ([(0, FIRST), (60, "mitigated"), (90, resolved(FIRST)), (4000, OTHER), (4060, "mitigated")], 9000, LATER, ANSWER)])
def test_what_is_done_about_a_delivery(before, now, alert, action):
    assert decide(after(*before), alert, now, LIMITS)[0] == action


def test_a_run_that_was_broken_off_is_taken_over_and_what_comes_again_is_another_incident():
    begun = after((0, FIRST))
    assert decide(begun, FIRST, 3600, LIMITS)[1].incident_id == begun.incident_id
    ended = after((0, FIRST), (60, "mitigated"))
    again = decide(ended, FIRST, 9000, LIMITS)[1]
    assert again.incident_id != begun.incident_id and decide(ended, LATER, 9000, LIMITS)[1].incident_id not in (begun.incident_id, again.incident_id)


def test_a_storm_is_bounded():
    known = None
    for number in range(1000):
        action, known = decide(known, dataclasses.replace(FIRST, fingerprint=f"{number:016x}"), 1.0, LIMITS)
        assert action == (JOINED if number else ANSWER)
    assert len(known.alerts) == _claim.MOST_ALERTS and known.more == 800


class Strict(FakeApi):
    """As an API server: what exists is not created again, and a patch of another version is refused."""

    lock = threading.Lock()

    def handle(self, method: str, path: str, query: dict, body: bytes) -> tuple:
        with self.lock:
            sent = json.loads(body) if body else {}
            where = f"{path}/{sent['metadata']['name']}" if method == "POST" else path
            wanted = (sent.get("metadata") or {}).get("resourceVersion") if method == "PATCH" else None
            if method == "POST" and where in self.objects or wanted and wanted != self.objects[path]["metadata"]["resourceVersion"]:
                return 409, json.dumps({"message": "conflict"}).encode(), {}
            answer = super().handle(method, path, query, body)
            if method in ("POST", "PATCH") and where in self.objects:
                meta = self.objects[where]["metadata"]
                meta["resourceVersion"] = str(int(meta.get("resourceVersion", 0)) + 1)
            return answer


def test_a_storm_from_everywhere_at_once_comes_to_one_run_for_each_cause():
    """Two Alertmanagers deliver 36 alerts of three causes on two targets, each twice, to rulebooks that know nothing of each other."""
    alerts = [dataclasses.replace(FIRST, workload=workload, incident_type=kind, fingerprint=f"{number:016x}")
              for workload in ("api-server", "auth-service") for kind in ("memory_leak", "crash_loop", "db_pool_exhaustion") for number in range(6)]
    with fake_api.serving(Strict()) as api, concurrent.futures.ThreadPoolExecutor(8) as pool:
        cluster = api.cluster
        answers = list(pool.map(lambda alert: (alert, claim(cluster, alert, LIMITS)), [one for one in alerts for _twice in range(2)]))
    runs = [found.incident_id for _alert, (action, found) in answers if action == ANSWER]
    assert len(runs) == len(set(runs)) == 6
    counted = collections.Counter(action for _alert, (action, _found) in answers)
    assert counted == {ANSWER: 6, JOINED: 30, DUPLICATE: 36}
    assert len(api.objects) == 6 and all(len(_claim._read(item).alerts) == 6 for item in api.objects.values())


def test_the_life_of_an_incident_over_a_restart():
    with fake_api.serving(Strict()) as api:
        action, begun = claim(api.cluster, FIRST, LIMITS)
        assert action == ANSWER
        Incident.open(api.cluster, begun.incident_id, "memory_leak", Target("shop", "Deployment", "api-server"), severity="P2")
        assert claim(api.cluster, FIRST, LIMITS)[0] == DUPLICATE
        assert claim(api.cluster, OTHER, LIMITS)[0] == JOINED
        finish(api.cluster, FIRST, begun.incident_id, "mitigated")
        finish(api.cluster, FIRST, "somebody-else", "failed")
        assert claim(api.cluster, LATER, LIMITS)[0] == COOLDOWN
        assert claim(api.cluster, resolved(LATER), LIMITS)[0] == RESOLVED
        events = [event["text"] for event in Incident.load(api.cluster, "shop", begun.incident_id).timeline()]
    assert events == ["another alert joins: heap", "an alert within the cooldown, so no second run: memory", "alert resolved: memory (1 still firing)"]


def test_what_has_ended_is_remembered_within_bounds():
    known, now = None, 0.0
    for number in range(400):
        one = dataclasses.replace(FIRST, fingerprint=f"{number:016x}", starts_at=f"2026-11-28T08:{number // 60:02d}:{number % 60:02d}.000Z")
        action, known = decide(known, one, now, LIMITS)
        assert action == ANSWER
        known = dataclasses.replace(decide(known, resolved(one), now + 1, LIMITS)[1], state=DONE, outcome="mitigated", since=now + 1)
        now += 4000
    assert len(known.alerts) <= _claim.MOST_ALERTS
    assert decide(known, dataclasses.replace(one, starts_at=one.starts_at), now, LIMITS)[0] == DUPLICATE


@pytest.mark.parametrize(("deliveries", "stands", "firing"), [
    ([FIRST], True, 1), ([FIRST, resolved(FIRST)], False, 0), ([FIRST, OTHER, resolved(FIRST)], True, 1),
    ([FIRST, OTHER, resolved(FIRST), resolved(OTHER)], False, 0), ([FIRST, resolved(FIRST), FIRST], False, 0), ([FIRST, resolved(FIRST), LATER], True, 1)])
def test_an_incident_stands_while_one_of_its_alerts_fires(deliveries, stands, firing):
    with fake_api.serving() as api:
        for alert in deliveries:
            claim(api.cluster, alert, LIMITS)
        incident = claim(api.cluster, FIRST, LIMITS)[1].incident_id
        params = {name: option.get("default") for name, option in alert_standing_info.ARGUMENT_SPEC.items()} | {"host": api.url, "namespace": "shop"}
        found = attempt(alert_standing_info.ARGUMENT_SPEC, alert_standing_info.run, Task(params | {"incident_id": incident}), 0)
        other = attempt(alert_standing_info.ARGUMENT_SPEC, alert_standing_info.run, Task(params | {"incident_id": "of-a-person"}), 0)
    assert (found["stands"], found["firing"], bool(found["says"])) == (stands, firing, not stands)
    assert other["stands"] and not other["says"], "an incident that no alert began"
