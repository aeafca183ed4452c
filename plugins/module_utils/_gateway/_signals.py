# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's signals: failed requests, queue, CPU and latency, read from its pods' metrics over a window."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _quantity, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series, Usage
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window, quantile, watch, why_not
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each, gather
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._served import served, served_signal
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

#: Where each kind of gateway says what. ``requests``: a counter, with the labels that hold status and route.
#: ``intended``: a counter of 5xx answers that are meant so (shed, or an open circuit), empty where they cannot be told.
#: ``queue``: a gauge of waiting requests. ``duration``: a histogram, ``served`` the labels of what was answered,
#: ``duration_scale`` seconds for each of its units. ``cpu_seconds``: a counter; without it the metrics API is asked.
#: ``bad``: statuses that count as failed, where they are not single codes. docs/metrics.md shows an exposition of each.
NAMES = ("requests", "status_label", "route_label", "intended", "queue", "duration", "served", "duration_scale", "cpu_seconds", "bad")
PRESETS: dict[str, dict[str, t.Any]] = {
    "shop": {
        "requests": "gateway_request_seconds_count", "status_label": "status", "route_label": "route",
        "intended": 'gateway_refused_total{reason=~"shed|circuit"}', "queue": "gateway_queue_length",
        "duration": "gateway_request_seconds", "served": 'status!~"429|50[234]"', "duration_scale": 1.0,
        "cpu_seconds": "process_cpu_seconds_total"},
    "nginx": {
        "requests": "nginx_ingress_controller_requests", "status_label": "status", "route_label": "path",
        "intended": "", "queue": "", "duration": "nginx_ingress_controller_request_duration_seconds",
        "served": 'status!~"429|50[234]"', "duration_scale": 1.0,
        "cpu_seconds": "nginx_ingress_controller_nginx_process_cpu_seconds_total"},
    "istio": {
        "requests": "istio_requests_total", "status_label": "response_code", "route_label": "destination_service_name",
        "intended": 'istio_requests_total{response_code=~"503",response_flags=~".*(UO|RL).*"}',
        "queue": "envoy_cluster_upstream_rq_pending_active", "duration": "istio_request_duration_milliseconds",
        "served": 'response_code!~"429|50[234]"', "duration_scale": 0.001, "cpu_seconds": ""},
    "envoy": {
        "requests": "envoy_cluster_upstream_rq", "status_label": "envoy_response_code", "route_label": "envoy_cluster_name",
        "intended": "envoy_cluster_upstream_rq_pending_overflow", "queue": "envoy_cluster_upstream_rq_pending_active",
        "duration": "envoy_cluster_upstream_rq_time", "served": "", "duration_scale": 0.001, "cpu_seconds": ""},
    "traefik": {
        "requests": "traefik_service_requests_total", "status_label": "code", "route_label": "service",
        "intended": "", "queue": "", "duration": "traefik_service_request_duration_seconds",
        "served": 'code!~"429|50[234]"', "duration_scale": 1.0, "cpu_seconds": "process_cpu_seconds_total"},
    # Without addServicesLabels Traefik counts by entry point only.
    "traefik_entrypoints": {
        "requests": "traefik_entrypoint_requests_total", "status_label": "code", "route_label": "entrypoint",
        "intended": "", "queue": "", "duration": "traefik_entrypoint_request_duration_seconds",
        "served": 'code!~"429|50[234]"', "duration_scale": 1.0, "cpu_seconds": "process_cpu_seconds_total"},
    # HAProxy counts by class; its response times are averages of the last 1024 requests, of which no percentile can be had.
    "haproxy": {
        "requests": "haproxy_backend_http_responses_total", "status_label": "code", "route_label": "proxy",
        "intended": "", "queue": "haproxy_backend_current_queue", "duration": "", "served": "", "duration_scale": 1.0, "cpu_seconds": "",
        "bad": "5xx"},
    "kong": {
        "requests": "kong_http_requests_total", "status_label": "code", "route_label": "route",
        "intended": "", "queue": "", "duration": "kong_request_latency_ms", "served": "", "duration_scale": 0.001, "cpu_seconds": ""},
    "spring_cloud_gateway": {
        "requests": "spring_cloud_gateway_requests_seconds_count", "status_label": "httpStatusCode", "route_label": "routeId",
        "intended": "", "queue": "", "duration": "spring_cloud_gateway_requests_seconds",
        "served": 'httpStatusCode!~"429|50[234]"', "duration_scale": 1.0, "cpu_seconds": ""},
}
#: statuses of what was not served: failed, or refused on purpose
NOT_SERVED = "429|5..|5xx"
PERIODS, THROTTLED = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """When something counts as a signal.

    :param error_share: of the requests that failed although the gateway did not mean to refuse them.
    :param queue_length: requests that wait in one pod.
    :param queue_growth: by how many requests the queues of all pods together grow in the window.
    :param cpu_share: of the limit that a pod uses.
    :param throttled_share: of the scheduler's periods in which a pod was stopped for the rest of it.
    :param response_seconds: 95th percentile of what was served.
    """

    error_share: float = 0.05
    queue_length: float = 50.0
    queue_growth: float = 20.0
    cpu_share: float = 0.9
    throttled_share: float = 0.5
    response_seconds: float = 2.0


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a gateway is measured.

    :param preset: a key of PRESETS, or ``auto`` for the first whose requests the pods have.
    :param series: values that replace the preset's.
    :param bad_statuses: regular expression of the statuses that count as failed.
    :param seconds: the window.
    """

    target: Target
    container: str | None
    port: int | str
    path: str
    preset: str
    series: t.Mapping[str, t.Any]
    bad_statuses: str
    seconds: float


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, baseline: Json | None = None) -> Reading:
    """Measure the gateway's signals over one window.

    :param baseline: facts of the reading before the change, with usual_per_second, that customers are to be served better than; and
        given_up, prefixes of the routes that were shed for the others' sake.
    """
    workload = _workload.read(cluster, source.target)
    pods = _workload.pods(cluster, workload)
    container = _workload.main_container(workload, source.container, pods, source.port)
    nodes = sorted({pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")})
    before = _throttle_counters(cluster, nodes)
    windows = watch(cluster, pods, source.port, source.path, source.seconds)
    found = gather(
        after=lambda: None if before is None else _throttle_counters(cluster, nodes),
        usage=lambda: _pod_metrics.usage(cluster, source.target.namespace, _workload.selector(workload)))
    dialect = dialect_of(windows, source.preset, source.series)
    rows = [_pod_facts(pod, container, windows, dialect, found["usage"], throttled(before, found["after"], pod, container))
            for pod in pods if _workload.running(pod)]
    facts = {**traffic(windows, dialect, source.bad_statuses), "preset": dialect["name"]}
    found_signals = (*signals(rows, facts, thresholds), *_served(facts, baseline or {}))
    answered = bool(windows) and all(window.measured for window in windows)
    named = source.series.get("requests")
    why = (f"the pods' metrics have no {named}: correct it in series" if named and answered else
           f"the pods' metrics have none of the series of requests that are known ({', '.join(PRESETS)}): name them with series" if answered
           else why_not(windows, "not every pod of the gateway gave its metrics both times, or none is running"))
    if dialect["name"] and not tells_statuses(windows, dialect):
        return Reading(now(), found_signals, False, tuple(rows), facts, f"{dialect['requests']} has no label "
                       f"{dialect['status_label']}, so nobody knows what failed: name it with status_label in series")
    return Reading(now(), found_signals, answered and bool(dialect["name"]), tuple(rows), facts, why)


def tells_statuses(windows: t.Sequence[Window], names: t.Mapping[str, t.Any]) -> bool:
    """Whether the requests have a label for what became of them; yes where there were none yet."""
    found = [sample for window in windows if window.last for sample in window.last.matching(Series.parse(names["requests"]))]
    return not found or any(names["status_label"] in sample.labels for sample in found)


def series_of(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The entries that are given in the place of the preset's; what is none of them, or no series, is refused."""
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise InvalidInput(f"series names {', '.join(unknown)}, which is nothing that is read of a gateway.",
                           f"It may name {', '.join(NAMES)}. Nothing was sent.")
    for name in ("requests", "intended", "queue", "cpu_seconds"):
        if given.get(name):
            Series.parse(given[name])
    return dict(given)


