# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory signals, from readings of pods."""

from __future__ import annotations

import datetime

import pytest
from fake_api import FakeApi, container, deployment, serving
from fake_api import pod as running

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Series, Usage
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._memory import _signals

MIB = 1 << 20


def pod(name="a", **facts):
    return {"pod": name, "leaving": False, "ready": True, "restarts": 0, "started_at": "2026-11-23T03:00:00Z", "ooms": [],
            "evicted_at": None, "limit": 512 * MIB, "usage": 200 * MIB, "old_used": 100 * MIB,
            "heap_used": 150 * MIB, "heap_max": 400 * MIB, "gc_seconds": 1.0, "read_at": 0.0, **facts}


def breached(signals):
    return {signal.name for signal in signals if signal.breached}


@pytest.mark.parametrize("facts, names", [
    ({}, set()),
    ({"ooms": ["2026-11-23T03:30:00Z"]}, {"oom_killed"}),
    ({"ooms": ["2026-11-23T01:00:00Z"]}, set()),
    ({"evicted_at": "2026-11-23T03:30:00Z"}, {"evicted"}),
    ({"usage": 480 * MIB}, {"memory_near_limit"}),
    ({"old_used": 350 * MIB}, {"heap_full"}),
    ({"usage": None, "limit": None, "heap_max": None}, set()),
])
def test_instant_signals(facts, names):
    assert breached(_signals.instant_signals([pod(**facts)], _signals.Thresholds(), "2026-11-23T03:00:00Z")) == names


@pytest.mark.parametrize("later, names", [
    ({"old_used": 110 * MIB}, {"memory_growth"}),
    ({"old_used": 101 * MIB}, set()),
    ({"old_used": 110 * MIB, "restarts": 1}, set()),
    ({"usage": 210 * MIB}, {"memory_growth"}),  # the heap is flat
    ({"usage": 210 * MIB, "usage_at": "2026-11-23T03:00:00Z"}, set()),  # the sample that was there before
    ({"direct": 50 * MIB}, {"memory_growth"}),  # the usage is not sampled anew yet
    ({"gc_seconds": 3.0}, {"gc_pauses"}),
    ({"gc_seconds": 1.5}, set()),
])
def test_trend_signals(later, names):
    first = pod(usage_at="2026-11-23T03:00:00Z", direct=40 * MIB)
    signals = _signals.trend_signals([first], [{**first, "read_at": 10.0, "usage_at": "2026-11-23T03:00:10Z", **later}], _signals.Thresholds())
    assert breached(signals) == names


@pytest.mark.parametrize("sampled_at, used", [("2026-11-23T03:00:05Z", 5.0), ("2026-11-23T02:59:55Z", None)])
def test_a_sample_from_before_the_restart_is_not_the_usage_of_now(sampled_at, used):
    assert _signals.current_usage(Usage(sampled_at, 5.0, 0.1), "2026-11-23T03:00:00Z") == used


def test_minutes_to_limit_is_what_is_left_over_the_rate():
    assert _signals.minutes_to_limit(pod(), pod(old_used=110 * MIB, read_at=10.0), 0.01) == pytest.approx(290 / 60)


def test_samples_take_the_first_series_with_a_value():
    text = ('# TYPE jvm_memory_used_bytes gauge\njvm_memory_used_bytes{area="heap",id="Tenured Gen"} 5\n'
            'jvm_memory_used_bytes{area="heap",id="Eden Space"} 7\njvm_memory_used_bytes{area="nonheap",id="x"} 9\n')
    samples = Samples(text)
    assert samples.sum(Series.parse('jvm_memory_used_bytes{area="heap"}')) == 12
    assert samples.first([Series.parse("absent"), Series.parse('jvm_memory_used_bytes{id=~".*(Old|Tenured).*"}')]) == 5
    assert samples.first([Series.parse("absent")]) is None


@pytest.mark.parametrize("facts, ended", [
    ({}, False), ({"ooms": ["2026-11-23T03:30:00Z"]}, True), ({"ooms": ["2026-11-23T02:30:00Z"]}, False), ({"usage": 500 * MIB}, False),
    ({"evicted_at": "2026-11-23T03:30:00Z"}, True), ({"ooms": ["2026-11-23T03:30:00Z"], "leaving": True}, False)])
def test_a_kill_since_the_change_does_not_become_untrue_by_waiting(facts, ended):
    assert _signals._ended([pod("b"), pod(**facts)], "2026-11-23T03:00:00Z") is ended


@pytest.mark.parametrize(("status", "expected"), [
    ({"phase": "Running", "startTime": "2026-11-23T01:00:00Z"}, None),
    ({"reason": "Evicted", "startTime": "2026-11-23T01:00:00Z"}, "2026-11-23T01:00:00Z"),
    ({"reason": "Evicted", "startTime": "2026-11-23T01:00:00Z", "conditions": [
        {"type": "PodScheduled", "lastTransitionTime": "2026-11-23T01:00:00Z"}, {"type": "Ready", "lastTransitionTime": "2026-11-23T03:00:09Z"}]},
     "2026-11-23T03:00:09Z")])
