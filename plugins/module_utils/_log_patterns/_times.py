# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a line was written, in the forms that loggers use."""

from __future__ import annotations

import calendar
import datetime
import functools
import re
import typing as t

#: characters of a line in which its time and level are looked for
HEADER = 120

_A_DAY = 86400.0
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_CLOCK = r"(?P<h>[ \d]\d)[:.](?P<m>\d\d)[:.](?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?"
_ZONE = r"(?: ?(?P<z>Z|[+-]\d\d:?\d\d))?"
_MONTH_DAY = rf"(?P<b>[A-Z][a-z][a-z]) +(?P<D>\d{{1,2}}) {_CLOCK}"
#: "Jun  9 06:06:20", which syslog follows with the host
SYSLOG = re.compile(rf"{_MONTH_DAY}(?! \d{{4}}\b)")
_ISO = re.compile(rf"(?P<Y>\d{{4}})[-/.](?P<M>\d\d)[-/.](?P<D>\d\d)[T \-]{_CLOCK}{_ZONE}")
_FORMS = (SYSLOG, _ISO, *(re.compile(form) for form in (
    rf"(?P<D>\d\d)/(?P<b>[A-Z][a-z][a-z])/(?P<Y>\d{{4}}):{_CLOCK}{_ZONE}",
    rf"(?<!\d)(?P<D>\d\d)(?P<sep>[- ])(?P<b>[A-Z][a-z][a-z])(?P=sep)(?P<Y>\d{{4}}) {_CLOCK}{_ZONE}(?: UTC\b)?",
    rf"(?:[A-Z][a-z][a-z] )?{_MONTH_DAY} (?P<Y>\d{{4}})",
    r"(?<!\d)(?P<Y>[12]\d{3})(?P<M>[01]\d)(?P<D>[0-3]\d)[-T _](?P<h>[0-2]\d):?(?P<m>[0-5]\d):?(?P<s>[0-5]\d)(?:[.,:](?P<f>\d{1,9}))?" + _ZONE,
    rf"(?<!\d)(?P<y>\d\d)/(?P<M>\d\d)/(?P<D>\d\d) {_CLOCK}",
    r"(?<!\d)(?P<y>\d\d)(?P<M>[01]\d)(?P<D>[0-3]\d) (?P<h>[0-2]\d)(?P<m>[0-5]\d)(?P<s>[0-5]\d)\b",
    rf"(?<!\d)(?P<M>[01]?\d)[-.](?P<D>[0-3]\d) {_CLOCK}",
    rf"\b[IWEF](?P<M>[01]\d)(?P<D>[0-3]\d) {_CLOCK}",
    r"(?<![\w.-])(?P<e>1\d{9})(?:\.?(?P<f>\d{1,9}))?(?![\w.-])",
)))


def moment(line: str, latest: float) -> float | None:
    """Seconds since 1970, None where the line tells no time; without a zone it is taken for UTC.

    :param latest: no record is younger; it gives a time without a year its year.
    """
    return next((at for found in found_in(line) if (at := _seconds(found.groupdict(), latest)) is not None), None)


def found_in(line: str) -> t.Iterator[re.Match[str]]:
    """What may be the time of a line, the likeliest first."""
    found = _ISO.match(line)
    if found:
        yield found
    yield from filter(None, (form.search(line, 0, HEADER) for form in _FORMS))


def moment_at(block: bytes, start: int, latest: float) -> float | None:
    """The time of the line that begins there."""
    return moment(block[start:start + HEADER].split(b"\n", 1)[0].decode("utf-8", "replace"), latest)


def iso(at: float | None) -> str:
    """ISO 8601, UTC, empty for None."""
    return "" if at is None else datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(parts: t.Mapping[str, str | None], latest: float) -> float | None:
    fraction = float("0." + (parts.get("f") or "0"))
    if parts.get("e"):
        return int(parts["e"] or 0) + fraction
    month = _MONTHS.get(parts.get("b") or "", 0) or int(parts.get("M") or 0)
    year = int(parts.get("Y") or 0) or (2000 + int(parts["y"] or 0) if parts.get("y") else 0)
    try:
        at = _day(year, month, int(parts["D"] or 0)) if year else _latest_day(month, int(parts["D"] or 0), latest)
    except ValueError:
        return None
    hours, minutes, seconds = (int(parts[key] or 0) for key in "hms")
    zone = (parts.get("z") or "Z").replace(":", "")
    shift = 0 if zone == "Z" else (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)
    return at + hours * 3600 + minutes * 60 + seconds - shift + fraction


@functools.lru_cache(maxsize=1024)
def _day(year: int, month: int, day: int) -> float:
    return datetime.datetime(year, month, day, tzinfo=datetime.timezone.utc).timestamp()


def _latest_day(month: int, day: int, latest: float) -> float:
    newest = latest + _A_DAY
    year = datetime.datetime.fromtimestamp(newest, datetime.timezone.utc).year
    at = _day(year, month, day)
    return at if at <= newest else _day(year - 1, month, day)
