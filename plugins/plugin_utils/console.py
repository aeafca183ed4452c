# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console shows of a run: pure text, no Ansible."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import textwrap
import typing as t

Result = t.Mapping[str, t.Any]

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"
_GOOD_OUTCOMES = {"healthy", "mitigated", "changed", "restored", "planned", "unchanged", ""}
_BAD_OUTCOMES = {"not_mitigated", "failed", "unreachable", "down"}
#: outcomes of single steps that say nothing about the whole run
_STEP_OUTCOMES = {"changed", "unchanged", "planned", "breached"}
#: the phase whose message tells other callbacks what the summary tells here
_CONCLUSION = "conclude"
_MOST_ROWS = 12
_COMMAND = "ansible-playbook"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line, and how it is meant."""

    text: str
    mood: str = PLAIN


@dataclasses.dataclass(frozen=True)
class Run:
    """What holds for every cluster of a run.

    :param seconds: since the start.
    :param width: columns of the terminal.
    :param many: more than one cluster is answered.
    :param inventory: the ``-i`` options of the command, for commands to come.
    """

    seconds: float
    width: int
    check_mode: bool = False
    many: bool = False
    inventory: str = ""


@dataclasses.dataclass
class HostRun:
    """What happened on one cluster.

    :param seconds: time spent in each phase, in the order of the phases.
    :param error: the last failure, as it was shown.
    :param judged: the verdict of a page of all clusters, which is the outcome of a run that only looks.
    :param stopped_in: the task that was under way when the run was broken off.
    """

    name: str
    outcome: str = ""
    incident_id: str = ""
    report: str = ""
    evidence_dir: str = ""
    error: str = ""
    judged: str = ""
    stopped_in: str = ""
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
        return bool(self.changed or self.planned or self.evidence or self.report)

    @property
    def mood(self) -> str:
        """How the outcome is meant."""
        return BAD if self.outcome in _BAD_OUTCOMES else GOOD if self.outcome in _GOOD_OUTCOMES else WARN

    def spend(self, phase: str, seconds: float) -> None:
        """Add to the time of a phase."""
        if phase:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def take(self, result: Result, title: str = "", check_mode: bool = False) -> None:
        """Remember what the end of the run will tell.

        :param title: what a change is called when the result does not say (modules of other collections).
        """
        outcome = result.get("outcome", "")
        if outcome and (outcome not in _STEP_OUTCOMES or self.outcome in _STEP_OUTCOMES or not self.outcome):
            self.outcome = outcome
        for name in ("incident_id", "report", "evidence_dir"):
            setattr(self, name, result.get(name) or getattr(self, name))
        self.evidence += [path for path in result.get("evidence") or () if path not in self.evidence]
        self.next_steps = list(result.get("next_steps") or self.next_steps)
        if result.get("changed") or outcome == "planned":
            self._take_changes(result, title, check_mode or outcome == "planned")

    def _take_changes(self, result: Result, title: str, only_planned: bool) -> None:
        plan, restored = result.get("plan") or (), result.get("restored") or ()
        names = [item["summary"] for item in plan] + [f"restored: {name}" for name in restored]
        names = names or ([title] if title else [])
        into = self.planned if only_planned else self.changed
        into += [name for name in names if name not in into]
        if only_planned:
            return
        if restored and not result.get("refused"):
            self.temporary = False
        self.temporary = self.temporary or any(item["temporary"] for item in plan)

    def fail(self, message: str, next_step: str) -> None:
        """Remember a failure that nobody has ignored."""
        self.error = message
        self.next_steps = [next_step] if next_step else self.next_steps

    def settle(self, failures: int, unreachable: int) -> None:
        """Take Ansible's own count as the last word: a failure that was rescued is none."""
        if unreachable:
            self.outcome = "unreachable"
        elif self.judged and not self.error:
            self.outcome = self.judged
        elif failures and self.outcome not in ("not_mitigated", "unknown"):
            self.outcome = "failed"


def phase_of(task_name: str) -> str:
    """The phase that a task's name begins with, empty for plumbing: ``Detect | Measure`` -> ``detect``."""
    phase = _head_of(task_name)
    return "" if phase == _CONCLUSION else phase


def is_conclusion(task_name: str) -> bool:
    """Whether a task tells other callbacks what the summary tells here."""
    return _head_of(task_name) == _CONCLUSION


