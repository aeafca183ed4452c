# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft of a runbook in Markdown from the records of incidents of one kind, with exact commands and their numbers.

Only what was done and can be taken back becomes a command; what people wrote of in words is told as words. Every value is quoted, because a
record may hold anything.
"""

from __future__ import annotations

import collections
import shlex
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning import _markup
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _learnt, _rules
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose._group import Group

_WAIT = "--timeout=300s"
_SIDES = {">": "over", ">=": "at or over", "<": "under", "<=": "at or under"}


def markdown(group: Group) -> str:
    """The runbook."""
    namespace, workload = _learnt.target(group.incidents)
    namespace, workload = namespace or "<namespace>", workload or "deployment/<workload>"
    at = f"-n {namespace}"
    pairs = [_commands(one, at) for one in _learnt.made(group.incidents)]
    undo = list(dict.fromkeys(back for _act, back in reversed(pairs)))
    look = ["kubectl config current-context", f"kubectl {at} get pods -o wide", f"kubectl {at} get events --sort-by=.lastTimestamp",
            f"kubectl {at} top pods"]
    save = [f"kubectl {at} logs {workload} --all-containers --timestamps --tail=5000 > logs.txt", f"kubectl {at} describe {workload} > describe.txt",
            f"kubectl {at} get {workload} -o yaml > before.yml", f"kubectl {at} rollout history {workload} > history.txt"]
    check = [f"kubectl {at} rollout status {workload} {_WAIT}", f"kubectl {at} get pods"]
    parts = [
        f"# {_title(group)}", "", f"A draft, made from {len(group.incidents)} incidents: {', '.join(_line(one.id) for one in group.incidents)}.",
        "A person has to read it before it is used.",
        "", f"- Severity so far: {_learnt.most(one.severity for one in group.incidents) or 'not known'}", f"- Duration: {_learnt.duration(group.incidents)}",
        f"- They share: {_line(', '.join(group.common)) or 'their type only'}", "",
        "## Look whether it is this", "", *_block(look), "", *_signals(group), "",
        "## Save the evidence", "", *_block(save), "",
        "## Candidate causes", "", *(f"- {_line(cause)}: {count} of {len(group.incidents)} incidents" for cause, count in _learnt.causes(group.incidents)), "",
        "## Act", "", *_done_in_words(group)]
    for command, _back in pairs:
        parts += ["", *_block([*([f"{command} --dry-run=server"] if " set env " not in command else [f"{command} --dry-run=client"]), command, *check]),
                  "", f"It worked when {_good(group)}."]
    follow_ups = dict.fromkeys(text for one in group.incidents for text in one.follow_ups)
    parts += ["", "## Take it back", "", *(_block([*undo, *check]) if undo else ["Nothing is changed by a command above."]), "",
              "## Afterwards", "", *([f"- {_line(text)}" for text in follow_ups] or ["Nothing is on record."])]
    return "\n".join(parts) + "\n"


def replay(group: Group) -> list[str]:
    """Each incident against what the others teach: is it detected, is it clear at its end, is its cause the first candidate?"""
    lines = []
    for one in group.incidents:
        others = [other for other in group.incidents if other is not one]
        said = []
        taught = _learnt.numbers(others)
        if one.record and taught:
            signals = [signal for signal in one.record["signals"] if signal["name"] in taught and isinstance(signal.get("value"), (int, float))]
            over = [signal for signal in signals if signal["name"] in one.signals and taught[signal["name"]].breached(signal["value"])]
            last = {signal["name"]: signal["value"] for signal in signals}
            said.append("detected" if over else "NOT detected")
            cleared = over and not any(taught[signal["name"]].breached(last[signal["name"]]) for signal in over)
            said.append("clear at its end" if cleared else "not clear at its end")
        else:
            said.append("no signals on record to detect it by")
        ranked = _learnt.causes(others)
        if one.causes and ranked:
            first = ranked[0][0]
            said.append("its cause is the first candidate" if first == one.causes[0] else f"its cause was {one.causes[0]}, the first candidate is {first}")
        else:
            said.append("no cause on record to compare")
        judged = _rules.said(Group(group.name, tuple(others), ()), one)
        said.append(f"the table of causes says {judged['cause']} ({judged['verdict'].replace('_', ' ')})")
        lines.append(f"{one.id}: {', '.join(said)}")
    return lines


def _title(group: Group) -> str:
    return _line(group.name.replace("_", " ")).capitalize()


def _commands(one: _learnt.Made, at: str) -> tuple[str, str]:
    """The command that makes a change, and the one that takes it back."""
    if one.action == "scale":
        return tuple(f"kubectl {at} scale {one.target} --replicas={dict(values)['replicas']}" for values in (one.after, one.before))
    new = " ".join(shlex.quote(f"{name}={value}") for name, value in one.after)
    old = " ".join(shlex.quote(f"{name}-" if value is None else f"{name}={value}") for name, value in one.before)
    return f"kubectl {at} set env {one.target} {new}", f"kubectl {at} set env {one.target} {old}"


def _done_in_words(group: Group) -> list[str]:
    """What was done, with how often it ended the incident."""
    found: dict[str, list[bool]] = collections.defaultdict(list)
    for one in group.incidents:
        done = [change["summary"] for change in one.record["changes"] if change["state"] == "done"] if one.record else one.changes
        for text in dict.fromkeys(done):
            found[text].append(one.ended_it)
    lines = [f"- On record: {_line(text)} ({len(ended)} times; the incident ended {sum(ended)} times)"
             for text, ended in sorted(found.items(), key=lambda item: -len(item[1]))]
    return lines or ["No record says what was done. Ask whoever answered these incidents, and write it here."]


def _signals(group: Group) -> list[str]:
    rows = [f"- `{name}` {_SIDES[number.side]} {number.threshold:g}; in these incidents {number.measured:g} (median)"
            for name, number in _learnt.numbers(group.incidents).items()]
    rows += [f"- in the logs: {_line(pattern)} ({count} incidents)" for pattern, count in _learnt.patterns(group.incidents)]
    return rows or ["No record has a measured signal: write here by what, and over which number, it is known."]


def _good(group: Group) -> str:
    numbers = _learnt.numbers(group.incidents).items()
    return " and ".join(f"`{name}` is not {_SIDES[number.side]} {number.threshold:g} any more" for name, number in numbers) or (
        "every pod is ready and stays so")


def _block(commands: t.Sequence[str]) -> list[str]:
    return ["```bash", *commands, "```"]


def _line(text: str) -> str:
    return _markup.line(text).replace("`", "'")
