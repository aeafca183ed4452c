# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Series to predict from: a Prometheus, asked in parts, or the saved answer of one."""

from __future__ import annotations

import gzip
import json
import math
import pathlib
import typing as t
import zlib

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._history._prometheus import MOST_POINTS, Prometheus

np: t.Any = None
try:
    import numpy as np
except Exception:  # told by _forecast.require_libraries
    pass

Point = t.Tuple[float, float]

#: days, and points of all series, that are asked for at once, so that an answer stays below what is read of one
PART, MOST_AT_ONCE = 5, 250_000
DAY = 86400.0
#: bytes of an export, unpacked
MOST_BYTES = 256 << 20


def ask(prometheus: Prometheus, query: str, days: float, step: float) -> dict[str, t.Any]:
    """The points of each series of an expression, by its labels: an array with a row of time and value for each.

    :raises HistoryError: a part of it cannot be had.
    """
    now = prometheus.now()
    found: dict[str, list[t.Any]] = {}
    at_once = min(MOST_POINTS, MOST_AT_ONCE // max(1, prometheus.count(query)))
    part = min(PART * DAY, max(step, at_once * step))
    begin = now - days * DAY
    while begin < now:
        end = min(now, begin + part)
        for series in prometheus.range(query, begin, end - step, step):
            found.setdefault(_label(series.labels), []).append(np.array(series.points, dtype=float).reshape(-1, 2))
        begin = end
    return {label: np.concatenate(parts) for label, parts in found.items()}


def load(path: str) -> dict[str, list[Point]]:
    """The points of each series of a saved answer of ``/api/v1/query_range`` (JSON, plain or gzip).

    :raises InvalidInput: it is no such file.
    """
    place = pathlib.Path(path).expanduser()
    try:
        with place.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(place, "rb") if packed else place.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"Cannot read {place}: {getattr(error, 'strerror', None) or error}.", "Name a saved answer of query_range.") from error
    if len(raw) > MOST_BYTES:
        raise InvalidInput(f"{place} has more than {MOST_BYTES} bytes.", "Export fewer series or a larger step.")
    try:
        answer = json.loads(raw)
        rows = answer["data"]["result"]
        return {_label(row["metric"]): [point for at, value in row["values"] if math.isfinite((point := (float(at), float(value)))[1])] for row in rows}
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        why = f"status {answer.get('status')}: {answer.get('error', '')}" if "answer" in locals() and isinstance(answer, dict) and "error" in answer else (
            f"{type(error).__name__}")
        raise InvalidInput(f"{place} is no answer of query_range ({str(why)[:200]}).", "Save the answer of /api/v1/query_range as it comes.") from None


def _label(labels: t.Mapping[str, t.Any]) -> str:
    return ", ".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "__name__") or str(labels.get("__name__", ""))
