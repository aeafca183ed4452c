# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells how data became inconsistent; the causes stand in ``roles/data_inconsistency/files/causes.yml``."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import CACHE
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

#: rows of each rule that the report shows; all of them are in the exported files
SAMPLES = 3
CHECKS, AUDIT = "consistency checks", "audit log"


def counted(findings: t.Sequence[Json], repair: Json, constraints: t.Mapping[str, str], sheet: FactSheet) -> None:
    """Add the facts that the checks and the plan of a repair tell.

    :param findings: of the checks: rule, kind and count each.
    :param constraints: which kind of constraint would keep a rule, empty where none does.
    :param repair: what a repair from the audit log would do: counts by table and kind, and ``remaining`` violations that it
        cannot mend, each with a reason; empty where none was planned.
    """
    violated = [finding for finding in findings if finding.get("count")]
    flagged = [finding for finding in findings if finding.get("kind") == "flagged"]
    rows = [finding for finding in violated if finding.get("kind") not in ("flagged", CACHE)]
    cached = [finding for finding in findings if finding.get("kind") == CACHE]
    if cached and all(finding.get("count") is not None for finding in cached):
        sheet.known("keys_stale", sum(finding["count"] for finding in cached), CHECKS)
    else:
        sheet.unknown("keys_stale", "the cache could not be read" if cached else "no rule is about a cache", CHECKS)
    sheet.known("rows_wrong", sum(finding["count"] for finding in rows), CHECKS)
    sheet.known("rules_broken", [f"{finding['rule']}: {finding['count']}" for finding in rows], CHECKS)
    sheet.known("rules_unchecked", [finding["rule"] for finding in findings if finding.get("count") is None], CHECKS)
    sheet.known("rules_without_constraint", [f"{finding['rule']} ({constraints[finding['rule']]})" for finding in rows if constraints.get(finding["rule"])],
                CHECKS)
    _moments(rows, sheet)
    if any(finding.get("count") is None for finding in flagged) or not flagged:
        sheet.unknown("entries_flagged", "no rule counts marked audit entries" if not flagged else "they could not be counted", CHECKS)
    else:
        sheet.known("entries_flagged", sum(finding["count"] for finding in flagged), CHECKS)
    _against_audit(repair, sheet)


def _moments(rows: t.Sequence[Json], sheet: FactSheet) -> None:
    """First and last time of a wrong row, as the rows say."""
    for name, which in (("first_wrong", min), ("last_wrong", max)):
        moments = [finding[name.partition("_")[0]] for finding in rows if finding.get(name.partition("_")[0])]
        if moments:
            sheet.known(name, which(moments), CHECKS)
        else:
            sheet.unknown(name, "no wrong row has a time", CHECKS)


def _against_audit(repair: Json, sheet: FactSheet) -> None:
    """What the audit log says of the wrong rows."""
    names = ("rows_unlike_audit", "rows_without_entry", "rows_as_audited")
    if "counts" not in repair:
        for name in names:
            sheet.unknown(name, "no repair was planned, so that nothing was held against the audit log", AUDIT)
        return
    reasons = [row["reason"] for row in repair.get("remaining", [])]
    for name, number in zip(names, (sum(number for kinds in repair["counts"].values() for number in kinds.values()),
                                    sum("no entry" in reason for reason in reasons),
                                    sum("does not say otherwise" in reason for reason in reasons)), strict=True):
        sheet.known(name, number, AUDIT)


def fixes(findings: t.Sequence[Json], constraints: t.Mapping[str, str]) -> list[str]:
    """What would prevent it for good, whatever the cause."""
    lines = [f"{finding['rule']}: {constraints[finding['rule']]} would have refused these rows (repair/constraints.sql has it)."
             for finding in findings if finding.get("count") and constraints.get(finding["rule"])]
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
