# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of pods: Prometheus text through the API server's pod proxy, usage from the metrics API."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json, proxy_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput

try:
    from prometheus_client.parser import text_string_to_metric_families
except Exception:
    pass

_NAME = re.compile(r"\s*([a-zA-Z_:][\w:]*)?\s*")
_MATCHER = re.compile(r"""\s*(\w+)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`([^`]*)`)\s*(?:,|$)""")
#: what PromQL calls the name of a series among its labels
NAME = "__name__"
_COUNTERS, _TOTAL = re.compile(r'^#[ \t]*TYPE[ \t]+"?([^\s"]+)"?[ \t]+counter', re.MULTILINE), "_total"
_ESCAPES = {"n": "\n", "t": "\t"}
#: what Istio's proxy serves the application's metrics on, without mTLS
ISTIO_MERGED = "15020, path /stats/prometheus"


class Matcher(t.NamedTuple):
    """A condition on one label, as PromQL has it: an absent label is an empty one, a regular expression covers all of it."""

    label: str
    operator: str
    value: str

    def holds(self, labels: t.Mapping[str, str]) -> bool:
        """Whether labels meet it."""
        found = labels.get(self.label, "")
        same = found == self.value if self.operator in ("=", "!=") else re.fullmatch(self.value, found) is not None
        return same != self.operator.startswith("!")


@dataclasses.dataclass(frozen=True)
class Series:
    """Which series to read: a name, and what its labels must meet."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Series":
        """From ``name`` or ``name{label="value",other=~"regex"}``, with the operators of PromQL; anything else is refused.

        The name may be a condition too: ``{__name__=~"regex"}``.
        """
        found = _NAME.match(text)
        name, position = (found[1], found.end()) if found else (None, 0)
        inside = text[position:].strip()
        if inside and not (inside.startswith("{") and inside.endswith("}")):
            raise _no_series(text)
        matchers = tuple(_matchers(text, inside[1:-1].strip()))
        if not name and not any(matcher.label == NAME for matcher in matchers):
            raise _no_series(text)
        return cls(name or "", matchers)

    @classmethod
    def exactly(cls, name: str, **labels: str) -> "Series":
        """The series that has exactly these values of labels."""
        return cls(name, tuple(Matcher(label, "=", value) for label, value in labels.items()))

    def also(self, label: str, operator: str, value: str) -> "Series":
        """The series with one more condition."""
        return Series(self.name, (*self.matchers, Matcher(label, operator, value)))

    @property
    def chosen_by(self) -> frozenset[str]:
        """The labels that it has conditions on."""
        return frozenset(matcher.label for matcher in self.matchers)


def _matchers(text: str, inside: str) -> t.Iterator[Matcher]:
    position = 0
    while position < len(inside):
        found = _MATCHER.match(inside, position)
        if not found:
            raise _no_series(text)
        quoted = next((value for value in found.group(3, 4, 5) if value is not None), "")
        value = quoted if found[5] is not None else re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), quoted)
        if found[2] in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise InvalidInput(f"{text!r}: {value!r} is no regular expression ({error}).", "Correct it; nothing was sent.") from None
        yield Matcher(found[1], found[2], value)
        position = found.end()


def _no_series(text: str) -> InvalidInput:
    return InvalidInput(f"{text!r} is no series that can be read.",
                        'Write a name, and conditions on labels in braces if need be: http_requests_total{code=~"5..",handler!="/health"}. '
                        "Functions and arithmetic of PromQL are not computed here.")


class Samples:
    """The samples of one scrape; those that are no number (NaN, infinite) say nothing and are left out."""

    def __init__(self, text: str) -> None:
        self._named: dict[str, list[t.Any]] = {}
        #: lines that could not be read
        self.skipped = 0
        for sample in self._parsed(text.removeprefix("\ufeff")):
            if math.isfinite(sample.value):
                self._named.setdefault(sample.name, []).append(sample)

    def _parsed(self, text: str) -> list[t.Any]:
        try:
            return _samples(text)
        except Exception:  # the parser raises many kinds; one bad line is to cost one line
            found = []
            for line in text.splitlines():
                try:
                    found += _samples(line + "\n") if line.strip() and not line.startswith("#") else []
                except Exception:
                    self.skipped += 1
            return found

    def matching(self, wanted: Series) -> list[t.Any]:
        """The samples of a series."""
        by_name = [matcher for matcher in wanted.matchers if matcher.label == NAME]
        names = [wanted.name] if wanted.name else [name for name in self._named if all(matcher.holds({NAME: name}) for matcher in by_name)]
        return [sample for name in names for sample in self._named.get(name, ())
                if all(matcher.holds(sample.labels) for matcher in wanted.matchers if matcher.label != NAME)]

    def has(self, prefix: str) -> bool:
        """Whether any series begins so."""
        return any(name.startswith(prefix) for name in self._named)

    def sum(self, wanted: Series) -> float | None:
        """The sum of the matching samples, None where no sample matches."""
        values = [sample.value for sample in self.matching(wanted)]
        return sum(values) if values else None

    def by_label(self, wanted: Series, label: str) -> dict[str, float]:
        """The sums of the matching samples by the value of one label, empty where a sample has none."""
        sums: dict[str, float] = {}
        for sample in self.matching(wanted):
            value = sample.labels.get(label, "")
            sums[value] = sums.get(value, 0.0) + sample.value
        return sums

    def label_values(self, labels: t.Collection[str]) -> set[str]:
        """Every value that any of these labels has on any series."""
        return {value for named in self._named.values() for sample in named for label, value in sample.labels.items() if label in labels}

    def first(self, candidates: t.Sequence[Series]) -> float | None:
        """The sum for the first candidate that is there with a value over zero, else the first that is there."""
        found = [value for value in map(self.sum, candidates) if value is not None]
        return next((value for value in found if value > 0), found[0] if found else None)


@dataclasses.dataclass(frozen=True)
class Scraped:
    """What became of reading one pod's metrics: the samples, or why there are none."""

    samples: Samples | None
    why_not: str = ""


