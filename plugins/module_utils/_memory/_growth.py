# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has grown between two looks at the same life of a container: classes of its heap, and everything else that a number tells."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

Json = t.Dict[str, t.Any]
#: how much something grew between two looks; None where it is not known twice
Difference = t.Callable[["Pair"], t.Optional[float]]


@dataclasses.dataclass(frozen=True)
class Heap:
    """What two histograms of one container's life show.

    :param seconds: between them.
    :param grown: bytes that all live objects take more, or less.
    :param live: bytes that they take at the second.
    :param classes: those that grew most: name, grown_bytes, grown_instances, bytes (now), per_second (bytes).
    """

    pod: str
    seconds: float
    grown: float
    live: float
    classes: t.Sequence[Json]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two looks at one container.

    :param before: what it said of itself, by name; likewise ``after``.
    :param seconds: between them.
    """

    pod: str
    before: Json
    after: Json
    seconds: float


@dataclasses.dataclass(frozen=True)
class Grown:
    """The largest growth that was seen, in bytes or a count."""

    pod: str
    amount: float
    seconds: float


def of_heaps(first: t.Sequence[Json], second: t.Sequence[Json]) -> list[Heap]:
    """Of each pod that has two histograms of the same life of its container."""
    return [Heap(now["pod"], seconds, now["bytes"] - before["bytes"], now["bytes"], between(_by_name(before), _by_name(now), seconds))
            for before, now, seconds in _same_life(first, second)]


def between(first: Json, second: Json, seconds: float, top: int = 10) -> list[Json]:
    """The classes that grew most between two histograms of one pod.

    :param first: class name -> {"instances": int, "bytes": int}; likewise ``second``.
    """
    grown = []
    for name, now in second.items():
        before = first.get(name, {"instances": 0, "bytes": 0})
        delta = now["bytes"] - before["bytes"]
        if delta > 0 and now["instances"] > before["instances"]:
            grown.append({"name": name, "grown_bytes": delta, "grown_instances": now["instances"] - before["instances"],
                          "bytes": now["bytes"], "per_second": delta / seconds if seconds > 0 else 0.0})
    return sorted(grown, key=lambda row: -row["grown_bytes"])[:top]


def of_readings(earlier: t.Sequence[Json], later: t.Sequence[Json]) -> list[Pair]:
    """Two readings of each pod whose container did not restart between them."""
    before = {pod["pod"]: pod for pod in earlier}
    return [Pair(pod["pod"], before[pod["pod"]], pod, pod["read_at"] - before[pod["pod"]]["read_at"]) for pod in later
            if pod["pod"] in before and before[pod["pod"]]["restarts"] == pod["restarts"] and pod["read_at"] > before[pod["pod"]]["read_at"]]


def of_looks(first: t.Sequence[Json], second: t.Sequence[Json]) -> list[Pair]:
    """What the container and its JVM said of its memory when the two histograms were taken."""
    return [Pair(now["pod"], before.get("memory", {}), now.get("memory", {}), seconds) for before, now, seconds in _same_life(first, second)]


def of(name: str) -> Difference:
    """The growth of what has that name."""
    def grown(pair: Pair) -> float | None:
        before, after = pair.before.get(name), pair.after.get(name)
        return None if before is None or after is None else float(after - before)
    return grown


def most(pairs: t.Iterable[Pair], difference: Difference) -> Grown | None:
    """Where something grew most; None where that is known of no container."""
    known = [Grown(pair.pod, amount, pair.seconds) for pair in pairs if (amount := difference(pair)) is not None]
    return max(known, key=lambda grown: grown.amount, default=None)


def seconds_between(earlier: str, later: str) -> float:
    """Seconds between two times, ISO 8601."""
    return (_moment(later) - _moment(earlier)).total_seconds()


def is_own_class(name: str) -> bool:
    """Whether a class is not one of the JDK's."""
    return not name.startswith(("[", "java.", "javax.", "jdk.", "sun.", "com.sun."))


def _same_life(first: t.Sequence[Json], second: t.Sequence[Json]) -> t.Iterator[tuple[Json, Json, float]]:
    before = {histogram["pod"]: histogram for histogram in first}
    for now in second:
        earlier = before.get(now["pod"])
        if earlier and earlier.get("started_at") == now.get("started_at") and (seconds := seconds_between(earlier["at"], now["at"])) > 0:
            yield earlier, now, seconds


def _by_name(histogram: Json) -> Json:
    return {row["name"]: row for row in histogram["classes"]}


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
