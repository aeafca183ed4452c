# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in a namespace, and what of it the runbooks understand. Only reads: objects, and the metrics that pods serve."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._auth import _signals as _auth
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _pod_metrics, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _signals as _gateway
from ansible_collections.sre.runbooks.plugins.module_utils._health import _namespace
from ansible_collections.sre.runbooks.plugins.module_utils._health._namespace import Described
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _signals as _pool

#: where metrics are served: Prometheus' own place, Spring Boot, Quarkus, Envoy and Istio, Micronaut
PATHS = ("/metrics", "/actuator/prometheus", "/q/metrics", "/stats/prometheus", "/prometheus")
#: of one workload, so many ports are asked
MOST_PORTS = 5
MEMORY, POOL, AUTH, GATEWAY = "memory", "pool", "auth", "gateway"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload(Described):
    """One workload, with what its metrics say.

    :param port: of its metrics, None where none were found; ``path`` where on it.
    :param shows: what the metrics are about (``memory``, ``pool``, ``auth``, ``gateway``) -> the preset that reads them.
    :param why_no_metrics: in words, where there are none.
    """

    port: int | None = None
    path: str = ""
    shows: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    why_no_metrics: str = ""

    @property
    def asks_a_database(self) -> bool:
        """Whether its environment names one."""
        return not self.program and any(name.startswith(("DB_", "DATABASE_", "PG", "POSTGRES_", "SPRING_DATASOURCE_", "JDBC_")) for name in self.environment)


def look(cluster: Cluster, namespace: str) -> list[Workload]:
    """Every workload of the namespace, by kind and name.

    :raises ClusterError: workloads or pods cannot be listed.
    """
    found = _namespace.look(cluster, namespace)
    return list(gather(**{name: lambda described=described, owner=owner: _asked(cluster, described, owner)
                          for name, (described, owner) in found.items()}).values())


def _asked(cluster: Cluster, described: Described, owner: Json) -> Workload:
    pods = [] if described.program else [pod for pod in _workload.pods(cluster, owner) if _workload.running(pod)]
    port, path, shows, why = _metrics(cluster, pods[0]) if pods else (None, "", {}, "" if described.program else "no pod of it runs")
    return Workload(**vars(described), port=port, path=path, shows=shows, why_no_metrics=why)


def _metrics(cluster: Cluster, pod: Json) -> tuple[int | None, str, dict[str, str], str]:
    """Port, path, and what is shown there, of the first place that serves metrics; else why not."""
    places = list(candidates(pod))
    for port, path in places:
        read = _pod_metrics.read(cluster, pod, port, path, timeout=3.0)
        if read.samples is not None and read.samples.has(""):
            return port, path, shown(read.samples), ""
    ports = sorted({port for port, _path in places})
    return None, "", {}, f"no metrics on {'port ' + ', '.join(map(str, ports)) if ports else 'any port that it declares'}"


def candidates(pod: Json) -> t.Iterator[tuple[int, str]]:
    """Where a pod's metrics may be, the likeliest first: what its annotations say, ports that are called so, the other ports."""
    notes = pod["metadata"].get("annotations") or {}
    declared = [(port.get("name", ""), port["containerPort"]) for container in pod["spec"].get("containers", ())
                for port in container.get("ports") or () if port.get("protocol", "TCP") == "TCP"]
    annotated = notes.get("prometheus.io/port", "")
    called = [number for name, number in declared if "metric" in name or "prom" in name or "management" in name or "actuator" in name]
    ports = dict.fromkeys([*([int(annotated)] if annotated.isdigit() else []), *called, *(number for _name, number in declared)])
    paths = dict.fromkeys([path for path in (notes.get("prometheus.io/path", ""),) if path.startswith("/")] + list(PATHS))
    for port in list(ports)[:MOST_PORTS]:
        for path in paths:
            yield port, path


def shown(samples: Samples) -> dict[str, str]:
    """What metrics are about -> the preset that reads them."""
    found = {}
    if any(samples.has(prefix) for prefix in ("jvm_memory_", "jvm_gc_", "base_memory_", "process_runtime_jvm_")):
        found[MEMORY] = "jvm"
    series: dict[str, list[tuple[str, t.Iterable[str]]]] = {
        POOL: [(name, _texts(preset.series["active"])) for name, preset in _pool.PRESETS.items()],
        AUTH: [(name, [preset[concept] for concept in ("logins", "succeeded") if preset[concept]]) for name, preset in _auth.PRESETS.items()],
        GATEWAY: [(name, _texts(preset["requests"])) for name, preset in _gateway.PRESETS.items()],
    }
    for about, presets in series.items():
        fits = next((name for name, texts in presets if any(samples.matching(Series.parse(text)) for text in texts)), "")
        if fits:
            found[about] = fits
    return found


def _texts(given: str | t.Iterable[str]) -> t.Iterable[str]:
    return [given] if isinstance(given, str) else given
