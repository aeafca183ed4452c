#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_snapshot
short_description: Dump a PostgreSQL database as it was at one moment
version_added: 0.1.0
description:
  - Runs C(pg_dump) of an exported snapshot in several sessions at once, into a time-stamped directory among the incident's
    evidence, with a checksum of every file.
  - Before that it looks at versions and room; afterwards it compares the dump's table of contents with the database's tables
    and, when asked, restores it on another server and compares the rows of every table.
  - The password goes to C(pg_dump) through its environment, so it stands in no command line. A dump cannot be redacted; its
    files are readable by their owner only.
  - A dump that fails or is interrupted leaves nothing behind.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.evidence
options:
  jobs:
    description: Sessions that dump at the same time.
    type: int
    default: 2
  compress:
    description: zlib level, 0 (none) to 9. 1 is fastest over a network.
    type: int
    default: 1
  lock_timeout:
    description: Seconds to wait for the lock of a table; somebody who alters it keeps a dump waiting.
    type: float
    default: 30.0
  pg_programs:
    description: Directory of C(pg_dump) and C(pg_restore) on the controller, of the server's major version or newer.
    type: path
  restore_on:
    description:
      - A server to restore the dump on for a trial, as O(database); its role creates a database of its own there and drops it
        again. Nothing is restored when not set. The rows of every table are counted in the snapshot for the comparison.
    type: dict
    suboptions:
      host:
        description: Address, or name of the Service.
        type: str
        required: true
      port:
        description: Port.
        type: int
        default: 5432
      name:
        description: A database to connect to.
        type: str
        default: postgres
      user:
        description: A role that may create databases.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        default: ""
      ssl_mode:
        description: As libpq's C(sslmode).
        type: str
        default: prefer
      route:
        description: As of O(database.route).
        type: str
        choices: [auto, direct, port_forward]
        default: auto
      connect_timeout:
        description: Seconds to connect.
        type: int
        default: 10
"""

EXAMPLES = r"""
- name: scope | Dump the database
  sre.runbooks.data_snapshot:
    namespace: ai-development
    incident_id: INC-1234
"""

RETURN = r"""
path:
  description: Directory of the dump on the controller; empty in check mode and without an incident, when nothing is dumped.
  type: str
  returned: success
snapshot:
  description: id, taken_at and wal_position of the snapshot.
  type: dict
  returned: when dumped
bytes:
  description: Size of the dump.
  type: int
  returned: when dumped
tables:
  description: Tables with data in it.
  type: int
  returned: when dumped
seconds:
  description: How long the dump took.
  type: float
  returned: when dumped
restored_rows:
  description: Rows per table that the trial restore had, equal to those of the snapshot.
  type: dict
  returned: when O(restore_on) is given
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._database import _database, _dump, _exported
from ansible_collections.sre.runbooks.plugins.module_utils._database._database import DATABASE_CONNECTION_SPEC, Database
from ansible_collections.sre.runbooks.plugins.module_utils._database._dump import Dump, Options
from ansible_collections.sre.runbooks.plugins.module_utils._database._exported import Snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence import EvidenceStore, file_sha256
from ansible_collections.sre.runbooks.plugins.module_utils._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    "jobs": {"type": "int", "default": 2},
    "compress": {"type": "int", "default": 1},
    "lock_timeout": {"type": "float", "default": 30.0},
    "pg_programs": {"type": "path"},
    "restore_on": {"type": "dict", "options": {
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 5432},
        "name": {"type": "str", "default": "postgres"},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "default": "", "no_log": True},
        "ssl_mode": {"type": "str", "default": "prefer"},
        "route": {"type": "str", "default": "auto", "choices": ["auto", "direct", "port_forward"]},
        "connect_timeout": {"type": "int", "default": 10},
    }},
}


def run(task: Task) -> Result:
    """Dump, verify, and register the evidence."""
    p, cluster, store = task.params, task.cluster(), task.evidence()
    if store is None:
        return {"path": "", "says": ["nothing is dumped without an incident, or in check mode"]}
    with _database.opened(cluster, p["namespace"], p["database"]) as database, _exported.exported_snapshot(database) as snapshot:
        return take(task, store, database, snapshot)


def take(task: Task, store: EvidenceStore, database: Database, snapshot: Snapshot) -> Result:
    """Dump a snapshot that is open, and try it out where that is asked for."""
    p = task.params
    options = Options(p["jobs"], p["compress"], p["pg_programs"] or "", p["lock_timeout"])
    dumped = _dump.dump(database, snapshot, store.path("database"), options, task.progress)
    restored = _tried(task.cluster(), p, database, dumped, options) if p["restore_on"] else {}
    name = f"database/{dumped.path.name}/{_dump.CHECKSUMS}"
    facts = {"snapshot": dataclasses.asdict(snapshot), "bytes": dumped.bytes, "tables": dumped.tables}
    store.add(name, "database_dump", f"pg_dump of {database.credentials}, snapshot {snapshot.id}",
              file_sha256(dumped.path / _dump.CHECKSUMS), files=dumped.files, **facts)
    return {"path": str(dumped.path), **facts, "seconds": round(dumped.seconds, 2), **restored, "says": _says(dumped, restored)}


def _tried(cluster: Cluster, p: t.Mapping[str, t.Any], database: Database, dumped: Dump, options: Options) -> Json:
    expected = _dump.row_counts(database, dumped.snapshot)
    with _database.opened(cluster, p["namespace"], p["restore_on"]) as scratch:
        found = _dump.trial_restore(scratch, dumped, options)
    if found != expected:
        differing = [f"{name}: {expected.get(name, 0)} rows in the snapshot, {found.get(name, 0)} restored"
                     for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
        raise RunbookError(f"Cluster {cluster.name}: the dump {dumped.path} restores other rows than the snapshot has: "
                           f"{'; '.join(differing)}.", "Keep it aside, and take another dump.")
    return {"restored_rows": found}


def _says(dumped: Dump, restored: Json) -> list[str]:
    lines = [f"dumped {dumped.tables} tables, {dumped.bytes / 1e6:,.1f} MB in {dumped.seconds:.1f} s, as of {dumped.snapshot.taken_at}",
             f"it is in {dumped.path}; sha256sum -c {_dump.CHECKSUMS} verifies it"]
    if restored:
        lines.append(f"a trial restore has the same {sum(restored['restored_rows'].values())} rows")
    return lines


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
