# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a workload that does not come up or does not stay up: gathered at once, each known or not known because of something."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _references, _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _fates, _inventory, _last_words, _messages, _pods, _releases, _signals
from ansible_collections.sre.runbooks.plugins.module_utils._crash._fates import Fate
from ansible_collections.sre.runbooks.plugins.module_utils._crash._last_words import LastWords
from ansible_collections.sre.runbooks.plugins.module_utils._crash._look import Look
from ansible_collections.sre.runbooks.plugins.module_utils._crash._inventory import Inventory
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

STATUS, EVENTS, LOGS, RELEASES, NAMESPACE, NODES = "pod status", "events", "logs", "revisions", "objects of the namespace", "nodes"
SLICE_KIND = "discovery.k8s.io/v1/EndpointSlice"
#: node conditions that are bad when they are true
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


@dataclasses.dataclass(frozen=True)
class Seen:
    """Everything that was read.

    :param fates: of the containers of failing pods.
    :param nodes: None where they may not be read; ``no_nodes`` says why.
    """

    look: Look
    failing: tuple[Json, ...]
    fates: tuple[Fate, ...]
    words: tuple[LastWords, ...]
    inventory: Inventory
    nodes: tuple[Json, ...] | None
    no_nodes: str


def gather_all(cluster: Cluster, look: Look, limits: _signals.Limits, since: str) -> Seen:
    """Read what there is about the pods that fail: logs, what their template refers to, and nodes, all at once."""
    reading = _signals.measure(look, limits, since, after_a_change=False)
    names = {pod for signal in reading.breached for pod in signal.pods}
    if any(signal.name == "rollout_stuck" for signal in reading.breached):
        names |= {pod["metadata"]["name"] for pod in look.of_current() if not _workload.ready(pod)}
    failing = tuple(pod for pod in look.pods if pod["metadata"]["name"] in names)
    fates = tuple(fates_of(look, failing))
    namespace = look.target.namespace
    found = gather(
        words=lambda: _last_words.fetch(cluster, namespace, [fate.container for fate in fates if fate.container.last_end]),
        inventory=lambda: _inventory.take(cluster, namespace), nodes=lambda: _pods.attempt(lambda: cluster.list("Node")))
    nodes, no_nodes = found["nodes"]
    return Seen(look, failing, fates, tuple(found["words"]), found["inventory"], None if nodes is None else tuple(nodes), no_nodes)


def facts(cluster: Cluster, seen: Seen) -> FactSheet:
    """All facts of the table of causes ``crash_loop``."""
    sheet = FactSheet()
    sheet.known("in_namespace", seen.look.target.namespace)
    sheet.known("workload", seen.look.target.short)
    for part in (_tell_pods, _tell_fates, _tell_images, _tell_starts, _tell_probes, _tell_scheduling, _tell_refusals, _tell_set_up, _tell_missing,
                 _tell_ends_of_pods, _tell_nodes, _tell_releases):
        part(sheet, seen)
    _tell_logs(sheet, seen, cluster)
    return sheet


def fates_of(look: Look, failing: t.Sequence[Json]) -> list[Fate]:
    """What became of the containers of failing pods."""
    killed = {container.place for container, _probe, _event in look.probe_kills()}
    alive = [pod for pod in failing if not _pods.gone_for_good(pod)]
    found = [_fates.of(container, container.place in killed, _pull_event(look, container)) for container in look.containers(alive)]
    return [fate for fate in found if fate]


def _pull_event(look: Look, container: _pods.Container) -> str:
    """What the newest event says of a container's image: the status of older kubelets has only that it backs off."""
    told = [event.get("message") or "" for event in look.events_of(container.pod, "Failed", "InspectFailed")]
    return next((message for message in reversed(told) if f'"{container.image}"' in message and "pull" in message.lower()), "")


