# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a workload that does not come up, from objects as the API has them, and the cause that the table names by them."""

from __future__ import annotations

import pathlib

import crash_objects as o
import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _references, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _facts, _inventory, _look, _pods, _releases, _signals
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts as facts
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _rules, _verdict

ROOT = pathlib.Path(__file__).resolve().parents[5]
RULES = _rules.load([yaml.safe_load((ROOT / "roles" / "crash_loop" / "files" / "causes.yml").read_text())])
SINCE = o.at(3600)
CRASHED = {"waiting": "CrashLoopBackOff", "last": ("Error", 1, 20), "restarts": 4}


class Cluster:
    """A cluster of which only some things are asked; what is forbidden raises.

    :param content: kind -> items; a Secret's or ConfigMap's item is its name or its name with keys.
    """

    name = "test"

    def __init__(self, content=None, logs=None, forbidden=()):
        self.content, self.logs, self.forbidden = content or {}, logs or {}, forbidden

    def list(self, kind, namespace="", **query):
        if kind in self.forbidden:
            raise ClusterError(f"list {kind}", status=403)
        return self.content.get(kind, [])

    list_metadata = list

    def find(self, kind, namespace, name):
        return self.content[kind][0]

    def raw(self, method, path, query=None, **rest):
        if "log" in self.forbidden:
            raise ClusterError("logs", status=403)
        name = path.split("/")[-2]
        return self.logs.get(name, self.logs.get("", "")).encode()


def stored(kind, name, *keys, changed=None):
    """A Secret or ConfigMap as a list of metadata has it."""
    fields = {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}
    return {"kind": kind, "metadata": {"name": name, "creationTimestamp": o.HOURS_AGO, "managedFields": [
        {"manager": "kubectl", "time": changed or o.HOURS_AGO, "fieldsV1": fields}]}}


def gathered(look, cluster=None):
    cluster = cluster or Cluster()
    seen = _facts.gather_all(cluster, look, _signals.Limits(), SINCE)
    return facts.parse(_facts.facts(cluster, seen).to_json())


def cause(look, cluster=None):
    found = _verdict.diagnose(RULES, gathered(look, cluster))
    return found["cause"], found["verdict"], found["mitigation"].get("values", {}).get("revision")


OLD = [o.pod(f"old-{number}", revision=1, statuses=[o.WELL], conditions=[o.ready()], created=o.HOURS_AGO) for number in range(2)]


def failing(**status):
    return [*OLD, o.pod("api-1", statuses=[status])]


def test_the_facts_are_those_that_the_table_declares():
    declared = {name for name, item in RULES.names.items() if item.value is None}
    assert set(gathered(o.look([*OLD, o.pod("api-1", statuses=[CRASHED])]))) == declared
    assert set(gathered(o.look([], revisions=[]))) == declared


