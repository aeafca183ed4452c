# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field paths and the guarded patches that they turn into."""

from __future__ import annotations

import jsonpatch
import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._change import _fields

DEPLOYMENT = {
    "spec": {"template": {"metadata": {"labels": {"app": "api"}},
                          "spec": {"containers": [{"name": "sidecar"},
                                                  {"name": "api", "env": [{"name": "A", "value": "1"}],
                                                   "resources": {"limits": {"memory": "512Mi"}}}]}}}}
LIMIT = "spec.template.spec.containers[name=api].resources.limits.memory"
REQUEST = "spec.template.spec.containers[name=api].resources.requests.memory"
ANNOTATION = 'spec.template.metadata.annotations["example.org/restart"]'


def applied(document, path, value):
    return jsonpatch.apply_patch(document, _fields.write(document, path, value))


@pytest.mark.parametrize("path, value", [
    (LIMIT, "512Mi"), (REQUEST, None), (ANNOTATION, None),
    ("spec.template.spec.containers[name=api].env[name=A].value", "1"),
    ("spec.template.spec.containers[name=gone].env", None),
])
def test_read(path, value):
    assert _fields.read(DEPLOYMENT, path) == value


@pytest.mark.parametrize("path, value", [
    (LIMIT, "1Gi"), (REQUEST, "256Mi"), (ANNOTATION, "INC-1"),
    ("spec.template.spec.containers[name=api].env[name=B]", {"name": "B", "value": "2"}),
])
def test_write_then_read_back_and_restore(path, value):
    before = _fields.read(DEPLOYMENT, path)
    changed = applied(DEPLOYMENT, path, value)
    assert _fields.read(changed, path) == value
    assert _fields.read(applied(changed, path, before), path) == before


def test_write_is_refused_when_the_field_changed_meanwhile():
    operations = _fields.write(DEPLOYMENT, LIMIT, "1Gi")
    elsewhere = applied(DEPLOYMENT, LIMIT, "768Mi")
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(elsewhere, operations)


def test_write_is_refused_when_an_absent_field_appeared_meanwhile():
    operations = _fields.write(DEPLOYMENT, REQUEST, "256Mi")
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(applied(DEPLOYMENT, REQUEST, "1Mi"), operations)


def test_write_is_refused_when_the_containers_were_reordered():
    operations = _fields.write(DEPLOYMENT, LIMIT, "1Gi")
    containers = DEPLOYMENT["spec"]["template"]["spec"]["containers"]
    reordered = {"spec": {"template": {"metadata": {}, "spec": {"containers": containers[::-1]}}}}
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPointerException)):
        jsonpatch.apply_patch(reordered, operations)


def test_removing_what_is_absent_is_nothing():
    assert _fields.write(DEPLOYMENT, ANNOTATION, None) == []


def test_bad_path():
    with pytest.raises(ValueError, match="bad field path"):
        _fields.parse("spec.[x")


@pytest.mark.parametrize("keys", [("data", "KEY"), ("metadata", "annotations", "example.org/x"), ("data", "a.b", "c")])
def test_join_makes_what_parse_reads(keys):
    assert _fields.parse(_fields.join(*keys)) == list(keys)


def test_leaves_are_what_read_finds():
    document = {"data": {"a.b": "1"}, "spec": {"list": [1, 2], "empty": {}, "deep": {"x": True}}}
    found = dict(_fields.leaves(document))
    assert found == {path: _fields.read(document, path) for path in found}
    assert list(found.values()) == ["1", [1, 2], {}, True]


def test_an_item_that_is_added_carries_its_key():
    path = "spec.template.spec.containers[name=api].env[name=B].value"
    assert _fields.read(applied(DEPLOYMENT, path, "2"), path) == "2"
