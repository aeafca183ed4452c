# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of a degraded authentication service, read from its pods' metrics over a window."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _windows, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._served import served, served_signal
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

#: What is read. ``logins``: a counter, whose label ``result_label`` matches the regular expression ``ok`` for a success and
#: ``ignored`` for what says nothing of the service; or two counters, ``succeeded`` and ``failed``. ``validations``: a histogram of
#: seconds, with ``rejected`` for the labels of refused tokens. ``rate_limit_hits``: a counter. Empty for what there is not.
NAMES = ("logins", "result_label", "ok", "ignored", "succeeded", "failed", "validations", "rejected", "rate_limit_hits")
#: how Keycloak calls what its users do wrong: it says nothing of the service
_KEYCLOAK_USERS = ("invalid_user_credentials|user_not_found|user_disabled|user_temporarily_disabled|username_missing|password_missing|"
                   "expired_code|invalid_code|cookie_not_found|rejected_by_user|already_logged_in|invalid_redirect_uri|client_not_found|"
                   "invalid_client_credentials|not_allowed|resolve_required_actions|different_user_authenticated")
_NOTHING = dict.fromkeys(NAMES, "")
#: in the order in which they are tried; docs/metrics.md shows an exposition of each
PRESETS: dict[str, dict[str, str]] = {
    "shop": {**_NOTHING, "logins": "auth_login_attempts_total", "result_label": "result", "ok": "ok", "ignored": "bad_request",
             "validations": "auth_jwt_validation_seconds", "rejected": 'result="rejected"', "rate_limit_hits": "auth_rate_limit_hits_total"},
    "keycloak": {**_NOTHING, "logins": 'keycloak_user_events_total{event=~"(?i)login(_error)?"}', "result_label": "error", "ok": "",
                 "ignored": _KEYCLOAK_USERS},
    "keycloak_spi": {**_NOTHING, "succeeded": "keycloak_logins_total", "failed": f'keycloak_failed_login_attempts_total{{error!~"{_KEYCLOAK_USERS}"}}'},
    "keycloak_spi_before_3": {**_NOTHING, "succeeded": "keycloak_logins",
                              "failed": f'keycloak_failed_login_attempts{{error!~"{_KEYCLOAK_USERS}"}}'},
    "dex": {**_NOTHING, "logins": 'http_requests_total{handler=~"/token|/auth.*|/callback.*|/approval"}', "result_label": "code",
            "ok": "[23]..", "ignored": "4.."},
    # Kratos and Hydra count all their requests alike, those of health checks too.
    "ory": {**_NOTHING, "logins": 'http_requests_total{app=~"(?i).*(kratos|hydra).*"}', "result_label": "code", "ok": "[23]..", "ignored": "4.."},
}
SERIES = PRESETS["shop"]
#: what every success is called, whatever the service calls it
OK = "ok"
#: fewer log-ins in a window are chance, and so are fewer failures: a person who mistypes a password tries again
FEW, FEW_FAILED = 5, 3
#: of each pod's log of a minute, the most that is read
LOG_LINES = 20000


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """When something counts as a signal.

    :param login_success: share of the log-ins that succeed, at least.
    :param validation_seconds: 95th percentile of the time that a validation takes, at most.
    :param tokens_rejected: share of the validations that refuse the token, at most.
    :param rate_limit_hits: log-ins that the rate limit turns away in a minute, at most.
    """

    login_success: float = 0.95
    validation_seconds: float = 1.0
    tokens_rejected: float = 0.05
    rate_limit_hits: float = 10.0


@dataclasses.dataclass(frozen=True)
class Source:
    """Where an authentication service is measured.

    :param series: entries that stand for the presets', see ``series_of``.
    :param seconds: the window; it grows where too few log-ins decide.
    :param rate_limit_pattern: regular expression of the log lines that the rate limit leaves; empty: the log is not read. Limits
        often count by the minute, so that a window of seconds may see none of it.
    """

    target: Target
    container: str | None
    port: int | str
    path: str
    series: t.Mapping[str, str]
    seconds: float
    rate_limit_pattern: str


def measure(cluster: Cluster, source: Source, thresholds: Thresholds, since: str = "", baseline: Json | None = None) -> Reading:
    """Measure the signals over one window, a longer one where log-ins fail but are too few to judge.

    :param since: log lines before this time (ISO 8601) do not count.
    :param baseline: facts of the reading before the change, that users are to be served better than, or as well.
    """
    workload = _workload.read(cluster, source.target)
    pods = _workload.pods(cluster, workload)
    windows = _windows.watch(cluster, pods, source.port, source.path, source.seconds,
                             lambda seen: not too_few(traffic(seen, dialect_of(seen, source.series)[1]), thresholds.login_success))
    name, series = dialect_of(windows, source.series)
    facts = {**traffic(windows, series), "preset": name}
    facts["hits_per_minute"] = max(facts["hits_per_minute"], _hits_in_logs(cluster, workload, pods, source, since))
    facts["limit_measured"] = facts["limit_measured"] or bool(source.rate_limit_pattern)
    started = {pod["metadata"]["name"]: pod["metadata"]["creationTimestamp"] for pod in pods}
    rows = [{**pod_facts(window, series), "started_at": started[window.pod]} for window in windows]
    answered = bool(windows) and all(window.measured for window in windows)
    why = _nothing_known(source.series) if answered else _windows.why_not(
        windows, "not every pod of the service gave its metrics both times, or none is running")
    doubt = too_few(facts, thresholds.login_success)
    found = (*signals(facts, rows, thresholds), *served_signal(facts, baseline or {}))
    return Reading(now(), found, answered and bool(name) and not doubt, tuple(rows), facts, doubt or why)


