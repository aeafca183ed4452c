"""One quick incident, told to real receivers on loopback, one of which is down and one slow for its whole run; and what follows it."""

from __future__ import annotations

import json
import re
import time

import icalendar
from drill import CLUSTER, NAMESPACE, cause, until
from receivers import Mailbox, Receiver, Slack, Teams, mail_server, serving

FINISHED = """# Post-mortem
## Summary
A release did not start.
## Impact
0 requests failed: the pods of the release before went on.
## Timeline
| 2026-11-28T08:00:00Z | released |
## Detection
By its signal.
## Response
Rolled back.
## Root cause
1. Why? A misspelt argument.
## What went well
The rollback.
## What did not go well
Nobody had tried it.
## Where we were lucky
One pod of the release before was left.
## Actions
| action | owner | due | ticket |
| --- | --- | --- | --- |
| try a release before it goes out | ada | 2026-12-24 | |
"""


class Tracker(Receiver):
    """Makes a ticket of what is posted."""

    def answer(self, method, path, body):
        super().answer(method, path, body)
        return 201, {"html_url": f"https://example.org/issues/{len(self.posted)}"}


class Prometheus(Receiver):
    """Knows one series."""

    def answer(self, method, path, body):
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"pod": "a"}, "values": [[1700000000, "1"]]}]}}


QUICK = {"crash_loop_workload": "user-service", "crash_loop_sustained_seconds": 2}


def statuses(shop, name):
    return {key: value["state"] for key, value in shop.record(name).items() if key.startswith("delivery.")}


def test_an_incident_is_told_and_followed_up(healed, runbook, incident_id, tmp_path):
    mailbox = Mailbox()
    with (serving(Slack()) as slack, serving(Teams()) as teams, serving(Receiver()) as down, serving(Receiver()) as slow,
          serving(Tracker()) as tracker, serving(Prometheus()) as prometheus, mail_server(mailbox) as port):
        down.troubles, slow.troubles = ["500"] * 1000, ["slow"] * 1000
        channels = [
            {"kind": "slack", "url": slack.url, "token": "xoxb-of-the-drill", "channel": "#incidents"}, {"kind": "teams", "url": teams.url},
            {"kind": "mail", "host": "127.0.0.1", "port": port, "from": "runbooks@example.org", "to": ["sre@example.org"]},
            {"kind": "webhook", "name": "down", "url": f"{down.url}/its-password"}, {"kind": "webhook", "name": "slow", "url": slow.url, "idempotent": True}]
        told = {"incident_id": incident_id, "communication_channels": channels, "communication_receiver_timeout": 1}

        cause("crash_bad_release")
        done = runbook.run("incident/crash_loop.yml", **QUICK, **told)
        assert done.returncode == 0 and "mitigated" in done.stdout
        assert "its-password" not in done.stdout

        # The others have been told without anybody's help; what was not delivered waits.
        until(lambda: len(slack.posted) == len(teams.posted) == len(mailbox.mails) == 2)
        refused = runbook.run("incident/announce.yml", "--check", kind="resolved", **told)
        assert refused.returncode == 0 and "Resolved: " in refused.stdout
        down.troubles.clear()
        slow.troubles.clear()
        slow.gate.set()
        assert runbook.run("incident/remind.yml", **told, communication_wait=30).returncode == 0
        assert [one["body"]["kind"] for one in down.posted] == ["initial", "update"]
        assert [one["body"]["kind"] for one in {one["body"]["id"]: one for one in slow.posted}.values()] == ["initial", "update"]
        assert [one["body"].get("thread_ts") for one in slack.posted] == [None, slack.posted[0]["ts"]]
        assert len(teams.posted) == 2 and [mail["In-Reply-To"] for mail in mailbox.mails] == [None, mailbox.mails[0]["Message-ID"]]
        assert mailbox.mails[1]["Subject"].startswith("Monitoring: ")
        assert set(statuses(healed, incident_id).values()) == {"sent"}

        after = {**told, "runbooks_incidents_dir": str(runbook.incidents), **QUICK}
        hour = runbook.run("incident/after_hour.yml", **after, aftermath_window_seconds=2, aftermath_measurements=2)
        assert hour.returncode == 0, "stable, nothing temporary, told"
        assert runbook.run("incident/announce.yml", kind="resolved", **told).returncode == 0
        day = runbook.run("incident/after_day.yml", **after, aftermath_attendees=["sre@example.org"], archive_to=str(tmp_path / "archive"),
                          aftermath_prometheus_url=prometheus.url, aftermath_prometheus_queries={"restarts": "kube_pod_container_status_restarts_total"})
        assert day.returncode == 0
        week = runbook.run("incident/after_week.yml", **after)
        assert week.returncode != 0 and "a blank is not filled in" in " ".join(week.stdout.split()), "a draft is not a finished post-mortem"
        home = runbook.incidents / incident_id / CLUSTER.name / "aftermath"
        assert "## Root cause" in (home / "postmortem.md").read_text()
        (home / "postmortem.md").write_text(FINISHED)
        system = {"kind": "github", "url": tracker.url, "project": "shop/services", "token": "of-the-drill"}
        assert runbook.run("incident/after_week.yml", **after, aftermath_tickets=system).returncode == 0
        assert [one["body"]["title"] for one in tracker.posted] == ["try a release before it goes out"]
        status = runbook.run("incident/status.yml", incident_id=incident_id)
        assert re.search(rf"{incident_id} \(P\d, mitigated\): \d+ of 12 done", status.stdout)

        assert [one["body"]["kind"] for one in down.posted] == ["initial", "update", "thanks", "resolved", "digest"]
        event = icalendar.Calendar.from_ical((home / "postmortem.ics").read_text()).walk("VEVENT")[0]
        assert incident_id in event["SUMMARY"] and time.strftime("%Y") in str(event["DTSTART"].dt)
        kept = json.loads((tmp_path / "archive" / incident_id / CLUSTER.name / "archive.json").read_text())
        assert {"record.json", "report.md", "aftermath/timeline.csv", "evidence/afterwards/metrics/restarts.json"} <= {one["name"] for one in kept["files"]}
        record = healed.record(incident_id)
        assert {key for key in record if key.startswith("aftermath.")} >= {f"aftermath.{step}" for step in (
            "stability", "temporary_fixes", "timeline", "thanks", "evidence", "meeting", "postmortem", "runbooks", "digest", "postmortem_checked", "tickets")}
        assert healed.get("deployment", "user-service")["metadata"]["namespace"] == NAMESPACE