def scrape(cluster: Cluster, pod: Json, port: int | str, path: str, timeout: float = 5.0) -> Samples | None:
    """One pod's metrics, None where it does not answer; see ``read``."""
    return read(cluster, pod, port, path, timeout).samples


def read(cluster: Cluster, pod: Json, port: int | str, path: str, timeout: float = 5.0) -> Scraped:
    """One pod's metrics through the API server's pod proxy.

    :param port: a number, or the name of one of the pod's ports; after ``https:`` it is asked with TLS, whose certificate the API
        server does not verify.
    :raises InvalidInput: the port is neither.
    """
    meta = pod["metadata"]
    scheme, number = endpoint(port)
    place = proxied(pod, port)
    if place is None:
        return Scraped(None, f"{meta['name']} has no port called {number}")
    try:
        text = cluster.raw("GET", f"{place}/{path.lstrip('/')}", timeout=timeout).decode("utf-8", "replace")
    except ClusterError as error:
        if error.status == 403 and "pods/proxy" in error.message:
            raise
        return Scraped(None, f"{meta['name']} {_explained(pod, error, scheme)}")
    samples = Samples(text)
    if not samples.label_values(()) and text.lstrip().startswith(("<", "{")):
        return Scraped(None, f"{meta['name']} answers {path} with no metrics (is that the path?)")
    return Scraped(samples)


def endpoint(port: int | str) -> tuple[str, str]:
    """Scheme (``https`` or empty) and port of what is written as ``9090``, ``metrics``, ``https:8443`` or ``https:metrics``."""
    scheme, _colon, number = str(port).strip().rpartition(":")
    if scheme not in ("", "http", "https") or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", number):
        raise InvalidInput(f"{port!r} is no port of metrics.", "Write its number or name, after https: where it wants TLS: 9090, metrics, https:8443.")
    return ("https" if scheme == "https" else ""), number


def proxied(pod: Json, port: int | str) -> str | None:
    """The path under which the API server leads to a port of a pod; None where it is named and the pod declares none of that name."""
    scheme, number = endpoint(port)
    found = _numbered(pod, number)
    return None if found is None else proxy_path("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"], found, scheme)


def _numbered(pod: Json, number: str) -> str | None:
    if number.isdecimal():
        return number
    declared = [port for name in _workload.container_names(pod) for port in _workload.container_spec(pod, name).get("ports") or []]
    return next((str(port["containerPort"]) for port in declared if port.get("name") == number), None)


def _explained(pod: Json, error: ClusterError, scheme: str) -> str:
    """Why a pod's metrics are not to be had, in words that lead on."""
    meshed = {"istio-proxy"} & set(_workload.container_names(pod))
    if meshed and (error.status in (0, 502, 503) or "reset" in error.message or "EOF" in error.message):
        return ("refuses plain connections: it is in an Istio mesh, and with PeerAuthentication STRICT only mTLS gets through. "
                f"Use the proxy's merged metrics (port {ISTIO_MERGED}), or make the port PERMISSIVE")
    if error.status in (401, 403):
        return (f"wants a log-in for its metrics ({error.status}), which the API server's proxy cannot pass on: open a port without for it, "
                "or have an exporter beside it")
    if "HTTP response to HTTPS client" in error.message:
        return "does not speak TLS on that port: leave https: out"
    if not scheme and ("malformed HTTP" in error.message or error.status == 400):
        return "seems to want TLS on that port: write it as https:PORT"
    return f"did not give its metrics ({error.status or 'no answer'})"


def _samples(text: str) -> list[t.Any]:
    # The parser renames counters whose declared name does not end so.
    renamed = {name for name in _COUNTERS.findall(text) if not name.endswith(_TOTAL)}
    return [sample._replace(name=family.name) if family.type == "counter" and family.name in renamed else sample
            for family in text_string_to_metric_families(text) for sample in family.samples]


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a container uses.

    :param at: when it was sampled, ISO 8601: the metrics API is some seconds behind.
    :param memory: bytes.
    :param cpu: cores.
    """

    at: str
    memory: float
    cpu: float


def usage(cluster: Cluster, namespace: str, label_selector: str) -> dict[tuple[str, str], Usage]:
    """What containers use, by (pod, container); empty without a metrics API."""
    try:
        items = cluster.list("PodMetrics", namespace, labelSelector=label_selector)
    except ClusterError as error:
        if error.status in (404, 503):
            return {}
        raise
    return {(item["metadata"]["name"], container["name"]):
            Usage(item["timestamp"], float(_quantity.parse(container["usage"]["memory"])),
                  float(_quantity.parse(container["usage"]["cpu"])))
            for item in items for container in item.get("containers") or []}
