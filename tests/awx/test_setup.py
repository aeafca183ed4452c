# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/awx/setup.yml by the real modules of awx.awx, against a server that keeps what it is given; AWX's own rules are not checked."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import fake_awx
import pytest
from fake_awx import FakeAwx

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(name="awx")
def awx_fixture():
    with fake_awx.serving() as awx:
        yield awx


def setup(awx: FakeAwx, *flags: str, **more: object) -> list[str]:
    """Run it; what was written."""
    before = len(awx.written)
    variables = {"awx_project_url": "https://git.example.com/sre.git", "awx_runbooks": ["memory_leak"], **more}
    environment = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
                   "CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": "of-the-test", "ANSIBLE_LOCALHOST_WARNING": "0"}
    done = subprocess.run(["ansible-playbook", ROOT / "playbooks/awx/setup.yml", "-e", json.dumps(variables), *flags], env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return awx.written[before:]


def names(awx: FakeAwx, collection: str) -> set[str]:
    return {one["name"] for one in awx.objects[collection].values()}


def test_twice_checked_and_removed(awx):
    assert setup(awx)
    assert names(awx, "job_templates") == {"memory_leak", "memory_leak, plan only", "health_check", "from_alert", "escalate", "clear_temporary_fixes"}
    plan = next(one for one in awx.objects["job_templates"].values() if one["name"] == "memory_leak, plan only")
    assert plan["job_type"] == "check" and plan["playbook"] == "memory_leak.yml"
    assert [node["identifier"] for node in awx.objects["workflow_job_template_nodes"].values()] == ["plan", "approval", "run"]
    assert all(spec["spec"] for spec in awx.surveys.values())
    kubeconfig = next(one for one in awx.objects["credential_types"].values() if "kubeconfig" in one["name"])
    assert kubeconfig["injectors"] == {"file": {"template.kubeconfig": "{{ kubeconfig }}"}, "env": {"KUBECONFIG": "{{ tower.filename.kubeconfig }}"}}
    assert setup(awx) == [], "a second run writes nothing"
    gone = {"awx_removed_job_templates": ["clear_temporary_fixes"]}
    assert setup(awx, "--check", **gone) == [], "--check writes nothing"
    written = setup(awx, awx_timeout=60, **gone)
    assert [line.split()[0] for line in written] == ["PATCH"] * 6 + ["DELETE"], "what was changed in the definition, and what is to go"
    assert "clear_temporary_fixes" not in names(awx, "job_templates")


def test_every_playbook_that_a_template_names_is_there():
    text = (ROOT / "playbooks" / "awx" / "setup.yml").read_text()
    for runbook in ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "data_inconsistency", "crash_loop", "health_check",
                    "from_alert", "escalate", "clear_temporary_fixes"):
        assert runbook in text and (ROOT / "playbooks" / f"{runbook}.yml").exists()
