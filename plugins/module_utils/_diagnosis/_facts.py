# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts: named values with unit and source, or the reason why they are not known."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table

Json = t.Dict[str, t.Any]

#: escape sequences of terminals, then every other control character but the line feed and the tab
_CONTROLS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclasses.dataclass(frozen=True)
class Fact:
    """One fact.

    :param value: as JSON knows it; None where it is not known.
    :param unit: of the value, as the table of causes declares it (``B``, ``s``, ``share``…); empty for what has none.
    :param source: the piece of evidence or the place that it was read from.
    :param because: why it is not known; empty where it is.
    """

    name: str
    value: t.Any = None
    unit: str = ""
    source: str = ""
    because: str = ""

    @property
    def known(self) -> bool:
        """Whether it counts."""
        return not self.because

    def to_json(self) -> Json:
        """As modules return it and roles pass it on: name, value, unit, source, known, because."""
        return {**dataclasses.asdict(self), "known": self.known}


class FactSheet:
    """Collects facts. What comes from outside is cleaned: no secrets, no control characters."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def known(self, name: str, value: t.Any, source: str = "", unit: str = "") -> None:
        """A value that was read."""
        self._facts[name] = Fact(name, clean(value), unit, source)

    def known_or(self, name: str, value: t.Any, source: str, because: str, unit: str = "") -> None:
        """A value that was read, or None and why it could not be."""
        if value is None:
            self.unknown(name, because, source)
        else:
            self.known(name, value, source, unit)

    def unknown(self, name: str, because: str, source: str = "") -> None:
        """What could not be read, and why."""
        self._facts[name] = Fact(name, source=source, because=clean(because))

    def to_json(self) -> list[Json]:
        """All of them, in the order in which they came."""
        return [fact.to_json() for fact in self._facts.values()]


def facts_result(sheet: FactSheet, tables: t.Iterable[Table] = ()) -> Json:
    """What a module that makes facts of what was captured returns.

    :param tables: figures behind them, for the report; those without rows are left out.
    """
    facts = sheet.to_json()
    return {"facts": facts, "tables": [table.to_json() for table in tables if table.rows],
            "says": [f"{sum(fact['known'] for fact in facts)} of {len(facts)} facts known"]}


def parse(facts: t.Sequence[Json]) -> dict[str, Fact]:
    """Facts by name, from what modules returned; of two with one name the later counts."""
    return {fact.name: fact for fact in map(_parse_one, facts)}


def clean(value: t.Any) -> t.Any:
    """A value without secrets, escape sequences and control characters in its strings."""
    if isinstance(value, str):
        return redact(_CONTROLS.sub("", value))
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    return value


def _parse_one(item: Json) -> Fact:
    unknown_keys = set(item) - {field.name for field in dataclasses.fields(Fact)} - {"known"}
    if not isinstance(item.get("name"), str) or unknown_keys:
        raise InvalidInput(f"{item!r} is not a fact.", "A fact has name, value, unit, source, and because where it is not known.")
    fact = Fact(**{key: value for key, value in item.items() if key != "known"})
    if fact.known and fact.value is None:
        return dataclasses.replace(fact, because="it has no value")
    return fact
