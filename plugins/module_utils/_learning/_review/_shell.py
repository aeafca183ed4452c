# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell as a runbook has it: parsed by bashlex, never run. A step is a command, a pipeline or a whole loop."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _commands
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import (
    IRREVERSIBLE, NOTHING, READS, UNKNOWN, Act, Time)

try:
    import bashlex
except Exception:  # told by parse
    bashlex = None

#: characters of one block that are parsed: the parser's time grows with them, and its depth with what is nested
LONGEST = 20_000
#: what a step gives that changes the shell itself, such as its directory; every later one needs it
SHELL = "the shell"
_SETS_THE_SHELL = frozenset({"cd", "source", ".", "set", "alias", "umask", "unset"})
_PLACEHOLDER = re.compile(r"<([A-Za-z][\w.-]*(?: [\w.-]+)*)>(?=[\s\"'/:,;|)=]|$)")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FILE = re.compile(r"[\w.~/$-][\w./~$-]*")


class NotRead(Exception):
    """Why nothing is said of a piece of shell, in one line."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One step of a block: its first line in the block from 0, its text, what it does, and the variables and files that it takes and gives."""

    line: int
    text: str
    act: Act
    needs: frozenset[str]
    gives: frozenset[str]


def parse(block: str) -> list[Piece]:
    """The steps of a block in their order; nothing of it is run.

    :raises NotRead: it does not parse, or is too long.
    """
    require("bashlex")
    if len(block) > LONGEST:
        raise NotRead(f"it has {len(block)} characters, {LONGEST} is the most that is parsed")
    text = _JINJA.sub(lambda found: _word(found[0]), _PLACEHOLDER.sub(lambda found: _word(found[0]), block))
    if not re.sub(r"(?m)^\s*#.*$", "", text).strip():
        return []
    try:
        trees = bashlex.parse(text)
    except Exception as error:  # the parser raises types of its own, NotImplementedError, RecursionError and AttributeError alike
        raise NotRead(f"it does not parse ({' '.join(str(error).split())[:120] or type(error).__name__})") from None
    return [_piece(block, text, node) for tree in trees for node in _steps(tree)]


def _word(text: str) -> str:
    """A word of the same length, so that places stay where they are; line breaks stay, too."""
    return re.sub(r"[^\w\n]", "_", text)


def _steps(node: t.Any) -> t.Iterator[t.Any]:
    """Commands, pipelines and loops; lists are taken apart."""
    if node.kind == "list":
        for part in node.parts:
            if part.kind != "operator":
                yield from _steps(part)
    else:
        yield node


def _piece(block: str, text: str, node: t.Any) -> Piece:
    begin, end = node.pos
    acts, needs, gives = [], set(), set()
    for command in _all(node, "command"):
        act, takes, leaves = _command(command, text)
        acts.append(act)
        needs |= takes - gives
        gives |= leaves
    act = _commands.worst(acts) if acts else Act(READS)
    if node.kind == "compound":
        rounds = Time(act.time.median, 10 * act.time.high, "estimate: one round; how many there are is not known")
        loops = any(True for _found in _all(node, "for", "while", "until"))
        act = dataclasses.replace(act, task={}, time=rounds if loops else act.time)
    loop = next((found for found in _all(node, "while", "until")), None)
    if loop is not None and not act.endless and not re.search(r"-(lt|le|gt|ge)\b|\(\(|read\b|timeout\b", text[begin:end]):
        act = dataclasses.replace(act, endless="the loop has no last time")
    return Piece(text.count("\n", 0, begin), block[begin:end].strip(), act, frozenset(needs), frozenset(gives))


def _command(node: t.Any, text: str) -> tuple[Act, set[str], set[str]]:
    words = [part.word for part in node.parts if part.kind == "word"]
    act = _inner(words) or _commands.act_of(words)
    gives = {f"${part.word.partition('=')[0]}" for part in node.parts if part.kind == "assignment"}
    if words[:1] and words[0] in ("export", "local", "declare", "readonly", "read"):
        gives |= {f"${word.partition('=')[0]}" for word in words[1:] if re.match(r"[A-Za-z_]\w*(=|$)", word)}
    if words[:1] and words[0] in _SETS_THE_SHELL or words[1:3] == ["config", "use-context"]:
        gives.add(SHELL)
    needs = {SHELL} | {f"${part.value}" for part in _all(node, "parameter")}
    for part in node.parts:
        if part.kind != "redirect":
            continue
        name = getattr(part.output, "word", None)
        if ">" in part.type and name not in (None, "/dev/null"):
            gives.add(name)
            act = _into_file(act, name)
        elif part.type == "<" and name:
            needs.add(name)
    if words[:1] == ["tee"]:
        gives |= set(words[1:])
    return act, needs | {word for word in words[1:] if _FILE.fullmatch(word)}, gives


def _inner(words: t.Sequence[str]) -> Act | None:
    """What a shell that is given a script does."""
    for at, word in enumerate(words[:-2]):
        if word.rsplit("/", 1)[-1] in ("bash", "sh", "zsh", "dash") and re.fullmatch(r"-\w*c", words[at + 1]):
            try:
                acts = [piece.act for piece in parse(words[at + 2])]
            except NotRead:
                return Act(UNKNOWN)
            around = Act(READS, NOTHING, asks_cluster=words[0] in ("kubectl", "oc"))
            return _commands.worst([*acts, around]) if acts else None
    return None


def _into_file(act: Act, name: str) -> Act:
    """What a read that fills a file does: one in the directory of the work or a temporary one is the person's own."""
    if act.kind != READS or not name.startswith("/") or name.startswith(("/tmp/", "/var/tmp/", "/dev/")):
        return act
    return dataclasses.replace(act, kind=IRREVERSIBLE, topic=NOTHING)


def _all(node: t.Any, *kinds: str) -> t.Iterator[t.Any]:
    """Nodes of a tree in their order, those of substitutions after the one that they are in."""
    if node.kind in kinds:
        yield node
    for name in ("parts", "list", "command", "output"):
        below = getattr(node, name, None) or []
        for child in below if isinstance(below, list) else [below]:
            if hasattr(child, "kind"):
                yield from _all(child, *kinds)
