# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of causes: read, merged and checked. What does not fit is refused with its place before any fact is looked at.

A table is data (``roles/<type>/files/causes.yml``); a later one adds to the earlier ones, and what it names again it overrides key
by key. docs/diagnosis.md shows the form.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._expressions import PYTHON_TYPES, Expression, Language, Template
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import Fact

Json = t.Dict[str, t.Any]
Values = t.Mapping[str, t.Any]

ESTABLISHED, LIKELY, POSSIBLE, NOT_TO_BE_TOLD, EXCLUDED = "established", "likely", "possible", "not_to_be_told", "excluded"
#: the verdicts under which a cause counts as one that holds
HOLDING = (ESTABLISHED, LIKELY)

#: what each part of a table may have: key -> type; those that end with ! it must have
_TABLE = {"table!": str, "mitigate_from": str, "thresholds": list, "facts": list, "mitigations": list, "causes": list}
_THRESHOLD = {"name!": str, "value!": (bool, int, float, str), "unit": str, "means!": str}
_FACT = {"name!": str, "type!": str, "unit": str, "means!": str}
_MITIGATION = {"name!": str, "action!": str, "values": dict, "requires": list}
_NEED = {"when!": str, "otherwise!": str}
_CAUSE = {"name!": str, "title!": str, "harm!": int, "requires!": list, "proves": list, "supports": list, "excludes": list,
          "mitigation": str, "comes_back": str, "hand_over": dict, "who": str, "advice": str, "command": str, "fix": str, "drill": str}
_REQUIREMENT = {"when!": str, "says": str}
_EVIDENCE = {"when!": str, "says!": str}
_HAND_OVER = {"incident!": str, "command!": str}
#: the parts of a table that are lists of named things
_NAMED = {"thresholds": _THRESHOLD, "facts": _FACT, "mitigations": _MITIGATION, "causes": _CAUSE}


@dataclasses.dataclass(frozen=True)
class Declared:
    """A fact or threshold that expressions may read.

    :param kind: one of PYTHON_TYPES.
    :param value: of a threshold; None for a fact.
    """

    name: str
    kind: str
    unit: str
    means: str
    value: t.Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Condition:
    """A condition, and the sentence that is true where it holds (of a mitigation's: where it does not)."""

    when: Expression
    says: Template | None


@dataclasses.dataclass(frozen=True)
class Mitigation:
    """A change that fits a cause, with its values computed from the facts."""

    name: str
    action: str
    values: t.Mapping[str, Expression]
    requires: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True)
class Cause:
    """A cause.

    :param harm: those that hold are told in the order of harm, the largest first.
    :param requires: all must hold for the cause to come into question.
    :param proves: any of them establishes it; any of ``supports`` makes it likely, any of ``excludes`` rules it out.
    :param comes_back: when it harms again after its mitigation, which relieves and does not remove it; None where it does not.
    :param hand_over: the incident type that it belongs to and the command that answers it, None where it is this one's own.
    :param who: the object, client or dependency that it is about.
    :param advice: what a person should do; ``command`` is the one command or patch for it, ``fix`` what would prevent it for good.
    :param drill: the test that makes it happen on a real cluster.
    """

    name: str
    title: Template
    harm: int
    requires: tuple[Condition, ...]
    proves: tuple[Condition, ...]
    supports: tuple[Condition, ...]
    excludes: tuple[Condition, ...]
    mitigation: str
    comes_back: Template | None
    hand_over: tuple[str, Template] | None
    who: Template | None
    advice: Template | None
    command: Template | None
    fix: Template | None
    drill: str


