# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that read one incident's record and write beside its evidence."""

from __future__ import annotations


class ModuleDocFragment:
    """Which incident, and where its documents lie."""

    DOCUMENTATION = r"""
options:
  incident_id:
    description: Id of the incident.
    type: str
    required: true
  incidents_dir:
    description: Where evidence, reports and other documents lie, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  namespace:
    description: Namespace of the incident's record.
    type: str
    required: true
"""
