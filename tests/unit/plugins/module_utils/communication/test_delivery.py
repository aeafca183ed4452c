# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox: each message once per channel and in order, whatever the receivers and the senders do."""

from __future__ import annotations

import dataclasses
import datetime
import threading

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _announce, _channels, _delivery, _outbox
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from fake_api import serving as api_serving
from incidents import changed, opened, template
from receivers import Mailbox, Receiver, Slack, StatusPage, Teams, free_port, mail_server, serving, until

RECEIVERS = {"slack": Slack, "slack_webhook": Receiver, "teams": Teams, "webhook": Receiver, "statuspage": StatusPage}
#: what the kind's receiver does not do to a message that may have arrived, because it can be asked for it
ASKABLE = {"slack", "statuspage"}


@pytest.fixture(name="api")
def fixture_api():
    with api_serving() as api:
        yield api


@pytest.fixture(name="quick", autouse=True)
def fixture_quick(monkeypatch):
    """Back-off in hundredths of a second, and a cluster that is asked again at once."""
    monkeypatch.setattr(_outbox, "back_off", lambda attempts: 0.01 * attempts)
    monkeypatch.setattr(_delivery, "LOOK_AGAIN", 0.02)
    monkeypatch.setattr(_delivery, "CLUSTER_PAUSE", 0.02)


def channel(kind, url, **more):
    needs = {"slack": {"token": "xoxb-of-the-test", "channel": "#incidents"}, "statuspage": {"token": "of-the-test", "page_id": "p"}}
    return {"kind": kind, "url": url, **needs.get(kind, {}), **more}


def put(incident, channels, kinds=("initial", "update", "update")):
    """Messages in the outbox, each with a title of its own."""
    for number, kind in enumerate(kinds, 1):
        incident, _message = _announce.announce(incident, kind, f"Message {number}\n\nStatus: {{{{ status }}}}\nActions taken:\n- one\n", channels)
    return incident


def deliver(incident, channels, patience=8.0):
    _delivery.deliver(incident.again(), channels, patience, timeout=0.3)
    return incident.again()


def states(incident):
    return [one.state for one in _outbox.deliveries(incident)]


def titles(receiver):
    return [one["body"].get("title") or one["body"].get("text") or one["body"]["incident"].get("name") for one in receiver.posted]


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("troubles", [[], ["500", "429", "", "500"]], ids=lambda troubles: "-".join(troubles) or "fine")
def test_every_message_arrives_once_and_in_order(api, kind, troubles):
    with serving(RECEIVERS[kind]()) as receiver:
        receiver.troubles = list(troubles)
        channels = _channels.checked([channel(kind, receiver.url)])
        incident = deliver(put(opened(api), channels), channels)
        assert states(incident) == ["sent"] * 3
        assert len(receiver.posted) == 3
        if kind != "statuspage":
            assert titles(receiver) == ["Message 1", "Message 2", "Message 3"]
        assert states(deliver(incident, channels)) == ["sent"] * 3 and len(receiver.posted) == 3


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("trouble", ["slow", "cut"])
def test_what_may_have_arrived_is_not_sent_twice(api, kind, trouble):
    with serving(RECEIVERS[kind]()) as receiver:
        receiver.troubles = [trouble]
        channels = _channels.checked([channel(kind, receiver.url)])
        incident = deliver(put(opened(api), channels), channels)
        assert len(receiver.posted) == 3, "nothing is lost, nothing comes twice"
        assert states(incident) == ["sent" if kind in ASKABLE else "unclear", "sent", "sent"]


def test_a_webhook_that_recognises_repetitions_gets_it_again(api):
    with serving(Receiver()) as receiver:
        receiver.troubles = ["cut"]
        channels = _channels.checked([channel("webhook", receiver.url, idempotent=True)])
        incident = deliver(put(opened(api), channels, ["initial"]), channels)
        assert states(incident) == ["sent"]
        assert len(receiver.posted) == 2 and len({one["body"]["id"] for one in receiver.posted}) == 1


