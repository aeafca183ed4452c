# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a post-mortem complete: every section written, every action with owner and date, times in order, an impact with a number.

``python -m ansible_collections.sre.runbooks.plugins.module_utils._aftermath._linter postmortem.md``
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import pathlib
import re
import sys

SECTIONS = ("Summary", "Impact", "Timeline", "Detection", "Response", "Root cause", "What went well", "What did not go well", "Where we were lucky", "Actions")
_BLANK = re.compile(r"_to be filled in_|\bTODO\b|\bTBD\b", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


@dataclasses.dataclass(frozen=True)
class Action:
    """One row of the table of actions.

    :param due: ISO 8601 date.
    """

    what: str
    owner: str
    due: str
    ticket: str = ""


def findings(text: str) -> list[str]:
    """What is missing or cannot be, in the order of the document; empty where it is complete."""
    found = _sections(text)
    said = [f"the section {name!r} is missing" for name in SECTIONS if name not in found]
    for name in (name for name in SECTIONS if name in found):
        body = found[name].strip()
        if not body:
            said.append(f"{name}: it is empty")
        elif name != "Actions" and _BLANK.search(body):
            said.append(f"{name}: a blank is not filled in")
    if "Impact" in found and not re.search(r"\d", re.sub(_TIME, "", found["Impact"])):
        said.append("Impact: it has no number")
    return said + _times(found.get("Timeline", "")) + unsettled(actions(text))


def actions(text: str) -> list[Action]:
    """The rows of the table of actions."""
    rows = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            for line in _sections(text).get("Actions", "").splitlines() if line.strip().startswith("|")]
    return [Action(*(row + [""] * 4)[:4]) for row in rows[2:] if row and row[0]]


def unsettled(rows: list[Action]) -> list[str]:
    """Which actions have no words, no owner or no date."""
    said = [] if rows else ["Actions: there is none; what keeps it from coming back?"]
    for row in rows:
        if _BLANK.search(row.what):
            said.append("Actions: a blank is not filled in")
            continue
        if not row.owner or _BLANK.search(row.owner):
            said.append(f"Actions: {row.what!r} has no owner")
        try:
            datetime.date.fromisoformat(row.due)
        except ValueError:
            said.append(f"Actions: {row.what!r} has no date such as 2026-12-24")
    return said


def _times(timeline: str) -> list[str]:
    times = [datetime.datetime.fromisoformat(found[0]) for line in timeline.splitlines() if (found := _TIME.search(line))]
    if not times:
        return ["Timeline: it has no time"] if timeline.strip() else []
    return [f"Timeline: {later.isoformat()} stands after {earlier.isoformat()}" for earlier, later in zip(times, times[1:], strict=False) if later < earlier]


def _sections(text: str) -> dict[str, str]:
    pieces = re.split(r"(?m)^## +(.+?)\s*$", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=False))


def main() -> int:
    """Name what is missing; exit status 1 where anything is."""
    parser = argparse.ArgumentParser(description="Is a post-mortem complete?")
    parser.add_argument("file", type=pathlib.Path, help="Markdown with the sections of our draft")
    said = findings(parser.parse_args().file.read_text())
    sys.stdout.write("\n".join(said or ["complete"]) + "\n")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
