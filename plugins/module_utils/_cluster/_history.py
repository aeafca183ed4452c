# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each revision of a workload changed, in the words of its pod template."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._revisions import Revision
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object

#: what in a revision's changes is a limit
_LIMIT = re.compile(r"\blimits\b|concurren|queue|max|worker|threads|pool", re.IGNORECASE)


def rows(revisions: t.Sequence[Revision]) -> list[Json]:
    """One row per revision, oldest first.

    Each has revision, created_at (of its first use), begun_at (of its last rollout), change_cause, images, current, changes (path,
    before, after; None for absent) against the revision before it, and restart (whether nothing but a restart came with it).
    """
    found = []
    for before, revision in zip([None, *revisions], revisions, strict=False):
        changes = [] if before is None else differences(_revisions.essence(before.template), _revisions.essence(revision.template))
        containers = revision.template.get("spec", {}).get("containers", [])
        found.append({
            "revision": revision.number, "created_at": revision.created_at, "begun_at": revision.begun_at, "change_cause": revision.change_cause,
            "images": [container["image"] for container in containers], "current": revision is revisions[-1],
            "changes": changes, "restart": before is not None and not changes})
    return found


def differences(before: Json, after: Json) -> list[Json]:
    """What differs between two pod templates; secrets differ without being shown."""
    old, new = flatten(before), flatten(after)
    shown_old, shown_new = flatten(redact_object(before)), flatten(redact_object(after))
    return [{"path": path, "before": shown_old.get(path), "after": shown_new.get(path)}
            for path in sorted({*old, *new}) if old.get(path) != new.get(path)]


def flatten(value: t.Any, path: str = "") -> dict[str, str]:
    """Every leaf as text by its path, list items by their names: ``spec.containers[api].env[DB_POOL_SIZE].value``."""
    if isinstance(value, dict):
        return {key: text for name, item in value.items() for key, text in flatten(item, f"{path}.{name}" if path else name).items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        return {key: text for item in value
                for key, text in flatten({name: part for name, part in item.items() if name != "name"}, f"{path}[{item['name']}]").items()}
    return {path: value if isinstance(value, str) else json.dumps(value, sort_keys=True)}


def lowered(row: t.Mapping[str, t.Any]) -> list[str]:
    """The limits that a revision lowered, each as a sentence; what a pod requests is no limit."""
    return [f"revision {row['revision']} lowered {_short(change['path'])} from {_or_none(change['before'])} to {change['after']}"
            for change in row["changes"] if is_lower(change)]


def is_lower(change: Json) -> bool:
    """Whether a change of a revision lowered a limit, or set one where there was none."""
    if not _LIMIT.search(change["path"]) or not change["after"]:
        return False
    if not change["before"]:  # a limit where there was none; a new variable says nothing of what held before
        return "limits" in change["path"]
    try:
        return _quantity.parse(change["after"]) < _quantity.parse(change["before"])
    except InvalidInput:
        return False


def in_words(row: t.Mapping[str, t.Any]) -> str:
    """A revision in a line."""
    if row["restart"]:
        what = "only a restart"
    else:
        what = "; ".join(f"{_short(change['path'])}: {_or_none(change['before'])} -> {_or_none(change['after'])}"
                         for change in row["changes"]) or ", ".join(row["images"])
    cause = f" ({row['change_cause']})" if row["change_cause"] else ""
    return f"revision {row['revision']} of {row['begun_at']}{cause}: {what}"


def _short(path: str) -> str:
    return path.removeprefix("spec.").removesuffix(".value")


def _or_none(value: str | None) -> str:
    return "none" if value is None else value
