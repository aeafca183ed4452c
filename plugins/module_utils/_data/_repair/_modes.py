# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes of a repair: what each of them does, and what it says."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair import _apply, _audit, _constraints, _plan, _remaining, _tables
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._apply import Applied, Repair
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._audit import AuditLog, Undecided
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._plan import Plan
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._remaining import Left
from ansible_collections.sre.runbooks.plugins.module_utils._data._repair._tables import Table
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import write_private
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Result, Task

try:
    import psycopg2
except Exception:
    pass

CONSTRAINTS = "constraints.sql"
SHOWN = 5
#: classes of SQLSTATE by which the server says that these rows cannot be written so, whenever it is tried: data, constraints, views with
#: a check, generated columns and what else is not supported, and what a trigger raises
REFUSALS = ("22", "23", "44", "0A", "42809", "428C9", "P0", "2F", "38")


@dataclasses.dataclass(frozen=True)
class Work:
    """One task's database and what it is asked to do with it."""

    task: Task
    database: Database
    audit: AuditLog
    directory: pathlib.Path

    @contextlib.contextmanager
    def session(self, doing: str, read_only: bool) -> t.Iterator[t.Any]:
        """A session whose rows read the same as in every other; nothing is committed at its end."""
        p = self.task.params
        with self.database.errors(doing), contextlib.closing(self.database.connect(
                read_only=read_only, lock_timeout=p["lock_timeout"], statement_timeout=p["statement_timeout"],
                settings=_audit.SETTINGS)) as connection:
            if read_only:
                connection.set_session(isolation_level="REPEATABLE READ")
            yield connection

    def tables(self, connection: t.Any) -> tuple[dict[str, Table], list[Undecided]]:
        """The tables to repair, in order, and those that cannot be repaired."""
        described, refused = {}, []
        for table in self.task.params["tables"]:
            try:
                described[table["name"]] = _tables.describe(connection, table["name"], table["key"], table["ignore"])
            except Refused as error:
                refused.append(Undecided(table["name"], "", str(error)))
        return described, refused

    def rules(self) -> list[Rule]:
        """The rules that the repair is judged by."""
        return _rules.load(self.task.params["rules_files"], self.task.params["rules"])

    def repair(self, connection: t.Any) -> Repair:
        """The incident's repair."""
        return Repair(connection, self.task.params["incident_id"] or "no-incident", self.tables(connection)[0])

    def plan(self) -> Plan:
        """Compare, and write the plan's files."""
        with self.session("compare tables with the audit log", read_only=True) as connection:
            tables, refused = self.tables(connection)
            plan = _plan.make(connection, self.audit, list(tables.values()), self.directory, self.task.progress, refused)
            proposed = _constraints.propose(self.rules(), lambda table, key: _tables.column_type(connection, table, key))
        write_private(self.directory / CONSTRAINTS, proposed)
        return plan

    def current(self) -> Plan:
        """The plan that this incident has begun and not finished, else a new one."""
        with self.session("look for a repair that was begun", read_only=True) as connection:
            begun = self.repair(connection).begun()
        known = _plan.load(self.directory, begun.plan) if begun.plan else None
        return dataclasses.replace(known, begun=begun.rows) if known and begun.rows < known.total else self.plan()

    def files(self, plan: str) -> list[pathlib.Path]:
        """What there is of a plan on the controller, by its hash."""
        paths = [self.directory / plan / name for name in (_plan.RECONCILIATION, _plan.OPERATIONS, _apply.REVERSE)]
        return [path for path in (*paths, self.directory / CONSTRAINTS) if path.is_file()]


def _planned(work: Work) -> Result:
    plan = work.current()
    return {"outcome": "planned" if plan.total else "nothing", **_plan_json(plan), "says": _plan_says(work, plan)}


def _tried(work: Work) -> Result:
    plan = work.current()
    with work.session("try the repair", read_only=False) as connection:
        repair = work.repair(connection)
        tables = list(work.tables(connection)[0].values())

        def judge() -> Left:
            return _remaining.violations(connection, work.rules(), work.audit, tables)

        # What was repaired stays finished: then there is nothing to try, only to judge.
        finished = not plan.total or repair.begun().plan not in ("", plan.hash)
        try:
            result, left, notes = (Applied(), judge(), []) if finished else _rehearsed(work, repair, plan, judge)
        except Refused as error:
            return _untenable(error, judge(), plan)
    broken = sum(left.violations.values())
    least = f"at least {broken}" if left.errors else broken or "no"
    says = [f"tried and taken back: {result.written} of {plan.total - plan.begun} rows; {least} rows would still break a rule"]
    return {"outcome": "tried", **_plan_json(plan), **_applied_json(result), **dataclasses.asdict(left),
            "says": [*says, *notes, *_skipped_says(result), *left.errors]}


def _rehearsed(work: Work, repair: Repair, plan: Plan, judge: t.Callable[[], t.Any]) -> tuple[Applied, t.Any, list[str]]:
    """The whole repair, made and taken back in one transaction; nothing of it stays.

    :raises Refused: the server refuses rows of the plan, or it could not be taken back.
    """
    try:
        return repair.rehearse(plan, work.task.params["batch_size"], judge, work.task.progress)
    except psycopg2.Error as error:
        if not (error.pgcode or "").startswith(REFUSALS):
            raise
        repair.give_up()
        said = redact(" ".join(f"{error.diag.message_primary} {error.diag.message_detail or ''}".split())).rstrip(".")
        raise Refused(f"The repair was tried and is refused, since the database does not take it: {said}. Nothing was written.",
                      "Look at those rows in reconcile.sql: a person has to decide about them first.") from error


