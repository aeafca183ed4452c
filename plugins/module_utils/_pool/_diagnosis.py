# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a connection pool is exhausted: which of the known causes fits, with the evidence for and against each."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Json, Table, rank


@dataclasses.dataclass(frozen=True)
class Limits:
    """What counts as long, and how large a pool may become.

    :param slow_seconds: a query that runs longer is slow.
    :param idle_seconds: a session that is idle in a transaction for longer is forgotten.
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
    :param pods: per replica pod, active, pending, max (see ``_pool.row``).
    :param activity: the database's sessions (see ``_sessions.Activity``), empty where it could not be asked.
    :param log: findings of the connection log (see ``_connection_log``), empty without one.
    :param surge: pods more than replicas that a rollout may have.
    """

    service: str
    pods: t.Sequence[Json]
    activity: Json
    log: Json
    surge: int = 1

    @property
    def mine(self) -> list[Json]:
        """The service's own sessions."""
        return [session for session in self.activity.get("sessions", []) if session["client"] == self.service]

    @property
    def active(self) -> float:
        """Connections that the pools count as in use."""
        return sum(pod["active"] or 0 for pod in self.pods)

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


def diagnose(found: Measured, limits: Limits) -> list[Candidate]:
    """Rank the causes, the best first."""
    leak = Candidate("leak_in_service", f"{found.service} takes connections and does not give them back", "restart")
    slow = Candidate("slow_query", f"queries of {found.service} are slow and keep its connections", "terminate_slow")
    chain = Candidate("lock_chain", "sessions wait for a lock that one session holds", "terminate_root")
    other = Candidate("other_client", "another client eats the database's connections", "terminate_idle")
    small = Candidate("pool_too_small", f"the pool of {found.service} is too small for the load", "raise_pool")
    _weigh_log(leak, small, found)
    if found.activity:
        _weigh_work(leak, small, found)
        _weigh_slow(slow, small, found, limits)
        _weigh_chains(chain, leak, small, found)
        _weigh_others(other, small, found)
        _weigh_room(small, found, limits)
    return rank((chain, other, slow, leak, small))


