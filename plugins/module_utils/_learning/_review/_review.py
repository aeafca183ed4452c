# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Review a runbook: what each step does, takes, lacks, and what could be done at the same time. Nothing of it is run."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _checks, _markdown, _model, _plan, _playbook, _times

#: bytes of a document and steps of a review; what is beyond is said
MOST_BYTES, MOST_STEPS = 16 << 20, 2000


class Review(t.NamedTuple):
    """A runbook with what was found, step by step."""

    runbook: _model.Runbook
    missing: list[tuple[_model.Missing, ...]]
    plan: _plan.Plan


def review(path: str, runs: t.Sequence[str] = ()) -> Review:
    """Review a Markdown document, a playbook, a task file or a role's directory.

    :param runs: outputs of earlier runs with profile_tasks.
    :raises InvalidInput: it cannot be read, or is something else.
    """
    return _judged(_read(pathlib.Path(path).expanduser()), runs)


def of_document(name: str, document: str) -> Review:
    """Review a Markdown document that is in no file."""
    return _judged(_markdown.read(name, document), ())


def _judged(runbook: _model.Runbook, runs: t.Sequence[str]) -> Review:
    unread = runbook.unread
    if len(runbook.steps) > MOST_STEPS:
        unread = (*unread, f"{len(runbook.steps)} steps were found, and the first {MOST_STEPS} are judged")
    steps = _times.timed(runbook.steps[:MOST_STEPS], _times.measured(runs))
    runbook = dataclasses.replace(runbook, steps=steps, unread=unread)
    return Review(runbook, _checks.missing(runbook), _plan.plan(steps))


def _read(path: pathlib.Path) -> _model.Runbook:
    if path.is_dir():
        return _playbook.read(path)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InvalidInput(f"{path} has {size} bytes; at most {MOST_BYTES} are read.", "Review its parts one by one.")
        if path.suffix in (".yml", ".yaml"):
            return _playbook.read(path)
        return _markdown.read(path.name, path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.", "Name a playbook, a role's directory or a Markdown file.") from error


def to_json(found: Review) -> dict[str, t.Any]:
    """The review as data: steps, plan, and what could not be read."""
    steps = [{
        "number": at + 1, "where": step.where, "section": step.section, "title": step.title, "text": step.text, "kind": step.kind,
        "needs": [number + 1 for number in found.plan.needs[at]],
        "seconds": {"median": round(step.act.time.median, 2), "high": round(step.act.time.high, 2), "basis": step.act.time.basis},
        "missing": [{"check": one.check, "why": one.why, "advice": one.advice} for one in found.missing[at]],
        "task": dict(step.act.task),
    } for at, step in enumerate(found.runbook.steps)]
    plan = found.plan
    return {"name": found.runbook.name, "form": found.runbook.form, "steps": steps, "unread": list(found.runbook.unread), "prose": found.runbook.prose,
            "one_by_one": round(plan.one_by_one, 2), "critical": round(plan.critical, 2), "saving": round(plan.saving, 2),
            "together": [[number + 1 for number in group] for group in plan.together]}
