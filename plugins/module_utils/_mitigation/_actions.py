# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mitigations: which fields each of them sets on which object."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change import _fields, _postgres_roles, _redis_keys
from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity, _redis, _references, _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import KINDS, Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import Way
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, UNDONE, Incident

try:
    import yaml
except ImportError:
    pass

RESTART_ANNOTATION = "runbooks.sre/restart"
#: keys of a cache whose values the record holds
MOST_KEYS = 200
CREATED_BY = _fields.join("metadata", "annotations", "runbooks.sre/created-by")


@dataclasses.dataclass(frozen=True)
class Planned:
    """A change, and what the guardrails need to judge it.

    :param workload: the workload whose pods it replaces or adds, None where it touches none.
    :param more_pods: how many pods it adds.
    """

    change: Change
    workload: Json | None = None
    more_pods: int = 0


@dataclasses.dataclass(frozen=True)
class Request:
    """A mitigation that is wanted.

    :param params: the action's own parameters.
    """

    cluster: Cluster
    namespace: str
    incident_id: str
    params: t.Mapping[str, t.Any]

    def need(self, name: str, example: str) -> t.Any:
        """A parameter that must be there."""
        value = self.params.get(name)
        if value in (None, "", {}, []):
            raise InvalidInput(f"A {self.params['action']} change needs {name}.", f"For example: {example}")
        return value

    def workload(self) -> tuple[Target, Json]:
        """The workload that is meant, as it is now."""
        target = Target.parse(self.namespace, self.need("workload", "workload: api-server"))
        return target, _workload.read(self.cluster, target)


Action = t.Callable[[Request], t.Iterable[Planned]]


def restart(request: Request) -> t.Iterator[Planned]:
    """Rolling restart: a new pod template annotation. Named by the incident, so that a rerun is a no-op."""
    target, current = request.workload()
    yield Planned(_restart(target, current, request.incident_id, temporary=False, reversible=False), current)


def resources(request: Request) -> t.Iterator[Planned]:
    """Limits and requests of one container (``limits`` and ``requests``: resource name -> quantity)."""
    target, current = request.workload()
    container = _workload.container_to_change(current, request.params.get("container"), lambda: _workload.pods(request.cluster, current))
    base = f"{_workload.container_path(current, container)}.resources"
    wanted = {f"{base}.{_fields.join(group, name)}": str(quantity)
              for group in ("limits", "requests") for name, quantity in (request.params.get(group) or {}).items()}
    if not wanted:
        raise InvalidInput("A resources change needs limits or requests.", "For example: limits: {memory: 1Gi}")
    for path, quantity in wanted.items():
        _quantity.parse(quantity, path.removeprefix(base + "."))
    shown = ", ".join(f"{path.removeprefix(base + '.')} {quantity}" for path, quantity in wanted.items())
    yield Planned(Change.plan("resources", target, current, wanted, f"set {target.short} {container}: {shown}"), current)


def env(request: Request) -> t.Iterator[Planned]:
    """Environment variables of one container (``env``: name -> value)."""
    target, current = request.workload()
    variables = request.need("env", "env: {DB_POOL_SIZE: 50}")
    container = _workload.container_to_change(current, request.params.get("container"))
    # The whole entry is the field, because it may hold a valueFrom that has to come back as it was.
    wanted = {f"{_workload.container_path(current, container)}.env[name={name}]": {"name": name, "value": str(value)}
              for name, value in variables.items()}
    shown = ", ".join(f"{name}={value}" for name, value in variables.items())
    yield Planned(Change.plan("env", target, current, wanted, f"set {target.short} {container}: {shown}"), current)


