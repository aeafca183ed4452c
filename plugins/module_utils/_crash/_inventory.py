# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a pod template refers to is there: by name and key, and never by value."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._mounts import changed_at
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._references import CLAIM, CLAIM_KIND, CONFIG_MAP, SECRET, Reference
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _pods


@dataclasses.dataclass(frozen=True)
class Held:
    """What is known of an object that is there.

    :param keys: None where its field managers do not tell them.
    :param changed_at: when its content was last written; empty for a claim.
    """

    keys: frozenset[str] | None
    changed_at: str


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What there is in a namespace.

    :param unknown: kind -> why it could not be listed.
    """

    held: t.Mapping[tuple[str, str], Held]
    unknown: t.Mapping[str, str]

    def missing(self, references: t.Iterable[Reference]) -> list[str]:
        """What is not there, in words."""
        return [str(reference) for reference in references if self._there(reference) is False]

    def untold(self, references: t.Iterable[Reference]) -> str:
        """Why it is not known whether all of them are there; empty where it is."""
        open_ones = [reference for reference in references if self._there(reference) is None]
        return "; ".join(dict.fromkeys(f"{reference.kind}s: {self.unknown[reference.kind]}" if reference.kind in self.unknown
                                       else f"the keys of {reference.kind} {reference.name} are not told" for reference in open_ones))

    def holds(self, words: str) -> bool:
        """Whether something is there for sure, in the words of a reference (``key url of Secret db``)."""
        *start, kind, name = words.split(" ")
        return self._there(Reference(kind, name, start[1] if start[:1] == ["key"] else "")) is True

    def changed_since(self, references: t.Iterable[Reference], begin: str) -> list[str]:
        """The objects whose content was written after a time, with the time."""
        objects = dict.fromkeys((reference.kind, reference.name) for reference in references)
        return [f"{kind} {name} at {held.changed_at}" for kind, name in objects
                if (held := self.held.get((kind, name))) and held.changed_at and _pods.moment(held.changed_at) > _pods.moment(begin)]

    def _there(self, reference: Reference) -> bool | None:
        if reference.kind in self.unknown:
            return None
        held = self.held.get((reference.kind, reference.name))
        if held is None or not reference.key:
            return held is not None
        return None if held.keys is None else reference.key in held.keys


def take(cluster: Cluster, namespace: str) -> Inventory:
    """List what there is. Of Secrets and ConfigMaps only the metadata travels; names and keys are kept of it, and nothing else."""
    found = gather(**{kind: lambda kind=kind: _pods.attempt(lambda: cluster.list_metadata(kind, namespace)) for kind in (SECRET, CONFIG_MAP)},
                   **{CLAIM: lambda: _pods.attempt(lambda: cluster.list(CLAIM_KIND, namespace))})
    held = {(kind, item["metadata"]["name"]): Held(None, "") if kind == CLAIM else Held(keys(item), changed_at(item))
            for kind, (items, _why) in found.items() for item in items or []}
    return Inventory(held, {kind: why for kind, (_items, why) in found.items() if why})


def keys(item: Json) -> frozenset[str] | None:
    """The keys of a Secret's or ConfigMap's content, as its field managers tell them; None where none does."""
    told = [fields[part] for entry in item["metadata"].get("managedFields", [])
            for fields in (entry.get("fieldsV1", {}),) for part in ("f:data", "f:binaryData", "f:stringData") if part in fields]
    return frozenset(name.removeprefix("f:") for fields in told for name in fields if name != ".") if told else None
