# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs whom in a namespace: from addresses in environment and ConfigMaps, from metrics, and from logs."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _mounts
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._seen import WORKLOADS, Seen, named, workload_of

#: labels by which proxies, meshes and gateways name whom they talk to
PEER_LABELS = ("upstream", "upstream_service", "destination_service", "destination_service_name", "destination_workload", "peer_service",
               "target_service", "server_address", "backend", "envoy_cluster_name")
#: lines of a log that name an address before it counts
ENOUGH_LINES = 3
_NUMBER = re.compile(r"[\d.]+|[\da-f:]*:[\da-f:]*")
_HOST = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Relation:
    """How an object stands to the ailing workload.

    :param weight: 1 for the workload itself, less the further away; UNRELATED where nothing connects them.
    :param text: for a person.
    """

    weight: float
    text: str


UNRELATED = 0.1
#: what is left of the weight after one step of dependency, one step of being called, with a common dependency or Secret, and
#: for what belongs to such a workload, or is a node
_STEP, _CALLER_STEP, _COMMON, _OWNED = 0.75, 0.5, 0.55, 0.8


class Graph:
    """Workloads and what each depends on; Secrets, ConfigMaps, autoscalers, Services, pods and nodes belong to workloads."""

    def __init__(self) -> None:
        self.needs: dict[str, dict[str, list[str]]] = collections.defaultdict(dict)
        self._belongs: dict[str, set[str]] = collections.defaultdict(set)
        self._services: dict[str, set[str]] = {}
        self._addresses: dict[str, str] = {}
        self._pods: dict[str, str] = {}
        self._sets: dict[str, str] = {}
        self._blamed: collections.Counter[str] = collections.Counter()
        self._started: dict[str, list[str]] = collections.defaultdict(list)

    @classmethod
    def build(cls, seen: Seen) -> "Graph":
        """From the objects of a namespace."""
        graph = cls()
        for kind, item in seen.of(*WORKLOADS):
            for use in _mounts.uses(item["spec"]["template"]):
                graph._belongs[named(use.kind, use.name)].add(named(kind, item["metadata"]["name"]))
        for _kind, item in seen.of("HorizontalPodAutoscaler"):
            target = item["spec"]["scaleTargetRef"]
            graph._belongs[named("HorizontalPodAutoscaler", item["metadata"]["name"])].add(named(target["kind"], target["name"]))
        for _kind, item in seen.of("ReplicaSet"):
            for owner in item["metadata"].get("ownerReferences", []):
                graph._sets[item["metadata"]["name"]] = named(owner["kind"], owner["name"])
        for _kind, service in seen.of("Service"):
            graph._add_service(seen, service)
        for _kind, pod in seen.of("Pod"):
            graph._add_pod(seen, pod)
        config = {item["metadata"]["name"]: item.get("data") or {} for _kind, item in seen.of("ConfigMap")}
        for kind, item in seen.of(*WORKLOADS):
            graph._add_addresses(named(kind, item["metadata"]["name"]), item, config)
        return graph

    def add(self, source: str, service: str, how: str) -> None:
        """One workload uses a Service."""
        for target in self._services.get(service, ()):
            if target != source and how not in self.needs[source].setdefault(target, []):
                self.needs[source][target].append(how)

    def add_metrics(self, source: str, values: t.Iterable[str]) -> None:
        """What the values of PEER_LABELS on a workload's series name."""
        for value in values:
            for service in self._named_in(value):
                self.add(source, service, "its metrics")

    def add_log(self, source: str, lines: t.Iterable[str]) -> None:
        """Addresses of Services and pods that a workload's log names in several lines."""
        counts = self._in_log(lines)
        for name in [name for name, count in counts.items() if count >= ENOUGH_LINES]:
            if name in self._services:
                self.add(source, name, "addresses in its log")
            elif self._pods[name] != source:
                self.needs[self._pods[name]].setdefault(source, []).append(f"its address in the log of {source}")

    def blame(self, errors: t.Iterable[str]) -> None:
        """Addresses of Services that the ailing workload's errors name."""
        for name, count in self._in_log(errors).items():
            for workload in self._services.get(name, ()) if count >= ENOUGH_LINES else ():
                self._blamed[workload] += count

    def edges(self) -> list[Json]:
        """Every edge: source, target and how it is known."""
        return [{"source": source, "target": target, "how": how}
                for source, targets in sorted(self.needs.items()) for target, how in sorted(targets.items())]

    def relation(self, ailing: str, item: str) -> Relation:
        """How an object stands to the ailing workload: the closest of all ways."""
        if item == ailing:
            return Relation(1.0, "it is the ailing workload itself")
        owners = self._owners(item)
        ways = [] if owners else [self._between(ailing, item)]
        for owner in owners:
            belongs = f"pods of {owner} run on it" if item.startswith("node/") else f"it is one of {owner}" if item.startswith("pod/") else f"{owner} uses it"
            way = self._between(ailing, owner) if owner != ailing else Relation(1.0, "")
            weight = way.weight * (1.0 if owner == ailing and not item.startswith("node/") else _OWNED)
            ways.append(Relation(weight, f"{belongs}; {way.text}" if way.text else belongs))
        return max(ways, key=lambda way: way.weight)

    def since(self, workload: str, item: str, at: str) -> tuple[int, int] | None:
        """How many of a workload's pods have started since then, and how many there are; None where it does not use the item."""
        if workload not in self._belongs.get(item, ()):
            return None
        started = self._started[workload]
        return sum(begin >= at for begin in started), len(started)

    def callers(self, workload: str) -> list[str]:
        """The workloads that depend on it."""
        return sorted(source for source, targets in self.needs.items() if workload in targets)

    def addresses(self, workload: str) -> set[str]:
        """Names and addresses of the Services that lead to a workload."""
        return {address for address, service in self._addresses.items() if workload in self._services[service]}

    def _owners(self, item: str) -> list[str]:
        """The workloads that an object belongs to; of a pod that is gone, by its name."""
        owner = self._sets.get(item.removeprefix("pod/").rpartition("-")[0]) if item.startswith("pod/") else None
        return sorted(self._belongs.get(item) or ([owner] if owner else []))

    def _between(self, ailing: str, other: str) -> Relation:
        ways = [Relation(UNRELATED, f"nothing known connects {other} with {ailing}")]
        if other in self._blamed:
            ways.append(Relation(1.0, f"{self._blamed[other]} errors of {ailing} name its address"))
        if path := self._path(ailing, other):
            ways.append(Relation(_STEP ** (len(path) - 1), f"{ailing} depends on it ({self._told(path)})"))
        if path := self._path(other, ailing):
            ways.append(Relation(_CALLER_STEP ** (len(path) - 1), f"it calls {ailing} ({self._told(path)})"))
        common = set(self.needs.get(ailing, ())) & set(self.needs.get(other, ()))
        if common:
            ways.append(Relation(_COMMON, f"it depends on {', '.join(sorted(common))}, as {ailing} does"))
        shared = sorted(name for name, owners in self._belongs.items() if name.startswith("secret/") and {ailing, other} <= owners)
        if shared:
            ways.append(Relation(_COMMON, f"it uses {', '.join(shared)}, as {ailing} does"))
        return max(ways, key=lambda way: way.weight)

    def _path(self, source: str, target: str) -> list[str]:
        """The shortest way along what workloads need, empty where there is none."""
        before: dict[str, str] = {source: ""}
        queue = collections.deque([source])
        while queue:
            current = queue.popleft()
            if current == target:
                path = [current]
                while before[path[-1]]:
                    path.append(before[path[-1]])
                return path[::-1]
            for following in sorted(self.needs.get(current, ())):
                if following not in before:
                    before[following] = current
                    queue.append(following)
        return []

    def _told(self, path: t.Sequence[str]) -> str:
        return ", ".join(f"{source} -> {target}: {', '.join(self.needs[source][target][:2])}"
                         for source, target in zip(path, path[1:], strict=False))

    def _add_service(self, seen: Seen, service: Json) -> None:
        name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
        behind = {named(kind, item["metadata"]["name"]) for kind, item in seen.of(*WORKLOADS)
                  if selector and selector.items() <= (item["spec"]["template"].get("metadata", {}).get("labels") or {}).items()}
        self._services[name] = behind
        self._belongs[named("Service", name)] |= behind
        namespace = service["metadata"].get("namespace", "")
        for host in (name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"):
            self._addresses[host] = name
        for address in service["spec"].get("clusterIPs") or [service["spec"].get("clusterIP", "")]:
            if address not in ("", "None"):
                self._addresses[address] = name

    def _add_pod(self, seen: Seen, pod: Json) -> None:
        owner, name = workload_of(seen, pod), pod["metadata"]["name"]
        self._belongs[named("Pod", name)].add(owner)
        self._started[owner].append(_mounts.started_at(pod))
        if node := pod["spec"].get("nodeName"):
            self._belongs[named("Node", node)].add(owner)
        if (address := pod.get("status", {}).get("podIP")) and not pod["spec"].get("hostNetwork"):
            self._pods[address] = owner

    def _add_addresses(self, workload: str, item: Json, config: t.Mapping[str, t.Mapping[str, str]]) -> None:
        """Hosts of Services in what a workload's containers are told."""
        spec = item["spec"]["template"]["spec"]
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
            for entry in container.get("env", []):
                reference = entry.get("valueFrom", {}).get("configMapKeyRef", {})
                value = entry.get("value") or config.get(reference.get("name", ""), {}).get(reference.get("key", ""), "")
                self._add_text(workload, value, f"env {entry['name']}")
            self._add_text(workload, " ".join([*container.get("command", []), *container.get("args", [])]), "its command line", own=False)
        for use in _mounts.uses(item["spec"]["template"]):
            for key, value in config.get(use.name, {}).items() if use.kind == "ConfigMap" else ():
                self._add_text(workload, value, f"configmap {use.name}, {key}")

    def _add_text(self, workload: str, text: str, how: str, own: bool = True) -> None:
        for service in self._named_in(text):
            if own or service != workload.partition("/")[2]:
                self.add(workload, service, how)

    def _named_in(self, text: str) -> set[str]:
        return {self._addresses[token] for token in _HOST.findall(text.lower()) if token in self._addresses}

    def _in_log(self, lines: t.Iterable[str]) -> collections.Counter[str]:
        """How many lines have the address of each Service or pod; a name counts only as part of an address, not as a mere word."""
        known = {**self._addresses, **{address: address for address in self._pods}}
        numbers, names = (_any(name for name in known if bool(_NUMBER.fullmatch(name)) is number) for number in (True, False))
        pattern = re.compile(rf"(?<![\w.])({numbers})(?![\w.])|(?:(?<=[=@/\[( \"])|^)({names})(?=:\d)|(?<=://)({names})\b"
                             rf"|\b(?:upstream|host|server|lookup)[= ]\"?({names})\b")
        return collections.Counter(name for line in lines for name in {known[next(filter(None, groups))] for groups in pattern.findall(line)})


def _any(words: t.Iterable[str]) -> str:
    """A regular expression of any of these words, the longest first; of none, one that never matches."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True)) or "(?!)"
