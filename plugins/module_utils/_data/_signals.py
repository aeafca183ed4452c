# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of inconsistent data: rows that break a rule, audit entries that were tampered with, errors in the log."""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import CACHE
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Reading, Signal
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now

LINES = 20000


def reading(findings: t.Sequence[Json], errors: Json, since: str) -> Reading:
    """The signals of one moment.

    :param findings: of the checks; those of kind ``flagged`` are rows that are marked, which stay marked after a repair.
    :param errors: validation errors in the log by pod.
    :param since: marked rows from before do not count, ISO 8601.
    """
    wrong = [finding for finding in findings if finding["kind"] != "flagged"]
    marked = [finding for finding in findings if finding["kind"] == "flagged"]
    recent = [finding for finding in marked if finding["count"] and (finding.get("last") or since) >= since]
    failed = [finding["error"] for finding in findings if finding.get("error")]
    signals = (_mismatches(wrong), _tampered(recent, marked, since), _validation(errors))
    return Reading(now(), signals, complete=not failed, facts={"findings": list(findings)},
                   incomplete_because=" ".join(failed))


def validation_errors(cluster: Cluster, target: Target, container: str | None, pattern: str, seconds: int, since: str) -> Json:
    """Lines that match, by pod, at most ``LINES`` of each pod are looked at."""
    workload = _workload.read(cluster, target)
    wanted = re.compile(pattern, re.IGNORECASE)
    name = _workload.main_container(workload, container)
    counts: Json = {}
    for at, pod, text in _logs.tail(cluster, _workload.pods(cluster, workload), name, seconds, LINES):
        if at >= since and wanted.search(text):
            counts[pod] = counts.get(pod, 0) + 1
    return counts


def earliest(since: str, hours: float) -> str:
    """From when on something counts: ``since``, or that many hours ago."""
    if since:
        return since
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mismatches(findings: t.Sequence[Json]) -> Signal:
    broken = [finding for finding in findings if finding["count"]]
    unchecked = [finding["rule"] for finding in findings if finding["count"] is None]
    count = sum(finding["count"] for finding in broken)
    shown = ", ".join([*(f"{finding['count']} {finding['rule']}" for finding in broken), *(f"{rule} not checked" for rule in unchecked)])
    text = (f"{'at least ' if unchecked else ''}{count} rows or keys of a cache break a rule ({shown})" if any(f["kind"] == CACHE for f in broken)
            else f"{'at least ' if unchecked else ''}{count} rows break a rule ({shown})" if broken
            else f"no row breaks any of {len(_checked(findings))} rules{f' ({shown})' if unchecked else ''}")
    return Signal("data_mismatch", count, 1, bool(count), text)


def _tampered(recent: t.Sequence[Json], marked: t.Sequence[Json], since: str) -> Signal:
    count = sum(finding["count"] for finding in recent)
    first = min((finding["first"] for finding in recent if finding.get("first")), default="")
    last = max((finding["last"] for finding in recent if finding.get("last")), default="")
    older = sum(finding["count"] for finding in _checked(marked))
    text = (f"{count} audit entries whose checksum does not match, {first} to {last}" if count
            else "marked audit entries could not be counted" if len(_checked(marked)) < len(marked)
            else f"no audit entry since {since[:19]} has a wrong checksum" + (f" ({older} before)" if older else ""))
    return Signal("checksum_mismatch", count, 1, bool(count), text)


def _checked(findings: t.Sequence[Json]) -> list[Json]:
    return [finding for finding in findings if finding["count"] is not None]


def _validation(errors: Json) -> Signal:
    count = sum(errors.values())
    text = f"{count} validation errors in the log" if count else "no validation error in the log"
    return Signal("validation_errors", count, 1, bool(count), text, tuple(sorted(errors)))
