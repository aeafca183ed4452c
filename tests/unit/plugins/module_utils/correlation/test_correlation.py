# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes, the graph, the onset and the ranking, on API objects as the API server gives them."""

from __future__ import annotations

import datetime
import json
import re

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._correlation import _analysis, _changes, _onset, _rank, _seen
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._analysis import Question
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._graph import Graph
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._onset import Log, Onset
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._seen import Seen

OLD = "2026-11-20T00:00:00Z"
NOW = datetime.datetime(2026, 11, 24, 3, 30, tzinfo=datetime.timezone.utc)


def at(clock):
    return f"2026-11-24T{clock}Z"


def time(clock):
    return datetime.datetime.fromisoformat(at(clock))


def writer(manager, clock, fields, subresource=""):
    entry = {"manager": manager, "operation": "Update", "time": at(clock), "fieldsV1": fields}
    return {**entry, "subresource": subresource} if subresource else entry


def pod_spec(name, image="shop:1", env=(), **spec):
    return {"containers": [{"name": name, "image": image, "env": [{"name": key, "value": value} for key, value in env]}], **spec}


def deployment(name, env=(), managed=(), created=OLD, replicas=2, **spec):
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(name, env=env, **spec)}
    return {"metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": created, "managedFields": list(managed)},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}}


def replica_set(owner, number, created, **spec):
    return {"metadata": {"name": f"{owner}-{number}", "uid": f"uid-{owner}-{number}", "creationTimestamp": created,
                         "annotations": {"deployment.kubernetes.io/revision": str(number)},
                         "ownerReferences": [{"kind": "Deployment", "name": owner, "uid": f"uid-{owner}", "controller": True}]},
            "spec": {"template": {"metadata": {"labels": {"app": owner, "pod-template-hash": str(number)}}, "spec": pod_spec(owner, **spec)}}}


def pod(owner, number, node="worker-1", address="10.0.0.9", **status):
    above = {"kind": "ReplicaSet", "name": f"{owner}-{number}", "uid": f"uid-{owner}-{number}", "controller": True}
    return {"metadata": {"name": f"{owner}-{number}-x", "creationTimestamp": OLD, "ownerReferences": [above]},
            "spec": {"nodeName": node, "containers": [{"name": owner}]}, "status": {"phase": "Running", "podIP": address, **status}}


def running(owner, number, clock):
    return pod(owner, number, containerStatuses=[{"name": owner, "state": {"running": {"startedAt": at(clock)}}}])


def service(name, address="10.96.0.1", selector=None):
    return {"metadata": {"name": name, "namespace": "shop", "creationTimestamp": OLD},
            "spec": {"selector": selector or {"app": name}, "clusterIP": address, "clusterIPs": [address]}}


def config_map(name, data, managed=(), created=OLD, **meta):
    return {"metadata": {"name": name, "creationTimestamp": created, "managedFields": list(managed), **meta}, "data": data}


def shop(**more):
    """A gateway that calls an api that needs a database; a report that needs the database, too; and a bystander."""
    objects = {
        "Deployment": [deployment("gateway", env=[("UPSTREAM", "http://api:8080/v1")]),
                       deployment("api", env=[("DB_HOST", "db.shop.svc.cluster.local"), ("MODE", "apis")],
                                  volumes=[{"name": "s", "secret": {"secretName": "api-key"}}, {"name": "c", "configMap": {"name": "api-config"}}]),
                       deployment("db"), deployment("report", env=[("DB", "postgresql://u@db:5432/x")]), deployment("bystander")],
        "Service": [service("gateway", "10.96.0.1"), service("api", "10.96.0.2"), service("db", "10.96.0.3")],
        "ReplicaSet": [replica_set(name, 1, OLD) for name in ("gateway", "api", "db", "report", "bystander")],
        "Pod": [pod("api", 1), pod("gateway", 1, node="worker-2", address="10.0.0.7")]}
    return Seen({**objects, **more})


def changes(seen):
    return _changes.changes(seen, time("02:00:00"), NOW)


