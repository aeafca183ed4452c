#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_search_info
short_description: Find lines in the logs of a workload's pods, and count what they are about
version_added: 0.1.0
description:
  - Searches the logs of all pods at once and returns the last matching lines, redacted, and how often each value of the regular
    expression's first group occurs. Reads only.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.target
  - sre.runbooks.evidence
options:
  pattern:
    description: Regular expression; its first group, where it has one, is what is counted.
    type: str
    required: true
  since_seconds:
    description: How far back to search.
    type: int
    default: 900
  read_lines:
    description: Most lines to read of each pod, the newest.
    type: int
    default: 20000
  last:
    description: How many of the matching lines to return, the newest.
    type: int
    default: 20
  evidence_name:
    description: Name of the evidence that is saved where O(incident_id) is set.
    type: str
    default: log-search
"""

EXAMPLES = r"""
- name: capture | The last lines about the rate limit, and whose they are
  sre.runbooks.log_search_info:
    namespace: ai-development
    workload: auth-service
    pattern: rate limit exceeded client=(\S+)
"""

RETURN = r"""
count:
  description: How many lines match.
  type: int
  returned: success
lines:
  description: The last of them, each with its time and pod.
  type: list
  elements: str
  returned: success
groups:
  description: How often each value of the first group occurs, the most frequent first, with value, count and share.
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

import collections
import re

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, TARGET_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **TARGET_SPEC,
    **EVIDENCE_SPEC,
    "pattern": {"type": "str", "required": True},
    "since_seconds": {"type": "int", "default": 900},
    "read_lines": {"type": "int", "default": 20000},
    "last": {"type": "int", "default": 20},
    "evidence_name": {"type": "str", "default": "log-search"},
}


def run(task: Task) -> Result:
    """Search all pods at once."""
    p = task.params
    try:
        wanted = re.compile(p["pattern"])
    except re.error as error:
        raise InvalidInput(f"{p['pattern']!r} is not a regular expression: {error}.", "Nothing was sent.") from error
    cluster, target = task.cluster(), Target.parse(p["namespace"], p["workload"])
    workload = _workload.read(cluster, target)
    container = _workload.main_container(workload, p["container"])
    read = _logs.tail(cluster, _workload.pods(cluster, workload), container, p["since_seconds"], p["read_lines"])
    found = [(match, f"{at} {pod}: {text}") for at, pod, text in read if (match := wanted.search(text))]
    counts = collections.Counter(match[1] for match, _line in found if wanted.groups and match[1])
    groups = [{"value": value, "count": count, "share": count / len(found)} for value, count in counts.most_common()]
    lines = [line for _match, line in found[-p["last"]:]]
    most = f", most about {groups[0]['value']} ({groups[0]['count']})" if groups else ""
    result: Result = {"count": len(found), "lines": lines, "groups": groups,
                      "says": [f"{len(found)} lines in {p['since_seconds'] / 60:.0f} min match {p['pattern']}{most}"] if found else []}
    store = task.evidence()
    if store:
        name = f"{p['evidence_name']}.txt"
        store.save_text(name, "log_search", f"{p['pattern']} in the logs of {target}", "".join(f"{line}\n" for _match, line in found))
        result["evidence"] = [str(store.path(name))]
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
