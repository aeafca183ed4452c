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
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._served import served, served_signal
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now


@dataclasses.dataclass(frozen=True)
class Preset:
    """How a kind of pool writes itself down; docs/metrics.md shows an exposition of each.

    :param series: concept -> series, or several to try in order.
    :param pool: the labels that tell the pools of a pod apart.
    :param shared: of concepts that many pools share, label there -> label here.
    """

    series: t.Mapping[str, str | tuple[str, ...]]
    pool: tuple[str, ...] = ()
    shared: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)


CONCEPTS = ("active", "idle", "pending", "max", "timeouts", "waited")
#: a pod may have pools of several kinds
PRESETS: dict[str, Preset] = {
    "shop": Preset({"active": "db_connections_active", "idle": "db_connections_idle", "pending": "db_connections_pending",
                    "max": "db_connections_max", "timeouts": "db_connections_timeouts_total"}, ("pool",)),
    # by Micrometer, and by HikariCP's own tracker
    "hikaricp": Preset({"active": ("hikaricp_connections_active", "hikaricp_active_connections"),
                        "idle": ("hikaricp_connections_idle", "hikaricp_idle_connections"),
                        "pending": ("hikaricp_connections_pending", "hikaricp_pending_threads"),
                        "max": ("hikaricp_connections_max", "hikaricp_max_connections"),
                        "timeouts": ("hikaricp_connections_timeout_total", "hikaricp_connection_timeout_total")}, ("pool",)),
    # Agroal does not say how many connections it may have: who waits is what tells.
    "agroal": Preset({"active": "agroal_active_count", "idle": "agroal_available_count", "pending": "agroal_awaiting_count"}, ("datasource",)),
    # semantic conventions from 1.26 on, with long and short labels, and before
    "opentelemetry": Preset({"active": ('db_client_connection_count{db_client_connection_state="used"}', 'db_client_connection_count{state="used"}',
                                        'db_client_connections_usage{state="used"}'),
                             "idle": ('db_client_connection_count{db_client_connection_state="idle"}', 'db_client_connection_count{state="idle"}',
                                      'db_client_connections_usage{state="idle"}'),
                             "pending": ("db_client_connection_pending_requests", "db_client_connections_pending_requests"),
                             "max": ("db_client_connection_max", "db_client_connections_max"),
                             "timeouts": ("db_client_connection_timeouts_total", "db_client_connections_timeouts_total")},
                            ("db_client_connection_pool_name", "pool_name")),
    "pgxpool": Preset({"active": "pgxpool_acquired_conns", "idle": "pgxpool_idle_conns", "max": "pgxpool_max_conns",
                       "waited": ("pgxpool_empty_acquire", "pgxpool_empty_acquire_count_total"),
                       "timeouts": ("pgxpool_canceled_acquire_count", "pgxpool_canceled_acquire_count_total")}, ("db_name",)),
    "go_sql": Preset({"active": "go_sql_in_use_connections", "idle": "go_sql_idle_connections", "max": "go_sql_max_open_connections",
                      "waited": "go_sql_wait_count_total"}, ("db_name",)),
    "c3p0": Preset({"active": "com_mchange_v2_c3p0_PooledDataSource_numBusyConnectionsDefaultUser",
                    "idle": "com_mchange_v2_c3p0_PooledDataSource_numIdleConnectionsDefaultUser",
                    "pending": "com_mchange_v2_c3p0_PooledDataSource_numThreadsAwaitingCheckoutDefaultUser",
                    "max": "com_mchange_v2_c3p0_PooledDataSource_maxPoolSize"}, ("name",)),
    # by the JMX exporter; DBCP2 as a resource of Tomcat is called Catalina's
    "dbcp2": Preset({"active": ('org_apache_commons_dbcp2_BasicDataSource_NumActive{connectionpool="connections"}', "Catalina_DataSource_numActive"),
                     "idle": ('org_apache_commons_dbcp2_BasicDataSource_NumIdle{connectionpool="connections"}', "Catalina_DataSource_numIdle"),
                     "pending": 'org_apache_commons_dbcp2_BasicDataSource_NumWaiters{connectionpool="connections"}',
                     "max": ('org_apache_commons_dbcp2_BasicDataSource_MaxTotal{connectionpool="connections"}', "Catalina_DataSource_maxTotal")},
                    ("name", "context")),
    # Tomcat's own pool; the JMX exporter puts the pool's name into the series' name where its bean begins with it
    "tomcat": Preset({concept: f'{{__name__=~"tomcat_jdbc_.+_{attribute}",type=~"(ConnectionPool)?"}}' for concept, attribute in (
        ("active", "Active"), ("idle", "Idle"), ("pending", "WaitCount"), ("max", "MaxActive"))}, ("name", "context")),
    # Spring Boot's view of HikariCP, Tomcat and DBCP2 alike; it does not say who waits.
    "spring_jdbc": Preset({"active": "jdbc_connections_active", "idle": "jdbc_connections_idle", "max": "jdbc_connections_max"}, ("name",)),
    "sqlalchemy": Preset({"active": "sqlalchemy_pool_checked_out", "idle": "sqlalchemy_pool_checked_in", "max": "sqlalchemy_pool_size"}, ("pool",)),
    "node_postgres": Preset({"active": "pg_pool_active_count", "idle": "pg_pool_idle_count", "pending": "pg_pool_waiting_count",
                             "max": "pg_pool_max_count"}, ("pool",)),
    # Each user of a database has a pool of the database's size.
    "pgbouncer": Preset({"active": "pgbouncer_pools_server_active_connections", "idle": "pgbouncer_pools_server_idle_connections",
                         "pending": "pgbouncer_pools_client_waiting_connections", "max": "pgbouncer_databases_pool_size"},
                        ("database", "user"), {"max": {"name": "database"}}),
}
#: labels that hold what became of a request, and what became of one that was not served
STATUS_LABELS = ("status", "code", "status_code", "http_status", "http_response_status_code", "outcome")
_NOT_SERVED = re.compile(r"5..|SERVER_ERROR|UNKNOWN")
#: requests that nobody waits for: probes and scrapes
_PROBES = re.compile(r"(?i)\b(?:ready|readyz|readiness|health|healthz|live|livez|liveness|metrics|prometheus|actuator|ping)\b")
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
    port: int | str
    path: str
    series: t.Mapping[str, t.Sequence[str]]
    histogram: str
    timeout_pattern: str
    log_seconds: float
    window: float


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, since: str, baseline: Json | None = None) -> Reading:
    """Measure the pool of every replica at once.

    :param since: log lines before this time (ISO 8601) do not count.
    :param baseline: facts of the reading before the change, that customers are to be served as well as then.
    """
    workload = _workload.read(cluster, source.target)
    pods = _workload.pods(cluster, workload)
    container = _workload.main_container(workload, source.container, pods, source.port)
    found = gather(windows=lambda: _windows.watch(cluster, pods, source.port, source.path, source.window),
                   timeouts=lambda: _timeouts_in_logs(cluster, pods, container, source, since))
    windows: list[Window] = found["windows"]
    rows = [row(window, source.series) for window in windows]
    facts = requests_served(windows, source.histogram) if source.histogram else {}
    signals = (*pool_signals(rows, thresholds), _timeout_signal(found["timeouts"], rows, thresholds),
               _response_signal(windows, source.histogram, thresholds), *served_signal(facts, baseline or {}))
    complete = bool(rows) and len(rows) == len(pods) and all(pod["judged"] for pod in rows)
    why = _windows.why_not(windows, "not every replica says how its pools stand: known are "
                           f"{', '.join(PRESETS)}; name others with series (or some are not running yet)")
    return Reading(now(), signals, complete, tuple(rows), facts, incomplete_because=why)


