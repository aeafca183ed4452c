# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking the rules about a cache within a task."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._data._cache import _compare
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task


def cached(task: Task) -> list[Json]:
    """A finding for each rule about a cache; what cannot be reached makes it one that could not be checked.

    :param task: with the options of a database, of rules, and ``cache``.
    """
    p, cluster = task.params, task.cluster()
    rules = _rules.load_cached(p["rules_files"], p["rules"])
    if not rules:
        return []
    given = {"workload": p["database"]["workload"], **{key: value for key, value in (p["cache"] or {}).items() if value not in (None, "")}}
    try:
        with _redis.opened(cluster, p["namespace"], given) as server, _redis.asked(server, "read keys") as client, \
                _database.opened(cluster, p["namespace"], p["database"]) as database:
            return [_compare.check(rule, client, database, _compare.Bounds()) for rule in rules]
    except ClusterError as error:
        return [_compare.finding(rule, error.message) for rule in rules]
