# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Independent calls of one phase go out together."""

from __future__ import annotations

import concurrent.futures
import typing as t

T = t.TypeVar("T")
R = t.TypeVar("R")

MAX_THREADS = 16


def gather(**calls: t.Callable[[], t.Any]) -> dict[str, t.Any]:
    """Run named calls at once and return their results by name; the first error is raised."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(MAX_THREADS, len(calls) or 1)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def each(function: t.Callable[[T], R], items: t.Iterable[T]) -> list[R]:
    """Apply a function to every item at once, results in the items' order."""
    todo = list(items)
    if not todo:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(MAX_THREADS, len(todo))) as pool:
        return list(pool.map(function, todo))