def larger_pool(found: Measured, limits: Limits) -> Json:
    """The pool that fits: size, overflow (0 where nothing larger fits) and the arithmetic.

    During a rollout old and new pods hold connections, so replicas and surge share what the database has left.
    """
    wanted, now = limits.size + limits.overflow, max((int(pod["max"] or 0) for pod in found.pods), default=0)
    if not found.activity:
        return {"size": 0, "overflow": 0, "arithmetic": "the database could not be asked whether it has room"}
    taken = sum(row["sessions"] for row in found.others)
    room = found.places - taken - limits.headroom
    pods = len(found.pods) + found.surge
    each = min(wanted, max(0, room) // pods) if pods else 0
    arithmetic = (f"{found.places} connections of the database, {taken} held by others, {limits.headroom} to stay free: "
                  f"{room} for {pods} pods ({len(found.pods)} and {found.surge} during the rollout) are {each} each; "
                  f"asked {limits.size}+{limits.overflow}, now {now}")
    if each <= now:
        return {"size": 0, "overflow": 0, "arithmetic": arithmetic}
    overflow = limits.overflow * each // wanted
    return {"size": each - overflow, "overflow": overflow, "arithmetic": arithmetic}


def to_end(cause: str, found: Measured, limits: Limits) -> list[Json]:
    """The sessions whose end would help, and no others; empty where none is named by the evidence."""
    sessions = found.activity.get("sessions", [])
    if cause == "lock_chain":
        return [chain["root"] for chain in found.chains if chain["longest_seconds"] >= limits.lock_seconds]
    if cause == "other_client" and found.others:
        client = found.others[0]["client"]
        return [session for session in sessions if session["client"] == client
                and session["state"].startswith("idle in transaction") and session["state_seconds"] >= limits.idle_seconds]
    if cause == "slow_query":
        return [session for session in _running(found.mine) if session["query_seconds"] >= limits.slow_seconds]
    return []


def tables(found: Measured) -> list[Table]:
    """The figures behind it, for the report."""
    activity, log = found.activity, found.log
    return [
        Table("Pools", ("pod", "in use", "of", "waiting"),
              [(pod["pod"], _whole(pod["active"]), _whole(pod["max"]), _whole(pod["pending"])) for pod in found.pods]),
        Table("The database's clients", ("client", "sessions", "active", "idle", "idle in transaction", "oldest transaction"),
              [(row["client"], row["sessions"], row["active"], row["idle"], row["idle_in_transaction"],
                f"{row['oldest_seconds']:.0f} s") for row in activity.get("clients", [])]),
        Table("Who blocks others", ("session", "client", "state", "waiting", "for", "last statement"),
              [(chain["root"]["pid"], chain["root"]["client"], f"{chain['root']['state']} for {chain['root']['state_seconds']} s",
                chain["waiting"], f"{chain['longest_seconds']:.0f} s", f"`{chain['root']['query']}`")
               for chain in activity.get("chains", [])]),
        Table("Never given back", ("code location", "connections", "oldest", "pods", "requests"),
              [(f"`{leak['at']}`", leak["count"], f"{leak['oldest_seconds']:.0f} s", ", ".join(leak["pods"]),
                ", ".join(leak["requests"])) for leak in log.get("leaks", [])]),
    ]


def fixes(cause: str, found: Measured) -> list[str]:
    """What would prevent it for good, as items for the ticket."""
    slow = sorted({session["query"] for session in _running(found.mine) if (session["query_seconds"] or 0) >= 1})[:3]
    specific = {
        # Where the log names the place in the code, its own improvements say so.
        "leak_in_service": [] if found.log.get("leaks") else [
            "Close the connection on every path of the code that takes it: try-with-resources, a context manager or defer."],
        "slow_query": [f"Review the query `{query}`: plan, index, and a statement_timeout for this user." for query in slow],
        "lock_chain": ["Set idle_in_transaction_session_timeout and lock_timeout for the user that held the lock, and end "
                       "its transaction before anything else is waited for."],
        "other_client": [f"Give {found.others[0]['client']} a user of its own with a CONNECTION LIMIT, and set "
                         "idle_in_transaction_session_timeout for it." if found.others else "Limit the other clients."],
        "pool_too_small": ["Set the raised pool in the source of the deployment, or put a pooler such as pgbouncer between."],
    }.get(cause, [])
    return [*specific, "Set a connection timeout below the callers' own, so that requests fail early instead of piling up.",
            "Alert at 80 % of the pool in use, and on the first connection timeout.",
            "Put a circuit breaker in front of the database calls that can be done without."]


def _weigh_log(leak: Candidate, small: Candidate, found: Measured) -> None:
    leaks = found.log.get("leaks", [])
    if leaks:
        leak.supports("; ".join(f"{row['count']} connections taken at {row['at']} were never given back, the oldest for "
                                f"{row['oldest_seconds']:.0f} s" for row in leaks[:3]), 2)
        small.opposes("connections are taken and not given back: a larger pool fills up too", 2)
    if missed := found.log.get("missed"):
        leak.supports("; ".join(f"the pool itself reported {row['count']} connections as leaked, taken at {row['at']}"
                                for row in missed[:3]), 1 if leaks else 2)
    if not leaks and found.log.get("acquired"):
        leak.opposes(f"the log shows {found.log['acquired']} connections taken, and none kept")


def _weigh_work(leak: Candidate, small: Candidate, found: Measured) -> None:
    working = [session for session in found.mine if _at_work(session)]
    if not found.active:
        return
    text = f"the pools count {found.active:.0f} connections in use, the database sees {len(working)} of them at work"
    if len(working) <= found.active / 2:
        leak.supports(text, 2)
        small.opposes("most connections in use do nothing")
    elif len(working) >= 0.8 * found.active:
        leak.opposes(text, 2)
        small.supports(text)


def _weigh_slow(slow: Candidate, small: Candidate, found: Measured, limits: Limits) -> None:
    running = _running(found.mine)
    long = [session for session in running if session["query_seconds"] >= limits.slow_seconds]
    if not long:
        text = f"no query of {found.service} runs for more than {limits.slow_seconds:g} s"
        slow.opposes(text, 2)
        small.supports(text)
        return
    worst = max(long, key=lambda session: session["query_seconds"])
    slow.supports(f"{len(long)} of its {len(running)} running queries take more than {limits.slow_seconds:g} s, the longest "
                  f"{worst['query_seconds']:.0f} s: {worst['query'][:120]}", 3 if len(long) >= found.active / 2 else 1)
    small.opposes("the connections are kept by slow queries", 2)


def _weigh_chains(chain: Candidate, leak: Candidate, small: Candidate, found: Measured) -> None:
    chains = found.chains
    if not chains:
        chain.opposes(f"no session of {found.service} waits for another's lock", 2)
        return
    root = chains[0]["root"]
    weight = 4 if chains[0]["waiting"] >= max(2, found.active / 4) else 1
    chain.supports(f"session {root['pid']} of {root['client']} ({root['state']} for {root['state_seconds']:.0f} s) blocks "
                   f"{chains[0]['waiting']} sessions for up to {chains[0]['longest_seconds']:.0f} s", weight)
    leak.opposes("connections that wait for a lock are not lost")
    small.opposes("a larger pool would only wait for the same lock", 2)


def _weigh_others(other: Candidate, small: Candidate, found: Measured) -> None:
    used = len(found.activity["sessions"]) + 1
    if not found.others:
        other.opposes("no other client is connected", 2)
        return
    first, free = found.others[0], found.places - used
    text = (f"{first['client']} holds {first['sessions']} of the {found.places} connections, "
            f"{first['idle_in_transaction']} of them idle in a transaction")
    if first["sessions"] >= found.places / 2:
        other.supports(text, 3)
    else:
        other.opposes(text)
    if free <= 2:
        other.supports(f"{max(0, free)} connections of the database are free")
        small.opposes("the database has no connection left for a larger pool", 2)
    else:
        other.opposes(f"{free} connections of the database are free", 2)


def _weigh_room(small: Candidate, found: Measured, limits: Limits) -> None:
    larger = larger_pool(found, limits)
    if larger["size"]:
        small.supports(f"the database has room for more: {larger['arithmetic']}")
    else:
        small.opposes(f"the database has no room for more: {larger['arithmetic']}")


def _at_work(session: Json) -> bool:
    """Whether it runs a statement, or is between two of a transaction; one that stays there was forgotten."""
    return session["state"] == "active" or session["state"].startswith("idle in transaction") and session["state_seconds"] < 1


def _running(sessions: t.Sequence[Json]) -> list[Json]:
    """Sessions whose query runs, and does not wait for another session's lock."""
    return [session for session in sessions if session["state"] == "active" and session["waits_for"] != "Lock"
            and session["query_seconds"] is not None]


def _whole(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
