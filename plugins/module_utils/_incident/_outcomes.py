# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a runbook can end, what that means and what the exit status is: the one place. docs/outcomes.md is the same table."""

from __future__ import annotations

import dataclasses

#: ansible-playbook's exit status where a host has failed
FAILED = 2


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One way to end.

    :param says: what it means, in a sentence.
    :param exit_status: of ``ansible-playbook``, when one cluster ended so.
    :param recorded: whether there is an incident, whose record and report may end so.
    """

    says: str
    exit_status: int = 0
    recorded: bool = True


OUTCOMES = {
    "healthy": Outcome("Healthy: nothing is over its threshold, so nothing was changed.", recorded=False),
    "mitigated": Outcome("Mitigated: the signals are back under their thresholds and stayed there."),
    "mitigated_for_now": Outcome("Mitigated for now: the signals are back under their thresholds, and the cause is still there. "
                                 "What stands below says when it comes back."),
    "contained": Outcome("Contained: no further harm is done; what is left to do needs a person's decision."),
    "cleared": Outcome("Cleared: an earlier run was broken off, and nothing is over its threshold any more."),
    "planned": Outcome("Check mode: this is what would be done."),
    "not_mitigated": Outcome("Not mitigated: nothing that was done was enough. A person must look at what stands below.", FAILED),
    "unknown": Outcome("Unknown: the signals could not be measured, which is no sign of health.", FAILED),
    "cooldown": Outcome("Nothing changed: the same mitigation was made a moment ago. Escalate.", FAILED),
    "failed": Outcome("The run failed before its end.", FAILED),
    "refused": Outcome("Refused: the run ended before anything was declared or changed.", FAILED, recorded=False),
}

#: what the record of an incident and its report may end with
RECORDED = [name for name, outcome in OUTCOMES.items() if outcome.recorded]


def says(name: str) -> str:
    """What an outcome means, in a sentence; also of an incident that has none yet, whose status stands in its place."""
    return OUTCOMES[name].says if name in OUTCOMES else f"Not at its end: the incident is {name}."