def series_of(given: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The entries that are given in the place of the presets'; what is none of them, or no series, is refused."""
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise InvalidInput(f"series names {', '.join(unknown)}, which is nothing that is read of an authentication service.",
                           f"It may name {', '.join(NAMES)}. Nothing was sent.")
    for name in ("logins", "succeeded", "failed", "rate_limit_hits"):
        if given.get(name):
            Series.parse(given[name])
    for name in ("ok", "ignored"):
        try:
            re.compile(given.get(name, ""))
        except re.error as error:
            raise InvalidInput(f"series: {name} is no regular expression ({error}).", "Correct it; nothing was sent.") from None
    return dict(given)


def dialect_of(windows: t.Sequence[Window], given: t.Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The preset whose log-ins the pods have, and its names; its own is empty where none has."""
    own = {"logins", "succeeded", "failed"} & {name for name, text in given.items() if text}
    candidates = {"custom": {**(_NOTHING if "logins" not in own else SERIES), **given}} if own else {
        name: {**names, **given} for name, names in PRESETS.items()}
    for name, names in candidates.items():
        if any(window.last and window.last.matching(Series.parse(text)) for window in windows
               for text in (names["logins"], names["succeeded"], names["failed"]) if text):
            return name, names
    return "", next(iter(candidates.values()))


def _nothing_known(given: t.Mapping[str, str]) -> str:
    named = ", ".join(given[name] for name in ("logins", "succeeded", "failed") if given.get(name))
    return (f"the pods' metrics have no {named}: correct it in series" if named else
            f"the pods' metrics have none of the series of log-ins that are known ({', '.join(PRESETS)}): name them with series")


def traffic(windows: t.Sequence[Window], series: t.Mapping[str, str]) -> Json:
    """What the service did in the window.

    :returns: served_per_second and served_share (log-ins that succeed and tokens that are accepted; see ``_served.served``), seconds,
        logins (by result), login_count and login_success (share; both without what is ignored), validations
        and rejected (counts), rejected_share, p95_seconds, rate_limit_hits, hits_per_minute; shares None where nothing
        happened.
    """
    seconds = max((window.seconds for window in windows), default=0.0)
    results: dict[str, float] = {}
    for window in windows:
        for result, count in _outcomes(window.first, window.last, series).items():
            results[result] = results.get(result, 0.0) + count
    counted = _counted(results, series)
    logins = sum(counted.values())
    validations = _total(windows, series["validations"], "")
    rejected = _total(windows, series["validations"], series["rejected"]) or 0.0
    hits = _windows.total(windows, [series["rate_limit_hits"]]) if series["rate_limit_hits"] else None
    asked, good = logins + (validations or 0.0), counted.get(OK, 0.0) + (validations or 0.0) - rejected
    return {**(served(asked, good, seconds) if windows else {}), "seconds": seconds, "logins": results, "login_count": logins,
            "login_success": counted.get(OK, 0.0) / logins if logins else None,
            "validations": validations or 0.0, "validations_measured": validations is not None, "rejected": rejected,
            "rejected_share": rejected / validations if validations else None,
            "p95_seconds": _windows.quantile(windows, series["validations"], 0.95) if series["validations"] else None,
            "rate_limit_hits": hits or 0.0, "limit_measured": hits is not None,
            "hits_per_minute": (hits or 0.0) / seconds * 60 if seconds else 0.0}


def pod_facts(window: Window, series: t.Mapping[str, str]) -> Json:
    """What one pod did in all its life: shares of failed log-ins and refused tokens, mean seconds of a validation."""
    counted = _counted(_outcomes(None, window.last, series), series)
    logins, ok = sum(counted.values()), counted.get(OK, 0.0)
    name = series["validations"]
    count, summed, refused = ((window.gauge([text]) or 0.0) if name else 0.0 for text in (
        f"{name}_count", f"{name}_sum", f"{name}_count{{{series['rejected']}}}"))
    return {"pod": window.pod, "logins": logins, "failed_share": (logins - ok) / logins if logins else None,
            "validations": count, "rejected_share": refused / count if count else None,
            "validation_seconds": summed / count if count else None}


def _outcomes(before: Samples | None, after: Samples | None, series: t.Mapping[str, str]) -> dict[str, float]:
    """Log-ins by result, from one scrape to another or since a pod began: every success is ``ok``."""
    found: dict[str, float] = {}
    for name, label in (("logins", series["result_label"]), ("succeeded", ""), ("failed", "error")):
        if not series[name] or after is None:
            continue
        wanted = Series.parse(series[name])
        earlier = before.by_label(wanted, label) if before else {}
        for value, count in after.by_label(wanted, label).items():
            then = earlier.get(value, 0.0)
            ok = name == "succeeded" or (name == "logins" and re.fullmatch(series["ok"], value))
            result = OK if ok else f"not {OK}" if value == OK else value or "failed"
            found[result] = found.get(result, 0.0) + (count - then if count >= then else count)
    return found


def _counted(results: t.Mapping[str, float], series: t.Mapping[str, str]) -> dict[str, float]:
    return {result: count for result, count in results.items() if result == OK or not re.fullmatch(series["ignored"], result)}


def _total(windows: t.Sequence[Window], histogram: str, labels: str) -> float | None:
    return _windows.total(windows, [f"{histogram}_count{{{labels}}}"]) if histogram else None


def signals(facts: Json, pods: t.Sequence[Json], thresholds: Thresholds) -> tuple[Signal, ...]:
    """What the figures mean."""
    return (_login_success(facts, thresholds.login_success), _validation(facts, thresholds.validation_seconds),
            _rejected(facts, pods, thresholds.tokens_rejected), _rate_limit(facts, thresholds.rate_limit_hits))


def _hits_in_logs(cluster: Cluster, workload: Json, pods: t.Sequence[Json], source: Source, since: str) -> int:
    """How often the logs of the last minute say that the rate limit was hit, since a time at most."""
    if not source.rate_limit_pattern:
        return 0
    wanted, container = re.compile(source.rate_limit_pattern), _workload.main_container(workload, source.container, pods, source.port)
    return sum(1 for at, _pod, text in _logs.tail(cluster, pods, container, 60, LOG_LINES) if at >= since and wanted.search(text))


def too_few(facts: Json, threshold: float) -> str:
    """Why so few log-ins say neither that all is well nor that it is not; empty where they are enough to judge, or hardly one fails."""
    share, count = facts["login_success"], facts["login_count"]
    if share is None or share >= threshold or count >= FEW:
        return ""
    failed = round((1 - share) * count)
    if failed < min(FEW_FAILED, count):
        return ""
    return (f"{failed} of only {count:.0f} log-ins in {facts['seconds']:.0f} s failed, too few to judge: "
            "a longer window decides (auth_degradation_window)")


def _login_success(facts: Json, threshold: float) -> Signal:
    share, count = facts["login_success"], facts["login_count"]
    if share is None:
        there = "there were none" if facts.get("preset", "shop") else "not measured"
        return Signal("login_success", None, threshold, False, f"log-ins: {there}")
    failed = ", ".join(f"{number:.0f}× {result}" for result, number in sorted(facts["logins"].items()) if result != OK and number)
    text = f"{share:.1%} of {count:.0f} log-ins in {facts['seconds']:.0f} s succeeded (threshold {threshold:.0%})"
    breached = share < threshold and count >= FEW and round((1 - share) * count) >= FEW_FAILED
    return Signal("login_success", share, threshold, breached, f"{text}: {failed}" if failed else text)


def _validation(facts: Json, threshold: float) -> Signal:
    value = facts["p95_seconds"]
    if value is None:
        return Signal("validation_seconds", None, threshold, False, f"validations: {_none(facts)}")
    return Signal("validation_seconds", value, threshold, value > threshold,
                  f"95 % of {facts['validations']:.0f} token validations took up to {value:.2f} s (threshold {threshold:g} s)")


def _rejected(facts: Json, pods: t.Sequence[Json], threshold: float) -> Signal:
    share = facts["rejected_share"]
    if share is None:
        return Signal("tokens_rejected", None, threshold, False, f"refused tokens: {_none(facts)}")
    breached = share > threshold and facts["rejected"] >= 2
    refusing = tuple(pod["pod"] for pod in pods if (pod["rejected_share"] or 0) > threshold) if breached else ()
    return Signal("tokens_rejected", share, threshold, breached,
                  f"{share:.1%} of {facts['validations']:.0f} tokens were refused (threshold {threshold:.0%})", refusing)


def _none(facts: Json) -> str:
    return "there were no validations" if facts["validations_measured"] else "not measured"


def _rate_limit(facts: Json, threshold: float) -> Signal:
    rate = facts["hits_per_minute"]
    if not facts["limit_measured"]:
        return Signal("rate_limit_hits", None, threshold, False, "log-ins that the rate limit turned away: not measured")
    return Signal("rate_limit_hits", rate, threshold, rate > threshold,
                  f"the rate limit turned {rate:.0f} log-ins a minute away (threshold {threshold:.0f})")
