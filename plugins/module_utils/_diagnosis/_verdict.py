# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table of causes says of the facts: a verdict for each cause, what fits it, and the one fact that would decide."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._expressions import in_words
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import Fact
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._rules import (
    ESTABLISHED, EXCLUDED, HOLDING, LIKELY, NOT_TO_BE_TOLD, POSSIBLE, Cause, Condition, Mitigation, Rules)

Json = t.Dict[str, t.Any]
Values = t.Mapping[str, t.Any]

#: from the surest down: the order of telling among those that do not hold
VERDICTS = (ESTABLISHED, LIKELY, POSSIBLE, NOT_TO_BE_TOLD, EXCLUDED)
_SAID = {ESTABLISHED: "established", LIKELY: "likely", POSSIBLE: "possible, but nothing shows it", NOT_TO_BE_TOLD: "not to be told",
         EXCLUDED: "excluded"}
UNDETERMINED = "undetermined"
#: of a fact in the report's table; the whole of it is in the evidence
MOST_CHARACTERS = 300


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The verdict on one cause.

    :param evidence_for: sentences that are true and speak for it.
    :param evidence_against: sentences that are true and rule it out.
    :param undecided: conditions that could not be answered and might change the verdict, those that would decide most first.
    """

    cause: Cause
    verdict: str
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    undecided: tuple[Condition, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether something speaks for the cause and nothing rules it out."""
        return self.verdict in HOLDING


def judge(rules: Rules, values: Values) -> list[Judgement]:
    """A judgement of every cause: those that hold in the order of harm, then the others, the surest first."""
    found = [_judge_one(cause, values) for cause in rules.causes]
    return sorted(found, key=lambda item: (not item.holds, 0 if item.holds else VERDICTS.index(item.verdict), -item.cause.harm))


def diagnose(rules: Rules, facts: t.Mapping[str, Fact]) -> Json:
    """What a module that finds the cause returns: see the documentation of ``diagnosis_info``."""
    values = rules.values(facts)
    judgements = judge(rules, values)
    holding = [item for item in judgements if item.holds]
    mitigation, refusals = _mitigate(rules, holding, values)
    missing = {} if any(item.verdict == ESTABLISHED for item in holding) else _missing(rules, judgements, facts, values)
    hand_over = [{"cause": item.cause.name, "incident": item.cause.hand_over[0], "command": item.cause.hand_over[1].render(values, shell=True)}
                 for item in holding if item.cause.hand_over]
    advice = [line for item in holding if (line := _advice(item.cause, values))]
    told = [item for item in judgements if item.verdict != EXCLUDED or item.evidence_against]
    return {
        "cause": holding[0].cause.name if holding else UNDETERMINED,
        "verdict": holding[0].verdict if holding else NOT_TO_BE_TOLD,
        "who": _render(holding[0].cause.who, values) if holding else "",
        "recommendation": mitigation.get("action", ""), "mitigation": mitigation, "no_mitigation": refusals,
        "comes_back": _comes_back(rules, mitigation.get("cause", ""), values),
        "candidates": [_candidate(rules, item, values) for item in told],
        "verdicts": {item.cause.name: item.verdict for item in judgements},
        "hand_over": hand_over, "missing": missing, "advice": advice,
        "fixes": [_render(item.cause.fix, values) for item in holding if item.cause.fix],
        "tables": [table.to_json() for table in (_facts_table(rules, told, facts, values),) if table.rows],
        "says": _says(judgements, holding, refusals, hand_over, missing, values)}


