# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of memory, from readings of pods and histograms, and the cause that the role's table makes of them."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts as sheets
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _growth
from ansible_collections.sre.runbooks.plugins.module_utils._memory._facts import Measured, facts, tables

ROOT = pathlib.Path(__file__).resolve().parents[5]
TABLE = yaml.safe_load((ROOT / "roles" / "memory_leak" / "files" / "causes.yml").read_text())
RULES = _rules.load([TABLE])
MIB = 1 << 20
STARTED, LATER, AT = "2026-11-23T03:00:00Z", "2026-11-23T03:20:00Z", "2026-11-23T05:00:00Z"
SPLIT = {"old_max": None, "metaspace": None, "code_cache": None, "classes": None, "direct": None, "mapped": None, "threads": None, "requests": None,
         "heap_committed": None, "rss": None}


def pod(name="a", **said):
    return {"pod": name, "container": "app", "ready": True, "restarts": 0, "started_at": STARTED, "ooms": [], "other_ooms": [], "waiting": "",
            "evicted_at": None, "evicted_because": "", "limit": 512 * MIB, "usage": 330 * MIB, "old_used": 100 * MIB, "heap_used": 150 * MIB,
            "heap_max": 400 * MIB, "gc_seconds": 1.0, "read_at": 0.0, "runtime": "JVM", "why_not": "", **SPLIT, **said}


def again(name="a", **said):
    return pod(name, read_at=10.0, **said)


def histogram(seconds=0, mib=200.0, name="shop.Note", pod="a", started_at=STARTED, **memory):
    return {"pod": pod, "at": f"2026-11-23T05:00:{seconds:02d}Z", "started_at": started_at, "bytes": int(mib * MIB), "memory": memory,
            "classes": [{"name": name, "instances": int(mib * 100), "bytes": int(mib * MIB)}]}


def grew(mib, **said):
    """Two histograms, five seconds apart."""
    return {"first": [histogram(**said)], "second": [histogram(5, 200.0 + mib, **said)]}


def measured(pods, **rest):
    return Measured("shop", "api", pods, rest.pop("at", AT), "2026-11-23T04:00:00Z", **rest)


def known(pods, **rest):
    return {fact["name"]: fact["value"] for fact in facts(measured(pods, **rest)).to_json() if fact["known"]}


def diagnosed(pods, **rest):
    return _verdict.diagnose(RULES, sheets.parse(facts(measured(pods, **rest)).to_json()))


def test_growth_between_histograms():
    first = {"shop.Note": {"instances": 10, "bytes": 1000}, "java.lang.String": {"instances": 5, "bytes": 100}}
    second = {"shop.Note": {"instances": 30, "bytes": 3000}, "java.lang.String": {"instances": 4, "bytes": 120}}
    rows = _growth.between(first, second, 4.0)
    assert [(row["name"], row["grown_instances"], row["per_second"]) for row in rows] == [("shop.Note", 20, 500.0)]


@pytest.mark.parametrize("pods, rest, cause", [
    ([pod()], grew(10), "leak"),
    ([pod(heap_max=640 * MIB)], grew(10), "leak"),
    ([pod(heap_max=None)], grew(10), "leak"),
    ([pod(old_used=330 * MIB, heap_max=640 * MIB), pod("b", old_used=320 * MIB, heap_max=640 * MIB, started_at=LATER)], {}, "limit_too_small"),
    # Native memory: more than the heap has taken of the system.
    ([pod(usage=450 * MIB, rss=450 * MIB, heap_committed=120 * MIB, old_used=40 * MIB)], {}, "native_memory"),
    ([pod(usage=450 * MIB, rss=450 * MIB, heap_committed=400 * MIB, old_used=40 * MIB)], {}, "undetermined"),
    # Direct buffers: the heap is flat, but for some classes of the JDK.
    ([pod(direct=50 * MIB)], {**grew(0.01, name="java.util.HashMap$Node"), "later": [again(direct=70 * MIB)]}, "direct_buffers"),
    ([pod(threads=50.0)], {"later": [again(threads=90.0)]}, "threads"),
    ([pod(metaspace=50 * MIB, classes=9000.0)], {"later": [again(metaspace=60 * MIB, classes=9900.0)]}, "class_loaders"),
    # What leaks was not asked for while the histograms were taken.
    ([pod(old_used=300 * MIB, heap_max=640 * MIB), pod("b", old_used=10 * MIB, heap_max=640 * MIB, started_at=LATER)], grew(0.05), "leak"),
    # Noise: bytes of everyday work, in a small heap and in a large one.
    ([pod()], grew(0.044), "undetermined"),
    ([pod(heap_max=32 << 30, limit=64 << 30)], grew(20), "undetermined"),
    ([pod(old_used=3 * MIB), pod("b", old_used=1 * MIB, started_at=LATER)], {}, "undetermined"),
    # A storm of collections without growth.
    ([pod(old_used=380 * MIB)], {**grew(0), "later": [again(old_used=380 * MIB, gc_seconds=6.0)]}, "gc_storm"),
    # A process without a JVM.
    ([pod(rss=200 * MIB, runtime="Go", old_used=None, heap_used=None, heap_max=None)], {"later": [again(rss=220 * MIB, runtime="Go")]}, "process_grows"),
    ([pod(runtime="", old_used=None, heap_used=None, heap_max=None)],
     {"later": [again(usage=350 * MIB, runtime="")], "why_not": "pod shop/a container app runs no JVM (no process called java)"}, "process_grows"),
    ([pod(old_used=None, heap_used=None, heap_max=None, usage=None, limit=None)], {}, "undetermined"),
    ([], {}, "undetermined"),
])
def test_the_cause_that_the_facts_make(pods, rest, cause):
    assert diagnosed(pods, **rest)["cause"] == cause


