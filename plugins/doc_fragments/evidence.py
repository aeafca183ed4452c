# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that save evidence."""

from __future__ import annotations


class ModuleDocFragment:
    """Where evidence goes."""

    DOCUMENTATION = r"""
options:
  incident_id:
    description: The incident that the evidence belongs to; without it nothing is saved.
    type: str
  incidents_dir:
    description:
      - Directory on the controller for evidence and reports, or the host variable C(runbooks_incidents_dir).
      - Files go to C(<incidents_dir>/<incident_id>/<cluster_name>/).
    type: path
    default: incidents
"""
