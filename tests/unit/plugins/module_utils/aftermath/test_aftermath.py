# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows an incident: what is done, due and overdue, and the documents."""

from __future__ import annotations

import datetime
import re

import hypothesis
import icalendar
import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._aftermath import _linter, _meeting, _steps
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _announce, _channels, _standing
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._history import _proposals
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import UNDONE
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Task
from ansible_collections.sre.runbooks.plugins.modules import aftermath, aftermath_info
from hypothesis import strategies
from fake_api import serving as api_serving
from incidents import NAMESPACE, changed, opened, settled, template
from receivers import Receiver, serving

CLEAR = [{"outcome": "healthy", "says": ["memory at 40 %"]}] * 2


@pytest.fixture(name="api")
def fixture_api():
    with api_serving() as api:
        yield api


@pytest.fixture(name="do")
def fixture_do(api, tmp_path):
    """Does one step as the module would."""
    def do(step, **more):
        params = {name: option.get("default") for name, option in {**CONNECTION_SPEC, **aftermath.ARGUMENT_SPEC}.items()}
        params.update(host=api.url, api_token="t", cluster_name="prod", incident_id="INC-1", namespace=NAMESPACE, incidents_dir=str(tmp_path),
                      step=step, **more)
        return aftermath.run(Task(params))
    return do


def rows(incident, hours=0.0):
    ended = datetime.datetime.fromisoformat(_standing.ended_at(incident) or incident.head["opened_at"])
    return {row.step: row for row in _steps.rows(incident, ended + datetime.timedelta(hours=hours))}


@pytest.mark.parametrize("hours, overdue", [(0.5, 0), (2, 4), (25, 8), (24 * 8, 12)])
def test_the_playbooks_times(api, hours, overdue):
    found = rows(settled(opened(api)), hours)
    assert len(found) == 12
    assert sum(row.state == "overdue" for row in found.values()) == overdue
    assert sum(row.state == "due" for row in found.values()) == 12 - overdue


def test_nothing_is_due_before_the_end(api):
    assert {row.state for row in rows(opened(api), 100).values()} == {"later"}


def test_the_status_says_what_is_left(api, do):
    incident = opened(api)
    settled(incident)
    do("timeline")
    one = aftermath_info.describe(incident.again(), incident.clock() + datetime.timedelta(hours=2))
    lines = aftermath_info.says(one)
    assert lines[0] == "INC-1 (P2, mitigated): 1 of 12 done, 3 overdue"
    assert any("overdue: clear every temporary fix (within 1 hour" in line for line in lines)


def test_stability_is_done_where_every_measurement_was_clear(api, do):
    incident = settled(opened(api))
    assert do("stability")["findings"] == ["nothing was measured"]
    over = do("stability", measured=[*CLEAR, {"outcome": "breached", "says": ["memory at 99 %"]}])
    assert not over["done"] and "memory at 99 %" in over["findings"][0]
    assert _standing.why_not_resolved(incident.again()), "what is not stable is not resolved"
    assert not do("stability", measured=[{"outcome": "unknown", "says": []}])["done"], "what could not be measured is not stable"
    assert do("stability", measured=CLEAR)["done"] and not _standing.why_not_resolved(incident.again())


def test_a_temporary_fix_is_cleared_or_has_an_owner(api, do):
    incident = opened(api)
    entry = changed(incident)
    settled(incident)
    left = do("temporary_fixes")
    assert not left["done"] and "still in force: change 1, memory limit 512Mi to 1Gi" in left["findings"][0]
    patch = yaml.safe_load(open(left["files"][0]))
    assert patch["kind"] == "Deployment" and patch["metadata"]["name"] == "api-server"
    assert patch["spec"]["template"]["spec"]["containers"] == [{"name": "api-server", "resources": {"limits": {"memory": "1Gi"}}}]
    with pytest.raises(InvalidInput, match="no date"):
        do("temporary_fixes", owner="ada", due="soon")
    assert do("temporary_fixes", owner="ada", due="2026-12-24")["done"]
    incident.again().mark(entry, UNDONE)
    assert do("temporary_fixes")["says"][0] == "clear every temporary fix: none is in force"


