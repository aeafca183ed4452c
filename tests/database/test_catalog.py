"""What the catalog of a real server tells of how rows went wrong."""

from __future__ import annotations

import contextlib

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._data import _catalog
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

RULES = _rules.load([], [])
TOTALS = {"rule": "order_total_differs", "samples": [{"id": str(number)} for number in range(1, 7)]}


def gathered(postgres, findings=()):
    """Facts by name, those that are not known by their reason."""
    sheet = FactSheet()
    _catalog.gather(postgres.database(), RULES, findings, sheet)
    return {fact["name"]: fact["value"] if fact["known"] else fact["because"] for fact in sheet.to_json()}


def test_a_database_of_which_nothing_is_to_be_said(postgres):
    facts = gathered(postgres)
    for name in ("constraints_not_valid", "triggers_disabled", "indexes_invalid", "prepared_transactions", "ids_near_limit"):
        assert facts[name] == [], name
    assert facts["on_standby"] is False and facts["standby_behind"] is False and facts["checksum_failures"] == 0
    assert facts["last_migration"] == "no table of a migration tool with times is there"
    assert facts["writing_transactions"] == "no wrong row of a table was sampled"


def test_what_no_longer_keeps_the_rows_is_named(postgres):
    postgres.execute("""
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER noted AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
        ALTER TABLE orders DISABLE TRIGGER noted;
        ALTER TABLE orders ADD CONSTRAINT positive CHECK (total >= 0) NOT VALID;
        CREATE SEQUENCE tickets AS smallint START 32000; SELECT nextval('tickets')""")
    facts = gathered(postgres)
    assert facts["triggers_disabled"] == ["orders: noted"]
    assert facts["constraints_not_valid"] == ["orders: positive"]
    assert facts["ids_near_limit"] == ["public.tickets: 98 %"]


def test_rows_of_one_script_and_rows_of_traffic_are_told_apart(postgres):
    postgres.execute("UPDATE orders SET total = 1 WHERE id <= 6")
    assert gathered(postgres, [TOTALS])["writing_transactions"] == 1
    for number in range(1, 5):
        postgres.execute("UPDATE orders SET total = 2 WHERE id = %s", number)
    facts = gathered(postgres, [TOTALS])
    assert (facts["writing_transactions"], facts["rows_sampled"]) == (5, 6)


@pytest.mark.parametrize("table, column", [("flyway_schema_history", "installed_on"), ("django_migrations", "applied"), ("_prisma_migrations", "finished_at")])
def test_the_last_migration_is_that_of_the_tools_own_table(postgres, table, column):
    postgres.execute(f"CREATE TABLE {table} ({column} timestamptz); INSERT INTO {table} VALUES ('2026-01-03 10:00+00'), ('2026-01-02 10:00+00')")
    assert gathered(postgres)["last_migration"] == "2026-01-03T10:00:00Z"


def test_a_refusal_costs_one_fact(postgres):
    with contextlib.closing(postgres.connect("postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE TABLE flyway_schema_history (installed_on timestamptz)")
    facts = gathered(postgres, [TOTALS])
    assert "denies a permission" in facts["last_migration"] and facts["rows_sampled"] == 6
