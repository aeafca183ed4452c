"""Pure logic of the lab: cache keys, addresses, image layers, manifests, the audit log, what is left on the machine."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import threading

import pytest
import yaml
from labkit import audit, binaries, cache, cgroups, cli, cluster, host, images, processes, shop, strays
from labkit.network import Network


def test_the_cache_key_changes_with_content_name_and_mode(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    first = cache.digest(tmp_path, "v1")
    assert cache.digest(tmp_path, "v1") == first
    assert cache.digest(tmp_path, "v2") != first
    file.write_text("two")
    second = cache.digest(tmp_path, "v1")
    file.chmod(0o755)
    assert len({first, second, cache.digest(tmp_path, "v1")}) == 3


def test_a_result_is_made_once_and_only_kept_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    made = []

    def build(target):
        made.append(target)
        (target / "result").write_text("done")

    first = cache.cached("thing", ["x"], "making a thing", build)
    assert cache.cached("thing", ["x"], "making a thing", build) == first
    assert (first / "result").read_text() == "done"
    assert len(made) == 1


def test_clusters_share_no_address():
    networks = [Network(number) for number in (1, 2, 3)]
    for facts in ("netns", "link", "node", "host", "pods"):
        assert len({getattr(network, facts) for network in networks}) == 3
    assert all(len(network.link) <= 15 for network in networks)


def test_a_layer_holds_only_what_differs_from_the_one_below(tmp_path):
    def tar(name, files):
        with tarfile.open(tmp_path / name, "w") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return tmp_path / name

    below = tar("below.tar", {"etc/a": b"1", "etc/b": b"1"})
    full = tar("full.tar", {"./etc/a": b"1", "./etc/b": b"2", "./usr/c": b"3", "./var/lib/apt/lists/x": b"4"})
    images._copy_tar(full, tmp_path / "layer.tar", images._members(below))
    with tarfile.open(tmp_path / "layer.tar") as layer:
        assert layer.getnames() == ["etc/b", "usr/c"]


def test_images_come_from_the_users_registry():
    text = shop.manifests(shop.MANIFESTS, "registry.example.org/shop")
    images_named = [container["image"] for document in yaml.safe_load_all(text)
                    if document and document["kind"] == "Deployment"
                    for container in document["spec"]["template"]["spec"]["containers"]]
    assert len(images_named) == 8
    assert all(image.startswith("registry.example.org/shop/") for image in images_named)


def test_the_audit_log_in_order_with_the_commands(tmp_path):
    def entry(at, user, verb, uri, **reference):
        return json.dumps({"requestReceivedTimestamp": at, "stageTimestamp": at, "stage": "ResponseComplete", "verb": verb,
                           "requestURI": uri, "user": {"username": user}, "objectRef": reference,
                           "responseStatus": {"code": 200}})

    log = tmp_path / "audit.log"
    log.write_text("\n".join([
        entry("T3", "x:runbooks", "patch", "/apis", resource="deployments", name="api"),
        entry("T2", "x:runbooks", "create", "/p?command=sha256sum&command=%2Ftmp%2Fx", resource="pods", subresource="exec"),
        entry("T1", "x:runbooks", "get", "/p", resource="pods"), entry("T4", "admin", "get", "/p", resource="pods")]))
    events = audit.read(log, ":runbooks", "T2")
    assert [(event["at"], event["resource"], event["command"]) for event in events] == [
        ("T2", "pods/exec", "sha256sum /tmp/x"), ("T3", "deployments", "")]


def test_a_v2_cgroup_gets_the_controllers_that_its_parent_did_not_pass_on(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu io memory pids\n")
    cgroups.make("sre-lab1")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpuset"
    (tmp_path / "sre-lab1/kubepods/burstable").mkdir(parents=True)
    cgroups.remove("sre-lab1")
    assert not (tmp_path / "sre-lab1").exists()


def test_a_v1_cgroup_is_in_every_hierarchy_and_may_use_every_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for hierarchy in ("cpuset", "memory"):
        (tmp_path / hierarchy).mkdir()
        (tmp_path / hierarchy / "cgroup.procs").touch()
    for setting, value in (("cpuset.cpus", "0-3"), ("cpuset.mems", "0")):
        (tmp_path / "cpuset" / setting).write_text(value)
    cgroups.make("sre-lab1")
    assert (tmp_path / "memory/sre-lab1").is_dir()
    assert (tmp_path / "cpuset/sre-lab1/cpuset.cpus").read_text() == "0-3"


def test_the_machine_gets_back_the_settings_from_before_the_first_cluster(tmp_path, monkeypatch):
    monkeypatch.setattr(strays, "SYSCTL", tmp_path)
    monkeypatch.setattr(strays, "TUNABLES", ("panic",))
    setting, kept = tmp_path / "panic", tmp_path / "home/tunables.json"
    setting.write_text("0\n")
    strays.remember_tunables(kept)
    setting.write_text("10")
    strays.remember_tunables(kept)
    strays.restore_tunables(kept)
    assert setting.read_text() == "0"
    assert not kept.exists()


def test_only_this_clusters_strays_are_removed(tmp_path, monkeypatch):
    logs, results, sockets = (tmp_path / name for name in ("logs", "results", "sockets"))
    for directory in (logs, results, sockets):
        directory.mkdir()
    monkeypatch.setattr(strays, "CONTAINER_LOGS", logs)
    monkeypatch.setattr(strays, "CNI_RESULTS", results)
    for name in ("lab1", "lab10"):
        state, runtime = tmp_path / name, tmp_path / f"run-{name}"
        (logs / f"{name}.log").symlink_to(state / "pod-logs/0.log")
        (results / name).write_text(json.dumps({"sandbox": f"{runtime}/netns/cni-1"}))
        (sockets / name).touch()
        bundle = runtime / "containerd/io.containerd.runtime.v2.task/k8s.io/1"
        bundle.mkdir(parents=True)
        (bundle / "address").write_text(f"unix://{sockets / name}")
    strays.remove(tmp_path / "lab1", tmp_path / "run-lab1")
    assert [path.name for directory in (logs, results, sockets) for path in directory.iterdir()] == ["lab10.log", "lab10", "lab10"]


def test_a_command_that_hangs_or_is_not_there_is_a_lab_error():
    for argv in (["sleep", "5"], ["no-such-command"]):
        with pytest.raises(host.LabError, match=argv[0]):
            host.run(argv, timeout=0.05)


def test_down_leaves_what_is_not_the_labs(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "LOCK", tmp_path.parent / "lock")
    monkeypatch.setattr(cli, "HOME", tmp_path)
    monkeypatch.setattr(cli, "KUBECONFIG", tmp_path / "kubeconfig")
    monkeypatch.setattr(cli, "TUNABLES", tmp_path / "tunables.json")
    monkeypatch.setattr(cli, "_present", lambda leftovers: [])
    for name in ("kubeconfig", "thesis.txt"):
        (tmp_path / name).touch()
    cli.down(argparse.Namespace())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_up_waits_for_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "LOCK", tmp_path / "lock")
    order = []

    def second():
        with host.alone():
            order.append("second")

    with host.alone():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_cluster_is_asked_without_building_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "HOME", tmp_path)
    monkeypatch.setattr(processes, "alive", lambda logs, name: True)
    monkeypatch.setattr(binaries, "kubernetes", lambda: pytest.fail("this builds Kubernetes"))
    assert not cluster.Cluster(1).healthy()
