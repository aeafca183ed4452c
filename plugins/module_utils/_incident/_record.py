# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of an incident, kept in the target cluster so that any controller can continue it.

One ConfigMap per incident, with one key per event and per change. Appending is a
merge patch of a new key, so writers never overwrite each other.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import getpass
import json
import re
import secrets
import socket
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

LABEL = "runbooks.sre/incident"
#: of the further ConfigMaps of a record that one cannot hold
PART_LABEL = "runbooks.sre/incident-part"
#: bytes in one ConfigMap from which on a further one is begun: the API server takes 1 MiB, and the first also holds the findings
MOST_BYTES = 600_000
#: keys that there are more and more of
GROWING = ("event.", "signal.", "change.")
TYPE_LABEL = "runbooks.sre/type"
_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,50}[A-Za-z0-9])?")

INTENDED, DONE, UNDONE, VOID = "intended", "done", "undone", "void"

#: characters of the findings that the record keeps
LONGEST_FINDINGS = 200_000

#: statuses of an incident that no person needs to look at now
AT_REST = {"mitigated", "cleared", "planned", "closed"}


@dataclasses.dataclass
class LedgerEntry:
    """A change and what became of it.

    :param number: 1, 2, … in the order of writing.
    :param state: ``intended`` (written before the change), ``done``, ``undone`` or ``void`` (never happened).
    :param at: when that state was recorded.
    """

    number: int
    change: Change
    state: str
    at: str

    def to_json(self) -> Json:
        """As it is stored."""
        return dataclasses.asdict(self)


def check_id(incident_id: str) -> str:
    """Refuse an id that could not name a directory, a label and a ConfigMap."""
    if not _ID.fullmatch(incident_id):
        raise InvalidInput(
            f"incident_id {incident_id!r} is not usable: 1 to 52 letters, digits, '.', '_' or '-', "
            "beginning and ending with a letter or digit.", "For example: -e incident_id=INC-1234")
    return incident_id


def new_id(incident_type: str) -> str:
    """A readable id: type and UTC time."""
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    return f"{incident_type.replace('_', '-')}-{moment}"