def first(seen, onset="03:10:00", ailing="deployment/api"):
    return _rank.candidates(changes(seen), time(onset), True, Graph.build(seen), ailing)[0]


class TestGraph:
    def test_addresses_in_the_environment_are_dependencies_and_mere_words_are_not(self):
        needs = Graph.build(shop()).needs
        assert {source: set(targets) for source, targets in needs.items()} == {
            "deployment/gateway": {"deployment/api"}, "deployment/api": {"deployment/db"}, "deployment/report": {"deployment/db"}}
        assert needs["deployment/api"]["deployment/db"] == ["env DB_HOST"]

    def test_addresses_in_a_mounted_configmap_count(self):
        graph = Graph.build(shop(ConfigMap=[config_map("api-config", {"app.properties": "peer=gateway:8080\n"})]))
        assert graph.needs["deployment/api"]["deployment/gateway"] == ["configmap api-config, app.properties"]

    @pytest.mark.parametrize(("item", "weight", "word"), [
        ("deployment/api", 1.0, "ailing workload itself"), ("deployment/db", 0.75, "depends on it"), ("deployment/gateway", 0.5, "it calls"),
        ("deployment/report", 0.55, "as deployment/api does"), ("deployment/bystander", 0.1, "nothing known"),
        ("secret/api-key", 1.0, "uses it"), ("configmap/api-config", 1.0, "uses it"), ("node/worker-1", 0.8, "run on it"), ("pod/api-1-gone", 1.0, "one of"),
        ("node/worker-2", 0.4, "it calls"), ("service/db", 0.6, "depends on it"), ("configmap/unused", 0.1, "nothing known")])
    def test_what_is_closer_weighs_more(self, item, weight, word):
        relation = Graph.build(shop()).relation("deployment/api", item)
        assert relation.weight == pytest.approx(weight)
        assert word in relation.text

    def test_dependencies_of_dependencies_count_less(self):
        graph = Graph.build(shop())
        assert graph.relation("deployment/gateway", "deployment/db").weight == pytest.approx(0.75 ** 2)

    def test_metrics_and_logs_name_dependencies_and_callers(self):
        graph = Graph.build(shop())
        graph.add_metrics("deployment/db", {"api", "unknown"})
        graph.add_log("deployment/api", ["dial tcp 10.96.0.1:8080: connection refused", "client=10.0.0.7 asks", "gateway is a word"] * 3)
        assert graph.needs["deployment/db"]["deployment/api"] == ["its metrics"]
        assert graph.needs["deployment/api"]["deployment/gateway"] == ["addresses in its log"]
        assert "its address in the log of deployment/api" in graph.needs["deployment/gateway"]["deployment/api"]

    def test_a_dependency_that_errors_name_counts_as_much_as_the_workload_itself(self):
        graph = Graph.build(shop())
        graph.blame(["ERROR dial tcp 10.96.0.3:5432: connection refused"] * 3)
        assert graph.relation("deployment/api", "deployment/db").weight == 1.0
        assert "3 errors of deployment/api name its address" in graph.relation("deployment/api", "service/db").text

    def test_words_of_a_log_are_no_addresses(self):
        graph = Graph.build(shop())
        graph.add_log("deployment/db", ["api gateway error: the api is api"] * 10)
        assert "deployment/db" not in graph.needs


