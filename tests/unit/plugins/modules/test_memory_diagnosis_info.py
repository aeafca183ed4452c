# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory_diagnosis_info makes of the results of earlier tasks."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task
from ansible_collections.sre.runbooks.plugins.modules import memory_diagnosis_info


def diagnosed(**params):
    defaults = {name: spec.get("default") for name, spec in memory_diagnosis_info.ARGUMENT_SPEC.items()}
    return memory_diagnosis_info.run(Task({**defaults, "pods": [], **params}))


def test_without_a_cause_nothing_is_recommended():
    found = diagnosed()
    assert (found["cause"], found["recommendation"]) == ("undetermined", "")