def dialect_of(windows: t.Sequence[Window], preset: str, series: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The names to read: ``name`` says which preset, ``custom`` for none, and is empty where no pod has any."""
    given = {name: {**names, **series} for name, names in PRESETS.items() if preset in ("auto", name)}
    for name, names in given.items():
        if any(window.gauge([names["requests"]]) is not None for window in windows):
            return {**names, "name": "custom" if "requests" in series else name}
    # A gateway that has not had any request yet has no series of requests, but others of its own.
    for name, names in given.items():
        if names["queue"] and any(window.gauge([names["queue"]]) is not None for window in windows):
            return {**names, "name": name}
    return {**next(iter(given.values())), "name": ""}


def traffic(windows: t.Sequence[Window], names: t.Mapping[str, t.Any], bad_statuses: str) -> Json:
    """What passed in the window.

    :returns: seconds, requests, errors (failed and not meant), intended (5xx that are meant), error_share, per_second,
        served_per_second and served_share (neither failed nor refused), p95_seconds,
        and routes with requests, errors, error_share and served (how many), those with most errors first.
    """
    requests = Series.parse(names["requests"])
    bad = requests.also(names["status_label"], "=~", names.get("bad") or bad_statuses)
    unserved = requests.also(names["status_label"], "=~", NOT_SERVED)
    total, failed, lost = (_grown(windows, series, names["route_label"]) for series in (requests, bad, unserved))
    meant = _grown(windows, Series.parse(names["intended"]), names["route_label"]) if names["intended"] else {}
    routes = [{**_shares(route, count, failed.get(route, 0.0), meant.get(route, 0.0)), "served": count - lost.get(route, 0.0)}
              for route, count in total.items() if count]
    seconds = max((window.seconds for window in windows), default=0.0)
    summed = _shares("", sum(total.values()), sum(failed.values()), sum(meant.values()))
    p95 = quantile(windows, names["duration"], 0.95, names["served"]) if names["duration"] else None
    return {**summed, **served(summed["requests"], summed["requests"] - sum(lost.values()), seconds), "seconds": seconds,
            "per_second": summed["requests"] / seconds if seconds else 0.0,
            "p95_seconds": None if p95 is None else p95 * names["duration_scale"],
            "routes": sorted(routes, key=lambda row: (-row["errors"], -row["requests"]))}


def signals(pods: t.Sequence[Json], facts: Json, thresholds: Thresholds) -> tuple[Signal, ...]:
    """What the figures of the window mean."""
    return (_error_share(facts, thresholds.error_share), *_queue(pods, thresholds),
            _highest("cpu_at_limit", "CPU", "of the limit", pods, "cpu_share", thresholds.cpu_share),
            _highest("cpu_throttled", "CPU throttled in", "of the periods", pods, "throttled_share", thresholds.throttled_share),
            _response(facts, thresholds.response_seconds))


def _served(facts: Json, baseline: Json) -> tuple[Signal, ...]:
    """How customers are served; of what was shed for the others' sake only the others."""
    given_up = tuple(baseline.get("given_up") or ())
    found = served_signal(without(facts, given_up), without(baseline, given_up), baseline.get("usual_per_second") if not given_up else None)
    return tuple(dataclasses.replace(one, text=f"{one.text}, without what is shed ({', '.join(given_up)})") for one in found) if given_up else found


def without(facts: Json, prefixes: tuple[str, ...]) -> Json:
    """What is served of the routes that do not begin so."""
    if not prefixes or "routes" not in facts:
        return facts
    kept = [row for row in facts["routes"] if not row["route"].startswith(prefixes)]
    return served(sum(row["requests"] for row in kept), sum(row["served"] for row in kept), facts["seconds"])


def throttled(before: Samples | None, after: Samples | None, pod: Json, container: str) -> float | None:
    """The share of periods in which a container was stopped, None where that cannot be read."""
    if before is None or after is None:
        return None
    meta = pod["metadata"]
    # Where the container runtime does not report single containers there are the counters of the whole pod.
    for name in (container, ""):
        wanted = [Series.exactly(series, namespace=meta["namespace"], pod=meta["name"], container=name) for series in (PERIODS, THROTTLED)]
        periods, stopped = ((after.sum(series) or 0.0) - (before.sum(series) or 0.0) for series in wanted)
        if periods > 0:
            return stopped / periods
    return None


def _throttle_counters(cluster: Cluster, nodes: t.Sequence[str]) -> Samples | None:
    """cAdvisor's counters of the nodes; None without permission, which is broad and so not in our Roles."""
    def one(node: str) -> str:
        text = cluster.raw("GET", f"/api/v1/nodes/{node}/proxy/metrics/cadvisor").decode("utf-8", "replace")
        return "\n".join(line for line in text.splitlines() if line.startswith((PERIODS + "{", THROTTLED + "{")))
    try:
        return Samples("\n".join(each(one, nodes)) + "\n")
    except ClusterError:
        return None


def _pod_facts(pod: Json, container: str, windows: t.Sequence[Window], names: t.Mapping[str, t.Any],
               usage: t.Mapping[tuple[str, str], Usage], throttled_share: float | None) -> Json:
    name = pod["metadata"]["name"]
    window = next((window for window in windows if window.pod == name), None)
    spent = window.delta([names["cpu_seconds"]]) if window and names["cpu_seconds"] else None
    sampled = usage.get((name, container))
    started = _workload.container_status(pod, container).get("state", {}).get("running", {}).get("startedAt", "")
    cores, read_from = None, ""
    if window and spent is not None and window.seconds > 0:
        cores, read_from = spent / window.seconds, "its own metrics"
    elif sampled and sampled.at > started:
        cores, read_from = sampled.cpu, "the metrics API"
    limit = _workload.container_spec(pod, container).get("resources", {}).get("limits", {}).get("cpu")
    limit = float(_quantity.parse(limit)) if limit else None
    waiting = [samples.sum(Series.parse(names["queue"])) if window and samples and names["queue"] else None
               for samples in ((window.first, window.last) if window else (None, None))]
    return {"pod": name, "ready": _workload.ready(pod), "cpu": cores, "cpu_from": read_from, "cpu_limit": limit,
            "cpu_share": cores / limit if cores is not None and limit else None, "throttled_share": throttled_share,
            "queue_before": waiting[0], "queue": waiting[1]}


def _grown(windows: t.Sequence[Window], wanted: Series, label: str) -> dict[str, float]:
    """How much a counter grew over all pods by one label's value; a counter that fell began anew."""
    grown: dict[str, float] = {}
    for window in windows:
        if window.first is None or window.last is None:
            continue
        before = window.first.by_label(wanted, label)
        for value, after in window.last.by_label(wanted, label).items():
            more = after - before.get(value, 0.0)
            grown[value] = grown.get(value, 0.0) + (more if more >= 0 else after)
    return grown


def _shares(route: str, requests: float, failed: float, meant: float) -> Json:
    errors = max(0.0, failed - meant)
    return {"route": route, "requests": requests, "errors": errors, "intended": min(failed, meant),
            "error_share": errors / requests if requests else 0.0}


def _none(facts: Json) -> str:
    return "there were no requests" if facts.get("preset") else "not measured"


def _error_share(facts: Json, threshold: float) -> Signal:
    share = facts["error_share"]
    if not facts["requests"]:
        return Signal("error_share", None, threshold, False, f"failed requests: {_none(facts)}")
    text = (f"{share:.1%} of {facts['requests']:.0f} requests in {facts['seconds']:.0f} s failed with 502, 503 or 504 "
            f"(threshold {threshold:.0%})")
    worst = facts["routes"][0] if facts["routes"] else None
    if share > threshold and worst:
        text += f", most on {worst['route']} ({worst['error_share']:.0%} of {worst['requests']:.0f})"
    if facts["intended"]:
        text += f"; {facts['intended']:.0f} more were refused on purpose"
    return Signal("error_share", share, threshold, share > threshold, text)


def _queue(pods: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, Signal]:
    known = [pod for pod in pods if pod["queue"] is not None and pod["queue_before"] is not None]
    length, growth = thresholds.queue_length, thresholds.queue_growth
    if not known:
        return (Signal("queue_length", None, length, False, "request queue: not measured"),
                Signal("queue_growing", None, growth, False, "growth of the request queue: not measured"))
    longest = max(known, key=lambda pod: pod["queue"])
    over = tuple(pod["pod"] for pod in known if pod["queue"] > length)
    grown = sum(pod["queue"] - pod["queue_before"] for pod in known)
    return (Signal("queue_length", longest["queue"], length, bool(over),
                   f"{longest['queue']:.0f} requests wait in {longest['pod']} (threshold {length:.0f})", over),
            Signal("queue_growing", grown, growth, grown > growth,
                   f"the request queues grew by {grown:.0f} in the window (threshold {growth:.0f})"))


def _highest(name: str, what: str, of: str, pods: t.Sequence[Json], key: str, threshold: float) -> Signal:
    known = {pod["pod"]: pod[key] for pod in pods if pod[key] is not None}
    if not known:
        return Signal(name, None, threshold, False, f"{what.split()[0]} {'throttling' if 'throttled' in key else of}: not measured")
    highest = max(known, key=known.__getitem__)
    over = tuple(pod for pod, share in known.items() if share > threshold)
    return Signal(name, known[highest], threshold, bool(over),
                  f"{what} {known[highest]:.0%} {of} in {highest} (threshold {threshold:.0%})", over)


def _response(facts: Json, threshold: float) -> Signal:
    p95 = facts["p95_seconds"]
    if p95 is None:
        why = "not measured" if facts["requests"] else _none(facts)
        return Signal("response_seconds", None, threshold, False, f"response time: {why}")
    return Signal("response_seconds", p95, threshold, p95 > threshold,
                  f"95 % of what was served took up to {p95:.2f} s (threshold {threshold:g} s)")
