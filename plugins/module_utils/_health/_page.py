# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of many clusters on one page: for a terminal, and as Markdown."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._health._findings import (
    API, BAD, DEGRADED, DOWN, HEALTHY, OK, UNKNOWN, UNREACHABLE, WARN)

#: the worst first: it is read first
VERDICTS = (UNREACHABLE, DOWN, UNKNOWN, DEGRADED, HEALTHY)
MARKS = {OK: "✓", WARN: "!", BAD: "✗", UNKNOWN: "?"}
#: how a line is meant, in the console's words
_MOODS = {OK: "good", WARN: "warn", BAD: "bad", UNKNOWN: "warn",
          HEALTHY: "good", DEGRADED: "warn", DOWN: "bad", UNREACHABLE: "bad"}
_MOST_LINES = 3

Results = t.Mapping[str, t.Mapping[str, t.Any]]


def complete(results: Results) -> dict[str, Json]:
    """The results, the worst first; a cluster without one (its check did not run) is ``unknown``."""
    missing = {"verdict": UNKNOWN, "summary": "unknown: the check did not run", "rows": [], "at": "", "seconds": 0.0}
    known = {cluster: {**missing, **result} for cluster, result in results.items()}
    return dict(sorted(known.items(), key=lambda item: (VERDICTS.index(item[1]["verdict"]), _natural(item[0]))))


def worst(results: Results) -> str:
    """The verdict that comes first."""
    return min((result["verdict"] for result in results.values()), key=VERDICTS.index, default=UNKNOWN)


def terminal(results: Results) -> list[Json]:
    """Lines with ``text``, ``mood`` and ``hang``, the indent of what does not fit into the line (absent: leave it whole)."""
    if len(results) == 1:
        return _one(*next(iter(results.items())))
    return [*_matrix(results), *_remarks(results)]


def markdown(results: Results, at: str) -> str:
    """A document: the table of all clusters, then each with its checks."""
    counts = [f"{count} {verdict}" for verdict in VERDICTS
              if (count := sum(result["verdict"] == verdict for result in results.values()))]
    names = _names(results)
    parts = [f"# Health check, {at}", f"{len(results)} clusters: {', '.join(counts)}.",
             _table(["cluster", "verdict", *names], [_cells(cluster, result, names) for cluster, result in results.items()])]
    for cluster, result in results.items():
        parts += [f"## {cluster}: {result['verdict']}", _table(
            ["check", "status", "value", "detail", "at", "seconds"],
            [[row["name"], f"{MARKS[row['status']]} {row['status']}", row["value"], row["detail"], row["at"], f"{row['seconds']:.2f}"]
             for row in result["rows"]])]
        parts += [f"Not looked at: {text}." for text in result.get("lacks", ())]
        for row in result["rows"]:
            if row["lines"]:
                parts += [f"{row['name']}:", "\n".join(f"    {line}" for line in row["lines"])]
    return "\n\n".join(parts) + "\n"


def _one(cluster: str, result: t.Mapping[str, t.Any]) -> list[Json]:
    title = f"{cluster}: {result['verdict']} · {result['at']} · {result['seconds']:.1f} s"
    lines = [{"text": title, "mood": _mood(result["verdict"])}]
    names = max([len(row["name"]) for row in result["rows"]], default=0)
    values = max([len(row["value"]) for row in result["rows"]], default=0)
    told = ""
    for row in sorted(result["rows"], key=lambda row: (BAD, WARN, UNKNOWN, OK).index(row["status"])):
        head = f"  {MARKS[row['status']]} {row['name']:<{names}}  {row['value']:<{values}}  "
        about = "" if row["lines"] else "as above" if row["detail"] and row["detail"] == told else row["detail"]
        told = row["detail"]
        lines.append({"text": (head + about).rstrip(), "mood": _mood(row["status"]), "hang": len(head)})
        lines += [{"text": f"      {line}", "mood": "plain", "hang": 8} for line in row["lines"]]
    return lines + [{"text": f"  - not looked at: {text}", "mood": "plain", "hang": 4} for text in result.get("lacks", ())]


def _matrix(results: Results) -> list[Json]:
    names = _names(results)
    header = ["cluster", "verdict", *names]
    rows = [_cells(cluster, result, names) for cluster, result in results.items()]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: t.Sequence[str]) -> str:
        return ("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()

    moods = [_mood(result["verdict"]) for result in results.values()]
    return [{"text": line(header), "mood": "plain"},
            *({"text": line(cells), "mood": mood} for cells, mood in zip(rows, moods, strict=True))]


def _remarks(results: Results) -> list[Json]:
    """What is not well on each cluster, and once for all clusters what could not be measured."""
    lines: list[Json] = []
    unmeasured: dict[str, list[tuple[str, str]]] = {}  # check -> cluster and reason
    for cluster, result in results.items():
        gone = result["verdict"] == UNREACHABLE
        for row in result["rows"]:
            if row["status"] in (BAD, WARN):
                lines.append({"text": f"  {MARKS[row['status']]} {cluster}: {row['name']}: {row['detail'] or row['value']}",
                              "mood": _mood(row["status"]), "hang": 4})
                lines += [{"text": f"      {line}", "mood": "plain", "hang": 8} for line in _last_errors(row)]
            elif row["status"] == UNKNOWN and not gone:
                unmeasured.setdefault(row["name"], []).append((cluster, row["detail"]))
        lines += [{"text": f"  - {cluster}: not looked at: {text}", "mood": "plain", "hang": 4} for text in result.get("lacks", ())]
        if not result["rows"]:
            lines.append({"text": f"  ? {cluster}: {result['summary']}", "mood": "warn", "hang": 4})
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, where in unmeasured.items():
        alike.setdefault(tuple(where), []).append(name)
    for where, names in alike.items():
        lines.append({"text": f"  ? {', '.join(names)} not measured on {', '.join(cluster for cluster, _why in where)}: {where[0][1]}",
                      "mood": "warn", "hang": 4})
    return lines


def _last_errors(row: t.Mapping[str, t.Any]) -> list[str]:
    """Log lines are news beside their number; what other rows have is in their detail."""
    return row["lines"][-_MOST_LINES:] if row["name"] == "errors" else []


def _names(results: Results) -> list[str]:
    """The checks in their order; of a cluster that could not be asked there is only the first."""
    return list(dict.fromkeys([API, *(row["name"] for result in results.values() for row in result["rows"])]))


def _cells(cluster: str, result: t.Mapping[str, t.Any], names: t.Sequence[str]) -> list[str]:
    rows = {row["name"]: row for row in result["rows"]}
    looked = len(rows) > 1  # what has no row although others have is not there to be looked at
    return [cluster, result["verdict"], *("-" if looked and name not in rows else _cell(rows.get(name)) for name in names)]


def _cell(row: t.Mapping[str, t.Any] | None) -> str:
    if row is None or row["status"] == UNKNOWN:
        return "?"
    return row["value"] if row["status"] == OK else f"{MARKS[row['status']]} {row['value']}"


def _table(header: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    def line(cells: t.Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorts lab2 before lab10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _mood(word: str) -> str:
    return _MOODS.get(word, "warn")
