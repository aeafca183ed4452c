# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks a step lacks. Each rule looks at one step and at what stands before and after it."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import (
    CLUSTER, DESTROYS, DRY_RUN, EVIDENCE, IRREVERSIBLE, STATE, Missing, Runbook, Step)

Steps = t.Sequence[Step]


def missing(runbook: Runbook) -> list[tuple[Missing, ...]]:
    """What each step lacks, in the order of the steps."""
    found = []
    for at, step in enumerate(runbook.steps):
        before, after = runbook.steps[:at], runbook.steps[at + 1:]
        found.append(tuple(one for rule in _RULES for one in rule(step, before, after, runbook)))
    return found


def _precondition(step: Step, before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.changes and not any(other.act.topic in (STATE, EVIDENCE) for other in before):
        yield Missing("precondition", "nothing before it looks whether the problem is there",
                      "read the signal first, and go on only where it is over its threshold")


def _success(step: Step, _before: Steps, after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if not step.changes or step.act.topic == STATE:
        return
    until = next((at for at, other in enumerate(after) if other.changes), len(after))
    if not any(other.act.topic == STATE for other in after[:until]):
        yield Missing("success criterion", "nothing after it looks whether it worked, before the next change or the end",
                      "measure the same signal again, and say which value is good")


def _timeout(step: Step, _before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.act.endless:
        yield Missing("timeout", step.act.endless, "give it a limit (--timeout, --max-time, a number of tries)")


def _undo(step: Step, _before: Steps, _after: Steps, runbook: Runbook) -> t.Iterator[Missing]:
    if step.changes and step.kind != DESTROYS and not step.undone and not runbook.has_undo:
        yield Missing("undo", "nowhere is said how it is taken back", "write down the value before, and a section or a rescue that restores it")


def _evidence(step: Step, before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.kind in (DESTROYS, IRREVERSIBLE) and not step.act.guarded and not any(other.act.topic == EVIDENCE for other in before):
        yield Missing("evidence", "it destroys what would explain the incident, and nothing was saved before",
                      "save logs, events and a dump or backup before it")


def _dry_run(step: Step, before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.changes and step.act.dry_run and not step.act.guarded and not any(other.act.topic == DRY_RUN for other in before):
        yield Missing("dry run", "its effect is not shown before it is made", f"try it first: {step.act.dry_run}")


def _cluster(step: Step, before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.changes and step.act.asks_cluster and not any(other.act.topic == CLUSTER or other.changes and other.act.asks_cluster for other in before):
        yield Missing("wrong-cluster guard", "it acts on whatever cluster the current context names",
                      "name the context (--context), or look at it first: kubectl config current-context")


def _secret(step: Step, _before: Steps, _after: Steps, _runbook: Runbook) -> t.Iterator[Missing]:
    if step.secret:
        yield Missing("secret on the command line", "a secret is written out, and every user of the machine sees it while it runs",
                      "pass it by standard input, a file that only you may read, or a variable with no_log")


_RULES = (_precondition, _success, _timeout, _undo, _evidence, _dry_run, _cluster, _secret)