def _tell_pods(sheet: FactSheet, seen: Seen) -> None:
    look = seen.look
    hashes = {_pods.revision_hash(pod) for pod in seen.failing} | ({look.current} if _signals.refusal(look) else set())
    ready = [pod for pod in look.pods if _workload.ready(pod)]
    sheet.known("pods_wanted", look.desired, look.target.short)
    sheet.known("pods_ready", len(ready), STATUS)
    sheet.known("pods_failing", [pod["metadata"]["name"] for pod in seen.failing], STATUS)
    sheet.known("old_pods_ready", sum(_pods.revision_hash(pod) != look.current for pod in ready), STATUS)
    if hashes and look.current:
        sheet.known("only_current_fails", hashes == {look.current}, STATUS)
    else:
        sheet.unknown("only_current_fails", "no pod fails" if look.current else "the cluster has no revisions of it", STATUS)
    idle = [pod for pod in seen.failing if look.containers([pod]) and all(item.running or item.done for item in look.containers([pod]))
            and not any(item.last_end for item in look.containers([pod]) if not item.done)]
    sheet.known("running_unready", [pod["metadata"]["name"] for pod in idle], STATUS)
    told = [event.get("message") or "" for pod in idle for event in look.events_of(pod["metadata"]["name"], "Unhealthy")
            if (event.get("message") or "").startswith("Readiness")]
    sheet.known_or("readiness_message", told[-1] if told else None, EVENTS, "no event of a failed readiness probe is left")


def _tell_fates(sheet: FactSheet, seen: Seen) -> None:
    for kind in _fates.FATES:
        sheet.known(kind, [fate.container.place for fate in seen.fates if fate.kind == kind], STATUS)
    sheet.known("init_failing", [fate.container.place for fate in seen.fates if fate.container.part == _pods.INIT], STATUS)
    sheet.known("sidecars_failing", [fate.container.place for fate in seen.fates if fate.container.part == _pods.SIDECAR], STATUS)
    sheet.known("ends", [_end_row(seen.look, fate) for fate in seen.fates], STATUS)
    codes = [str(fate.container.last_end.exit_code) for fate in seen.fates if fate.container.last_end and fate.kind in (
        _fates.CRASHED, _fates.NATIVE, _fates.START, _fates.TERMINATED, _fates.ZERO)]
    sheet.known_or("exit_code", int(_fates.most_common(codes)) if codes and "None" not in codes else None, STATUS, "no container ended by itself")
    lives = [fate.container.last_end.life for fate in seen.fates if fate.container.last_end and fate.container.last_end.life is not None]
    sheet.known_or("longest_life", float(max(lives)) if lives else None, STATUS, "no container has ended", "s")


def _end_row(look: Look, fate: Fate) -> Json:
    container, end = fate.container, fate.container.last_end
    pod = next(pod for pod in look.pods if pod["metadata"]["name"] == container.pod)
    row = {"pod": container.pod, "container": container.name, "part": container.part, "fate": fate.kind, "waiting": container.waiting,
           "message": fate.message, "image": container.image, "restarts": container.restarts, "node": pod["spec"].get("nodeName"),
           "current": _pods.revision_hash(pod) == look.current}
    return {**row, "reason": end.reason, "exit_code": end.exit_code, "life": end.life, "ended_at": end.finished_at} if end else row


def _tell_images(sheet: FactSheet, seen: Seen) -> None:
    fates = [fate for fate in seen.fates if fate.kind == _fates.IMAGE]
    sheet.known("images_missing", list(dict.fromkeys(fate.container.image for fate in fates)), STATUS)
    _tell_message(sheet, "pull", [fate.message for fate in fates], _messages.pull, STATUS)


def _tell_starts(sheet: FactSheet, seen: Seen) -> None:
    fates = [fate for fate in seen.fates if fate.kind == _fates.START]
    words = {words.container.place: words.reading.line for words in seen.words}
    messages = [fate.message or words.get(fate.container.place, "") for fate in fates]
    _tell_message(sheet, "start", messages, _messages.start, STATUS)


def _tell_probes(sheet: FactSheet, seen: Seen) -> None:
    look = seen.look
    killed = {fate.container.place for fate in seen.fates if fate.kind == _fates.PROBE}
    kills = [(container, probe) for container, probe, _event in look.probe_kills() if container.place in killed]
    nothing = f"events: {look.no_events}" if look.events is None else "no probe has killed a container"
    if not kills:
        for name in ("probe", "probe_container", "probe_threshold", "probe_failure", "probe_message", "probe_status", "probe_budget", "probe_life",
                     "probed_was_ready", "has_startup_probe"):
            sheet.unknown(name, nothing)
        return
    container, probe = kills[-1]
    pod = next(pod for pod in look.pods if pod["metadata"]["name"] == container.pod)
    spec = next(item for item in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]] if item["name"] == container.name)
    unhealthy = [event["message"] for event in look.events_of(container.pod, "Unhealthy") if (event.get("message") or "").lower().startswith(probe)]
    message = unhealthy[-1] if unhealthy else ""
    sheet.known("probe", probe, EVENTS)
    sheet.known("probe_container", container.name, EVENTS)
    sheet.known("probe_threshold", int(spec.get(f"{probe}Probe", {}).get("failureThreshold", 3)), "pod template")
    sheet.known_or("probe_message", message or None, EVENTS, "no event of the failed probe is left")
    sheet.known_or("probe_failure", _messages.probe(message) if message else None, EVENTS, "no event of the failed probe is left")
    sheet.known_or("probe_status", (_messages.probe_status(message) or 0) if message else None, EVENTS, "no event of the failed probe is left")
    sheet.known("probe_budget", budget(spec.get(f"{probe}Probe", {})), "pod template", "s")
    sheet.known("has_startup_probe", "startupProbe" in spec, "pod template")
    life = container.last_end.life if container.last_end else None
    sheet.known_or("probe_life", life, STATUS, "the container has not ended yet", "s")
    sheet.known("probed_was_ready", any(_pods.was_well(item, look.at) for item in seen.failing if item["metadata"]["name"] == container.pod), STATUS)


