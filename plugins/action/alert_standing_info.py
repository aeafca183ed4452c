# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs sre.runbooks.alert_standing_info inside the Ansible worker."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.modules import alert_standing_info
from ansible_collections.sre.runbooks.plugins.plugin_utils.action import WorkerAction


class ActionModule(WorkerAction):
    """See the module of the same name."""

    module = alert_standing_info
