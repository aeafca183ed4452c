# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection log on disk, or of pods, in words and as items of work.

``python -m ansible_collections.sre.runbooks.plugins.module_utils._pool._connection_report app.log`` analyses files.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._text_file import TextFile
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log
from ansible_collections.sre.runbooks.plugins.module_utils._pool._connection_log import Analysis, Json, Patterns
from ansible_collections.sre.runbooks.plugins.module_utils._pool._dialects import DEAD, EXHAUSTED, FIGURES, REFUSED, STALLED, UNREACHABLE
from ansible_collections.sre.runbooks.plugins.module_utils._pool._faults import UNKNOWN_PLACE

#: seconds after which a connection that was not given back counts as lost
LEAKED_AFTER = 30.0
#: milliseconds from which the 95th percentile of a use is long
LONG_MS = 1000.0
#: how much longer than its median a place's 95th percentile may be before it is called uneven
UNEVEN = 20
_KINDS = {EXHAUSTED: "no connection in time", REFUSED: "takes no more connections", UNREACHABLE: "cannot be reached", DEAD: "closed by the other side",
          STALLED: "process stood still", FIGURES: "all in use"}


def of_files(paths: t.Sequence[str], patterns: Patterns, leaked_after: float) -> tuple[Json, list[str]]:
    """Findings of log files, each of them one replica's; and what could not be read."""
    analysis, problems = Analysis(patterns), []
    for path in paths:
        file = TextFile(path)
        analysis.read(file.path.name, file)
        problems += file.problems
    return analysis.findings(leaked_after), problems


def patterns(acquire: str, release: str, timeout: str) -> Patterns:
    """The patterns of lines, refused in words where they are none."""
    try:
        return Patterns.parse(acquire, release, timeout)
    except re.error as error:
        raise InvalidInput(f"{error.pattern!r} is not a regular expression: {error}.", "Nothing was read.") from error


def says(found: Json) -> list[str]:
    """Lines for a person."""
    lines = [_of_pool(row) for row in found["pools"][:8]]
    lines += [f"the pool reported {_many(row['count'], 'connection')} as leaked{_when(row)}, taken at {_place(row['at'])}"
              for row in found["missed"][:3]]
    if found["acquired"]:
        lines.insert(0, f"{found['lines']} lines: {found['acquired']} connections taken, {found['released']} given back, "
                        f"{found['timeouts']} requests without one")
    lines += [f"never given back: {leak['count']} taken at {leak['at']}, the oldest {leak['oldest_seconds']:.0f} s ago" for leak in found["leaks"][:3]]
    return lines or [f"{found['lines']} lines, and none says that a connection was taken, or that a pool or the database was short of them; where the "
                     "application writes that in words of its own, name them with acquire, release and timeout"]


def improvements(found: Json) -> list[Json]:
    """What to change in the code: kind, at (code location) and text, what matters most first."""
    items = [*_closing(found), *_holding(found), *_nesting(found), *_queries(found)]
    if found["timeouts"]:
        where = ", ".join(row["at"] for row in found["locations"] if row["timeouts"] and row["at"] != UNKNOWN_PLACE)
        items.append(_item("timeout", where, f"{found['timeouts']} requests got no connection{f' (at {where})' if where else ''}: let them fail early, "
                                             "with a connection timeout below the callers' own, and count them."))
    return [*items, *_beyond_the_pool(found)]


def tables(found: Json) -> list[Table]:
    """The figures, for a report."""
    figures = ("taken", "given back", "still open", "median ms", "95 % ms", "longest ms", "without one")
    return [Table("What pools and databases said", ("pool", "what", "times", "first", "last", "waited s", "size", "in use", "waiting", "code location"),
                  [(_pool(row), _KINDS[row["kind"]], row["count"], row["first"], row["last"], None if row["waited_ms"] is None else row["waited_ms"] / 1000,
                    row["size"], row["active"], row["waiting"], ", ".join(place["at"] for place in row["places"][:2])) for row in found["pools"]]),
            Table("Connections by code location", ("code location", *figures), [_figures(row) for row in found["locations"][:20]]),
            Table("Connections by query", ("query", *figures), [_figures(row) for row in found["queries"][:20]]),
            Table("Longest uses", ("code location", "request", "pod", "ms", "still open", "query"),
                  [(row["at"], row["req"], row["pod"], round(row["ms"]), row["open"], row["query"]) for row in found["longest"]]),
            Table("Most open at once", ("pod", "connections", "at"), [(row["pod"], row["open"], row["at"]) for row in found["peaks"]])]


def _closing(found: Json) -> list[Json]:
    rows = {row["at"]: row for row in found["locations"]}
    items = []
    for leak in found["leaks"]:
        row = rows[leak["at"]]
        how = "it is never given back: the call of close is missing" if not row["released"] else (
            f"it is given back in {row['released']} of {row['acquired']} uses: one path (an exception, an early return) leaves it out")
        items.append(_item("close", leak["at"], f"Close the connection on every path of {leak['at']} (try-with-resources, a context manager or "
                                                f"defer): {how}; {leak['count']} are lost."))
    return items + [_item("close", row["at"], f"Close the connection on every path from {_place(row['at'])}: the pool reported {row['count']} as leaked.")
                    for row in found["missed"]]


