# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs sre.runbooks.alert_info inside the Ansible worker."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.modules import alert_info
from ansible_collections.sre.runbooks.plugins.plugin_utils.action import WorkerAction


class ActionModule(WorkerAction):
    """See the module of the same name."""

    VARIABLE: t.ClassVar[str] = "ansible_eda"

    module = alert_info

    def _arguments(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Take the event as the rulebook handed it over, never through a template: Ansible would evaluate what is in extra variables."""
        arguments = super()._arguments(variables)
        if arguments.get("alert") is None:
            handed_over = variables.get(self.VARIABLE)
            arguments["alert"] = handed_over.get("event") if isinstance(handed_over, dict) else None
        return arguments