def test_the_timeline_is_exported_in_order(api, do):
    incident = opened(api, title="=cmd|' /C calc'!A0")
    incident.note("capture", "=HYPERLINK(\"x\")")
    changed(incident)
    written = do("timeline")
    text = open(written["files"][1]).read()
    times = [line.split(",")[0] for line in text.splitlines()[1:]]
    assert times == sorted(times) and "memory limit 512Mi to 1Gi" in text and ",=" not in text and "\"=" not in text


def test_the_draft_has_every_section_and_is_not_complete(api, do):
    incident = opened(api)
    changed(incident)
    incident.acknowledge("ada")
    settled(incident)
    written = do("postmortem")
    text = open(written["files"][0]).read()
    assert "heap leak" in text and "acknowledged by ada" in text and "It looks for what made the incident possible" in text
    said = _linter.findings(text)
    assert not any("missing" in one or "Timeline" in one for one in said)
    assert any("has no owner" in one for one in said) and any("What went well" in one for one in said)
    assert not do("postmortem_checked")["done"]


def test_an_edited_draft_is_left_alone(api, do):
    opened(api)
    path = do("postmortem")["files"][0]
    do("postmortem")
    with open(path, "a") as file:
        file.write("\nmine\n")
    assert "left alone" in do("postmortem")["says"][0] and open(path).read().endswith("\nmine\n")


COMPLETE = """# Post-mortem

## Summary
It broke.
## Impact
812 requests failed.
## Timeline
| time | event |
| --- | --- |
| 2026-11-28T08:00:00Z | began |
| 2026-11-28T08:05:00Z | over |
## Detection
By the signal.
## Response
Rolled back.
## Root cause
1. Why? A leak.
## What went well
The dump.
## What did not go well
The alert.
## Where we were lucky
It was night.
## Actions
| action | owner | due | ticket |
| --- | --- | --- | --- |
| add an alert | ada | 2026-12-24 | |
| raise the limit \\| for good | bob | 2026-12-25 | |
"""


def test_a_complete_post_mortem_passes():
    assert _linter.findings(COMPLETE) == []
    assert [(one.what, one.owner, one.due) for one in _linter.actions(COMPLETE)] == [
        ("add an alert", "ada", "2026-12-24"), ("raise the limit | for good", "bob", "2026-12-25")]


@pytest.mark.parametrize("old, new, finding", [
    ("| ada |", "| |", "'add an alert' has no owner"), ("| 2026-12-24 |", "| soon |", "'add an alert' has no date"),
    ("812 requests", "Some requests", "no number"),
    ("## Detection\nBy the signal.\n", "", "'Detection' is missing"), ("The dump.", "_to be filled in_", "What went well: a blank"),
    ("2026-11-28T08:05:00Z", "2026-11-28T07:05:00Z", "stands after"), ("The alert.", "", "it is empty"),
    (COMPLETE[COMPLETE.index("| action"):], "", "there is none")])
def test_what_is_missing_is_named(old, new, finding):
    assert any(finding in one for one in _linter.findings(COMPLETE.replace(old, new)))


