# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What retention will take: the logs since the incident began, and its metrics from a Prometheus where there is one."""

from __future__ import annotations

import datetime
import re
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Undelivered
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import _http
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

#: how long before the incident is gathered too
BEFORE = datetime.timedelta(hours=1)
MOST_BYTES = 50 * 1024 * 1024
#: points of each series
POINTS = 600


def logs(cluster: Cluster, incident: Incident, store: EvidenceStore, moment: datetime.datetime) -> tuple[list[str], list[str]]:
    """Save the logs of the target's pods beside those that were captured; returns the files, and what could not be read."""
    since = int((moment - datetime.datetime.fromisoformat(incident.head["opened_at"]) + BEFORE).total_seconds())
    try:
        workload = _workload.read(cluster, incident.target)
        fetched = _logs.fetch(cluster, _workload.pods(cluster, workload), None, since, MOST_BYTES)
    except ClusterError as error:
        return [], [f"no logs: {error.message}"]
    saved = [store.save_text(f"afterwards/{log.pod}.{log.container}{'.previous' if log.previous else ''}.log", "logs_afterwards",
                             f"logs of {log.pod}/{log.container}, afterwards", log.text).name for log in fetched if not log.error]
    return saved, [f"no log of {log.pod}/{log.container}: {log.error}" for log in fetched if log.error and not log.previous]


def metrics(url: str, queries: t.Mapping[str, str], incident: Incident, store: EvidenceStore, moment: datetime.datetime,
            timeout: float, headers: t.Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Save what a Prometheus knows of the incident's time; returns the files, and which queries it did not answer.

    :param queries: PromQL by the name that its file gets.
    """
    saved, failed = [], []
    for name, query in queries.items():
        try:
            answer = _asked(url, query, incident, moment, timeout, headers)
        except Undelivered as error:
            failed.append(f"{name}: {str(error).replace(url, 'Prometheus')}")
            continue
        if answer.get("status") != "success" or not answer["data"]["result"]:
            failed.append(f"{name}: {answer.get('error') or 'no series'}")
            continue
        safe = re.sub(r"[^\w.-]", "_", name)
        saved.append(store.save_json(f"afterwards/metrics/{safe}.json", "metrics_afterwards", f"Prometheus: {query}", answer["data"]).name)
    return saved, failed


def samples(url: str, query: str, incident: Incident, moment: datetime.datetime, timeout: float,
            headers: t.Mapping[str, str]) -> list[tuple[float, float]]:
    """Time and value of a query that gives one series; empty where Prometheus does not answer it."""
    try:
        answer = _asked(url, query, incident, moment, timeout, headers)
    except Undelivered:
        return []
    found = answer["data"]["result"] if answer.get("status") == "success" else []
    return [(float(at), float(value)) for at, value in found[0]["values"]] if found else []


def _asked(url: str, query: str, incident: Incident, moment: datetime.datetime, timeout: float, headers: t.Mapping[str, str]) -> t.Any:
    start = datetime.datetime.fromisoformat(incident.head["opened_at"]) - BEFORE
    step = max(1, int((moment - start).total_seconds() / POINTS))
    words = urllib.parse.urlencode({"query": query, "start": start.timestamp(), "end": moment.timestamp(), "step": step})
    return _http.ask("GET", f"{url.rstrip('/')}/api/v1/query_range?{words}", headers, timeout).body
