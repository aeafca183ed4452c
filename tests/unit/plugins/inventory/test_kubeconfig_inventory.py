# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped inventories as ansible-inventory reads them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]

KUBECONFIG = """
kind: Config
current-context: lab1-admin
contexts:
- {name: lab1, context: {cluster: lab1, user: runbooks, namespace: ai-development}}
- {name: lab1-admin, context: {cluster: lab1, user: admin}}
- {name: lab2, context: {cluster: lab2, user: runbooks}}
"""


@pytest.fixture(name="lab_home")
def lab_home_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    """A lab's home directory that holds only its kubeconfig."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    return tmp_path


def inventory(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-inventory as a person would, from playbooks/."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("KUBECONFIG", "SRE_LAB_HOME") and not key.startswith("ANSIBLE_")}
    return subprocess.run(
        [pathlib.Path(sys.executable).with_name("ansible-inventory"), "--inventory", source, "--list"], cwd=ROOT / "playbooks",
        env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=60)


def hostvars(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, t.Any]]:
    """Host -> its variables."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["_meta"]["hostvars"]


def text(value: dict[str, str]) -> str:
    """The text of a value that ansible-inventory marks as not a template."""
    return value["__ansible_unsafe"]


def test_the_lab_without_its_admin_contexts(lab_home: pathlib.Path) -> None:
    hosts = hostvars(inventory("../inventories/lab", SRE_LAB_HOME=str(lab_home)))

    assert list(hosts) == ["lab1", "lab2"]
    assert text(hosts["lab2"]["runbooks_context"]) == "lab2"
    assert text(hosts["lab2"]["runbooks_kubeconfig"]) == str(lab_home / "kubeconfig")
    assert text(hosts["lab2"]["ansible_connection"]) == "local"


def test_kubeconfig_in_the_environment_means_its_current_context(lab_home: pathlib.Path) -> None:
    hosts = hostvars(inventory("../inventories/lab", SRE_LAB_HOME="/nowhere",
                               KUBECONFIG=str(lab_home / "kubeconfig")))

    assert list(hosts) == ["lab1-admin"]


def test_no_lab_fails_instead_of_running_on_no_host(tmp_path: pathlib.Path) -> None:
    result = inventory("../inventories/lab", SRE_LAB_HOME=str(tmp_path))

    assert result.returncode != 0
    assert f"No kubeconfig at {tmp_path}/kubeconfig" in result.stderr
    assert "make lab-up" in result.stderr


def test_groups_from_what_the_kubeconfig_says(lab_home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "fleet.yml"
    source.write_text(f"""
plugin: sre.runbooks.kubeconfig
kubeconfig: {lab_home}/kubeconfig
keyed_groups: [{{key: kubeconfig_context.user, prefix: user}}]
""")
    listed = json.loads(inventory(str(source)).stdout)

    assert listed["user_runbooks"]["hosts"] == ["lab1", "lab2"]
    assert listed["user_admin"]["hosts"] == ["lab1-admin"]


def test_the_example_inventory_parses() -> None:
    assert set(hostvars(inventory("../inventories/example"))) == {"eu-west-1", "eu-north-1", "eu-staging-1"}


ONE_CLUSTER = "kind: Config\ncurrent-context: {0}\ncontexts: [{{name: {0}, context: {{cluster: {0}, user: {0}}}}}]\n"


def test_a_directory_of_kubeconfigs_each_by_itself(tmp_path: pathlib.Path) -> None:
    clusters = tmp_path / "clusters"
    clusters.mkdir()
    for name, context in (("edge-1.yaml", "default"), ("edge-2.yaml", "default"), ("prod", "prod-eu"), ("team.kubeconfig", "arn:aws:eks:1:cluster/x")):
        (clusters / name).write_text(ONE_CLUSTER.format(json.dumps(context)))
    for name in (".hidden", "README.md", "edge-1.yaml~", "notes.txt"):
        (clusters / name).write_text("no kubeconfig")
    (tmp_path / "clusters.yml").write_text(f"plugin: sre.runbooks.kubeconfig\nkubeconfig: {clusters}/\nexclude: ['edge-2*']\n")
    hosts = hostvars(inventory(str(tmp_path / "clusters.yml")))
    assert {host: (pathlib.Path(text(found["runbooks_kubeconfig"])).name, text(found["runbooks_context"])) for host, found in hosts.items()} == {
        "edge-1-default": ("edge-1.yaml", "default"), "prod-eu": ("prod", "prod-eu"),
        "arn-aws-eks-1-cluster-x": ("team.kubeconfig", "arn:aws:eks:1:cluster/x")}


def test_a_directory_without_a_kubeconfig_and_a_broken_one_are_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "clusters.yml").write_text(f"plugin: sre.runbooks.kubeconfig\nkubeconfig: {tmp_path}/none\n")
    assert "none has no kubeconfig: files *.yml" in inventory(str(tmp_path / "clusters.yml")).stderr.replace("\n", " ")
    (tmp_path / "none" / "a.yml").write_text("kind: Deployment\n")
    assert "a.yml is not a kubeconfig" in inventory(str(tmp_path / "clusters.yml")).stderr.replace("\n", " ")
