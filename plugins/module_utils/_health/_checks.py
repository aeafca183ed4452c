# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a health check: what is asked, and what the answer means."""

from __future__ import annotations

import dataclasses
import datetime
import re
import textwrap
import typing as t
import urllib.parse
from concurrent.futures import Future

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _logs, _pod_state, _probe, _psql, _service_proxy, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Answer, Request
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._health._findings import (
    API, BAD, OK, UNKNOWN, WARN, Check, Finding, start)
from ansible_collections.sre.runbooks.plugins.module_utils._health._namespace import Targets

#: of a container's log, the most that is read to find its errors
LOG_LINES = 5000

_CONNECTIONS = """
SELECT now() AS now, current_setting('max_connections')::int AS most, count(*) AS used,
       count(*) FILTER (WHERE state = 'active') AS active,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is looked at, and when it is not well.

    :param targets: what is looked at beside nodes, pods and deployments; the check of a URL is named like the first part of its host.
    :param slow_ms: an answer that takes longer is a warning.
    :param redis_password: goes to redis-cli through its standard input.
    :param full: share of the connections to the database or to Redis in use that is a warning.
    :param error_pattern: regular expression of the log lines that count as errors.
    :param error_count: so many errors within ``error_minutes`` are a warning.
    :param grace: seconds that a pod may take to start or to stop.
    :param recent: seconds for which a crash is a warning although the pod is ready again.
    :param request_timeout: seconds for one request inside the cluster.
    """

    namespace: str
    targets: Targets
    slow_ms: float
    redis_password: str
    full: float
    error_pattern: str
    error_minutes: int
    error_count: int
    grace: float
    recent: float
    request_timeout: float


def checks(cluster: Cluster, settings: Settings) -> dict[str, Check]:
    """Every check by its name, ready to be run; what several need is asked for once, at once."""
    namespace, targets = settings.namespace, settings.targets
    prober = start(lambda: _probe.prober(cluster, namespace, targets.prober or targets.redis_workload))
    found = {
        API: lambda: api(cluster),
        "nodes": lambda: nodes(cluster.list("Node")),
        "pods": lambda: pods(cluster.list("Pod", namespace), settings, datetime.datetime.now(datetime.timezone.utc)),
        "deployments": lambda: deployments(cluster.list("Deployment", namespace)),
        **_http_checks(cluster, prober, settings),
    }
    if targets.database_ways:
        found["database"] = lambda: database(cluster, settings)
    if targets.redis_host:
        found["redis"] = lambda: redis(_ask_redis(cluster, prober.result(), settings), settings.full)
    if targets.error_workload:
        found["errors"] = lambda: errors(_error_log(cluster, settings), settings)
    return found


def api(cluster: Cluster) -> Finding:
    """Whether the API server answers."""
    try:
        version = cluster.request("GET", "/version")
    except ClusterError as error:
        if error.status:
            raise
        return Finding(BAD, "no answer", str(error))
    return Finding(OK, version.get("gitVersion", ""))


def nodes(items: t.Sequence[Json]) -> Finding:
    """Nodes that are ready, and pressure on them."""
    unready, strained = [], []
    for node in items:
        conditions = {item["type"]: item for item in node.get("status", {}).get("conditions", [])}
        name, ready = node["metadata"]["name"], conditions.pop("Ready", {})
        if ready.get("status") != "True":
            unready.append(f"{name}: not ready: {ready.get('message') or ready.get('reason') or 'no status'}")
        strained += [f"{name}: {kind}: {item.get('message', '')}" for kind, item in conditions.items() if item["status"] == "True"]
        if node.get("spec", {}).get("unschedulable"):
            strained.append(f"{name}: cordoned")
    lines = (*unready, *strained)
    status = BAD if unready or not items else WARN if strained else OK
    return Finding(status, f"{len(items) - len(unready)}/{len(items)}", _in_brief(lines), lines)


def pods(items: t.Sequence[Json], settings: Settings, moment: datetime.datetime) -> Finding:
    """Pods that do not run, are not ready, or have crashed a moment ago."""
    troubles = [found for pod in items if (found := _pod_state.trouble(pod, moment, settings.grace, settings.recent))]
    troubles.sort(key=lambda found: (not found.serious, found.pod))
    lines = tuple(redact(str(found)) for found in troubles)
    wanted = [pod for pod in items if pod.get("status", {}).get("phase") != "Succeeded"
              and not pod["metadata"].get("deletionTimestamp")]
    status = BAD if any(found.serious for found in troubles) else WARN if troubles else OK
    return Finding(status, f"{sum(map(_workload.ready, wanted))}/{len(wanted)}", _in_brief(lines), lines)


def deployments(items: t.Sequence[Json]) -> Finding:
    """Deployments with fewer pods available than wanted."""
    short = {}
    for item in items:
        wanted, available = item["spec"].get("replicas", 1), item.get("status", {}).get("availableReplicas", 0)
        if available < wanted:
            short[f"{item['metadata']['name']} {available}/{wanted} available"] = available
    lines = tuple(sorted(short, key=short.__getitem__))
    status = BAD if 0 in short.values() else WARN if short else OK
    return Finding(status, f"{len(items) - len(short)}/{len(items)}", _in_brief(lines), lines)


