#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_snapshot
short_description: Check and dump a PostgreSQL database as it was at one moment
version_added: 0.1.0
description:
  - Exports a snapshot, and at the same time checks the consistency rules on it, as M(sre.runbooks.data_consistency_info) does,
    and runs C(pg_dump) of it - what the checks found is what the dump holds.
  - C(pg_dump) works in several sessions, into a time-stamped directory among the incident's evidence, with a checksum of every
    file. A verified dump that the incident has already is kept instead of taking another.
  - Before that it looks at versions and room; afterwards it compares the dump's table of contents with the database's tables
    and, when asked, restores it on another server and compares the rows of every table.
  - The password goes to C(pg_dump) through its environment, so it stands in no command line. A dump cannot be redacted; its
    files are readable by their owner only.
  - A dump that fails leaves nothing behind, and what a killed one has left is removed by the next.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
  - sre.runbooks.database_connection
  - sre.runbooks.consistency
  - sre.runbooks.evidence
options:
  dump:
    description: Dump too; without an incident, or in check mode, nothing is dumped.
    type: bool
    default: true
  rehearse:
    description: Only look whether a dump can be made - programs, versions, room; nothing is checked or dumped.
    type: bool
    default: false
  jobs:
    description: Sessions that dump at the same time.
    type: int
    default: 2
  compress:
    description: zlib level, 0 (none) to 9. 1 is fastest over a network.
    type: int
    default: 1
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
- name: scope | Check every rule, and dump the same snapshot
  sre.runbooks.data_snapshot:
    namespace: ai-development
    incident_id: INC-1234
"""

RETURN = r"""
outcome:
  description: As of M(sre.runbooks.data_consistency_info), like every key that is not named here.
  type: str
  returned: when not rehearsed
findings:
  description: As of M(sre.runbooks.data_consistency_info).
  type: list
  elements: dict
  returned: when not rehearsed
dump:
  description:
    - path (directory on the controller), snapshot (id, taken_at, wal_position), bytes, tables, seconds, files, restored_rows (rows per
      table of the trial restore, equal to those of the snapshot; empty without one) and kept (whether it was there already).
      Empty when nothing was dumped.
  type: dict
  returned: when not rehearsed
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import pathlib

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import gather
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._checking import CHECKS_SPEC, check_snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _database, _dump, _exported
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import DATABASE_CONNECTION_SPEC, Database
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._dump import Dump, Options
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import Snapshot
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, file_sha256
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import (
    CONNECTION_SPEC, EVIDENCE_SPEC, Result, Task, run_module)

KIND = "database_dump"

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **EVIDENCE_SPEC,
    **DATABASE_CONNECTION_SPEC,
    **CHECKS_SPEC,
    "dump": {"type": "bool", "default": True},
    "rehearse": {"type": "bool", "default": False},
    "jobs": {"type": "int", "default": 2},
    "compress": {"type": "int", "default": 1},
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
    """Check and dump at the same time."""
    p, cluster, store = task.params, task.cluster(), task.evidence()
    if p["rehearse"]:
        return {"says": _rehearsed(task)}
    with _database.opened(cluster, p["namespace"], p["database"]) as database, _exported.exported_snapshot(database) as snapshot:
        found = gather(checked=lambda: check_snapshot(task, store, database, snapshot),
                       dumped=lambda: _dumped(task, store, database, snapshot) if store and p["dump"] else {})
    checked, dumped = found["checked"], found["dumped"]
    return {**checked, "dump": dumped, "says": [*checked["says"], *_says(dumped)]}


def _rehearsed(task: Task) -> list[str]:
    p = task.params
    if p["incident_id"] and EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"]).verified(KIND):
        return ["the incident has a dump already"]
    with _database.opened(task.cluster(), p["namespace"], p["database"]) as database:
        found = _dump.rehearse(database, pathlib.Path(p["incidents_dir"]), _options(p))
    return [f"{found.tables} tables can be dumped: there are programs and room", *([found.note] if found.note else [])]


def _dumped(task: Task, store: EvidenceStore, database: Database, snapshot: Snapshot) -> Json:
    for item in reversed(store.verified(KIND)):
        path = (store.directory / item.name).parent
        _dump.refuse_changed(path)
        return {"path": str(path), "kept": True, "restored_rows": {}, **item.facts}
    p, options = task.params, _options(task.params)
    dumped = _dump.dump(database, snapshot, store.path(KIND), options, task.progress)
    facts = {"snapshot": dataclasses.asdict(snapshot), "bytes": dumped.bytes, "tables": dumped.tables, "files": dumped.files,
             "seconds": round(dumped.seconds, 2)}
    sums = dumped.path / _dump.CHECKSUMS
    store.add(str(sums.relative_to(store.directory)), KIND, f"pg_dump of {database.credentials}, snapshot {snapshot.id}",
              file_sha256(sums), **facts)
    restored = _tried(task.cluster(), p, database, dumped, options) if p["restore_on"] else {}
    return {"path": str(dumped.path), "kept": False, "restored_rows": restored, **facts}


def _options(p: Json) -> Options:
    return Options(p["jobs"], p["compress"], p["pg_programs"] or "", p["lock_timeout"])


def _tried(cluster: Cluster, p: Json, database: Database, dumped: Dump, options: Options) -> dict[str, int]:
    expected = _dump.row_counts(database, dumped.snapshot)
    with _database.opened(cluster, p["namespace"], p["restore_on"]) as scratch:
        found = _dump.trial_restore(scratch, dumped, options)
    if found != expected:
        differing = [f"{name}: {expected.get(name, 0)} rows in the snapshot, {found.get(name, 0)} restored"
                     for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
        raise RunbookError(f"Cluster {cluster.name}: the dump {dumped.path} restores other rows than the snapshot has: "
                           f"{'; '.join(differing)}.", "Keep it aside, and take another dump.")
    return found


def _says(dumped: Json) -> list[str]:
    if not dumped:
        return []
    lines = [f"{dumped['tables']} tables dumped as of {dumped['snapshot']['taken_at']}, {dumped['bytes'] / 1e6:,.1f} MB in {dumped['seconds']} s"]
    if dumped["kept"]:
        lines = [f"the dump as of {dumped['snapshot']['taken_at']} is kept: its checksums match"]
    lines.append(f"sha256sum -c {_dump.CHECKSUMS} verifies it in {dumped['path']}")
    if dumped["restored_rows"]:
        lines.append(f"a trial restore has the same {sum(dumped['restored_rows'].values())} rows")
    return lines


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
