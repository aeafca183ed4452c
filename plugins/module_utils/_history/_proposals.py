# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alert would have told of an incident, and when: the rules of extensions/prometheus, tried on the incident's own samples."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._history import _promql, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._table import Row
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

#: time and value
Sample = t.Tuple[float, float]
_SECONDS = {"s": 1, "m": 60, "h": 3600}
#: of the highest value that lasted: a threshold that this incident would have crossed
_BELOW = 0.95


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What is said of one signal that was over its threshold.

    :param row: of the table of signals; None where no history can tell it.
    :param query: PromQL of what is measured; empty without a row.
    :param threshold: that is proposed; the row's own where it would have fired.
    :param fired: Unix time at which it would have fired with that threshold; None where it would not, or where it was not tried.
    :param because: why it was not tried; empty where it was.
    """

    signal: str
    row: Row | None
    query: str = ""
    threshold: float = 0.0
    fired: float | None = None
    because: str = ""


def proposals(incident: Incident, samples: t.Callable[[str], t.Sequence[Sample]] | None) -> list[Proposal]:
    """One for each signal that was over its threshold when the incident was detected.

    :param samples: asks a Prometheus for what it has of the incident's time, in order; None where there is none.
    """
    over = dict.fromkeys(signal["name"] for reading in incident.measurements() if reading["phase"] == "detect"
                         for signal in reading["signals"] if signal.get("breached"))
    rows = {row.direct: row for row in _table.of(incident.head["type"]) if row.direct}
    return [_proposal(incident, signal, rows.get(signal), samples) for signal in over]


def _proposal(incident: Incident, signal: str, row: Row | None, samples: t.Callable[[str], t.Sequence[Sample]] | None) -> Proposal:
    if row is None:
        return Proposal(signal, None, because="no metric of the table of signals tells it")
    query = f"max({_promql.measured(row, _promql.of_workload(incident.target, '', {}))})"
    if samples is None:
        return Proposal(signal, row, query, row.threshold, because="no Prometheus is named")
    found = samples(query)
    if not found:
        return Proposal(signal, row, query, row.threshold, because="Prometheus has no samples of it")
    holds = _holds(row)
    threshold = min(row.threshold, round(_BELOW * lasting(found, holds), 3))
    if threshold <= 0:
        threshold = row.threshold
    return Proposal(signal, row, query, threshold, fires(found, threshold, holds))


def lasting(samples: t.Sequence[Sample], holds: float) -> float:
    """The highest value under which the samples did not fall for so many seconds; 0 where they do not reach that far."""
    highest = 0.0
    for start, (begin, lowest) in enumerate(samples):
        for at, value in samples[start:]:
            lowest = min(lowest, value)
            if at - begin >= holds:
                highest = max(highest, lowest)
                break
    return highest


def fires(samples: t.Sequence[Sample], threshold: float, holds: float) -> float | None:
    """When an alert begins to fire: the first time at which it has been over its threshold for so many seconds; None where never."""
    since = None
    for at, value in samples:
        since = (at if since is None else since) if value > threshold else None
        if since is not None and at - since >= holds:
            return at
    return None


def _holds(row: Row) -> float:
    number, unit = t.cast("re.Match[str]", re.fullmatch(r"(\d+)([smh])", row.holds)).groups()
    return int(number) * _SECONDS[unit]


def markdown(incident: Incident, found: t.Sequence[Proposal]) -> str:
    """What is proposed, for a person to load."""
    lines = [f"- `{one.signal}`: {_says(one, datetime.datetime.fromisoformat(incident.head['opened_at']))}" for one in found]
    rules = "".join(_rule(one) for one in found if one.row)
    text = "\n".join(lines) or "No signal was over its threshold when it was detected."
    block = f"\n\n```yaml\ngroups:\n  - name: of-{incident.id}\n    rules:\n{rules}```" if rules else ""
    return f"# Alerts that would have told of {incident.id}\n\n{text}{block}\n"


def _says(one: Proposal, opened: datetime.datetime) -> str:
    if one.row is None:
        return f"{one.because}; watch it with the runbook on a schedule (`--check` reads only)."
    rule = f"the rule for {one.row.words} over {one.row.threshold:g}, for {one.row.holds}"
    if one.because:
        return f"{rule}, is proposed, and was not tried: {one.because}."
    if one.fired is None:
        return f"{rule}, would not have fired, with no threshold above 0: nothing lasted for so long."
    minutes = (opened.timestamp() - one.fired) / 60
    when = datetime.datetime.fromtimestamp(one.fired, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    earlier = f"{when}, {abs(minutes):.0f} min {'earlier' if minutes >= 0 else 'later'} than the incident was opened"
    if one.threshold == one.row.threshold:
        return f"{rule}, would have fired at {earlier}."
    return f"{rule}, would not have fired; with {one.threshold:g} instead of {one.row.threshold:g} it would have at {earlier}."


def _rule(one: Proposal) -> str:
    row = t.cast(Row, one.row)
    name = "".join(part.capitalize() for part in row.name.split("_"))
    return (f"      - alert: {name}\n        expr: >-\n          {one.query} > {one.threshold:g}\n        for: {row.holds}\n"
            f"        labels:\n          severity: {row.severity}\n")
