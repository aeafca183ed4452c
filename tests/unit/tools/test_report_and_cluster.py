# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drills' comparison of a report with its cluster finds what is not so."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest

spec = importlib.util.spec_from_file_location("report_and_cluster", pathlib.Path(__file__).resolve().parents[2] / "tools/report_and_cluster.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PATH = "spec.template.spec.containers[app].args"


def cluster():
    container = {"name": "app", "args": ["serve"], "env": [{"name": "POOL", "value": "50"}]}
    deployment = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}, "metadata": {"annotations": {"a.b/c": "INC"}}}},
                  "metadata": {"name": "api", "annotations": {tool._REVISION: "5"},
                               "managedFields": [{"manager": "sre.runbooks", "time": "2026-01-02T10:00:01Z"}]}}
    replicas = {"kind": "ReplicaSet", "metadata": {"name": "api-1", "annotations": {tool._REVISION: "5", tool._HISTORY: "2,3"},
                                                   "ownerReferences": [{"name": "api"}]}}
    return [deployment, replicas]


def report(**change):
    made = {"number": 1, "state": "done", "target": "shop/deployment/api", "summary": "roll deployment/api back to revision 3", "at": "2026-01-02T10:00:00Z",
            "fields": [{"path": PATH, "after": '["serve"]'}, {"path": "spec.template.spec.containers[app].env[POOL]", "after": "50"},
                       {"path": "spec.template.spec.containers[name=app].env[name=POOL]", "after": {"name": "POOL", "value": "50"}},
                       {"path": 'spec.template.metadata.annotations["a.b/c"]', "after": "INC"}], **change}
    return {"dependencies": [{"source": "deployment/api", "target": "external/db"}], "affected": [{"service": "deployment/api"}], "changes": [made]}


def test_what_is_so_is_no_difference():
    assert tool.differences(report(), cluster()) == []


@pytest.mark.parametrize(("change", "said"), [
    ({"fields": [{"path": PATH, "after": '["other"]'}]}, "says"), ({"summary": "roll deployment/api back to revision 4"}, "revision 4"),
    ({"at": "2026-01-02T10:05:00Z"}, "was written at"), ({"target": "shop/deployment/gone"}, "not there"),
    ({"fields": [{"path": "spec.template.spec.containers[app].env[POOL]", "after": None}]}, "'50'"),
])
def test_what_is_not_so_is_named(change, said):
    [line] = tool.differences(report(**change), cluster())
    assert said in line


def test_a_service_that_is_not_there_is_named():
    told = report()
    told["affected"].append({"service": "deployment/invented"})
    assert tool.differences(told, cluster()) == ["deployment/invented is in the report and not in the cluster"]


def test_a_field_that_was_changed_again_has_the_newer_value():
    told = report()
    first = {**told["changes"][0], "at": "2026-01-02T09:00:00Z", "fields": [{"path": PATH, "after": '["before"]'}]}
    told["changes"] = [first, {**told["changes"][0], "number": 2}]
    assert tool.differences(told, cluster()) == []