def test_the_invitation_is_one_that_a_calendar_takes(api, do):
    incident = settled(opened(api))
    written = do("meeting", organizer="Ada <ada@example.org>", attendees=["bob@example.org", "eve@example.org"], meeting_at="2026-12-01T10:00:00+02:00")
    calendar = icalendar.Calendar.from_ical(open(written["files"][0], newline="").read())
    event = calendar.walk("VEVENT")[0]
    assert calendar["METHOD"] == "REQUEST" and event["UID"] == "prod.INC-1@sre.runbooks"
    assert event.decoded("DTSTART") == datetime.datetime(2026, 12, 1, 8, tzinfo=datetime.timezone.utc)
    assert event.decoded("DTEND") - event.decoded("DTSTART") == datetime.timedelta(hours=1)
    assert [str(one) for one in event["ATTENDEE"]] == ["mailto:bob@example.org", "mailto:eve@example.org"]
    assert _announce.announce(incident.again(), "resolved", template("resolved"), {})[1].text.count("2026-12-01 08:00 UTC") == 1
    with pytest.raises(InvalidInput, match="in which zone"):
        do("meeting", meeting_at="2026-12-01T10:00:00")
    with pytest.raises(InvalidInput, match="no mail address"):
        do("meeting", attendees=["ada"])


def test_a_meeting_is_on_a_business_day():
    friday = datetime.datetime(2026, 11, 27, 23, tzinfo=datetime.timezone.utc)
    assert _meeting.moment_of("", friday) == datetime.datetime(2026, 11, 30, 10, tzinfo=datetime.timezone.utc)


class Tracker(Receiver):
    """Makes a ticket of what is posted."""

    def answer(self, method, path, body):
        super().answer(method, path, body)
        return 201, {"html_url": f"https://example.org/{len(self.posted)}", "key": f"OPS-{len(self.posted)}"}


@pytest.mark.parametrize("kind, path", [("github", "/repos/shop/api/issues"), ("gitlab", "/api/v4/projects/shop%2Fapi/issues"),
                                        ("jira", "/rest/api/2/issue")])
def test_each_action_gets_one_ticket(api, do, tmp_path, kind, path):
    opened(api)
    do("postmortem")
    (tmp_path / "INC-1" / "prod" / "aftermath" / "postmortem.md").write_text(COMPLETE)
    with serving(Tracker()) as tracker:
        tracker.troubles = ["500"]
        system = {"kind": kind, "url": tracker.url, "project": "shop/api", "token": "of-the-test"}
        first = do("tickets", tickets=system)
        assert not first["done"] and "500" in first["findings"][0] and len(tracker.posted) == 1
        assert do("tickets", tickets=system)["done"] and do("tickets", tickets=system)["done"]
        assert len(tracker.posted) == 2 and {one["path"] for one in tracker.posted} == {path}


def test_a_ticket_that_may_have_been_made_is_not_made_again(api, do, tmp_path):
    opened(api)
    do("postmortem")
    (tmp_path / "INC-1" / "prod" / "aftermath" / "postmortem.md").write_text(COMPLETE)
    with serving(Tracker()) as tracker:
        tracker.troubles = ["cut"]
        system = {"kind": "github", "url": tracker.url, "project": "shop/api", "token": "of-the-test"}
        do("tickets", tickets=system)
        assert "nobody knows whether it was made" in do("tickets", tickets=system)["findings"][0]
        assert len(tracker.posted) == 2


def test_without_a_tracker_the_actions_are_a_file(api, do, tmp_path):
    opened(api)
    do("postmortem")
    (tmp_path / "INC-1" / "prod" / "aftermath" / "postmortem.md").write_text(COMPLETE)
    assert '"owner": "bob"' in open(do("tickets")["files"][0]).read()


def test_metrics_are_gathered_where_there_is_a_prometheus(api, do, tmp_path):
    class Prometheus(Receiver):
        def answer(self, method, path, body):
            self.posted.append({"path": path})
            series = [] if "nothing" in path else [{"metric": {}, "values": [[1, "2"]]}]
            return 200, {"status": "success", "data": {"resultType": "matrix", "result": series}}
    opened(api)
    with serving(Prometheus()) as prometheus:
        found = do("evidence", prometheus_url=prometheus.url, prometheus_queries={"memory": "max(memory_bytes)", "none": "nothing"})
    assert any(file.endswith("afterwards/metrics/memory.json") for file in found["files"])
    assert "none: no series" in found["findings"] and any("no logs" in one for one in found["findings"]) and not found["done"]


