# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How data became inconsistent: past the application, by it, through a tampered audit log, or for want of a constraint."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Table, rank

#: rows of each rule that the report shows; all of them are in the exported files
SAMPLES = 3


def diagnose(findings: t.Sequence[Json], repair: Json, constraints: t.Mapping[str, str]) -> list[Candidate]:
    """The candidates, ranked.

    :param findings: of the checks: rule, kind and count each.
    :param constraints: which kind of constraint would keep a rule, empty where none does.
    :param repair: what a repair from the audit log would do: counts by table and kind, and ``remaining`` violations that it
        cannot mend, each with a reason.
    """
    violated = {finding["rule"]: finding for finding in findings if finding.get("count")}
    return rank([_unaudited(violated, repair), _application(repair), _constraint(violated, constraints), _tampered(violated)])


def fixes(findings: t.Sequence[Json], cause: str, constraints: t.Mapping[str, str]) -> list[str]:
    """What would prevent it for good."""
    lines = [f"{finding['rule']}: {constraints[finding['rule']]} would have refused these rows (repair/constraints.sql has it)."
             for finding in findings if finding.get("count") and constraints.get(finding["rule"])]
    if cause == "unaudited_write":
        lines.append("Let nobody write past the application: migrations run as a role of their own, under the same audit trigger.")
    if cause == "application_bug":
        lines.append("Find the code path in the audit entries of the rows that are left: it wrote the wrong values itself.")
    return [*lines, "Run the consistency checks on a schedule: incident/data_inconsistency.yml --check reads only."]


def tables(findings: t.Sequence[Json], repair: Json, activity: Json) -> list[Table]:
    """What was found, what a repair does, what it leaves, and when the writes stopped."""
    affected = [(finding["rule"], finding.get("severity", ""), "not checked" if finding["count"] is None else finding["count"], finding.get("customers") or "",
                 finding.get("amount") or "", finding.get("first") or "", finding.get("last") or "") for finding in findings]
    writes = activity.get("writes") or {}
    return [
        Table("Affected records", ("rule", "severity", "rows", "customers", "amount", "first", "last"), affected),
        Table("Samples", ("rule", "row"), [(finding["rule"], ", ".join(f"{name} {value}" for name, value in sample.items()))
                                           for finding in findings for sample in finding.get("samples", [])[:SAMPLES]]),
        Table("Repair from the audit log", ("table", "kind", "rows"),
              [(table, kind, number) for table, kinds in repair.get("counts", {}).items() for kind, number in kinds.items()]),
        Table("Left for a person", ("rule", "table", "key", "why the audit log does not decide"),
              [(row["rule"], row["table"], row["key"], row["reason"]) for row in repair.get("remaining", [])]),
        Table("Writes", ("last write", "seconds after the stop began", "quiet for", "rows while watching"),
              [(writes["last_write_at"] or "none seen", activity.get("last_write_after", ""), f"{writes['quiet_seconds']:.0f} s",
                writes["rows"])] if writes else []),
    ]


def _unaudited(violated: t.Mapping[str, Json], repair: Json) -> Candidate:
    candidate = Candidate("unaudited_write", "Rows were written past the application (a migration, a script, a person)", "repair")
    differing = sum(number for kinds in repair.get("counts", {}).values() for number in kinds.values())
    unknown = sum(1 for row in repair.get("remaining", []) if "no entry" in row["reason"])
    if differing:
        candidate.supports(f"{differing} rows are not as their last audit entry says, and no entry tells of the change", 3)
    if unknown:
        candidate.supports(f"{unknown} wrong rows have no audit entry at all")
    if violated and not differing:
        candidate.opposes("every row that the audit log knows is as it says", 2)
    return candidate


def _application(repair: Json) -> Candidate:
    candidate = Candidate("application_bug", "The application itself wrote wrong values")
    same = sum(1 for row in repair.get("remaining", []) if "does not say otherwise" in row["reason"])
    if same:
        candidate.supports(f"{same} rows are as the audit log says, and break a rule all the same")
    else:
        candidate.opposes("no wrong row was found that the audit log agrees with")
    return candidate


def _constraint(violated: t.Mapping[str, Json], constraints: t.Mapping[str, str]) -> Candidate:
    candidate = Candidate("missing_constraint", "A constraint that would have refused the rows is not there")
    kept = [f"{finding['count']} rows of {name} ({constraints[name]})" for name, finding in violated.items() if constraints.get(name)]
    if kept:
        candidate.supports(f"a constraint would have refused {', '.join(kept)}")
    else:
        candidate.opposes("no rule is broken that a constraint would keep")
    return candidate


def _tampered(violated: t.Mapping[str, Json]) -> Candidate:
    candidate = Candidate("tampered_audit", "Entries of the audit log were tampered with")
    flagged = [finding for finding in violated.values() if finding.get("kind") == "flagged"]
    if flagged:
        candidate.supports(f"{sum(finding['count'] for finding in flagged)} entries have checksums that do not match", 2)
    else:
        candidate.opposes("every audit entry's checksum matches")
    return candidate
