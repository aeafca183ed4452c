# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods can bear to be looked into, and how."""

from __future__ import annotations

import math

import pytest
from fake_api import container, deployment
from fake_api import pod as running

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Usage
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm, _room
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._room import BESIDE, INSIDE, MIB, Room

FREE, UNKNOWN = math.inf, None


def room(name="a", left=300.0, pod_left=-1.0, ready=True):
    """In MiB; the pod's room is the container's, unless it is said."""
    sizes = [amount if amount is None else amount * MIB for amount in (left, left if pod_left == -1.0 else pod_left)]
    return Room(name, ready, 512.0 * MIB, *sizes)


@pytest.mark.parametrize("left, pod_left, image, way, alone", [
    (300, -1, "", INSIDE, False),
    (300, -1, "jdk", INSIDE, False),
    (40, -1, "", INSIDE, True),
    (20, -1, "", "", False),
    (-5, -1, "", "", False),
    # One container: the pod's limit is the container's, and an ephemeral container counts against it too.
    (20, -1, "jdk", "", False),
    # A sidecar's room, or a container without a limit: the pod can bear what the container cannot.
    (20, 200, "jdk", BESIDE, False),
    (20, FREE, "jdk", BESIDE, False),
    (20, 40, "jdk", BESIDE, True),
    (40, 200, "jdk", BESIDE, False),
    (20, 200, "", "", False),
    (300, 20, "jdk", "", False),
    # No limit at all, and no metrics at all.
    (FREE, FREE, "", INSIDE, False),
    (UNKNOWN, UNKNOWN, "", INSIDE, True),
    (UNKNOWN, UNKNOWN, "jdk", INSIDE, True),
    (20, UNKNOWN, "", "", False),
    (300, UNKNOWN, "", INSIDE, True),
])
def test_how_a_pod_is_entered(left, pod_left, image, way, alone):
    entry = _room.entries([room("a", left, pod_left), room("b")], image)[0]
    assert (entry.way, entry.alone) == (way, alone)
    assert bool(entry.why_not) == (not way)


@pytest.mark.parametrize("left, pod_left, image, spare", [
    (300, 500, "jdk", 200), (300, FREE, "jdk", FREE), (300, -1, "jdk", 0), (300, 500, "", 0), (UNKNOWN, 500, "jdk", 0), (FREE, FREE, "jdk", 0),
    (300, 280, "jdk", 0)])
def test_what_an_ephemeral_container_has_more_than_the_container(left, pod_left, image, spare):
    assert _room.entries([room("a", left, pod_left), room("b")], image)[0].spare == spare * MIB


@pytest.mark.parametrize("others, left, way", [
    ([room("b")], 40, INSIDE), ([], 40, ""), ([room("b", ready=False)], 40, ""), ([], 300, INSIDE), ([], UNKNOWN, INSIDE)])
def test_the_last_ready_pod_is_not_entered_when_it_is_tight(others, left, way):
    entry = _room.entries([room("a", left), *others], "")[0]
    assert entry.way == way
    assert way or "no other pod is ready" in entry.why_not


@pytest.mark.parametrize("left", range(-8, 24))
@pytest.mark.parametrize("image", ["", "jdk"])
@pytest.mark.parametrize("others", [[], [room("b")]])
def test_no_pod_within_20_mib_of_its_limit_is_entered(left, image, others):
    assert not _room.entries([room("a", left), *others], image)[0].way


@pytest.mark.parametrize("pod_left, image, words", [
    (200, "", "memory_leak_debug_image"), (-1, "", "the same limit"), (-1, "jdk", "the same limit")])
def test_the_reason_names_the_room_and_the_way_that_is_left(pod_left, image, words):
    why = _room.entries([room("a", 20, pod_left), room("b")], image)[0].why_not
    assert "only 20.0 MiB left of 512.0 MiB: not entered" in why and words in why


def used(**containers):
    return {("a", name): Usage("2026-11-28T01:00:00Z", amount * MIB, 0.1) for name, amount in containers.items()}


@pytest.mark.parametrize("containers, usage, limits, left, pod_left", [
    ([container("app", "512Mi")], used(app=492), {}, 20, 20),
    ([container("app", "512Mi"), container("proxy", "256Mi")], used(app=492, proxy=56), {}, 20, 220),
    ([container("app", "512Mi"), {"name": "proxy", "image": "p"}], used(app=492, proxy=56), {}, 20, FREE),
    ([container("app", "512Mi"), container("proxy", "256Mi")], used(app=492), {}, 20, UNKNOWN),
    ([{"name": "app", "image": "i"}], {}, {}, FREE, FREE),
    ([{"name": "app", "image": "i"}], used(app=1000), {"memory": "1Gi"}, FREE, 24),
    ([container("app", "512Mi")], {}, {}, UNKNOWN, UNKNOWN),
])
def test_the_room_of_a_pod(containers, usage, limits, left, pod_left):
    workload = deployment(containers=containers)
    pod = running("a", workload)
    if limits:
        pod["spec"]["resources"] = {"limits": limits}
    found = _room.of_pod(pod, "app", usage)
    assert [found.left, found.pod_left] == [amount if amount is None else amount * MIB for amount in (left, pod_left)]


V2 = "room 536870912 524288000 inactive_file 10485760\n"
V1 = "room 536870912 524288000 total_inactive_file 10485760\n"


@pytest.mark.parametrize("text, left", [
    (V2, 22 * MIB), (V1, 22 * MIB), ("room max 524288000 inactive_file 0\n", FREE), ("room 9223372036854771712 5 total_inactive_file 0\n", FREE),
    ("", UNKNOWN), ("room 536870912\n", UNKNOWN), ("room  524288000 inactive_file 5\n", UNKNOWN)])
def test_the_room_by_the_containers_own_cgroup(text, left):
    assert _jvm.parse_probe(Container("shop", "a", "app"), text + "jvm 1 /java\n", "").left == left


def test_a_jcmd_is_small_whatever_the_environment_tells_the_application():
    jvm = _jvm.parse_probe(Container("shop", "a", "app"), "jvm 1 /java\ntool jcmd /jdk/bin/jcmd\n", "").jvm
    command = jvm.command("GC.heap_info")
    assert {"-J-Xms2m", "-J-Xmx16m"} < set(command) and command[-2:] == ["1", "GC.heap_info"]
