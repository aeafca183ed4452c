# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a pod that is full enough, and the patch that lets a JVM dump its heap by itself."""

from __future__ import annotations

import json
import shlex

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _fresh
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _next_dump

NOW = "2026-11-28T01:00:30Z"


def pod(share, started_at="2026-11-28T01:00:00Z", name="a", **said):
    return {"pod": name, "usage": share * 100, "limit": 100, "started_at": started_at, "evicted_at": None, "leaving": False, "ready": True, **said}


def watch(*readings, most=100.0):
    """Each reading in turn, the last one again and again."""
    left, told = list(readings), []
    watched = _fresh.watch(lambda: (NOW, left.pop(0) if len(left) > 1 else left[0]), 60.0, most, 0.0, told.append)
    return watched, len(told)


@pytest.mark.parametrize("readings, found, looks", [
    ([[pod(0.2)], [pod(0.4)], [pod(0.7)]], "a", 2),
    ([[pod(0.2, started_at="2026-11-28T00:00:00Z")]], "a", 0),  # not fresh: at once
    ([[pod(0.7)]], "a", 0),
    ([[pod(0.2), pod(0.3, name="b", started_at="2026-11-28T00:00:00Z")]], "b", 0),
    ([[pod(0.2)], [pod(0.2, ready=False)]], "", 1),  # nobody is served: no time to wait
    ([[pod(0.2)], []], "", 1),
    ([[pod(0.9, leaving=True), pod(0.1, name="b")], [pod(0.65, name="b")]], "b", 1),
])
def test_what_ends_the_watch(readings, found, looks):
    watched, told = watch(*readings)
    assert (watched.pod, told) == (found, looks)


def test_the_watch_is_bounded_and_says_how_far_it_came():
    watched, _told = watch([pod(0.2)], [pod(0.4)], most=0.0)
    assert not watched.pod and "the fullest pod, a, is at 20% of its limit" in watched.says


def workload(**container):
    return {"metadata": {"name": "api"}, "spec": {"template": {"spec": {"containers": [{"name": "app", **container}]}}}}


@pytest.mark.parametrize("container, options", [
    ({}, "-XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath=/dumps"),
    ({"resources": {"limits": {"memory": "1Gi"}}}, "-XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath=/dumps -Xmx716m"),
    ({"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-Xmx448m"}], "resources": {"limits": {"memory": "384Mi"}}},
     "-Xmx448m -XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath=/dumps -Xmx268m"),
    ({"env": [{"name": "JAVA_TOOL_OPTIONS", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]}, None),
    ({"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-Dpassword=hunter2secret"}]}, None)])
def test_the_patch_adds_to_the_options_that_are_there_and_shows_no_secret(container, options):
    command = _next_dump.command(Target("shop", "Deployment", "api"), workload(**container), "app")
    if options is None:
        assert command == ""
        return
    words = shlex.split(command)
    assert words[:5] == ["kubectl", "-n", "shop", "patch", "deployment/api"]
    spec = json.loads(words[-1])["spec"]["template"]["spec"]
    assert spec["containers"][0]["env"] == [{"name": "JAVA_TOOL_OPTIONS", "value": options}]
    assert spec["volumes"] == [{"name": "heap-dumps", "emptyDir": {}}] and spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/dumps"
