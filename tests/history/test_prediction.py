# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions from 30 days of a real Prometheus, and the rules that come of them, by promtool."""

from __future__ import annotations

import pathlib
import subprocess
import time
import typing as t

import pytest
from services import LIMIT, service

from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import prediction

PROMTOOL = pathlib.Path(__file__).resolve().parents[2] / ".build" / "prometheus" / "usr" / "bin" / "promtool"

SHOP = {
    "leaking": service("leaking", 5, days=30, leak=0.02, leak_from=5, daily=0.1, base=0.3), "busy": service("busy", 5, days=30, daily=0.4, weekend=0.5),
    "teeth": service("teeth", 5, days=30, sawtooth=0.4, period_hours=20), "deployed": service("deployed", 5, days=30, daily=0.1, deploys=(6.0, 13.0, 20.0)),
    "gap": service("gap", 5, days=30, daily=0.2, gaps=((10, 12.5),))}


def exposition() -> t.Iterator[str]:
    moved = time.time() // 300 * 300 - SHOP["busy"].points[-1][0]
    yield "# TYPE memory gauge\n"
    for name, one in SHOP.items():
        for at, value in one.points:
            yield f'memory{{namespace="shop",service="{name}"}} {value / LIMIT:.6f} {at + moved:.0f}\n'
    yield "# EOF\n"


@pytest.fixture(scope="module", name="prometheus")
def prometheus_fixture(serving):
    return serving(exposition())


def test_only_the_leak_is_said_to_reach_its_limit_and_its_rule_is_one(prometheus, tmp_path):
    params = {name: option.get("default") for name, option in prediction.ARGUMENT_SPEC.items()}
    params |= {"prometheus": {"url": prometheus, "timeout": 60}, "dest": str(tmp_path), "series": [
        {"name": "memory in use", "query": "max by (service) (memory)", "limit": 1.0, "counter": False, "file": None},
        {"name": "no expression", "query": "max by (", "limit": 1.0, "counter": False, "file": None}]}
    found = attempt(prediction.ARGUMENT_SPEC, prediction.run, Task(params), 0)
    verdicts = {row["labels"]: row["verdict"] for row in found["series"]}
    assert {label for label, verdict in verdicts.items() if verdict == "reaches"} == {"service=leaking"}, found["says"]
    assert len(verdicts) == len(SHOP)
    assert any("no expression" in line and "parse error" in line for line in found["problems"])
    checked = subprocess.run([PROMTOOL, "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and "1 rules found" in checked.stdout, checked.stdout + checked.stderr
