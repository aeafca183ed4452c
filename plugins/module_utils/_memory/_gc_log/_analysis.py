# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A garbage collection log from its lines to its cause."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._text_file import TextFile
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _read, _summary, _verdict

Json = t.Dict[str, t.Any]

#: seconds that all threads stand still before a safepoint is worth a line
LONG_SAFEPOINT = 0.2


def of_lines(source: str, lines: t.Iterable[str], long_safepoint: float = LONG_SAFEPOINT) -> Json:
    """Figures and diagnosis of one log.

    Keys: source, figures (of ``_summary.summarize``), cause, candidates, tables, fixes, says.
    """
    figures = _summary.summarize(_read.read(lines), long_safepoint)
    return {"source": source, "figures": figures, **_verdict.diagnose(figures)}


def of_file(path: str, long_safepoint: float = LONG_SAFEPOINT) -> Json:
    """The same of a file on this machine."""
    file = TextFile(path)
    found = of_lines(path, file, long_safepoint)
    found["figures"]["notes"] += file.problems
    found["says"] += file.problems
    return found