class TestChanges:
    def test_a_rollout_says_what_it_changed_and_not_secret_values(self):
        seen = shop(ReplicaSet=[replica_set("api", 1, OLD), replica_set("api", 2, at("03:00:00"), image="shop:2", env=[("API_TOKEN", "hidden-value")])])
        found = [change for change in changes(seen) if change.kind == "rollout"]
        assert [(change.object, change.at) for change in found] == [("deployment/api", time("03:00:00"))]
        assert "shop:1 -> shop:2" in found[0].what
        assert "hidden-value" not in found[0].what

    def test_a_rollback_is_as_new_as_its_pods_and_not_as_its_replica_set(self):
        used_again = {"reason": "ScalingReplicaSet", "message": "Scaled up replica set api-3 from 0 to 1", "firstTimestamp": OLD,
                      "lastTimestamp": at("03:05:02"), "count": 2, "involvedObject": {"kind": "Deployment", "name": "api"}}
        seen = shop(
            Deployment=[deployment("api", managed=[writer("kubectl-rollout", "03:05:00", {"f:spec": {"f:template": {}}})])],
            ReplicaSet=[replica_set("api", 2, at("02:30:00"), image="shop:2"), replica_set("api", 3, OLD, image="shop:1")], Event=[used_again])
        found = changes(seen)
        assert [(change.at, change.by) for change in found] == [(time("02:30:00"), ""), (time("03:05:02"), "kubectl-rollout")]
        assert "back to an older template" in found[-1].what

    def test_where_events_were_dropped_a_rollback_is_as_new_as_its_progress(self):
        api = deployment("api")
        api["status"] = {"conditions": [{"type": "Progressing", "lastUpdateTime": at("03:20:00")}]}
        again = {"reason": "ScalingReplicaSet", "message": "Scaled up replica set api-3 from 0 to 1", "lastTimestamp": at("03:05:02")}
        seen = shop(Deployment=[api], ReplicaSet=[replica_set("api", 2, OLD), replica_set("api", 3, OLD, image="shop:0")], Event=[again])
        seen.objects["ReplicaSet"][1]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = "1"
        assert [(change.kind, change.at) for change in changes(seen)] == [("rollback", time("03:20:00"))]

    def test_a_restart_is_no_rollout(self):
        again = replica_set("api", 2, at("03:00:00"))
        again["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": at("03:00:00")}
        assert [change.kind for change in changes(shop(ReplicaSet=[replica_set("api", 1, OLD), again]))] == ["restart"]

    def test_configmaps_and_secrets_show_names_of_keys_and_writers_only(self):
        seen = shop(ConfigMap=[config_map("api-config", {"A": "value-of-a"}, [writer("kubectl-edit", "03:01:00", {"f:data": {".": {}, "f:A": {}}})])],
                    Secret=[{"metadata": {"name": "api-key", "creationTimestamp": OLD, "managedFields": [
                        writer("vault", "03:02:00", {"f:data": {"f:key": {}}, "f:type": {}})]}}])
        assert [(change.object, change.what, change.by) for change in changes(seen)] == [
            ("configmap/api-config", "written: A", "kubectl-edit"), ("secret/api-key", "written: key", "vault")]

    @pytest.mark.parametrize("written, told", [("03:01:00", []), ("03:01:01", []), ("03:00:59", []), ("03:01:04", ["written: A"])])
    def test_a_creation_is_no_write_of_its_own_whatever_second_it_falls_into(self, written, told):
        seen = shop(ConfigMap=[config_map("api-config", {"A": ""}, [writer("kubectl-apply", written, {"f:data": {"f:A": {}}})], created=at("03:01:00"))])
        found = [change for change in changes(seen) if change.object == "configmap/api-config"]
        assert [change.what for change in found if not change.born] == told
        assert [(change.what, change.by) for change in found if change.born] == [("created", "" if told else "kubectl-apply")]

    def test_labels_of_a_configmap_are_not_its_content(self):
        seen = shop(ConfigMap=[config_map("api-config", {}, [writer("kubectl-label", "03:01:00", {"f:metadata": {"f:labels": {}}})])])
        assert changes(seen) == []

    def test_scaling_is_told_from_a_rollout(self):
        seen = shop(Deployment=[deployment("db", replicas=0, managed=[
            writer("kubectl", "03:03:00", {"f:spec": {"f:replicas": {}}}, "scale"),
            writer("kubectl-apply", "03:04:00", {"f:spec": {"f:replicas": {}, "f:template": {}}}),
            writer("kube-controller-manager", "03:05:00", {"f:status": {}}, "status")])], ReplicaSet=[])
        assert [(change.kind, change.what, change.at) for change in changes(seen)] == [("stopped", "scaled to 0", time("03:03:00"))]

    def test_scaling_that_only_events_tell_of_is_seen_and_the_steps_of_a_rollout_are_not(self):
        def scaled(replica_set, clock, before, after):
            return {"reason": "ScalingReplicaSet", "lastTimestamp": at(clock),
                    "message": f"Scaled {'up' if after > before else 'down'} replica set {replica_set} from {before} to {after}"}
        seen = shop(ReplicaSet=[replica_set("db", 1, OLD), replica_set("api", 1, OLD), replica_set("api", 2, at("03:00:00"), image="shop:2")], Event=[
            scaled("db-1", "03:06:00", 1, 0), scaled("api-1", "03:15:00", 1, 0),
            scaled("api-2", "03:00:00", 0, 1), scaled("api-1", "03:00:20", 2, 1), scaled("api-2", "03:00:21", 1, 2),
            scaled("api-2", "03:20:00", 2, 5)])
        assert [(change.kind, change.object, change.what) for change in changes(seen) if change.kind != "rollout"] == [
            ("stopped", "deployment/db", "scaled from 1 to 0"), ("scaling", "deployment/api", "scaled from 2 to 5")]

    def test_what_is_stopped_soon_after_its_rollout_was_not_stopped_by_it(self):
        down = {"reason": "ScalingReplicaSet", "lastTimestamp": at("03:01:55"), "message": "Scaled down replica set db-1 from 1 to 0"}
        seen = shop(ReplicaSet=[replica_set("db", 1, at("03:00:00"))], Event=[down])
        assert [(change.kind, change.object) for change in changes(seen)] == [("rollout", "deployment/db"), ("stopped", "deployment/db")]

    def test_events_conditions_and_ends_of_containers(self):
        killed = {"containerStatuses": [{"name": "api", "restartCount": 1, "state": {"running": {}}, "lastState": {
            "terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": at("03:07:00")}}}]}
        seen = shop(
            Pod=[pod("api", 1, **killed)],
            Event=[{"reason": "SuccessfulRescale", "message": "New size: 5", "firstTimestamp": at("03:05:00"), "lastTimestamp": at("03:05:00"), "count": 1,
                    "involvedObject": {"kind": "HorizontalPodAutoscaler", "name": "api"}, "source": {"component": "horizontal-pod-autoscaler"}},
                   {"reason": "Pulled", "message": "", "lastTimestamp": at("03:06:00"), "involvedObject": {"kind": "Pod", "name": "p"}},
                   {"reason": "BackOff", "message": "again", "lastTimestamp": at("03:06:00"), "count": 9, "involvedObject": {"kind": "Pod", "name": "p"}}],
            Node=[{"metadata": {"name": "worker-1"}, "spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "timeAdded": at("03:08:00")}]},
                   "status": {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": at("03:09:00")},
                                             {"type": "DiskPressure", "status": "False", "lastTransitionTime": at("03:09:00")}]}}])
        assert [(change.kind, change.object, change.symptom) for change in changes(seen)] == [
            ("autoscaler", "horizontalpodautoscaler/api", False), ("pod", "pod/p", True), ("pod", "deployment/api", False),
            ("node", "node/worker-1", False), ("node", "node/worker-1", False)]

    def test_what_runbooks_did_is_part_of_it(self):
        entry = {"number": 1, "state": "done", "at": at("03:20:00"), "change": {
            "target": {"namespace": "shop", "kind": "Deployment", "name": "api"}, "summary": "deployment/api: 5 replicas"}}
        event = {"at": at("03:19:00"), "phase": "detect", "text": "502s", "by": "ada"}
        seen = shop(ConfigMap=[config_map("incident-x", {"incident": "{}", "change.0001": json.dumps(entry), "event.1": json.dumps(event)},
                                          labels={"runbooks.sre/incident": "INC-1"})])
        assert [(change.object, change.what, change.symptom) for change in changes(seen)] == [
            ("incident/INC-1", "detect: 502s", True), ("deployment/api", "INC-1: deployment/api: 5 replicas", False)]

    def test_the_event_of_a_templates_first_use_does_not_tell_when_it_was_used_again(self):
        again = replica_set("api", 3, at("03:00:00"))
        again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = "1"
        again["metadata"]["managedFields"] = [writer("kube-controller-manager", "03:20:00", {"f:spec": {"f:replicas": {}}})]
        event = {"reason": "ScalingReplicaSet", "message": "Scaled up replica set api-3 from 0 to 1", "lastTimestamp": at("03:00:00"),
                 "involvedObject": {"kind": "Deployment", "name": "api"}}
        seen = shop(ReplicaSet=[again, replica_set("api", 4, at("03:10:00"))], Event=[event])
        assert [change.at for change in changes(seen) if change.kind == "rollback"] == [time("03:20:00")]

    def test_a_release_that_follows_the_first_at_once_was_not_there_from_the_beginning(self):
        seen = shop(Deployment=[deployment("api", created=at("03:00:00"))],
                    ReplicaSet=[replica_set("api", 1, at("03:00:00")), replica_set("api", 2, at("03:00:08"), env=[("PEPPER", "v2")])])
        assert [(change.at, change.born) for change in changes(seen)] == [(time("03:00:00"), True), (time("03:00:08"), False)]

    def test_what_is_outside_the_window_is_left_out(self):
        assert changes(shop(ReplicaSet=[replica_set("api", 1, at("01:59:59"))])) == []


