# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of an exhausted connection pool: connections in use, requests that wait or time out, slow answers."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _windows, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

#: concept -> series to try in order: the playbook's own, HikariCP (Micrometer), SQLAlchemy, Go's database/sql, node-postgres,
#: pgbouncer's exporter
POOL_SERIES: dict[str, tuple[str, ...]] = {
    "active": ("db_connections_active", "hikaricp_connections_active", "sqlalchemy_pool_checked_out",
               "go_sql_in_use_connections", "pg_pool_active_count", "pgbouncer_pools_server_active_connections"),
    "idle": ("db_connections_idle", "hikaricp_connections_idle", "sqlalchemy_pool_checked_in",
             "go_sql_idle_connections", "pg_pool_idle_count", "pgbouncer_pools_server_idle_connections"),
    "pending": ("db_connections_pending", "hikaricp_connections_pending", "pg_pool_waiting_count",
                "pgbouncer_pools_client_waiting_connections"),
    "max": ("db_connections_max", "hikaricp_connections_max", "sqlalchemy_pool_size", "go_sql_max_open_connections",
            "pg_pool_max_count", "pgbouncer_databases_pool_size"),
    "timeouts": ("hikaricp_connections_timeout_total",),
    "waited": ("go_sql_wait_count_total",),
}
#: how libraries say that nobody gave them a connection in time
TIMEOUT_PATTERN = (r"connection timeout|connection is not available|QueuePool limit|pool (?:is )?exhausted|"
                   r"timeout (?:exceeded )?when trying to connect|too many clients|remaining connection slots")


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """When a pool counts as exhausted.

    :param near_capacity: share of a replica's connections in use.
    :param timeouts: requests that were not given a connection, in the window or in the log.
    :param response_seconds: 95th percentile of the response time.
    """

    near_capacity: float = 0.9
    timeouts: float = 1.0
    response_seconds: float = 5.0


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a pool is read.

    :param series: concept -> series to try in order.
    :param histogram: name of the histogram of response times, empty for none.
    :param timeout_pattern: regular expression of the log lines of a timeout.
    :param log_seconds: how far back the log is read.
    :param window: seconds between the two readings of the counters.
    """

    target: Target
    container: str | None
    port: int
    path: str
    series: t.Mapping[str, t.Sequence[str]]
    histogram: str
    timeout_pattern: str
    log_seconds: float
    window: float


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, since: str) -> Reading:
    """Measure the pool of every replica at once.

    :param since: log lines before this time (ISO 8601) do not count.
    """
    workload = _workload.read(cluster, source.target)
    pods = _workload.pods(cluster, workload)
    container = _workload.main_container(workload, source.container)
    found = gather(windows=lambda: _windows.watch(cluster, pods, source.port, source.path, source.window),
                   timeouts=lambda: _timeouts_in_logs(cluster, pods, container, source, since))
    windows: list[Window] = found["windows"]
    rows = [row(window, source.series) for window in windows]
    signals = (*pool_signals(rows, thresholds), _timeout_signal(found["timeouts"], rows, thresholds),
               _response_signal(windows, source.histogram, thresholds))
    complete = bool(rows) and len(rows) == len(pods) and all(pod["max"] for pod in rows)
    return Reading(now(), signals, complete, tuple(rows),
                   incomplete_because="not every replica says how many connections it has (no metrics, or not running yet)")


def row(window: Window, series: t.Mapping[str, t.Sequence[str]]) -> Json:
    """One replica's pool: active and pending as the lower of the two readings, so that a blink does not count."""
    active, most, pending = window.lowest(series["active"]), window.gauge(series["max"]), window.lowest(series["pending"])
    if pending is None and most and active == most:  # some pools only count who has had to wait
        pending = window.delta(series["waited"])
    return {"pod": window.pod, "active": active, "pending": pending, "idle": window.gauge(series["idle"]), "max": most,
            "timeouts": window.delta(series["timeouts"])}


def series_of(given: t.Mapping[str, t.Any]) -> dict[str, t.Sequence[str]]:
    """The series to read, what is given in the place of the built-in lists; one name may stand for a list of one."""
    unknown = sorted(set(given) - set(POOL_SERIES))
    if unknown:
        raise InvalidInput(f"series names {', '.join(unknown)}, which is nothing that is read of a pool.",
                           f"It may name {', '.join(POOL_SERIES)}. Nothing was sent.")
    return {**POOL_SERIES, **{name: [names] if isinstance(names, str) else names for name, names in given.items()}}


def pool_signals(rows: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """Connections in use, and requests that wait for one."""
    known = [pod for pod in rows if pod["max"] and pod["active"] is not None]
    full = [pod for pod in known if pod["active"] / pod["max"] > thresholds.near_capacity]
    fullest = max(known, key=lambda pod: pod["active"] / pod["max"], default=None)
    share = fullest["active"] / fullest["max"] if fullest else None
    waiting = [pod for pod in rows if pod["pending"]]
    return (
        Signal("pool_in_use", share, thresholds.near_capacity, bool(full),
               f"{fullest['active']:.0f} of {fullest['max']:.0f} connections in use ({share:.0%}, threshold "
               f"{thresholds.near_capacity:.0%})" if fullest else "connections in use: not measured",
               tuple(pod["pod"] for pod in full)),
        Signal("pool_waiting", sum(pod["pending"] for pod in waiting), 0, bool(waiting),
               f"{sum(pod['pending'] for pod in waiting):.0f} requests wait for a connection",
               tuple(pod["pod"] for pod in waiting)),
    )


def count_timeouts(text: str, pattern: t.Pattern[str], since: str) -> int:
    """Lines of a log with time stamps in front that match, since a time."""
    return sum(1 for line in text.splitlines() if line[:19] >= since[:19] and pattern.search(line))


def _timeouts_in_logs(cluster: Cluster, pods: t.Sequence[Json], container: str, source: Source, since: str) -> dict[str, int]:
    earliest = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=source.log_seconds)
    begin = max(since, earliest.strftime("%Y-%m-%dT%H:%M:%S"))
    pattern = re.compile(source.timeout_pattern, re.IGNORECASE)
    logs = _logs.fetch(cluster, pods, container, int(source.log_seconds) + 1, 16 << 20)
    return {log.pod: count for log in logs if not log.previous and (count := count_timeouts(log.text, pattern, begin))}


def _timeout_signal(in_logs: t.Mapping[str, int], rows: t.Sequence[Json], thresholds: Thresholds) -> Signal:
    counted = {pod["pod"]: pod["timeouts"] for pod in rows if pod["timeouts"]}
    most = max(sum(in_logs.values()), sum(counted.values()))
    return Signal("connection_timeouts", most, thresholds.timeouts, most >= thresholds.timeouts,
                  f"{most:.0f} requests were given no connection in time",
                  tuple(sorted({*in_logs, *counted})))


def _response_signal(windows: t.Sequence[Window], histogram: str, thresholds: Thresholds) -> Signal:
    p95 = _windows.quantile(windows, histogram, 0.95) if histogram else None
    breached = p95 is not None and p95 > thresholds.response_seconds
    text = "response time: not measured" if p95 is None else (
        f"95 % of the requests answered in {p95:.2f} s (threshold {thresholds.response_seconds:g} s)")
    return Signal("response_seconds", p95, thresholds.response_seconds, breached, text)
