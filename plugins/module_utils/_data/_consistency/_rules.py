# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: what they may say, and what is wrong with one, found before the first query."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._builtin import RULES

try:
    import yaml
except Exception:
    pass

SEVERITIES = ("critical", "high", "medium", "low")
#: what every row of a result has between its key and its sample columns
FIXED = ("found", "expected", "amount", "customer", "at")
DIFFERENCE = "coalesce(found, '0') - coalesce(expected, '0')"

Values = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a rule.

    :param kind: ``text`` (a name or an SQL expression), ``texts`` (one or several names), ``number``, ``columns`` (a mapping of names to
        columns), or the fields of a mapping.
    """

    kind: str | dict[str, "Field"]
    required: bool = False


TEXT, TEXTS, NUMBER = Field("text"), Field("texts"), Field("number")
NEEDED, NEEDED_TEXTS = Field("text", True), Field("texts", True)
#: the kind of rule that is about keys of a cache, and not about rows
CACHE = "cache"
PLACES = re.compile(r"\{(\w+)\}")

COMMON = {"name": NEEDED, "kind": NEEDED, "severity": TEXT, "description": NEEDED, "sample": TEXTS, "time": TEXT, "customer": TEXT}
OF_ROWS = {**COMMON, "table": NEEDED, "key": NEEDED_TEXTS, "amount": TEXT, "where": TEXT}
KINDS: dict[str, dict[str, Field]] = {
    "derived_total": {
        **COMMON, "table": NEEDED, "key": NEEDED_TEXTS, "where": TEXT, "column": NEEDED, "tolerance": NUMBER,
        "of": Field({"table": NEEDED, "column": NEEDED_TEXTS, "expression": NEEDED, "where": TEXT}, True)},
    "orphans": {**OF_ROWS, "column": NEEDED_TEXTS, "references": Field({"table": NEEDED, "column": NEEDED_TEXTS, "where": TEXT}, True)},
    "duplicates": {**OF_ROWS, "columns": NEEDED_TEXTS},
    "audit_mismatch": {
        **COMMON, "table": NEEDED, "key": NEEDED_TEXTS, "amount": TEXT, "where": TEXT, "column": TEXT, "flag": TEXT, "tolerance": NUMBER,
        "audit": Field({"table": NEEDED, "row": NEEDED_TEXTS, "order": NEEDED, "values": NEEDED, "where": TEXT})},
    "sums": {
        "name": NEEDED, "kind": NEEDED, "severity": TEXT, "description": NEEDED, "table": NEEDED, "by": NEEDED_TEXTS,
        "expression": NEEDED, "where": TEXT, "tolerance": NUMBER,
        "other": Field({"table": NEEDED, "by": NEEDED_TEXTS, "expression": NEEDED, "where": TEXT}, True)},
    "not_null": {**OF_ROWS, "columns": NEEDED_TEXTS},
    CACHE: {"name": NEEDED, "kind": NEEDED, "severity": TEXT, "description": NEEDED, "keys": NEEDED, "table": NEEDED, "key": NEEDED_TEXTS,
            "values": Field("columns", True)},
    "sql": {**COMMON, "table": TEXT, "key": NEEDED_TEXTS, "amount": TEXT, "query": NEEDED},
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A valid rule.

    :param key: columns that tell one affected row from another.
    :param amount: SQL expression of what is at stake in a row, '' where nothing is known.
    :param values: the rule as it was given, one name where one or several were allowed as a list.
    """

    name: str
    kind: str
    severity: str
    description: str
    key: tuple[str, ...]
    sample: tuple[str, ...]
    time: str
    customer: str
    amount: str
    values: Values

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of its result; the key comes first, then ``FIXED``, then the samples."""
        own = [f"{name}_column" if name in FIXED else name for name in (*self.key, *self.sample)]
        return (*own[:len(self.key)], *FIXED, *own[len(self.key):])


def load(files: t.Sequence[str], inline: t.Sequence[Values]) -> list[Rule]:
    """The rules about rows of YAML files (the built-in ones without any file), and those given inline, which replace those of their name.

    :raises InvalidInput: a file cannot be read, or a rule is wrong.
    """
    return [rule for rule in _load(files, inline) if rule.kind != CACHE]


def load_cached(files: t.Sequence[str], inline: t.Sequence[Values]) -> list[Rule]:
    """The rules about keys of a cache, likewise."""
    return [rule for rule in _load(files, inline) if rule.kind == CACHE]


def _load(files: t.Sequence[str], inline: t.Sequence[Values]) -> list[Rule]:
    named: dict[str, Rule] = {}
    for where, text in [(file, _text(file)) for file in files] or [("the built-in rules", RULES)]:
        named |= {rule.name: rule for rule in parse(_yaml(text, where), where)}
    if inline:
        named |= {rule.name: rule for rule in parse(list(inline), "the option rules")}
    return list(named.values())


def parse(given: t.Any, where: str = "the rules") -> list[Rule]:
    """The rules of a list as YAML gives it.

    :param where: file or option, for messages.
    :raises InvalidInput: names rule, field and what is allowed.
    """
    if not isinstance(given, list) or not given:
        raise _bad(where, "there must be a list of rules, each a mapping with name, kind and description")
    rules = [_rule(number, values, where) for number, values in enumerate(given, 1)]
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _bad(where, f"the name {', '.join(twice)} is used more than once; each rule needs one of its own")
    return rules


def _text(file: str) -> str:
    try:
        return pathlib.Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Consistency rules in {file} cannot be read: {error}.", "No query was sent.") from error


def _yaml(text: str, where: str) -> t.Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _bad(where, f"no valid YAML: {' '.join(str(error).split())}") from error


def _rule(number: int, given: t.Any, where: str) -> Rule:
    if not isinstance(given, dict):
        raise _bad(where, f"rule {number} is no mapping")
    called = f"rule {given.get('name') or number}"
    kind = given.get("kind")
    if kind not in KINDS:
        raise _bad(where, f"{called}: kind is {kind!r}; allowed are {', '.join(KINDS)}")
    values = _fields(KINDS[kind], given, f"{called} ({kind})", where)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", values["name"]):
        raise _bad(where, f"{called}: name must be lower-case letters, digits and _, at most 63, since files are named after it")
    severity = values.get("severity", "medium")
    if severity not in SEVERITIES:
        raise _bad(where, f"{called}: severity is {severity!r}; allowed are {', '.join(SEVERITIES)}")
    if kind == "audit_mismatch":
        _audit_fields(values, called, where)
    if kind == CACHE and sorted(PLACES.findall(values["keys"])) != sorted(values["key"]):
        raise _bad(where, f"{called}: keys must name each column of key once, as in order:{{id}}; it is {values['keys']!r}")
    keys = tuple(values["by"] if kind == "sums" else values["key"])
    _same_length(values, keys, called, where)
    known = {*keys, values.get("time"), values.get("customer")}
    return Rule(values["name"], kind, severity, values["description"], keys,
                tuple(name for name in dict.fromkeys(values.get("sample", [])) if name not in known),
                values.get("time", ""), values.get("customer", ""),
                values.get("amount", DIFFERENCE if kind in ("derived_total", "sums") else ""), values)


def _fields(fields: dict[str, Field], given: Values, called: str, where: str) -> Values:
    unknown = sorted(str(name) for name in given if name not in fields)
    if unknown:
        raise _bad(where, f"{called}: unknown field {', '.join(unknown)}; allowed are {', '.join(fields)}")
    missing = [name for name, field in fields.items() if field.required and given.get(name) in (None, "", [], {})]
    if missing:
        raise _bad(where, f"{called}: {', '.join(missing)} is missing")
    return {name: _value(fields[name], value, f"{called}: {name}", where) for name, value in given.items() if value not in (None, "")}


def _value(field: Field, value: t.Any, called: str, where: str) -> t.Any:
    if isinstance(field.kind, dict):
        if not isinstance(value, dict):
            raise _bad(where, f"{called} must be a mapping of {', '.join(field.kind)}")
        return _fields(field.kind, value, called, where)
    if field.kind == "texts":
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str) and name for name in names):
            raise _bad(where, f"{called} must be one name or a list of names")
        return names
    if field.kind == "columns":
        if not isinstance(value, dict) or not value or not all(isinstance(text, str) and text for pair in value.items() for text in pair):
            raise _bad(where, f"{called} must be a mapping of fields to columns, such as total: total")
        return value
    if field.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise _bad(where, f"{called} must be a number that is not negative, not {value!r}")
        return value
    if not isinstance(value, str):
        raise _bad(where, f"{called} must be text, not {value!r}")
    return value.strip()


def _same_length(values: Values, key: tuple[str, ...], called: str, where: str) -> None:
    """Columns that are compared pairwise with others."""
    pairs = {"derived_total": ("key", key, "of", "column"), "orphans": ("column", values.get("column"), "references", "column"),
             "audit_mismatch": ("key", key, "audit", "row"), "sums": ("by", key, "other", "by")}
    if values["kind"] not in pairs:
        return
    own, columns, mapping, name = pairs[values["kind"]]
    other = values.get(mapping, {}).get(name)
    if other and len(columns) != len(other):
        raise _bad(where, f"{called}: {own} ({', '.join(columns)}) and {mapping}.{name} ({', '.join(other)}) must have as many columns, in one order")


def _audit_fields(values: Values, called: str, where: str) -> None:
    if ("flag" in values) == ("audit" in values) or ("audit" in values) != ("column" in values):
        raise _bad(where, f"{called}: an audit_mismatch has either flag (rows of table that are marked) or column and audit "
                          "(rows of table that differ from what was recorded last)")
    if "audit" in values and "where" in values:
        raise _bad(where, f"{called}: where is not allowed beside audit, since a row that it leaves out would count as missing; "
                          "use audit.where")


def _bad(where: str, what: str) -> InvalidInput:
    return InvalidInput(f"Consistency rules in {where}: {what}.", "No query was sent. docs/consistency-rules.md describes every kind.")
