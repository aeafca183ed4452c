# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alerts an incident has, kept in its cluster: deliveries come twice, out of order, and to controllers that know nothing of each other.

One ConfigMap for each target and incident type. Whoever writes it first answers; everybody else sees that, by the API server's word
and not by a memory that a restart would lose.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._alerts import _alert
from ansible_collections.sre.runbooks.plugins.module_utils._alerts._alert import Alert
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

LABEL = "runbooks.sre/alerts"
RUNNING, DONE = "running", "done"
#: what is to be done about a delivery
ANSWER, DUPLICATE, JOINED, COOLDOWN, RESOLVED, NOTHING = "answer", "duplicate", "joined", "cooldown", "resolved", "nothing"
#: outcomes of runs that found nothing over its threshold: looked at again soon, for an alert may be ahead of what it tells
NOTHING_FOUND = ("healthy", "cleared", "refused")
SOON = 60.0
#: alerts that a claim names; of a storm, the others are counted
MOST_ALERTS = 200
_TRIES = 8


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds: how long a run may take until its claim is anybody's, and in which no second one begins after it."""

    run: float = 3600.0
    cooldown: float = 1800.0


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the cluster knows.

    :param state: RUNNING or DONE, ``since`` when.
    :param alerts: fingerprint -> ``starts_at`` and ``status``; ``more`` counts those that are not named.
    :param repeat: how often the same alert was answered before.
    """

    incident_id: str
    state: str
    since: float
    outcome: str = ""
    alerts: t.Mapping[str, Json] = dataclasses.field(default_factory=dict)
    more: int = 0
    repeat: int = 0


def decide(claim: Claim | None, alert: Alert, now: float, limits: Limits) -> tuple[str, Claim | None]:
    """What is to be done about a delivery, and the claim as it is then.

    :param now: seconds since 1970, by the cluster's clock.
    """
    if claim is None:
        return (NOTHING, None) if alert.status == _alert.RESOLVED else (ANSWER, _begun(alert, now, {}))
    known = claim.alerts.get(alert.fingerprint)
    seen = _with(claim, alert)
    if alert.status == _alert.RESOLVED:
        if known is None or known["status"] == _alert.RESOLVED or known["starts_at"] != alert.starts_at:
            return NOTHING, claim
        return RESOLVED, seen
    if claim.state == RUNNING:
        if now - claim.since >= limits.run:  # it was broken off: the same incident goes on
            return ANSWER, dataclasses.replace(seen, since=now)
        return (DUPLICATE, claim) if known and known["starts_at"] >= alert.starts_at else (JOINED, seen)
    if known and (known["starts_at"] > alert.starts_at or known["status"] == _alert.RESOLVED and known["starts_at"] == alert.starts_at):
        return DUPLICATE, claim  # a late or a replayed delivery of what has ended
    if now - claim.since < (SOON if claim.outcome in NOTHING_FOUND else limits.cooldown):
        return COOLDOWN, seen
    again = claim.repeat + 1 if known and known["starts_at"] == alert.starts_at else 0
    return ANSWER, _begun(alert, now, _ended(claim), again)


def claim(cluster: Cluster, alert: Alert, limits: Limits) -> tuple[str, Claim | None]:
    """Decide, and write it down; of several at once one answers."""
    for _try in range(_TRIES):
        found = cluster.find("ConfigMap", alert.namespace, _name(alert))
        known = _read(found) if found else None
        action, wanted = decide(known, alert, cluster.now().timestamp(), limits)
        if wanted is None or wanted == known:
            return action, wanted
        try:
            _write(cluster, alert, found, wanted)
        except ClusterError as error:
            if error.status == 409:
                continue  # somebody was faster: look again
            raise
        _tell(cluster, alert, wanted, action)
        return action, wanted
    raise ClusterError(f"Cluster {cluster.name}: the claim of {alert.target} could not be written, {_TRIES} times somebody was faster.",
                       "Nothing was done; Alertmanager sends the alert again.")


def finish(cluster: Cluster, alert: Alert, incident_id: str, outcome: str) -> None:
    """Say that the run of this incident has ended; a claim that is somebody else's by now is left alone."""
    for _try in range(_TRIES):
        found = cluster.find("ConfigMap", alert.namespace, _name(alert))
        known = _read(found) if found else None
        if known is None or known.incident_id != incident_id:
            return
        try:
            _write(cluster, alert, found, dataclasses.replace(known, state=DONE, outcome=outcome, since=cluster.now().timestamp()))
            return
        except ClusterError as error:
            if error.status != 409:
                raise