def scale(request: Request) -> t.Iterator[Planned]:
    """At least ``replicas`` pods; where an autoscaler decides, its bounds are moved rather than fought."""
    target, current = request.workload()
    if target.kind == "DaemonSet":
        raise InvalidInput(f"{target.short} has one pod on each node: it cannot be scaled.")
    replicas, before = int(request.need("replicas", "replicas: 5")), current["spec"].get("replicas", 1)
    autoscaler = _autoscaler(request.cluster, target)
    if autoscaler is None:
        change = Change.plan("scale", target, current, {"spec.replicas": max(replicas, before)},
                             f"scale {target.short} from {before} to {replicas} pods", disruptive=False)
    else:
        bounds = autoscaler["spec"]
        least, most = bounds.get("minReplicas", 1), bounds["maxReplicas"]
        change = Change.plan(
            "scale", Target(target.namespace, "HorizontalPodAutoscaler", autoscaler["metadata"]["name"]), autoscaler,
            {"spec.minReplicas": max(replicas, least), "spec.maxReplicas": max(replicas, most)},
            f"let the autoscaler of {target.short} run {max(replicas, least)} to {max(replicas, most)} pods "
            f"instead of {least} to {most}", disruptive=False)
    yield Planned(change, current, max(0, replicas - before))


def rollback(request: Request) -> t.Iterator[Planned]:
    """Back to ``revision``, or to the newest one that ran something else and is not known to be bad.

    A template that any incident has rolled back from is known to be bad: without that, a second rollback would bring
    it back. So is one whose rollback did not help and was taken back.
    """
    target, current = request.workload()
    mine = current["spec"]["template"]
    earlier = list(_rollbacks(request, target))
    if any(incident.id == request.incident_id and state == DONE and after == mine for incident, state, _before, after in earlier):
        yield Planned(Change.plan("rollback", target, current, {}, f"{target.short} is rolled back already"), current)
        return
    history = _revisions.read(request.cluster, target, current)
    bad = [_revisions.essence(before if state == DONE else after) for incident, state, before, after in earlier
           if state == DONE or incident.status != "mitigated"]
    chosen = _chosen_revision(request, target, mine, history, bad)
    images = ", ".join(container["image"] for container in chosen.template["spec"]["containers"])
    yield Planned(Change.plan("rollback", target, current, {"spec.template": chosen.template},
                              f"roll {target.short} back to revision {chosen.number} ({images})", temporary=False), current)


def config(request: Request) -> t.Iterator[Planned]:
    """Keys of a ConfigMap (``config_map``, ``data``), which is created where it is absent.

    With ``workload`` its pods see the change at once where they mount it, and are restarted where they take it as
    environment.
    """
    target = Target(request.namespace, "ConfigMap", request.need("config_map", "config_map: api-gateway-config"))
    data = request.need("data", "data: {RATE_LIMIT_ENABLED: 'true'}")
    current = request.cluster.find(target.kind, target.namespace, target.name)
    if current and current.get("immutable"):
        raise Refused(f"Cluster {request.cluster.name}: {target} is immutable.", "Its owner has to replace it.")
    wanted = {_fields.join("data", key): _text(value) for key, value in data.items()}
    if current is None:
        wanted[CREATED_BY] = request.incident_id
    shown = ", ".join(f"{key}={_text(value)}" for key, value in data.items())
    summary = f"{'set' if current else 'create'} {target.short}: {shown}"
    readers = request.workload() if request.params.get("workload") else None
    change = Change.plan("config", target, current, wanted, summary, disruptive=False,
                         readers=readers[0].short if readers else "")
    yield Planned(change)
    if readers and change.needed and _takes_as_environment(readers[1], target.name):
        yield Planned(_restart(*readers, request.incident_id, temporary=True, reversible=True), readers[1])


