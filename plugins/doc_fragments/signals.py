# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that measure signals."""

from __future__ import annotations


class ModuleDocFragment:
    """Measure once, or until clear."""

    DOCUMENTATION = r"""
options:
  until_clear:
    description: Measure again and again until the signals are clear for O(sustained) seconds.
    type: bool
    default: false
  breached_before:
    description:
      - Signals that must be measured while they count as clear, those that were breached before a change; what is not measured any more is
        not clear.
    type: list
    elements: str
    default: []
  sustained:
    description: Seconds without a signal that count as mitigated.
    type: float
    default: 20.0
  timeout:
    description: Seconds after which the last reading decides.
    type: float
    default: 180.0
  interval:
    description: Seconds between two readings.
    type: float
    default: 4.0
"""
