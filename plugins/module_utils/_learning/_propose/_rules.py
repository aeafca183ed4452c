# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of causes from the records of incidents of one kind, in the form of docs/diagnosis.md, and what it says of each of them.

What incidents of a cause had in common is required; what only they had speaks for it. Records never establish a cause.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _facts, _rules, _verdict
from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Json, Past
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _learnt
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose._group import Group

#: incidents that all had one cause, so that the next is likely to have it, too
FEWEST_ALIKE = 3
#: characters of a pattern between its values by which it is known again
SHORTEST = 8


def slug(text: str) -> str:
    """A name for a table."""
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:50] or "unnamed"
    return found if found[0].isalpha() else f"c_{found}"


def table(group: Group) -> Json:
    """The table of causes."""
    past = group.incidents
    found = _learnt.numbers(past)
    changes = _learnt.changes(past)
    by_cause: dict[str, list[Past]] = {}
    for one in past:
        if one.causes and slug(one.causes[0]) != _verdict.UNDETERMINED:
            by_cause.setdefault(slug(one.causes[0]), []).append(one)
    ranked = sorted(by_cause.items(), key=lambda item: -len(item[1]))
    return {
        "table": group.name, "mitigate_from": "likely",
        "thresholds": [{"name": f"limit_{slug(name)}", "value": float(number.threshold), "means": f"{slug(name)} counts {number.side} this; from the records"}
                       for name, number in found.items()],
        "facts": [*({"name": f"signal_{slug(name)}", "type": "double", "means": f"{slug(name)}, as measured"} for name in found),
                  {"name": "log_patterns", "type": "list", "means": "errors of the logs, as patterns"}],
        "mitigations": [{"name": name, "action": name} for name in changes],
        "causes": [_cause(name, members, past, found, changes, harm=90 - at) for at, (name, members) in enumerate(ranked[:80])],
    }


def _cause(name: str, members: t.Sequence[Past], past: t.Sequence[Past], found: t.Mapping[str, _learnt.Number],
           changes: t.Mapping[str, _learnt.Made], harm: int) -> Json:
    others = [one for one in past if one.causes and one not in members]
    shared = [signal for signal in found if all(signal in one.signals for one in members)]
    requires = [_over(signal, found[signal]) for signal in shared] or [{"when": "true", "says": "the records have no signal that all of these incidents had"}]
    supports = [_over(signal, found[signal]) for signal in shared if others and not any(signal in one.signals for one in others)]
    for pattern, count in _learnt.patterns(members):
        literal = max(re.split(r"<[^>]*>|…|\{[{%#]", pattern), key=len).strip()
        if len(literal) >= SHORTEST and not any(literal in other for one in others for other in one.patterns):
            supports.append({"when": f"log_patterns.exists(line, line.contains({json.dumps(literal, ensure_ascii=False)}))",
                             "says": f"an error of {count} such incidents is in the logs: {_learnt.plain(literal)}"})
    if not others and shared and len(members) >= FEWEST_ALIKE:
        supports.append({**_over(shared[0], found[shared[0]]), "says": f"each of the {len(members)} such incidents with a cause on record had this one"})
    helped = _learnt.made(members)
    mitigation = next((key for key, one in changes.items() if one in helped), "")
    return {"name": name, "title": _learnt.plain(members[0].causes[0]), "harm": harm, "requires": requires, **({"supports": supports} if supports else {}),
            **({"mitigation": mitigation} if mitigation else {}), "advice": f"Compare with {', '.join(_learnt.plain(one.id) for one in members[:5])}.",
            "drill": "unit stories"}


def _over(signal: str, number: _learnt.Number) -> Json:
    name = slug(signal)
    return {"when": f"signal_{name} {number.side} limit_{name}", "says": f"{name} is ${{signal_{name}}}, it counts {number.side} ${{limit_{name}}}"}


def facts(one: Past, of: Json) -> Json:
    """What is on record of an incident, as the table's facts."""
    declared = {fact["name"] for fact in of["facts"]}
    first: Json = {}
    for signal in (one.record or {}).get("signals", []):
        name = f"signal_{slug(signal['name'])}"
        if name in declared and signal["breached"] and isinstance(signal.get("value"), (int, float)):
            first.setdefault(name, float(signal["value"]))
    return {**first, **({"log_patterns": list(one.patterns)} if one.patterns else {})}


def said(group: Group, one: Past) -> Json:
    """What the table of a kind says of an incident: the result of diagnosis_info."""
    of = table(group)
    sheet = _facts.FactSheet()
    for name, value in facts(one, of).items():
        sheet.known(name, value)
    return _verdict.diagnose(_rules.load([of]), _facts.parse(sheet.to_json()))


def expected(group: Group, one: Past) -> dict[str, str]:
    """The verdicts that a story asks for: those of the table where it finds what people found, otherwise what they found."""
    found = said(group, one)
    cause = slug(one.causes[0])
    if found["cause"] != cause:
        return {cause: "likely"}
    return {name: verdict for name, verdict in found["verdicts"].items() if verdict != "excluded"}
