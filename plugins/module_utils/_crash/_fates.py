# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How containers ended or why they wait: each failing one gets one name, which the table of causes knows."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._crash import _messages, _pods
from ansible_collections.sre.runbooks.plugins.module_utils._crash._pods import Container

#: what became of a container
IMAGE, MISSING, START, OOM, PROBE, LOST, NATIVE, ZERO, TERMINATED, CRASHED = (
    "without_image", "without_config", "not_startable", "oom_killed", "probe_killed", "lost", "native_crashed", "exited_zero", "terminated", "crashed")
FATES = (IMAGE, MISSING, START, OOM, PROBE, LOST, NATIVE, ZERO, TERMINATED, CRASHED)

#: exit codes: 128 and the number of SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS; of SIGKILL and SIGTERM; a command that cannot be run
NATIVE_CODES, KILLED_CODES, START_CODES = (132, 134, 135, 136, 139, 159), (137, 143), (126, 127)
START_ENDS = ("StartError", "ContainerCannotRun")


@dataclasses.dataclass(frozen=True)
class Fate:
    """What became of a container.

    :param kind: one of FATES.
    :param message: what the kubelet says about it, empty where it says nothing.
    """

    container: Container
    kind: str
    message: str


def of(container: Container, probe_killed: bool, pull_message: str = "") -> Fate | None:
    """The fate of a container, None where it runs, has done its work or is starting for the first time.

    :param probe_killed: whether a probe killed it.
    :param pull_message: what an event says of its image.
    """
    if container.done:
        return None
    if container.waiting in _pods.PULL_REASONS:
        told = f"{container.waiting}: {container.message}" if _messages.pull(container.message) != _messages.OTHER or not pull_message else pull_message
        return Fate(container, IMAGE, told)
    if container.waiting in _pods.CONFIG_REASONS:
        return Fate(container, MISSING if _messages.missing_object(container.message) else START, container.message)
    if container.waiting in _pods.START_REASONS:
        return Fate(container, START, container.message)
    end = container.last_end
    return Fate(container, _end_kind(end, probe_killed), end.message or container.message) if end else None


def _end_kind(end: _pods.End, probe_killed: bool) -> str:
    code = end.exit_code
    if end.reason in START_ENDS or code in START_CODES:
        return START
    if end.reason == "OOMKilled":
        return OOM
    if end.reason in _pods.LOST_REASONS:
        return LOST
    if probe_killed:
        return PROBE
    if code == 0:
        return ZERO
    return NATIVE if code in NATIVE_CODES else TERMINATED if code in KILLED_CODES else CRASHED


def most_common(words: t.Iterable[str], default: str = "") -> str:
    """The word that stands there most often, of equals the first."""
    counted: dict[str, int] = {}
    for word in words:
        counted[word] = counted.get(word, 0) + 1
    return max(counted, key=lambda word: counted[word], default=default)