@dataclasses.dataclass(frozen=True)
class Rules:
    """All tables together.

    :param mitigate_from: the weakest verdict under which a cause's mitigation is allowed.
    """

    names: t.Mapping[str, Declared]
    mitigations: t.Mapping[str, Mitigation]
    causes: tuple[Cause, ...]
    mitigate_from: str

    def values(self, facts: t.Mapping[str, Fact]) -> dict[str, t.Any]:
        """What expressions read: the thresholds, and the facts that are known; a fact of another type or unit is refused."""
        found = {name: declared.value for name, declared in self.names.items() if declared.value is not None}
        for fact in facts.values():
            declared = self.names.get(fact.name)
            if declared is None or not fact.known:
                continue
            if declared.value is not None:
                raise InvalidInput(f"{fact.name} is a threshold, and not a fact.", "Set it in thresholds.")
            if not _is(fact.value, declared.kind) or (fact.unit and fact.unit != declared.unit):
                raise InvalidInput(f"fact {fact.name}: {fact.value!r} {fact.unit}, declared as {declared.kind} {declared.unit}.")
            found[fact.name] = _as_read(fact.value, declared.kind)
        return found


def load(tables: t.Sequence[Json], thresholds: Values | None = None) -> Rules:
    """The rules of some tables.

    :param thresholds: values that replace those of the tables, by name.
    :raises InvalidInput: with the place of what is wrong.
    """
    if not tables:
        raise InvalidInput("There is no table of causes.")
    named: dict[str, dict[str, tuple[Json, str]]] = {part: {} for part in _NAMED}
    mitigate_from = LIKELY
    for table in tables:
        place = f"table {table.get('table', '(without a name)')}" if isinstance(table, dict) else "a table of causes"
        _check(table, _TABLE, place)
        mitigate_from = table.get("mitigate_from", mitigate_from)
        for part, form in _NAMED.items():
            _merge(named[part], table.get(part, []), form, f"{place}: {part}")
    if mitigate_from not in HOLDING:
        raise InvalidInput(f"mitigate_from: {mitigate_from!r} is none of {', '.join(HOLDING)}.")
    for part, form in _NAMED.items():
        for item, place in named[part].values():
            _complete(item, form, place)
    names = _names(named["facts"], named["thresholds"], thresholds or {})
    language = Language({name: item.kind for name, item in names.items()}, {name: item.unit for name, item in names.items()})
    for name in names:
        language.expression(name, f"the name {name}")  # some words belong to CEL
    mitigations = {name: _mitigation(language, item, place) for name, (item, place) in named["mitigations"].items()}
    causes = tuple(_cause(language, item, place, mitigations) for item, place in named["causes"].values())
    return Rules(names, mitigations, causes, mitigate_from)


def _merge(known: dict[str, tuple[Json, str]], items: t.Sequence[Json], form: Json, part: str) -> None:
    """Take one table's named things over; what was there is overridden key by key."""
    seen: set[str] = set()
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name.isidentifier():
            raise InvalidInput(f"{part}: {name!r} is no name.", "A name has letters, digits and underscores.")
        place = f"{part}: {name}"
        if name in seen:
            raise InvalidInput(f"{place} stands there twice.")
        seen.add(name)
        _check(item, form, place)
        known[name] = {**known[name][0], **item} if name in known else item, place


