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
"""

EXAMPLES = r"""
- name: analyse | Find the cause
  sre.runbooks.memory_diagnosis_info:
    pods: "{{ signals.pods }}"
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
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table, diagnosis_result
from ansible_collections.sre.runbooks.plugins.module_utils._memory._diagnosis import diagnose, growth_between
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task, run_module

ARGUMENT_SPEC = {
    "pods": {"type": "list", "elements": "dict", "required": True},
    "first": {"type": "list", "elements": "dict", "default": []},
    "second": {"type": "list", "elements": "dict", "default": []},
}


def run(task: Task) -> Result:
    """Weigh the evidence."""
    growth = _growth(task.params["first"], task.params["second"])
    candidates = diagnose(task.params["pods"], growth)
    table = Table("Growing classes", ("class", "objects", "grown", "now", "pod"),
                  [(f"`{row['name']}`", f"+{row['grown_instances']}", f"+{size(row['grown_bytes'])}", size(row["bytes"]),
                    row["pod"]) for row in growth[:10]])
    return {**diagnosis_result(candidates, [table]), "growth": growth}


def _growth(first: list[dict[str, t.Any]], second: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    before = {histogram["pod"]: histogram for histogram in first}
    rows = []
    for histogram in second:
        earlier = before.get(histogram["pod"])
        if earlier:
            rows += [{**row, "pod": histogram["pod"]} for row in growth_between(
                _by_name(earlier), _by_name(histogram), _seconds(earlier["at"], histogram["at"]))]
    return sorted(rows, key=lambda row: -row["grown_bytes"])


def _by_name(histogram: dict[str, t.Any]) -> dict[str, t.Any]:
    return {row["name"]: row for row in histogram["classes"]}


def _seconds(earlier: str, later: str) -> float:
    return (_moment(later) - _moment(earlier)).total_seconds()


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
