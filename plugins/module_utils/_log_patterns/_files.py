# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of log files on this machine."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _rise
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._mine import BASELINE, Miner
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._read import Blocks
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._shapes import MOST_SHAPES

#: since the moment from which there are clearly more errors
ERRORS = "errors"


def patterns_of(paths: t.Sequence[str], since: str = "", baseline: float = BASELINE, most: int = MOST_SHAPES) -> Json:
    """All files' patterns together.

    :param since: a time, or ERRORS for the moment from which there are clearly more errors.
    :raises InvalidInput: a file cannot be read, or since is no time.
    """
    files = [Blocks(path) for path in paths]
    began, how = rise(files, max(file.latest for file in files)) if since == ERRORS else (seconds(since), "")
    miner = _mined([Blocks(path) for path in paths], began, baseline, most)
    miner.how = how
    return miner.result()


def rise(logs: t.Iterable[t.Iterable[bytes]], latest: float) -> tuple[float | None, str]:
    """When errors began to rise, None where they did not, and how that is known."""
    onset = _rise.onset(logs, latest)
    return (onset.at.timestamp(), onset.how) if onset and onset.at else (None, "errors did not rise, so that nothing is compared")


def numbered(path: str) -> tuple[Json, list[int]]:
    """A file's patterns, and for each of its records the number of its pattern, from 1; 0 for what is not told apart.

    :raises InvalidInput: it cannot be read, or its records have no order.
    """
    file = Blocks(path)
    miner = _mined([file], None, label=True)
    if file.writers > 1:
        raise InvalidInput(f"{file.path.name} has the lines of {file.writers} pods or containers, whose records are read apart.",
                           "Give the log of one of them.")
    return miner.result(), miner.numbers


def _mined(files: t.Sequence[Blocks], since: float | None, baseline: float = BASELINE, most: int = MOST_SHAPES, label: bool = False) -> Miner:
    """A miner that has taken all files."""
    miner = Miner(since, max(file.latest for file in files), baseline, most, label)
    for file in files:
        miner.add(file.path.name, file)
        miner.problems.extend(file.problems)
    return miner


def seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 time, None for none; without a zone it is UTC."""
    if not text:
        return None
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time.", "Give it as 2026-11-24T03:00:00Z.") from error
    return at.replace(tzinfo=at.tzinfo or datetime.timezone.utc).timestamp()