def title_of(task_name: str) -> str:
    """A task's name without role and phase: ``role : detect | Measure`` -> ``Measure``."""
    return task_name.rpartition(" : ")[2].rpartition(" | ")[2].strip()


def header_line(phase: str, seconds: float) -> Line:
    """The beginning of a phase."""
    return Line(f"▸ {phase:<10} +{duration(seconds)}")


def said_lines(result: Result, check_mode: bool = False) -> list[Line]:
    """What a module says, each line marked."""
    warns = result.get("outcome") in ("breached", "contained", "inconsistent", "writing", "not_mitigated", "unknown", "refused", "cooldown")
    mark, mood = ("!", WARN) if warns else _changed_mark(check_mode) if result.get("changed") else ("·", PLAIN)
    return [Line(f"{mark} {text}", mood) for text in result.get("says") or ()]


def ok_lines(result: Result, title: str = "", check_mode: bool = False) -> list[Line]:
    """A task that went well, or whose failure the playbook takes as an answer.

    :param title: what a change is called when the result does not say, empty for the bookkeeping of this collection.
    """
    lines = said_lines(result, check_mode)
    if not lines and result.get("msg") and "next_step" in result:
        return [Line(f"! {message_of(result)}", WARN)]
    if not lines and result.get("changed") and title:
        mark, mood = _changed_mark(check_mode)
        return [Line(f"{mark} {title}", mood)]
    return lines


def message_of(result: Result) -> str:
    """The reason of a failure as one paragraph; commands add the end of what they printed."""
    message = str(result.get("msg") or result.get("censored") or "failed")
    message = re.sub(r"^((Task|Action|Module) failed: )+", "", message)
    if result.get("rc"):
        printed = str(result.get("stderr") or result.get("stdout") or result.get("module_stderr") or "")
        message = ": ".join(filter(None, [message, " / ".join(printed.strip().splitlines()[-3:])]))
    return " ".join(message.split())


def failure_line(message: str, ignored: bool = False) -> Line:
    """An error as one paragraph."""
    return Line(f"! {message} (ignored)", WARN) if ignored else Line(f"✗ {message}", BAD)