def test_a_changed_byte_of_evidence_is_named(api, do, tmp_path):
    from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
    opened(api)
    store = EvidenceStore(str(tmp_path), "INC-1", "prod")
    store.save_text("a.log", "logs", "x", "one")
    store.path("a.log").write_text("two")
    assert any("a.log is missing or has changed" in one for one in do("evidence")["findings"])


def test_thanks_and_digest_are_done_when_they_were_sent(api, do):
    incident = settled(opened(api))
    assert not do("thanks")["done"] and not do("digest")["done"]
    for kind in ("thanks", "digest"):
        _announce.announce(incident.again(), kind, template(kind), _channels.checked([]))
        assert do(kind)["done"]
    assert do("alerts", by="ada")["done"] and rows(incident.again())["alerts"].by == "ada"


@pytest.mark.parametrize("value, words, rule", [
    (0.97, "would have fired at ", "> 0.9\n"), (0.5, "would not have fired; with 0.475 instead of 0.9 it would have at ", "> 0.475\n"),
    (None, "was not tried: Prometheus has no samples of it", "> 0.9\n")])
def test_an_alert_is_tried_on_the_incidents_own_samples(api, do, value, words, rule):
    incident = opened(api)
    signal = {"name": "memory_near_limit", "value": 0.97, "threshold": 0.9, "breached": True, "text": "x"}
    incident.measured("detect", [{"at": "2026-01-02T10:00:00.000Z", "signals": [signal, {**signal, "name": "not_of_the_table"}]}])
    begin = datetime.datetime.fromisoformat(incident.head["opened_at"]).timestamp() - 600

    class Prometheus(Receiver):
        def answer(self, method, path, body):
            series = [{"metric": {}, "values": [[begin + 30 * number, str(value)] for number in range(20)]}] if value else []
            return 200, {"status": "success", "data": {"resultType": "matrix", "result": series}}
    with serving(Prometheus()) as prometheus:
        text = open(do("alerts", prometheus_url=prometheus.url)["files"][0]).read()
    assert words in text and rule in text and "no metric of the table of signals tells it" in text
    assert ("8 min earlier than the incident was opened" in text) == bool(value), "ten minutes before, less the two for which it must last"
    [block] = re.findall("```yaml\n(.+?)```", text, re.DOTALL)
    assert [rule["for"] for rule in yaml.safe_load(block)["groups"][0]["rules"]] == ["2m"]
    assert "was not tried: no Prometheus is named" in open(do("alerts")["files"][0]).read()


@pytest.mark.parametrize("values, threshold, holds, at", [
    ([1, 1, 1], 0, 0, 0), ([1, 1, 1], 0, 2, 2), ([1, 0, 1, 1], 0, 1, 3), ([1, 0, 1], 0, 2, None), ([1, 1], 1, 0, None), ([], 0, 0, None)])
def test_when_an_alert_fires(values, threshold, holds, at):
    assert _proposals.fires(list(enumerate(values)), threshold, holds) == at


@hypothesis.given(strategies.lists(strategies.integers(0, 20), min_size=1, max_size=20), strategies.integers(0, 5))
def test_what_lasted_is_the_highest_threshold_that_is_crossed(values, holds):
    samples = [(float(at), float(value)) for at, value in enumerate(values)]
    lasting = _proposals.lasting(samples, holds)
    assert _proposals.fires(samples, lasting, holds) is None
    assert lasting == 0 or _proposals.fires(samples, lasting - 0.5, holds) is not None


def test_proposals_follow_from_the_record(api, do):
    incident = opened(api)
    incident.note("report", "failed: no answer from the API server")
    settled(incident, "not_mitigated", cause="")
    text = open(do("runbooks")["files"][0]).read()
    assert "ended as not mitigated" in text and "No cause was established" in text and "no answer from the API server" in text
