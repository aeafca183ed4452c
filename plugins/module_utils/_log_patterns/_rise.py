# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moment from which logs have clearly more errors, by the rule of the correlation with changes."""

from __future__ import annotations

import datetime
import itertools
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._correlation import _onset
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _structured, _times

#: errors whose times are read; the others are of the same minutes
_MOST = 200_000
_ERRORS = re.compile(_onset.ERRORS.encode())


def onset(logs: t.Iterable[t.Iterable[bytes]], latest: float) -> _onset.Onset | None:
    """When errors began to rise in all logs together, None where they did not.

    :param logs: the blocks of each.
    :param latest: no record is younger.
    """
    errors: list[float] = []
    ends: list[float] = []
    for log in logs:
        for block in map(_structured.as_plain, log):
            last = block.rfind(b"\n", 0, len(block) - 1) + 1
            ends += [at for start in (0, last) if (at := _times.moment_at(block, start, latest)) is not None]
            errors += itertools.islice(_moments(block, latest), max(0, _MOST - len(errors)))
    if not ends or not errors:
        return None
    times = [min(ends), *sorted(errors), max(ends)]
    begin, *lines = [(datetime.datetime.fromtimestamp(at, datetime.timezone.utc), "ERROR") for at in times]
    lines[-1] = (lines[-1][0], "")
    return _onset.estimate(_onset.Log(begin[0], lines), re.compile("ERROR"), "the application")


def _moments(block: bytes, latest: float) -> t.Iterator[float]:
    seen = -1
    for found in _ERRORS.finditer(block):
        start = block.rfind(b"\n", 0, found.start()) + 1
        at = _times.moment_at(block, start, latest) if start > seen else None
        seen = start
        if at is not None:
            yield at
