# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cache holds what its rows say: keys found by SCAN, their values read field by field, and compared with the rows by meaning."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import json
import re
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._change import _redis_keys
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import PLACES, Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import quoted, rows_of
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database

#: of a value that is no object: itself
WHOLE = "$"
ABSENT = "(no row)"
#: stale keys whose digests are kept; more are counted
MOST_STALE = 1000
#: what expires within that time heals before anybody has approved its deletion
HEALS_SECONDS = 60
#: a write that updates row and cache is done by then
SECOND_LOOK_SECONDS = 1.0

Row = dict[str, t.Optional[str]]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What is read at most.

    :param keys: that fit one rule.
    :param samples: stale keys that are shown with both values.
    """

    keys: int = 100_000
    samples: int = 10
    statement_timeout: float = 30.0


@dataclasses.dataclass
class Found:
    """One rule's answer.

    :param stale: key -> digest of the value that is not what the row says.
    :param unreadable: keys whose value is not understood; they count for nothing.
    :param expiring: keys that differ and expire within ``HEALS_SECONDS``; they do not count either.
    """

    checked: int = 0
    count: int = 0
    unreadable: int = 0
    expiring: int = 0
    stale: dict[str, str] = dataclasses.field(default_factory=dict)
    samples: list[Json] = dataclasses.field(default_factory=list)


def check(rule: Rule, client: t.Any, database: Database, bounds: Bounds) -> Json:
    """One rule's finding."""
    try:
        return finding(rule, "", _check(rule, client, database, bounds))
    except ClusterError as error:
        return finding(rule, error.message)


def finding(rule: Rule, error: str, found: Found | None = None) -> Json:
    """As those of the rules about rows are, with ``stale``, ``checked`` and ``unreadable`` besides.

    :param error: why the rule could not be checked; empty where it was.
    """
    said = {"rule": rule.name, "kind": rule.kind, "severity": rule.severity, "description": rule.description, "first": "", "last": "",
            "customers": None, "amount": None, "amount_absolute": None, "amounts_not_finite": 0, "export": None,
            "error": f"Rule {rule.name} could not be checked: {error}" if error else ""}
    counted = dataclasses.asdict(found or Found())
    return {**said, **counted, "count": None if error else counted["count"], "samples": redact_object(counted["samples"])}


def _check(rule: Rule, client: t.Any, database: Database, bounds: Bounds) -> Found:
    found = Found()
    with contextlib.closing(database.connect(statement_timeout=bounds.statement_timeout)) as connection:
        for batch in _redis.scan(client, glob(rule), most=bounds.keys):
            fitting = [key for key in (raw.decode("utf-8", "replace") for raw in batch) if matched(rule, key) and '"' not in key]
            found.checked += len(fitting)
            differing = _differing(rule, client, database, connection, fitting, found)
            if differing:
                time.sleep(SECOND_LOOK_SECONDS)
                differing = _differing(rule, client, database, connection, list(differing), Found())
            soon = _expiring(client, differing)
            found.expiring += len(soon)
            _take({key: seen for key, seen in differing.items() if key not in soon}, found, bounds)
    return found


def _expiring(client: t.Any, keys: t.Iterable[str]) -> set[str]:
    now = time.time() * 1000
    return {key for key, moment in _redis_keys.expiries(client, keys).items() if 0 < moment <= now + HEALS_SECONDS * 1000}


def _take(differing: t.Mapping[str, tuple[Json, Json]], found: Found, bounds: Bounds) -> None:
    for key, (value, sample) in differing.items():
        found.count += 1
        if len(found.stale) < MOST_STALE:
            found.stale[key] = _redis_keys.digest(value)
        if len(found.samples) < bounds.samples:
            found.samples.append({"key": key, **sample})


def _differing(rule: Rule, client: t.Any, database: Database, connection: t.Any, keys: t.Sequence[str],
               found: Found) -> dict[str, tuple[Json, Json]]:
    """Of these keys those that differ: what the key holds, and a sample of the fields that differ. The cache is read first: what is written
    to both in between looks right or is looked at again."""
    values = _redis_keys.read(client, keys)
    other = [key for key in keys if key not in values]
    found.unreadable += client.exists(*other) if other else 0  # lists, sets and what is too long
    rows = _rows(rule, database, connection, [matched(rule, key) for key in values])
    differing = {}
    for key, value in values.items():
        row = rows.get(tuple(matched(rule, key) or ()))
        fields = fields_of(rule, value)
        if fields is None:
            found.unreadable += 1
        elif row is not None and any(_foreign(cached, row[name]) for name, cached in fields.items()):
            found.unreadable += 1
        elif row is None:
            differing[key] = (value, {"found": "cached", "expected": ABSENT})
        elif other := {name: (cached, row[name]) for name, cached in fields.items() if not same(cached, row[name])}:
            differing[key] = (value, {"found": ", ".join(f"{name} {cached}" for name, (cached, _row) in other.items()),
                                      "expected": ", ".join(f"{name} {of_row}" for name, (_cached, of_row) in other.items())})
    return differing


