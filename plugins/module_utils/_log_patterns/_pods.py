# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of the logs of a workload's pods."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _revisions, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _read
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._mine import Miner

#: since the beginning of the workload's newest revision
ROLLOUT = "rollout"
#: pods whose logs are in memory at the same time
_AT_ONCE = 4


def patterns_of(cluster: Cluster, target: Target, container: str | None, since: str, since_seconds: int, max_bytes: int,
                baseline: float, most: int) -> Json:
    """All pods' patterns together.

    :param since: a time, ROLLOUT, or ERRORS.
    :param since_seconds: how far back to read where since is empty.
    :param max_bytes: of each log; the newest records of a longer one are not read.
    """
    began = None if since in (ROLLOUT, _files.ERRORS) else _files.seconds(since)
    workload = _workload.read(cluster, target)
    container, pods = _workload.main_container(workload, container), _workload.pods(cluster, workload)
    if since == ROLLOUT:
        began = _files.seconds(_last_rollout(_revisions.read(cluster, target, workload), pods))
    back = since_seconds if began is None else int(time.time() - began + baseline) + 1

    def logs() -> t.Iterator[_logs.Log]:
        for first in range(0, len(pods), _AT_ONCE):
            yield from _logs.fetch(cluster, pods[first:first + _AT_ONCE], container, back, max_bytes)

    how = ""
    if since == _files.ERRORS:
        began, how = _files.rise((_read.of_text(log.text) for log in logs()), time.time())
    miner = Miner(began, time.time(), baseline, most)
    miner.how = how
    for log in logs():
        _add(miner, log, max_bytes)
    return miner.result()


def _add(miner: Miner, log: _logs.Log, max_bytes: int) -> None:
    if log.error:
        miner.problems.append(f"{log.pod}: no log: {log.error}")
        return
    miner.add(log.pod, _read.of_text(log.text))
    if len(log.text.encode()) >= max_bytes:
        miner.problems.append(f"{log.pod}: the log is longer than max_bytes ({max_bytes}); its newest records are not read.")


def _last_rollout(revisions: t.Sequence[_revisions.Revision], pods: t.Sequence[Json]) -> str:
    """When the first pod of the newest revision came: the revision itself is older where it was rolled back to."""
    if not revisions:
        return ""
    newest = revisions[-1]
    own = [pod["metadata"]["creationTimestamp"] for pod in pods
           if newest.name in (*(owner["name"] for owner in pod["metadata"].get("ownerReferences", [])),
                              pod["metadata"].get("labels", {}).get("controller-revision-hash"))]
    return min(own, default=newest.created_at)