def test_an_eviction_is_dated_when_it_happened_not_when_the_pod_began(status, expected):
    assert _signals.evicted_at({"metadata": {"creationTimestamp": "2026-11-23T00:59:00Z"}, "status": status}) == expected


def micrometer(**pools):
    """Used and maximum of each pool of the heap, in MiB; -1 for no bound."""
    return "".join(f'jvm_memory_{what}_bytes{{area="heap",id="{name.replace("_", " ")}"}} {value if value < 0 else value * MIB}\n'
                   for name, values in pools.items() for what, value in zip(("used", "max"), values, strict=True))


def client_java(form, **pools):
    return "".join(f'jvm_memory_pool_{form.format(what)}{{pool="{name.replace("_", " ")}"}} {value if value < 0 else value * MIB}\n'
                   for name, values in pools.items() for what, value in zip(("used", "max"), values, strict=True))


def heap(text):
    series = {concept: [Series.parse(one) for one in texts] for concept, texts in _signals.series_of({}).items()}
    return _signals._heap(Samples(text), series)


@pytest.mark.parametrize("text, old, room, most", [
    (micrometer(Eden_Space=(10, 70), Survivor_Space=(0, 9), Tenured_Gen=(179, 179)), 179, 179, 258),
    (micrometer(PS_Eden_Space=(10, 70), PS_Survivor_Space=(0, 9), PS_Old_Gen=(100, 179)), 100, 179, 258),
    (micrometer(G1_Eden_Space=(10, -1), G1_Survivor_Space=(0, -1), G1_Old_Gen=(100, 256)), 100, 256, 256),
    (micrometer(Par_Eden_Space=(10, 70), CMS_Old_Gen=(100, 179)), 100, 179, 249),
    (micrometer(ZHeap=(100, 256)), 100, 256, 256),
    (micrometer(ZGC_Young_Generation=(20, 256), ZGC_Old_Generation=(100, 256)), 100, 256, 256),
    (micrometer(Shenandoah=(100, 256)), 100, 256, 256),
    (micrometer(Shenandoah_Young_Gen=(20, 256), Shenandoah_Old_Gen=(100, 256)), 100, 256, 256),
    (micrometer(Epsilon_Heap=(100, 256)), 100, 256, 256),
    (client_java("{}_bytes", Eden_Space=(10, 70), Tenured_Gen=(100, 179)), 100, 179, None),
    (client_java("bytes_{}", Eden_Space=(10, 70), Tenured_Gen=(100, 179)), 100, 179, None),
])
def test_old_objects_against_the_room_that_they_have(text, old, room, most):
    found = heap(text)
    assert (found["old_used"], found["old_max"]) == (old * MIB, room * MIB)
    assert found["heap_max"] == (most and most * MIB) and found["runtime"] == "JVM"


def test_a_full_old_generation_is_a_full_heap_whatever_the_young_one_leaves():
    full = pod(**heap(micrometer(Eden_Space=(10, 70), Survivor_Space=(0, 9), Tenured_Gen=(179, 179))))
    assert breached(_signals.instant_signals([full], _signals.Thresholds(), "2026")) == {"heap_full"}


@pytest.mark.parametrize("text, runtime, rss, gc", [
    ("go_gc_duration_seconds_sum 2\ngo_memstats_heap_inuse_bytes 5\nprocess_resident_memory_bytes 9\n", "Go", 9, 2),
    ('nodejs_gc_duration_seconds_sum{kind="major"} 1\nnodejs_gc_duration_seconds_sum{kind="minor"} 1\nprocess_resident_memory_bytes 9\n', "Node.js", 9, 2),
    ("python_gc_collections_total 5\nprocess_resident_memory_bytes 9\n", "Python", 9, None),
    ("dotnet_gc_pause_time_seconds_total 2\ndotnet_process_memory_working_set_bytes 9\n", ".NET", 9, 2)])
def test_other_runtimes(text, runtime, rss, gc):
    found = heap(text)
    assert (found["runtime"], found["rss"], found["gc_seconds"], found["old_used"]) == (runtime, rss, gc, None)


@pytest.mark.parametrize("label", ["jvm_gc_collection_seconds_sum{gc=", "jvm_gc_duration_seconds_sum{jvm_gc_name="])
def test_what_a_collector_does_beside_the_application_is_no_pause(label):
    seconds = {"ZGC Cycles": 9, "ZGC Pauses": 1, "ZGC Major Cycles": 9, "Shenandoah Cycles": 9, "G1 Concurrent GC": 9, "G1 Young Generation": 1}
    assert heap("".join(f'{label}"{name}"}} {value}\n' for name, value in seconds.items()))["gc_seconds"] == 2


def measure(api, name=None, since="2026-11-28T00:00:00Z", port=0):
    source = _signals.Source(Target("shop", "Deployment", "checkout"), name, port, "/metrics", _signals.series_of({}))
    return _signals.measure(api.cluster, source, _signals.Thresholds(), since, 0)


