# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two values of a field mean the same: an API server writes quantities in its own form and leaves out what is empty."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change import _fields
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity

#: maps whose values are quantities, and single fields that are
_QUANTITIES = ("limits", "requests", "hard", "capacity", "allocatable")
_QUANTITY = ("sizeLimit", "averageValue")
#: maps of texts, where an empty one is a value
_TEXTS = ("data", "stringData", "binaryData")


def same(path: str, one: t.Any, other: t.Any) -> bool:
    """Whether two values mean the same at a path of a field."""
    keys = [segment if isinstance(segment, str) else segment.key for segment in _fields.parse(path)]
    if keys[0] in _TEXTS:
        return one == other
    inside = keys[-2] if len(keys) > 1 and isinstance(keys[-2], str) else ""
    return _same(inside, keys[-1], one, other)


def _same(inside: str, key: str, one: t.Any, other: t.Any) -> bool:
    """:param inside: the key of the map that holds the value, which stands at ``key``."""
    if inside in _QUANTITIES or key in _QUANTITY:
        return _quantity.same(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same(key, name, one.get(name), other.get(name)) for name in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(key, "", a, b) for a, b in zip(one, other, strict=True))
    return one == other or (one in (None, "") and other in (None, ""))
