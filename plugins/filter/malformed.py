# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations
DOCUMENTATION = r"""
name: malformed
short_description: What is wrong with the values of a role's variables
version_added: 0.1.0
description:
  - Names, quantities, URLs, ports, shares and other numbers, each judged by the name of its variable. Types and choices are
    those of the role's argument spec, which Ansible checks.
author: sre.runbooks contributors (@sre-runbooks)
positional: values
options:
  _input:
    description: The options of the role's argument spec.
    type: dict
    required: true
  values:
    description: The value of each variable that is to be judged, by its name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a value that cannot be
  ansible.builtin.assert:
    that: "options | sre.runbooks.malformed({'memory_leak_namespace': memory_leak_namespace}) | length == 0"
"""

RETURN = r"""
_value:
  description: A sentence for each value that is refused, with its variable, what is wrong, and an example.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._task._forms import complaint


def malformed(options: t.Mapping[str, t.Mapping[str, t.Any]], values: t.Mapping[str, t.Any]) -> list[str]:
    """A sentence for each value that cannot be."""
    return [wrong for name, value in values.items() if (wrong := complaint(name, value, options[name]))]


class FilterModule:
    """Filters of this collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"malformed": malformed}
