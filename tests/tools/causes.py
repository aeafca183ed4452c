# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/causes.md, made from the tables of causes (``roles/*/files/causes.yml``).

``causes.py`` says whether the page is what the tables say (``make lint``); ``causes.py --write`` makes it so.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import typing as t

import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis import _rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "causes.md"
HEAD = """<!-- made by `make causes` from roles/*/files/causes.yml -->
# Causes

Every cause that a table of [facts and rules](diagnosis.md) knows, in the order of harm: what proves it, what makes it likely, what rules
it out, what is changed for it, and which drill or story shows it. `${...}` is filled in from the facts. A fact that is not known counts
for nothing; a cause that is only possible is told as such, and nothing is changed for it.
"""


def page() -> str:
    """The whole page."""
    tables = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "roles").glob("*/files/causes.yml"))]
    for table in tables:
        _rules.load([table])
    return "\n".join([HEAD, *(section(table) for table in tables)])


def section(table: dict[str, t.Any]) -> str:
    """One incident type."""
    mitigations = {item["name"]: item for item in table.get("mitigations", [])}
    causes = sorted(table["causes"], key=lambda cause: -cause["harm"])
    rows = [_row(cause, mitigations) for cause in causes]
    lines = [f"## {table['table']}", "", f"Something may be changed from the verdict *{table.get('mitigate_from', 'likely')}* on.", "",
             _table(("cause", "comes into question when", "proven when", "likely when", "ruled out when", "what is done", "drill"), rows), ""]
    if mitigations:
        lines += ["| change | made only when, else told | values |", "|---|---|---|"]
        lines += [f"| `{name}` ({item['action']}) | {_cell(_needs(item))} | {_cell(_values(item))} |" for name, item in mitigations.items()]
        lines.append("")
    lines += ["### Facts", "", _table(("fact", "type", "means"), [(f"`{item['name']}`", _unit(item), item["means"]) for item in table["facts"]]), ""]
    if table.get("thresholds"):
        lines += ["### Thresholds", "", _table(("threshold", "value", "means"), [
            (f"`{item['name']}`", f"{item['value']} {item.get('unit', '')}".strip(), item["means"]) for item in table["thresholds"]]), ""]
    return "\n".join(lines)


def _row(cause: dict[str, t.Any], mitigations: dict[str, t.Any]) -> tuple[str, ...]:
    done = [f"`{cause['mitigation']}`"] if cause.get("mitigation") in mitigations else ["nothing"]
    if "hand_over" in cause:
        done.append(f"handed over to `{cause['hand_over']['incident']}`")
    done += [cause["advice"]] if "advice" in cause else []
    return (f"`{cause['name']}`: {cause['title']}", *(_conditions(cause.get(key, [])) for key in ("requires", "proves", "supports", "excludes")),
            "; ".join(done), cause.get("drill", ""))


def _conditions(conditions: list[dict[str, str]]) -> str:
    return "<br>".join(f"`{' '.join(item['when'].split())}`" for item in conditions) or "-"


def _needs(item: dict[str, t.Any]) -> str:
    return "<br>".join(f"`{' '.join(need['when'].split())}`, else \"{need['otherwise']}\"" for need in item.get("requires", [])) or "-"


def _values(item: dict[str, t.Any]) -> str:
    return "<br>".join(f"{key}: `{value}`" for key, value in item.get("values", {}).items()) or "-"


def _unit(item: dict[str, str]) -> str:
    return f"{item['type']}, {item['unit']}" if item.get("unit") else item["type"]


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(["| " + " | ".join(map(_cell, row)) + " |" if row else "|" + "---|" * len(header) for row in (header, (), *rows)])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the page")
    true = page()
    if parser.parse_args().write:
        PAGE.write_text(true)
    elif not PAGE.is_file() or PAGE.read_text() != true:
        print(f"{PAGE.relative_to(ROOT)} is not what the tables of causes say: make causes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