def me() -> str:
    """Who acts, for records: user and host of the controller."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class Incident:
    """One incident's record in its cluster."""

    def __init__(self, cluster: Cluster, namespace: str, config_map: Json) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._data: dict[str, str] = dict(config_map.get("data", {}))
        #: as it was read; after a write of our own, others may have written before it, so a guarded one reads again
        self._version: str = config_map.get("metadata", {}).get("resourceVersion", "")
        self.head: Json = json.loads(self._data["incident"])
        self.id: str = self.head["id"]
        self._part = self.head.get("parts", 0)
        self._bytes = _bytes(self._data)
        #: in which part a key lies; 0 for those that are not here
        self._where: dict[str, int] = {}
        for number in range(1, self._part + 1):
            data = (cluster.find("ConfigMap", namespace, _name(self.id, number)) or {}).get("data", {})
            self._bytes = _bytes(data)
            self._data.update(data)
            self._where |= dict.fromkeys(data, number)

    @classmethod
    def find(cls, cluster: Cluster, namespace: str, incident_id: str) -> "Incident | None":
        """The record of an id, or None."""
        found = cluster.find("ConfigMap", namespace, _name(check_id(incident_id)))
        return cls(cluster, namespace, found) if found else None

    @classmethod
    def load(cls, cluster: Cluster, namespace: str, incident_id: str) -> "Incident":
        """The record of an id that must exist."""
        found = cls.find(cluster, namespace, incident_id)
        if found is None:
            known = [incident.id for incident in cls.all(cluster, namespace)]
            raise InvalidInput(
                f"Cluster {cluster.name}: namespace {namespace} has no incident {incident_id!r}.",
                f"Known: {', '.join(known[-10:])}." if known else "It has no incidents at all.")
        return found

    @classmethod
    def all(cls, cluster: Cluster, namespace: str) -> list["Incident"]:
        """Every incident of a namespace, oldest first."""
        maps = cluster.list("ConfigMap", namespace, labelSelector=LABEL)
        return sorted((cls(cluster, namespace, item) for item in maps), key=lambda i: i.head["opened_at"])

    @classmethod
    def open(cls, cluster: Cluster, incident_id: str, incident_type: str, target: Target,
             **facts: t.Any) -> "Incident":
        """Create the record, or return the one that is there."""
        head = {"id": check_id(incident_id), "type": incident_type, "target": dataclasses.asdict(target),
                "status": "open", "opened_at": now(), "opened_by": me(), **facts}
        body = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": _name(incident_id), "namespace": target.namespace,
                             "labels": {LABEL: incident_id, TYPE_LABEL: incident_type,
                                        "app.kubernetes.io/managed-by": "sre.runbooks"}},
                "data": {"incident": json.dumps(head)}}
        try:
            return cls(cluster, target.namespace, cluster.create("ConfigMap", target.namespace, body))
        except ClusterError as error:
            if error.status != 409:
                raise
            return cls.load(cluster, target.namespace, incident_id)

    @property
    def target(self) -> Target:
        """What the incident is about."""
        return Target(**self.head["target"])

    @property
    def status(self) -> str:
        """``open``, ``mitigated``, ``contained``, ``not_mitigated``, ``unknown``, ``cooldown`` or ``closed``."""
        return self.head["status"]

    @property
    def acknowledged(self) -> Json | None:
        """Who has taken the incident on, and when: ``by`` and ``at``; None while nobody has."""
        return json.loads(self._data["acknowledged"]) if "acknowledged" in self._data else None

    @property
    def escalations(self) -> dict[str, str]:
        """When it was escalated, by severity and step, such as ``P2.respond``."""
        return {key.partition(".")[2]: json.loads(value) for key, value in self._data.items() if key.startswith("escalation.")}

    def acknowledge(self, who: str) -> None:
        """Record that somebody has taken the incident on; the first one stays."""
        if self.acknowledged is None:
            self._store({"acknowledged": json.dumps({"by": who, "at": now()})})
            self.note("acknowledge", f"acknowledged by {who}")

    def escalated(self, step: str) -> None:
        """Record that it was escalated: once for each severity and step."""
        self._store({f"escalation.{self.head['severity']}.{step}": json.dumps(now())})

    def update(self, **facts: t.Any) -> None:
        """Set facts of the record itself, such as its status."""
        self.head.update(facts)
        self._store({"incident": json.dumps(self.head)})

    def note(self, phase: str, text: str, at: str | None = None, **facts: t.Any) -> None:
        """Append an event to the timeline."""
        moment = at or now()
        key = f"event.{re.sub('[^0-9TZ]', '', moment)}-{secrets.token_hex(3)}"
        self._store({key: json.dumps({"at": moment, "phase": phase, "text": text, "by": me(), **facts})})

    def kept(self, prefix: str) -> dict[str, Json]:
        """What was kept with ``keep`` under keys of that prefix, in the order of the keys."""
        return {key: json.loads(value) for key, value in sorted(self._data.items()) if key.startswith(prefix)}

    def keep(self, entries: t.Mapping[str, t.Any]) -> None:
        """Keep JSON under keys of their own, beside events and changes."""
        self._store({key: json.dumps(value) for key, value in entries.items()})

    def keep_if_unchanged(self, entries: t.Mapping[str, t.Any]) -> bool:
        """Keep it only if nobody has written to the record since it was read; says whether that was so."""
        data = {key: json.dumps(value) for key, value in entries.items()}
        try:
            stored = self._cluster.patch("ConfigMap", self._namespace, _name(self.id), {"metadata": {"resourceVersion": self._version}, "data": data})
        except ClusterError as error:
            if error.status == 409:
                return False
            raise
        self._data.update(data)
        self._version = stored["metadata"].get("resourceVersion", "")
        return True

    def again(self) -> "Incident":
        """The record as it is now."""
        return self.load(self._cluster, self._namespace, self.id)

    @property
    def cluster_name(self) -> str:
        """The cluster that it is in."""
        return self._cluster.name

    def clock(self) -> datetime.datetime:
        """The time by the cluster's clock, which all controllers share."""
        return self._cluster.now()

    def measured(self, phase: str, readings: t.Sequence[Json]) -> None:
        """Keep what was measured.

        :param readings: each with ``at`` and ``signals`` (name, value, threshold, breached, text).
        """
        if readings:
            key = f"signal.{re.sub('[^0-9TZ]', '', readings[0]['at'])}-{secrets.token_hex(3)}"
            self._store({key: json.dumps([{**reading, "phase": phase} for reading in readings])})

    def measurements(self) -> list[Json]:
        """Every reading in order of time, each with at, phase and signals."""
        readings = [reading for key, value in self._data.items() if key.startswith("signal.") for reading in json.loads(value)]
        return sorted(readings, key=lambda reading: reading["at"])

    @property
    def findings(self) -> Json:
        """What the runbook found, as its report was given it, with ``rehearsal`` and, where something was too long, ``left_out``; empty before."""
        return json.loads(self._data.get("findings", "{}"))

    def found(self, findings: Json, evidence: t.Sequence[Json]) -> None:
        """Keep what the runbook found, so that any controller can write the report again, and the manifest of the evidence.

        What is too long for the record is left out of it and named in ``left_out``; it is in the evidence.
        """
        self._store({"findings": _short_enough(findings), "evidence": json.dumps(list(evidence))})

    def captured(self, evidence: t.Sequence[Json]) -> None:
        """Keep the manifest of the evidence as it is now."""
        self._store({"evidence": json.dumps(list(evidence))})

    @property
    def evidence(self) -> list[Json]:
        """The manifest of the evidence as it was when it was last kept."""
        return json.loads(self._data.get("evidence", "[]"))

    def without_secrets(self) -> dict[str, t.Any]:
        """The whole record, key to entry, for what leaves the cluster. What a change's field holds is judged by its path."""
        plain: dict[str, t.Any] = {key: redact_object(json.loads(value)) for key, value in self._data.items()}
        for key, entry in plain.items():
            if key.startswith("change."):
                fields = [dataclasses.asdict(Field(**field).without_secrets()) for field in entry["change"]["fields"]]
                plain[key] = {**entry, "change": {**entry["change"], "fields": fields}}
        return plain

    def timeline(self) -> list[Json]:
        """The events in order of time."""
        events = [json.loads(value) for key, value in self._data.items() if key.startswith("event.")]
        return sorted(events, key=lambda event: event["at"])

    def ended_sessions(self) -> list[Json]:
        """The events in which database sessions were ended: changes too, but none that could be taken back, so not in the ledger."""
        return [event for event in self.timeline() if event.get("ended")]

    def ledger(self) -> list[LedgerEntry]:
        """The changes in the order in which they were written."""
        entries = [json.loads(value) for key, value in sorted(self._data.items()) if key.startswith("change.")]
        return [LedgerEntry(**{**entry, "change": Change.from_json(entry["change"])}) for entry in entries]

    def intend(self, change: Change) -> LedgerEntry:
        """Write a change to the ledger, before it is made."""
        entry = LedgerEntry(len(self.ledger()) + 1, change, INTENDED, now())
        self._write_entry(entry)
        return entry

    def mark(self, entry: LedgerEntry, state: str) -> None:
        """Record what became of a change."""
        entry.state, entry.at = state, now()
        self._write_entry(entry)

    def _write_entry(self, entry: LedgerEntry) -> None:
        self._store({f"change.{entry.number:04d}": json.dumps(entry.to_json())})

    def _store(self, data: dict[str, str]) -> None:
        """Write keys: what grows with the incident where there is room, or where it lies, and everything else into the first ConfigMap."""
        new = {key: value for key, value in data.items() if key.startswith(GROWING) and key not in self._data}
        if new and self._bytes + _bytes(new) > MOST_BYTES:
            self._begin_part()
        self._where |= dict.fromkeys(new, self._part)
        parts: dict[int, dict[str, str]] = collections.defaultdict(dict)
        for key, value in data.items():
            parts[self._where.get(key, 0)][key] = value
        for part, keys in sorted(parts.items()):
            self._cluster.patch("ConfigMap", self._namespace, _name(self.id, part), {"data": keys})
        self._bytes += _bytes(new)
        self._data.update(data)

    def _begin_part(self) -> None:
        """Go on in a further ConfigMap, which another controller may have begun already."""
        self._part, self._bytes = self._part + 1, 0
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _name(self.id, self._part), "namespace": self._namespace, "labels": {
            PART_LABEL: self.id, "app.kubernetes.io/managed-by": "sre.runbooks"}}}
        try:
            self._cluster.create("ConfigMap", self._namespace, body)
        except ClusterError as error:
            if error.status != 409:
                raise
        self.update(parts=self._part)


def _short_enough(findings: Json) -> str:
    """As JSON, without what can be spared where that is too long."""
    spared = (("tables of figures", "diagnosis", {**findings.get("diagnosis", {}), "tables": []}), ("changes that others made", "changed", []),
              ("which service needs which", "graph", []))
    for what, key, rest in spared:
        if len(kept := json.dumps(findings)) <= LONGEST_FINDINGS:
            return kept
        if findings.get(key, rest) != rest:
            findings = {**findings, key: rest, "left_out": [*findings.get("left_out", []), what]}
    return json.dumps(findings)


def _name(incident_id: str, part: int = 0) -> str:
    return "incident-" + incident_id.lower().replace("_", "-") + (f".part-{part}" if part else "")


def _bytes(data: t.Mapping[str, str]) -> int:
    return sum(len(key) + len(value.encode()) for key, value in data.items())