def find(cluster: Cluster, namespace: str, incident_id: str) -> Claim | None:
    """The claim of an incident; None where no alert began it, or another incident has followed it."""
    found = (_read(item) for item in cluster.list("ConfigMap", namespace, labelSelector=LABEL))
    return next((claim for claim in found if claim.incident_id == incident_id), None)


def firing(claim: Claim) -> int:
    """How many alerts of it fire; those that are only counted may."""
    return sum(one["status"] == _alert.FIRING for one in claim.alerts.values()) + claim.more


def _begun(alert: Alert, now: float, ended: t.Mapping[str, Json], repeat: int = 0) -> Claim:
    return Claim(_alert.incident_id(alert, repeat), RUNNING, now, alerts={**ended, alert.fingerprint: _entry(alert)}, repeat=repeat)


def _ended(claim: Claim) -> dict[str, Json]:
    """The newest of what was resolved: kept, so that a delivery of it that somebody sends again is known."""
    resolved = {name: one for name, one in claim.alerts.items() if one["status"] == _alert.RESOLVED}
    newest = sorted(resolved, key=lambda name: resolved[name]["starts_at"])[-MOST_ALERTS // 2:]
    return {name: resolved[name] for name in newest}


def _with(claim: Claim, alert: Alert) -> Claim:
    if alert.fingerprint not in claim.alerts and len(claim.alerts) >= MOST_ALERTS:
        return dataclasses.replace(claim, more=claim.more + 1)
    return dataclasses.replace(claim, alerts={**claim.alerts, alert.fingerprint: _entry(alert)})


def _entry(alert: Alert) -> Json:
    return {"starts_at": alert.starts_at, "status": alert.status}


def _name(alert: Alert) -> str:
    content = json.dumps([alert.incident_type, alert.workload])
    return f"alerts-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _read(found: Json) -> Claim:
    return Claim(**json.loads(found["data"]["claim"]))


def _write(cluster: Cluster, alert: Alert, found: Json | None, wanted: Claim) -> None:
    data = {"claim": json.dumps(dataclasses.asdict(wanted), sort_keys=True)}
    if found is None:
        cluster.create("ConfigMap", alert.namespace, {
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": _name(alert), "namespace": alert.namespace,
                         "labels": {LABEL: alert.incident_type, "app.kubernetes.io/managed-by": "sre.runbooks"}}})
        return
    version = found["metadata"].get("resourceVersion")
    cluster.patch("ConfigMap", alert.namespace, _name(alert), {"metadata": {"resourceVersion": version}, "data": data})


def _tell(cluster: Cluster, alert: Alert, wanted: Claim, action: str) -> None:
    """Put on the incident's time line what came while it runs, or after it."""
    words = {JOINED: "another alert joins", COOLDOWN: "an alert within the cooldown, so no second run", RESOLVED: "alert resolved"}.get(action)
    record = words and Incident.find(cluster, alert.namespace, wanted.incident_id)
    if not record:
        return
    text = f"{words}: {alert.text or alert.fingerprint}" + (f" ({firing(wanted)} still firing)" if action == RESOLVED else "")
    record.note("alert", text)


def since(claim: Claim) -> str:
    """When its state began, ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(claim.since, datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