def test_a_container_that_has_only_started_says_nothing_of_growth_unless_it_is_full():
    fresh = {"at": "2026-11-23T03:00:20Z", **grew(20)}
    assert "live_grown" not in known([pod(usage=100 * MIB)], **fresh)
    assert known([pod(usage=100 * MIB)], **fresh)["all_fresh"]
    assert known([pod(usage=450 * MIB)], **fresh)["live_grown"] == 20 * MIB


@pytest.mark.parametrize("mib, known_", [(200, False), (450, True)])
def test_what_grew_while_a_container_warmed_up_counts_only_where_it_has_filled_it(mib, known_):
    rest = {"began": "2026-11-23T03:00:10Z", "at": "2026-11-23T03:03:00Z", "later": [again(usage=mib * MIB)], **grew(20)}
    assert ("live_grown" in known([pod(usage=100 * MIB)], **rest)) is known_


def test_of_two_lives_of_a_container_nothing_is_compared():
    rest = {"first": [histogram()], "second": [histogram(5, 220, started_at=AT)], "later": [again(restarts=1, direct=90 * MIB)]}
    assert not {"live_grown", "direct_grown"} & set(known([pod(direct=10 * MIB)], **rest))


def test_one_pod_without_a_histogram_costs_its_own_only():
    rest = {"first": [histogram(pod="b"), histogram(pod="lost")], "second": [histogram(5, 210, pod="b")]}
    assert diagnosed([pod(), pod("b")], **rest)["cause"] == "leak"


@pytest.mark.parametrize("memory, share", [
    ({"anon": 300 * MIB, "file": 10 * MIB, "heap_committed": 100 * MIB}, 2 / 3), ({"anon": 300 * MIB}, None), ({}, None)])
def test_without_a_metrics_port_the_look_into_the_pod_tells_the_split(memory, share):
    blind = pod(old_used=None, heap_used=None, heap_max=None, runtime="")
    assert known([blind], first=[histogram(**memory)]).get("outside_share") == (pytest.approx(share) if share else None)


@pytest.mark.parametrize("before, after, grown", [
    ((290, 300, 280), (320, 300, 280), 10),  # at most 10 of it lay outside before
    ((290, 300, 200), (330, 300, 290), -60),  # the heap may have touched all of it only since
    ((290, 200, 200), (390, 200, 200), 100),
])
def test_growth_outside_the_heap_is_what_the_heap_cannot_explain(before, after, grown):
    def look(seconds, figures):
        return histogram(seconds, **{name: amount * MIB for name, amount in zip(("anon", "heap_committed", "heap_used"), figures, strict=True)})
    assert known([pod()], first=[look(0, before)], second=[look(5, after)])["outside_grown"] == grown * MIB


def revision(before, after, created_at="2026-11-23T04:50:00Z", container="app"):
    return {"revision": 3, "created_at": created_at, "changes": [
        {"path": f"spec.containers[{container}].resources.limits.memory", "before": before, "after": after}]}


