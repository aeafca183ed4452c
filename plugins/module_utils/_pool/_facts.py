# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells why a connection pool is exhausted, as facts for the table of causes ``roles/db_pool_exhaustion/files/causes.yml``."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Json, Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _dialects, _sessions

#: share of a pool's connections in use from which it is full
FULL = 0.9
#: places that a sentence names
NAMED = 3
#: what in a revision's changes is about connections
_ABOUT_CONNECTIONS = re.compile(r"pool|conn|max_?open|hikari", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What counts as long, and how large a pool may become.

    :param slow_seconds: a query that runs longer is slow.
    :param idle_seconds: a session that has been idle for longer is forgotten, and may be ended.
    :param size: connections of a raised pool, ``overflow`` on top.
    :param overflow: likewise.
    :param headroom: connections of the database that stay free.
    :param lock_seconds: a session that makes others wait for longer blocks them; shorter waits are the ordinary course.
    """

    slow_seconds: float = 5.0
    idle_seconds: float = 300.0
    size: int = 50
    overflow: int = 20
    headroom: int = 5
    lock_seconds: float = 1.0


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was found.

    :param service: the workload whose pool it is, as sessions name their client.
    :param pods: per replica pod, active, pending, max, pools (see ``_signals.row``).
    :param activity: the database's sessions (see ``_sessions.Activity``), empty where it could not be asked.
    :param not_asked: why it could not, empty where it was.
    :param log: findings of the connection log (see ``_connection_log``), empty without one.
    :param revisions: of ``rollout_history_info``.
    :param surge: pods more than replicas that a rollout may have.
    """

    service: str
    pods: t.Sequence[Json]
    activity: Json
    log: Json
    surge: int = 1
    not_asked: str = ""
    revisions: t.Sequence[Json] = ()

    @property
    def mine(self) -> list[Json]:
        """The service's own sessions."""
        return [session for session in self.activity.get("sessions", []) if session["client"] == self.service]

    @property
    def in_use(self) -> float | None:
        """Connections that the pools count as in use, None where none says."""
        known = [pod["active"] for pod in self.pods if pod["active"] is not None]
        return float(sum(known)) if known else None

    @property
    def others(self) -> list[Json]:
        """The other clients of the database, the one with most sessions first."""
        return [row for row in self.activity.get("clients", []) if row["client"] != self.service]

    @property
    def chains(self) -> list[Json]:
        """The lock chains in which the service waits, the one with most sessions first."""
        return [chain for chain in self.activity.get("chains", []) if self.service in chain["clients"]]

    @property
    def places(self) -> int:
        """Connections that the database has for ordinary users."""
        return self.activity["max_connections"] - self.activity["reserved"]

    @property
    def reached(self) -> list[Json]:
        """The limits of roles and databases that the service uses and that are used up."""
        used = {("role", session["user"]) for session in self.mine} | {("database", session["database"]) for session in self.mine}
        return [limit for limit in self.activity.get("limits", []) if limit["taken"] >= limit["most"] and (limit["of"], limit["name"]) in used]


def facts(found: Measured, limits: Limits) -> FactSheet:
    """Every fact of the table."""
    sheet = FactSheet()
    sheet.known("service", found.service)
    _tell_pools(sheet, found)
    _tell_log(sheet, found)
    _tell_answer(sheet, found)
    _tell_release(sheet, found)
    larger = larger_pool(found, limits)
    sheet.known("arithmetic", larger["arithmetic"])
    if found.activity:
        sheet.known("fits_size", larger["size"], "arithmetic")
        sheet.known("fits_overflow", larger["overflow"], "arithmetic")
        _tell_work(sheet, found, limits)
        _tell_locks(sheet, found, limits)
        _tell_others(sheet, found)
    else:
        for name in ("fits_size", "fits_overflow", *_WORK, *_LOCKS, *_OTHERS):
            sheet.unknown(name, found.not_asked or "the database was not asked", "pg_stat_activity")
    return sheet


def larger_pool(found: Measured, limits: Limits) -> Json:
    """The pool that fits: size, overflow (0 where nothing larger fits) and the arithmetic.

    During a rollout old and new pods hold connections, so replicas and surge share what the database, and the role, have left.
    """
    wanted, now = limits.size + limits.overflow, max((int(pod["max"] or 0) for pod in found.pods), default=0)
    if not found.activity:
        return {"size": 0, "overflow": 0, "arithmetic": "the database could not be asked whether it has room"}
    taken = sum(row["sessions"] for row in found.others)
    room, of = found.places - taken - limits.headroom, f"{found.places} connections of the database, {taken} held by others, {limits.headroom} to stay free"
    users = {session["user"] for session in found.mine}
    for limit in found.activity.get("limits", []):
        others = limit["taken"] - len([one for one in found.mine if limit["name"] in (one["user"], one["database"])])
        if limit["of"] == "role" and limit["name"] in users and limit["most"] - others < room:
            room, of = limit["most"] - others, f"{limit['most']} connections for role {limit['name']}, {others} of them held by others"
    pods = len(found.pods) + found.surge
    each = min(wanted, max(0, room) // pods) if pods else 0
    arithmetic = (f"{of}: {room} for {pods} pods ({len(found.pods)} and {found.surge} during the rollout) are {each} each; "
                  f"asked {limits.size}+{limits.overflow}, now {now}")
    if each <= now:
        return {"size": 0, "overflow": 0, "arithmetic": arithmetic}
    overflow = limits.overflow * each // wanted
    return {"size": each - overflow, "overflow": overflow, "arithmetic": arithmetic}


def to_end(found: Measured, limits: Limits) -> dict[str, list[Json]]:
    """The sessions whose end would help, by the mitigation that ends them, and no others."""
    return {"terminate_root": [chain["root"] for chain in found.chains if chain["longest_seconds"] >= limits.lock_seconds],
            "terminate_idle": _forgotten_by_others(found, limits),
            "terminate_slow": [session for session in _running(found.mine) if session["query_seconds"] >= limits.slow_seconds]}


def tables(found: Measured) -> list[Table]:
    """The figures behind it, for the report."""
    activity, log = found.activity, found.log
    held = sorted(activity.get("sessions", []), key=lambda session: -(session["state_seconds"] or 0))[:20]
    return [
        Table("Pools", ("pod", "in use", "of", "waiting"),
              [(pod["pod"], _whole(pod["active"]), _whole(pod["max"]), _whole(pod["pending"])) for pod in found.pods]),
        Table("The database's clients", ("client", "sessions", "active", "idle", "idle in transaction", "oldest transaction"),
              [(row["client"], row["sessions"], row["active"], row["idle"], row["idle_in_transaction"],
                f"{row['oldest_seconds']:.0f} s") for row in activity.get("clients", [])]),
        Table("Who holds connections longest", ("pid", "client", "pod or address", "user", "state", "for", "last statement"),
              [(row["pid"], row["client"], row.get("pod") or row.get("address") or "local", row["user"], row["state"],
                f"{row['state_seconds']:.0f} s", f"`{row['query'][:120]}`") for row in held]),
        Table("Who blocks others", ("session", "client", "pod or address", "user", "state", "waiting", "for", "last statement"),
              [(root["pid"], root["client"], root.get("pod") or root.get("address") or "local", root.get("user", ""),
                f"{root['state']} for {root['state_seconds']:.0f} s", chain["waiting"], f"{chain['longest_seconds']:.0f} s", f"`{root['query']}`")
               for chain in activity.get("chains", []) for root in (chain["root"],)]),
        Table("Limits of roles and databases", ("of", "connections", "taken"),
              [(f"{row['of']} {row['name']}", row["most"], row["taken"]) for row in activity.get("limits", [])]),
        Table("Never given back", ("code location", "connections", "oldest", "pods", "requests"),
              [(f"`{leak['at']}`", leak["count"], f"{leak['oldest_seconds']:.0f} s", ", ".join(leak["pods"]),
                ", ".join(leak["requests"])) for leak in log.get("leaks", [])]),
    ]


_WORK = ("own_sessions", "at_work", "slow_queries", "slowest", "slow_query", "in_transaction_unused", "in_transaction_longest")
_LOCKS = ("blocked", "blocked_longest", "blocker", "blocker_client")
_OTHERS = ("other_client", "other_sessions", "others_sessions", "holders", "places", "free", "limit_reached")


def _tell_pools(sheet: FactSheet, found: Measured) -> None:
    pools = [pool for pod in found.pods for pool in pod.get("pools") or [pod]]
    fills = [pool["active"] / pool["max"] for pool in pools if pool["max"] and pool["active"] is not None]
    exhausted = [row for row in found.log.get("pools", []) if row["kind"] == _dialects.EXHAUSTED and row["current"] and row["full"]]
    sheet.known_or("in_use", found.in_use, "metrics", "no pod says how many connections are in use")
    sheet.known_or("waiting", _sum(pool["pending"] for pool in pools), "metrics", "no pod says how many requests wait")
    if any(fill >= FULL for fill in fills) or (len(fills) < len(pools) and exhausted):
        sheet.known("pools_full", True, "metrics")
    elif pools and len(fills) == len(pools):
        sheet.known("pools_full", False, "metrics")
    else:
        sheet.unknown("pools_full", "not every pool says how many connections it has and may have", "metrics")


def _tell_log(sheet: FactSheet, found: Measured) -> None:
    """What the log says of the present; what an earlier fault has left there is no cause of this one."""
    log = found.log
    if not log:
        for name in ("leaks", "leaked", "lost_in", "leaks_reported", "taken", "nested", "refused", "unreachable", "dead", "stalled", "pooler_says"):
            sheet.unknown(name, "there is no connection log", "connection log")
        return
    leaks, reported = log.get("leaks", []), [row for row in log.get("missed", []) if row.get("current") is not False]
    rows = [row for row in log.get("pools", []) if row["current"] is not False]
    sheet.known("leaks", [f"{row['count']} connections taken at {row['at']} were never given back, the oldest for {row['oldest_seconds']:.0f} s"
                          for row in leaks[:3]], "connection log")
    sheet.known("leaked", float(sum(row["count"] for row in leaks)), "connection log")
    sheet.known_or("lost_in", _lost_in(found, leaks), "connection log", "the log shows no connection that was lost, or no pool says how many it may have", "s")
    sheet.known("leaks_reported", [f"the pool itself reported {row['count']} connections as leaked, taken at {row['at']}" for row in reported[:3]],
                "connection log")
    sheet.known("taken", int(log.get("acquired") or 0), "connection log")
    waited = {row["at"] for row in log.get("locations", []) if row["timeouts"]}
    sheet.known("nested", [f"{row['inner']} takes a connection while {row['outer']} holds one ({row['count']} times)"
                           for row in log.get("nested", [])[:3] if row["inner"] in waited], "connection log")
    for name, kind in (("refused", _dialects.REFUSED), ("unreachable", _dialects.UNREACHABLE), ("dead", _dialects.DEAD), ("stalled", _dialects.STALLED)):
        sheet.known(name, sum(row["count"] for row in rows if row["kind"] == kind), "connection log")
    pooler = [row for row in rows if row["dialect"] == "PgBouncer" and row["kind"] in (_dialects.REFUSED, _dialects.EXHAUSTED)]
    sheet.known("pooler_says", "; ".join(f"{row['count']} times {row['kind']}" for row in pooler), "connection log")


def _lost_in(found: Measured, leaks: t.Sequence[Json]) -> float | None:
    """Seconds until all connections of all pods are lost, at the rate at which they were since the oldest loss that is known."""
    most = [pod["max"] for pod in found.pods]
    lost, since = sum(row["count"] for row in leaks), max((row["oldest_seconds"] for row in leaks), default=0.0)
    return sum(most) * since / lost if most and None not in most and lost and since else None


def _tell_answer(sheet: FactSheet, found: Measured) -> None:
    """How the database receives the service's own user, as psql in one of its own pods is received."""
    own = [row for row in found.activity.get("turned_away", []) if row["workload"].rpartition("/")[2] == found.service]
    said = own[0]["said"] if own else "" if found.activity else found.not_asked
    problem = _sessions.problem(said)
    if found.activity and not own and found.activity.get("way", "").rpartition("/")[2] != found.service and not found.mine:
        sheet.unknown("problem", "the database was not asked as the service asks it", "psql")
    elif said and not problem:
        sheet.unknown("problem", said, "psql")
    else:
        sheet.known("problem", problem or "none", "psql")
    sheet.known("problem_says", said, "psql")


def _tell_release(sheet: FactSheet, found: Measured) -> None:
    if not found.revisions:
        sheet.unknown("pool_changes", "the rollout history is not known", "rollout history")
        return
    current = found.revisions[-1]
    sheet.known("pool_changes", [f"revision {current['revision']} changed {change['path'].removeprefix('spec.').removesuffix('.value')} from "
                                 f"{change['before'] or 'nothing'} to {change['after'] or 'nothing'}"
                                 for change in current["changes"] if _ABOUT_CONNECTIONS.search(change["path"])], "rollout history")


def _tell_work(sheet: FactSheet, found: Measured, limits: Limits) -> None:
    running = _running(found.mine)
    slow = sorted((one for one in running if one["query_seconds"] >= limits.slow_seconds), key=lambda one: -one["query_seconds"])
    unused = [one for one in found.mine if one["state"].startswith("idle in transaction") and one["state_seconds"] >= 1]
    sheet.known("own_sessions", float(len(found.mine)), "pg_stat_activity")
    sheet.known("at_work", float(sum(map(_at_work, found.mine))), "pg_stat_activity")
    sheet.known("slow_queries", float(len(slow)), "pg_stat_activity")
    sheet.known("slowest", float(slow[0]["query_seconds"]) if slow else 0.0, "pg_stat_activity")
    sheet.known("slow_query", slow[0]["query"][:200] if slow else "", "pg_stat_activity")
    sheet.known("in_transaction_unused", float(len(unused)), "pg_stat_activity")
    sheet.known("in_transaction_longest", max((float(one["xact_seconds"] or 0) for one in unused), default=0.0), "pg_stat_activity")


def _tell_locks(sheet: FactSheet, found: Measured, limits: Limits) -> None:
    chains = [chain for chain in found.chains if chain["longest_seconds"] >= limits.lock_seconds]
    first = chains[0] if chains else None
    sheet.known("blocked", float(first["waiting"]) if first else 0.0, "pg_stat_activity")
    sheet.known("blocked_longest", float(first["longest_seconds"]) if first else 0.0, "pg_stat_activity")
    sheet.known("blocker", _sessions.in_words(first["root"]) if first else "", "pg_stat_activity")
    sheet.known("blocker_client", first["root"]["client"] if first else "", "pg_stat_activity")


def _tell_others(sheet: FactSheet, found: Measured) -> None:
    first = found.others[0] if found.others else None
    held = [one for one in found.activity["sessions"] if first and one["client"] == first["client"]]
    sheet.known("other_client", first["client"] if first else "", "pg_stat_activity")
    sheet.known("other_sessions", float(first["sessions"]) if first else 0.0, "pg_stat_activity")
    sheet.known("others_sessions", float(sum(row["sessions"] for row in found.others)), "pg_stat_activity")
    sheet.known("holders", _sessions.by_place(held)[:NAMED], "pg_stat_activity")
    sheet.known("places", float(found.places), "pg_settings")
    sheet.known("free", float(max(0, found.places - len(found.activity["sessions"]) - 1)), "pg_stat_activity")
    sheet.known("limit_reached", "; ".join(f"{row['of']} {row['name']} may have {row['most']} connections and has {row['taken']}"
                                           for row in found.reached), "pg_roles, pg_database")


def _forgotten_by_others(found: Measured, limits: Limits) -> list[Json]:
    """Idle sessions of the other client that holds most; where the limit of a role is what is used up, only those of that role."""
    roles = {limit["name"] for limit in found.reached if limit["of"] == "role"}
    theirs = [one for one in found.activity.get("sessions", []) if one["client"] != found.service and (not roles or one["user"] in roles)]
    most = next((row["client"] for row in found.others if any(one["client"] == row["client"] for one in theirs)), None)
    return [one for one in theirs if one["client"] == most and one["state"].startswith("idle") and one["state_seconds"] >= limits.idle_seconds]


def _at_work(session: Json) -> bool:
    """Whether it runs a statement, or is between two of a transaction; one that stays there was forgotten."""
    return session["state"] == "active" or session["state"].startswith("idle in transaction") and session["state_seconds"] < 1


def _running(sessions: t.Sequence[Json]) -> list[Json]:
    """Sessions whose query runs, and does not wait for another session's lock."""
    return [session for session in sessions if session["state"] == "active" and session["waits_for"] != "Lock"
            and session["query_seconds"] is not None]


def _sum(values: t.Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None


def _whole(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
