# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the database's connections, what they do, and who waits for whom."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _psql
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._psql import CannotAsk, DatabaseRefused, Way
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import clean

_SESSIONS = """
SELECT pid, usename AS "user", datname AS database, coalesce(application_name, '') AS application, host(client_addr) AS address,
       coalesce(state, 'unknown') AS state,
       coalesce(wait_event_type, '') AS waits_for, pg_blocking_pids(pid) AS blocked_by,
       coalesce(to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') AS backend_start,
       coalesce(to_char(xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') AS xact_start,
       coalesce(round(extract(epoch FROM now() - state_change)::numeric, 1), 0) AS state_seconds,
       round(extract(epoch FROM now() - xact_start)::numeric, 1) AS xact_seconds,
       round(extract(epoch FROM now() - query_start)::numeric, 1) AS query_seconds,
       left(query, 300) AS query
FROM pg_stat_activity
WHERE coalesce(backend_type, 'client backend') = 'client backend' AND datid IS NOT NULL AND usesysid IS NOT NULL
  AND pid <> pg_backend_pid()
ORDER BY state_change
"""
_SETTINGS = """
SELECT current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved
"""
_LIMITS = """
SELECT 'role' AS of, rolname AS name, rolconnlimit AS most FROM pg_roles WHERE rolconnlimit >= 0
UNION ALL SELECT 'database', datname, datconnlimit FROM pg_database WHERE datconnlimit >= 0
"""
#: what a database, or a network that does not lead to one, says to a client that it turns away
PROBLEMS = {
    "role_limit": r"too many connections for role",
    "database_limit": r"too many connections for database",
    "full": r"too many clients|connection slots are reserved|no more connections allowed",
    "not_admitted": r"no pg_hba\.conf entry|pg_hba\.conf rejects",
    "credentials": r'authentication failed|no password supplied|role "[^"]*" does not exist|is not permitted to log in|database "[^"]*" does not exist',
    "starting": r"starting up|shutting down|in recovery mode|not (?:yet )?accepting connections",
    "unreachable": r"Connection refused|timeout expired|timed out|no route to host|could not translate host|No such file or directory|"
                   r"server closed the connection",
}


@dataclasses.dataclass(frozen=True)
class Activity:
    """The database's sessions at one moment.

    :param sessions: pid, user, database, application, address, client (workload, or address), pod, state, waits_for, blocked_by,
        backend_start, xact_start, state_seconds, xact_seconds, query_seconds, query (secrets removed). Of another user's
        session an ordinary user is shown no more than pid, user, application and who blocks it.
    :param max_connections: of the database.
    :param reserved: of them for superusers.
    :param way: from where it was asked.
    :param limits: of roles and databases that have one: of (role or database), name, most (connections) and taken (by others than us).
    :param turned_away: the ways before that one whose client was turned away: workload, problem (one of PROBLEMS, empty for others) and said.
    """

    sessions: tuple[Json, ...]
    max_connections: int
    reserved: int
    way: str
    limits: tuple[Json, ...] = ()
    turned_away: tuple[Json, ...] = ()

    def to_json(self) -> Json:
        """As module results show it."""
        return {**dataclasses.asdict(self), "sessions": list(self.sessions), "limits": list(self.limits), "turned_away": list(self.turned_away),
                "clients": clients(self.sessions), "chains": chains(self.sessions)}


def read(cluster: Cluster, namespace: str, ways: t.Sequence[Way], timeout: float) -> Activity:
    """All client sessions, with the workloads that they belong to; asked by the first way that is shown all of them.

    :raises DatabaseRefused: the database turned every client away.
    :raises CannotAsk: no way leads to a database.
    """
    found, way, turned_away = _first_answer(cluster, namespace, ways, timeout)
    if hidden(found):
        with contextlib.suppress(ClusterError):
            found, way = _psql.query(cluster, namespace, _besides(way, ways), _SESSIONS, timeout, past_refusal=True)
    settings, _way = _psql.query(cluster, namespace, [way], _SETTINGS, timeout)
    limits, _way = _psql.query(cluster, namespace, [way], _LIMITS, timeout)
    owners = _owners(cluster.list("Pod", namespace))
    sessions = tuple(_named(session, owners) for session in found)
    return Activity(sessions, settings[0]["max_connections"], settings[0]["reserved"], way.workload,
                    tuple({**limit, "taken": _taken(limit, sessions)} for limit in limits), tuple(turned_away))