def budget(probe: Json) -> float:
    """The seconds after which a container that never answers is killed by a probe."""
    return float(probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) + probe.get("timeoutSeconds", 1))


def _tell_scheduling(sheet: FactSheet, seen: Seen) -> None:
    pending = [(pod, condition.get("message") or condition.get("reason") or "") for pod in seen.failing
               if (condition := _pods.condition(pod, "PodScheduled")).get("status") == "False"]
    sheet.known("without_node", [pod["metadata"]["name"] for pod, _message in pending], STATUS)
    sheet.known("scheduling_message", pending[-1][1] if pending else "", STATUS)
    reasons = list(dict.fromkeys(reason for _pod, message in pending for reason in _messages.scheduling(message)))
    sheet.known("scheduling_problems", reasons, STATUS)
    claims = [event.get("message") or "" for event in seen.look.events or () if event["involvedObject"].get("kind") == "PersistentVolumeClaim"
              and event.get("type") == "Warning"]
    if seen.look.events is None:
        sheet.unknown("claim_messages", f"events: {seen.look.no_events}", EVENTS)
    else:
        sheet.known("claim_messages", list(dict.fromkeys(claims[-5:])), EVENTS)


def _tell_refusals(sheet: FactSheet, seen: Seen) -> None:
    reason = _signals.refusal(seen.look)
    sheet.known("pods_refused", bool(reason), "workload status and events")
    _tell_message(sheet, "refusal", [reason] if reason else [], _messages.refusal, "workload status and events")


def _tell_set_up(sheet: FactSheet, seen: Seen) -> None:
    """Volumes that are not mounted and networks that do not come."""
    look = seen.look
    waiting = [pod for pod in seen.failing if _pods.condition(pod, "PodScheduled").get("status") == "True" and _signals.waits_to_start(look, pod)]
    if look.events is None:
        for name in ("without_volume", "mount_problem", "mount_message", "mount_volume", "without_network", "network_message"):
            sheet.unknown(name, f"events: {look.no_events}", EVENTS)
        return
    told: dict[str, list[str]] = {}
    for pod in waiting:
        name = pod["metadata"]["name"]
        messages = [event.get("message") or "" for event in look.events_of(name, *_signals.MOUNT_EVENTS)]
        if not any(map(_messages.missing_object, messages)):  # else what times out is only what follows
            told[name] = [message for message in messages if _messages.mount(message) != "not_registered"]
    messages = [message for lines in told.values() for message in lines]
    messages = [message for message in messages if _messages.mount(message) != "timeout"] or messages  # a time-out says least
    sheet.known("without_volume", [name for name, lines in told.items() if lines], EVENTS)
    _tell_message(sheet, "mount", messages, _messages.mount, EVENTS)
    sheet.known("mount_volume", _messages.volume(messages[-1]) if messages else "", EVENTS)
    networks = {pod["metadata"]["name"]: event.get("message") or "" for pod in waiting
                for event in look.events_of(pod["metadata"]["name"], *_signals.SANDBOX_EVENTS)}
    sheet.known("without_network", list(networks), EVENTS)
    sheet.known("network_message", next(reversed(networks.values()), ""), EVENTS)


