# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results: counts, time range, customers and amounts of each rule, its samples, and all its rows in a file."""

from __future__ import annotations

import array
import collections
import csv
import dataclasses
import decimal
import pathlib
import re
import shutil
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import FIXED, Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import Part, Progress, State
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, file_sha256

EVIDENCE = "consistency"
READ = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}


@dataclasses.dataclass(frozen=True)
class Options:
    """What is shown, and how rows are exported.

    :param samples: rows of each rule in the result.
    :param sample_customers: also who they belong to.
    :param parquet_above: rows from which Parquet is written where it can be.
    """

    samples: int = 10
    sample_customers: bool = False
    parquet_above: int = 100_000


class Distinct:
    """How many different texts there were, in 8 bytes each and exactly up to ``most``."""

    BUCKETS = 256

    def __init__(self, most: int = 2_000_000) -> None:
        self.most, self.full = most, False
        self._buckets = [array.array("q") for _each in range(self.BUCKETS)]
        self._compact_at = [64] * self.BUCKETS

    def add(self, text: str) -> None:
        """Take one in."""
        number = hash(text)
        self._extend(number % self.BUCKETS, (number,))

    def update(self, other: Distinct) -> None:
        """Take all of another in."""
        self.full |= other.full
        for at, numbers in enumerate(other._buckets):
            self._extend(at, numbers)

    def _extend(self, at: int, numbers: t.Iterable[int]) -> None:
        if self.full:
            return
        bucket = self._buckets[at]
        bucket.extend(numbers)
        if len(bucket) >= self._compact_at[at]:
            self._buckets[at] = kept = array.array("q", set(bucket))
            self._compact_at[at] = max(64, 2 * len(kept))
            self.full = len(kept) * self.BUCKETS > self.most

    def __len__(self) -> int:
        return sum(len(set(bucket)) for bucket in self._buckets)


@dataclasses.dataclass
class Summary:
    """What the rows of one rule amount to."""

    rule: Rule
    options: Options
    count: int = 0
    first: str = ""
    last: str = ""
    amount: decimal.Decimal = decimal.Decimal(0)
    absolute: decimal.Decimal = decimal.Decimal(0)
    without_amount: int = 0
    customers: Distinct = dataclasses.field(default_factory=Distinct)
    samples: list[list[str]] = dataclasses.field(default_factory=list)

    def read(self, path: pathlib.Path) -> None:
        """Take the rows of a part in."""
        amount_at, customer_at, time_at = (len(self.rule.key) + FIXED.index(name) for name in ("amount", "customer", "at"))
        with open(path, **READ) as file:
            for row in csv.reader(file):
                self.count += 1
                if row[amount_at]:
                    self._add(decimal.Decimal(row[amount_at]))
                if row[customer_at]:
                    self.customers.add(row[customer_at])
                if (moment := row[time_at]) and _finite(moment):
                    self.first = min(self.first or moment, moment)
                    self.last = max(self.last, moment)
                if len(self.samples) < self.options.samples:
                    self.samples.append(row)

    def _add(self, amount: decimal.Decimal) -> None:
        """NaN and infinity cannot be added up."""
        if amount.is_finite():
            self.amount += amount
            self.absolute += abs(amount)
        else:
            self.without_amount += 1

    def facts(self) -> dict[str, t.Any]:
        """For the module's result; values as PostgreSQL prints them, amounts as text, times UTC."""
        return {"count": self.count, "first": _iso(self.first), "last": _iso(self.last),
                "customers": len(self.customers) if self.rule.customer else None, "customers_are_a_minimum": self.customers.full,
                "amount": str(self.amount) if self.rule.amount else None,
                "amount_absolute": str(self.absolute) if self.rule.amount else None, "amounts_not_finite": self.without_amount,
                "samples": redact_object([self._sample(row) for row in self.samples])}

    def _sample(self, row: list[str]) -> dict[str, str]:
        hidden = set() if self.options.sample_customers else {"customer", self.rule.customer}
        return {name: value for name, value in zip(self.rule.columns, row, strict=True) if value and name not in hidden}


def _finite(moment: str) -> bool:
    """``infinity`` and years before Christ come before or after every real row."""
    return moment[0].isdigit() and not moment.endswith(" BC")


def _iso(moment: str) -> str:
    """PostgreSQL's ``2026-11-24 03:49:42.1+00`` in ISO 8601; a time without a zone stays without one."""
    return re.sub(r"\+00$", "Z", moment.replace(" ", "T"))


