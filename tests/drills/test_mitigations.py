"""Every kind of change on a real cluster: made, seen by the pods, taken back exactly."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from drill import NAMESPACE, until
from labkit.shop import MANIFESTS, manifests

WORKLOAD = "user-service"


@pytest.fixture
def healed(shop):
    """Only user-service and what these tests add is set back, which is quicker than healing the whole shop."""
    yield shop
    documents = [document for document in yaml.safe_load_all(manifests(MANIFESTS, ""))
                 if document["kind"] in ("Deployment", "ConfigMap") and document["metadata"]["name"] in (WORKLOAD, "api-gateway-config")]
    shop.kubectl("replace", "-f", "-", stdin=yaml.safe_dump_all(documents))
    shop.kubectl("delete", "configmap", "auth-emergency", "traffic-shedding-policy", "--ignore-not-found")
    shop.kubectl("delete", "hpa,quota", "--all")
    shop.kubectl("rollout", "status", f"deployment/{WORKLOAD}", "--timeout=60s")


@pytest.fixture
def incident(healed, runbook, incident_id):
    """An open incident on user-service; changes go through its ledger."""
    opened = runbook.module("sre.runbooks.incident", {
        "state": "open", "incident_id": incident_id, "incident_type": "drill", "namespace": NAMESPACE, "workload": WORKLOAD})
    assert opened["rc"] == 0
    yield incident_id
    healed.kubectl("delete", "lease", f"runbooks-deployment-{WORKLOAD}", "--ignore-not-found")


@pytest.fixture
def mitigate(runbook, incident):
    def run(*changes, **options):
        return runbook.module("sre.runbooks.mitigate", {
            "namespace": NAMESPACE, "incident_id": incident, "changes": list(changes), "cooldown": 0, **options})
    return run


@pytest.fixture
def undo(runbook, incident):
    def run(**options):
        return runbook.module("sre.runbooks.undo", {"namespace": NAMESPACE, "incident_id": incident, "timeout": 60, **options})
    return run


def spec(shop, kind="deployment", name=WORKLOAD):
    return shop.get(kind, name)["spec"]


def test_environment_comes_back_as_it_was(healed, mitigate, undo):
    before = spec(healed)
    change = {"action": "env", "workload": WORKLOAD, "env": {"DB_PASSWORD": "plain", "NEW": 1}}
    assert mitigate(change)["result"]["outcome"] == "changed"
    env = {entry["name"]: entry for entry in spec(healed)["template"]["spec"]["containers"][0]["env"]}
    assert env["NEW"]["value"] == "1" and env["DB_PASSWORD"] == {"name": "DB_PASSWORD", "value": "plain"}
    assert mitigate(change)["result"]["outcome"] == "unchanged"
    assert undo()["rc"] == 0
    assert spec(healed) == before


def test_scaling_only_goes_up_and_comes_back(healed, mitigate, undo):
    assert mitigate({"action": "scale", "workload": WORKLOAD, "replicas": 2})["result"]["workloads"] == [f"deployment/{WORKLOAD}"]
    assert spec(healed)["replicas"] == 2
    assert mitigate({"action": "scale", "workload": WORKLOAD, "replicas": 1})["result"]["outcome"] == "unchanged"
    undo()
    assert spec(healed)["replicas"] == 1


def test_an_autoscaler_is_adjusted_and_not_fought(healed, mitigate, undo):
    healed.kubectl("autoscale", "deployment", WORKLOAD, "--min=1", "--max=2", "--cpu-percent=80")
    assert mitigate({"action": "scale", "workload": WORKLOAD, "replicas": 3})["result"]["outcome"] == "changed"
    bounds = spec(healed, "hpa")
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (3, 3)
    undo()
    bounds = spec(healed, "hpa")
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (1, 2)


def test_rollback_goes_to_what_ran_before_and_never_to_what_is_known_to_be_bad(healed, mitigate, undo):
    good = spec(healed)["template"]
    healed.kubectl("set", "env", f"deployment/{WORKLOAD}", "RELEASE=bad")
    healed.kubectl("rollout", "restart", f"deployment/{WORKLOAD}")
    bad = spec(healed)["template"]
    back = mitigate({"action": "rollback", "workload": WORKLOAD})
    assert back["result"]["outcome"] == "changed"
    assert "RELEASE" not in json.dumps(spec(healed)["template"])
    assert mitigate({"action": "rollback", "workload": WORKLOAD})["result"]["outcome"] == "unchanged"
    assert undo()["result"]["restored"] == [], "a rollback stays when temporary changes are cleared"
    assert undo(which="all")["rc"] == 0
    assert spec(healed)["template"] == bad != good


def test_a_rollout_that_never_becomes_ready_says_why_and_is_taken_back(healed, runbook, mitigate, undo):
    healed.kubectl("set", "image", f"deployment/{WORKLOAD}", f"{WORKLOAD}=shop/services:never-built")
    healed.kubectl("rollout", "undo", f"deployment/{WORKLOAD}")
    healed.kubectl("rollout", "status", f"deployment/{WORKLOAD}", "--timeout=60s")
    good = spec(healed)["template"]
    revisions = json.loads(healed.kubectl("get", "rs", "-l", f"app={WORKLOAD}", "-o", "json"))["items"]
    broken = next(rs for rs in revisions if "never-built" in json.dumps(rs["spec"]))
    number = broken["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert mitigate({"action": "rollback", "workload": WORKLOAD, "revision": number})["result"]["outcome"] == "changed"
    rollout = runbook.module("sre.runbooks.rollout_info", {"namespace": NAMESPACE, "workload": WORKLOAD, "timeout": 60})["result"]
    assert not rollout["finished"]
    assert "never-built" in rollout["failed_because"] and "ImagePull" in rollout["failed_because"]
    assert rollout["seconds"] < 60, "a pod that can never start ends the wait"
    assert undo(which="all")["rc"] == 0
    assert spec(healed)["template"] == good


def test_a_config_map_is_changed_key_by_key(healed, mitigate, undo):
    before = healed.get("configmap", "api-gateway-config")["data"]
    mitigate({"action": "config", "config_map": "api-gateway-config", "data": {"RATE_LIMIT_ENABLED": True, "NEW.KEY": 7}})
    assert healed.get("configmap", "api-gateway-config")["data"] == {**before, "RATE_LIMIT_ENABLED": "true", "NEW.KEY": "7"}
    undo()
    assert healed.get("configmap", "api-gateway-config")["data"] == before


def test_a_config_map_that_was_absent_is_removed_again_and_pods_see_both_soon(healed, mitigate, undo):
    change = {"action": "config", "config_map": "auth-emergency", "workload": "auth-service", "data": {"EMERGENCY_MODE": True}}
    mitigate(change)
    until(lambda: "true" in healed.kubectl("exec", "deployment/debug-pod", "--", "curl", "-s", "auth-service:8080/health").split(
        "emergency")[1], timeout=20, pause=0.5)
    undo()
    assert "auth-emergency" not in healed.kubectl("get", "configmaps", "-o", "name")
    until(lambda: '"emergency":false' in healed.kubectl(
        "exec", "deployment/debug-pod", "--", "curl", "-s", "auth-service:8080/health"), timeout=20, pause=0.5)


def test_an_object_that_someone_else_wrote_to_is_not_deleted(healed, mitigate, undo):
    mitigate({"action": "config", "config_map": "auth-emergency", "data": {"EMERGENCY_MODE": True}})
    healed.kubectl("patch", "configmap", "auth-emergency", "-p", '{"data": {"REASON": "by hand"}}')
    refused = undo()
    assert refused["rc"] != 0
    assert "kubectl-patch has written to it since" in refused["result"]["msg"]
    assert healed.get("configmap", "auth-emergency")["data"]["REASON"] == "by hand"


def test_a_config_map_that_is_environment_restarts_its_readers(healed, mitigate, undo):
    healed.kubectl("create", "configmap", "user-settings", "--from-literal=MODE=calm")
    healed.kubectl("set", "env", f"deployment/{WORKLOAD}", "--from=configmap/user-settings")
    before = spec(healed)["template"]
    result = mitigate({"action": "config", "config_map": "user-settings", "workload": WORKLOAD, "data": {"MODE": "brisk"}})
    assert result["result"]["workloads"] == [f"deployment/{WORKLOAD}"]
    healed.kubectl("rollout", "status", f"deployment/{WORKLOAD}", "--timeout=60s")
    assert healed.kubectl("exec", f"deployment/{WORKLOAD}", "--", "/bin/sh", "-c", "echo $MODE").strip() == "brisk"
    undo()
    assert spec(healed)["template"] == before
    until(lambda: healed.kubectl("exec", f"deployment/{WORKLOAD}", "--", "/bin/sh", "-c", "echo $MODE").strip() == "calm", pause=1)
    healed.kubectl("delete", "configmap", "user-settings")


def test_a_manifest_is_applied_and_removed(healed, mitigate, undo, tmp_path):
    path = tmp_path / "policy.yml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: traffic-shedding-policy, labels: {made: up}}\n"
                    "data: {shed-routes: /api/report}\n")
    mitigate({"action": "manifest", "path": str(path), "workload": "api-gateway"})
    assert healed.get("configmap", "traffic-shedding-policy")["data"] == {"shed-routes": "/api/report"}
    undo()
    assert "traffic-shedding-policy" not in healed.kubectl("get", "configmaps", "-o", "name")


@pytest.mark.parametrize("text, words", [
    ("kind: Nonsense", "lacks apiVersion"), ("", "holds no object"), ("{", "Cannot read manifest"),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}", "clear text"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, namespace: elsewhere}", "namespace elsewhere"),
    ("apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: s}", "example.org/v1"),
])
def test_a_manifest_that_cannot_be(healed, mitigate, tmp_path, text, words):
    path = tmp_path / "policy.yml"
    path.write_text(text)
    refused = mitigate({"action": "manifest", "path": str(path)})
    assert refused["rc"] != 0 and words in refused["result"]["msg"]


def test_what_has_expired_is_taken_back_by_the_next_run(healed, mitigate, undo):
    lasts = 20  # a busy machine takes seconds to ask
    mitigate({"action": "config", "config_map": "auth-emergency", "data": {"EMERGENCY_MODE": True}, "expires_in": lasts})
    made = time.monotonic()
    assert undo(which="expired")["result"]["restored"] == []
    time.sleep(max(0.0, made + lasts - time.monotonic()))
    assert len(undo(which="expired")["result"]["restored"]) == 1
    assert "auth-emergency" not in healed.kubectl("get", "configmaps", "-o", "name")


@pytest.mark.parametrize("replicas, options, words", [
    (30, {}, "over the cap of 20"), (300, {"max_replicas": 500}, "the nodes have room for")])
def test_more_pods_than_allowed_or_than_fit(healed, mitigate, replicas, options, words):
    refused = mitigate({"action": "scale", "workload": WORKLOAD, "replicas": replicas}, **options)
    assert refused["rc"] != 0 and words in refused["result"]["msg"]
    assert spec(healed)["replicas"] == 1


def test_a_quota_forbids_more_pods(healed, mitigate):
    healed.kubectl("create", "quota", "tight", "--hard=pods=12")
    until(lambda: healed.get("quota", "tight").get("status", {}).get("used"), pause=0.5)
    refused = mitigate({"action": "scale", "workload": WORKLOAD, "replicas": 9})
    assert refused["rc"] != 0 and "ResourceQuota tight has" in refused["result"]["msg"]
    assert spec(healed)["replicas"] == 1


def test_a_plan_that_fails_half_way_takes_back_its_first_half(healed, mitigate, incident, tmp_path):
    before = healed.get("configmap", "api-gateway-config")["data"]
    path = tmp_path / "budget.yml"
    path.write_text("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: drill}\n"
                    "spec: {minAvailable: 1, selector: {matchLabels: {app: user-service}}}\n")
    failed = mitigate({"action": "config", "config_map": "api-gateway-config", "data": {"RATE_LIMIT_ENABLED": True}},
                      {"action": "manifest", "path": str(path)})
    assert failed["rc"] != 0
    assert "permission denied (403)" in failed["result"]["msg"]
    assert "Taken back: set configmap/api-gateway-config: RATE_LIMIT_ENABLED=true." in failed["result"]["msg"]
    assert healed.get("configmap", "api-gateway-config")["data"] == before
    assert healed.record(incident)["change.0001"]["state"] == "undone"


@pytest.mark.parametrize("module, options", [
    ("workload_env", {"workload": WORKLOAD, "env": {"NEW": "1"}}),
    ("workload_scale", {"workload": WORKLOAD, "replicas": 2}),
    ("workload_resources", {"workload": WORKLOAD, "limits": {"memory": "160Mi"}}),
    ("config_values", {"config_map": "auth-emergency", "data": {"EMERGENCY_MODE": False}}),
])
def test_each_change_has_a_module_of_its_own(healed, runbook, incident, undo, module, options):
    before = spec(healed)
    done = runbook.module(f"sre.runbooks.{module}", {"namespace": NAMESPACE, "incident_id": incident, "cooldown": 0, **options})
    assert done["rc"] == 0 and done["result"]["outcome"] == "changed"
    assert undo()["rc"] == 0
    assert spec(healed) == before
    assert "auth-emergency" not in healed.kubectl("get", "configmaps", "-o", "name")