def _tell_missing(sheet: FactSheet, seen: Seen) -> None:
    """What the wanted template refers to and is not there: by the kubelet's word, and by looking."""
    look = seen.look
    messages = [fate.message for fate in seen.fates if fate.kind == _fates.MISSING]
    messages += [event.get("message") or "" for pod in seen.failing for event in look.events_of(pod["metadata"]["name"], *_signals.MOUNT_EVENTS)
                 if _signals.waits_to_start(look, pod)]
    references = _references.of(look.workload["spec"]["template"])
    looked, untold = seen.inventory.missing(references), seen.inventory.untold(references)
    told = list(dict.fromkeys(filter(None, map(_messages.missing_object, messages))))
    # A message that names no object, as of a volume's key, is one of those that were found by looking.
    told = [next((item for item in looked if item.startswith(words.partition(" of a ")[0])), words) if " of a " in words else words for words in told]
    # The kubelet's word may be older than the object: what is there by now is missing no more.
    told = [words for words in dict.fromkeys(told) if not seen.inventory.holds(words)]
    missing = list(dict.fromkeys([*told, *looked]))
    sheet.known("told_missing", told, f"{STATUS} and {EVENTS}")
    if missing or not untold:
        sheet.known("missing_objects", missing, f"{STATUS} and {NAMESPACE}")
    else:
        sheet.unknown("missing_objects", untold, NAMESPACE)
    words = missing[0].split(" ") if missing else []
    sheet.known_or("missing_kind", words[-2].lower() if words else None, STATUS, "nothing is missing")
    sheet.known_or("missing_name", words[-1] if words else None, STATUS, "nothing is missing")
    since = _releases.wanted_since(look)
    if since and not seen.inventory.unknown:
        sheet.known("changed_objects", seen.inventory.changed_since(references, since), NAMESPACE)
    else:
        sheet.unknown("changed_objects", "; ".join(seen.inventory.unknown.values()) or "it is not known since when the revision is wanted", NAMESPACE)


def _tell_ends_of_pods(sheet: FactSheet, seen: Seen) -> None:
    failed = [pod for pod in seen.failing if _pods.gone_for_good(pod)]
    evicted = [pod for pod in failed if pod["status"].get("reason") in ("Evicted", "Preempting", "Shutdown", "NodeShutdown", "Terminated", "NodeAffinity")
               or _pods.condition(pod, "DisruptionTarget").get("status") == "True"]
    sheet.known("evicted", [pod["metadata"]["name"] for pod in evicted], STATUS)
    sheet.known_or("eviction_reason", next((_pods.condition(pod, "DisruptionTarget").get("reason") or pod["status"].get("reason") for pod in evicted), None),
                   STATUS, "no pod was evicted")
    messages = [pod["status"].get("message") or _pods.condition(pod, "DisruptionTarget").get("message") for pod in evicted]
    sheet.known_or("eviction_message", next(filter(None, messages), None), STATUS, "no pod was evicted")


def _tell_nodes(sheet: FactSheet, seen: Seen) -> None:
    bad = sorted({pod["spec"]["nodeName"] for pod in seen.failing if pod["spec"].get("nodeName")})
    well = sorted({pod["spec"]["nodeName"] for pod in seen.look.pods if _workload.ready(pod) and pod["spec"].get("nodeName")})
    sheet.known("nodes_of_failing", bad, STATUS)
    sheet.known("nodes_of_ready", well, STATUS)
    sheet.known("one_node_fails", len(bad) == 1 and len(seen.failing) > 0 and bool(set(well) - set(bad)) and not set(bad) & set(well), STATUS)
    if seen.nodes is None:
        sheet.unknown("node_problems", seen.no_nodes, NODES)
        return
    sheet.known("node_problems", [problem for node in seen.nodes if node["metadata"]["name"] in bad for problem in _node_problems(node)], NODES)


def _node_problems(node: Json) -> list[str]:
    name = node["metadata"]["name"]
    found = [condition["type"] for kind in PRESSURES if (condition := _pods.condition(node, kind)).get("status") == "True"]
    ready = _pods.condition(node, "Ready")
    return [f"{name}: {what}" for what in ([] if ready.get("status") == "True" else [f"NotReady ({ready.get('reason', 'no condition')})"]) + found]


