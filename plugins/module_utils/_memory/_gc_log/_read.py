# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From lines to a log, whatever JVM wrote them."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._legacy import Legacy
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import Clock, GcLog
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._unified import Unified


def read(lines: t.Iterable[str]) -> GcLog:
    """Read a garbage collection log, also one that is mixed with other lines; what cannot be read is in its notes."""
    log, clock = GcLog(), Clock()
    first: Unified | Legacy
    second: Unified | Legacy
    first, second = Unified(log, clock), Legacy(log, clock)
    for line in lines:
        log.lines += 1
        if first.read(line):
            log.understood += 1
        elif second.read(line):
            log.understood += 1
            first, second = second, first  # the next line is likely of the same format
    if clock.jumps:
        log.notes.append(f"the clock jumped {clock.jumps} times: rates rest on uptime where the log has it, else on what lies between")
    if clock.life:
        log.notes.append(f"the JVM was restarted {clock.life} times: the trend of the heap is that of the last one")
    if log.collections and clock.at is None:
        log.notes.append("lines have no time: no rates and no trend (log with the decoration uptime)")
    return log
