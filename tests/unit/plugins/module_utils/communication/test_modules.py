# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as a playbook runs them: what is sent goes out in a process of its own, which needs nobody any more."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _outbox
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import UNDONE
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Task
from ansible_collections.sre.runbooks.plugins.modules import announce, outbox
from fake_api import serving as api_serving
from incidents import NAMESPACE, changed, opened, settled, template
from receivers import Receiver, serving, until


@pytest.fixture(name="api")
def fixture_api():
    with api_serving() as api:
        yield api


def task(api, module, check_mode=False, **more):
    params = {name: option.get("default") for name, option in {**CONNECTION_SPEC, **module.ARGUMENT_SPEC}.items()}
    params.update(host=api.url, api_token="t", cluster_name="prod", namespace=NAMESPACE, receiver_timeout=1.0, **more)
    return Task(params, check_mode)


def test_what_a_runbook_announces_goes_out_without_it(api):
    incident = opened(api)
    with serving(Receiver()) as receiver:
        receiver.troubles = ["500"]
        hook = {"kind": "webhook", "url": f"{receiver.url}/its-password"}
        result = announce.run(task(api, announce, incident_id="INC-1", kind="initial", template=template("initial"), channels=[hook], wait=0.0))
        assert result["deliveries"]["webhook"]["state"] in ("waiting", "sending") and not receiver.posted, "nobody has waited"
        until(lambda: receiver.posted and _outbox.deliveries(incident.again())[0].state == "sent", 30)
    assert "its-password" not in json.dumps([result, incident.again().kept("")])


def test_a_preview_writes_and_sends_nothing(api):
    incident = opened(api)
    with serving(Receiver()) as receiver:
        channels = [{"kind": "webhook", "url": receiver.url}, {"kind": "teams", "url": receiver.url}]
        before = incident.again().kept("")
        result = announce.run(task(api, announce, True, incident_id="INC-1", kind="initial", template=template("initial"), channels=channels))
        assert set(result["previews"]) == {"webhook", "teams"} and result["message"]["title"] == "[P2] Memory of api-server grows"
        assert not receiver.posted and incident.again().kept("") == before


def test_the_outbox_corrects_and_reminds_every_incident(api):
    told = []
    for number in (1, 2):
        incident = opened(api, f"INC-{number}")
        told.append((incident, changed(incident)))
        announce.run(task(api, announce, incident_id=incident.id, kind="update", template=template("update"), wait=0.0))
    told[0][0].mark(told[0][1], UNDONE)
    settled(opened(api, "INC-silent"))
    result = outbox.run(task(api, outbox, update_template=template("update"), reminder_template=template("reminder"), draft=True, cadence={"P2": 0}))
    assert result["corrected"] == ["INC-1"] and result["reminded"] == ["INC-1", "INC-2"]
    kinds = [one.kind for one in _outbox.messages(told[0][0].again())]
    assert kinds == ["update", "update", "reminder"] and "Correction" in _outbox.messages(told[0][0].again())[1].text
    later = outbox.run(task(api, outbox, update_template=template("update"), reminder_template=template("reminder"), cadence={"P2": 15}))
    assert later["corrected"] == later["reminded"] == []


def test_what_waits_and_what_is_lost_is_told(api):
    incident = opened(api)
    moment = datetime.datetime.now(datetime.timezone.utc).isoformat()
    for number, state in enumerate(("waiting", "rejected", "unclear", "sent"), 1):
        incident.keep({f"message.{number:04d}": {"incident_id": "INC-1", "number": number, "kind": "update", "status": "Monitoring", "at": moment, "text": "t"},
                       f"delivery.{number:04d}.gone": {"number": number, "channel": "gone", "state": state, "reason": "it answered 500"}})
    result = outbox.run(task(api, outbox, update_template=template("update"), wait=0.0))
    assert [row["state"] for row in result["waiting"]] == ["waiting"] and [row["state"] for row in result["lost"]] == ["rejected", "unclear"]
    assert "no channel of that name is configured here" in result["says"][0]
