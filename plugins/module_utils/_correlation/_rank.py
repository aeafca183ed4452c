# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which change it was: changes ranked by when they were made and by how they are connected with what ails."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import FIELD_MANAGER
from ansible_collections.sre.runbooks.plugins.module_utils._correlation import _changes
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._changes import Change
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._graph import UNRELATED, Graph
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, rank

#: how often a change of each kind is behind an incident, from 0 to 1: a judgement, not a measurement
PRIORS = {_changes.ROLLOUT: 1.0, _changes.STOPPED: 1.0, _changes.ROLLBACK: 0.85, _changes.CONFIG: 0.85, _changes.SECRET: 0.85,
          _changes.SERVICE: 0.85, _changes.NODE: 0.8, _changes.SCALING: 0.7, _changes.JOB: 0.6, _changes.POD: 0.6,
          _changes.OURS: 0.5, _changes.AUTOSCALER: 0.4, _changes.RESTART: 0.3}
#: seconds before the onset in which a change loses half of its weight
HALF_LIFE = 900.0
#: what a ConfigMap or Secret gains that only some pods have read, and keeps that none has read
SOME_PODS, NO_POD = 1.15, 0.8
#: seconds by which the onset may be too early: errors are noticed by chance, and clocks differ
TOLERANCE = 15.0
#: what is left of the weight of a change after the onset, and of a rollout that another one had replaced by then
LATE, REPLACED = 0.05, 0.3
#: what is left of what began together with the ailing workload: it has worked like that
INSTALLED, TOGETHER = 0.1, datetime.timedelta(seconds=60)
MOST = 10


def candidates(changes: t.Sequence[Change], onset: datetime.datetime, known: bool, graph: Graph, ailing: str) -> list[Candidate]:
    """The likeliest changes, each with the evidence for and against it; its score is at most 100.

    :param onset: when it began, or now where that is not known.
    """
    begun = next((change.at for change in changes if change.born and change.object == ailing), None)
    found = []
    for change in changes:
        if not change.symptom:
            factor = _history(change, changes, onset, begun)
            found.append(_candidate(change, _timing((onset - change.at).total_seconds(), known), factor, graph, ailing))
    best: dict[str, Candidate] = {}
    for candidate in rank(found):
        best.setdefault(candidate.name, candidate)
    return list(best.values())[:MOST]


def _candidate(change: Change, timing: tuple[float, str], history: tuple[float, str], graph: Graph, ailing: str) -> Candidate:
    candidate = Candidate(f"{change.kind} {change.object}", f"{change.object}, {change.what}{f' (by {change.by})' if change.by else ''}")
    relation, (weight, when) = graph.relation(ailing, change.object), timing
    (candidate.supports if weight > LATE else candidate.opposes)(when, 0)
    if relation.weight > UNRELATED:
        candidate.supports(relation.text, 0)
    else:
        candidate.opposes(relation.text, 0)
    prior = PRIORS[change.kind] * history[0] * _effect(change, graph, ailing, candidate)
    if history[1]:
        candidate.opposes(history[1], 0)
    if change.kind == _changes.ROLLBACK:
        candidate.opposes("that template has run before", 0)
    if change.kind == _changes.RESTART:
        candidate.opposes("nothing but a restart: the same code and configuration runs", 0)
    if change.kind == _changes.POD and change.object == ailing:
        prior /= 4
        candidate.opposes("pods of the ailing workload that end are rather a consequence", 0)
    if change.by == FIELD_MANAGER or change.kind == _changes.OURS:
        prior /= 2
        candidate.opposes("a runbook did it, in answer to an incident", 0)
    candidate.score = round(100 * weight * relation.weight * prior)
    return candidate


def _history(change: Change, changes: t.Sequence[Change], onset: datetime.datetime, begun: datetime.datetime | None) -> tuple[float, str]:
    """What is left of a change that another one replaced, or that is as old as the ailing workload itself; and why."""
    rollouts = (_changes.ROLLOUT, _changes.ROLLBACK)
    if change.kind in rollouts and any(
            other.kind in rollouts and other.object == change.object and change.at < other.at <= onset for other in changes):
        return REPLACED, "another rollout had replaced it by then"
    if change.born and begun and abs(change.at - begun) <= TOGETHER:
        return INSTALLED, "it began together with the ailing workload"
    return 1.0, ""


def _effect(change: Change, graph: Graph, ailing: str, candidate: Candidate) -> float:
    """Whether what is read at a container's start, as most is, has been read since: pods that differ explain much."""
    since = graph.since(ailing, change.object, change.at.strftime("%Y-%m-%dT%H:%M:%SZ")) if change.kind in (_changes.CONFIG, _changes.SECRET) else None
    if since is None or not since[1]:
        return 1.0
    started, pods = since
    if not started:
        candidate.opposes(f"none of {pods} pods of {ailing} has started since, so it counts only where it is read again while they run", 0)
        return NO_POD
    differ = started < pods
    candidate.supports(f"{started} of {pods} pods of {ailing} have started since{': they may differ from the others' if differ else ''}", 0)
    return SOME_PODS if differ else 1.0


def _timing(before: float, known: bool) -> tuple[float, str]:
    """The weight of a change that many seconds before the onset, and the words for it."""
    if before < -TOLERANCE:
        return LATE, f"{_duration(-before)} after the onset"
    weight = max(0.5 ** (max(0.0, before) / HALF_LIFE), 2 * LATE)
    if not known:
        return weight, f"{_duration(before)} ago"
    return weight, f"{_duration(before)} before the onset" if before >= 1 else "at the onset"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
