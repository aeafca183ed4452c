# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long steps took in earlier runs, from the output of Ansible's callback profile_tasks."""

from __future__ import annotations

import collections
import dataclasses
import re
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._text_file import TextFile
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import Step, Time

_SPENT = re.compile(r"(?P<task>\S.*?) -{2,} +(?P<seconds>\d+(?:\.\d+)?)s\s*$")


def measured(paths: t.Sequence[str]) -> dict[str, list[float]]:
    """Seconds of each task by its name without the role, one for each run in which it is listed.

    :raises InvalidInput: a file cannot be read.
    """
    found: dict[str, list[float]] = collections.defaultdict(list)
    for path in paths:
        for line in TextFile(path):
            spent = _SPENT.match(line.strip())
            if spent:
                found[_plain(spent["task"])].append(float(spent["seconds"]))
    return dict(found)


def timed(steps: t.Sequence[Step], runs: t.Mapping[str, t.Sequence[float]]) -> tuple[Step, ...]:
    """The steps, with what was measured where that is known."""
    return tuple(_timed(step, runs.get(_plain(step.title))) for step in steps)


def _timed(step: Step, seconds: t.Sequence[float] | None) -> Step:
    if not seconds:
        return step
    high = statistics.quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    runs = "1 run" if len(seconds) == 1 else f"{len(seconds)} runs"
    return dataclasses.replace(step, act=dataclasses.replace(step.act, time=Time(statistics.median(seconds), high, f"measured in {runs}")))


def _plain(task: str) -> str:
    return task.rpartition(" : ")[2].strip()
