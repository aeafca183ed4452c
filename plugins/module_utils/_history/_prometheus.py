# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' HTTP API, which Thanos, Mimir and VictoriaMetrics speak too: asked for little, believed little, never waited for long.

It is reached by its URL, or as a Service of the cluster through the API server's proxy. Whatever goes wrong is one line, and the
caller goes on without.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
import time
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._clock import Clock
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, proxy_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._bounded import TooMuch, read_bounded
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import urllib3
except Exception:
    pass

Labels = t.Mapping[str, str]
Point = t.Tuple[float, float]

#: bytes of one answer, series of one answer, points of one series
MOST_BYTES, MOST_SERIES, MOST_POINTS = 16 * 2 ** 20, 500, 5000
#: connections that are kept for questions that go out at once
AT_ONCE = 8
#: clocks that differ by more are told
SKEW = 30.0
_SERVICE = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?:(?P<scheme>https?):)?(?P<name>[a-z0-9-]+):(?P<port>[\w-]+)")


class HistoryError(RunbookError):
    """Why the history says nothing, in one line."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a Prometheus is and who asks it.

    :param url: of its API, without ``/api/v1``; or
    :param service: ``NAMESPACE/[https:]NAME:PORT``, reached through the API server of the cluster.
    :param path: in front of ``/api/v1``, such as ``/prometheus``; of a service.
    :param token: bearer token; ``username`` and ``password`` for basic auth. The API server passes neither on to a service.
    :param ca_cert: path of a CA bundle; ``client_cert`` and ``client_key`` are paths too.
    :param headers: more of them, such as ``X-Scope-OrgID`` for a tenant.
    :param labels: what every series must have, such as ``cluster: eu-west-1`` where one Prometheus knows many clusters.
    :param timeout: seconds for one question, its answer included.
    """

    url: str = ""
    service: str = ""
    path: str = ""
    token: str = dataclasses.field(default="", repr=False)
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    validate_certs: bool = True
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    timeout: float = 10.0

    @classmethod
    def parse(cls, given: t.Any) -> "Place":
        """From ``runbooks_prometheus``: a URL, a service, or a dict with the fields above; anything else is refused."""
        if isinstance(given, str):
            given = {"url" if "://" in given else "service": given}
        if not isinstance(given, t.Mapping):
            raise _no_place("it is neither a text nor a dict")
        unknown = sorted(set(given) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise _no_place(f"it has no {', '.join(map(str, unknown))}")
        place = cls(**{name: value for name, value in given.items() if value is not None})
        if bool(place.url) == bool(place.service):
            raise _no_place("it needs url or service, one of them")
        if place.url and not re.match(r"https?://[^/\s]+", place.url):
            raise _no_place(f"{redact(place.url)!r} is no URL")
        if place.service and not _SERVICE.fullmatch(place.service):
            raise _no_place(f"{place.service!r} is no NAMESPACE/NAME:PORT")
        if place.service and (place.token or place.username):
            raise _no_place("the API server keeps credentials for itself and passes none on: give a url, or a service that asks for none")
        return place

    @property
    def shown(self) -> str:
        """For messages."""
        return redact(self.url) if self.url else f"service {self.service}"


@dataclasses.dataclass(frozen=True)
class Series:
    """One series of an answer; points are seconds since 1970 and values, in the order of time, without NaN and infinities."""

    labels: Labels
    points: tuple[Point, ...]


class Prometheus:
    """Questions to one Prometheus, each bounded in time, series and bytes."""

    def __init__(self, place: Place, cluster: Cluster | None) -> None:  # without a cluster only a URL can be asked
        self.place, self.cluster = place, cluster
        self.clock = Clock()
        self._pool = _pool(place) if place.url else None

    def now(self) -> float:
        """Seconds since 1970 by its clock, as far as answers tell."""
        return (self.clock if self.place.url else self.cluster.clock).now().timestamp()

    def count(self, query: str) -> int:
        """How many series an expression has now."""
        found = self._ask("query", {"query": f"count({query})"})
        return int(found[0].points[-1][1]) if found and found[0].points else 0

    def range(self, query: str, begin: float, end: float, step: float) -> list[Series]:
        """The series of an expression over a time; too many are refused before they are fetched."""
        matching = self.count(query)
        if matching > MOST_SERIES:
            raise self._failed(f"{matching} series match, {MOST_SERIES} is the most that is read")
        step = max(step, (end - begin) / MOST_POINTS)
        return self._ask("query_range", {"query": query, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.0f}s"})

    def skew(self) -> float:
        """Seconds by which its clock is ahead of this one, 0 where that is too little to matter."""
        ahead = (self.clock if self.place.url else self.cluster.clock).ahead
        return ahead if abs(ahead) > SKEW else 0.0

    def _ask(self, what: str, query: dict[str, str]) -> list[Series]:
        query = {**query, "timeout": f"{self.place.timeout:g}s"}
        try:
            status, body = self._by_service(what, query) if self.place.service else self._by_url(what, query)
        except TooMuch as error:
            raise self._failed(str(error)) from None
        return self._series(status, body)

    def _by_service(self, what: str, query: dict[str, str]) -> tuple[int, bytes]:
        found = _SERVICE.fullmatch(self.place.service)
        service = proxy_path("Service", found["namespace"], found["name"], found["port"], found["scheme"] or "")
        path = f"{service}{self.place.path}/api/v1/{what}"
        try:
            return 200, self.cluster.bounded(path, query=query, headers=self.place.headers, timeout=self.place.timeout, most=MOST_BYTES)
        except ClusterError as error:
            raise self._failed(_one_line(error.message)) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(f"the answer broke off ({_one_line(error)})") from None

    def _by_url(self, what: str, query: dict[str, str]) -> tuple[int, bytes]:
        ends = time.monotonic() + self.place.timeout
        url, body = f"{self.place.url.rstrip('/')}/api/v1/{what}", urllib.parse.urlencode(query)
        sent = time.time()
        try:
            response = self._pool.request(  # an expression may be longer than a proxy takes in a URL
                "POST", url, body=body, headers={**self._pool.headers, "Content-Type": "application/x-www-form-urlencoded"},
                preload_content=False, redirect=False, retries=False)
            self.clock.learn(response.headers.get("Date", ""), sent, time.time())
            return response.status, read_bounded(response, MOST_BYTES, ends)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(error, urllib3.exceptions.NewConnectionError):
                raise self._failed(f"no answer within {self.place.timeout:g} s") from None
            raise self._failed(f"cannot be reached ({_one_line(getattr(error, 'reason', None) or error)})") from None

    def _series(self, status: int, body: bytes) -> list[Series]:
        try:
            answer = json.loads(body)
            if not isinstance(answer, dict):
                raise ValueError("no object")
        except ValueError:
            raise self._failed(f"answered {status} with something that is no JSON: is it a log-in page or a proxy?") from None
        if status in (401, 403):
            raise self._failed(f"refuses the credentials or the tenant ({status}: {_one_line(answer.get('error') or '')})")
        if answer.get("status") != "success":
            raise self._failed(f"answered {status}: {_one_line(answer.get('error') or answer.get('errorType') or 'no reason given')}")
        try:
            return [_one(item) for item in answer["data"]["result"]]
        except (KeyError, TypeError, ValueError):
            raise self._failed("answered something that is no result of a query") from None

    def _failed(self, why: str) -> HistoryError:
        return HistoryError(f"Prometheus ({self.place.shown}): {why}.")


def _one(item: t.Mapping[str, t.Any]) -> Series:
    values = item.get("values") or [item["value"]]
    points = tuple((float(at), float(value)) for at, value in values)
    return Series(dict(item.get("metric") or {}), tuple(point for point in points if math.isfinite(point[1])))


def _pool(place: Place) -> "urllib3.PoolManager":
    headers = {str(name): str(value) for name, value in place.headers.items()}
    if place.token:
        headers["Authorization"] = f"Bearer {place.token}"
    elif place.username:
        headers.update(urllib3.make_headers(basic_auth=f"{place.username}:{place.password}"))
    verify = {"cert_reqs": "CERT_REQUIRED", "ca_certs": place.ca_cert or None} if place.validate_certs else {"cert_reqs": "CERT_NONE"}
    return urllib3.PoolManager(
        maxsize=AT_ONCE,
        headers={"User-Agent": "sre.runbooks", **headers}, timeout=urllib3.Timeout(connect=min(5.0, place.timeout), read=place.timeout),
        cert_file=place.client_cert or None, key_file=place.client_key or None, **verify)


def _no_place(why: str) -> InvalidInput:
    return InvalidInput(f"runbooks_prometheus names no Prometheus: {why}.", "Write a URL, NAMESPACE/NAME:PORT of a service in the cluster, or a dict "
                        "with url or service, see docs/history.md. Nothing was sent.")


def _one_line(text: object) -> str:
    return " ".join(redact(str(text)).split()).rstrip(".")[:200]


def moment(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
