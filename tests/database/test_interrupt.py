"""Ctrl-C ends a task at once, wherever it waits for the database, and the server ends what nobody waits for."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from postgres_server import PASSWORD

PLAYBOOKS = pathlib.Path(__file__).parents[2] / "playbooks"
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"


def until(check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.1)


@pytest.mark.parametrize("module", ["data_consistency_info", "data_snapshot", "data_repair"])
def test_an_interrupt_while_the_database_is_asked(postgres, tmp_path, module):
    # The API server is not asked when the way to the database is direct and known.
    arguments = {
        "namespace": "shop", "host": "https://127.0.0.1:1", "api_token": "none", "incident_id": "INC-1", "incidents_dir": str(tmp_path),
        "lock_timeout": 600, "database": {"host": "127.0.0.1", "port": postgres.server.port, "name": postgres.name, "user": "shop",
                                          "password": PASSWORD, "route": "direct"}}
    with contextlib.closing(postgres.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE")
        run = subprocess.Popen(
            ["env", "--default-signal=INT", pathlib.Path(sys.executable).with_name("ansible"), "localhost", "-i", "localhost,", "-c", "local",
             "-m", f"sre.runbooks.{module}", "-a", json.dumps(arguments)],
            cwd=PLAYBOOKS, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        waiting = WAITING.format(postgres.name)
        until(lambda: postgres.server.execute(waiting))
        os.killpg(run.pid, signal.SIGINT)
        try:
            said, _errors = run.communicate(timeout=60)
        finally:
            run.kill()
        until(lambda: not postgres.server.execute(waiting))
    assert "User interrupted execution" in said and "Traceback" not in said
    assert list(tmp_path.rglob("*.dump")) == []
