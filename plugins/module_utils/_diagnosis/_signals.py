# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals: measured conditions with a threshold, and measuring them until they are clear."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task

MITIGATED, NOT_MITIGATED, UNKNOWN = "mitigated", "not_mitigated", "unknown"

#: readings of one measuring that are kept, and characters of a signal's text
MOST_READINGS, LONGEST_TEXT = 60, 300

#: options of every module that measures signals
SIGNALS_SPEC: dict[str, dict[str, t.Any]] = {
    "until_clear": {"type": "bool", "default": False},
    "breached_before": {"type": "list", "elements": "str", "default": []},
    "sustained": {"type": "float", "default": 20.0},
    "timeout": {"type": "float", "default": 180.0},
    "interval": {"type": "float", "default": 4.0},
}


@dataclasses.dataclass(frozen=True)
class Signal:
    """One measured condition.

    :param name: stable identifier, such as ``oom_killed``.
    :param value: what was measured, None where it could not be.
    :param threshold: what it is compared with.
    :param breached: whether the condition holds.
    :param text: value and threshold for a person.
    :param pods: the pods that it is about.
    """

    name: str
    value: float | None
    threshold: float
    breached: bool
    text: str
    pods: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """As module results show it."""
        return {**dataclasses.asdict(self), "pods": list(self.pods)}


@dataclasses.dataclass(frozen=True)
class Reading:
    """All signals of one moment.

    :param complete: whether enough could be measured to call the target healthy.
    :param pods: what was read of each pod.
    :param facts: what else was read.
    :param incomplete_because: what could not be measured, when not complete.
    :param for_good: whether what is breached cannot clear any more, however long it is measured.
    """

    at: str
    signals: tuple[Signal, ...]
    complete: bool
    pods: tuple[Json, ...] = ()
    facts: Json = dataclasses.field(default_factory=dict)
    incomplete_because: str = "not every pod could be measured (no metrics port, no metrics API, or not running yet)"
    for_good: bool = False

    @property
    def breached(self) -> tuple[Signal, ...]:
        """The signals over their threshold."""
        return tuple(signal for signal in self.signals if signal.breached)

    @property
    def clear(self) -> bool:
        """Everything measured, and nothing over its threshold."""
        return self.complete and not self.breached


def signals_result(task: Task, measure: t.Callable[[bool], Reading]) -> Result:
    """What a module that measures signals returns: one reading, or with ``until_clear`` the last of many.

    :param measure: takes a reading; its argument says whether it is one of many, right after a change.
    """
    p = task.params
    readings: list[Json] = []

    def measured(again: bool) -> Reading:
        reading = measure(again)
        readings.append({"at": reading.at, "signals": [_kept(signal) for signal in reading.signals]})
        return reading

    if p["until_clear"]:
        outcome, reading = until_clear(lambda: measured(True), p["sustained"], p["timeout"], p["interval"], task.progress,
                                       p["breached_before"])
    else:
        reading = measured(False)
        outcome = "breached" if reading.breached else "healthy" if reading.complete else "unknown"
    return {"outcome": outcome, "at": reading.at, "signals": [signal.to_json() for signal in reading.signals],
            "pods": list(reading.pods), "facts": reading.facts, "readings": _thinned(readings), "says": says(reading, outcome)}


def _kept(signal: Signal) -> Json:
    """What the record of an incident keeps of a signal."""
    return {"name": signal.name, "value": signal.value, "threshold": signal.threshold, "breached": signal.breached, "text": signal.text[:LONGEST_TEXT]}


def _thinned(readings: list[Json]) -> list[Json]:
    """The first, the last, and evenly chosen ones between."""
    step = -(-len(readings) // MOST_READINGS)
    return readings[:-1:step] + readings[-1:] if readings else []


def until_clear(measure: t.Callable[[], Reading], sustained: float, timeout: float, interval: float,
                tell: t.Callable[[str], None], must: t.Collection[str] = ()) -> tuple[str, Reading]:
    """Measure until the signals have been clear for a sustained window, cannot clear any more, or the time is up.

    :param sustained: seconds without a breach that count as mitigated.
    :param timeout: seconds after which the last reading decides.
    :param interval: seconds between readings.
    :param must: signals that must have been measured in that window: what was breached and is not measured now is not clear.
    :returns: the outcome and the last reading; what was clear for too short a time is not mitigated, and not unknown.
    """
    started, clear_since = time.monotonic(), None
    missing = set(must)
    while True:
        reading, moment = measure(), time.monotonic()
        clear_since = (clear_since or moment) if reading.clear else None
        missing = (missing if reading.clear else set(must)) - {signal.name for signal in reading.signals if signal.value is not None}
        if reading.clear and missing:
            reading = dataclasses.replace(reading, complete=False, incomplete_because=f"not measured since the change: {', '.join(sorted(missing))}")
        elif clear_since is not None and moment - clear_since >= sustained:
            return MITIGATED, reading
        if moment - started >= timeout or (reading.breached and reading.for_good):
            return (NOT_MITIGATED if reading.breached or reading.complete else UNKNOWN), reading
        tell(_standing(reading, clear_since and moment - clear_since, sustained))
        time.sleep(interval)


def _standing(reading: Reading, clear_for: float | None, sustained: float) -> str:
    if reading.breached:
        return "still breached: " + "; ".join(signal.text for signal in reading.breached)
    if clear_for is None or not reading.complete:
        return reading.incomplete_because
    return f"clear for {clear_for:.0f} of {sustained:.0f} s"


def _with_pods(signal: Signal) -> str:
    """A signal and its pods, those left out that its text names already."""
    others = [pod for pod in signal.pods if pod not in signal.text]
    also = ": " if len(others) == len(signal.pods) else "; also "
    return f"{signal.text}{also}{', '.join(others)}" if others else signal.text


def says(reading: Reading, outcome: str) -> list[str]:
    """A reading in lines for a person."""
    if reading.breached:
        return [_with_pods(signal) for signal in reading.breached]
    lines = [signal.text for signal in reading.signals]
    if outcome == "healthy":
        lines.append("nothing is over its threshold: no incident, nothing to change")
    if outcome == "unknown":
        lines.append(reading.incomplete_because)
    return lines
