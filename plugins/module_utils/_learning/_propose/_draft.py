# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft of a runbook in Markdown from the records of incidents of one kind, with exact commands and their numbers.

Only what was done and can be taken back becomes a command; what people wrote of in words is told as words. Every value is quoted, because a
record may hold anything.
"""

from __future__ import annotations

import collections
import html
import re
import shlex
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Json, Past
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose._group import Group

_WAIT = "--timeout=300s"


def markdown(group: Group) -> str:
    """The runbook."""
    namespace, workload = _target(group)
    at = f"-n {namespace}"
    acts, undo = _changes(group, at)
    look = ["kubectl config current-context", f"kubectl {at} get pods -o wide", f"kubectl {at} get events --sort-by=.lastTimestamp",
            f"kubectl {at} top pods"]
    save = [f"kubectl {at} logs {workload} --all-containers --timestamps --tail=5000 > logs.txt", f"kubectl {at} describe {workload} > describe.txt",
            f"kubectl {at} get {workload} -o yaml > before.yml", f"kubectl {at} rollout history {workload} > history.txt"]
    check = [f"kubectl {at} rollout status {workload} {_WAIT}", f"kubectl {at} get pods"]
    parts = [
        f"# {_title(group)}", "", f"A draft, made from {len(group.incidents)} incidents: {', '.join(_line(one.id) for one in group.incidents)}.",
        "A person has to read it before it is used.",
        "", f"- Severity so far: {_most(one.severity for one in group.incidents) or 'not known'}", f"- Duration: {duration(group.incidents)}",
        f"- They share: {_line(', '.join(group.common)) or 'their type only'}", "",
        "## Look whether it is this", "", *_block(look), "", *_signals(group), "",
        "## Save the evidence", "", *_block(save), "",
        "## Candidate causes", "", *(f"- {_line(cause)}: {count} of {len(group.incidents)} incidents" for cause, count in causes(group.incidents)), "",
        "## Act", "", *_done_in_words(group)]
    for command in acts:
        parts += ["", *_block([*([f"{command} --dry-run=server"] if " set env " not in command else [f"{command} --dry-run=client"]), command, *check]),
                  "", f"It worked when {_good(group)}."]
    follow_ups = dict.fromkeys(text for one in group.incidents for text in one.follow_ups)
    parts += ["", "## Take it back", "", *(_block([*undo, *check]) if undo else ["Nothing is changed by a command above."]), "",
              "## Afterwards", "", *([f"- {_line(text)}" for text in follow_ups] or ["Nothing is on record."])]
    return "\n".join(parts) + "\n"


def duration(past: t.Sequence[Past]) -> str:
    """Median and 90th percentile of how long incidents lasted."""
    minutes = [(one.ended - one.opened) / 60 for one in past if one.ended and one.ended > one.opened]
    if not minutes:
        return "not known, because no record says when it ended"
    high = statistics.quantiles(minutes, n=10, method="inclusive")[-1] if len(minutes) > 1 else minutes[0]
    return f"median {statistics.median(minutes):.0f} min, 90 % within {high:.0f} min ({len(minutes)} incidents)"


def causes(past: t.Sequence[Past]) -> list[tuple[str, int]]:
    """What people or the diagnosis found first, the most frequent first."""
    return collections.Counter(one.causes[0] for one in past if one.causes).most_common()


def thresholds(past: t.Sequence[Past]) -> dict[str, tuple[float, float]]:
    """Of each signal that most records had over its threshold: the threshold, and the median of what was measured."""
    found: dict[str, list[Json]] = collections.defaultdict(list)
    with_record = [one for one in past if one.record]
    for one in with_record:
        for name in one.signals:
            found[name].append(next(signal for signal in t.cast(Json, one.record)["signals"] if signal["name"] == name and signal["breached"]))
    return {name: (statistics.median(one["threshold"] for one in measured), statistics.median(one["value"] for one in measured))
            for name, measured in found.items() if len(measured) > len(with_record) / 2
            and all(isinstance(one.get(key), (int, float)) for one in measured for key in ("threshold", "value"))}


def replay(group: Group) -> list[str]:
    """Each incident against what the others teach: is it detected, is it clear at its end, is its cause the first candidate?"""
    lines = []
    for one in group.incidents:
        others = [other for other in group.incidents if other is not one]
        said = []
        taught = thresholds(others)
        if one.record and taught:
            signals = [signal for signal in one.record["signals"] if signal["name"] in taught and isinstance(signal.get("value"), (int, float))]
            over = [signal for signal in signals if signal["name"] in one.signals and signal["value"] > taught[signal["name"]][0]]
            last = {signal["name"]: signal["value"] for signal in signals}
            said.append("detected" if over else "NOT detected")
            said.append("clear at its end" if over and all(last[signal["name"]] <= taught[signal["name"]][0] for signal in over) else "not clear at its end")
        else:
            said.append("no signals on record to detect it by")
        ranked = causes(others)
        if one.causes and ranked:
            first = ranked[0][0]
            said.append("its cause is the first candidate" if first == one.causes[0] else f"its cause was {one.causes[0]}, the first candidate is {first}")
        else:
            said.append("no cause on record to compare")
        lines.append(f"{one.id}: {', '.join(said)}")
    return lines


def _title(group: Group) -> str:
    return _line(group.name.replace("_", " ")).capitalize()


def _target(group: Group) -> tuple[str, str]:
    """Namespace and workload of most incidents, placeholders where none is known."""
    parts = _most(one.target for one in group.incidents if re.fullmatch(r"[a-z0-9-]+/[a-z]+/[a-z0-9.-]+", one.target)).split("/", 1)
    return (parts[0], parts[1]) if len(parts) == 2 else ("<namespace>", "deployment/<workload>")


def _changes(group: Group, at: str) -> tuple[list[str], list[str]]:
    """Commands of changes that were made, helped, and can be taken back, and the commands that take them back."""
    acts, undo = [], []
    for one in group.incidents:
        for change in (one.record or {}).get("changes", []) if one.ended_it else []:
            made = _command(change, at) if change["state"] == "done" and change["reversible"] else None
            if made and made[0] not in acts:
                acts.append(made[0])
                undo.insert(0, made[1])
    return acts, list(dict.fromkeys(undo))


def _command(change: Json, at: str) -> tuple[str, str] | None:
    target = change["target"].split("/", 1)[-1]
    if not re.fullmatch(r"(deployment|statefulset)/[a-z0-9.-]+", target):
        return None
    if change["action"] == "scale" and len(change["fields"]) == 1:
        before, after = change["fields"][0]["before"], change["fields"][0]["after"]
        if isinstance(before, int) and isinstance(after, int):
            return f"kubectl {at} scale {target} --replicas={after}", f"kubectl {at} scale {target} --replicas={before}"
    if change["action"] == "env":
        entries = [(field["before"], field["after"]) for field in change["fields"]]
        if all(_plain(after) and (before is None or _plain(before)) for before, after in entries):
            new = " ".join(shlex.quote(f"{after['name']}={after['value']}") for _before, after in entries)
            old = " ".join(shlex.quote(f"{before['name']}={before['value']}" if before else f"{after['name']}-") for before, after in entries)
            return f"kubectl {at} set env {target} {new}", f"kubectl {at} set env {target} {old}"
    return None


def _plain(entry: t.Any) -> bool:
    """Whether a variable has a value that stands in one line, and not a reference."""
    return isinstance(entry, dict) and {"name", "value"} <= set(entry) and all(str(entry[key]).isprintable() for key in ("name", "value"))


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
    rows = [f"- `{name}` over {threshold:g}; in these incidents {value:g} (median)" for name, (threshold, value) in thresholds(group.incidents).items()]
    return rows or ["No record has a measured signal: write here by what, and over which number, it is known."]


def _good(group: Group) -> str:
    names = thresholds(group.incidents)
    return " and ".join(f"`{name}` stays at or below {threshold:g}" for name, (threshold, _value) in names.items()) or "every pod is ready and stays so"


def _block(commands: t.Sequence[str]) -> list[str]:
    return ["```bash", *commands, "```"]


def _most(values: t.Iterable[str]) -> str:
    found = collections.Counter(value for value in values if value).most_common(1)
    return found[0][0] if found else ""


def _line(text: str) -> str:
    return html.escape(" ".join(str(text).split()), quote=False).replace("`", "'")
