# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a container whose JVM cannot be reached, and what is not started in it."""

from __future__ import annotations

import types

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._room import BESIDE, INSIDE, MIB, TIGHT, Entry

POD = {"metadata": {"namespace": "shop", "name": "a"}, "spec": {"containers": [{"name": "app"}]}}
CLUSTER = types.SimpleNamespace(name="prod")
JVM, JCMD = "jvm 1 /jdk/bin/java\n", "tool jcmd /jdk/bin/jcmd\n"


def room(mib):
    return f"room {512 * MIB} {(512 - mib) * MIB} inactive_file 0\n"


class Containers:
    """What the containers print, None for one without a shell, and which were entered."""

    def __init__(self, monkeypatch, **prints):
        self.entered = []

        def run(_cluster, container, _argv, *_rest):
            self.entered.append(container.name)
            text = prints[container.name]
            return ExecResult(126 if text is None else 0, (text or "").encode(), "")

        monkeypatch.setattr(_jvm._exec, "run", run)
        monkeypatch.setattr(_jvm._debug, "attach", lambda *_arguments: Container("shop", "a", "debug"))


def found(image="", entry=None):
    return _jvm.find(CLUSTER, POD, "app", image, entry or Entry("a", INSIDE))


@pytest.mark.parametrize("app, words", [
    (None, "has no shell"), (JVM, r"has no JDK tools \(jcmd\)"), ("tool gzip /bin/gzip\n", "runs no JVM"), (room(300), "runs no JVM"),
    (room(20) + JVM + JCMD, "only 20.0 MiB left of 512.0 MiB: not entered with jcmd")])
def test_each_reason_is_its_own_and_names_the_variable(monkeypatch, app, words):
    Containers(monkeypatch, app=app)
    with pytest.raises(RunbookError, match=f"(?s){words}.*memory_leak_allow_missing_evidence"):
        found()


def test_no_debug_container_is_started_where_there_is_no_jvm(monkeypatch):
    containers = Containers(monkeypatch, app="tool gzip /bin/gzip\n")
    with pytest.raises(RunbookError, match="runs no JVM"):
        found("jdk")
    assert containers.entered == ["app"]


@pytest.mark.parametrize("debug, words", [("", "sees no JVM"), (None, "no shell with jcmd"), (JVM, "no shell with jcmd")])
def test_what_the_debug_container_lacks(monkeypatch, debug, words):
    Containers(monkeypatch, app=None, debug=debug)
    with pytest.raises(RunbookError, match=words):
        found("jdk")


@pytest.mark.parametrize("app, image, entry, entered", [
    (room(300) + JVM + JCMD, "", Entry("a", INSIDE), ["app"]),
    (JVM + JCMD, "jdk", Entry("a", BESIDE), ["debug"]),
    (None, "jdk", Entry("a", INSIDE), ["app", "debug"]),
    (JVM, "jdk", Entry("a", INSIDE), ["app", "debug"]),
])
def test_what_is_entered(monkeypatch, app, image, entry, entered):
    containers = Containers(monkeypatch, app=app, debug=JVM + JCMD)
    assert found(image, entry).pid == 1 and containers.entered == entered


def test_what_may_not_be_entered_is_not(monkeypatch):
    containers = Containers(monkeypatch, app=JVM + JCMD, debug=JVM + JCMD)
    with pytest.raises(RunbookError, match="a: only 20 MiB left"):
        found("jdk", Entry("a", "", why_not="a: only 20 MiB left"))
    assert containers.entered == []


def test_the_last_ready_pod_wants_more_room(monkeypatch):
    Containers(monkeypatch, app=room(40) + JVM + JCMD)
    assert found().pid == 1
    with pytest.raises(RunbookError, match="no other pod is ready"):
        found(entry=Entry("a", INSIDE, floor=TIGHT))


@pytest.mark.parametrize("left, spare, floor, image, entered", [
    (20, 0, 24, "jdk", ["app"]), (20, 200, 24, "jdk", ["app", "debug"]), (20, 3, 24, "jdk", ["app"]), (20, 4, 24, "jdk", ["app", "debug"]),
    (40, 200, 64, "jdk", ["app", "debug"]), (300, 200, 24, "jdk", ["app"])])
def test_a_container_that_says_itself_that_it_is_tight_is_looked_into_from_beside_where_the_pod_has_room(monkeypatch, left, spare, floor, image, entered):
    containers = Containers(monkeypatch, app=room(left) + JVM + JCMD, debug=JVM + JCMD)
    entry = Entry("a", INSIDE, floor=floor * MIB, spare=spare * MIB)
    if left + spare >= floor:
        assert found(image, entry).via.name == entered[-1]
    else:
        with pytest.raises(RunbookError, match="not entered with jcmd"):
            found(image, entry)
    assert containers.entered == entered
