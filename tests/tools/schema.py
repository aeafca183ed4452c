# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/schema/incident.json, made from the types of the document (``_report/_model.py``): ``make schema`` writes it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import types
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._report import _model

FILE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schema" / "incident.json"
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def text() -> str:
    """The whole file."""
    form = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Incident", "version": _model.SCHEMA_VERSION, **schema(_model.Document)}
    form["properties"]["schema_version"] = {"const": _model.SCHEMA_VERSION}
    return json.dumps(form, indent=1) + "\n"


def schema(hint: t.Any) -> dict[str, t.Any]:
    """Of one type."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if dataclasses.is_dataclass(hint):
        hints = t.get_type_hints(hint)
        return {"type": "object", "description": (hint.__doc__ or "").splitlines()[0], "properties": {name: schema(one) for name, one in hints.items()},
                "required": list(hints), "additionalProperties": False}
    origin, inner = t.get_origin(hint), t.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": schema(inner[0])}
    if origin in (t.Union, types.UnionType):
        return {"anyOf": [schema(one) for one in inner]}
    return {"type": "object"} if origin is dict else {}


if __name__ == "__main__":
    FILE.write_text(text())