class TestOnset:
    @pytest.mark.parametrize(("counts", "first"), [
        ([1, 0, 2, 1, 0, 1, 30, 28, 33], 6), ([1, 1, 0, 40, 38, 1, 0, 1, 1, 0], 3), ([0, 0, 9, 0, 9, 9, 0, 9, 9], 2)])
    def test_a_rise_is_found_where_it_begins_whether_it_is_over_or_not(self, counts, first):
        assert _onset.last_rise(counts)[0] == first

    @pytest.mark.parametrize(("counts", "first"), [
        ([40, 38, 0, 0, 0, 0, 12, 11, 13], 6), ([9, 9, 9, 0, 1, 0, 0, 30, 28, 31], 7), ([25, 0, 0, 0, 5, 6, 0, 0], 4)])
    def test_the_errors_of_a_service_that_starts_are_not_usual(self, counts, first):
        assert _onset.last_rise(counts)[0] == first

    def test_an_earlier_incident_is_not_this_one(self):
        assert _onset.last_rise([0, 1, 50, 60, 55, 0, 1, 0, 0, 1, 0, 20, 22, 19])[0] == 11

    @pytest.mark.parametrize("counts", [[], [5], [0, 0, 0], [3, 4, 3, 5, 3, 4], [30, 28, 1, 0, 1], [0, 0, 0, 2]])
    def test_noise_a_fall_and_a_handful_are_no_onset(self, counts):
        assert _onset.last_rise(counts) is None

    def test_the_first_error_of_that_minute_is_the_onset(self):
        lines = [(time(f"03:0{minute}:{second:02d}"), "status=502" if minute >= 5 and second >= 20 else "status=200")
                 for minute in range(9) for second in range(0, 60, 5)]
        found = _onset.estimate(Log(lines[0][0], lines), re.compile(_onset.ERRORS), "deployment/api")
        assert found.at == time("03:05:20")
        assert "deployment/api" in found.how

    def test_a_log_that_was_silent_before_its_first_error_had_none(self):
        lines = [(time(f"03:10:{second:02d}"), "ERROR x") for second in range(0, 60, 4)]
        assert _onset.estimate(Log(time("03:00:00"), lines), re.compile("ERROR"), "x").at == time("03:10:00")
        assert _onset.estimate(Log(time("03:10:00"), lines), re.compile("ERROR"), "x") is None

    @pytest.mark.parametrize(("line", "counts"), [
        ("2026 ERROR x", True), ('{"level":"error","msg":"x"}', True), ("level=error msg=x", True), ("status=503 ms=4", True),
        ('"GET / HTTP/1.1" 502 17', True), ("java.lang.IllegalStateException: x", True), ("INFO errors=0 terror", False), ("status=200 ms=503", False)])
    def test_what_counts_as_an_error(self, line, counts):
        assert bool(re.search(_onset.ERRORS, line)) is counts


