# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as this collection writes it."""

from __future__ import annotations

import functools
import typing as t

try:
    import yaml
except Exception:  # comes with Ansible
    pass


def dump(value: t.Any) -> str:
    """Keys in the order given; lists are indented, as ansible-lint wants them."""
    return yaml.dump(value, Dumper=_indented(), sort_keys=False, width=110, allow_unicode=True)


@functools.lru_cache(maxsize=None)
def _indented() -> t.Any:
    class Indented(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: t.Any) -> bool:
            return True

    return Indented
