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
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _signals as _gateway
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _signals as _pool

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
#: where metrics are served: Prometheus' own place, Spring Boot, Quarkus, Envoy and Istio, Micronaut
PATHS = ("/metrics", "/actuator/prometheus", "/q/metrics", "/stats/prometheus", "/prometheus")
#: of one workload, so many ports are asked
MOST_PORTS = 5
MEMORY, POOL, AUTH, GATEWAY = "memory", "pool", "auth", "gateway"
#: what a program's image is called, by what it is
IMAGES = {"postgres": ("postgres", "postgresql", "timescaledb", "pgvector", "postgis"), "redis": ("redis", "valkey", "keydb"),
          "mysql": ("mysql", "mariadb", "percona"), "pooler": ("pgbouncer", "pgpool")}
#: and by the port that it declares, where the image is somebody's own
PORTS = {5432: "postgres", 6379: "redis", 3306: "mysql", 6432: "pooler"}


@dataclasses.dataclass(frozen=True)
class Workload:
    """One workload.

    :param port: of its metrics, None where none were found; ``path`` where on it.
    :param shows: what the metrics are about (``memory``, ``pool``, ``auth``, ``gateway``) -> the preset that reads them.
    :param program: ``postgres``, ``redis``, ``mysql``, ``pooler``, or empty where neither image nor port says one of them.
    :param urls: what its readiness probe asks, through a Service in front of it.
    :param services: Services in front of it, with their first port.
    :param environment: what its specification itself gives, without Secrets.
    :param why_no_metrics: in words, where there are none.
    """

    kind: str
    name: str
    ready: int
    wanted: int
    images: tuple[str, ...]
    port: int | None = None
    path: str = ""
    shows: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    program: str = ""
    urls: tuple[str, ...] = ()
    services: tuple[tuple[str, int], ...] = ()
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    why_no_metrics: str = ""

    @property
    def target(self) -> str:
        """As the runbooks' variables name it."""
        return self.name if self.kind == "Deployment" else f"{self.kind.lower()}/{self.name}"

    @property
    def asks_a_database(self) -> bool:
        """Whether its environment names one."""
        return not self.program and any(name.startswith(("DB_", "DATABASE_", "PG", "POSTGRES_", "SPRING_DATASOURCE_", "JDBC_")) for name in self.environment)


def look(cluster: Cluster, namespace: str) -> list[Workload]:
    """Every workload of the namespace, by kind and name.

    :raises ClusterError: workloads or pods cannot be listed.
    """
    found = gather(**{kind: lambda kind=kind: cluster.list(kind, namespace) for kind in KINDS},
                   Service=lambda: _listed(cluster, "Service", namespace))
    return list(gather(**{f"{kind}/{owner['metadata']['name']}": lambda kind=kind, owner=owner: _described(cluster, kind, owner, found)
                          for kind in KINDS for owner in found[kind]}).values())


def _listed(cluster: Cluster, kind: str, namespace: str) -> list[Json]:
    """What may not be listed is not there: no runbook needs it."""
    try:
        return cluster.list(kind, namespace)
    except ClusterError:
        return []


def _described(cluster: Cluster, kind: str, owner: Json, found: t.Mapping[str, t.Sequence[Json]]) -> Workload:
    template = owner["spec"]["template"]
    containers = template["spec"].get("containers", [])
    images = tuple(container.get("image", "") for container in containers)
    services = [service for service in found["Service"] if _selects(service, template["metadata"].get("labels") or {})]
    program = program_of(images, [port["containerPort"] for container in containers for port in container.get("ports") or ()])
    pods = [pod for pod in _workload.pods(cluster, owner) if _workload.running(pod)]
    metrics = _metrics(cluster, pods[0]) if pods and not program else (None, "", {}, "" if program else "no pod of it runs")
    status = owner.get("status", {})
    return Workload(kind, owner["metadata"]["name"], status.get("readyReplicas", status.get("numberReady", 0)) or 0, _workload.replicas(owner), images,
                    *metrics[:3], program, tuple(_urls(containers, services)), tuple(_ports(services)),
                    {entry["name"]: entry.get("value") or "" for container in containers for entry in container.get("env") or ()}, metrics[3])


def program_of(images: t.Iterable[str], ports: t.Iterable[int] = ()) -> str:
    """What an image's name says it is (only the last part of its path counts, without tag and digest), else what a port does."""
    for image in images:
        name = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
        for program, names in IMAGES.items():
            if name in names:
                return program
    return next((PORTS[port] for port in ports if port in PORTS), "")


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


def _selects(service: Json, labels: t.Mapping[str, str]) -> bool:
    wanted = service["spec"].get("selector") or {}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _ports(services: t.Iterable[Json]) -> t.Iterator[tuple[str, int]]:
    for service in services:
        for port in (service["spec"].get("ports") or ())[:1]:
            yield service["metadata"]["name"], port["port"]


def _urls(containers: t.Iterable[Json], services: t.Sequence[Json]) -> t.Iterator[str]:
    """What readiness probes ask, as something inside the cluster can ask it: by a Service that leads to the same port."""
    for container in containers:
        asked = (container.get("readinessProbe") or {}).get("httpGet")
        if not asked:
            continue
        names = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
        number = names.get(asked["port"], asked["port"])
        for service in services:
            for port in service["spec"].get("ports") or ():
                to = port.get("targetPort", port["port"])
                if names.get(to, to) == number:
                    yield f"{asked.get('scheme', 'HTTP').lower()}://{service['metadata']['name']}:{port['port']}{asked.get('path', '/')}"
                    break
