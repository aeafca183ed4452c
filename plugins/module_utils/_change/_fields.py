# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write single fields of Kubernetes objects by path.

A path reads like ``spec.template.spec.containers[name=api-server].resources.limits.memory``;
keys with dots are quoted: ``metadata.annotations["example.org/key"]``. A field that
does not exist has the value None: Kubernetes stores no nulls.
"""

from __future__ import annotations

import re
import typing as t

Json = t.Dict[str, t.Any]


class Selector(t.NamedTuple):
    """The list item whose ``key`` has that value."""

    key: str
    value: str


Segment = t.Union[str, Selector]

_TOKEN = re.compile(r'\.?(?:(?P<key>[\w-]+)|\["(?P<quoted>[^"]+)"\]|\[(?P<by>\w+)=(?P<value>[^\]]+)\])')


def parse(path: str) -> list[Segment]:
    """Split a path into keys and list selectors."""
    segments: list[Segment] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if not match:
            raise ValueError(f"bad field path {path!r} at {path[position:]!r}")
        segments.append(Selector(match["by"], match["value"]) if match["by"] else match["key"] or match["quoted"])
        position = match.end()
    return segments


def join(*keys: str) -> str:
    """The path of nested keys, quoted where they need it."""
    return ".".join(key if re.fullmatch(r"[\w-]+", key) else f'["{key}"]' for key in keys).replace(".[", "[")


def leaves(document: Json, *keys: str) -> t.Iterator[tuple[str, t.Any]]:
    """Path and value of everything below nested keys; a list is one value."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, *keys, key)
        else:
            yield join(*keys, key), value


def read(document: t.Any, path: str) -> t.Any:
    """The value at a path, None where it is absent."""
    for segment in parse(path):
        document = _child(document, segment)
        if document is None:
            return None
    return document


def write(document: Json, path: str, value: t.Any) -> list[Json]:
    """The JSON patch that sets a field (or removes it, with None).

    Every step is guarded by ``test`` operations on what was read, so the API
    server refuses the patch when the field or the list it lies in has changed since.
    """
    operations: list[Json] = []
    pointer, current = "", t.cast(t.Any, document)
    segments = parse(path)
    for depth, segment in enumerate(segments[:-1], start=1):
        child = _child(current, segment)
        if child is None:
            if value is None:
                return []
            return operations + _add(pointer, current, segment, _item(segment, _nest(segments[depth:], value)))
        pointer = _point(pointer, current, segment)
        if isinstance(segment, Selector):
            operations.append({"op": "test", "path": f"{pointer}/{_escape(segment.key)}", "value": segment.value})
        current = child
    return operations + _set_leaf(pointer, current, segments[-1], value)


def _set_leaf(pointer: str, parent: t.Any, leaf: Segment, value: t.Any) -> list[Json]:
    before = _child(parent, leaf)
    if before is None:
        return [] if value is None else _add(pointer, parent, leaf, value)
    at = _point(pointer, parent, leaf)
    guard = {"op": "test", "path": at, "value": before}
    if value is None:
        return [guard, {"op": "remove", "path": at}]
    return [guard, {"op": "replace", "path": at, "value": value}]


def _add(pointer: str, parent: t.Any, segment: Segment, value: t.Any) -> list[Json]:
    """Add a child that is absent; the test on the whole parent stands for "still absent"."""
    guard = {"op": "test", "path": pointer, "value": parent}
    where = "-" if isinstance(segment, Selector) else _escape(segment)
    return ([guard] if pointer else []) + [{"op": "add", "path": f"{pointer}/{where}", "value": value}]


def _nest(segments: list[Segment], value: t.Any) -> t.Any:
    for segment in reversed(segments):
        value = [_item(segment, value)] if isinstance(segment, Selector) else {segment: value}
    return value


def _item(segment: Segment, value: t.Any) -> t.Any:
    """A new list item carries the key that it is found by."""
    if isinstance(segment, Selector) and isinstance(value, dict):
        return {segment.key: segment.value, **value}
    return value


def _child(parent: t.Any, segment: Segment) -> t.Any:
    if isinstance(segment, Selector):
        index = _index(parent, segment)
        return None if index is None else parent[index]
    return parent.get(segment) if isinstance(parent, dict) else None


def _point(pointer: str, parent: t.Any, segment: Segment) -> str:
    return f"{pointer}/{_index(parent, segment) if isinstance(segment, Selector) else _escape(segment)}"


def _index(items: t.Any, selector: Selector) -> int | None:
    for index, item in enumerate(items or []):
        if item.get(selector.key) == selector.value:
            return index
    return None


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