def _tell_releases(sheet: FactSheet, seen: Seen) -> None:
    look = seen.look
    if not look.revisions:
        for name in ("revision", "revisions", "wanted_since", "wanted_for", "release_changes", "previous_stood", "current_ever_ready", "good_revision",
                     "previous_revision", "previous_complete", "unusable_revisions"):
            sheet.unknown(name, "the cluster has no revisions of it", RELEASES)
        return
    since, stood, way = _releases.wanted_since(look), _releases.previous_stood(look), _releases.way_back(look, seen.inventory)
    sheet.known("revision", _revisions.number(_releases.current(look)), RELEASES)
    sheet.known("revisions", len(look.revisions), RELEASES)
    sheet.known("release_changes", _releases.changes(look), RELEASES)
    sheet.known_or("wanted_since", since or None, RELEASES, "its ReplicaSet was used before, and no event of its return is left")
    sheet.known_or("wanted_for", _pods.seconds_since(since, look.at) if since else None, RELEASES, "it is not known since when it is wanted", "s")
    sheet.known_or("previous_stood", stood, RELEASES, "there is no earlier revision, or it was used more than once", "s")
    sheet.known_or("current_ever_ready", _releases.current_ever_ready(look), RELEASES, "none of its pods is there, and its controller does not tell")
    sheet.known_or("good_revision", way.good, RELEASES, way.because or "nothing tells")
    sheet.known_or("previous_complete", way.complete, RELEASES, way.because or "no earlier one runs something else, or what it needs is not told")
    sheet.known("previous_revision", _releases.previous(look), RELEASES)
    sheet.known("unusable_revisions", list(way.unusable), RELEASES)


def _tell_logs(sheet: FactSheet, seen: Seen, cluster: Cluster) -> None:
    ended = {fate.container.place: fate.kind for fate in seen.fates}
    read = [words for words in seen.words if not words.error]
    if not read:
        lost = next((words.error for words in seen.words), "")
        for name, nothing in (("log_problem", "none"), ("log_line", ""), ("log_container", ""), ("dependency", "")):
            sheet.known_or(name, None if lost else nothing, LOGS, lost)
        _tell_dependency(sheet, seen, cluster, "")
        return
    # What ended by itself says why; what a probe killed may say what it waited for.
    chosen = [words for words in read if ended.get(words.container.place) in (_fates.CRASHED, _fates.NATIVE)] or read
    problem = _fates.most_common(words.reading.problem for words in chosen if words.reading.problem)
    words = next((words for words in chosen if words.reading.problem == problem), chosen[0])
    sheet.known("log_problem", problem or "none", LOGS)
    sheet.known("log_line", words.reading.line, f"log of {words.container.place}")
    sheet.known("log_container", words.container.place, LOGS)
    address = next((words.reading.dependency for words in chosen if words.reading.problem == problem and words.reading.dependency), "")
    sheet.known("dependency", address, LOGS)
    _tell_dependency(sheet, seen, cluster, address)


def _tell_dependency(sheet: FactSheet, seen: Seen, cluster: Cluster, address: str) -> None:
    """Whether the dependency is a Service of the namespace, and how many of its pods are ready."""
    host, namespace = address.rpartition(":")[0] or address, seen.look.target.namespace
    services, why = _pods.attempt(lambda: cluster.list("Service", namespace)) if host else (None, "no line of the log names a dependency")
    if services is None:
        sheet.unknown("dependency_is_service", why, NAMESPACE)
        sheet.unknown("dependency_ready", why, NAMESPACE)
        return
    name, _dot, rest = host.partition(".")
    names = {item["metadata"]["name"] for item in services
             if host == item["spec"].get("clusterIP") or (name == item["metadata"]["name"] and rest.partition(".")[0] in ("", namespace))}
    bare = "." not in host or host.endswith((f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local"))
    if not names:
        sheet.known_or("dependency_is_service", False if bare else None, NAMESPACE, f"{host} may be outside the namespace")
        sheet.unknown("dependency_ready", f"{host} is no Service of the namespace", NAMESPACE)
        return
    sheet.known("dependency_is_service", True, NAMESPACE)
    slices, why = _pods.attempt(lambda: cluster.list(SLICE_KIND, namespace, labelSelector=f"kubernetes.io/service-name={next(iter(names))}"))
    ready = None if slices is None else sum((endpoint.get("conditions") or {}).get("ready") is not False
                                            for item in slices for endpoint in item.get("endpoints") or [])
    sheet.known_or("dependency_ready", ready, NAMESPACE, why)


def _tell_message(sheet: FactSheet, name: str, messages: t.Sequence[str], classify: t.Callable[[str], str], source: str) -> None:
    """``<name>_problem``, the most frequent of some messages (``none`` without any), and ``<name>_message``, the newest of that kind."""
    problem = _fates.most_common(map(classify, messages))
    message = next((message for message in reversed(messages) if classify(message) == problem), "")
    sheet.known(f"{name}_problem", problem or "none", source)
    sheet.known(f"{name}_message", message, source)