class TestRanking:
    def test_of_equal_changes_the_one_before_the_onset_wins_and_the_closer_in_time(self):
        def names(clocks):
            seen = shop(ReplicaSet=[replica_set(name, 1, at(clock)) for name, clock in clocks.items()])
            return [candidate.name for candidate in _rank.candidates(changes(seen), time("03:10:00"), True, Graph.build(seen), "deployment/api")]
        assert names({"db": "03:08:00", "gateway": "03:12:00"})[0] == "rollout deployment/db"
        assert names({"db": "02:10:00", "gateway": "03:09:00"})[0] == "rollout deployment/gateway"
        assert names({"db": "03:09:00", "bystander": "03:09:50"})[0] == "rollout deployment/db"

    def test_after_the_onset_counts_against_it(self):
        candidate = first(shop(ReplicaSet=[replica_set("api", 1, at("03:20:00"))]))
        assert candidate.evidence_against == ["10 min after the onset"]
        assert candidate.score < _analysis.CLEAR

    def test_a_configmap_of_the_ailing_workload_beats_a_restart_of_it(self):
        again = replica_set("api", 2, at("03:09:30"))
        again["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "x"}
        seen = shop(ReplicaSet=[replica_set("api", 1, OLD), again],
                    ConfigMap=[config_map("api-config", {"A": "1"}, [writer("ada", "03:09:00", {"f:data": {"f:A": {}}})])])
        assert first(seen).name == "config configmap/api-config"

    @pytest.mark.parametrize(("starts", "words"), [
        (["03:00:00", "03:09:30"], "1 of 2 pods of deployment/api have started since: they may differ"), (["03:00:00", "03:01:00"], "none of 2 pods")])
    def test_whether_a_secret_is_in_effect_is_part_of_the_evidence(self, starts, words):
        pods = [running("api", 1, clock) for clock in starts]
        secret = {"metadata": {"name": "api-key", "creationTimestamp": OLD, "managedFields": [writer("vault", "03:09:00", {"f:data": {"f:key": {}}})]}}
        candidate = first(shop(Pod=pods, Secret=[secret]))
        assert candidate.name == "secret secret/api-key"
        assert any(words in text for text in [*candidate.evidence_for, *candidate.evidence_against])

    def test_what_a_runbook_did_is_no_likely_cause(self):
        seen = shop(Deployment=[deployment("api", managed=[writer("sre.runbooks", "03:09:50", {"f:spec": {"f:replicas": {}}})])], ReplicaSet=[
            replica_set("api", 1, at("03:05:00"))])
        assert first(seen).name == "rollout deployment/api"

    def test_a_rollout_that_was_rolled_back_before_the_onset_does_not_outrank_what_came_after(self):
        again = {"reason": "ScalingReplicaSet", "message": "Scaled up replica set api-3 from 0 to 1", "lastTimestamp": at("03:09:40")}
        seen = shop(ReplicaSet=[replica_set("api", 2, at("03:09:30"), image="shop:2"), replica_set("api", 3, OLD, image="shop:1")], Event=[again],
                    Pod=[running("api", 3, "03:09:45"), running("api", 3, "03:09:55")],
                    Secret=[{"metadata": {"name": "api-key", "creationTimestamp": OLD, "managedFields": [
                        writer("vault", "03:09:50", {"f:data": {"f:key": {}}})]}}])
        ranked = _rank.candidates(changes(seen), time("03:10:00"), True, Graph.build(seen), "deployment/api")
        assert [candidate.name.partition(" ")[0] for candidate in ranked] == ["secret", "rollback", "rollout"]
        assert "another rollout had replaced it by then" in ranked[2].evidence_against

    def test_what_is_as_old_as_the_ailing_workload_is_no_likely_cause(self):
        seen = shop(Deployment=[deployment("api", created=at("03:00:00"))], ReplicaSet=[replica_set("api", 1, at("03:00:01"))],
                    ConfigMap=[config_map("api-config", {"A": "1"}, [writer("ada", "03:05:00", {"f:data": {"f:A": {}}})], created=at("03:00:00"))])
        ranked = _rank.candidates(changes(seen), time("03:10:00"), True, Graph.build(seen), "deployment/api")
        assert ranked[0].title == "configmap/api-config, written: A (by ada)"
        assert "it began together with the ailing workload" in ranked[1].evidence_against

    def test_symptoms_are_no_candidates(self):
        seen = shop(Event=[{"reason": "BackOff", "lastTimestamp": at("03:09:00"), "involvedObject": {"kind": "Pod", "name": "api-1-x"}}])
        assert _rank.candidates(changes(seen), time("03:10:00"), True, Graph.build(seen), "deployment/api") == []


class TestResult:
    QUESTION = Question(Target("shop", "Deployment", "api"), None, datetime.timedelta(hours=2), re.compile("x"), [(time("03:11:00"), "5xx is 12 %")])

    def result(self, seen, onset="03:10:00"):
        return _analysis.result(self.QUESTION, seen, Graph.build(seen), Onset(time(onset) if onset else None, "seen"), NOW)

    def test_one_time_line_of_changes_onset_and_signals(self):
        found = self.result(shop(ReplicaSet=[replica_set("api", 1, at("03:09:00"))]))
        assert [(row["at"], row["kind"]) for row in found["timeline"]] == [
            (at("03:09:00"), "rollout"), (at("03:10:00"), "onset"), (at("03:11:00"), "signal")]
        assert found["cause"] == "rollout deployment/api"

    def test_nothing_that_stands_out_is_said_so_and_what_was_not_seen_is_named(self):
        found = self.result(Seen(shop().objects, {"Secret": "permission denied"}), onset="")
        assert (found["cause"], found["candidates"]) == ("undetermined", [])
        assert found["says"][-2].startswith("no change stands out: onset ") and found["says"][-1] == "not seen: Secret (permission denied)"

    def test_without_an_onset_the_newest_counts_most(self):
        found = self.result(shop(ReplicaSet=[replica_set("api", 1, at("03:20:00"))]), onset="")
        assert found["candidates"][0]["evidence_for"][0] == "10 min ago"


def test_a_kind_that_may_not_be_read_is_not_an_error_and_a_cluster_that_is_gone_is():
    class Fake:
        def __init__(self, status):
            self.status, self.metadata = status, []

        def list(self, kind, namespace="", **_query):
            if kind == "Node":
                raise ClusterError("no", status=self.status)
            return []

        def list_metadata(self, kind, _namespace):
            self.metadata.append(kind)
            return []

    denied = Fake(403)
    seen = _seen.gather(denied, "shop")
    assert seen.not_seen == {"Node": "permission denied"}
    assert denied.metadata == ["Secret"], "Secrets are read as metadata only"
    with pytest.raises(ClusterError):
        _seen.gather(Fake(500), "shop")


def test_what_the_asking_incident_has_changed_itself_is_no_candidate():
    entry = {"state": "done", "at": at("03:20:00"), "change": {"summary": "roll back", "target": {"kind": "Deployment", "name": "api", "namespace": "shop"}}}
    record = {"metadata": {"name": "incident-inc-1", "creationTimestamp": OLD, "labels": {"runbooks.sre/incident": "INC-1"}},
              "data": {"change.0001": json.dumps(entry)}}
    objects = {"Deployment": [deployment("api")], "ConfigMap": [record],
               "ReplicaSet": [replica_set("api", 1, OLD), replica_set("api", 2, at("03:10:00"), image="shop:2"),
                              replica_set("api", 3, at("03:20:03"), image="shop:3")]}
    seen = Seen(objects, {})
    asked, others = (_changes.changes(seen, time("03:00:00"), NOW, incident) for incident in ("INC-1", "INC-2"))
    assert [(change.kind, change.symptom) for change in asked] == [("rollout", False), ("runbook", True), ("rollout", True)]
    assert [(change.by, change.symptom) for change in others] == [("", False), ("sre.runbooks", False), ("sre.runbooks", False)]