def manifest(request: Request) -> t.Iterator[Planned]:
    """Every object of a file (``path``) as it stands there; an object that is absent is created."""
    path = pathlib.Path(request.need("path", "path: traffic-shedding-policy.yml")).expanduser()
    readers = request.workload()[0].short if request.params.get("workload") else ""
    for document in _documents(path):
        target = _manifest_target(request, path, document)
        current = request.cluster.find(target.kind, target.namespace, target.name)
        content = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata", "status")}
        kept = {key: document["metadata"][key] for key in ("labels", "annotations") if document["metadata"].get(key)}
        wanted = {**dict(_fields.leaves(content)), **dict(_fields.leaves(kept, "metadata"))}
        if current is None:
            wanted[CREATED_BY] = request.incident_id
        yield Planned(Change.plan("manifest", target, current, wanted, f"apply {target.short} from {path.name}",
                                  disruptive=False, readers=readers))


def database_read_only(request: Request) -> t.Iterator[Planned]:
    """Transactions of the application's role (``roles: application``), or of every ordinary role (``all``), begin read-only.

    Its sessions are ended, so that this counts at once; a rollout of READ_ONLY_MODE takes longer.
    """
    ways = request.need("database_ways", "database_ways: [{workload: api-server}]")
    which = request.params.get("roles", "application")
    if which not in ("application", "all"):
        raise InvalidInput(f"roles is {which!r}.", "It is application (the role that the first way uses) or all.")
    kept = tuple({key: value for key, value in way.items() if key != "password" and value} for way in ways)
    for account in _postgres_roles.accounts(request.cluster, request.namespace, [Way(**way) for way in ways], which == "all"):
        name = account["metadata"]["name"]
        if account["superuser"] or account["replication"]:
            raise Refused(f"Cluster {request.cluster.name}: the application uses {name}, a superuser or replication role: making it "
                          "read-only would stop the database's own upkeep.", "Use the application's own switch alone.")
        yield Planned(Change.plan(
            "database_read_only", Target(request.namespace, _postgres_roles.KIND, name), account,
            {_fields.join("settings", _postgres_roles.READ_ONLY): "on"},
            f"make transactions of database role {name} read-only, and end its sessions", disruptive=False, ways=kept))


def cache_drop(request: Request) -> t.Iterator[Planned]:
    """Delete keys of a Redis (``cache``: how it is reached) that still hold what was found stale (``stale``: key -> digest of its value)."""
    given, stale = request.need("cache", "cache: {host: redis}"), request.need("stale", "stale of cache_consistency_info")
    if len(stale) > MOST_KEYS:
        raise Refused(f"{len(stale)} keys are to be dropped, and at most {MOST_KEYS} values are kept for the way back.",
                      "Drop them with the application's own means, or a part of them at a time.")
    with _redis.opened(request.cluster, request.namespace, given) as server, _redis.asked(server, "read keys") as client:
        found = _redis_keys.read(client, stale)
        keys = {key: value for key, value in found.items() if _redis_keys.digest(value) == stale[key]}
        expires, name = _redis_keys.expiries(client, keys), server.name
    way = {**{key: value for key, value in given.items() if key != "password" and value}, "expires": expires}
    yield Planned(Change.plan(
        "cache_drop", Target(request.namespace, _redis_keys.KIND, name), _redis_keys.described(name, keys),
        {_fields.join("keys", key): None for key in keys}, f"delete {len(keys)} stale keys of {name}", temporary=False, disruptive=False,
        reversible=False, ways=(way,)))


ACTIONS: dict[str, Action] = {action.__name__: action for action in (
    restart, resources, env, scale, rollback, config, manifest, database_read_only, cache_drop)}


def _restart(target: Target, current: Json, incident_id: str, **traits: bool) -> Change:
    path = "spec.template." + _fields.join("metadata", "annotations", RESTART_ANNOTATION)
    return Change.plan("restart", target, current, {path: incident_id}, f"restart {target.short}, pod by pod", **traits)


def _autoscaler(cluster: Cluster, target: Target) -> Json | None:
    for autoscaler in cluster.list("HorizontalPodAutoscaler", target.namespace):
        scaled = autoscaler["spec"]["scaleTargetRef"]
        if (scaled["kind"], scaled["name"]) == (target.kind, target.name):
            return autoscaler
    return None


