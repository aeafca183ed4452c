# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database's own catalog knows of how wrong rows may have come in: a few cheap SELECTs, each of which may be refused alone."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._sql import quoted, rows_of
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

SOURCE = "catalog of the database"
STATEMENT_SECONDS = 5.0
#: servers before this one do not tell of pages whose checksum fails
TELLS_CHECKSUMS = 120000

_OWN = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
#: fact -> SELECT of one column; several rows make a list
_LISTS = {
    "constraints_not_valid": f"""
        SELECT c.conrelid::regclass || ': ' || c.conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE NOT c.convalidated AND {_OWN} ORDER BY 1 LIMIT 20""",
    "triggers_disabled": f"""
        SELECT g.tgrelid::regclass || ': ' || CASE WHEN g.tgisinternal THEN 'foreign keys' ELSE g.tgname END
        FROM pg_trigger g JOIN pg_class r ON r.oid = g.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE g.tgenabled = 'D' AND {_OWN} GROUP BY 1 ORDER BY 1 LIMIT 20""",
    "indexes_invalid": f"""
        SELECT i.indrelid::regclass || ': ' || i.indexrelid::regclass FROM pg_index i
        JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE NOT i.indisvalid AND {_OWN} ORDER BY 1 LIMIT 20""",
    "prepared_transactions": """
        SELECT gid || ' of ' || owner || ', since ' || to_char(prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 20""",
    "ids_near_limit": """
        SELECT schemaname || '.' || sequencename || ': ' || round(100.0 * last_value / max_value) || ' %' FROM pg_sequences
        WHERE increment_by > 0 AND last_value > 0.9 * max_value ORDER BY 1 LIMIT 20""",
}
_STANDBY = "SELECT pg_is_in_recovery()"
#: What was received and not replayed: the time of the last transaction would also grow where nobody writes.
_BEHIND = "SELECT pg_is_in_recovery() AND pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
_CHECKSUMS = "SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database WHERE datname = current_database()"
#: tables in which the usual tools keep what they ran, and the column with its time
_MIGRATIONS = {"flyway_schema_history": "installed_on", "databasechangelog": "dateexecuted", "django_migrations": "applied",
               "knex_migrations": "migration_time", "_prisma_migrations": "finished_at", "ar_internal_metadata": "updated_at",
               "schema_version": "installed_on", "goose_db_version": "tstamp", "SequelizeMeta": ""}
_FIND_MIGRATIONS = f"""
    SELECT n.nspname, r.relname FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE r.relkind = 'r' AND r.relname = ANY(%s) AND {_OWN} ORDER BY 1, 2 LIMIT 1"""


def gather(database: Database, rules: t.Sequence[Rule], findings: t.Sequence[Json], sheet: FactSheet) -> None:
    """Add the facts. What is refused is not known, with the reason; the others are read all the same.

    :param findings: of the checks, with samples of the wrong rows.
    """
    with contextlib.closing(database.connect(statement_timeout=STATEMENT_SECONDS)) as connection:
        asked = _Asked(database, connection, sheet)
        for fact, query in _LISTS.items():
            asked.fact(fact, query, lambda rows: [row[0] for row in rows])
        asked.fact("on_standby", _STANDBY, lambda rows: rows[0][0])
        asked.fact("standby_behind", _BEHIND, lambda rows: bool(rows[0][0]))
        if connection.server_version >= TELLS_CHECKSUMS:
            asked.fact("checksum_failures", _CHECKSUMS, lambda rows: int(rows[0][0]))
        else:
            sheet.unknown("checksum_failures", "this version of PostgreSQL does not tell", SOURCE)
        _migrations(asked)
        _writers(asked, rules, findings)


def not_read(because: str, sheet: FactSheet) -> None:
    """Add the facts as not known: the database cannot be reached."""
    for name in (*_LISTS, "on_standby", "standby_behind", "checksum_failures", "last_migration", "writing_transactions", "rows_sampled"):
        sheet.unknown(name, because, SOURCE)


class _Asked:
    """One session; each question is a transaction of its own, so that a refusal costs one fact."""

    def __init__(self, database: Database, connection: t.Any, sheet: FactSheet) -> None:
        self._database, self._connection, self.sheet = database, connection, sheet

    def rows(self, query: str, arguments: t.Sequence[t.Any] = ()) -> list[tuple[t.Any, ...]]:
        """:raises ClusterError: the question is refused."""
        try:
            with self._database.errors("read its catalog"), self._connection, self._connection.cursor() as cursor:
                cursor.execute(query, tuple(arguments) or None)
                return cursor.fetchall()
        except ClusterError:
            self._connection.rollback()
            raise

    def fact(self, name: str, query: str, value: t.Callable[[list[tuple[t.Any, ...]]], t.Any], arguments: t.Sequence[t.Any] = ()) -> None:
        """Add one fact."""
        try:
            self.sheet.known(name, value(self.rows(query, arguments)), SOURCE)
        except ClusterError as error:
            self.sheet.unknown(name, error.message, SOURCE)


def _migrations(asked: _Asked) -> None:
    """When a migration tool last ran, by the table that it keeps."""
    try:
        found = asked.rows(_FIND_MIGRATIONS, (list(_MIGRATIONS),))
    except ClusterError as error:
        asked.sheet.unknown("last_migration", error.message, SOURCE)
        return
    column = _MIGRATIONS[found[0][1]] if found else ""
    if not column:
        asked.sheet.unknown("last_migration", "no table of a migration tool with times is there", SOURCE)
        return
    name = f"{quoted(found[0][0])}.{quoted(found[0][1])}"
    moment = f"to_char(max({quoted(column)})::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    asked.fact("last_migration", f"SELECT coalesce({moment}, '') FROM {name}", lambda rows: rows[0][0])


def _writers(asked: _Asked, rules: t.Sequence[Rule], findings: t.Sequence[Json]) -> None:
    """In how many transactions the sampled rows got what they hold: one or few are a script, many are the application's traffic."""
    of = {rule.name: rule for rule in rules}
    transactions, sampled, refused = 0, 0, ""
    for finding in findings:
        rule = of.get(finding["rule"])
        keys = [tuple(sample.get(name) for name in rule.key) for sample in finding.get("samples", [])] if rule and rule.values.get("table") else []
        keys = [key for key in keys if None not in key]
        if not keys:
            continue
        try:
            [(different, rows)] = asked.rows(rows_of(rule, "count(DISTINCT xmin::text), count(*)", len(keys)), keys)
        except ClusterError as error:
            refused = error.message
            continue
        transactions, sampled = transactions + different, sampled + rows
    if sampled:
        asked.sheet.known("writing_transactions", transactions, SOURCE)
        asked.sheet.known("rows_sampled", sampled, SOURCE)
    else:
        for name in ("writing_transactions", "rows_sampled"):
            asked.sheet.unknown(name, refused or "no wrong row of a table was sampled", SOURCE)
