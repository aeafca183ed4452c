# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of channel is given: within its limits, and with nothing in it that the channel would take for more than text."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _mail, _slack, _statuspage, _teams, _webhook
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from receivers import check_blocks, check_card

LINES = st.lists(st.one_of(st.text(max_size=300), st.text(max_size=4000), st.just("Label: value"), st.just("Next steps:"), st.just("- item <@U1> *x* & y"),
                           st.just("ü😀漢" * 700)), max_size=60)


def message(text, **more):
    return Message("INC-1", 1, "update", "Monitoring", "2026-11-28T08:00:00Z", text, "prod", "P1", **more)


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_any_text_is_within_the_limits(lines):
    told = message("Title <!channel> & more\n\n" + "\n".join(lines), links={"report": "https://example.org/r?a=1&b=2"})
    check_blocks(_slack.payload({"kind": "slack", "channel": "#c"}, told, None)["blocks"])
    posted = _teams.payload({}, told, None)
    assert _teams.size(posted) <= _teams.LIMIT
    check_card(posted["attachments"][0]["content"])
    _mail.payload({"from": "a@example.org", "to": ["b@example.org"]}, told, None)
    json.dumps([_webhook.payload({}, told, None), _statuspage.payload({}, told, None)])


def test_what_does_not_fit_into_a_card_is_said_with_the_links():
    told = message("Title\n\n" + "\n".join(f"Field {number}: {'ü' * 200}" for number in range(200)), links={"report": "https://example.org/r"})
    card = _teams.payload({}, told, None)["attachments"][0]["content"]
    assert "More than Teams takes" in card["body"][-2]["text"] and card["actions"][0]["url"] == "https://example.org/r"
    short = _teams.payload({}, message("Title\n\nField: x"), None)["attachments"][0]["content"]
    assert "More than Teams takes" not in json.dumps(short)


def test_nobody_is_mentioned_by_text():
    blocks = json.dumps(_slack.blocks(message("Title\n\n<!channel> <@U1> <https://evil.example|click>\n")))
    assert "<!channel>" not in blocks and "&lt;!channel&gt;" in blocks
    card = json.dumps(_teams.payload({}, message("Title\n\n[click](https://evil.example)\n"), None))
    assert "[click]" not in card
    assert "<script>" not in _mail.as_html(message("<script>\n\n<script>: x\n- <script>\n"))


def test_the_parts_of_a_text():
    parts = parse("Time: 10:03\n\nActions taken:\n- one\n- two\n\nplain words\n- alone\nEmpty:\nETA: unknown (x: y)")
    assert [(part.label, part.lines, part.is_list) for part in parts] == [
        ("Time", ("10:03",), False), ("Actions taken", ("one", "two"), True), ("", ("plain words",), False), ("", ("alone",), True),
        ("Empty", (), False), ("ETA", ("unknown (x: y)",), False)]


@pytest.mark.parametrize("severity, impact, component", [("P1", "critical", "major_outage"), ("P4", "none", "operational")])
def test_a_status_page_is_told_how_bad_it_is(severity, impact, component):
    told = Message("INC-1", 1, "initial", "Investigating", "2026-11-28T08:00:00Z", "T\n\nB", "prod", severity)
    found = _statuspage.payload({"component_ids": ["c"]}, told, None)["incident"]
    assert found["impact_override"] == impact and found["components"] == {"c": component}
    over = Message("INC-1", 2, "resolved", "Resolved", "2026-11-28T08:00:00Z", "T\n\nB", "prod", severity)
    assert _statuspage.payload({"component_ids": ["c"]}, over, {"incident": "x"})["incident"]["components"] == {"c": "operational"}


def test_a_webhook_may_have_its_own_body():
    body = {"summary": "{severity}: {title}", "details": {"fields": "{fields}", "n": 3}, "list": ["{status}"]}
    assert _webhook.payload({"body": body}, message("T\n\nTime: now"), None) == {
        "summary": "P1: T", "details": {"fields": {"Time": "now"}, "n": 3}, "list": ["Monitoring"]}
