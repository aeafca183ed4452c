# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model may speak of: the pieces of a document, each with an id by which a sentence can cite it."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

Json = t.Dict[str, t.Any]

QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d]*)[\"\u201d]")

#: what names an entry of a list, best first; its place in the list where it has none of them
_NAMES = (("id",), ("name", "at"), ("name",), ("number",), ("title",), ("question",), ("service",), ("source", "target"), ("at",))


@dataclasses.dataclass(frozen=True)
class Fact:
    """One piece.

    :param id: where it stands in the document, such as ``signals[pool_in_use@2026-01-02T10:00:00Z]``.
    :param ours: the words of it that the program wrote itself; of a line of a log only what it is called, and nothing that it quotes.
    """

    id: str
    text: str
    ours: str


def facts(document: Json, outside: t.Collection[str] = ()) -> dict[str, Fact]:
    """Every piece of a document by its id, in its order: the plain values of one object are one piece.

    :param outside: beginnings of the ids of pieces whose words were written by others.
    """
    found: dict[str, Fact] = {}
    seen: collections.Counter[str] = collections.Counter()
    for path, values in _pieces("", document):
        if said := {key: value for key, value in values.items() if value not in (None, "")}:
            seen[path] += 1
            name = path if seen[path] == 1 else f"{path}#{seen[path]}"
            text = "; ".join(f"{key}: {value}" if key else str(value) for key, value in said.items())
            found[name] = Fact(name, text, " ".join(said) if path.startswith(tuple(outside)) else QUOTED.sub(" ", text))
    return found


def _pieces(path: str, value: t.Any) -> t.Iterator[tuple[str, Json]]:
    if isinstance(value, dict) and "header" in value and "rows" in value:
        for number, row in enumerate(value["rows"]):
            yield f"{path}[{number}]", dict(zip(map(str, value["header"]), row, strict=False))
    elif isinstance(value, dict):
        plain = {key: item for key, item in value.items() if not isinstance(item, (dict, list, tuple))}
        yield path or "document", plain
        for key in (key for key in value if key not in plain):
            yield from _pieces(f"{path}.{key}".lstrip("."), value[key])
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _pieces(f"{path}[{_name(item, number)}]", item)
    else:
        yield path, {"": value}


def _name(item: t.Any, number: int) -> str:
    if isinstance(item, dict):
        for keys in _NAMES:
            if all(item.get(key) not in (None, "") for key in keys):
                return "@".join(str(item[key]) for key in keys)
    return str(number)