def test_a_receiver_that_is_down_gets_everything_when_it_comes_back(api):
    port = free_port()
    channels = _channels.checked([channel("webhook", f"http://127.0.0.1:{port}")])
    incident = put(opened(api), channels)
    incident = deliver(incident, channels, patience=0.3)
    until(lambda: states(incident.again()) == ["waiting"] * 3)
    incident = incident.again()
    assert "no connection" in _outbox.deliveries(incident)[0].reason
    receiver = Receiver()
    moved = _channels.checked([channel("webhook", receiver.url)])
    with serving(receiver):
        assert states(deliver(incident, moved)) == ["sent"] * 3
    assert titles(receiver) == ["Message 1", "Message 2", "Message 3"]


def test_one_channel_does_not_hold_up_another(api):
    with serving(Receiver()) as good, serving(Receiver()) as bad:
        bad.troubles = ["500"] * 100
        channels = _channels.checked([channel("webhook", bad.url, name="bad"), channel("webhook", good.url, name="good")])
        incident = put(opened(api), channels)
        sender = threading.Thread(target=deliver, args=(incident, channels))
        sender.start()
        until(lambda: len(good.posted) == 3)
        assert not bad.posted and {one.state for one in _outbox.deliveries(incident.again()) if one.channel == "bad"} <= {"waiting", "sending"}
        bad.troubles.clear()
        sender.join()
        assert len(bad.posted) == 3


def test_two_senders_at_once_send_once(api):
    with serving(Receiver()) as receiver:
        channels = _channels.checked([channel("webhook", receiver.url)])
        incident = put(opened(api), channels)
        senders = [threading.Thread(target=deliver, args=(incident, channels)) for _number in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert titles(receiver) == ["Message 1", "Message 2", "Message 3"]


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("arrived", [True, False])
def test_a_sender_that_died_is_followed_by_one_that_finds_out(api, monkeypatch, kind, arrived):
    with serving(RECEIVERS[kind]()) as receiver:
        channels = _channels.checked([channel(kind, receiver.url)])
        incident = put(opened(api), channels, ["initial"])
        incident, mine = _outbox.claim(incident, _outbox.deliveries(incident)[0], "who dies")
        if arrived:
            _channels.KINDS[kind].send(channels[kind], _outbox.messages(incident)[0], None, 1)
        monkeypatch.setattr(_outbox, "CLAIM_SECONDS", 0.05)
        incident = deliver(incident, channels)
        assert len(receiver.posted) == (1 if arrived or kind in ASKABLE else 0)
        assert states(incident) == ["sent" if kind in ASKABLE else "unclear"]


def test_a_claim_is_left_alone_as_long_as_its_sender_may_live(api):
    with serving(Receiver()) as receiver:
        channels = _channels.checked([channel("webhook", receiver.url)])
        incident = put(opened(api), channels, ["initial"])
        _outbox.claim(incident, _outbox.deliveries(incident)[0], "who lives")
        assert states(deliver(incident, channels, patience=0.2)) == ["sending"] and not receiver.posted


def test_what_will_never_be_taken_does_not_block_what_follows(api):
    class Picky(Receiver):
        def answer(self, method, path, body):
            return (422, {"error": "no"}) if body["number"] == 1 else super().answer(method, path, body)
    with serving(Picky()) as receiver:
        channels = _channels.checked([channel("webhook", receiver.url)])
        incident = deliver(put(opened(api), channels), channels)
        assert states(incident) == ["rejected", "sent", "sent"]
        assert "422" in _outbox.deliveries(incident)[0].reason


def test_mail_arrives_once_as_one_conversation(api):
    mailbox = Mailbox()
    mailbox.troubles = ["451 later", "451 later"]
    with mail_server(mailbox) as port:
        channels = _channels.checked([{"kind": "mail", "host": "127.0.0.1", "port": port, "from": "Runbooks <runbooks@example.org>",
                                       "to": ["sre@example.org", "boss@example.org"]}])
        incident = deliver(put(opened(api), channels), channels)
    assert states(incident) == ["sent"] * 3
    assert [mail["Subject"] for mail in mailbox.mails] == ["Message 1", "Message 2", "Message 3"]
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 3
    assert [mail["In-Reply-To"] for mail in mailbox.mails] == [None, mailbox.mails[0]["Message-ID"], mailbox.mails[0]["Message-ID"]]
    assert "Status: Investigating" in mailbox.mails[0].get_body(("plain",)).get_content()
    assert "<b>Status</b>: Investigating" in mailbox.mails[0].get_body(("html",)).get_content()


def test_mail_that_is_refused_for_good_is_told(api):
    mailbox = Mailbox()
    mailbox.troubles = ["554 no spam"]
    with mail_server(mailbox) as port:
        channels = _channels.checked([{"kind": "mail", "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"]}])
        incident = deliver(put(opened(api), channels, ["initial"]), channels)
    assert [(one.state, one.reason) for one in _outbox.deliveries(incident)] == [("rejected", "the server answered 554 no spam")]