def http(url: str, answer: Answer, slow_ms: float) -> Finding:
    """Whether a service answers with 2xx, in time."""
    if answer.error:
        return Finding(BAD, answer.error, f"GET {redact(url)}: {answer.error}: {answer.detail}")
    value = f"{answer.status} {answer.ms:.0f} ms"
    if not answer.ok:
        return Finding(BAD, value, f"GET {redact(url)} answers {answer.status}: {redact(answer.body.strip())}")
    if answer.ms > slow_ms:
        return Finding(WARN, value, f"GET {redact(url)} takes {answer.ms:.0f} ms (threshold {slow_ms:.0f} ms)")
    return Finding(OK, value)


def database(cluster: Cluster, settings: Settings) -> Finding:
    """Whether the database answers, and how many of its connections are in use."""
    try:
        found, _way = _psql.query(cluster, settings.namespace, settings.targets.database_ways, _CONNECTIONS, settings.request_timeout)
    except _psql.CannotAsk:
        raise
    except ClusterError as error:
        return Finding(BAD, "no answer", str(error))
    return connections(found[0], datetime.datetime.now(datetime.timezone.utc), settings.full)


def connections(facts: Json, moment: datetime.datetime, full: float) -> Finding:
    """What a database says of its time and its connections."""
    off = (datetime.datetime.fromisoformat(facts["now"]) - moment).total_seconds()
    share = f"{facts['used']}/{facts['most']}"
    detail = (f"{facts['active']} active, {facts['idle_in_transaction']} idle in transaction, {facts['waiting']} waiting for a lock; "
              f"its time {facts['now']} ({off:+.1f} s)")
    if facts["used"] >= full * facts["most"]:
        return Finding(WARN, share, f"{share} connections (threshold {full:.0%}): {detail}")
    return Finding(OK, share, detail)


def redis(result: ExecResult, full: float) -> Finding:
    """What ``INFO clients`` says."""
    facts = dict(re.findall(r"^(\w+):(\d+)\s*$", result.text, re.MULTILINE))
    if "connected_clients" not in facts:
        said = redact(" ".join((result.text + " " + result.stderr).split()))[:300]
        if result.code in (126, 127) or said.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
            return Finding(UNKNOWN, "", f"redis-cli cannot ask: {said or 'not found in the pod'}")
        return Finding(BAD, "no answer", "no answer in time" if result.code == 124 else said or f"redis-cli exit {result.code}")
    clients, most, blocked = (int(facts.get(name, 0)) for name in ("connected_clients", "maxclients", "blocked_clients"))
    share = f"{clients}/{most}" if most else str(clients)
    if most and clients >= full * most:
        return Finding(WARN, share, f"{share} clients, {blocked} blocked (threshold {full:.0%})")
    return Finding(OK, share, f"{blocked} blocked")


def errors(lines: t.Sequence[str], settings: Settings) -> Finding:
    """The last errors of a log.

    :param lines: those of all pods, each with its time and pod in front, the last one last.
    """
    what = f"{len(lines)} lines match {settings.error_pattern} in {settings.error_minutes} min of {settings.targets.error_workload}"
    status = WARN if len(lines) >= settings.error_count else OK
    return Finding(status, str(len(lines)), what if lines else "", tuple(redact(line) for line in lines[-10:]))


def _http_checks(cluster: Cluster, prober: Future[Container], settings: Settings) -> dict[str, Check]:
    """What every URL answers: asked from the prober's pod in one exec, or one by one through the API server where there is no prober."""
    urls, timeout = settings.targets.urls, settings.request_timeout
    if not settings.targets.prober:
        return {name: lambda url=url: http(url, _service_proxy.ask(cluster, settings.namespace, url, timeout), settings.slow_ms)
                for name, url in zip(names(urls), urls, strict=True)}
    answers = start(lambda: _probe.probe(cluster, prober.result(), [Request(url, timeout=timeout) for url in urls], body_bytes=200))
    return {name: lambda number=number: http(urls[number], answers.result()[number], settings.slow_ms)
            for number, name in enumerate(names(urls))}


def _ask_redis(cluster: Cluster, container: Container, settings: Settings) -> ExecResult:
    limit = max(1, round(settings.request_timeout))
    argv = ["timeout", str(limit), "redis-cli", "-h", settings.targets.redis_host, "-p", str(settings.targets.redis_port), "INFO", "clients"]
    password = settings.redis_password.encode()
    if password:
        read = 'REDISCLI_AUTH=$(head -c "$1"); export REDISCLI_AUTH; shift; exec "$@"'
        argv = ["sh", "-c", read, "sh", str(len(password)), *argv]
    return _exec.run(cluster, container, argv, limit + 5, password)


def _error_log(cluster: Cluster, settings: Settings) -> list[str]:
    workload = _workload.read(cluster, Target.parse(settings.namespace, settings.targets.error_workload))
    container = _workload.main_container(workload)
    lines = _logs.tail(cluster, _workload.pods(cluster, workload), container, settings.error_minutes * 60, LOG_LINES)
    wanted = re.compile(settings.error_pattern)
    return [f"{at} {pod}: {text}" for at, pod, text in lines if wanted.search(text)]


def names(urls: t.Sequence[str]) -> list[str]:
    """What the checks of these URLs are called: by the service; by the whole URL where that is taken."""
    found: list[str] = []
    for url in urls:
        name = (urllib.parse.urlsplit(url).hostname or url).partition(".")[0]
        found.append(redact(url) if name in found else name)
    return found


def _in_brief(lines: t.Sequence[str]) -> str:
    brief = [textwrap.shorten(line, 100, placeholder=" …") for line in lines[:3]]
    return "; ".join([*brief, f"and {len(lines) - 3} more"] if len(lines) > 3 else brief)
