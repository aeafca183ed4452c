"""A dump is tried out on a server before it is needed."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _dump
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import exported_snapshot


def quiet(_line: str) -> None:
    pass


def test_a_trial_restore_has_the_rows_of_the_snapshot_and_leaves_no_database(postgres, tmp_path):
    database = postgres.database()
    with exported_snapshot(database) as snapshot:
        dumped = _dump.dump(database, snapshot, tmp_path, _dump.Options(), quiet)
        postgres.execute("DELETE FROM order_items WHERE id < 11")
        expected = _dump.row_counts(database, snapshot)
    assert expected == {"public.audit_log": 300, "public.order_items": 200, "public.orders": 100, "public.users": 1}
    assert _dump.trial_restore(postgres.server.database("postgres", "postgres"), dumped, _dump.Options()) == expected
    assert postgres.server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'runbooks_restore%'") == []
