# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Possible causes of an incident, with the evidence for and against each."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import Area

Json = t.Dict[str, t.Any]


@dataclasses.dataclass
class Candidate:
    """A possible cause.

    :param name: stable identifier, such as ``leak``.
    :param title: the cause in words.
    :param recommendation: the mitigation that fits, as the runbook names it; empty when a person must decide.
    """

    name: str
    title: str
    recommendation: str = ""
    evidence_for: list[str] = dataclasses.field(default_factory=list)
    evidence_against: list[str] = dataclasses.field(default_factory=list)
    score: int = 0

    def supports(self, text: str, weight: int = 1) -> None:
        """Evidence for it."""
        self.evidence_for.append(text)
        self.score += weight

    def opposes(self, text: str, weight: int = 1) -> None:
        """Evidence against it."""
        self.evidence_against.append(text)
        self.score -= weight

    def to_json(self) -> Json:
        """As module results show it."""
        return dataclasses.asdict(self)


def rank(candidates: t.Iterable[Candidate]) -> list[Candidate]:
    """The causes, the one that fits best first; equal ones in the order given."""
    return sorted(candidates, key=lambda candidate: -candidate.score)


@dataclasses.dataclass(frozen=True)
class Table:
    """Figures that a report shows.

    :param header: column titles.
    :param rows: cells, as many as titles.
    :param areas: a treemap that a page draws above it.
    """

    title: str
    header: t.Sequence[str]
    rows: t.Sequence[t.Sequence[t.Any]]
    areas: Area | None = None

    def to_json(self) -> Json:
        """As module results show it."""
        drawn = {"treemap": self.areas.to_json()} if self.areas else {}
        return {"title": self.title, "header": list(self.header), "rows": [list(row) for row in self.rows], **drawn}


def diagnosis_result(candidates: t.Sequence[Candidate], tables: t.Sequence[Table] = (),
                     fixes: t.Sequence[str] = ()) -> Json:
    """What a module that finds the cause returns.

    :param candidates: ranked.
    :param tables: the figures behind it, for the report.
    :param fixes: what would prevent it for good.
    """
    best = candidates[0]
    determined = best.score > 0
    says = [f"likeliest cause: {best.title}" if determined else "no cause stands out"]
    says += best.evidence_for if determined else []
    return {"cause": best.name if determined else "undetermined",
            "recommendation": best.recommendation if determined else "",
            "candidates": [candidate.to_json() for candidate in candidates],
            "tables": [table.to_json() for table in tables if table.rows], "fixes": list(fixes), "says": says}
