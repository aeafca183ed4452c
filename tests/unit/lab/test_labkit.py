"""Pure logic of the lab: cache keys, addresses, image layers, manifests, the audit log."""

from __future__ import annotations

import io
import json
import tarfile

import yaml
from labkit import audit, cache, images, shop
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
