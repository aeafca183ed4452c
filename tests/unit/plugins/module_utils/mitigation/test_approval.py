# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed approvals, with real keys: whose signature, of which bytes, for which plan, until when."""

from __future__ import annotations

import datetime
import json
import subprocess

import pytest
from fake_api import deployment, pod, serving

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._mitigate import MITIGATION_SPEC, mitigate
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task

WANTED = [{"action": "resources", "workload": "checkout", "limits": {"memory": "1Gi"}}]


@pytest.fixture(scope="module", name="keys")
def keys_fixture(tmp_path_factory):
    """Ada may approve, Bob has a key but may not."""
    directory = tmp_path_factory.mktemp("keys")
    for who in ("ada", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", directory / who], check=True)
    kind, key = (directory / "ada.pub").read_text().split()[:2]
    (directory / "approvers").write_text(f'ada@example.com namespaces="sre.runbooks" {kind} {key}\n')
    return directory


@pytest.fixture(name="api")
def api_fixture():
    with serving() as api:
        workload = deployment()
        api.add(workload, pod("a", workload))
        Incident.open(api.cluster, "INC-1", "memory_leak", Target("shop", "Deployment", "checkout"), severity="P2")
        yield api


def run(api, tmp_path, wanted=None, check_mode=False, **more):
    params = {name: option.get("default") for name, option in MITIGATION_SPEC.items()}
    params |= {"namespace": "shop", "incident_id": "INC-1", "host": api.url, "api_token": "t", "retries": 0, "cluster_name": "prod",
               "incidents_dir": str(tmp_path), **more}
    return mitigate(Task(params, check_mode), WANTED if wanted is None else wanted)


def asked(api, tmp_path, **more):
    path = tmp_path / "approval.json"
    said = run(api, tmp_path, check_mode=True, approval_request=str(path), **more)["says"]
    assert said[-1].startswith(f"to approve: look at {path}")
    return path


def sign(path, keys, who="ada", purpose="sre.runbooks"):
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", purpose, "-f", keys / who, path], check=True, capture_output=True)
    return str(path)


def limit(api):
    return api.objects["/apis/apps/v1/namespaces/shop/deployments/checkout"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]


def refused(api, tmp_path, keys, words, **more):
    with pytest.raises((Refused, InvalidInput), match=words) as raised:
        run(api, tmp_path, approvers=str(keys / "approvers"), **more)
    assert "othing was changed" in str(raised.value) and limit(api) == "512Mi"


def test_a_signed_plan_is_made_and_who_approved_is_recorded(api, tmp_path, keys):
    path = sign(asked(api, tmp_path), keys)
    assert run(api, tmp_path, approvers=str(keys / "approvers"), approval=path)["outcome"] == "changed" and limit(api) == "1Gi"
    first = Incident.load(api.cluster, "shop", "INC-1").timeline()[0]
    assert "approved by ada@example.com, SSH key SHA256:" in first["text"] and first["approved_by"] == "ada@example.com"


def test_without_one_nothing_is_changed(api, tmp_path, keys):
    refused(api, tmp_path, keys, "needs a signed approval")
    refused(api, tmp_path, keys, "cannot be read", approval=str(tmp_path / "absent"))
    path = asked(api, tmp_path)
    refused(api, tmp_path, keys, "no signature", approval=str(path))
    assert run(api, tmp_path)["outcome"] == "changed", "where nobody is named, none is needed"


@pytest.mark.parametrize(("who", "purpose"), [("bob", "sre.runbooks"), ("ada", "git"), ("ada", "file")])
def test_a_signature_of_somebody_else_or_for_something_else(api, tmp_path, keys, who, purpose):
    path = sign(asked(api, tmp_path), keys, who, purpose)
    refused(api, tmp_path, keys, "no signature of somebody in", approval=path)


def test_what_was_changed_after_signing(api, tmp_path, keys):
    path = asked(api, tmp_path)
    sign(path, keys)
    path.write_text(path.read_text().replace('"INC-1"', '"INC-1" '))
    refused(api, tmp_path, keys, "no signature", approval=str(path))


def test_drift_is_named(api, tmp_path, keys):
    path = sign(asked(api, tmp_path), keys)
    other = [{**WANTED[0], "limits": {"memory": "2Gi"}}]
    refused(api, tmp_path, keys, "memory.*512Mi -> 2Gi, where .*512Mi -> 1Gi was approved", wanted=other, approval=path)
    refused(api, tmp_path, keys, "was not approved", wanted=[*WANTED, {"action": "config", "config_map": "c", "data": {"B": "1"}}], approval=path)
    api.objects["/apis/apps/v1/namespaces/shop/deployments/checkout"]["metadata"]["uid"] = "made anew"
    refused(api, tmp_path, keys, "another object or another value now", approval=path)


def test_a_part_of_what_was_approved_may_be_made(api, tmp_path, keys):
    wanted = [*WANTED, {"action": "config", "config_map": "c", "data": {"B": "1"}}]
    path = sign(asked(api, tmp_path, wanted=wanted), keys)
    assert run(api, tmp_path, approvers=str(keys / "approvers"), approval=path)["outcome"] == "changed"


@pytest.mark.parametrize(("changed", "words"), [
    ({"expires": "2020-01-01T00:00:00Z"}, "expired at 2020"), ({"expires": "soon"}, "is no approval"), ({"expires": "2099-01-01T00:00:00"}, "is no approval"),
    ({"expires": None}, "is no approval"), ({"incident_id": "INC-2"}, "is for incident INC-2 on prod, not for INC-1"), ({"cluster": "other"}, "on other"),
    ({"changes": 7}, "is no approval"), ({"changes": [{}]}, "is no approval"), ({"changes": []}, "was not approved")])
def test_a_signed_file_is_still_read_with_care(api, tmp_path, keys, changed, words):
    path = asked(api, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    refused(api, tmp_path, keys, words, approval=sign(path, keys))


def test_a_request_shows_no_secret(api, tmp_path):
    wanted = [{"action": "env", "workload": "checkout", "env": {"DB_PASSWORD": "hunter2hunter2", "POOL_SIZE": "50"}}]
    text = asked(api, tmp_path, wanted=wanted).read_text()
    assert "hunter2" not in text and "POOL_SIZE" in text
    assert datetime.datetime.fromisoformat(json.loads(text)["expires"].replace("Z", "+00:00")) > datetime.datetime.now(datetime.timezone.utc)
