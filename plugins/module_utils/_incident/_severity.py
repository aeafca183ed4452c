# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How severe an incident is, computed from what was measured, and by when somebody must act."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

LEVELS = ("P1", "P2", "P3", "P4")

#: level -> when it applies and how long people have, as the written playbook says.
#: ``signals``: breached signals that make it this level by themselves, ``name``, ``name<value`` or ``name>value``.
#: ``verdicts``: of the health check. ``pods_share``: so many of the target's pods have a breached signal.
#: ``respond_minutes`` without a value: by the end of the next business day. ``escalate_minutes`` without one: never.
POLICY: dict[str, dict[str, t.Any]] = {
    "P1": {"signals": ["login_success<0.5", "data_mismatch", "checksum_mismatch"], "verdicts": ["down"],
           "respond_minutes": 0, "escalate_minutes": 5},
    "P2": {"signals": ["response_seconds>5", "error_share>0.5", "login_success", "tokens_rejected>0.2",
                       "validation_seconds>2"], "verdicts": ["unreachable"], "pods_share": 0.5,
           "respond_minutes": 15, "escalate_minutes": 30},
    "P3": {"signals": [], "verdicts": ["degraded", "unknown"], "respond_minutes": 60, "escalate_minutes": 240},
    "P4": {"signals": [], "verdicts": [], "respond_minutes": None, "escalate_minutes": None},
}
_RULE = re.compile(r"([\w.-]+)(?:\s*([<>])\s*([\d.]+))?")

Policy = t.Mapping[str, t.Mapping[str, t.Any]]
Signal = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Severity:
    """A level and what makes it that.

    :param why: sentences, the weightiest first.
    """

    level: str
    why: tuple[str, ...]


def merged(given: Policy) -> dict[str, dict[str, t.Any]]:
    """The default policy with what is given in its place."""
    unknown = [level for level in given if level not in LEVELS]
    if unknown:
        raise InvalidInput(f"The severity policy names {', '.join(unknown)}.", f"The levels are {', '.join(LEVELS)}.")
    return {level: {**POLICY[level], **given.get(level, {})} for level in LEVELS}


def assess(signals: t.Sequence[Signal], policy: Policy, verdict: str = "", pods: int | None = None,
           ready: int | None = None) -> Severity:
    """The level that the signals and the state of the target make.

    :param signals: as the ``*_signals_info`` modules return them.
    :param verdict: of the health check, empty when there was none.
    :param pods: how many pods the target wants, None when not known.
    :param ready: how many of them are ready, None when not known.
    """
    breached = [signal for signal in signals if signal.get("breached")]
    if pods and ready == 0:
        return Severity("P1", (f"none of the target's {pods} pods is ready", *_texts(breached)))
    for level in LEVELS:
        why = _reasons(breached, policy[level], verdict, pods)
        if why:
            return Severity(level, tuple(why))
    if breached:
        return Severity("P3", ("limited impact: what is breached does not show for most users", *_texts(breached)))
    return Severity("P4", ("nothing is over its threshold",))


def deadlines(level: str, opened_at: str, policy: Policy) -> tuple[str, str]:
    """By when somebody must respond, and when it is escalated (empty: never); ISO 8601, UTC."""
    opened = datetime.datetime.fromisoformat(opened_at)
    respond, escalate = policy[level]["respond_minutes"], policy[level]["escalate_minutes"]
    respond_by = _after(opened, respond) if respond is not None else _end_of_next_business_day(opened)
    return respond_by, "" if escalate is None else _after(opened, escalate)


def _reasons(breached: t.Sequence[Signal], rules: t.Mapping[str, t.Any], verdict: str, pods: int | None) -> list[str]:
    why = [f"{signal.get('text') or signal['name']}" for signal in breached
           if any(_applies(rule, signal) for rule in rules["signals"])]
    share = rules.get("pods_share")
    affected = {pod for signal in breached for pod in signal.get("pods") or ()}
    if share and pods and len(affected) >= share * pods:
        why.append(f"{len(affected)} of {pods} pods are affected: {'; '.join(_texts(breached))}")
    if verdict and verdict in rules["verdicts"]:
        why.append(f"the health check says {verdict}")
    return why


def _applies(rule: str, signal: Signal) -> bool:
    match = _RULE.fullmatch(rule.strip())
    if match is None:
        raise InvalidInput(f"{rule!r} is not a rule of the severity policy.", "Write name, name<value or name>value.")
    name, comparison, number = match.groups()
    if name != signal["name"]:
        return False
    if not comparison:
        return True
    value = signal.get("value")
    return value is not None and (value < float(number) if comparison == "<" else value > float(number))


def _texts(signals: t.Sequence[Signal]) -> list[str]:
    return [str(signal.get("text") or signal["name"]) for signal in signals]


def _after(moment: datetime.datetime, minutes: float) -> str:
    return _iso(moment + datetime.timedelta(minutes=minutes))


def _end_of_next_business_day(moment: datetime.datetime) -> str:
    day = moment.astimezone(datetime.timezone.utc) + datetime.timedelta(days=1)
    while day.weekday() > 4:
        day += datetime.timedelta(days=1)
    return _iso(day.replace(hour=23, minute=59, second=59, microsecond=0))


def _iso(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
