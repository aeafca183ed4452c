# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which incidents are of one kind that has no runbook: by the type that somebody gave them, else by what they share."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Past

#: share of two incidents' words and names that must be the same
ALIKE = 0.3
#: incidents that make a kind
FEWEST = 2
#: begins the feature that is an error of the logs
LOGS = "in the logs: "
_STOP = frozenset("""a after all an and are at be by down error errors failed failing failure for from has high in incident is issue it low not of
on or outage pod pods post mortem postmortem prod production service services slow some that the this to unavailable was were with""".split())


@dataclasses.dataclass(frozen=True)
class Group:
    """Incidents of one kind; ``common`` is what most of them share, most shared first."""

    name: str
    incidents: tuple[Past, ...]
    common: tuple[str, ...]


def groups(past: t.Sequence[Past], known: t.Collection[str]) -> tuple[list[Group], list[Past]]:
    """Kinds without a runbook, the most frequent first, and the incidents that share too little with any other.

    :param known: incident types that have a runbook.
    """
    typed: dict[str, list[Past]] = collections.defaultdict(list)
    rest: list[Past] = []
    for one in past:
        if one.type and one.type not in known:
            typed[_slug(one.type) or "kind"].append(one)
        elif not one.type:
            rest.append(one)
    found = [_group(name, members) for name, members in typed.items() if len(members) >= FEWEST]
    alone = [members[0] for members in typed.values() if len(members) < FEWEST]
    for members in _alike(rest):
        if len(members) < FEWEST:
            alone += members
            continue
        group = _group("", members)
        if group.common:
            found.append(dataclasses.replace(group, name=_name(group.common, {one.name for one in found})))
        else:
            alone += members
    return sorted(found, key=lambda group: (-len(group.incidents), group.name)), sorted(alone, key=lambda one: one.opened)


def _alike(past: t.Sequence[Past]) -> list[list[Past]]:
    """Incidents that are alike, pair by pair; whom a chain of pairs joins is one kind."""
    kinds: list[list[Past]] = []
    for one in past:
        near = [kind for kind in kinds if any(_share(features(one), features(other)) >= ALIKE for other in kind)]
        kinds = [kind for kind in kinds if kind not in near] + [[other for kind in near for other in kind] + [one]]
    return kinds


def features(one: Past) -> frozenset[str]:
    """What tells incidents apart: signals, causes, errors of the logs, and words of the title that are no names of this one."""
    words = {word for word in re.findall(r"[a-z][a-z_]{2,}", one.title.lower()) if word not in _STOP and word not in re.split(r"\W", one.target.lower())}
    causes = {word for text in one.causes for word in re.findall(r"[a-z][a-z_]{3,}", text.lower()) if word not in _STOP}
    return frozenset(words | causes | set(one.signals) | {f"{LOGS}{pattern}" for pattern in one.patterns})


def _share(one: t.AbstractSet[str], other: t.AbstractSet[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def _group(name: str, members: t.Sequence[Past]) -> Group:
    counts = collections.Counter(feature for one in members for feature in features(one))
    common = tuple(feature for feature, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > len(members) / 2)
    return Group(_slug(name), tuple(members), common)


def _slug(name: str) -> str:
    """A name for a role: small letters, digits and underscores, a letter first."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:32].strip("_")
    return slug if not slug or slug[0].isalpha() else f"kind_{slug}"


def _name(common: t.Sequence[str], taken: t.Collection[str]) -> str:
    name = _slug("_".join([one for one in common if not one.startswith(LOGS)][:3] or ["logs"]))
    return name if name not in taken else f"{name}_{len(taken)}"
