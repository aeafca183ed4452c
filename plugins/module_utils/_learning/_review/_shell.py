# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell blocks of a Markdown runbook do, step by step. Blocks are parsed and never run.

    python -m ansible_collections.sre.runbooks.plugins.module_utils._learning._review._shell RUNBOOK.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterator

import bashlex

LARGEST = 1_000_000  # characters of a document; what is longer is refused, because the parser is not bounded

_BLOCK = re.compile(r"^[ \t]*```(?:bash|sh|shell|console)[ \t]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)

# The words with which a command begins, without its flags, and what it then does. What stands in no row is not known.
_KINDS = (
    (r"kubectl (get|describe|logs|top|explain|events|version|auth can-i|rollout (history|status))\b", "reads"),
    (r"kubectl (scale|set|label|annotate|cordon|uncordon|rollout (undo|pause|resume))\b", "changes reversibly"),
    (r"kubectl (rollout restart|delete (pod|pods|po))\b", "destroys evidence"),
    (r"kubectl (delete|drain|replace)\b", "changes irreversibly"),
    (r"(rm|dropdb|mkfs\S*|shred)\b", "changes irreversibly"),
    (r"(grep|cat|head|tail|jq|ls|wc|echo)\b", "reads"),
    (r"(sleep|kubectl wait)\b", "waits"),
    (r"read\b", "asks a person"),
)


@dataclass(frozen=True)
class Step:
    """One simple command: the line of the document that its block begins at, its words, and what it does."""

    line: int
    command: str
    kind: str


@dataclass(frozen=True)
class Unread:
    """A block that does not parse: nothing is said of what it does."""

    line: int
    reason: str


def review(document: str) -> tuple[list[Step], list[Unread]]:
    """The steps of every shell block, nested ones too, and the blocks that do not parse. ValueError for a document that is too long."""
    if len(document) > LARGEST:
        raise ValueError(f"the document has {len(document)} characters; at most {LARGEST} are read")
    steps, unread = [], []
    for block in _BLOCK.finditer(document):
        line = document.count("\n", 0, block.start()) + 2
        try:
            steps += [Step(line, command, kind_of(command)) for tree in bashlex.parse(textwrap.dedent(block[1])) for command in _commands(tree)]
        except Exception as error:  # the parser raises types of its own, NotImplementedError and AttributeError alike
            unread.append(Unread(line, f"{type(error).__name__}: {error}"))
    return steps, unread


def kind_of(command: str) -> str:
    """What a command does, from its first words; "not known" where no row has them."""
    words = " ".join(re.sub(r"(?<= )(-n|--namespace|--context) \S+ ?|(?<= )--(namespace|context)=\S+ ?", "", command).split())
    kind = next((kind for pattern, kind in _KINDS if re.match(pattern, words)), "not known")
    return "not known" if kind == "reads" and words.endswith(">") else kind


def _commands(node: Any) -> Iterator[str]:
    """The simple commands of a tree in the order in which they stand, those of substitutions after the one that they are in."""
    if node.kind == "command":
        words = [part.word for part in node.parts if part.kind == "word"]
        if words:
            yield " ".join([*words, *(">" for part in node.parts if _writes(part))])
    for name in ("parts", "list", "command", "output"):
        below = getattr(node, name, None) or []
        for child in below if isinstance(below, list) else [below]:
            if hasattr(child, "kind"):
                yield from _commands(child)


def _writes(part: Any) -> bool:
    """Whether a part of a command sends its output into a file: such a command does more than read."""
    return part.kind == "redirect" and ">" in part.type and getattr(part.output, "word", None) not in (None, "/dev/null")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the shell blocks of a Markdown runbook do; nothing is run.")
    parser.add_argument("runbook", type=Path)
    steps, unread = review(parser.parse_args().runbook.read_text(encoding="utf-8"))
    json.dump({"steps": [asdict(step) for step in steps], "unread": [asdict(block) for block in unread]}, sys.stdout, indent=2)