def requests_served(windows: t.Sequence[Window], histogram: str) -> Json:
    """How many requests of customers are served (see ``_served.served``); empty where the metrics do not tell what became of them."""
    wanted, counted = Series.parse(f"{histogram}_count"), {True: 0.0, False: 0.0}
    known = False
    for window in windows:
        earlier = {frozenset(sample.labels.items()): sample.value for sample in window.first.matching(wanted)} if window.first else {}
        for sample in window.last.matching(wanted) if window.first and window.last else ():
            status = next((sample.labels[label] for label in STATUS_LABELS if label in sample.labels), None)
            if status is None or any(_PROBES.search(value) for value in sample.labels.values()):
                continue
            known, before = True, earlier.get(frozenset(sample.labels.items()), 0.0)
            counted[not _NOT_SERVED.fullmatch(status)] += sample.value - before if sample.value >= before else sample.value
    seconds = max((window.seconds for window in windows), default=0.0)
    return served(sum(counted.values()), counted[True], seconds) if known else {}


def row(window: Window, given: t.Mapping[str, t.Sequence[str]]) -> Json:
    """One replica's pools.

    :param given: concept -> series that stand for the presets'.
    :returns: pod, ``pools`` with what is known of each (pool, active, idle, pending, max, timeouts; active and pending as the lower
        of the two readings, so that a blink does not count), the figures of the pool that is nearest to its end, and ``judged``:
        whether every pool tells how full it is or who waits.
    """
    pools = _pools(window, given)
    worst = max(pools, key=lambda pool: ((pool["pending"] or 0) > 0, _fill(pool) or 0, pool["active"] or 0), default=_NOTHING)
    judged = [pool["pending"] is not None or _fill(pool) is not None for pool in pools]
    return {"pod": window.pod, **worst, "pools": pools, "judged": bool(judged) and all(judged),
            "timeouts": _sum(pool["timeouts"] for pool in pools)}


