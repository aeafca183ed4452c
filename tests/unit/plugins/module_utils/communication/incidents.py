# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents for the tests, on the small API server of tests/fake_cluster."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, Incident, LedgerEntry
from fake_api import FakeApi

ROOT = pathlib.Path(__file__).resolve().parents[5]
NAMESPACE = "shop"


def template(kind: str) -> str:
    """The collection's own template."""
    return (ROOT / "roles" / "communication" / "templates" / f"{kind}.j2").read_text()


def opened(api: FakeApi, name: str = "INC-1", **facts: t.Any) -> Incident:
    """An incident that was just declared."""
    traits = {"title": "Memory of api-server grows", "severity": "P2", **facts}
    incident = Incident.open(api.cluster, name, "memory_leak", Target.parse(NAMESPACE, "api-server"), **traits)
    incident.note("detect", "memory at 97 % of the limit")
    return incident


def changed(incident: Incident, summary: str = "memory limit 512Mi to 1Gi", state: str = DONE) -> LedgerEntry:
    """A change that the incident has made."""
    path = "spec.template.spec.containers[name=api-server].resources.limits.memory"
    change = Change("resources", Target.parse(NAMESPACE, "api-server"), "uid", (Field(path, "512Mi", "1Gi"),), summary)
    entry = incident.intend(change)
    incident.mark(entry, state)
    return entry


def settled(incident: Incident, outcome: str = "mitigated", cause: str = "heap_leak") -> Incident:
    """The incident as its runbook leaves it."""
    incident.note("report", f"outcome: {outcome}")
    incident.update(status=outcome, cause=cause)
    return incident
