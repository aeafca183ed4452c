# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.sre.runbooks.plugins.inventory import kubeconfig as plugin


def write(path: pathlib.Path, current: str, **contexts: str) -> str:
    """Write a kubeconfig whose keywords are context name=user; returns its path."""
    path.write_text(yaml.safe_dump({
        "kind": "Config", "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}} for name, user in contexts.items()],
    }))
    return str(path)


def test_the_first_file_to_name_a_context_wins(tmp_path: pathlib.Path) -> None:
    first = write(tmp_path / "a", "", one="first")
    second = write(tmp_path / "b", "two", one="second", two="second")

    config = plugin.read_kubeconfig([first, str(tmp_path / "absent"), second])

    assert {name: context["user"] for name, context in config.contexts.items()} == {"one": "first", "two": "second"}
    assert config.current == "two"


def test_no_file_at_all_names_every_path_tried() -> None:
    with pytest.raises(AnsibleParserError, match="No kubeconfig at /nowhere/a or /nowhere/b"):
        plugin.read_kubeconfig(["/nowhere/a", "/nowhere/b"])


@pytest.mark.parametrize("text", ["kind: Pod", "- a list", "a: b: c", "\udcff"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(AnsibleParserError, match=str(path)):
        plugin.read_kubeconfig([str(path)])


@pytest.mark.parametrize(("pattern", "found"), [
    ("*", ["lab1", "lab1-admin", "LAB2"]),
    ("lab*", ["lab1", "lab1-admin"]),
    ("lab1", ["lab1"]),
    (r"~\d$", ["lab1", "LAB2"]),
    ("~^1", []),
])
def test_patterns(pattern: str, found: list[str]) -> None:
    assert [name for name in ("lab1", "lab1-admin", "LAB2") if plugin.matches(name, [pattern])] == found


def config(*names: str, current: str = "") -> plugin.Kubeconfig:
    """A kubeconfig with these contexts."""
    return plugin.Kubeconfig({name: {} for name in names}, current)


def test_exclusion_beats_selection_and_order_is_kept() -> None:
    assert plugin.select(["lab2", "lab1", "lab1-admin"], ["lab*"], ["*-admin"]) == ["lab2", "lab1"]


def test_an_empty_selection_is_an_error_that_lists_the_contexts() -> None:
    with pytest.raises(AnsibleParserError, match="No context left of lab1, lab2: contexts is prod-"):
        plugin.select(["lab1", "lab2"], ["prod-*"], [])


def test_the_current_context_must_exist() -> None:
    assert plugin.current(["a", "b"], "b") == ["b"]
    with pytest.raises(AnsibleParserError, match=r"current-context gone is not one of its contexts \(a, b\)"):
        plugin.current(["a", "b"], "gone")


CONTEXTS = {
    "arn:aws:eks:eu-west-1:111122223333:cluster/prod": "arn-aws-eks-eu-west-1-111122223333-cluster-prod",
    "default/api-prod-example-com:6443/kube:admin": "default-api-prod-example-com-6443-kube-admin",
    "gke_proj_europe-west1_prod": "gke_proj_europe-west1_prod",
    "kubernetes-admin@kubernetes": "kubernetes-admin@kubernetes",
    "prod [eu]": "prod-eu", "a,b": "a-b", "!x": "x", "~y.*": "y.", "@file": "file", "&z": "z", "all": "context-all", "localhost": "context-localhost",
    "::": "context",
}


def test_contexts_become_host_names_that_patterns_can_hold() -> None:
    assert plugin.host_names(list(CONTEXTS)) == CONTEXTS


def test_contexts_that_would_be_one_host_are_told_apart() -> None:
    names = plugin.host_names(["a:b", "a/b", "a-b"])
    assert names["a-b"] == "a-b"
    assert len(set(names.values())) == 3


@pytest.mark.parametrize("name", [*CONTEXTS, "a:b:c", "x[0]", "x[1:2]", "*", "?", "ü:ö"])
def test_a_host_name_selects_its_host_and_nothing_else(name: str) -> None:
    hosts = plugin.host_names([name, "other", "prod"])
    manager = inventory_of(hosts.values(), groups=["eks", "aws", "arn", "cluster/prod", "a", "b"])
    assert [host.name for host in manager.get_hosts(hosts[name])] == [hosts[name]]


def inventory_of(hosts: t.Iterable[str], groups: t.Iterable[str]) -> InventoryManager:
    """An inventory in which the host `other` is in every group."""
    manager = InventoryManager(loader=DataLoader(), sources=[])
    for host in hosts:
        manager._inventory.add_host(host)
    for group in groups:
        manager._inventory.add_group(group)
        manager._inventory.add_child(group, "other")
    manager._inventory.reconcile_inventory()
    return manager


def test_a_context_that_is_no_pattern_is_refused_with_the_name_of_its_host() -> None:
    hosts = plugin.host_names(["arn:aws:eks:r:1:cluster/prod", "prod"])
    with pytest.raises(AnsibleParserError, match="is called arn-aws-eks-r-1-cluster-prod"):
        plugin.refuse_unsafe_patterns(hosts, ["arn:aws:eks:r:1:cluster/prod"])
    plugin.refuse_unsafe_patterns(hosts, ["prod", "arn-aws-eks-r-1-cluster-prod"])