@pytest.mark.parametrize("revisions, lowered", [
    ([revision("512Mi", "384Mi")], True), ([revision("1Gi", "512Mi")], True), ([revision(None, "384Mi")], True), ([revision("384Mi", "0.5Gi")], False),
    ([revision("512Mi", "384Mi", container="proxy")], False), ([revision("512Mi", None)], False),
    ([revision("512Mi", "384Mi"), revision("384Mi", "385Mi")], False)])
def test_a_lowered_limit_is_that_of_the_container_in_the_wanted_revision(revisions, lowered):
    assert known([pod()], revisions=revisions)["limit_lowered"] is lowered


def uses(*rows):
    """Revisions of (first use, last use, limit before, limit after), minutes of an hour."""
    return [{**revision(before, after, created_at=f"2026-11-23T04:{first:02d}:00Z"), "begun_at": f"2026-11-23T04:{last:02d}:00Z"}
            for first, last, before, after in rows]


@pytest.mark.parametrize("revisions, lowered", [
    (uses((30, 30, "384Mi", "1Gi"), (0, 40, "1Gi", "384Mi")), False),  # raised for ten minutes, and the earlier revision is used again
    (uses((0, 0, "1Gi", "384Mi"), (30, 30, "384Mi", "1024Mi"), (35, 35, "1Gi", "384Mi")), False),  # likewise, with a template of its own
    (uses((5, 5, "384Mi", "1Gi"), (0, 40, "1Gi", "384Mi")), True),  # the higher one had become usual
    (uses((0, 0, "128Mi", "384Mi"), (30, 30, "384Mi", "128Mi")), True),
    (uses((10, 10, "384Mi", "92Mi"), (0, 12, "92Mi", "384Mi"), (10, 50, "384Mi", "92Mi")), True),  # lowered for the second time
])
def test_a_passing_rise_that_was_taken_back_is_no_lowered_limit(revisions, lowered):
    assert known([pod()], revisions=revisions)["limit_lowered"] is lowered


@pytest.mark.parametrize("beside, container", [([], ""), ([("proxy", "2026-11-23T04:55:00Z")], "proxy"), ([("proxy", "2026-11-23T03:00:00Z")], "")])
def test_the_lowered_limit_of_a_container_beside_it_counts_where_that_is_killed(beside, container):
    found = known([pod(other_ooms=beside)], revisions=[revision("128Mi", "24Mi", container="proxy"), {**revision("a", "b"), "changes": []}])
    assert (found["limit_lowered"], found["limit_container"]) == (bool(container), container)


@pytest.mark.parametrize("young, was", [
    ({"limit": 92 * MIB, "limit_range": True}, "384Mi"), ({"limit": 384 * MIB, "limit_range": True}, ""), ({"limit": 92 * MIB}, "")])
def test_a_limit_of_the_namespace_was_lowered_where_younger_pods_have_less(young, was):
    old = pod("old", limit=384 * MIB, limit_range=True, created_at="2026-11-23T01:00:00Z")
    found = known([old, pod("young", created_at="2026-11-23T04:50:00Z", **young)], revisions=[])
    assert found["limit_was"] == was
    if was:
        assert (found["limit_is"], found["limit_age"], found["limit_container"]) == ("92Mi", 600.0, "app")


def test_a_limit_that_came_back_with_a_revision_that_is_used_again_is_as_old_as_that():
    again_used = {**revision("512Mi", "384Mi", created_at="2026-11-01T00:00:00Z"), "begun_at": "2026-11-23T04:59:00Z"}
    assert known([pod()], revisions=[again_used])["limit_age"] == 60.0


@pytest.mark.parametrize("sample, grown", [("2026-11-23T05:00:10Z", True), ("2026-11-23T05:00:00Z", False)])
def test_one_sample_of_the_metrics_api_seen_twice_tells_nothing_of_growth(sample, grown):
    found = known([pod(usage_at="2026-11-23T05:00:00Z")], later=[again(usage=350 * MIB, usage_at=sample)])
    assert ("process_grown" in found) is grown


def test_when_it_is_full_again_is_told_from_the_start_of_a_container():
    found = known([pod(direct=10 * MIB, usage=192 * MIB, started_at="2026-11-23T04:58:20Z")], later=[
        again(direct=20 * MIB, usage=192 * MIB, started_at="2026-11-23T04:58:20Z")])
    assert (found["growth_rate"], found["full_again_in"]) == (MIB, pytest.approx(512 - (192 - 100)))


