#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: change_correlation_info
short_description: What changed before a workload began to ail, ranked
version_added: 0.1.0
description:
  - Reads rollouts, ConfigMaps, Secrets (only their metadata), Services, scaling, autoscalers, nodes, events, pods that ended, and the
    records of runbooks, and puts what changed in one time line with the signals.
  - Ranks the changes by how long before the onset they were made and by how their object is connected with the ailing workload, each
    with the evidence for and against it. What the incident O(incident_id) itself has changed is no candidate. Who needs whom is
    read from addresses in environment and ConfigMaps, from Services, from the labels of metrics and from addresses in logs.
  - The onset is given, or estimated from the logs of the workload and of those that call it. What may not be read is named in
    RV(not_seen), and is no error. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  onset:
    description: When the incident began, ISO 8601; estimated where it is not given.
    type: str
  window_seconds:
    description: How long before the onset changes are looked for.
    type: int
    default: 7200
  error_pattern:
    description: Regular expression of the lines of a log that count as errors; by default those of most applications.
    type: str
  signals:
    description: What was measured, for the time line.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: When, ISO 8601.
        type: str
        required: true
      text:
        description: What, for a person.
        type: str
        required: true
  metrics_port:
    description: Port of the pods' metrics, whose labels name whom they talk to; V(0) for none.
    type: int
    default: 9090
  metrics_path:
    description: Path of the metrics.
    type: str
    default: /metrics
"""

EXAMPLES = r"""
- name: diagnose | What changed before the log-ins failed
  sre.runbooks.change_correlation_info:
    namespace: ai-development
    workload: auth-service
    onset: '2026-11-24T03:12:00Z'
"""

RETURN = r"""
cause:
  description: Kind and object of the likeliest change, such as C(rollout deployment/auth-service), or V(undetermined).
  type: str
  returned: success
candidates:
  description: The changes, likeliest first, each with name, title, score (at most 100), evidence_for and evidence_against.
  type: list
  elements: dict
  returned: success
onset:
  description: When it began (C(at), empty where unknown) and how that is known (C(how)).
  type: dict
  returned: success
timeline:
  description: Changes, events and signals in order of time, each with at, kind, object, what, by, symptom and relation.
  type: list
  elements: dict
  returned: success
graph:
  description: Which workload needs which, each with source, target and how (how that is known).
  type: list
  elements: dict
  returned: success
not_seen:
  description: What could not be read, each with kind and reason.
  type: list
  elements: dict
  returned: success
tables:
  description: The changes that rank highest, for a report.
  type: list
  elements: dict
  returned: success
evidence:
  description: Path of the evidence that was saved.
  type: list
  elements: str
  returned: with incident_id
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import datetime
import re

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._correlation import _analysis, _onset
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._analysis import Question
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "onset": {"type": "str"},
    "window_seconds": {"type": "int", "default": 7200},
    "error_pattern": {"type": "str"},
    "signals": {"type": "list", "elements": "dict", "default": [], "options": {
        "at": {"type": "str", "required": True}, "text": {"type": "str", "required": True}}},
    "metrics_port": {"type": "int", "default": 9090},
    "metrics_path": {"type": "str", "default": "/metrics"},
}


def run(task: Task) -> Result:
    """Ask the cluster what changed."""
    p = task.params
    question = Question(
        Target.parse(p["namespace"], p["workload"]), _moment("onset", p["onset"]) if p["onset"] else None,
        datetime.timedelta(seconds=p["window_seconds"]), _pattern(p["error_pattern"] or _onset.ERRORS),
        [(_moment("signals", signal["at"]), signal["text"]) for signal in p["signals"]], p["container"],
        p["metrics_port"], p["metrics_path"], p["incident_id"] or "")
    cluster = task.cluster()
    _workload.read(cluster, question.target)
    result: Result = _analysis.answer(cluster, question, datetime.datetime.now(datetime.timezone.utc))
    store = task.evidence()
    if store:
        store.save_json("changes.json", "changes", f"what changed around {question.target}", result)
        result["evidence"] = [str(store.path("changes.json"))]
    return result


def _moment(option: str, text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{option} {text!r} is not a time (ISO 8601).", "For example 2026-11-24T03:12:00Z. Nothing was sent.") from error
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidInput(f"error_pattern {text!r} is not a regular expression: {error}.", "Nothing was sent.") from error


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
