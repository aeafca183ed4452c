# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One alert of Alertmanager, as data: what names something is compared with what may be named, what is text is made harmless and short."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

#: the types that a runbook answers; any other alert gets the health check
TYPES = ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "data_inconsistency", "crash_loop")
HEALTH_CHECK = "health_check"
FIRING, RESOLVED = "firing", "resolved"
#: bytes of an alert as JSON, characters of a text that is kept
MOST_BYTES, MOST_TEXT = 64 * 1024, 200
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_NAME)
_WORKLOAD = re.compile(rf"((deployment|statefulset|daemonset)/)?{_NAME}([.]{_NAME})*")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_TEMPLATE = re.compile(r"[{](?=[{%#])")


class NoAlert(InvalidInput):
    """What came is no alert that may be answered."""


@dataclasses.dataclass(frozen=True)
class Alert:
    """An alert whose every field has been checked.

    :param incident_type: one of TYPES, or HEALTH_CHECK.
    :param cluster: an inventory host that its sender may name.
    :param namespace: with ``workload`` empty for HEALTH_CHECK where the alert names none.
    :param fingerprint: Alertmanager's, of the labels.
    :param starts_at: ISO 8601, UTC.
    :param text: what it says, for people; never a template, one line.
    """

    status: str
    incident_type: str
    cluster: str
    namespace: str
    workload: str
    fingerprint: str
    starts_at: str
    text: str

    @property
    def target(self) -> str:
        """For messages, and what it is counted by."""
        return f"{self.namespace}/{self.workload}"


def read(given: t.Any, clusters: t.Sequence[str]) -> Alert:
    """Check an alert.

    :param given: as Alertmanager sends it in ``alerts``: status, labels, annotations, startsAt, fingerprint.
    :param clusters: inventory hosts that the sender may name; where there is only one, an alert without a cluster is about that.
    :raises NoAlert: anything that is not as it must be.
    """
    if not isinstance(given, dict) or not isinstance(given.get("labels"), dict):
        raise NoAlert("What came is no alert: it has no labels.", "Send Alertmanager's webhook here, see docs/alerts.md. Nothing was done.")
    given = _plain(given)
    labels: dict[str, t.Any] = given["labels"]
    status = given.get("status")
    if status not in (FIRING, RESOLVED):
        raise NoAlert(f"The alert's status is {shown(status)}.", "It is firing or resolved. Nothing was done.")
    incident_type = labels.get("incident_type")
    incident_type = incident_type if incident_type in TYPES else HEALTH_CHECK
    cluster = _cluster(labels.get("cluster"), clusters)
    namespace, workload = (_named(labels, name, pattern, incident_type == HEALTH_CHECK)
                           for name, pattern in (("namespace", _NAMESPACE), ("workload", _WORKLOAD)))
    if workload:
        Target.parse(namespace, workload)
    annotations = given.get("annotations") if isinstance(given.get("annotations"), dict) else {}
    text = annotations.get("summary") or annotations.get("description") or labels.get("alertname") or ""
    return Alert(status, incident_type, cluster, namespace, workload, _fingerprint(given), _moment(given.get("startsAt")), harmless(str(text)))


def harmless(text: str) -> str:
    """One short line that no template engine, terminal or shell would take for anything but text."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in redact(text[:4 * MOST_TEXT])).split())
    line = _TEMPLATE.sub("{ ", line).replace("$(", "$ (").replace("`", "'")
    return line if len(line) <= MOST_TEXT else line[:MOST_TEXT - 2] + " …"


def shown(value: t.Any) -> str:
    """A value that was refused, for the message."""
    return repr(harmless(str(value))[:60])


def incident_id(alert: Alert, repeat: int = 0) -> str:
    """The incident that every delivery of this alert comes to, whoever computes it.

    :param repeat: how often the same alert, never resolved, has been answered before.
    """
    content = json.dumps([alert.cluster, alert.target, alert.incident_type, alert.starts_at, repeat])
    return f"{alert.incident_type.replace('_', '-')}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def _plain(given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Without what Ansible hangs on values: what comes from outside is never trusted as a template."""
    try:
        text = json.dumps(given)
    except (TypeError, ValueError, RecursionError):
        raise NoAlert("What came is no alert: it is no JSON.", "Nothing was done.") from None
    if len(text) > MOST_BYTES:
        raise NoAlert(f"The alert has {len(text)} bytes, {MOST_BYTES} is the most that is read.", "Leave labels and annotations out. Nothing was done.")
    return json.loads(text)


def _cluster(named: t.Any, clusters: t.Sequence[str]) -> str:
    if named in (None, "") and len(clusters) == 1:
        return clusters[0]
    if not isinstance(named, str) or named not in clusters:
        raise NoAlert(f"The alert names the cluster {shown(named)}, which its sender may not name.",
                      "Clusters are inventory hosts; alerts_clusters says which ones this sender may name. Nothing was done.")
    return next(cluster for cluster in clusters if cluster == named)  # ours, not what came


def _named(labels: t.Mapping[str, t.Any], name: str, pattern: re.Pattern[str], may_be_absent: bool) -> str:
    value = labels.get(name)
    if isinstance(value, str) and len(value) <= 253 and pattern.fullmatch(value):
        return value
    if may_be_absent:
        return ""
    raise NoAlert(f"The alert's label {name} is {shown(value)}.", f"A runbook needs the name of a {name}. Nothing was done.")


def _fingerprint(given: t.Mapping[str, t.Any]) -> str:
    found = given.get("fingerprint")
    if isinstance(found, str) and _FINGERPRINT.fullmatch(found):
        return found
    return hashlib.sha256(json.dumps(given["labels"], sort_keys=True).encode()).hexdigest()[:16]


def _moment(value: t.Any) -> str:
    try:
        moment = datetime.datetime.fromisoformat(str(value)[:40].replace("Z", "+00:00"))
        return moment.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise NoAlert(f"The alert's startsAt is {shown(value)}.", "It is a time in ISO 8601. Nothing was done.") from None
