# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts are data, whatever stands in them."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import random
import re

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _alert
from ansible_collections.sre.runbooks.plugins.module_utils._alerts._alert import NoAlert, read
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import check_id

CLUSTERS = ["prod-eu", "prod-us"]
GOOD = {"status": "firing", "fingerprint": "0a1b2c3d4e5f6071", "startsAt": "2026-11-28T08:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "annotations": {"summary": "memory in use of the limit: 96 %"},
        "labels": {"alertname": "RunbooksMemoryNearLimit", "incident_type": "memory_leak", "cluster": "prod-eu", "namespace": "ai-development",
                   "workload": "api-server", "severity": "page"}}
HOSTILE = ["{{ lookup('pipe','id') }}", "{% raw %}", "{# x #}", "$(id)", "`id`", "a\nb", "a\r\nHost: x", "x" * 5000, "../../etc/passwd", "a b", "A;rm -rf /",
           "-rf", "--limit=all", "all:!prod-eu", "*", "~prod", "", " ", "\x00", "\x1b[31m", "é", "a" * 64, "a,b", "localhost", {"a": 1}, ["a"], 7, True]


def changed(**labels: object) -> dict:
    alert = copy.deepcopy(GOOD)
    alert["labels"].update(labels)
    return alert


def test_a_good_one():
    found = read(GOOD, CLUSTERS)
    assert dataclasses.asdict(found) == {
        "status": "firing", "incident_type": "memory_leak", "cluster": "prod-eu", "namespace": "ai-development", "workload": "api-server",
        "fingerprint": "0a1b2c3d4e5f6071", "starts_at": "2026-11-28T08:00:00.123Z", "text": "memory in use of the limit: 96 %"}
    assert found.cluster is CLUSTERS[0], "what is used is the inventory's"


@pytest.mark.parametrize(("label", "value"), list(itertools.product(["cluster", "namespace", "workload"], HOSTILE)), ids=repr)
def test_a_name_that_is_none_is_refused(label, value):
    if label != "cluster" and value == "localhost":
        return  # a name like any other there
    with pytest.raises(NoAlert, match="Nothing was done") as raised:
        read(changed(**{label: value}), CLUSTERS)
    said = str(raised.value)
    assert len(said) < 400 and said.isprintable() and "{{" not in said and "$(" not in said


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_what_is_no_type_gets_the_health_check(value):
    found = read(changed(incident_type=value), CLUSTERS)
    assert found.incident_type == _alert.HEALTH_CHECK


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_a_text_is_harmless(value):
    alert = copy.deepcopy(GOOD)
    alert["annotations"] = {"summary": value, "description": value, "{{ x }}": value}
    alert["labels"].update({"other": value, "alertname": value})
    text = read(alert, CLUSTERS).text
    assert len(text) <= _alert.MOST_TEXT and (text.isprintable() or not text)
    assert not re.search(r"[{][{%#]|[$][(]|`", text)


def test_secrets_do_not_get_far():
    alert = copy.deepcopy(GOOD)
    alert["annotations"]["summary"] = "cannot log in with password=hunter2hunter2"
    assert "hunter2" not in read(alert, CLUSTERS).text


@pytest.mark.parametrize("given", [
    None, 7, "alert", [], [GOOD], {}, {"labels": []}, {"labels": "x"}, {**GOOD, "status": "{{ x }}"}, {**GOOD, "status": None},
    {**GOOD, "startsAt": "yesterday"}, {**GOOD, "startsAt": None}, {**GOOD, "startsAt": "9" * 5000}, {**GOOD, "annotations": {"x": "y" * 10 ** 7}},
    {**GOOD, "labels": {**GOOD["labels"], **{f"l{n}": "x" for n in range(10 ** 4)}}}, {**GOOD, "x": object()}], ids=lambda given: str(given)[:40])
def test_what_is_no_alert_is_refused(given):
    with pytest.raises(NoAlert, match="Nothing was done"):
        read(given, CLUSTERS)


def test_a_sender_names_only_clusters_that_it_may():
    with pytest.raises(NoAlert, match="'prod-us', which its sender may not name"):
        read(changed(cluster="prod-us"), ["prod-eu"])
    del (alone := copy.deepcopy(GOOD))["labels"]["cluster"]
    assert read(alone, ["prod-eu"]).cluster == "prod-eu"
    with pytest.raises(NoAlert, match="cluster"):
        read(alone, CLUSTERS)


def test_anything_at_all_is_read_or_refused():
    chance = random.Random(16)
    for _number in range(2000):
        alert = copy.deepcopy(GOOD)
        for _change in range(chance.randint(1, 4)):
            where = chance.choice([alert, alert["labels"] if isinstance(alert.get("labels"), dict) else alert])
            key = chance.choice([*where, "new"])
            where[key] = chance.choice([*HOSTILE, None, 1.5, GOOD, ["x"] * 3])
        try:
            found = read(alert, CLUSTERS)
        except NoAlert as error:
            assert str(error).isprintable()
            continue
        assert found.cluster in CLUSTERS and all(isinstance(value, str) for value in dataclasses.asdict(found).values())
        assert re.fullmatch(r"[a-z0-9./-]*", found.namespace + found.workload) and check_id(_alert.incident_id(found))


def test_the_incident_is_the_same_for_whoever_computes_it_and_another_for_another_target():
    ids = {_alert.incident_id(read(changed(**labels), CLUSTERS)) for labels in (
        {}, {"severity": "ticket"}, {"workload": "auth-service"}, {"namespace": "shop"}, {"cluster": "prod-us"}, {"incident_type": "crash_loop"})}
    assert len(ids) == 5
    assert _alert.incident_id(read(GOOD, CLUSTERS)) != _alert.incident_id(read(GOOD, CLUSTERS), repeat=1)
