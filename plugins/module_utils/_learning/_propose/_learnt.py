# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of incidents of one kind teach: numbers, causes, and the changes that ended them. Nothing of it is guessed."""

from __future__ import annotations

import collections
import dataclasses
import re
import statistics
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Json, Past

Incidents = t.Sequence[Past]
_TEMPLATES = ("{{", "{%", "{#")


class Number(t.NamedTuple):
    """A signal's threshold on record, on which side of it the signal counts (``>``, ``>=``, ``<`` or ``<=``), and the median of what was measured."""

    threshold: float
    side: str
    measured: float

    def breached(self, value: float) -> bool:
        """Whether a value counts as the signal."""
        over, equal = value > self.threshold, value == self.threshold and "=" in self.side
        return equal or (over if self.side.startswith(">") else value < self.threshold)


@dataclasses.dataclass(frozen=True)
class Made:
    """A change that was made, helped, and can be taken back.

    :param action: ``scale`` or ``env``.
    :param target: such as ``deployment/api``.
    :param after: ``replicas``, or variables by name; ``before`` the same, None where a variable was not there.
    """

    action: str
    target: str
    after: tuple[tuple[str, t.Any], ...]
    before: tuple[tuple[str, t.Any], ...]


def duration(past: Incidents) -> str:
    """Median and 90th percentile of how long incidents lasted."""
    minutes = [(one.ended - one.opened) / 60 for one in past if one.ended and one.ended > one.opened]
    if not minutes:
        return "not known, because no record says when it ended"
    high = statistics.quantiles(minutes, n=10, method="inclusive")[-1] if len(minutes) > 1 else minutes[0]
    return f"median {statistics.median(minutes):.0f} min, 90 % within {high:.0f} min ({len(minutes)} incidents)"


def causes(past: Incidents) -> list[tuple[str, int]]:
    """What people or the diagnosis found first, the most frequent first."""
    return collections.Counter(one.causes[0] for one in past if one.causes).most_common()


def numbers(past: Incidents) -> dict[str, Number]:
    """Of each signal that most records had: its threshold, its side, and the median of what was measured."""
    found: dict[str, list[Json]] = collections.defaultdict(list)
    with_record = [one for one in past if one.record]
    for one in with_record:
        for name in one.signals:
            found[name].append(next(signal for signal in t.cast(Json, one.record)["signals"] if signal["name"] == name and signal["breached"]))
    return {name: _number(measured) for name, measured in found.items() if len(measured) > len(with_record) / 2
            and all(isinstance(one.get(key), (int, float)) for one in measured for key in ("threshold", "value"))}


def _number(measured: t.Sequence[Json]) -> Number:
    below = sum(one["value"] < one["threshold"] for one in measured) > sum(one["value"] > one["threshold"] for one in measured)
    at = "=" if any(one["value"] == one["threshold"] for one in measured) else ""
    return Number(statistics.median(one["threshold"] for one in measured), f"{'<' if below else '>'}{at}", statistics.median(one["value"] for one in measured))


def patterns(past: Incidents) -> list[tuple[str, int]]:
    """Errors of the logs that most incidents with errors on record had, the most frequent first."""
    with_logs = [one for one in past if one.patterns]
    counts = collections.Counter(pattern for one in with_logs for pattern in set(one.patterns))
    return [(pattern, count) for pattern, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > len(with_logs) / 2 and count > 1]


def made(past: Incidents) -> list[Made]:
    """Changes that were made, helped and can be taken back, in the order of the records."""
    found = [_made(change) for one in past if one.ended_it for change in (one.record or {}).get("changes", [])
             if change["state"] == "done" and change["reversible"]]
    return list(dict.fromkeys(one for one in found if one))


def _made(change: Json) -> Made | None:
    target = change["target"].split("/", 1)[-1]
    if not re.fullmatch(r"(deployment|statefulset)/[a-z0-9.-]+", target):
        return None
    if change["action"] == "scale" and len(change["fields"]) == 1:
        before, after = change["fields"][0]["before"], change["fields"][0]["after"]
        if isinstance(before, int) and isinstance(after, int):
            return Made("scale", target, (("replicas", after),), (("replicas", before),))
    if change["action"] == "env":
        entries = [_entries(field) for field in change["fields"]]
        if entries and all(_plain(after) and (before is None or _plain(before)) for before, after in entries):
            return Made("env", target, tuple((after["name"], str(after["value"])) for _before, after in entries),
                        tuple((after["name"], str(before["value"]) if before else None) for before, after in entries))
    return None


def _entries(field: Json) -> tuple[t.Any, t.Any]:
    """A variable before and after; of one that was there already the record has the value only, and its name in the path."""
    named = re.search(r"env\[name=([^\]]+)\]\.value$", field["path"])
    if not named:
        return field["before"], field["after"]
    before, after = ({"name": named[1], "value": value} for value in (field["before"], field["after"]))
    return before, after


def _plain(entry: t.Any) -> bool:
    """Whether a variable has a value that stands in one line, and not a reference."""
    return isinstance(entry, dict) and {"name", "value"} <= set(entry) and all(str(entry[key]).isprintable() for key in ("name", "value"))


def target(past: Incidents) -> tuple[str, str]:
    """Namespace and workload of most incidents, empty where none is known."""
    parts = most(one.target for one in past if re.fullmatch(r"[a-z0-9-]+/[a-z]+/[a-z0-9.-]+", one.target)).split("/", 1)
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def most(values: t.Iterable[str]) -> str:
    """The most frequent of what is not empty."""
    found = collections.Counter(value for value in values if value).most_common(1)
    return found[0][0] if found else ""


def plain(text: str) -> str:
    """One line that is neither a template of Ansible nor a placeholder of a table."""
    line = " ".join(str(text).split())
    for begins in (*_TEMPLATES, "${"):
        line = line.replace(begins, " ".join(begins))
    return line


def changes(past: Incidents) -> dict[str, Made]:
    """The changes that a role may make, by name; none whose value could be taken for a template."""
    kept = [one for one in made(past) if not any(begins in str(item) for pair in one.after for item in pair for begins in _TEMPLATES)]
    return {f"{one.action}_{number}": one for number, one in enumerate(kept, 1)}
