# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception type that a runbook shows to a person."""

from __future__ import annotations


class RunbookError(Exception):
    """What went wrong, in one paragraph: where, what was attempted, what to do next.

    :param message: cluster, object, and what was attempted, as a sentence.
    :param next_step: the command or action that resolves or resumes it.
    :param output: all that a tool has printed, of which the message has only the first sentence; it becomes evidence.
    :param details: extra facts for the module result (JSON-serialisable).
    """

    def __init__(self, message: str, next_step: str = "", output: str = "", **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.output = output
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class ClusterError(RunbookError):
    """An API call that failed.

    :param status: HTTP status, 0 when no answer came.
    """

    def __init__(self, message: str, next_step: str = "", status: int = 0, **details: object) -> None:
        super().__init__(message, next_step, **details)
        self.status = status


class InvalidInput(RunbookError):
    """Bad input, refused before the first API call."""


class Refused(RunbookError):
    """A guardrail said no; nothing was changed."""


class Drift(Refused):
    """Someone else has changed the field since it was recorded."""
