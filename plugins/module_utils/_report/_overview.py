# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page of an incident that spans several clusters, made from the reports of each."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._report import _markdown, _page
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import NOT_MEASURED
from ansible_collections.sre.runbooks.plugins.module_utils._report._timeline import STEP, moment

Json = t.Dict[str, t.Any]
Section = t.Tuple[str, t.Tuple[str, ...], t.List[t.Tuple[str, ...]]]


def markdown(incident_id: str, reports: t.Mapping[str, Json]) -> str:
    """For the ticket.

    :param reports: by cluster, each by docs/schema/incident.json.
    """
    parts = [f"# {_title(incident_id, reports)}\n\n{_says(reports)}\n"]
    parts += [f"\n## {title}\n\n{_markdown.table(header, rows)}\n" for title, header, rows in _sections(reports) if rows]
    parts.append("\n" + "\n".join(f"- [{cluster}]({cluster}/report.md)" for cluster in reports) + "\n")
    return "".join(parts)


def page(incident_id: str, reports: t.Mapping[str, Json]) -> str:
    """The same as a page that loads nothing."""
    body = "".join(f"<section><h2>{title}</h2>{_page.table(header, rows)}</section>" for title, header, rows in _sections(reports) if rows)
    links = "".join(f'<li><a href="{_page.safe(cluster)}/report.html">{_page.safe(cluster)}</a></li>' for cluster in reports)
    return _page.frame(_title(incident_id, reports), f"<p>{_page.safe(_says(reports))}</p>{body}<section><h2>Reports</h2><ul>{links}</ul></section>",
                       "Made from the report of each cluster; incident/verify_report.yml proves those.")


def _title(incident_id: str, reports: t.Mapping[str, Json]) -> str:
    titles = dict.fromkeys(report["title"] for report in reports.values())
    return f"{incident_id}: {'; '.join(titles)}"


def _says(reports: t.Mapping[str, Json]) -> str:
    outcomes: dict[str, list[str]] = {}
    for cluster, report in reports.items():
        outcomes.setdefault(report["outcome"], []).append(cluster)
    begin = min(report["opened_at"] for report in reports.values())
    told = "; ".join(f"{outcome.replace('_', ' ')} on {', '.join(clusters)}" for outcome, clusters in outcomes.items())
    return f"{len(reports)} clusters, from {begin}: {told}."


def _sections(reports: t.Mapping[str, Json]) -> list[Section]:
    each = list(reports.items())
    events = sorted(((cluster, event) for cluster, report in each for event in report["timeline"]), key=lambda one: moment(one[1]["at"]))
    return [
        ("Clusters", ("cluster", "severity", "outcome", "opened", "ended", "cause"), [
            (cluster, report["severity"], report["outcome"], report["opened_at"], report["ended_at"] or "open", report["summary"][1]["text"])
            for cluster, report in each]),
        ("Who was hit", ("cluster", "question", "answer", "how it is known"), [
            (cluster, row["question"], row["answer"], row["how"]) for cluster, report in each for row in report["impact"] if row["answer"] != NOT_MEASURED]),
        ("What is open", ("cluster", "action", "owner", "due"), [
            (cluster, row["action"], row["owner"], row["due"]) for cluster, report in each for row in report["follow_ups"]]),
        ("Changes", ("cluster", "change", "state"), [
            (cluster, row["summary"], f"{row['state']} {row['at']}") for cluster, report in each for row in report["changes"]]),
        ("Timeline", ("time", "cluster", "what", "event"), [
            (event["at"], cluster, event["phase"] if event["kind"] == STEP else event["kind"], event["text"]) for cluster, event in events]),
    ]