def _rows(rule: Rule, database: Database, connection: t.Any, keys: t.Sequence[t.Sequence[str] | None]) -> dict[tuple[str, ...], Row]:
    """Rows by the text of their key."""
    wanted = [tuple(key) for key in keys if key]
    if not wanted:
        return {}
    columns = list(rule.values["values"].items())
    texts = ", ".join(f"{quoted(column)}::text" for column in (*rule.key, *(column for _name, column in columns)))
    with database.errors(f"read the rows of rule {rule.name}"), connection, connection.cursor() as cursor:
        cursor.execute(rows_of(rule, texts, len(wanted)), wanted)
        size = len(rule.key)
        return {row[:size]: {name: value for (name, _column), value in zip(columns, row[size:], strict=True)} for row in cursor.fetchall()}


def glob(rule: Rule) -> str:
    """The pattern for SCAN of ``order:{id}``."""
    return "".join("*" if number % 2 else re.sub(r"([*?\[\]\\^])", r"\\\1", part) for number, part in enumerate(PLACES.split(rule.values["keys"])))


def matched(rule: Rule, key: str) -> list[str] | None:
    """The values of the key's columns in a key, in the order of the rule's key; None where it does not fit."""
    parts = PLACES.split(rule.values["keys"])
    pattern = "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    found = re.fullmatch(pattern, key, re.DOTALL)
    return [found[name] for name in rule.key] if found else None


def fields_of(rule: Rule, value: Json) -> dict[str, t.Any] | None:
    """The rule's fields of a cached value; None where it is not understood: then nothing can be said of it."""
    names = list(rule.values["values"])
    if "hash" in value:
        return {name: value["hash"].get(name) for name in names}
    if "text" not in value:
        return None
    if names == [WHOLE]:
        return {WHOLE: value["text"]}
    try:
        document = json.loads(value["text"], parse_float=decimal.Decimal)
    except ValueError:
        return None
    read = {name: _at(document, name) for name in names}
    return None if not isinstance(document, dict) or any(field is _MISSING for field in read.values()) else read


_MISSING = object()


def _at(document: t.Any, path: str) -> t.Any:
    """A field, or one of an object in it (``customer.name``)."""
    if isinstance(document, dict) and path in document:
        return document[path]
    name, dot, rest = path.partition(".")
    return _at(document.get(name), rest) if dot and isinstance(document, dict) else _MISSING


def _foreign(cached: t.Any, row: str | None) -> bool:
    """Whether a cached list or object stands for something that is none: ``["java.math.BigDecimal", 10.5]``, ``[2026, 11, 28]``."""
    return isinstance(cached, (dict, list)) and row is not None and not isinstance(_json(row), (dict, list))


def same(cached: t.Any, row: str | None) -> bool:
    """Whether a cached value means what PostgreSQL prints for the row's."""
    if cached is None or row is None:
        return cached is None and row is None
    if isinstance(cached, bool):
        return row in (("t", "true") if cached else ("f", "false"))
    if isinstance(cached, (dict, list)):
        return bool(_json(row) == cached)
    text = str(cached)
    return text == row or _equal(_number, text, row) or _equal(_moment, text, row)


def _equal(read: t.Callable[[str], t.Any], one: str, other: str) -> bool:
    value = read(one)
    return value is not None and value == read(other)


def _number(text: str) -> decimal.Decimal | None:
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None
    return value if value.is_finite() else None


def _moment(text: str) -> datetime.datetime | None:
    """A time; one without a zone is UTC, as caches write it."""
    try:
        moment = datetime.datetime.fromisoformat(re.sub(r"([+-]\d\d)$", r"\1:00", text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _json(text: str) -> t.Any:
    try:
        return json.loads(text, parse_float=decimal.Decimal)
    except ValueError:
        return _MISSING
