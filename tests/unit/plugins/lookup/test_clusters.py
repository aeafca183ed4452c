# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play without a cluster, or without all of its tasks, fails before its first task, whatever the configuration is."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[4]
RUNNABLE = sorted([*ROOT.glob("playbooks/incident/*.yml"), *ROOT.glob("playbooks/analysis/*.yml")])
MISSING = "plugin: sre.runbooks.kubeconfig\nkubeconfig: /does/not/exist\n"


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_every_playbook_asks_for_its_clusters(path):
    assert all("lookup('sre.runbooks.clusters', " in play["hosts"] for play in yaml.safe_load(path.read_text()))


def run(tmp_path: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As installed: without our configuration, by the collection's name."""
    (tmp_path / "clusters.yml").write_text(MISSING)
    (tmp_path / "ansible.cfg").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KUBECONFIG"))}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
                    "ANSIBLE_LOCALHOST_WARNING": "false"}
    return subprocess.run([str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "sre.runbooks.incident.health_check", *arguments],
                          cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("arguments, words", [
    (["-i", "/nope"], "No cluster: /nope names no host"),
    ([], "names no host, or could not be read"),
    (["-i", "clusters.yml"], "clusters.yml names no host, or could not be read"),
    (["-i", "clusters.yml"], "No kubeconfig at /does/not/exist"),
    (["-i", "eu,us,", "-e", "runbooks_hosts=ue"], "ue matches no host of eu,us,, which has eu, us"),
    (["-i", "eu,us,", "--limit", "us", "-e", "runbooks_hosts=eu"], "eu within --limit us matches no host"),
    (["-i", "eu,us,", "--limit", "ue"], "leaves us with no hosts"),
    (["-i", "eu,", "--tags", "detect"], "--tags detect is refused"),
    (["-i", "eu,", "--skip-tags", "report"], "--skip-tags report is refused"),
    (["-i", "eu,", "--start-at-task", "Mitigate"], "--start-at-task Mitigate is refused"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_nothing_to_run_on_is_a_failure(tmp_path, arguments, words):
    done = run(tmp_path, *arguments)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0 and words in said, said
    assert "TASK" not in said and "Traceback" not in said
