# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in a namespace, as its objects tell it, and what of it a health check can look at."""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import DATABASE_SPEC, Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
#: what a program's image is called, by what it is
IMAGES = {"postgres": ("postgres", "postgresql", "timescaledb", "pgvector", "postgis"), "redis": ("redis", "valkey", "keydb"),
          "mysql": ("mysql", "mariadb", "percona"), "pooler": ("pgbouncer", "pgpool")}
#: and by the port that it declares, where the image is somebody's own
PORTS = {5432: "postgres", 6379: "redis", 3306: "mysql", 6432: "pooler"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Described:
    """One workload, as its own object and the Services in front of it describe it.

    :param program: ``postgres``, ``redis``, ``mysql``, ``pooler``, or empty where neither image nor port says one of them.
    :param urls: what its readiness probe asks, through a Service in front of it.
    :param services: Services in front of it, with their first port.
    :param environment: what its specification itself gives, without Secrets.
    """

    kind: str
    name: str
    ready: int
    wanted: int
    images: tuple[str, ...]
    program: str = ""
    urls: tuple[str, ...] = ()
    services: tuple[tuple[str, int], ...] = ()
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def target(self) -> str:
        """As the runbooks' variables name it."""
        return self.name if self.kind == "Deployment" else f"{self.kind.lower()}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Targets:
    """What a health check looks at beside nodes, pods and deployments; what is empty it does not look at.

    :param prober: workload from whose pod services and Redis are asked. Where it is empty, services are asked through the API server, and Redis
        in a pod of ``redis_workload``.
    :param urls: to ask with GET.
    :param database_ways: to ask the database, in their order.
    :param error_workload: whose log is searched for errors.
    :param critical: the checks without which nothing works.
    :param lacks: what is not looked at and the variable that would change that, in sentences.
    """

    prober: str = ""
    urls: tuple[str, ...] = ()
    database_ways: tuple[Way, ...] = ()
    redis_host: str = ""
    redis_port: int = 6379
    redis_workload: str = ""
    error_workload: str = ""
    critical: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


#: the namespace of the written playbook, and the names that it has there
SHOP_NAMESPACE = "ai-development"
SHOP = Targets(
    prober="debug-pod", urls=tuple(f"http://{name}:8080/health" for name in ("api-gateway", "auth-service", "user-service")),
    database_ways=tuple(Way(**way) for way in DATABASE_SPEC["database_ways"]["default"]), redis_host="redis", error_workload="api-server",
    critical=("api-gateway", "auth-service", "database"))


def look(cluster: Cluster, namespace: str) -> dict[str, tuple[Described, Json]]:
    """Every workload of the namespace by kind and name, with its own object.

    :raises ClusterError: workloads cannot be listed. Services that may not be listed are as if there were none.
    """
    found = gather(**{kind: lambda kind=kind: cluster.list(kind, namespace) for kind in KINDS},
                   Service=lambda: _listed(cluster, "Service", namespace))
    return {f"{kind}/{owner['metadata']['name']}": (describe(kind, owner, found["Service"]), owner) for kind in KINDS for owner in found[kind]}


def describe(kind: str, owner: Json, services: t.Iterable[Json]) -> Described:
    """One workload.

    :param services: all of the namespace.
    """
    template = owner["spec"]["template"]
    containers = template["spec"].get("containers", [])
    images = tuple(container.get("image", "") for container in containers)
    before = [service for service in services if _selects(service, template["metadata"].get("labels") or {})]
    status = owner.get("status", {})
    return Described(
        kind=kind, name=owner["metadata"]["name"], ready=status.get("readyReplicas", status.get("numberReady", 0)) or 0,
        wanted=_workload.replicas(owner), images=images,
        program=program_of(images, [port["containerPort"] for container in containers for port in container.get("ports") or ()]),
        urls=tuple(_urls(containers, before)), services=tuple(_ports(before)),
        environment={entry["name"]: entry.get("value") or "" for container in containers for entry in container.get("env") or ()})


def program_of(images: t.Iterable[str], ports: t.Iterable[int] = ()) -> str:
    """What an image's name says it is (only the last part of its path counts, without tag and digest), else what a port does."""
    for image in images:
        name = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
        for program, names in IMAGES.items():
            if name in names:
                return program
    return next((PORTS[port] for port in ports if port in PORTS), "")


def targets(workloads: t.Sequence[Described], given: t.Collection[str] = ()) -> Targets:
    """What of a namespace's workloads a health check looks at.

    :param given: fields that somebody has named, so that what is not found there is not lacking.
    """
    urls = tuple(url for workload in workloads for url in workload.urls)
    database = next((workload for workload in workloads if workload.program == "postgres"), None)
    redis = next((workload for workload in workloads if workload.program == "redis"), None)
    busiest = max((workload for workload in workloads if not workload.program), key=lambda workload: workload.wanted, default=None)
    host, port = redis.services[0] if redis and redis.services else ("127.0.0.1", 6379)
    return Targets(
        urls=urls, database_ways=(_way(database),) if database else (), redis_host=host if redis else "", redis_port=port,
        redis_workload=redis.target if redis else "", error_workload=busiest.target if busiest else "",
        critical=tuple(dict.fromkeys([*(urllib.parse.urlsplit(url).hostname or url for url in urls), *(["database"] if database else [])])),
        lacks=tuple(_lacking(urls, database, redis, given)))


def _lacking(urls: t.Sequence[str], database: Described | None, redis: Described | None, given: t.Collection[str]) -> t.Iterator[str]:
    if not urls and "urls" not in given:
        yield "services: none has a readiness probe by HTTP and a Service in front of it; name what to ask with health_check_urls"
    if not database and "database_ways" not in given:
        yield "a database: no workload is PostgreSQL; name one that has psql and reaches it with health_check_database_ways"
    if not redis and not {"redis_host", "prober"} & set(given):
        yield "Redis: no workload is one; where there is one, name it with health_check_redis_host and a workload with redis-cli with health_check_prober"


def _way(database: Described) -> Way:
    user = database.environment.get("POSTGRES_USER") or "postgres"
    return Way(database.target, user=user, name=database.environment.get("POSTGRES_DB") or user)


def _listed(cluster: Cluster, kind: str, namespace: str) -> list[Json]:
    """What may not be listed is not there: no runbook needs it."""
    try:
        return cluster.list(kind, namespace)
    except ClusterError:
        return []


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
