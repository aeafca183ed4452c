# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console shows of a run: pure text, no Ansible."""

from __future__ import annotations

import dataclasses
import os
import textwrap
import typing as t

Result = t.Mapping[str, t.Any]

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"
_GOOD_OUTCOMES = {"healthy", "mitigated", "changed", "restored", "planned", "unchanged"}
_BAD_OUTCOMES = {"not_mitigated", "failed", "unreachable"}
#: outcomes of single steps that say nothing about the whole run
_STEP_OUTCOMES = {"changed", "unchanged", "planned"}


@dataclasses.dataclass(frozen=True)
class Line:
    """One line, and how it is meant."""

    text: str
    mood: str = PLAIN


@dataclasses.dataclass
class HostRun:
    """What happened on one cluster.

    :param seconds: time spent in each phase, in the order of the phases.
    """

    name: str
    phase: str = ""
    outcome: str = ""
    incident_id: str = ""
    report: str = ""
    evidence_dir: str = ""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    changed: list[str] = dataclasses.field(default_factory=list)
    planned: list[str] = dataclasses.field(default_factory=list)
    evidence: list[str] = dataclasses.field(default_factory=list)
    next_steps: list[str] = dataclasses.field(default_factory=list)
    temporary: bool = False
    said: set[str] = dataclasses.field(default_factory=set)

    @property
    def left_traces(self) -> bool:
        """Whether there is an incident to speak of, and not just a look."""
        return bool(self.changed or self.evidence or self.report)

    def take(self, result: Result, phase: str, seconds: float) -> None:
        """Remember what the end of the run will tell."""
        if phase:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
        outcome = result.get("outcome", "")
        if outcome and (outcome not in _STEP_OUTCOMES or not self.outcome):
            self.outcome = outcome
        for name in ("incident_id", "report", "evidence_dir"):
            setattr(self, name, result.get(name) or getattr(self, name))
        self.evidence += result.get("evidence") or []
        self.next_steps = list(result.get("next_steps") or self.next_steps)
        if result.get("changed"):
            self.changed += [item["summary"] for item in result.get("plan", ())] + list(result.get("restored", ()))
            self.temporary = self.temporary or any(item["temporary"] for item in result.get("plan", ()))
        elif result.get("outcome") == "planned":
            self.planned = [item["summary"] for item in result.get("plan", ())]


def phase_of(task_name: str) -> str:
    """The phase that a task's name begins with, empty for plumbing: ``Detect | Measure`` -> ``detect``."""
    head, separator, _rest = task_name.rpartition(" : ")[2].partition(" | ")
    return head.strip().lower() if separator else ""


def said_lines(result: Result) -> list[Line]:
    """What a module says, each line marked."""
    breached = result.get("outcome") in ("breached", "not_mitigated")
    mark, mood = ("!", WARN) if breached else ("+", GOOD) if result.get("changed") else ("·", PLAIN)
    return [Line(f"{mark} {text}", mood) for text in result.get("says") or ()]


def failure_lines(message: str, width: int) -> list[Line]:
    """An error as one wrapped paragraph."""
    return [Line(("✗ " if number == 0 else "  ") + text, BAD)
            for number, text in enumerate(textwrap.wrap(message, max(40, width - 8)) or ["failed"])]


def summary_lines(host: HostRun, check_mode: bool, width: int) -> list[Line]:
    """The end of the run for one cluster."""
    outcome = ("check mode, nothing was changed" if check_mode else host.outcome.replace("_", " ")) or "done"
    incident = f" · incident {host.incident_id}" if host.incident_id and host.left_traces else ""
    title = f"{host.name}: {outcome}{incident}"
    mood = BAD if host.outcome in _BAD_OUTCOMES else GOOD if host.outcome in _GOOD_OUTCOMES else WARN
    lines = [Line(f"── {title} " + "─" * max(2, width - len(title) - 4), mood)]
    rows = [("would change" if check_mode else "changed", host.planned if check_mode else host.changed or ["nothing"]),
            ("evidence", [f"{host.evidence_dir or _directory(host.evidence)} ({len(host.evidence)} files)"]
             if host.evidence else []),
            ("report", [host.report] if host.report else []),
            ("time", [" · ".join(f"{phase} {seconds:.1f} s" for phase, seconds in host.seconds.items())]),
            ("next", host.next_steps + _clean_up(host))]
    for label, values in rows:
        for number, value in enumerate(value for value in values if value):
            lines += _row(label if number == 0 else "", value, width)
    return lines


def interrupted_lines(hosts: t.Iterable[HostRun], width: int) -> list[Line]:
    """What to do after a run that was broken off."""
    lines = [Line("── interrupted " + "─" * max(2, width - 16), WARN)]
    for host in hosts:
        if host.incident_id:
            lines += _row(host.name, f"continue with the same command and -e incident_id={host.incident_id}; what was captured "
                                     "is kept, and what was changed is in the ledger", width)
    return lines


def plain_ascii(text: str) -> str:
    """For terminals that know no more."""
    return text.translate(str.maketrans({"─": "-", "·": "-", "✗": "x", "…": "...", "▸": ">", "×": "x"}))


def _clean_up(host: HostRun) -> list[str]:
    if not host.temporary:
        return []
    return [f"take the temporary changes back: ansible-playbook incident/clear_temporary_fixes.yml "
            f"-e incident_id={host.incident_id}"]


def _directory(files: t.Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(file) for file in files])


def _row(label: str, value: str, width: int) -> list[Line]:
    wrapped = textwrap.wrap(value, max(40, width - 17), break_long_words=False, break_on_hyphens=False)
    return [Line(f"   {label if number == 0 else '':<13} {text}") for number, text in enumerate(wrapped)]
