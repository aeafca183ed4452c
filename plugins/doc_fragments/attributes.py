# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes of the modules."""

from __future__ import annotations


class ModuleDocFragment:
    """What every module of the collection supports."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  action_group:
    description: Use C(group/sre.runbooks.runbooks) in C(module_defaults) to set defaults for all modules.
    support: full
    membership:
      - sre.runbooks.runbooks
"""

    INFO = r"""
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: Reads only.
    support: N/A
  action_group:
    description: Use C(group/sre.runbooks.runbooks) in C(module_defaults) to set defaults for all modules.
    support: full
    membership:
      - sre.runbooks.runbooks
"""