def _first_answer(cluster: Cluster, namespace: str, ways: t.Sequence[Way], timeout: float) -> tuple[list[Json], Way, list[Json]]:
    """The sessions by the first way that leads to the database, and what the database said to those before."""
    turned_away = []
    for way in ways:
        try:
            found, _way = _psql.query(cluster, namespace, [way], _SESSIONS, timeout)
            return found, way, turned_away
        except (CannotAsk, DatabaseRefused) as error:
            turned_away.append({"workload": way.workload, "problem": problem(error.message), "said": error.message})
            last = error
    if not turned_away:
        raise CannotAsk(f"Cluster {cluster.name}: no way to the database is given.")
    raise type(last)(" ".join(row["said"] for row in turned_away), last.next_step)


def problem(said: str) -> str:
    """Which of PROBLEMS a message is about, empty for another."""
    return next((name for name, pattern in PROBLEMS.items() if re.search(pattern, said, re.IGNORECASE)), "")


def _taken(limit: Json, sessions: t.Sequence[Json]) -> int:
    key = "user" if limit["of"] == "role" else "database"
    return sum(1 for session in sessions if session[key] == limit["name"])


def in_words(session: Json) -> str:
    """Who a session is: pid, pod or address, database user, what it does for how long, and its last statement."""
    state = session.get("state", "unknown")
    doing = f"{state} for {session.get('state_seconds') or 0:.0f} s" if state != "unknown" else "what it does is not shown to us"
    statement = f": `{session['query'][:120]}`" if session.get("query") else ""
    return f"pid {session['pid']} of {session.get('client', '?')} ({place(session)}, user {session.get('user', '?')}, {doing}){statement}"


def place(session: Json) -> str:
    """Where a session comes from: its pod, or its address."""
    return f"pod {session['pod']}" if session.get("pod") else session.get("address") or "the database's own host"


def by_place(sessions: t.Sequence[Json]) -> list[str]:
    """A line for each pod or address, those with most sessions first: how many come from there, and the one that has been as it is for longest."""
    groups: dict[str, list[Json]] = {}
    for session in sorted(sessions, key=lambda one: -(one["state_seconds"] or 0)):
        groups.setdefault(place(session), []).append(session)
    return [in_words(group[0]) if len(group) == 1 else f"{len(group)} from {where}, longest {in_words(group[0])}"
            for where, group in sorted(groups.items(), key=lambda item: -len(item[1]))]


def hidden(sessions: t.Sequence[Json]) -> int:
    """How many sessions of other users keep from an ordinary user what they do."""
    return sum(1 for session in sessions if not session["backend_start"])


def _besides(used: Way, ways: t.Sequence[Way]) -> list[Way]:
    return [way for way in ways if way != used]


def clients(sessions: t.Sequence[Json]) -> list[Json]:
    """Per client, the one with most sessions first: client, sessions, active, idle, idle_in_transaction, oldest_seconds."""
    rows: dict[str, Json] = {}
    for session in sessions:
        row = rows.setdefault(session["client"], {"client": session["client"], "sessions": 0, "active": 0, "idle": 0,
                                                  "idle_in_transaction": 0, "oldest_seconds": 0.0})
        row["sessions"] += 1
        state = session["state"].replace(" (aborted)", "").replace(" ", "_")
        if state in row:
            row[state] += 1
        row["oldest_seconds"] = max(row["oldest_seconds"], session["xact_seconds"] or 0.0)
    return sorted(rows.values(), key=lambda row: -row["sessions"])


