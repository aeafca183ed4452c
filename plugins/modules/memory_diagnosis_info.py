#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_diagnosis_info
short_description: Find the cause of a memory incident among candidates
version_added: 0.1.0
description:
  - Weighs what was measured for and against each known cause - a leak, a limit that is too small, memory outside the
    heap - and names the mitigation that fits the likeliest. Works on results of earlier tasks; asks no cluster.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
options:
  pods:
    description: The C(pods) of M(sre.runbooks.memory_signals_info).
    type: list
    elements: dict
    required: true
  first:
    description: The C(histograms) of M(sre.runbooks.heap_histogram_info), taken first.
    type: list
    elements: dict
    default: []
  second:
    description: The same, taken some seconds later.
    type: list
    elements: dict
    default: []
  at:
    description: When O(pods) were read (ISO 8601), so that a container that had only started is not taken for one that has warmed up.
    type: str
  growth_floor:
    description: Bytes by which live objects must grow between two histograms to count.
    type: int
    default: 1048576
  growth_floor_share:
    description: The same as a share of the heap's maximum.
    type: float
    default: 0.002
  age_floor_share:
    description: How much more the oldest container must hold in old objects than the youngest, as a share of the heap's maximum, to count.
    type: float
    default: 0.1
  warm_up_seconds:
    description: Seconds for which a container that has started says nothing about growth.
    type: float
    default: 60.0
"""

EXAMPLES = r"""
- name: analyse | Find the cause
  sre.runbooks.memory_diagnosis_info:
    pods: "{{ signals.pods }}"
    at: "{{ signals.at }}"
    first: "{{ histogram_1.histograms }}"
    second: "{{ histogram_2.histograms }}"
"""

RETURN = r"""
cause:
  description: The likeliest cause, V(leak), V(limit_too_small), V(native_memory) or V(undetermined).
  type: str
  returned: success
recommendation:
  description: The mitigation that fits, V(restart) or V(resources); empty when no cause stands out.
  type: str
  returned: success
candidates:
  description: Every cause, the likeliest first, with name, title, evidence_for, evidence_against and score.
  type: list
  elements: dict
  returned: success
growth:
  description: The classes that grew most, with name, grown_bytes, grown_instances, bytes, per_second and pod.
  type: list
  elements: dict
  returned: success
tables:
  description: Figures for the report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
fixes:
  description: What would prevent it for good.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person, with what was measured but counts for nothing.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table, diagnosis_result
from ansible_collections.sre.runbooks.plugins.module_utils._memory._diagnosis import (
    Floors,
    Growth,
    diagnose,
    growth_between,
    seconds_between,
)
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "pods": {"type": "list", "elements": "dict", "required": True},
    "first": {"type": "list", "elements": "dict", "default": []},
    "second": {"type": "list", "elements": "dict", "default": []},
    "at": {"type": "str"},
    "growth_floor": {"type": "int", "default": 1048576},
    "growth_floor_share": {"type": "float", "default": 0.002},
    "age_floor_share": {"type": "float", "default": 0.1},
    "warm_up_seconds": {"type": "float", "default": 60.0},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    p = task.params
    growths = _growths(p["first"], p["second"])
    floors = Floors(p["growth_floor"], p["growth_floor_share"], p["age_floor_share"], p["warm_up_seconds"])
    diagnosis = diagnose(p["pods"], growths, floors, p["at"])
    rows = sorted(({**row, "pod": growth.pod} for growth in growths for row in growth.classes), key=lambda row: -row["grown_bytes"])
    table = Table("Growing classes", ("class", "objects", "grown", "now", "pod"),
                  [(f"`{row['name']}`", f"+{row['grown_instances']}", f"+{size(row['grown_bytes'])}", size(row["bytes"]),
                    row["pod"]) for row in rows[:10]])
    found = diagnosis_result(diagnosis.candidates, [table])
    return {**found, "growth": rows, "says": found["says"] + diagnosis.notes}


def _growths(first: list[dict[str, t.Any]], second: list[dict[str, t.Any]]) -> list[Growth]:
    """What each pod's two histograms show, where both are of the same life of its container."""
    before = {histogram["pod"]: histogram for histogram in first}
    return [_growth(before[now["pod"]], now) for now in second
            if now["pod"] in before and before[now["pod"]].get("started_at") == now.get("started_at")]


def _growth(earlier: dict[str, t.Any], now: dict[str, t.Any]) -> Growth:
    seconds, started_at = seconds_between(earlier["at"], now["at"]), earlier.get("started_at")
    return Growth(now["pod"], seconds, seconds_between(started_at, earlier["at"]) if started_at else None, now["bytes"] - earlier["bytes"],
                  now["bytes"], growth_between(_by_name(earlier), _by_name(now), seconds))


def _by_name(histogram: dict[str, t.Any]) -> dict[str, t.Any]:
    return {row["name"]: row for row in histogram["classes"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
