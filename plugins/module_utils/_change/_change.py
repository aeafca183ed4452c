# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change: a reversible write to fields of one object.

Every kind of mitigation is the same thing at this level: an object, and fields
with their value before and after. What differs is only which fields it sets.
An object that does not exist yet is one whose fields are all absent. Most objects
are the API server's; the settings of a database role are read and written the same way.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change import _fields, _meaning, _postgres_roles, _redis_keys
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import (
    FIELD_MANAGER, JSON_PATCH, Cluster, Json, api_version)
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, Drift
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object

try:
    import jsonpatch
except Exception:
    pass

ATTEMPTS = 4
#: differences inside a field that a message names
MOST_DIFFERENCES = 3


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a change; None stands for absent."""

    path: str
    before: t.Any
    after: t.Any

    def shown(self) -> list[tuple[str, t.Any, t.Any]]:
        """Path, before and after for a person: of a document only what differs, and no secret, which the ledger needs for undo."""
        if isinstance(self.before, dict) and isinstance(self.after, dict):
            return [(f"{self.path}.{row['path']}", row["before"], row["after"]) for row in _history.differences(self.before, self.after)]
        plain = self.without_secrets()
        return [(self.path, plain.before, plain.after)]

    def without_secrets(self) -> "Field":
        """Both values without what the name at the end of the path says is secret."""
        last = _fields.parse(self.path)[-1]
        name = last if isinstance(last, str) else last.value
        before, after = (redact_object({"name": name, "value": value})["value"] for value in (self.before, self.after))
        return Field(self.path, before, after)


@dataclasses.dataclass(frozen=True)
class Change:
    """One reversible write.

    :param action: the name of the mitigation (``restart``, ``resources``…).
    :param target: the object that is written.
    :param uid: of the object when the change was planned: a recreated object is another one. Empty when there was
        none: then the change creates it, and its undo deletes it.
    :param fields: what is set.
    :param summary: one line for a person.
    :param temporary: whether the clean-up is to take it back.
    :param disruptive: whether it replaces pods, and with them evidence.
    :param reversible: whether taking it back makes sense where it did not help.
    :param expires_at: when a later run takes it back by itself, ISO 8601; empty for not.
    :param readers: the workload whose pods mount the object, such as ``deployment/api-gateway``; empty for none.
    :param ways: to the database or cache that holds the object; empty for an object of the API server's.
    """

    action: str
    target: Target
    uid: str
    fields: tuple[Field, ...]
    summary: str
    temporary: bool = True
    disruptive: bool = True
    reversible: bool = True
    expires_at: str = ""
    readers: str = ""
    ways: tuple[Json, ...] = ()

    @classmethod
    def plan(cls, action: str, target: Target, current: Json | None, wanted: t.Mapping[str, t.Any], summary: str,
             **traits: t.Any) -> "Change":
        """Compare the wanted field values with the current object (None: absent); those that mean the same are left out."""
        fields = tuple(Field(path, before, after) for path, after in wanted.items()
                       if not _meaning.same(path, before := _fields.read(current or {}, path), after))
        return cls(action, target, current["metadata"]["uid"] if current else "", fields, summary, **traits)

    @property
    def needed(self) -> bool:
        """Whether anything would change."""
        return bool(self.fields)

    @property
    def creates(self) -> bool:
        """Whether the object did not exist before."""
        return not self.uid

    def diff(self) -> dict[str, str]:
        """The change in Ansible's diff format."""
        header = f"{self.target} ({self.action})"
        return {"before_header": header, "after_header": header,
                "before": _render((path, before) for field in self.fields for path, before, _after in field.shown()),
                "after": _render((path, after) for field in self.fields for path, _before, after in field.shown())}

    def apply(self, cluster: Cluster) -> None:
        """Set the fields, if they still are as planned."""
        if self.creates:
            self._create(cluster)
        else:
            self._write(cluster, {field.path: (field.before, field.after) for field in self.fields}, "change")
        self._tell_readers(cluster)

    def undo(self, cluster: Cluster) -> None:
        """Restore the values from before, if the fields still are as this change left them."""
        if self.creates:
            self._delete(cluster)
        else:
            self._write(cluster, {field.path: (field.after, field.before) for field in reversed(self.fields)}, "undo")
        self._tell_readers(cluster)

    def after(self, current: Json) -> Json:
        """What the object would be with this change."""
        return jsonpatch.apply_patch(current, _patch(current, {field.path: field.after for field in self.fields}))

    def refuse_drift(self, cluster: Cluster) -> None:
        """Raise where a field is not as this change left it."""
        current = self._store(cluster).get(self.target.kind, self.target.namespace, self.target.name)
        self._refuse_drift(cluster, current, {field.path: (field.after, None) for field in self.fields}, "undo")

    def state(self, cluster: Cluster) -> str:
        """Where the object stands now: ``before``, ``after``, ``drift`` or ``gone``."""
        current = self._store(cluster).find(self.target.kind, self.target.namespace, self.target.name)
        if current is None:
            return "before" if self.creates else "gone"
        if not self.creates and current["metadata"]["uid"] != self.uid:
            return "gone"
        values = [(_fields.read(current, field.path), field) for field in self.fields]
        if all(_meaning.same(field.path, value, field.after) for value, field in values):
            return "after"
        if all(_meaning.same(field.path, value, field.before) for value, field in values):
            return "before"
        return "drift"

    def to_json(self) -> Json:
        """As the ledger stores it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> "Change":
        """From the ledger."""
        return cls(**{**data, "target": Target(**data["target"]),
                      "fields": tuple(Field(**field) for field in data["fields"]), "ways": tuple(data.get("ways", ()))})

    def _store(self, cluster: Cluster) -> t.Any:
        """What holds the object."""
        if self.target.kind == _postgres_roles.KIND:
            return _postgres_roles.PostgresRoles(cluster, self.ways)
        if self.target.kind == _redis_keys.KIND:
            return _redis_keys.RedisKeys(cluster, self.ways)
        return cluster

    def _create(self, cluster: Cluster) -> None:
        body: Json = {"apiVersion": api_version(self.target.kind), "kind": self.target.kind.rpartition("/")[2],
                      "metadata": {"name": self.target.name, "namespace": self.target.namespace}}
        try:
            cluster.create(self.target.kind, self.target.namespace, self.after(body))
        except ClusterError as error:
            if error.status != 409:
                raise
            raise Drift(f"Cluster {cluster.name}: {self.target} was absent when this was planned, and someone has "
                        "created it since. It was not overwritten.", "Look at it, and run again.") from error

    def _delete(self, cluster: Cluster) -> None:
        current = cluster.get(self.target.kind, self.target.namespace, self.target.name)
        self._refuse_drift(cluster, current, {field.path: (field.after, None) for field in self.fields}, "undo")
        others = other_writers(current)
        if others:
            raise Drift(f"Cluster {cluster.name}: {self.target} was created by this incident, and {', '.join(others)} has "
                        "written to it since. It was not deleted.", "Look at it, and delete it by hand if nobody needs it.",
                        drift={"object": str(self.target), "path": "", "found": others, "expected": [FIELD_MANAGER]})
        meta = current["metadata"]
        cluster.delete(self.target.kind, self.target.namespace, self.target.name,
                       {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]})

    def _tell_readers(self, cluster: Cluster) -> None:
        if self.readers:
            _workload.refresh_mounts(cluster, Target.parse(self.target.namespace, self.readers))

    def _write(self, cluster: Cluster, wanted: dict[str, tuple[t.Any, t.Any]], verb: str) -> None:
        store = self._store(cluster)
        for attempt in range(ATTEMPTS):
            current = store.get(self.target.kind, self.target.namespace, self.target.name)
            self._refuse_drift(cluster, current, wanted, verb)
            operations = _patch(current, {path: value for path, (_expected, value) in wanted.items()})
            try:
                store.patch(self.target.kind, self.target.namespace, self.target.name, operations, JSON_PATCH)
                return
            except ClusterError as error:
                if error.status not in (409, 422) or attempt == ATTEMPTS - 1:
                    raise

    def _refuse_drift(self, cluster: Cluster, current: Json, wanted: dict[str, tuple[t.Any, t.Any]],
                      verb: str) -> None:
        if self.uid and current["metadata"]["uid"] != self.uid:
            raise Drift(f"Cluster {cluster.name}: {self.target} was deleted and created again since it was "
                        f"recorded, so its fields are not ours to {verb}.", "Look at the object and decide by hand.")
        for path, (expected, _value) in wanted.items():
            found = _fields.read(current, path)
            if found is None and self.target.kind == _redis_keys.KIND:
                continue  # a key that expires by itself is nobody's change
            if not _meaning.same(path, found, expected):
                raise Drift(
                    f"Cluster {cluster.name}: {self.target} {_differs(path, found, expected)}: {last_writer(current, path)} changed it. "
                    "It was not overwritten.",
                    "Keep it so, or put back what was recorded, and run again.",
                    drift={"object": str(self.target), "path": path, "found": found, "expected": expected})


def _differs(path: str, found: t.Any, expected: t.Any) -> str:
    """How a field differs from what was recorded; of a whole template only what differs in it, and no secrets."""
    inside = Field(path, expected, found).shown()
    told = [f"{where} is {_text(now)}, but {_text(recorded)} was recorded" for where, recorded, now in inside[:MOST_DIFFERENCES]]
    return "; ".join(told) + (f"; and {len(inside) - len(told)} more fields differ" if len(inside) > len(told) else "")


def other_writers(current: Json) -> list[str]:
    """Who else than the runbooks has written more than metadata of an object."""
    return sorted({entry.get("manager", "someone") for entry in current["metadata"].get("managedFields", [])
                   if entry.get("manager") != FIELD_MANAGER and not entry.get("subresource")
                   and set(entry.get("fieldsV1", {})) - {"f:metadata"}})


def last_writer(current: Json, path: str) -> str:
    """Who wrote a field last, from the object's managed fields."""
    entries = [entry for entry in current["metadata"].get("managedFields", [])
               if not entry.get("subresource") and manages(entry, path)]
    if not entries:
        return "someone"
    latest = max(entries, key=lambda entry: entry.get("time", ""))
    return f"{latest.get('manager', 'someone')} (at {latest.get('time', 'an unknown time')})"


def manages(entry: Json, path: str) -> bool:
    """Whether an entry of managed fields covers a path."""
    return _owns(entry.get("fieldsV1") or {}, _fields.parse(path))


def _owns(fields: t.Any, segments: list[_fields.Segment]) -> bool:
    for segment in segments:
        if isinstance(segment, str):
            child = fields.get(f"f:{segment}")
        else:
            child = next((value for key, value in fields.items()
                          if key.startswith("k:") and f'"{segment.key}":"{segment.value}"' in key), None)
        if child is None:
            return False
        fields = child
    return True


def _patch(current: Json, wanted: dict[str, t.Any]) -> list[Json]:
    """One patch for several fields: each is computed on the object as the earlier ones leave it."""
    operations: list[Json] = []
    for path, value in wanted.items():
        step = _fields.write(current, path, value)
        current = jsonpatch.apply_patch(current, step)
        operations += step
    return operations


def _render(values: t.Iterable[tuple[str, t.Any]]) -> str:
    return "".join(f"{path}: {_text(value)}\n" for path, value in values)


def _text(value: t.Any) -> str:
    return "(absent)" if value is None else str(value)