_NOTHING: Json = {"pool": "", "active": None, "pending": None, "idle": None, "max": None, "timeouts": None}


def _pools(window: Window, given: t.Mapping[str, t.Sequence[str]]) -> list[Json]:
    if given.get("active") or given.get("max"):
        return _of_preset(window, "custom", [(concept, text) for concept in CONCEPTS for text in given.get(concept, ())], Preset({}), None)
    found = [pool for name, preset in PRESETS.items()
             for pool in _of_preset(window, name, list(_texts(preset, given)), preset, preset.pool)]
    # what Spring says of a pool, the pool says better itself
    own = [pool for pool in found if pool["preset"] != "spring_jdbc"]
    return own or found


def _texts(preset: Preset, given: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[tuple[str, str]]:
    for concept in CONCEPTS:
        texts = given.get(concept, preset.series.get(concept, ()))
        yield from ((concept, text) for text in ((texts,) if isinstance(texts, str) else texts))


def _of_preset(window: Window, name: str, texts: t.Sequence[tuple[str, str]], preset: Preset, labels: tuple[str, ...] | None) -> list[Json]:
    """The pools of one kind; without labels every label but those that choose the series tells pools apart."""
    kept: dict[str, _Kept] = {}
    for concept, text in texts:
        series = Series.parse(text)
        first, last = (_by_pool(samples, series, labels, preset.shared.get(concept)) for samples in (window.first, window.last))
        if concept not in kept and (first or last):
            kept[concept] = _Kept(first, last, bool(preset.shared.get(concept)))
    if "active" not in kept:
        return []
    rows = []
    for key in sorted({*kept["active"].first, *kept["active"].last}, key=sorted):
        active, most = _lowest(kept, "active", key), _last(kept, "max", key)
        most = most if most and most > 0 else None  # 0 and -1 stand for no bound
        pending = _lowest(kept, "pending", key)
        if pending is None and "waited" in kept:  # some pools only count who has had to wait
            pending = _grown(kept, "waited", key) if most and active == most else 0.0
        called = "/".join(value.strip("/") for _label, value in sorted(key) if value.strip("/"))
        rows.append({"preset": name, "pool": called, "active": active, "pending": pending,
                     "idle": _last(kept, "idle", key), "max": most, "timeouts": _grown(kept, "timeouts", key)})
    return [pool for pool in rows if pool["active"] is not None or pool["pending"] is not None]


Key = t.FrozenSet[t.Tuple[str, str]]


class _Kept(t.NamedTuple):
    """A concept's values by pool at both ends of the window."""

    first: dict[Key, float]
    last: dict[Key, float]
    shared: bool

    def at(self, end: str, key: Key) -> float | None:
        """The value of a pool; of a shared concept that of the pools' common labels; of one without labels the only one."""
        values = getattr(self, end)
        if key in values:
            return values[key]
        matching = [value for other, value in values.items() if other <= key] if self.shared or not any(values) else []
        return matching[0] if matching else None


def _by_pool(samples: Samples | None, series: Series, labels: tuple[str, ...] | None, renamed: t.Mapping[str, str] | None) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for sample in samples.matching(series) if samples else ():
        own = {(renamed or {}).get(label, label): value for label, value in sample.labels.items()}
        if not series.name:  # the part of the name that all concepts share
            own["name"] = own.get("name") or sample.name.rpartition("_")[0]
        key = frozenset((label, value) for label, value in own.items()
                        if (label in labels if labels is not None else label not in series.chosen_by))
        found[key] = found.get(key, 0.0) + sample.value
    return found


def _lowest(kept: t.Mapping[str, _Kept], concept: str, key: Key) -> float | None:
    values = [value for end in ("first", "last") if concept in kept and (value := kept[concept].at(end, key)) is not None]
    return min(values, default=None)


def _last(kept: t.Mapping[str, _Kept], concept: str, key: Key) -> float | None:
    return kept[concept].at("last", key) if concept in kept else None


def _grown(kept: t.Mapping[str, _Kept], concept: str, key: Key) -> float | None:
    after = _last(kept, concept, key)
    if after is None:
        return None
    before = kept[concept].at("first", key) or 0.0
    return after - before if after >= before else after


def _fill(pool: Json) -> float | None:
    return pool["active"] / pool["max"] if pool["max"] and pool["active"] is not None else None


def _sum(values: t.Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def series_of(given: t.Mapping[str, t.Any]) -> dict[str, t.Sequence[str]]:
    """The series that are given in the place of the presets'; one name may stand for a list of one."""
    unknown = sorted(set(given) - set(CONCEPTS))
    if unknown:
        raise InvalidInput(f"series names {', '.join(unknown)}, which is nothing that is read of a pool.",
                           f"It may name {', '.join(CONCEPTS)}. Nothing was sent.")
    chosen = {name: [names] if isinstance(names, str) else names for name, names in given.items()}
    for text in (text for texts in chosen.values() for text in texts):
        Series.parse(text)
    return chosen


def pool_signals(rows: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """Connections in use, and requests that wait for one, of each pool of each pod."""
    pools = [(pod["pod"], pool) for pod in rows for pool in pod.get("pools") or [{"pool": "", **pod}]]
    fills = [(pod, pool, fill) for pod, pool in pools if (fill := _fill(pool)) is not None]
    full = tuple(dict.fromkeys(pod for pod, _pool, fill in fills if fill > thresholds.near_capacity))
    fullest = max(fills, key=lambda item: item[2], default=None)
    waiting = [(pod, pool) for pod, pool in pools if pool["pending"]]
    measured = [pool["pending"] for _pod, pool in pools if pool["pending"] is not None]
    return (
        Signal("pool_in_use", fullest[2] if fullest else None, thresholds.near_capacity, bool(full),
               f"{fullest[1]['active']:.0f} of {fullest[1]['max']:.0f} connections{_called(fullest[1])} in use ({fullest[2]:.0%}, threshold "
               f"{thresholds.near_capacity:.0%})" if fullest else "connections in use: not measured", full),
        Signal("pool_waiting", sum(measured) if measured else None, 0, bool(waiting),
               f"{sum(measured):.0f} requests wait for a connection{_called(waiting[0][1]) if waiting else ''}" if measured
               else "requests that wait for a connection: not measured", tuple(dict.fromkeys(pod for pod, _pool in waiting))),
    )


def _called(pool: Json) -> str:
    return f" of pool {pool['pool']}" if pool.get("pool") else ""


def count_timeouts(text: str, pattern: t.Pattern[str], since: str) -> int:
    """Lines of a log with time stamps in front that match, since a time."""
    return sum(1 for line in text.splitlines() if line[:19] >= since[:19] and pattern.search(line))


def _timeouts_in_logs(cluster: Cluster, pods: t.Sequence[Json], container: str, source: Source, since: str) -> dict[str, int]:
    earliest = cluster.now() - datetime.timedelta(seconds=source.log_seconds)
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
