# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archive an incident: its evidence, documents and record, with a manifest that is verified where it lies."""

from __future__ import annotations

import json
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._archive._places import Place
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import file_sha256

MANIFEST = "archive.json"


def files(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Everything of an incident on one cluster, by its name below the incident; what begins with a dot is a file in the making."""
    return {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith(".")}


def archive(place: Place, prefix: str, found: t.Mapping[str, pathlib.Path], record: str) -> list[dict[str, t.Any]]:
    """Send what is not there yet, and read everything back; returns what is there: ``name``, ``sha256``, ``bytes``, and whether it was ``sent`` now.

    :param prefix: incident and cluster.
    :param record: the incident's record as JSON.
    :raises RunbookError: where something did not arrive as it is here; what did stays.
    """
    with tempfile.TemporaryDirectory() as directory:
        kept = _written(directory, "record.json", record)
        entries = [_sent(place, prefix, name, path) for name, path in {**found, "record.json": kept}.items()]
        manifest = {"version": 1, "files": [{name: value for name, value in one.items() if name != "sent"} for one in entries]}
        path = _written(directory, MANIFEST, json.dumps(manifest, indent=1) + "\n")
        _sent(place, prefix, MANIFEST, path)
    return entries


def _sent(place: Place, prefix: str, name: str, path: pathlib.Path) -> dict[str, t.Any]:
    wanted, where = file_sha256(path), f"{prefix}/{name}"
    sent = place.sha256(where) != wanted
    if sent:
        place.put(where, path)
        if place.sha256(where) != wanted:
            raise RunbookError(f"{where} was archived, and what is there is not what was sent.",
                               "Check the storage; what is on this controller is kept. Then run incident/archive.yml again.")
    return {"name": name, "sha256": wanted, "bytes": path.stat().st_size, "sent": sent}


def _written(directory: str, name: str, text: str) -> pathlib.Path:
    path = pathlib.Path(directory) / name
    path.write_text(text)
    return path