def _judge_one(cause: Cause, values: Values) -> Judgement:
    answers = {condition: condition.when.evaluate(values)
               for group in (cause.requires, cause.proves, cause.supports, cause.excludes) for condition in group}

    def that_are(answer: bool | None, *groups: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return tuple(condition for group in groups for condition in group if answers[condition] is answer)

    against = _sentences(that_are(True, cause.excludes), values)
    if against:
        return Judgement(cause, EXCLUDED, evidence_against=against)
    if that_are(False, cause.requires):
        return Judgement(cause, EXCLUDED)
    speaks = _sentences(that_are(True, cause.requires, cause.proves, cause.supports), values)
    if open_requirements := that_are(None, cause.requires):
        return Judgement(cause, NOT_TO_BE_TOLD, speaks, undecided=open_requirements)
    undecided = that_are(None, cause.proves, cause.excludes, cause.supports)
    if that_are(True, cause.proves):
        return Judgement(cause, ESTABLISHED, speaks, undecided=undecided)
    return Judgement(cause, LIKELY if that_are(True, cause.supports) else POSSIBLE, speaks, undecided=undecided)


def _mitigate(rules: Rules, holding: t.Sequence[Judgement], values: Values) -> tuple[Json, list[str]]:
    """The mitigation of the cause that harms most and has one that may be made, and why those before it may not."""
    refusals: list[str] = []
    allowed = HOLDING[:HOLDING.index(rules.mitigate_from) + 1]
    for item in holding:
        wanted = rules.mitigations.get(item.cause.mitigation)
        if wanted is None:
            continue
        if item.verdict not in allowed:
            refusals.append(f"no {wanted.action}: {_title(item.cause, values)} is only {item.verdict}")
            continue
        reason = _refusal(wanted, values)
        if not reason:
            computed = {key: expression.evaluate(values) for key, expression in wanted.values.items()}
            return {"action": wanted.action, "values": computed, "cause": item.cause.name}, refusals
        refusals.append(f"no {wanted.action}: {reason}")
    return {}, list(dict.fromkeys(refusals))


def _refusal(wanted: Mitigation, values: Values) -> str:
    """Why a mitigation may not be made, empty where it may; what is not known is a reason too, and a value that is not is the last one."""
    for need in wanted.requires:
        answer = need.when.evaluate(values)
        if answer is None:
            return f"not known: {', '.join(sorted(need.when.names - set(values))) or need.when.text}"
        if not answer:
            return _render(need.says, values)
    return "; ".join(f"{key} is not known" for key, expression in wanted.values.items() if expression.evaluate(values) is None)


def _missing(rules: Rules, judgements: t.Sequence[Judgement], facts: t.Mapping[str, Fact], values: Values) -> Json:
    """The one fact that would decide: of the surest and most harmful cause that is open, the fact that a condition lacks alone."""
    open_ones = sorted((item for item in judgements if item.undecided), key=lambda item: (VERDICTS.index(item.verdict), -item.cause.harm))
    lacking = [(len(names), item, names) for item in open_ones for condition in item.undecided
               if (names := sorted(condition.when.names - set(values)))]
    if not lacking:
        return {}
    _count, item, names = min(lacking, key=lambda row: row[0] > 1)
    name = names[0]
    return {"fact": name, "means": rules.names[name].means, "cause": item.cause.name,
            "because": facts[name].because if name in facts else "it was not gathered"}


def _candidate(rules: Rules, item: Judgement, values: Values) -> Json:
    title = _title(item.cause, values)
    return {"name": item.cause.name, "title": f"{_SAID[item.verdict]}: {title}", "cause_title": title, "verdict": item.verdict,
            "harm": item.cause.harm, "recommendation": rules.mitigations[item.cause.mitigation].action if item.cause.mitigation else "",
            "evidence_for": list(item.evidence_for), "evidence_against": list(item.evidence_against)}


def _facts_table(rules: Rules, told: t.Sequence[Judgement], facts: t.Mapping[str, Fact], values: Values) -> Table:
    """The facts that the candidates were judged by; rows are too long for a table and lie in the evidence."""
    asked = {name for item in told for group in (item.cause.requires, item.cause.proves, item.cause.supports, item.cause.excludes)
             for condition in group for name in condition.when.names}
    rows = []
    for name, declared in rules.names.items():
        if name not in asked or declared.value is not None or declared.kind == "rows":
            continue
        fact = facts.get(name, Fact(name, because="it was not gathered"))
        text = in_words(values[name], declared.unit) if name in values else f"not known: {fact.because}"
        rows.append((name, text[:MOST_CHARACTERS], fact.source))
    return Table("Facts", ("fact", "value", "from"), rows)


def _says(judgements: t.Sequence[Judgement], holding: t.Sequence[Judgement], refusals: t.Sequence[str], hand_over: t.Sequence[Json],
          missing: Json, values: Values) -> list[str]:
    lines = []
    for item in holding:
        lines += [f"{_SAID[item.verdict]}: {_title(item.cause, values)}", *item.evidence_for]
    if not holding:
        lines.append("no cause is established or likely")
        lines += [f"{_SAID[POSSIBLE]}: {_title(item.cause, values)}" for item in judgements if item.verdict == POSSIBLE]
    if missing:
        lines.append(f"would decide: {missing['means']} ({missing['fact']}); not known: {missing['because']}")
    lines += refusals
    return lines + [f"belongs to {item['incident']}: {item['command']}" for item in hand_over]


def _comes_back(rules: Rules, name: str, values: Values) -> str:
    """When the cause that is mitigated harms again, empty where its mitigation removes it; nothing is said of when where that is not known."""
    sentence = next((cause.comes_back for cause in rules.causes if cause.name == name), None)
    if sentence is None:
        return ""
    return sentence.render(values) if sentence.names <= set(values) else "its cause is still there; when it comes back is not known"


def _advice(cause: Cause, values: Values) -> str:
    command = cause.command.render(values, shell=True) if cause.command else ""
    return " ".join(filter(None, (_render(cause.advice, values), command)))


def _title(cause: Cause, values: Values) -> str:
    return _render(cause.title, values)


def _sentences(conditions: t.Sequence[Condition], values: Values) -> tuple[str, ...]:
    return tuple(condition.says.render(values) for condition in conditions if condition.says)


def _render(template: t.Any, values: Values) -> str:
    return template.render(values) if template else ""