def findings(rules: t.Sequence[Rule], state: State, errors: t.Mapping[str, str], options: Options, store: EvidenceStore | None,
             name: str) -> tuple[list[dict[str, t.Any]], Distinct]:
    """The result of every rule, in their order, and the customers of all; exports the rows where there is a store."""
    customers = Distinct()
    return [_finding(rule, state, errors.get(rule.name, ""), options, store, name, customers) for rule in rules], customers


def _finding(rule: Rule, state: State, error: str, options: Options, store: EvidenceStore | None, name: str,
             customers: Distinct) -> dict[str, t.Any]:
    said = {"rule": rule.name, "kind": "flagged" if "flag" in rule.values else rule.kind, "severity": rule.severity,
            "description": rule.description, "error": error}
    progress = state.of(rule)
    if error or progress is None:
        return {**said, "count": None}
    summary = Summary(rule, options)
    for part in progress.parts:
        summary.read(state.directory / part.file)
    customers.update(summary.customers)
    exported = _export(rule, progress, state, options, store, name) if store and summary.count else None
    return {**said, **summary.facts(), "way": progress.strategy.way, "why": progress.strategy.why,
            "seconds": round(sum(part.seconds for part in progress.parts), 3), "snapshots": _snapshots(progress.parts), "export": exported}


def _snapshots(parts: t.Iterable[Part]) -> list[dict[str, t.Any]]:
    """Which snapshots the parts saw; one, unless the check was interrupted."""
    rows: collections.Counter[tuple[str, str]] = collections.Counter()
    slices: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        rows[part.snapshot, part.taken_at] += part.rows
        slices.setdefault((part.snapshot, part.taken_at), []).append(str(part.keys))
    return [{"id": seen[0], "taken_at": seen[1], "rows": rows[seen], "slices": slices[seen]} for seen in slices]


def _export(rule: Rule, progress: Progress, state: State, options: Options, store: EvidenceStore, name: str) -> dict[str, t.Any]:
    rows = sum(part.rows for part in progress.parts)
    parts = [state.directory / part.file for part in progress.parts if part.rows]
    wanted, possible = rows >= options.parquet_above, _has_pyarrow()
    kind = "parquet" if wanted and possible else "csv"
    file = f"{EVIDENCE}/{name}/{rule.name}.{kind}"
    path = store.path(file)
    partial = path.with_name(f".{path.name}.partial")
    try:
        if kind == "parquet":
            _write_parquet(partial, rule, progress, parts)
        else:
            _write_csv(partial, rule, parts)
        partial.replace(path)
    except OSError as error:
        raise RunbookError(f"Cannot write the affected rows to {path} on the controller: {error.strerror or error}.",
                           "Free space there, then run again with the same incident_id: what was finished is kept.") from error
    finally:
        partial.unlink(missing_ok=True)
    item = store.add(file, EVIDENCE, f"rule {rule.name}", file_sha256(path), rows=rows)
    note = "CSV although it is large: install pyarrow for Parquet" if wanted and not possible else ""
    return {"file": str(path), "name": item.name, "format": kind, "rows": rows, "bytes": item.bytes, "sha256": item.sha256, "note": note}


def _has_pyarrow() -> bool:
    try:
        import pyarrow.parquet as _parquet  # 40 MB that only a large result needs
    except ImportError:
        return False
    return bool(_parquet)


def _write_csv(path: pathlib.Path, rule: Rule, parts: t.Iterable[pathlib.Path]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(rule.columns)
    with open(path, "ab") as file:
        for part in parts:
            with open(part, "rb") as read:
                shutil.copyfileobj(read, file, 1 << 20)


def _write_parquet(path: pathlib.Path, rule: Rule, progress: Progress, parts: t.Iterable[pathlib.Path]) -> None:
    """Whole numbers as such, everything else as PostgreSQL prints it; NULL stays NULL."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    types = {name: pyarrow.int64() if name in progress.integers else pyarrow.string() for name in rule.columns}
    reading = {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, column_names=list(rule.columns)),
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True,
                                                      quoted_strings_can_be_null=False)}
    with pyarrow.parquet.ParquetWriter(path, pyarrow.schema(list(types.items())), compression="zstd") as writer:
        for part in parts:
            with pyarrow.csv.open_csv(part, **reading) as batches:
                for batch in batches:
                    writer.write_batch(batch)