def _rollbacks(request: Request, target: Target) -> t.Iterator[tuple[Incident, str, Json, Json]]:
    """Every rollback of the target that was made: incident, whether it is done or undone, template before, template after."""
    return ((incident, entry.state, field.before, field.after)
            for incident in Incident.all(request.cluster, request.namespace) for entry in incident.ledger()
            if entry.state in (DONE, UNDONE) and entry.change.action == "rollback" and entry.change.target == target
            for field in entry.change.fields)


def _chosen_revision(request: Request, target: Target, mine: Json, history: list[_revisions.Revision],
                     bad: list[Json]) -> _revisions.Revision:
    wanted = int(request.params.get("revision") or 0)
    running = _revisions.essence(mine)
    if wanted:
        candidates = [revision for revision in history if revision.number == wanted]
    else:
        candidates = [revision for revision in history if _revisions.essence(revision.template) not in (running, *bad)]
    gone: list[str] = []
    for revision in reversed(candidates):
        if not (lacking := _references.gone(request.cluster, target.namespace, revision.template)):
            return revision
        gone.append(f"revision {revision.number} needs {' and '.join(lacking)}")
    if gone:
        raise Refused(f"Cluster {request.cluster.name}: {target} cannot be rolled back: {'; '.join(gone)}, which is not there.",
                      "Apply that again from where it is kept, or deploy the good release again.")
    raise Refused(f"Cluster {request.cluster.name}: {target} has no "
                  f"{f'revision {wanted}' if wanted else 'earlier revision that ran something else'} to roll back to.",
                  f"It has: {', '.join(str(revision.number) for revision in history) or 'none'} "
                  "(spec.revisionHistoryLimit says how many are kept). Deploy the good release again.")


def _takes_as_environment(workload: Json, config_map: str) -> bool:
    sources = [source for container in workload["spec"]["template"]["spec"]["containers"]
               for source in [*container.get("envFrom", []), *(e.get("valueFrom", {}) for e in container.get("env", []))]]
    return any(source.get(key, {}).get("name") == config_map
               for source in sources for key in ("configMapRef", "configMapKeyRef"))


def _documents(path: pathlib.Path) -> list[Json]:
    try:
        loaded = [document for document in yaml.safe_load_all(path.read_text()) if document]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"Cannot read manifest {path}: {error}.", "Check the path and the YAML; nothing was sent.") from error
    documents = [item for document in loaded for item in (document.get("items", []) if document.get("kind") == "List" else [document])]
    if not documents:
        raise InvalidInput(f"Manifest {path} holds no object.", "It needs apiVersion, kind, metadata.name and content.")
    return documents


def _manifest_target(request: Request, path: pathlib.Path, document: Json) -> Target:
    meta = document.get("metadata") or {}
    if not (document.get("apiVersion") and document.get("kind") and meta.get("name")):
        raise InvalidInput(f"Manifest {path}: an object lacks apiVersion, kind or metadata.name.")
    where = meta.get("namespace", request.namespace)
    if where != request.namespace:
        raise Refused(f"Manifest {path}: {document['kind']} {meta['name']} is for namespace {where}, the incident's is "
                      f"{request.namespace}.", "Leave metadata.namespace out of the manifest.")
    if document["kind"] == "Secret":
        raise Refused(f"Manifest {path}: Secret {meta['name']} would be written to the incident's record in clear text.",
                      "Apply Secrets another way.")
    known = KINDS.get(document["kind"], ("",))[0] == document["apiVersion"]
    kind = document["kind"] if known else f"{document['apiVersion']}/{document['kind']}"
    return Target(where, kind, meta["name"])


def _text(value: t.Any) -> str:
    """ConfigMaps hold text; YAML's true is meant as the word."""
    return str(value).lower() if isinstance(value, bool) else str(value)
