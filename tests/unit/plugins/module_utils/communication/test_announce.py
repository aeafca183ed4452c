# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be told when, and in which words: everything from the record."""

from __future__ import annotations

import datetime
import time

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _announce, _channels, _outbox, _standing
from ansible_collections.sre.runbooks.plugins.module_utils._communication._compose import Said
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import UNDONE
from fake_api import serving as api_serving
from incidents import changed, opened, settled, template

HOOK = _channels.checked([{"kind": "webhook", "url": "http://127.0.0.1:9/"}])


@pytest.fixture(name="api")
def fixture_api():
    with api_serving() as api:
        yield api


def told(incident, kind, **more):
    time.sleep(0.002)  # times are in milliseconds, and these tests are quicker
    _incident, message = _announce.announce(incident.again(), kind, template("update" if kind == "correction" else kind), HOOK, **more)
    return message


def labels(message):
    return [part.label for part in message.parts]


def test_the_initial_response_has_the_playbooks_fields(api):
    message = told(opened(api), "initial")
    assert message.title == "[P2] Memory of api-server grows"
    assert labels(message) == ["Title", "Severity", "Time detected", "Impact", "Status", "Incident commander", "Updates", "Affected"]
    said = {part.label: part.lines[0] for part in message.parts}
    assert said["Status"] == "Investigating" and said["Updates"] == "every 15 minutes or on change" and said["Incident commander"] == "nobody yet"
    assert said["Impact"] == "memory at 97 % of the limit"


def test_a_status_update_has_the_playbooks_fields(api):
    incident = opened(api)
    changed(incident)
    message = told(incident, "update")
    assert labels(message) == ["Time", "Status", "Actions taken", "Next steps", "ETA"]
    assert message.parts[2].lines == ("memory limit 512Mi to 1Gi",) and message.status == "Monitoring"


def test_the_resolution_notice_has_the_playbooks_fields(api):
    incident = opened(api)
    changed(incident)
    settled(incident)
    message = told(incident, "resolved", said=Said(prevention=("an alert at 80 %",), postmortem_at="2026-12-01 10:00 UTC"))
    assert labels(message) == ["Resolution time", "Duration", "Root cause", "Fix", "Prevention", "Post-mortem"]
    said = {part.label: part.lines for part in message.parts}
    assert said["Root cause"] == ("heap leak",) and said["Fix"] == ("memory limit 512Mi to 1Gi (temporary)",)
    assert said["Post-mortem"] == ("2026-12-01 10:00 UTC",) and message.status == "Resolved"


def test_what_the_runbook_found_is_told_in_its_words(api):
    incident = opened(api)
    incident.measured("detect", [{"at": "2026-11-28T08:00:00Z", "signals": [
        {"name": "error_share", "value": 0.3, "threshold": 0.05, "breached": True, "text": "30 % of requests fail"}]}])
    assert "Impact: requests that failed: 30 % of requests fail" in told(incident, "initial").text
    incident.found({"outcome": "mitigated", "next_steps": ["do not deploy it again"], "diagnosis": {
        "cause": "leak", "fixes": ["close the cache"], "candidates": [{"name": "leak", "title": "a cache that grows"}]}}, [])
    settled(incident, cause="leak")
    assert told(incident, "update").parts[3].lines == ("do not deploy it again",)
    said = {part.label: part.lines for part in told(incident, "resolved").parts}
    assert said["Root cause"] == ("a cache that grows",) and said["Prevention"] == ("close the cache",)


@pytest.mark.parametrize("outcome", ["open", "not_mitigated", "unknown", "failed", "contained", "cooldown"])
def test_nothing_is_called_resolved_whose_verification_was_not_clear(api, outcome):
    incident = opened(api)
    changed(incident)
    if outcome != "open":
        settled(incident, outcome)
    with pytest.raises(Refused, match="not announced as resolved"):
        told(incident, "resolved")
    assert _outbox.messages(incident.again()) == []


def test_an_update_does_not_say_resolved_before_the_notice_has(api):
    incident = settled(opened(api))
    assert told(incident, "update").status in ("Identified", "Monitoring")
    assert told(incident, "resolved").status == "Resolved"
    assert told(incident, "update").status == "Resolved"


def test_a_change_that_was_taken_back_after_the_verification_needs_a_new_one(api):
    incident = opened(api)
    entry = changed(incident)
    settled(incident)
    time.sleep(0.002)
    incident.mark(entry, UNDONE)
    with pytest.raises(Refused, match="change 1 was taken back"):
        told(incident, "resolved")
    incident.keep({"stability.1": {"at": "2999-01-01T00:00:00Z", "clear": True, "says": ""}})
    assert told(incident, "resolved").status == "Resolved"


def test_an_unstable_incident_is_not_resolved(api):
    incident = settled(opened(api))
    incident.keep({"stability.1": {"at": "2999-01-01T00:00:00Z", "clear": False, "says": "memory at 99 %"}})
    with pytest.raises(Refused, match="memory at 99 %"):
        told(incident, "resolved")


def test_an_undo_sends_one_correction(api):
    incident = opened(api)
    entry = changed(incident)
    told(incident, "update")
    assert told(incident, "correction") is None and not _announce.needs_correction(incident.again())
    time.sleep(0.002)
    incident.mark(entry, UNDONE)
    assert _announce.needs_correction(incident.again())
    message = told(incident, "correction")
    assert message.parts[0].label == "Correction" and "memory limit 512Mi to 1Gi – told as done, taken back at" in message.parts[0].lines[0]
    assert told(incident, "correction") is None, "once"


