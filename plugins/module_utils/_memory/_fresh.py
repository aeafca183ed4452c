# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything that was full has died: watch until a pod is full enough that a look into it tells something."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._growth import Json, seconds_between

#: a container that fills more of its limit than this is not fresh, however short ago it started
FULL_ENOUGH = 0.6


@dataclasses.dataclass(frozen=True)
class Watched:
    """How the watch ended.

    :param pod: that is full enough or was never fresh, empty where none came to be.
    :param seconds: for which it was watched.
    :param says: what it came to, in a sentence.
    """

    pod: str
    seconds: float
    says: str


def fill(pod: Json) -> float:
    """Share of the limit in use, 0 where it is not known."""
    return (pod["usage"] or 0) / pod["limit"] if pod["limit"] else 0.0


def is_fresh(pod: Json, at: str, warm_up: float) -> bool:
    """Whether a container has only started, and is not full: it tells nothing of what filled the one before it."""
    return bool(pod.get("started_at")) and seconds_between(pod["started_at"], at) < warm_up and fill(pod) < FULL_ENOUGH


def watch(read: t.Callable[[], tuple[str, t.Sequence[Json]]], warm_up: float, most: float, interval: float,
          tell: t.Callable[[str], None]) -> Watched:
    """Watch until a pod is full enough, none serves any more, or the time is up; at once where not all are fresh.

    :param read: when it was read (ISO 8601), and every pod, as ``_signals.read_pods`` has them.
    :param most: seconds.
    """
    began, waited = time.monotonic(), False
    while True:
        at, pods = read()
        live = [pod for pod in pods if not pod["evicted_at"] and not pod["leaving"]]
        fullest, seconds = max(live, key=fill, default=None), time.monotonic() - began
        if fullest is None or not any(pod["ready"] for pod in live):
            return Watched("", seconds, "no pod is ready: there is nothing to wait for")
        if not waited and not all(is_fresh(pod, at, warm_up) for pod in live):
            return Watched(fullest["pod"], seconds, "not every pod has only started: nothing to wait for")
        if fill(fullest) >= FULL_ENOUGH:
            return Watched(fullest["pod"], seconds, f"{fullest['pod']} is at {fill(fullest):.0%} of its limit after {seconds:.0f} s")
        if seconds >= most:
            return Watched("", seconds, f"after {seconds:.0f} s the fullest pod, {fullest['pod']}, is at {fill(fullest):.0%} of its limit: not full enough "
                                        f"(from {FULL_ENOUGH:.0%}) to tell what fills it")
        waited = True
        tell(f"all pods have only started: waiting until one is at {FULL_ENOUGH:.0%} of its limit; {fullest['pod']} is at {fill(fullest):.0%} "
             f"({seconds:.0f} of {most:.0f} s)")
        time.sleep(interval)