def _check(item: t.Any, form: t.Mapping[str, t.Any], place: str) -> None:
    """Refuse what is no mapping, unknown keys and wrong types."""
    if not isinstance(item, dict):
        raise InvalidInput(f"{place}: {item!r} is no mapping.")
    types = {key.rstrip("!"): kind for key, kind in form.items()}
    unknown = [str(key) for key in item if key not in types]
    if unknown:
        raise InvalidInput(f"{place}: unknown: {', '.join(unknown)}.", f"It may have {', '.join(types)}.")
    for key, value in item.items():
        kind = types[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InvalidInput(f"{place}: {key} is {value!r}, and that is no {_type_name(kind)}.")


def _complete(item: Json, form: t.Mapping[str, t.Any], place: str) -> None:
    missing = [key[:-1] for key in form if key.endswith("!") and item.get(key[:-1]) in (None, "", [])]
    if missing:
        raise InvalidInput(f"{place} lacks {', '.join(missing)}.")


def _names(facts: t.Mapping[str, tuple[Json, str]], thresholds: t.Mapping[str, tuple[Json, str]], overrides: Values) -> dict[str, Declared]:
    strangers = sorted(set(overrides) - set(thresholds))
    if strangers:
        raise InvalidInput(f"thresholds: {', '.join(strangers)}: no table has it.", f"There are {', '.join(thresholds) or 'none'}.")
    names = {}
    for name, (item, place) in thresholds.items():
        kind = next(kind for kind in PYTHON_TYPES if isinstance(item["value"], PYTHON_TYPES[kind]))
        value = overrides.get(name, item["value"])
        if not _is(value, kind):
            raise InvalidInput(f"{place}: {value!r} is no {kind}.")
        names[name] = Declared(name, kind, item.get("unit", ""), item["means"], float(value) if kind == "double" else value)
    for name, (item, place) in facts.items():
        if name in names:
            raise InvalidInput(f"{place} is a threshold as well.")
        if item["type"] not in PYTHON_TYPES:
            raise InvalidInput(f"{place}: type {item['type']!r} is none of {', '.join(PYTHON_TYPES)}.")
        names[name] = Declared(name, item["type"], item.get("unit", ""), item["means"])
    return names


def _mitigation(language: Language, item: Json, place: str) -> Mitigation:
    values = {key: language.expression(str(text), f"{place}: values: {key}") for key, text in item.get("values", {}).items()}
    return Mitigation(item["name"], item["action"], values, _conditions(language, item, "requires", _NEED, place))


def _cause(language: Language, item: Json, place: str, mitigations: t.Mapping[str, Mitigation]) -> Cause:
    mitigation = item.get("mitigation", "")
    if mitigation and mitigation not in mitigations:
        raise InvalidInput(f"{place}: mitigation {mitigation!r} is not declared.", f"There are {', '.join(mitigations) or 'none'}.")
    sentences = {key: language.template(item[key], f"{place}: {key}") if item.get(key) else None
                 for key in ("who", "advice", "command", "fix", "comes_back")}
    conditions = {key: _conditions(language, item, key, _REQUIREMENT if key == "requires" else _EVIDENCE, place)
                  for key in ("requires", "proves", "supports", "excludes")}
    return Cause(name=item["name"], title=language.template(item["title"], f"{place}: title"), harm=item["harm"], mitigation=mitigation,
                 hand_over=_hand_over(language, item.get("hand_over"), f"{place}: hand_over"), drill=item.get("drill", ""),
                 **sentences, **conditions)


def _conditions(language: Language, item: Json, key: str, form: t.Mapping[str, t.Any], place: str) -> tuple[Condition, ...]:
    found = []
    for number, entry in enumerate(item.get(key, []), 1):
        here = f"{place}: {key} {number}"
        _check(entry, form, here)
        _complete(entry, form, here)
        says = entry.get("otherwise" if form is _NEED else "says")
        found.append(Condition(language.condition(entry["when"], f"{here}: when"), language.template(says, here) if says else None))
    return tuple(found)


def _hand_over(language: Language, item: Json | None, place: str) -> tuple[str, Template] | None:
    if not item:
        return None
    _check(item, _HAND_OVER, place)
    _complete(item, _HAND_OVER, place)
    return item["incident"], language.template(item["command"], f"{place}: command")


def _is(value: t.Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "bool":
        return False
    if not isinstance(value, PYTHON_TYPES[kind]):
        return False
    return not isinstance(value, list) or all(isinstance(item, str if kind == "list" else dict) for item in value)


def _as_read(value: t.Any, kind: str) -> t.Any:
    """A fact's value as expressions read it; what a row does not know it does not have."""
    if kind == "rows":
        return [{key: item for key, item in row.items() if item is not None} for row in value]
    return float(value) if kind == "double" else value


def _type_name(kind: t.Any) -> str:
    names = {str: "text", int: "whole number", list: "list", dict: "mapping"}
    return names.get(kind, "text, number, yes or no")
