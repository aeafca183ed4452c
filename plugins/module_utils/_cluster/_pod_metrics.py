# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of pods: Prometheus text through the API server's pod proxy, usage from the metrics API."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    from kubernetes.utils.quantity import parse_quantity
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    pass


@dataclasses.dataclass(frozen=True)
class Series:
    """Which series to read: a name, and a regular expression for each label that must match."""

    name: str
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Series":
        """From ``name`` or ``name{label=~"regex",…}``."""
        name, brace, rest = text.partition("{")
        return cls(name.strip(), dict(re.findall(r'(\w+)=~?"([^"]*)"', rest)))


class Samples:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def sum(self, wanted: Series) -> float | None:
        """The sum of the matching samples, None where no sample matches."""
        values = [sample.value for sample in self._samples if _matches(sample, wanted)]
        return sum(values) if values else None

    def by_label(self, wanted: Series, label: str) -> dict[str, float]:
        """The sums of the matching samples by the value of one label."""
        sums: dict[str, float] = {}
        for sample in self._samples:
            if label in sample.labels and _matches(sample, wanted):
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
        return sums

    def label_values(self, labels: t.Collection[str]) -> set[str]:
        """Every value that any of these labels has on any series."""
        return {value for sample in self._samples for label, value in sample.labels.items() if label in labels}

    def first(self, candidates: t.Sequence[Series]) -> float | None:
        """The sum for the first candidate that is there with a value over zero, else the first that is there."""
        found = [value for value in map(self.sum, candidates) if value is not None]
        return next((value for value in found if value > 0), found[0] if found else None)


def scrape(cluster: Cluster, pod: Json, port: int, path: str, timeout: float = 5.0) -> Samples | None:
    """One pod's metrics, None where it does not answer."""
    meta = pod["metadata"]
    url = resource_path("Pod", meta["namespace"], f"{meta['name']}:{port}", "proxy") + "/" + path.lstrip("/")
    try:
        return Samples(cluster.raw("GET", url, timeout=timeout).decode("utf-8", "replace"))
    except ClusterError as error:
        if error.status == 403:
            raise
        return None
    except ValueError:
        return None


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
            Usage(item["timestamp"], float(parse_quantity(container["usage"]["memory"])),
                  float(parse_quantity(container["usage"]["cpu"])))
            for item in items for container in item["containers"]}


def _matches(sample: t.Any, wanted: Series) -> bool:
    return sample.name == wanted.name and all(
        re.fullmatch(pattern, sample.labels.get(label, "")) for label, pattern in wanted.labels.items())