def test_a_notice_that_does_not_hold_is_corrected(api):
    incident = settled(opened(api))
    told(incident, "resolved")
    incident.keep({"stability.1": {"at": "2999-01-01T00:00:00Z", "clear": False, "says": "memory at 99 %"}})
    message = told(incident, "correction")
    assert "said Resolved; it is not" in message.text and message.status != "Resolved"
    assert told(incident, "correction") is None


def test_the_initial_response_and_the_notice_are_sent_once(api):
    incident = settled(opened(api))
    assert told(incident, "initial") and told(incident, "initial") is None
    assert told(incident, "resolved") and told(incident, "resolved") is None


def test_an_update_may_be_left_out_where_nothing_has_changed(api):
    incident = opened(api)
    told(incident, "initial")
    assert told(incident, "update", only_changes=True) is None
    changed(incident)
    assert told(incident, "update", only_changes=True)
    assert told(incident, "update", only_changes=True) is None
    assert told(incident, "update")


@pytest.mark.parametrize("took, eta", [([], "unknown (this runbook has ended no incident here before)"), ([600], "(1 earlier one took 10 min)"),
                                       ([300, 600, 6000], "(3 earlier ones took 5 min to 100 min)"),
                                       ([0], "unknown (it takes longer than usual: 1 earlier one took 0 s)")])
def test_the_eta_comes_from_earlier_incidents(api, took, eta):
    others = []
    for number, seconds in enumerate(took):
        other = settled(opened(api, f"INC-9{number}"))
        ended = datetime.datetime.fromisoformat(_standing.ended_at(other))
        other.update(opened_at=(ended - datetime.timedelta(seconds=seconds)).isoformat())
        others.append(other)
    incident = opened(api)
    incident.update(opened_at=(datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=5)).isoformat())
    others.append(settled(opened(api, "INC-failed"), "not_mitigated"))
    assert eta in told(incident, "update", others=others).parts[-1].lines[0]


CANARIES = {"password": "password=hunter2-canary", "bearer": "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLWNhbmFyeQ",
            "url": "postgres://shop:hunter2canary@db/orders", "aws": "AKIAIOSFODNN7CANARY1 aws_secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYCANARYKEY1"}


@pytest.mark.parametrize("secret", CANARIES.values(), ids=CANARIES)
@pytest.mark.parametrize("place", ["title", "impact", "note", "template", "link"])
def test_a_message_with_a_secret_is_refused_and_the_place_named(api, secret, place):
    incident = opened(api, title=f"Orders fail {secret}" if place == "title" else "Orders fail")
    text = template("update") + (secret if place == "template" else "")
    said = Said(impact=secret if place == "impact" else "", note=secret if place == "note" else "")
    links = {"ticket": secret} if place == "link" else {}
    kind, text = ("initial", template("initial")) if place == "impact" else ("update", text)
    with pytest.raises(Refused) as refused:
        _announce.announce(incident, kind, text, HOOK, said=said, links=links)
    named = {"link": "the link 'ticket'", "template": "it stands in the template"}.get(place, place)
    assert named in str(refused.value) and secret not in str(refused.value) and "canary" not in str(refused.value).lower()
    assert _outbox.messages(incident.again()) == []


def test_reminders_keep_the_cadence(api):
    incident = opened(api)
    now = datetime.datetime.now(datetime.timezone.utc)
    later = now + datetime.timedelta(minutes=16)
    assert not _announce.due(incident, later), "nothing was promised yet"
    told(incident, "initial")
    incident = incident.again()
    assert not _announce.due(incident, now + datetime.timedelta(minutes=14)) and _announce.due(incident, later)
    assert not _announce.due(incident, later, {"P2": 60})
    message = told(incident, "reminder", draft="Monitoring: x\n\nTime: now\n- one")
    assert message.title.startswith("Update due") and "Draft" in labels(message)
    assert not _announce.due(incident.again(), later - datetime.timedelta(minutes=2))
    settled(incident)
    told(incident, "resolved")
    assert not _announce.due(incident.again(), later + datetime.timedelta(days=1))


def test_thanks_go_to_those_in_the_record(api):
    incident = opened(api)
    incident.acknowledge("ada")
    assert told(incident, "thanks").body.startswith("ada, ")


@pytest.mark.parametrize("text, why", [("{{ titel }}", "may use actions"), ("{% if %}", "line 1"), ("  \n", "empty"),
                                       ("{{ ''.__class__.__mro__ }}", "cannot be rendered")])
def test_a_template_that_cannot_be_meant_is_refused(api, text, why):
    with pytest.raises(InvalidInput, match=why):
        _announce.announce(opened(api), "update", text, HOOK)


@pytest.mark.parametrize("channels, why", [
    ([{"kind": "pigeon"}], "the kinds are"), ([{"kind": "slack", "token": "t"}], "lacks channel"), ([{"kind": "mail", "host": "h"}], "lacks from, to"),
    ([{"kind": "webhook", "url": "u"}] * 2, "two of them"), ([{"kind": "webhook", "url": "u", "messages": ["gossip"]}], "gossip")])
def test_channels_that_cannot_work_are_refused_before_anything(channels, why):
    with pytest.raises(InvalidInput, match=f"(?i){why}"):
        _channels.checked(channels)