def chains(sessions: t.Sequence[Json]) -> list[Json]:
    """Who blocks others without being blocked: root (session), waiting (how many, through others too), clients (of those),
    longest_seconds."""
    by_pid = {session["pid"]: session for session in sessions}
    waiting: dict[int, list[Json]] = {}
    for session in sessions:
        for root in _roots(session["pid"], by_pid):
            waiting.setdefault(root, []).append(session)
    return sorted(({"root": by_pid[pid], "waiting": len(blocked), "clients": sorted({session["client"] for session in blocked}),
                    "longest_seconds": max(session["query_seconds"] or 0.0 for session in blocked)}
                   for pid, blocked in waiting.items()), key=lambda chain: -chain["waiting"])


def _roots(pid: int, by_pid: t.Mapping[int, Json]) -> set[int]:
    """The sessions at the end of a session's blockers; a session that went away meanwhile is none."""
    seen, edge, roots = {pid}, list(by_pid[pid]["blocked_by"]), set()
    while edge:
        blocker = edge.pop()
        if blocker in seen or blocker not in by_pid:
            continue
        seen.add(blocker)
        further = by_pid[blocker]["blocked_by"]
        if further:
            edge.extend(further)
        else:
            roots.add(blocker)
    return roots


def _named(session: Json, owners: t.Mapping[str, tuple[str, str]]) -> Json:
    pod, workload = owners.get(session["address"] or "", ("", ""))
    told = {**session, "application": clean(session["application"]), "query": clean(" ".join((session["query"] or "").split()))}
    return {**told, "pod": pod, "client": workload or _stranger(told)}


def _stranger(session: Json) -> str:
    """A client that is no pod here: two of one program, on two machines or with two users, are two."""
    return f"{session['application'] or 'a client'} ({session['user']} at {session['address'] or 'its own host'})"


def _owners(pods: t.Sequence[Json]) -> dict[str, tuple[str, str]]:
    """Pod and workload by the pod's address."""
    return {pod["status"]["podIP"]: (pod["metadata"]["name"], _owner(pod)) for pod in pods if pod["status"].get("podIP")}


def _owner(pod: Json) -> str:
    """The workload's name: that of the owner, without the hash that a Deployment's ReplicaSet adds."""
    meta = pod["metadata"]
    owner = next(iter(meta.get("ownerReferences", [])), {"kind": "Pod", "name": meta["name"]})
    suffix = "-" + meta.get("labels", {}).get("pod-template-hash", "")
    return owner["name"].removesuffix(suffix) if owner["kind"] == "ReplicaSet" else owner["name"]


def end(cluster: Cluster, namespace: str, ways: t.Sequence[Way], sessions: t.Sequence[Json], timeout: float) -> list[int]:
    """End sessions, each only if it still is the one that was seen, in the same transaction; returns the pids that were ended.

    A pid is used again by the next client, so the session's and the transaction's beginning have to match too. Sessions of
    superusers, of replication and our own are never ended.
    """
    wanted = ", ".join(f"({int(session['pid'])}, {_literal(session['backend_start'])}, {_literal(session['xact_start'])})"
                       for session in sessions)
    statement = f"""
        SELECT activity.pid, pg_terminate_backend(activity.pid) AS ended
        FROM pg_stat_activity AS activity
        JOIN (VALUES {wanted}) AS wanted (pid, backend_start, xact_start) ON activity.pid = wanted.pid
         AND to_char(activity.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') = wanted.backend_start
         AND coalesce(to_char(activity.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') = wanted.xact_start
        JOIN pg_roles AS role ON role.rolname = activity.usename AND NOT role.rolsuper
        WHERE activity.backend_type = 'client backend' AND activity.pid <> pg_backend_pid()"""
    found, way = _psql.query(cluster, namespace, ways, statement, timeout, past_refusal=True)
    if len(found) < len(sessions):  # an ordinary user is not shown those of others
        with contextlib.suppress(ClusterError):
            found += _psql.query(cluster, namespace, _besides(way, ways), statement, timeout, past_refusal=True)[0]
    return sorted({row["pid"] for row in found if row["ended"]})


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
