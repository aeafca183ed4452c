# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redact
short_description: Remove secrets from a text or from data
version_added: 0.1.0
description:
  - Removes tokens, passwords, keys, passwords in connection strings, JWTs and cookies, as it is done to evidence.
author: sre.runbooks contributors (@sre-runbooks)
options:
  _input:
    description: A text, or a list or dictionary whose texts are redacted.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Say why, without secrets
  ansible.builtin.debug:
    msg: "{{ 'cannot reach postgres://shop:hunter2@db/orders' | sre.runbooks.redact }}"
"""

RETURN = r"""
_value:
  description: The input without secrets.
  type: raw
"""

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object


class FilterModule:
    """Filters of this collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"redact": redact_object}