def _untenable(error: Refused, left: Left, plan: Plan) -> Result:
    """A plan that cannot be made or taken back is none."""
    nothing = Plan(plan.directory, undecided=plan.undecided, undecided_count=plan.undecided_count)
    left.errors.insert(0, str(error))
    return {"outcome": "refused", **_plan_json(nothing), **_applied_json(Applied()), **dataclasses.asdict(left), "says": list(left.errors)}


def _applied(work: Work) -> Result:
    approved = work.task.params["approved_plan"]
    if not approved:
        raise InvalidInput("data_repair with mode apply needs approved_plan.", "Plan first; the plan's hash is what is approved.")
    with work.session("repair", read_only=False) as connection:
        repair = work.repair(connection)
        begun = repair.begun().plan
        connection.rollback()
        plan = _continued(work, begun) if begun == approved else work.plan()
        if plan.hash != approved:
            raise Refused(f"The repair plan is now {plan.hash or 'empty'}, but {approved} was approved: the rows, or the audit log, have "
                          "changed since. Nothing was written.", "Look at the new reconcile.sql, and approve its hash.")
        _rehearsed(work, repair, plan, lambda: None)
        _apply.write_reversal(repair, plan)  # first: it has to be there even if this is broken off
        result = repair.apply(plan, work.task.params["batch_size"], True, work.task.progress)
    says = [f"{result.written} rows repaired in {result.batches} batches; they are kept in {repair.backup}", *_skipped_says(result)]
    if result.resumed:
        says.insert(0, f"continued after {result.resumed} batches of an earlier run")
    return {"changed": result.written > 0, "outcome": "repaired", **_plan_json(plan), **_applied_json(result), "says": says,
            "plan": [_change(f"repaired {result.written} rows, as plan {plan.hash} says")]}


def _reversed(work: Work) -> Result:
    with work.session("reverse the repair", read_only=False) as connection:
        repair = work.repair(connection)
        begun = repair.begun().plan
        result = repair.reverse() if begun else Applied()
        connection.commit()
    return {"changed": result.written > 0, "outcome": "reversed" if begun else "nothing", **_plan_json(Plan(work.directory, begun)),
            **_applied_json(result), "says": [f"{result.written} rows are as they were before the repair", *_skipped_says(result)],
            "plan": [_change(f"took the repair of {result.written} rows back")]}


def _continued(work: Work, begun: str) -> Plan:
    plan = _plan.load(work.directory, begun)
    if plan is None:
        raise Refused(f"Plan {begun} was applied in part, and its file {work.directory / begun / _plan.OPERATIONS} is not on this controller, or "
                      "is another one.", "Run where the plan was made, or reverse the repair and plan again.")
    return plan


def _change(summary: str) -> Json:
    """For whoever shows what was changed: the clean-up does not take a repair back."""
    return {"summary": summary, "temporary": False}


def _plan_json(plan: Plan) -> Json:
    return {"plan_hash": plan.hash, "counts": plan.counts, "total": plan.total, "undecided_count": plan.undecided_count,
            "undecided": [dataclasses.asdict(one) for one in plan.undecided]}


def _applied_json(result: Applied) -> Json:
    return {"written": result.written, "skipped": [*result.skipped, *result.barred],
            "skipped_count": result.skipped_count + result.barred_count}


def _plan_says(work: Work, plan: Plan) -> list[str]:
    if not plan.total and not plan.undecided_count:
        return ["every row is as the audit log says: nothing to repair"]
    shown = ", ".join(f"{number} {kind}s of {table}" for table, kinds in plan.counts.items() for kind, number in kinds.items())
    lines = [f"repair plan {plan.hash}: {shown}" if plan.total else "the repair plan is empty: nothing was found that the audit log decides about"]
    if plan.begun:
        lines.append(f"{plan.begun} of its {plan.total} rows were dealt with before it was broken off; it goes on when it is approved again")
    if plan.undecided_count:
        lines.append(f"{plan.undecided_count} times the audit log does not decide: " + "; ".join(
            f"{one.table}{f' {one.key}' if one.key else ''}: {one.reason}" for one in plan.undecided[:SHOWN]))
    if plan.total and not work.task.check_mode:
        lines.append(f"every row before and after: {plan.directory / _plan.RECONCILIATION}")
    return lines


def _skipped_says(result: Applied) -> list[str]:
    said = []
    if result.skipped_count:
        named = ", ".join(result.skipped[:10]) or "see the backup"
        said.append(f"{result.skipped_count} rows were written by somebody since and left alone: {named}")
    if result.barred_count:
        said.append(f"{result.barred_count} rows were not inserted, as other rows have one of their unique values: {', '.join(result.barred[:10])}")
    return said


MODES: dict[str, t.Callable[[Work], Result]] = {"plan": _planned, "dry_run": _tried, "apply": _applied, "reverse": _reversed}