def usage_of(**containers):
    return {"kind": "PodMetrics", "metadata": {"name": "a", "namespace": "shop", "labels": {"app": "checkout"}}, "timestamp": "2026-11-28T01:00:00Z",
            "containers": [{"name": name, "usage": {"memory": amount, "cpu": "1m"}} for name, amount in containers.items()]}


def killed(item, position, at="2026-11-28T00:30:00Z"):
    item["status"]["containerStatuses"][position].update(
        restartCount=3, lastState={"terminated": {"reason": "OOMKilled", "finishedAt": at, "exitCode": 137}})
    return item


def test_the_container_that_was_killed_is_judged_and_not_the_sidecar_before_it():
    workload = deployment(containers=[container("proxy", "64Mi"), container("app", "1Gi")])
    with serving() as api:
        api.add(workload, killed(running("a", workload), 1), usage_of(proxy="4Mi", app="1000Mi"))
        reading = measure(api)
        assert {"oom_killed", "memory_near_limit"} == {signal.name for signal in reading.breached}
        assert "container app in a" in measure(api, "proxy").signals[0].text and not measure(api, "proxy").breached


def test_who_names_no_container_is_told_of_a_kill_beside_the_one_that_is_looked_at():
    workload = deployment(containers=[container("checkout", "1Gi"), container("proxy", "64Mi")])
    with serving() as api:
        api.add(workload, killed(running("a", workload), 1), usage_of(checkout="100Mi", proxy="4Mi"))
        reading = measure(api)
        assert [signal.name for signal in reading.breached] == ["oom_killed"] and "killed beside it: container proxy in a" in reading.signals[0].text
        assert not measure(api, "checkout").breached


@pytest.mark.parametrize("said, ranged", [
    ("LimitRanger plugin set: memory request for container app; memory limit for container app", True),
    ("LimitRanger plugin set: memory limit for container app", True), ("LimitRanger plugin set: cpu limit for container app", False),
    ("LimitRanger plugin set: memory limit for container application", False), ("LimitRanger plugin set: memory request for container app", False)])
def test_whose_wish_a_limit_is(said, ranged):
    assert _signals._limited_by_range({"metadata": {"annotations": {"kubernetes.io/limit-ranger": said}}}, "app") is ranged


@pytest.mark.parametrize("reason, seconds", [("OOMKilled", 90.0), ("Error", None)])
def test_how_long_a_container_lived_before_it_was_killed(reason, seconds):
    end = {"reason": reason, "startedAt": "2026-11-28T01:00:00Z", "finishedAt": "2026-11-28T01:01:30Z"}
    assert _signals._lived({"lastState": {"terminated": end}, "state": {"running": {}}}) == seconds


def test_a_limit_of_the_whole_pod_counts_what_the_whole_pod_uses():
    workload = deployment(containers=[{"name": "checkout", "image": "i"}, {"name": "proxy", "image": "p"}])
    workload["spec"]["template"]["spec"]["resources"] = {"limits": {"memory": "1Gi"}}
    with serving() as api:
        api.add(workload, running("a", workload), usage_of(proxy="500Mi", checkout="500Mi"))
        assert [signal.name for signal in measure(api).breached] == ["memory_near_limit"]


@pytest.mark.parametrize("limit, used, page, complete, why", [
    ("512Mi", "100Mi", None, True, ""), ("512Mi", None, None, False, "how much memory a uses"),
    ("512Mi", None, "process_resident_memory_bytes 5e8\n", True, ""), (None, "100Mi", None, False, "no memory limit"),
    (None, None, micrometer(Tenured_Gen=(10, 179)), True, "")])
def test_a_run_whose_leading_signals_are_unknown_is_not_healthy(limit, used, page, complete, why):
    workload = deployment(containers=[container("checkout", limit) if limit else {"name": "checkout", "image": "i"}])
    with serving(FakeApi(pages={"a:9090": page})) as api:
        api.add(workload, running("a", workload), *([usage_of(checkout=used)] if used else []))
        reading = measure(api, port="9090")
        assert reading.complete == complete
        assert reading.incomplete_because == "" if complete else why in reading.incomplete_because


def test_a_kill_after_the_change_counts_whatever_the_controllers_clock_says():
    workload = deployment()
    with serving(FakeApi(seconds_ahead=-180)) as api:  # the controller is three minutes ahead
        cluster = api.cluster
        changed = cluster.timestamp()
        after = cluster.now().replace(microsecond=0) + datetime.timedelta(seconds=30)
        api.add(workload, killed(running("a", workload), 0, after.strftime("%Y-%m-%dT%H:%M:%SZ")), usage_of(checkout="10Mi"))
        assert [signal.name for signal in measure(api, since=changed).breached] == ["oom_killed"]


@pytest.mark.parametrize("given, why", [({"old": "x"}, "series names old"), ({"old_used": "max(x)"}, "no series that can be read")])
def test_misspelt_series_are_refused(given, why):
    with pytest.raises(InvalidInput, match=why):
        _signals.series_of(given)
