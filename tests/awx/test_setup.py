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
NOTIFICATIONS = [{"name": "on-call", "type": "webhook", "on": ["error", "approvals"],
                  "configuration": {"url": "https://hooks.example.com/awx", "http_method": "POST", "headers": {}}}]


@pytest.fixture(name="awx")
def awx_fixture():
    with fake_awx.serving() as awx:
        yield awx


def setup(awx: FakeAwx, *flags: str, **more: object) -> list[str]:
    """Run it; what was written."""
    before = len(awx.written)
    variables = {"awx_project_url": "https://git.example.com/sre.git", "awx_runbooks": ["memory_leak"], "awx_notifications": NOTIFICATIONS, **more}
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
    assert names(awx, "job_templates") == {"memory_leak", "memory_leak, plan only", "health_check", "from_alert", "escalate", "clear_temporary_fixes",
                                           "after_hour", "after_day", "after_week", "remind"}
    plan = next(one for one in awx.objects["job_templates"].values() if one["name"] == "memory_leak, plan only")
    assert plan["job_type"] == "check" and plan["playbook"] == "memory_leak.yml"
    assert [node["identifier"] for node in awx.objects["workflow_job_template_nodes"].values()] == ["plan", "approval", "run", "escalate"]
    assert {question["variable"]: question.get("choices") for spec in awx.surveys.values() for question in spec["spec"]} == {
        "incident_id": None, "memory_leak_severity": ["P1", "P2", "P3", "P4"], "memory_leak_adjust_memory": ["auto", "always", "never"],
        "memory_leak_fallback": ["none", "restart"]}
    assert names(awx, "labels") == {"sre.runbooks"} and names(awx, "notification_templates") == {"on-call"}
    [who] = awx.objects["notification_templates"]
    assert {path.split("/")[-2] for path, members in awx.lists.items() if who in members} == {
        "notification_templates_error", "notification_templates_approvals"}
    kubeconfig = next(one for one in awx.objects["credential_types"].values() if "kubeconfig" in one["name"])
    assert kubeconfig["injectors"] == {"file": {"template.kubeconfig": "{{ kubeconfig }}"}, "env": {"KUBECONFIG": "{{ tower.filename.kubeconfig }}"}}
    assert setup(awx) == [], "a second run writes nothing"
    gone = {"awx_removed_job_templates": ["clear_temporary_fixes"]}
    assert setup(awx, "--check", **gone) == [], "--check writes nothing"
    written = setup(awx, awx_timeout=60, **gone)
    assert [line.split()[0] for line in written] == ["PATCH"] * 10 + ["DELETE"], "what was changed in the definition, and what is to go"
    assert "clear_temporary_fixes" not in names(awx, "job_templates")


def test_every_playbook_that_a_template_names_is_there():
    text = (ROOT / "playbooks" / "awx" / "setup.yml").read_text()
    for runbook in ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "data_inconsistency", "crash_loop", "health_check",
                    "from_alert", "escalate", "clear_temporary_fixes", "after_hour", "after_day", "after_week", "remind"):
        assert runbook in text and (ROOT / "playbooks" / f"{runbook}.yml").exists()
