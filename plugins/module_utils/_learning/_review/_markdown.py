# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Markdown runbook: its shell blocks are steps, and so are lines that ask a person. Other words are counted and not judged."""

from __future__ import annotations

import re
import textwrap
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _commands, _shell
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import ASKS, Act, Runbook, Step, Time

#: characters of shell in one document that are parsed; the parser takes about 20 µs for each
MOST_SHELL = 400_000
_SHELLS = frozenset({"bash", "sh", "shell", "console", "zsh", "shell-session", "terminal"})
_FENCE = re.compile(r"\s*(?:>\s*)?(`{3,}|~{3,})\s*([\w+-]*)")
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.+)")
_ASKS = re.compile(r"(?i)\b(ask|contact|escalate to|notify|inform|get (?:an? )?approval|wait for approval|confirm with|agree with)\b")
_UNDO = re.compile(r"(?i)\b(undo|roll ?back|revert|back[ -]?out|restore|take (?:it|them|this) back)\b")
_PERSON = Time(120.0, 600.0, "estimate: a person answers")


def read(name: str, document: str) -> Runbook:
    """The steps of a document, in time that grows with its length only; nothing of it is run."""
    steps: list[Step] = []
    unread: list[str] = []
    section, prose, has_undo, parsed = name, 0, False, 0
    for line, kind, text in _parts(document):
        where = f"{name}:{line}"
        if kind == "heading":
            section = text
            has_undo = has_undo or bool(_UNDO.search(text))
        elif kind == "item" and _ASKS.search(text):
            steps.append(Step(where, section, _short(text), redact(text), Act(ASKS, time=_PERSON)))
        elif kind == "item":
            prose += 1
        elif parsed + len(text) > MOST_SHELL:
            unread.append(f"{where}: not read, because {MOST_SHELL} characters of shell is the most that is parsed in one document")
        else:
            parsed += len(text)
            try:
                steps += [_step(name, line, section, piece) for piece in _shell.parse(text)]
            except _shell.NotRead as error:
                unread.append(f"{where}: {error}; nothing is said of this block")
    return Runbook(name, "Markdown", tuple(steps), has_undo, tuple(unread), prose)


def _step(name: str, line: int, section: str, piece: _shell.Piece) -> Step:
    text = redact(piece.text)
    return Step(f"{name}:{line + piece.line}", section, _short(text), text, piece.act, piece.needs, piece.gives, text != piece.text)


def _parts(document: str) -> t.Iterator[tuple[int, str, str]]:
    """Headings, list items and shell blocks, each with its line."""
    lines = document.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        heading, item = _HEADING.match(lines[at]), _ITEM.match(lines[at])
        if fence:
            begin = at = at + 1
            while at < len(lines) and not lines[at].strip(" >\t").startswith(fence[1]):
                at += 1
            block = textwrap.dedent("\n".join(lines[begin:at]))
            if fence[2].lower() in _SHELLS or not fence[2] and _looks_like_shell(block):
                yield begin + 1, "shell", _typed(block)
        elif heading:
            yield at + 1, "heading", heading[1]
        elif item:
            yield at + 1, "item", item[1]
        at += 1


def _looks_like_shell(block: str) -> bool:
    """Whether a block without a language begins with a prompt, or with a command that the table knows."""
    first = next((line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith("#")), "")
    return first.startswith("$ ") or bool(re.match(r"(kubectl|oc|helm|psql|curl|systemctl|docker) ", first)) or (
        bool(re.match(r"[a-z]+ -", first)) and _commands.act_of(first.split()).kind != "not known")


def _typed(block: str) -> str:
    """What a person types of a session that shows prompts; what the commands print becomes empty lines."""
    if not re.search(r"(?m)^\$ ", block):
        return block
    kept, goes_on = [], False
    for line in block.splitlines():
        kept.append(line[2:] if line.startswith("$ ") else line if goes_on else "")
        goes_on = kept[-1].endswith("\\")
    return "\n".join(kept)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:88]} …"