def test_a_look_into_a_process_that_is_no_jvm_tells_what_grew_and_who_made_it():
    looks = [[{"pod": "a", "started_at": STARTED, "at": f"2026-11-23T05:00:{at:02d}Z", "memory": {"anon": anon * MIB}, "site": "main.keep",
               "holds": 60 * MIB, "live": 64 * MIB}] for at, anon in ((0, 200), (5, 220))]
    blind = pod(runtime="Go", old_used=None, heap_used=None, heap_max=None)
    assert known([blind], looks=tuple(looks))["process_grown"] == 20 * MIB
    found = diagnosed([blind], looks=tuple(looks))
    assert found["cause"] == "process_grows" and "main.keep made 60.0 MiB of 64.0 MiB that live" in " ".join(found["says"])


def test_a_limit_that_has_just_been_lowered_is_put_back():
    found = diagnosed([pod(ooms=["2026-11-23T04:55:00Z"])], revisions=[revision("512Mi", "384Mi")], **grew(0))
    assert (found["cause"], found["mitigation"]["values"]) == ("limit_lowered", {"limit": "512Mi", "container": "app"})


@pytest.mark.parametrize("line, kind", [
    ("java.lang.OutOfMemoryError: Metaspace", "metaspace"), ("java.lang.OutOfMemoryError: Compressed class space", "metaspace"),
    ("java.lang.OutOfMemoryError: Cannot reserve 8388608 bytes of direct buffer memory (allocated: 1)", "direct"),
    ("java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory", "threads"),
    ("java.lang.OutOfMemoryError: GC overhead limit exceeded", "gc"), ("java.lang.OutOfMemoryError: Java heap space", "heap"), ("all is well", "")])
def test_what_the_jvm_ran_out_of(line, kind):
    pattern = {"template": line, "examples": [], "last_seen": "2026-11-23T04:30:00Z"}
    assert known([pod()], patterns=[pattern])["memory_error"] == kind
    assert known([pod()], patterns=[{**pattern, "last_seen": "2026-11-23T03:30:00Z"}])["memory_error"] == ""  # of an earlier incident


def test_load_is_told_from_the_rate_since_the_containers_started():
    found = known([pod(requests=7200.0)], later=[again(requests=7230.0)])
    assert (found["requests"], found["requests_usual"]) == (3.0, 1.0)
    assert "requests_usual" not in known([pod(requests=7200.0)], later=[again(requests=7230.0)], at="2026-11-23T03:05:00Z")


def test_after_a_kill_the_old_pods_beside_the_fresh_one_show_the_leak_although_the_heap_may_outgrow_the_limit():
    said = {"limit": 384 * MIB, "heap_max": 433 * MIB, "usage": 330 * MIB, "old_used": 220 * MIB, "heap_used": 230 * MIB}
    fresh = {**said, "usage": 150 * MIB, "old_used": 25 * MIB, "heap_used": 30 * MIB, "ooms": [LATER], "restarts": 1, "started_at": LATER}
    found = diagnosed([pod("a", **said), pod("b", **said), pod("c", **fresh)], at="2026-11-23T03:20:08Z", **grew(0.02))
    assert (found["cause"], found["recommendation"]) == ("leak", "restart")


def test_the_limit_that_is_quoted_is_that_of_the_pod_that_it_is_about():
    calm = pod("calm", heap_max=900 * MIB, limit=1024 * MIB, usage=100 * MIB)
    tight = pod("tight", heap_max=640 * MIB, limit=512 * MIB, usage=500 * MIB)
    found = next(one for one in diagnosed([calm, tight])["candidates"] if one["name"] == "limit_too_small")
    assert "the heap of tight may grow to 640.0 MiB under a limit of 512.0 MiB" in found["evidence_for"][0]


@pytest.mark.parametrize("pods, rest", [([], {}), ([pod()], {}), ([pod(), pod("b", evicted_at=AT)], grew(1))])
def test_every_declared_fact_is_said_to_be_known_or_why_not(pods, rest):
    said = {fact["name"]: fact for fact in facts(measured(pods, **rest)).to_json()}
    assert {item["name"] for item in TABLE["facts"]} <= set(said)
    assert all(fact["because"] for fact in said.values() if not fact["known"])


def test_tables_show_what_is_not_known_as_such():
    pods_table, classes = tables(measured([pod(usage=None)], **grew(10)))
    assert pods_table.rows[0][:3] == ("a", "?", "512.0 MiB") and classes.rows[0][0] == "`shop.Note`"
