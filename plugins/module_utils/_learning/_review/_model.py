# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a review knows of a runbook: its steps in their order, each with what it does, what it needs and what it lacks."""

from __future__ import annotations

import dataclasses
import typing as t

READS = "reads"
WAITS = "waits"
ASKS = "asks a person"
REVERSIBLE = "changes reversibly"
IRREVERSIBLE = "changes irreversibly"
DESTROYS = "destroys evidence"
UNKNOWN = "not known"

#: the worst last: a pipeline is what its worst command is
KINDS = (READS, WAITS, ASKS, REVERSIBLE, UNKNOWN, IRREVERSIBLE, DESTROYS)
CHANGES = frozenset({REVERSIBLE, IRREVERSIBLE, DESTROYS})

#: what a step looks at or is good for, besides its kind
STATE, EVIDENCE, CLUSTER, DRY_RUN, NOTHING = "state", "evidence", "cluster", "dry run", "nothing"


@dataclasses.dataclass(frozen=True)
class Time:
    """Seconds that a step takes: the median, what nine of ten stay below, and where that is from."""

    median: float
    high: float
    basis: str


@dataclasses.dataclass(frozen=True)
class Missing:
    """A check that a step lacks; ``check`` is its name in a few words, ``advice`` what to add."""

    check: str
    why: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Act:
    """What one command or module does.

    :param kind: one of KINDS.
    :param topic: what a read is good for: STATE, EVIDENCE, CLUSTER (which cluster this is), DRY_RUN or NOTHING.
    :param time: of one run.
    :param task: the Ansible task to use instead, empty where there is none.
    :param endless: why it may never end, empty where it ends.
    :param dry_run: how it is tried without effect, empty where it cannot be.
    :param asks_cluster: it acts on whatever cluster the current context names.
    :param guarded: the module itself checks target, evidence and undo.
    """

    kind: str
    topic: str = NOTHING
    time: Time = Time(0.1, 0.5, "estimate: a local command")
    task: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    endless: str = ""
    dry_run: str = ""
    asks_cluster: bool = False
    guarded: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a runbook.

    :param where: file and line.
    :param section: heading, play or file that it stands in.
    :param text: the command or the module, without secrets.
    :param needs: names (variables, files) that an earlier step gives.
    :param secret: whether a secret stands in it.
    :param undone: whether something takes it back by itself (rescue, backup).
    """

    where: str
    section: str
    title: str
    text: str
    act: Act
    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    secret: bool = False
    undone: bool = False

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return self.act.kind

    @property
    def changes(self) -> bool:
        """Whether it is known to change something."""
        return self.kind in CHANGES


@dataclasses.dataclass(frozen=True)
class Runbook:
    """The steps of a document.

    :param has_undo: it says somewhere how its changes are taken back.
    :param unread: what could not be read, each with its place.
    :param prose: instructions in words only, which are not judged.
    """

    name: str
    form: str
    steps: tuple[Step, ...]
    has_undo: bool = False
    unread: tuple[str, ...] = ()
    prose: int = 0