@pytest.mark.parametrize("pods, events, logs, expected", [
    (failing(**CRASHED), (), "boom", ("bad_release", "established", 1)),
    (failing(waiting="ImagePullBackOff", message='Back-off pulling image "shop/api:2": ErrImagePull: shop/api:2: not found'), (), "",
     ("image_unavailable", "established", 1)),
    (failing(waiting="ImagePullBackOff", message='Back-off pulling image "shop/api:2"'),
     [o.event("api-1", "Failed", 'Failed to pull image "shop/api:2": unauthorized: authentication required')], "", ("image_unavailable", "established", 1)),
    (failing(waiting="CreateContainerConfigError", message="couldn't find key url in Secret shop/db"), (), "", ("missing_config", "established", 1)),
    (failing(waiting="CreateContainerConfigError", message="container has runAsNonRoot and image will run as root"), (), "", ("command_not_there",
                                                                                                                              "established", 1)),
    (failing(waiting="CrashLoopBackOff", last=("StartError", 128, 9), restarts=2), (), "", ("command_not_there", "likely", 1)),
    (failing(waiting="CrashLoopBackOff", last=("Error", 127, 9), restarts=2), (), "sh: serve: command not found", ("command_not_there", "established", 1)),
    (failing(waiting="CrashLoopBackOff", last=("OOMKilled", 137, 9), restarts=2), (), "", ("oom_at_start", "established", 1)),
    (failing(waiting="CrashLoopBackOff", last=("Error", 139, 9), restarts=2), (), "", ("bad_release", "established", 1)),
    (failing(waiting="CrashLoopBackOff", last=("Completed", 0, 9), restarts=2), (), "", ("bad_release", "established", 1)),
    (failing(running=True, last=("Error", 137, 9), restarts=2), [
        o.event("api-1", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404"),
        o.event("api-1", "Killing", "Container app failed liveness probe, will be restarted", ago=12)], "", ("probe_too_strict", "established", 1)),
    (failing(waiting="ContainerCreating"), [o.event("api-1", "FailedMount", 'MountVolume.SetUp failed for volume "c" : configmap "settings" not found')], "",
     ("missing_config", "established", 1)),
    (failing(waiting="ContainerCreating"), [o.event("api-1", "FailedAttachVolume",
                                                    'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) x')], "",
     ("volume", "established", 1)),
    ([*OLD, o.pod("api-1", statuses=[{"waiting": "PodInitializing"}], init=[{"name": "migrate", "ended": ("Error", 1, 9)}])], (), "no",
     ("bad_release", "established", 1)),
    ([*OLD, o.pod("api-1", statuses=[{"ready": True}, {"name": "proxy", **CRASHED}])], (), "", ("bad_release", "established", 1)),
])
def test_causes_from_objects(pods, events, logs, expected):
    assert cause(o.look(pods, events=events), Cluster(logs={"": logs})) == expected


@pytest.mark.parametrize("forbidden", [
    (), ("Secret",), ("ConfigMap",), ("v1/PersistentVolumeClaim",), ("Node",), ("Service",), ("discovery.k8s.io/v1/EndpointSlice",), ("log",),
    ("Secret", "ConfigMap", "v1/PersistentVolumeClaim", "Node", "Service", "discovery.k8s.io/v1/EndpointSlice", "log")])
def test_what_may_not_be_read_is_not_known_and_never_an_error(forbidden):
    workload = o.deployment()
    workload["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "db"}}]
    found = gathered(o.look(failing(**CRASHED), workload, events=None), Cluster({"Secret": [stored("Secret", "db", "url")]},
                                                                                {"": "connect ECONNREFUSED db:5432"}, forbidden))
    unknown = {name for name, fact in found.items() if fact.because == "it is forbidden"}
    assert ("node_problems" in unknown) == ("Node" in forbidden) and ("log_problem" in unknown) == ("log" in forbidden)
    assert found["missing_objects"].known == ("Secret" not in forbidden)
    assert not found["without_volume"].known  # events could not be read either


@pytest.mark.parametrize("services, slices, service, ready", [
    ([{"metadata": {"name": "db"}, "spec": {"clusterIP": "10.0.0.9"}}], [{"endpoints": [{"conditions": {"ready": True}}, {"conditions": {"ready": False}}]}],
        True, 1),
    ([{"metadata": {"name": "db"}, "spec": {"clusterIP": "10.0.0.9"}}], [{"endpoints": None}], True, 0), ([], [], False, None)])
def test_the_dependency_that_a_log_misses(services, slices, service, ready):
    cluster = Cluster({"Service": services, "discovery.k8s.io/v1/EndpointSlice": slices}, {"": "dial tcp: connect ECONNREFUSED db:5432"})
    found = gathered(o.look(failing(**CRASHED)), cluster)
    assert (found["dependency"].value, found["dependency_is_service"].value, found["dependency_ready"].value) == ("db:5432", service, ready)


def test_a_host_outside_is_no_service_that_is_missing():
    found = gathered(o.look(failing(**CRASHED)), Cluster(logs={"": "dial tcp db.example.com:5432: i/o timeout"}))
    assert not found["dependency_is_service"].known and not found["dependency_ready"].known


def test_what_the_kubelet_missed_and_is_there_by_now_is_missing_no_more():
    pods = failing(waiting="CreateContainerConfigError", message='secret "db" not found')
    assert gathered(o.look(pods), Cluster({"Secret": [stored("Secret", "db")]}))["told_missing"].value == []
    assert gathered(o.look(pods))["told_missing"].value == ["Secret db"]


def test_one_node_is_at_fault_where_the_others_are_well():
    pods = [o.pod("a", statuses=[CRASHED], node="bad"), o.pod("b", statuses=[o.WELL], conditions=[o.ready()], node="good")]
    node = {"metadata": {"name": "bad"}, "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]}}
    found = gathered(o.look(pods), Cluster({"Node": [node]}))
    assert (found["one_node_fails"].value, found["node_problems"].value) == (True, ["bad: DiskPressure"])
    pods.append(o.pod("c", statuses=[o.WELL], conditions=[o.ready()], node="bad"))
    assert not gathered(o.look(pods))["one_node_fails"].value


def test_no_secret_of_a_log_or_a_template_becomes_a_fact():
    revisions = [o.replica_set(1), o.replica_set(2, o.template(env=1), created=o.MINUTES_AGO)]
    revisions[1]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": "hunter2"}]
    found = gathered(o.look(failing(**CRASHED), revisions=revisions), Cluster(logs={"": "FATAL: password=hunter2 \x1b[31mrejected"}))
    assert "hunter2" not in str(found) and "\x1b" not in str(found)


TEMPLATE = {"spec": {
    "initContainers": [{"name": "i", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}],
    "containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "s"}}, {"secretRef": {"name": "maybe", "optional": True}}],
                    "env": [{"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, {"name": "V", "value": "1"}]}],
    "volumes": [{"name": "v", "secret": {"secretName": "t", "items": [{"key": "a", "path": "a"}]}}, {"name": "d",
                                                                                                     "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "p", "projected": {"sources": [{"configMap": {"name": "q"}}, {"secret": {"name": "o", "optional": True}}]}}]}}


def test_everything_that_a_template_refers_to():
    assert [str(item) for item in _references.of(TEMPLATE)] == [
        "key k of ConfigMap c", "ConfigMap q", "PersistentVolumeClaim data", "Secret s", "key a of Secret t"]


@pytest.mark.parametrize("content, forbidden, missing, untold", [
    ({}, (), ["key k of ConfigMap c", "ConfigMap q", "PersistentVolumeClaim data", "Secret s", "key a of Secret t"], ""),
    ({"Secret": [stored("Secret", "s"), stored("Secret", "t", "a")], "ConfigMap": [stored("ConfigMap", "c", "k"), stored("ConfigMap", "q")],
      "v1/PersistentVolumeClaim": [{"metadata": {"name": "data"}}]}, (), [], ""),
    ({"Secret": [stored("Secret", "s"), stored("Secret", "t", "b")]}, ("ConfigMap", "v1/PersistentVolumeClaim"), ["key a of Secret t"],
     "ConfigMaps: it is forbidden; PersistentVolumeClaims: it is forbidden"),
    ({"Secret": [stored("Secret", "s"), {"metadata": {"name": "t", "creationTimestamp": o.HOURS_AGO}}], "ConfigMap": [stored("ConfigMap", "c", "k"),
                                                                                                                      stored("ConfigMap", "q")],
      "v1/PersistentVolumeClaim": [{"metadata": {"name": "data"}}]}, (), [], "the keys of Secret t are not told")])
def test_what_is_not_there(content, forbidden, missing, untold):
    inventory, references = _inventory.take(Cluster(content, forbidden=forbidden), "shop"), _references.of(TEMPLATE)
    assert (inventory.missing(references), inventory.untold(references)) == (missing, untold)


def test_objects_that_were_written_since():
    inventory = _inventory.take(Cluster({"Secret": [stored("Secret", "s", "k", changed=o.at(60)), stored("Secret", "t", "a")]}), "shop")
    assert inventory.changed_since(_references.of(TEMPLATE), o.MINUTES_AGO) == [f"Secret s at {o.at(60)}"]


EMPTY = _inventory.Inventory({}, {})


def used_again(number):
    return o.replica_set(number, annotations={_revisions.HISTORY: "1,3"})


@pytest.mark.parametrize("revisions, events, since", [
    ([o.replica_set(1), o.replica_set(2, created=o.MINUTES_AGO)], (), o.MINUTES_AGO),
    # A revision that is used again looks as old as its first use: its event or its oldest pod tells.
    ([o.replica_set(1), used_again(2)], [o.event("api", "ScalingReplicaSet", "Scaled up replica set api-h2 from 0 to 1", ago=90, kind="Deployment")], o.at(90)),
    ([o.replica_set(1), used_again(2)], (), o.at(80)),
])
def test_since_when_a_revision_is_wanted(revisions, events, since):
    assert _releases.wanted_since(o.look([o.pod(created=o.at(80))], revisions=revisions, events=events)) == since


def test_since_when_is_not_known_where_nothing_tells():
    assert _releases.wanted_since(o.look([], revisions=[o.replica_set(1), used_again(2)])) == ""


def test_a_controller_revision_that_is_used_again_was_written_then():
    label, revisions = {"controller-revision-hash": "b"}, [o.controller_revision("api-a", 2), o.controller_revision("api-b", 3, written=o.at(70))]
    assert _releases.wanted_since(o.look([o.pod(owner="w", label=label)], revisions=revisions, kind="DaemonSet")) == o.at(70)


FLASHES = [{"ready": True, "last": ("Error", 1, 5, 1.0), "restarts": 4}]


@pytest.mark.parametrize("pods, good", [
    (OLD, 1),
    ([], 0),  # nothing tells
    # A process without a readiness probe is ready the moment it runs: that of the revision before was no better.
    ([o.pod("old", revision=1, statuses=FLASHES, conditions=[o.ready(1)], created=o.at(90))], 0),
    ([o.pod("old", revision=1, statuses=FLASHES, conditions=[o.ready(1)], created=o.HOURS_AGO)], 1),  # well for hours, then four ends
    ([o.pod("old", revision=1, statuses=[o.WELL], conditions=[o.ready(3)], created=o.at(20))], 0),  # ready for three seconds
])
def test_the_revision_to_go_back_to_was_ready_for_a_while(pods, good):
    assert _releases.way_back(o.look([*pods, o.pod(statuses=[CRASHED])]), EMPTY).good == good


FLIPPED = {"type": "Ready", "status": "False", "lastTransitionTime": o.at(20)}


@pytest.mark.parametrize("conditions, restarts, created, well", [
    ([], 4, o.MINUTES_AGO, False),  # never ready: its image may have taken minutes to come
    ([FLIPPED], 6, o.MINUTES_AGO, False), ([FLIPPED], 4, o.HOURS_AGO, True), ([o.ready(600)], 0, o.MINUTES_AGO, True), ([o.ready(5)], 0, o.MINUTES_AGO, False)])
def test_a_pod_was_well_for_what_its_ends_do_not_explain(conditions, restarts, created, well):
    status = {**CRASHED, "restarts": restarts} if restarts else o.WELL
    assert _pods.was_well(o.pod(statuses=[status], conditions=conditions, created=created), o.NOW) == well


def test_a_revision_that_needs_what_is_gone_is_no_way_back():
    revisions = [o.replica_set(1, o.template("shop/api:1", volumes=[{"name": "v", "secret": {"secretName": "gone"}}])), o.replica_set(2)]
    way = _releases.way_back(o.look(failing(**CRASHED), revisions=revisions), EMPTY)
    assert (way.good, way.complete, way.unusable) == (0, False, ("revision 1 needs what is not there: Secret gone",))
    way = _releases.way_back(o.look(failing(**CRASHED), revisions=revisions), _inventory.Inventory({}, {"Secret": "it is forbidden"}))
    assert (way.good, way.complete, way.because) == (None, None, "whether all is there that revision 1 needs (Secrets: it is forbidden)")


def test_a_revision_that_runs_the_same_is_no_way_back():
    same = o.replica_set(1, o.template("shop/api:2"))
    assert _releases.way_back(o.look(failing(**CRASHED), revisions=[same, o.replica_set(2)]), EMPTY).good == 0


def test_a_stateful_set_promotes_what_was_ready():
    workload = {**o.deployment(replicas=1), "status": {"updateRevision": "api-c", "currentRevision": "api-b"}}
    label = {"controller-revision-hash": "api-c"}
    revisions = [o.controller_revision(f"api-{name}", number, image=f"shop/api:{number}", label="controller.kubernetes.io/hash") for number,
                 name in enumerate("abc", 1)]
    look = o.look([o.pod("api-0", owner="w", label=label, statuses=[CRASHED])], workload, revisions, kind="StatefulSet")
    assert (_releases.way_back(look, EMPTY).good, _releases.current_ever_ready(look)) == (2, False)
    # Its first revision became the current one untried.
    workload["status"]["currentRevision"] = "api-a"
    assert _releases.way_back(look, EMPTY).good == 0


def test_a_look_takes_the_workloads_own_pods():
    content = {"Deployment": [o.deployment()], "ReplicaSet": [o.replica_set(2), o.replica_set(1)],
               "Pod": [o.pod("b"), o.pod("a", owner="stranger"), o.pod("c", created=o.HOURS_AGO)], "Event": [o.event("b", "X", "y"), o.event("z", "X", "y")]}
    look = _look.take(Cluster(content), o.look([]).target)
    assert [item["metadata"]["name"] for item in look.pods] == ["c", "b"]
    assert (look.current, len(look.events), [item["metadata"]["name"] for item in look.revisions]) == ("h2", 1, ["api-h1", "api-h2"])
