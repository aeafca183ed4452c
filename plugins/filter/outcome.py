# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations
DOCUMENTATION = r"""
name: outcome
short_description: What the outcome of a runbook means, and the exit status that it has
version_added: 0.1.0
description:
  - The table of docs/outcomes.md, for roles and playbooks.
author: sre.runbooks contributors (@sre-runbooks)
options:
  _input:
    description: An outcome, as a runbook's statistics and its report have it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fail where the outcome asks for a person
  ansible.builtin.assert:
    that: ('mitigated' | sre.runbooks.outcome).exit_status == 0
"""

RETURN = r"""
_value:
  description: C(says), a sentence, and C(exit_status), a number.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.runbooks.plugins.module_utils._incident._outcomes import OUTCOMES


def outcome(name: str) -> dict[str, t.Any]:
    """The row of the table. Raises AnsibleFilterError where it has none."""
    if name not in OUTCOMES:
        raise AnsibleFilterError(f"{name!r} is no outcome of a runbook; those are {', '.join(OUTCOMES)}")
    return {"says": OUTCOMES[name].says, "exit_status": OUTCOMES[name].exit_status}


class FilterModule:
    """Filters of this collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"outcome": outcome}