def _holding(found: Json) -> list[Json]:
    items = []
    for row in found["locations"]:
        if row["p95_ms"] is None or row["p95_ms"] < LONG_MS:
            continue
        uneven = row["median_ms"] * UNEVEN < row["p95_ms"]
        what = ("usually it is quick, so look for a lock or for the parameters that make it slow" if uneven
                else "look at its query's plan, and give the connection back before anything else is waited for")
        items.append(_item("hold", row["at"], f"Hold the connection shorter at {row['at']}: median {row['median_ms']:.0f} ms, 95 % "
                                              f"{row['p95_ms']:.0f} ms in {row['acquired']} uses; {what}."))
    return items[:5]


def _nesting(found: Json) -> list[Json]:
    return [_item("nested", row["inner"], f"Take one connection per request: {row['count']} times {row['inner']} took another one while "
                                          f"{row['outer']} held one, which locks up a pool that is nearly empty.") for row in found["nested"][:5]]


def _queries(found: Json) -> list[Json]:
    return [_item("query", row["at"], f"Review the query `{row['at']}`: 95 % {row['p95_ms']:.0f} ms in {row['acquired']} uses.")
            for row in found["queries"][:5] if (row["p95_ms"] or 0) >= LONG_MS]


def _beyond_the_pool(found: Json) -> list[Json]:
    kinds = {row["kind"]: row for row in found["pools"]}
    items = []
    if row := kinds.get(REFUSED):
        items.append(_item("refused", "", f"{_pool(row)} refused {_many(row['count'], 'connection')}: let replicas times pool size stay below what the "
                                          "database has left for this user, a rollout's surge included, or put a pooler between."))
    if row := kinds.get(DEAD):
        items.append(_item("dead", "", f"{_pool(row)} found {_many(row['count'], 'connection')} closed by the other side: let the pool retire them before "
                                       "the database, a proxy or a firewall does (maxLifetime, keepalive)."))
    return items


def _of_pool(row: Json) -> str:
    """What a pool said, in one sentence."""
    waited = f" within {row['waited_ms'] / 1000:g} s" if row["waited_ms"] else ""
    what = {EXHAUSTED: f"{_many(row['count'], 'request')} got no connection{waited}",
            REFUSED: f"refused {_many(row['count'], 'connection')}: it takes no more",
            UNREACHABLE: f"{_many(row['count'], 'time')} no connection could be opened{waited}: not there, or the credentials do not fit",
            DEAD: f"{_many(row['count'], 'connection')} had been closed by the other side",
            STALLED: f"{_many(row['count'], 'time')} the whole process stood still (CPU limit, GC)",
            FIGURES: f"{_many(row['count'], 'time')} every connection was in use"}[row["kind"]]
    known = [text for text, value in ((f"it had {row['size']}", row["size"]), (f"{row['active']} in use", None if row["full"] else row["active"]),
                                      (f"up to {row['waiting']} waiting", row["waiting"])) if value is not None]
    full = {True: "all were in use", False: "not all were in use, so new ones are slow to open or fail", None: ""}[row["full"]]
    places = [place["at"] for place in row["places"] if place["at"] != UNKNOWN_PLACE][:2]
    said = ", ".join([*known, *([full] if full and row["kind"] == EXHAUSTED else [])])
    return f"{_pool(row)}: {what}{_when(row)}{f'; {said}' if said else ''}{'; at ' + ' and '.join(places) if places else ''}"


def _when(row: Json) -> str:
    if not row["first"]:
        return ""
    span = f" at {row['first'][:19]}" if row["first"][:19] == row["last"][:19] else f" from {row['first'][:19]} to {row['last'][:19]}"
    return span if row["current"] else f"{span}, not since"


def _pool(row: Json) -> str:
    return f"{row['dialect']} {row['pool']}".strip()


def _place(at: str) -> str:
    return "a place that the log does not show" if at == UNKNOWN_PLACE else at


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _item(kind: str, at: str, text: str) -> Json:
    return {"kind": kind, "at": at, "text": text}


def _figures(row: Json) -> tuple[t.Any, ...]:
    return (row["at"], row["acquired"], row["released"], row["open"], row["median_ms"], row["p95_ms"], row["longest_ms"], row["timeouts"])


def main() -> int:
    """Analyse log files, in words or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m …_connection_report", description="Who takes connections, for how long, and who keeps them.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="log of one replica, plain or gzip")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    for name, default in (("acquire", _connection_log.ACQUIRE), ("release", _connection_log.RELEASE), ("timeout", _connection_log.TIMEOUT)):
        parser.add_argument(f"--{name}", default=default, metavar="REGEX", help="lines of that kind, with named groups (conn, req, at, held, query)")
    parser.add_argument("--leaked-after", type=float, default=LEAKED_AFTER, metavar="SECONDS", help="default %(default)s")
    options = parser.parse_args()
    try:
        found, problems = of_files(options.files, patterns(options.acquire, options.release, options.timeout), options.leaked_after)
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    items = improvements(found)
    lines = [*says(found), *(f"- {item['text']}" for item in items), *problems]
    sys.stdout.write((json.dumps({**found, "improvements": items}, indent=1) if options.json else "\n".join(lines)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
