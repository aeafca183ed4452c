# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of an incident: files on the controller with a manifest of sha256, source and time.

Layout: ``<incidents_dir>/<incident_id>/<cluster>/{manifest.json,evidence/…,report.md}``,
directories 0700 and files 0600. A file counts as evidence once its manifest entry is written.
"""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact, redact_object

#: bytes; less room than that is none
_LEAST_ROOM = 1 << 20


def now() -> str:
    """The current time, UTC, ISO 8601 with milliseconds and Z."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclasses.dataclass(frozen=True)
class Item:
    """One piece of evidence.

    :param name: file name under ``evidence/``, such as ``heap/api-server-x.hprof.gz``.
    :param kind: what it is (``heap_dump``, ``logs``, ``snapshot``…).
    :param source: cluster object and command that it came from.
    :param sha256: of the file as it lies on disk.
    :param bytes: size of the file as it lies on disk.
    :param captured_at: ISO 8601, UTC.
    :param facts: anything else worth keeping (uncompressed size and sha256, counts…).
    """

    name: str
    kind: str
    source: str
    sha256: str
    bytes: int
    captured_at: str
    facts: dict[str, t.Any] = dataclasses.field(default_factory=dict)


class EvidenceStore:
    """The evidence of one incident on one cluster."""

    def __init__(self, incidents_dir: str, incident_id: str, cluster: str) -> None:
        self.root = pathlib.Path(incidents_dir).expanduser() / incident_id / cluster
        self.directory = self.root / "evidence"
        self._manifest = self.root / "manifest.json"

    def path(self, name: str) -> pathlib.Path:
        """Where the file of that name goes; makes its directory."""
        path = self.directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(path, error) from error
        return path

    def refuse_unwritable(self) -> None:
        """Raise where nothing could be saved, by writing a file without a name: nothing of it stays."""
        place = next(path for path in (self.directory, *self.directory.absolute().parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(bytes(_LEAST_ROOM))
                file.flush()
        except OSError as error:
            raise _unwritable(place, error) from error

    def save_text(self, name: str, kind: str, source: str, text: str, **facts: t.Any) -> Item:
        """Save redacted text."""
        return self._save(name, kind, source, redact(text), facts)

    def save_json(self, name: str, kind: str, source: str, data: t.Any, **facts: t.Any) -> Item:
        """Save redacted data as indented JSON."""
        return self._save(name, kind, source, json.dumps(redact_object(data), indent=1, sort_keys=True) + "\n", facts)

    def add(self, name: str, kind: str, source: str, sha256: str, **facts: t.Any) -> Item:
        """Register a file that the caller has already written at ``path(name)``."""
        path = self.directory / name
        os.chmod(path, 0o600)
        item = Item(name, kind, source, sha256, path.stat().st_size, now(), facts)
        with self._locked():
            items = [other for other in self.items() if other.name != name] + [item]
            write_private(self._manifest, json.dumps([dataclasses.asdict(i) for i in items], indent=1) + "\n")
        return item

    def items(self, kind: str | None = None) -> list[Item]:
        """Everything in the manifest, or one kind of it, in the order of capture."""
        try:
            entries = json.loads(self._manifest.read_text())
        except FileNotFoundError:
            return []
        return [Item(**entry) for entry in entries if kind in (None, entry["kind"])]

    def verified(self, kind: str) -> list[Item]:
        """The items of a kind whose file still has the recorded size and sha256."""
        return [item for item in self.items(kind) if self.verify(item)]

    def verify(self, item: Item) -> bool:
        """Whether the file of an item is there, unchanged."""
        path = self.directory / item.name
        return path.is_file() and path.stat().st_size == item.bytes and file_sha256(path) == item.sha256

    def write_document(self, name: str, text: str) -> pathlib.Path:
        """Write a document beside the evidence, such as the report."""
        path = self.root / name
        write_private(path, redact(text))
        return path

    def _save(self, name: str, kind: str, source: str, text: str, facts: dict[str, t.Any]) -> Item:
        path = self.path(name)
        write_private(path, text)
        return self.add(name, kind, source, hashlib.sha256(text.encode()).hexdigest(), **facts)

    def _locked(self) -> t.ContextManager[t.Any]:
        lock = open(self.root / ".lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def file_sha256(path: pathlib.Path) -> str:
    """sha256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_private(path: pathlib.Path, text: str) -> pathlib.Path:
    """Write a whole file that only its owner reads, or leave what was there; its directory is made."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text.encode())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return path


def _unwritable(path: pathlib.Path, error: OSError) -> RunbookError:
    return RunbookError(
        f"Cannot write evidence to {path} on the controller: {error.strerror or error}.",
        "Free space or set runbooks_incidents_dir to a directory with room, then run again with the same "
        "incident_id: what was captured so far is kept.")
