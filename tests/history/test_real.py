# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus with a week of made-up samples: what the module asks is what it understands."""

from __future__ import annotations

import time
import typing as t

import pytest
import services
from services import LIMIT, Service, service

from ansible_collections.sre.runbooks.plugins.module_utils._history import _promql, _table
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import signal_history_info

#: workload -> its memory over a week
SHOP = {
    "leaking": service("leaking", 5, leak=0.07, daily=0.1, base=0.25), "busy": service("busy", 5, daily=0.4),
    "teeth": service("teeth", 5, sawtooth=0.4, period_hours=5), "restarting": service("restarting", 5, leak=0.4, base=0.4),
    "full": service("full", 5, base=0.95, noise=0.001)}


def exposition(shop: t.Mapping[str, Service]) -> t.Iterator[str]:
    """OpenMetrics, as promtool takes it: a metric after the other."""
    moved = time.time() // services.STEP * services.STEP - list(shop.values())[0].points[-1][0]
    yield "# TYPE container_memory_working_set_bytes gauge\n"
    for name, one in shop.items():
        for at, value in one.points:
            yield f'container_memory_working_set_bytes{{{labels(name)},image="x"}} {value:.0f} {at + moved:.0f}\n'
    yield "# TYPE kube_pod_container_resource_limits gauge\n"
    for name, one in shop.items():
        for at, _value in one.points:
            yield f'kube_pod_container_resource_limits{{{labels(name)},resource="memory",unit="byte"}} {LIMIT:.0f} {at + moved:.0f}\n'
    yield "# TYPE container_start_time_seconds gauge\n"
    for name, one in shop.items():
        for at, _value in one.points:
            yield f"container_start_time_seconds{{{labels(name)}}} {max(start for start in one.starts if start <= at) + moved:.0f} {at + moved:.0f}\n"
    yield "# TYPE db_connections_active gauge\n"
    for number in range(50_000):
        yield f'db_connections_active{{{labels("many", number)},pool="p{number}"}} 1 {time.time() - 60:.0f}\n'
    yield "# TYPE db_connections_max gauge\n"
    for number in range(50_000):
        yield f'db_connections_max{{{labels("many", number)},pool="p{number}"}} 2 {time.time() - 60:.0f}\n'
    yield "# EOF\n"


def labels(workload: str, number: int = 0) -> str:
    pod = f"{workload}-6f7c9b8d5-{'bcdfg'[number % 5]}{number // 5:04d}"
    return f'namespace="shop",pod="{pod}",container="{workload}"'


@pytest.fixture(scope="module", name="prometheus")
def prometheus_fixture(serving):
    return serving(exposition(SHOP))


def ask(prometheus: str, workload: str, incident_type: str = "memory_leak") -> dict:
    params = {name: option.get("default") for name, option in signal_history_info.ARGUMENT_SPEC.items()}
    params |= {"prometheus": {"url": prometheus, "timeout": 60}, "incident_type": incident_type, "namespace": "shop", "workload": workload,
               "host": "http://127.0.0.1:1"}
    return attempt(signal_history_info.ARGUMENT_SPEC, signal_history_info.run, Task(params), 0)


def grows(found: dict) -> list[dict]:
    return [signal for signal in found["signals"] if signal["name"] == "memory_days_to_limit" and signal["breached"]]


def test_a_leak_is_found_and_what_is_none_is_not(prometheus):
    found = {name: ask(prometheus, name) for name in SHOP}
    told = "\n".join(f"{name}: {one['says']} {one['history'][0]['growth']}" for name, one in found.items())
    assert {name for name in found if grows(found[name])} == {"leaking", "restarting"}, told
    assert found["leaking"]["outcome"] == "breached" and "at every hour alike" in grows(found["leaking"])[0]["text"]
    assert any(line.startswith(f"history: 7 days of {prometheus}") for line in found["busy"]["says"])


def test_since_when_and_what_is_usual(prometheus):
    row = next(row for row in ask(prometheus, "full")["history"] if row["name"] == "memory_near_limit")
    assert row["now"] == pytest.approx(0.95, abs=0.01) and row["since"] and row["usual"]["days"] >= 6
    busy = next(row for row in ask(prometheus, "busy")["history"] if row["name"] == "memory_near_limit")
    assert busy["since"] is None and busy["usual"]["low"] == pytest.approx(busy["now"], abs=0.1)


def test_a_workload_that_it_does_not_know(prometheus):
    assert "no series of deployment/absent in shop" in ask(prometheus, "absent")["says"][0]
    assert "no series" in ask(prometheus, "statefulset/leaking")["says"][0], "its pods are called otherwise"


def test_fifty_thousand_series_are_refused_with_their_number(prometheus):
    found = ask(prometheus, "many", "db_pool_exhaustion")
    assert "50000 series match, 500 is the most that is read" in found["says"][0]


@pytest.mark.parametrize("incident_type", sorted({row.incident_type for row in _table.ROWS}))
def test_every_expression_is_one_that_prometheus_takes(prometheus, incident_type):
    assert "parse error" not in str(ask(prometheus, "busy", incident_type)["says"])
    assert all(row["why_not"] == "" for row in ask(prometheus, "busy", incident_type)["history"])
    assert _promql.measured(_table.of(incident_type)[0], _promql.EVERYWHERE)
