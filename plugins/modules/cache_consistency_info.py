#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cache_consistency_info
short_description: Find what a cache holds that its rows do not say
version_added: 0.1.0
description:
  - Compares the keys of a Redis with rows of the database, by rules of the kind C(cache) (see docs/consistency-rules.md). Reads only.
  - Keys are found by SCAN in bounded batches. What differs is looked at twice, a second apart, because row and key are not written at once.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.redis_connection
options:
  rules_files:
    description: YAML files of rules; those about rows are left out. The built-in rules of the demo shop where none is given.
    type: list
    elements: path
    default: []
  rules:
    description: More rules; one replaces a rule of the same name.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Which cached orders are stale
  sre.runbooks.cache_consistency_info:
    namespace: shop
    cache: {host: redis}
    rules:
      - name: cached_order_differs
        kind: cache
        description: A cached order differs from its row
        keys: "order:{id}"
        table: orders
        key: id
        values: {total: total, customer.name: customer}
"""

RETURN = r"""
outcome:
  description: V(inconsistent), V(consistent), or V(unknown) where a rule could not be checked.
  type: str
  returned: success
findings:
  description:
    - Of each rule C(count) (null where it could not be checked), C(checked), C(expiring) (stale, and gone within a minute) and C(unreadable)
      keys, C(samples) (key, found, expected) and C(stale) (key to digest of its value).
  type: list
  elements: dict
  returned: success
stale:
  description: The stale keys of all rules, each with the digest of the value that it had, for the action C(cache_drop) of M(sre.runbooks.mitigate).
  type: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._redis import REDIS_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._data._cache import _checking
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **DATABASE_CONNECTION_SPEC,
    "cache": REDIS_CONNECTION_SPEC,
    "rules_files": {"type": "list", "elements": "path", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": []},
}


def run(task: Task) -> Result:
    """Check the rules about a cache."""
    findings = _checking.cached(task)
    stale = {key: digest for finding in findings for key, digest in finding["stale"].items()}
    errors = [finding["error"] for finding in findings if finding["error"]]
    broken = any(finding["count"] for finding in findings)
    return {"outcome": "inconsistent" if broken else "unknown" if errors else "consistent", "findings": findings, "stale": stale,
            "says": [_line(finding) for finding in findings] or ["no rule is about a cache"]}


def _line(finding: Json) -> str:
    if finding["error"]:
        return finding["error"]
    besides = [f", {finding[name]} {words}" for name, words in (("expiring", "more expire within a minute"), ("unreadable", "are not understood"))
               if finding[name]]
    return f"{finding['rule']}: {finding['count']} of {finding['checked']} keys are stale{''.join(besides)}"


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