def wrapped(line: Line, prefix: str, width: int) -> list[Line]:
    """A marked line within the terminal: the prefix in front of each piece, continued below its text."""
    room = max(40, width - len(prefix) - 2)
    pieces = textwrap.wrap(line.text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [Line(prefix + piece, line.mood) for piece in pieces]


def page_lines(result: Result, width: int) -> list[Line]:
    """A page that speaks of all clusters; a line that may be broken says how far its rest is indented."""
    lines = []
    for line in result.get("page") or ():
        pieces = [line["text"]]
        if "hang" in line:
            pieces = textwrap.wrap(line["text"], max(60, width), subsequent_indent=" " * min(line["hang"], width // 2),
                                   break_long_words=False, break_on_hyphens=False)
        lines += [Line(piece, line["mood"]) for piece in pieces]
    return lines


def visible(text: str) -> list[str]:
    """The lines of a text that show something, not just a change of colour."""
    return [line for line in text.splitlines() if re.sub("\x1b\\[[0-9;]*m", "", line)]


def shortened(lines: t.Sequence[str], most: int) -> list[str]:
    """At most so many lines, and how many are missing."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"… {len(lines) - most} more lines, shown with -vvv"]


def summary(hosts: t.Sequence[HostRun], run: Run) -> list[Line]:
    """The end of the run: clusters without news in one line, then a block each, the worst last, then the count."""
    hosts = sorted(hosts, key=lambda host: ((GOOD, WARN, BAD).index(host.mood), _natural(host.name)))
    loud = [host for host in hosts if not run.many or _has_news(host)]
    outcomes: dict[str, list[HostRun]] = {}
    for host in hosts:
        outcomes.setdefault(_words(host.outcome), []).append(host)
    lines: list[Line] = []
    for outcome, group in outcomes.items():
        quiet = [host.name for host in group if host not in loud]
        if quiet:
            lines += wrapped(Line(f"{outcome} ({len(quiet)}): {', '.join(quiet)}", group[0].mood), "── ", run.width)
    for host in loud:
        lines += _block(host, run)
    if run.many:
        count = " · ".join(f"{len(group)} {outcome}" for outcome, group in outcomes.items())
        lines.append(Line(f"── {len(hosts)} clusters in {duration(run.seconds)}: {count}", hosts[-1].mood if hosts else PLAIN))
    return lines


def interrupted(hosts: t.Sequence[HostRun], run: Run) -> list[Line]:
    """The end of a run that was broken off, or nothing where it had not begun to look."""
    for host in hosts:
        # A report is the end of the work on a cluster; others may still be under way.
        host.outcome = host.outcome if host.report else "interrupted"
    return summary(hosts, run) if any(host.incident_id or host.left_traces for host in hosts) else []


def duration(seconds: float) -> str:
    """Time for people."""
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{round(seconds) // 60} min {round(seconds) % 60:02} s"


def plain_ascii(text: str) -> str:
    """For terminals that know no more."""
    table = {"─": "-", "·": "-", "✗": "x", "✓": "+", "…": "...", "▸": ">", "×": "x", "→": "->"}
    return text.translate(str.maketrans(table))


def _head_of(task_name: str) -> str:
    head, separator, _rest = task_name.rpartition(" : ")[2].partition(" | ")
    return head.strip().lower() if separator else ""


def _has_news(host: HostRun) -> bool:
    return bool(host.left_traces or host.next_steps or host.error)


def _changed_mark(check_mode: bool) -> tuple[str, str]:
    return ("~", WARN) if check_mode else ("✓", GOOD)


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorts lab2 before lab10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _words(outcome: str) -> str:
    return outcome.replace("_", " ") or "done"


def _block(host: HostRun, run: Run) -> list[Line]:
    parts = [f"{host.name}: {_words(host.outcome)}"]
    parts += ["check mode: nothing was changed"] if run.check_mode else []
    parts += [f"incident {host.incident_id}"] if host.incident_id and host.left_traces and not run.check_mode else []
    title = " · ".join([*parts, *([] if run.many else [duration(run.seconds)])])
    lines = [Line(f"── {title} " + "─" * max(2, run.width - len(title) - 4), host.mood)]
    for label, values in _rows(host, run):
        for number, value in enumerate(filter(None, values)):
            lines += _row(label if number == 0 else "", value, run.width)
    return lines


def _rows(host: HostRun, run: Run) -> list[tuple[str, list[str]]]:
    changes = host.planned if run.check_mode else host.changed
    surplus = [f"… and {len(changes) - _MOST_ROWS} more"] if len(changes) > _MOST_ROWS else []
    nothing = "nothing before that" if host.stopped_in else "nothing"
    files = "1 file" if len(host.evidence) == 1 else f"{len(host.evidence)} files"
    phases = host.seconds if not run.many or host.mood == BAD else {}
    place = (host.evidence_dir or _directory(host.evidence)) if host.evidence else ""
    return [
        ("error", [host.error if run.many and host.mood == BAD else ""]),
        ("stopped in", [host.stopped_in.rpartition(" : ")[2]]),
        ("would change" if run.check_mode else "changed", [*changes[:_MOST_ROWS], *surplus] or [nothing]),
        ("evidence", [f"{place} ({files})" if place else ""]),
        ("report", [host.report]),
        ("phases", [" · ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases.items())]),
        ("next", [*host.next_steps, _go_on(host), *_clean_up(host, run)]),
    ]


def _go_on(host: HostRun) -> str:
    if not host.incident_id or not host.left_traces or host.outcome not in ("interrupted", "failed", "unreachable"):
        return ""
    if f"incident_id={host.incident_id}" in " ".join(host.next_steps):
        return ""
    return (f"continue: the same command with -e incident_id={host.incident_id}; what was saved is kept, "
            "what was changed is in the incident's ledger in the cluster")


def _clean_up(host: HostRun, run: Run) -> list[str]:
    if not host.temporary:
        return []
    words = [_COMMAND, run.inventory, f"--limit {host.name}" if run.many else "",
             "sre.runbooks.clear_temporary_fixes", f"-e incident_id={host.incident_id}"]
    return ["take the temporary changes back:", " ".join(filter(None, words))]


def _directory(files: t.Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(file) for file in files])


def _row(label: str, value: str, width: int) -> list[Line]:
    # A command stays in one piece, to be copied.
    room = sys.maxsize if value.startswith(_COMMAND) else max(40, width - 17)
    pieces = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False)
    return [Line(f"   {label if number == 0 else '':<13} {piece}") for number, piece in enumerate(pieces)]
