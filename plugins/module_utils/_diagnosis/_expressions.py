# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions, values and sentences of a table of causes: CEL, checked against the declared names before anything is asked of it.

An expression that reads a fact that is not known has no answer, unless the rest decides alone (``false && x``, ``true || x``):
CEL's own rule for errors, so that an unknown fact counts neither for nor against.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import size

try:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_strings
except Exception:
    pass

#: the types that a table declares: what Python values they are
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "double": (float, int), "string": (str,), "list": (list,), "rows": (list,)}
NOT_KNOWN = "(not known)"

_LITERALS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_NAMES = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_PLACEHOLDERS = re.compile(r"\$\{([^{}]*)\}")


@dataclasses.dataclass(frozen=True, eq=False)
class Expression:
    """One expression.

    :param place: where it stands, for messages.
    :param names: what it reads.
    """

    text: str
    place: str
    names: frozenset[str]
    compiled: t.Any

    def evaluate(self, values: t.Mapping[str, t.Any]) -> t.Any:
        """Its value, None where it has none: it reads something that is not known, or cannot be computed from what is."""
        result = self.compiled.eval(data={name: values[name] for name in self.names if name in values})
        return None if result.type() == cel.Type.ERROR else result.plain_value()


@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """A sentence with ``${expression}`` in it.

    :param parts: text and expressions in turn.
    :param units: of the names that stand alone in an expression.
    """

    parts: tuple[str | Expression, ...]
    units: t.Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """What it reads."""
        return frozenset().union(*(part.names for part in self.parts if isinstance(part, Expression)))

    def render(self, values: t.Mapping[str, t.Any], shell: bool = False) -> str:
        """The sentence; what is not known is said to be so.

        :param shell: quote each value for a command line.
        """
        return "".join(part if isinstance(part, str) else self._filled(part, values, shell) for part in self.parts)

    def _filled(self, part: Expression, values: t.Mapping[str, t.Any], shell: bool) -> str:
        value = part.evaluate(values)
        text = NOT_KNOWN if value is None else in_words(value, "" if shell else self.units.get(part.text.strip(), ""))
        return shlex.quote(text) if shell else text


class Language:
    """CEL with the names of a table.

    :param types: name -> one of PYTHON_TYPES.
    :param units: name -> unit.
    """

    def __init__(self, types: t.Mapping[str, str], units: t.Mapping[str, str]) -> None:
        require("cel_expr_python")
        kinds = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING,
                 "list": cel.Type.List(cel.Type.STRING), "rows": cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))}
        self._names, self._units = frozenset(types), units
        self._environment = cel.NewEnv(variables={name: kinds[kind] for name, kind in types.items()}, extensions=[ext_strings.ExtStrings()])

    def expression(self, text: str, place: str) -> Expression:
        """Parse and check; what does not fit the declared names and types is refused with its place."""
        try:
            compiled = self._environment.compile(text)
        except Exception as error:  # the binding has no class of its own for it
            raise InvalidInput(f"{place}: {text!r} is refused: {_first_line(error)}.", "docs/diagnosis.md has the names and types.") from error
        return Expression(text, place, self._names & frozenset(_NAMES.findall(_LITERALS.sub("''", text))), compiled)

    def condition(self, text: str, place: str) -> Expression:
        """An expression that is true or false."""
        found = self.expression(text, place)
        if found.compiled.return_type() != cel.Type.BOOL:
            raise InvalidInput(f"{place}: {text!r} is a {found.compiled.return_type().name()}, and not true or false.")
        return found

    def template(self, text: str, place: str) -> Template:
        """A sentence."""
        pieces = _PLACEHOLDERS.split(text)
        return Template(tuple(self.expression(piece, place) if number % 2 else piece for number, piece in enumerate(pieces)), self._units)


def in_words(value: t.Any, unit: str = "") -> str:
    """A value for a person.

    :param unit: ``B``, ``s`` and ``share`` have a form of their own.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(in_words(item) for item in value) or "none"
    if isinstance(value, (int, float)):
        return {"B": size, "s": _duration, "share": lambda share: f"{100 * share:.0f} %"}.get(unit, lambda number: _number(number, unit))(value)
    return str(value)


def _number(value: float, unit: str) -> str:
    return f"{value:g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0]
    return re.sub(r"^INVALID_ARGUMENT: (?:ERROR: <input>:1:)?", "column ", line).removesuffix(" [INVALID_ARGUMENT]")
