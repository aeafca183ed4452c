# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the packages in docs/architecture.md, made from the code's own imports.

``architecture.py`` says whether the picture is true (``make lint``); ``architecture.py --write`` makes it so.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tomllib

import grimp

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- packages: made by `make architecture` -->\n", "<!-- end of packages -->"


def floors() -> list[list[str]]:
    """The packages from the top floor down, as the contract in pyproject.toml has them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    return [[name.strip() for name in floor.split("|")] for floor in contract["layers"]]


def arrows(root: str) -> dict[str, set[str]]:
    """Which package imports from which others."""
    graph = grimp.build_graph(root)
    found: dict[str, set[str]] = {}
    for module in graph.modules - {root}:
        importer = _package(module, root)
        others = {_package(other, root) for other in graph.find_modules_directly_imported_by(module)}
        found.setdefault(importer, set()).update(others - {importer})
    return found


def picture(order: list[list[str]], imports: dict[str, set[str]]) -> str:
    """A Mermaid chart: floors from the top down; an arrow that a longer way already tells is left out."""
    lines = ["flowchart TD"]
    lines += [f"    {' & '.join(floor)}" for floor in order]
    for name in (name for floor in order for name in floor):
        below = imports.get(name, set())
        lines += [f"    {name} --> {other}" for other in sorted(below) if not any(other in _reach(via, imports) for via in below - {other})]
    return "\n".join(lines)


def _package(module: str, root: str) -> str:
    return module.removeprefix(root + ".").split(".")[0]


def _reach(name: str, imports: dict[str, set[str]]) -> set[str]:
    below = imports.get(name, set())
    return below.union(*(_reach(other, imports) for other in below))


def section() -> str:
    """What belongs between the marks on the page."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"][0]
    imports = arrows(root)
    count = sum(len(others) for others in imports.values())
    return f"```mermaid\n{picture(floors(), imports)}\n```\n\n{len(imports)} packages, {len(floors())} floors, {count} arrows.\n"


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the picture on the page")
    write = parser.parse_args().write
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    true = head + BEGIN + section() + END + rest.split(END)[1]
    if write:
        PAGE.write_text(true)
    elif page != true:
        print(f"{PAGE.relative_to(ROOT)} does not show the packages as they are: make architecture", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
