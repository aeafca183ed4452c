# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interrupted check has finished: parts of results on disk, and a list of them that is true at every moment."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import threading
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import Slice
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._strategy import Strategy
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import write_private

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Part:
    """The result of one slice of one rule.

    :param file: CSV without a header, in the state's directory.
    :param keys: the slice.
    :param snapshot: id of the snapshot that it saw.
    :param taken_at: when that snapshot was taken, ISO 8601, UTC.
    """

    file: str
    keys: Slice
    rows: int
    snapshot: str
    taken_at: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a rule is.

    :param integers: names of the result's columns that hold whole numbers.
    :param parts: those that are finished.
    """

    strategy: Strategy
    integers: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every slice has its part."""
        return len(self.parts) == len(self.strategy.slices)

    @property
    def missing(self) -> list[Slice]:
        """The slices that have no part yet."""
        done = {part.keys for part in self.parts}
        return [keys for keys in self.strategy.slices if keys not in done]


class State:
    """Parts and their list in a directory; several threads may add to it.

    :raises RunbookError: the directory cannot be written.
    """

    def __init__(self, directory: pathlib.Path, rules: t.Iterable[Rule], resume: bool = True) -> None:
        self.directory = directory
        self._file = directory / "state.json"
        self._lock = threading.Lock()
        self._prints = {rule.name: fingerprint(rule) for rule in rules}
        self._rules: dict[str, Progress] = self._read() if resume else {}
        self._remove_what_is_not_listed()

    def of(self, rule: Rule) -> Progress | None:
        """How far a rule is, None where it has not begun or has changed since."""
        return self._rules.get(rule.name)

    def begin(self, rule: Rule, progress: Progress) -> None:
        """A rule's slices are chosen."""
        with self._lock:
            self._rules[rule.name] = progress
            self._write()

    def add(self, rule: Rule, part: Part) -> None:
        """A slice of a rule is finished and its file is on disk."""
        with self._lock:
            known = self._rules[rule.name]
            self._rules[rule.name] = dataclasses.replace(known, parts=(*known.parts, part))
            self._write()

    @contextlib.contextmanager
    def part_file(self, rule: Rule, number: int) -> t.Iterator[t.Any]:
        """A new file for a part, complete under its name when the context ends well."""
        path = self.directory / part_name(rule, number)
        partial = path.with_suffix(".partial")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=1 << 20) as file:
                yield file
            partial.replace(path)
        except OSError as error:
            raise RunbookError(f"Cannot write what the check found to {path} on the controller: {error.strerror or error}.",
                               "Free space there, then run again with the same incident_id: what was finished is kept.") from error
        finally:
            partial.unlink(missing_ok=True)

    def forget(self) -> None:
        """All is reported: the parts go."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self) -> dict[str, Progress]:
        try:
            state = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        if state["format"] != FORMAT:
            return {}
        return {name: _progress(entry) for name, entry in state["rules"].items() if entry["fingerprint"] == self._prints.get(name)}

    def _write(self) -> None:
        rules = {name: {"fingerprint": self._prints[name], **dataclasses.asdict(progress)} for name, progress in self._rules.items()}
        write_private(self._file, json.dumps({"format": FORMAT, "rules": rules}, indent=1) + "\n")

    def _remove_what_is_not_listed(self) -> None:
        listed = {part.file for progress in self._rules.values() for part in progress.parts}
        for path in self.directory.glob("*"):
            if path != self._file and path.name not in listed:
                path.unlink()


def part_name(rule: Rule, number: int) -> str:
    """File name of a rule's part."""
    return f"{rule.name}.{number:04}.csv"


def fingerprint(rule: Rule) -> str:
    """Differs when the rule asks for something else."""
    return hashlib.sha256(json.dumps(rule.values, sort_keys=True).encode()).hexdigest()


def _progress(entry: dict[str, t.Any]) -> Progress:
    parts = tuple(Part(**{**part, "keys": Slice(**part["keys"])}) for part in entry["parts"])
    strategy = entry["strategy"]
    return Progress(Strategy(strategy["way"], strategy["why"], tuple(Slice(**keys) for keys in strategy["slices"])),
                    tuple(entry["integers"]), parts)