def test_slack_keeps_an_incident_in_one_thread(api):
    with serving(Slack()) as receiver:
        channels = _channels.checked([channel("slack", receiver.url)])
        deliver(put(opened(api), channels), channels)
        assert [one["body"].get("thread_ts") for one in receiver.posted] == [None, receiver.posted[0]["ts"], receiver.posted[0]["ts"]]


def test_a_status_page_has_one_incident(api):
    with serving(StatusPage()) as receiver:
        channels = _channels.checked([channel("statuspage", receiver.url, component_ids=["db", "api"])])
        incident = opened(api)
        changed(incident)
        deliver(put(incident, channels), channels)
        assert [(one["method"], one["path"]) for one in receiver.posted] == [
            ("POST", "/pages/p/incidents"), ("PATCH", "/pages/p/incidents/inc1"), ("PATCH", "/pages/p/incidents/inc1")]
        assert [one["body"]["incident"]["status"] for one in receiver.posted] == ["investigating", "monitoring", "monitoring"]
        assert receiver.posted[0]["body"]["incident"]["components"] == {"db": "partial_outage", "api": "partial_outage"}


def test_reasons_hold_no_url(api):
    channels = _channels.checked([channel("webhook", "http://127.0.0.1:9/the-password")])
    incident = deliver(put(opened(api), channels, ["initial"]), channels, patience=0.2)
    assert "the-password" not in _outbox.deliveries(incident)[0].reason


def test_the_wait_that_a_receiver_asks_for_is_kept(api):
    with serving(Receiver(retry_after="60")) as receiver:
        receiver.troubles = ["429"]
        channels = _channels.checked([channel("webhook", receiver.url)])
        incident = deliver(put(opened(api), channels, ["initial"]), channels, patience=0.5)
        delivery = _outbox.deliveries(incident)[0]
        assert delivery.state == "waiting" and 55 < _outbox.pause(incident, delivery) <= 60 and not receiver.posted


@pytest.mark.parametrize("value, seconds", [(None, None), ("", None), ("7", 7.0), ("-3", 0.0), ("Fri, 27 Nov 2026 10:00:30 GMT", 30.0), ("soon", None)])
def test_retry_after(value, seconds):
    assert _http.retry_after(value, datetime.datetime(2026, 11, 27, 10, tzinfo=datetime.timezone.utc)) == seconds


def test_back_off_doubles_and_is_bounded(monkeypatch):
    monkeypatch.undo()
    waits = [_outbox.back_off(attempt) for attempt in range(1, 30)]
    assert all(1.4 < later / earlier < 2.6 for earlier, later in zip(waits[:8], waits[1:8], strict=False))
    assert max(waits) <= _outbox.LONGEST_PAUSE * 1.1


def test_a_record_that_others_write_to_gets_its_message(api):
    with serving(Receiver()) as receiver:
        channels = _channels.checked([channel("webhook", receiver.url)])
        incident = opened(api)
        incident.again().note("capture", "another writer was here")
        incident, message = _announce.announce(incident, "initial", template("initial"), channels)
        assert dataclasses.replace(message) in _outbox.messages(incident.again())
