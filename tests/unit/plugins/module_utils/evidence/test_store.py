# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nothing can be saved is found out before anything is declared, and without a trace."""

from __future__ import annotations

import contextlib
import resource

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore


@contextlib.contextmanager
def no_room():
    """Files may not become larger than a few bytes, which a full disk says in the same way; this process's own output neither."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("incidents", ["incidents", "not/there/yet"])
def test_what_can_be_written_is_left_as_it_was(tmp_path, incidents):
    EvidenceStore(str(tmp_path / incidents), "INC-1", "prod").refuse_unwritable()
    assert list(tmp_path.iterdir()) == []


def test_an_incident_that_is_continued_is_looked_at_itself(tmp_path):
    store = EvidenceStore(str(tmp_path), "INC-1", "prod")
    store.root.mkdir(parents=True)
    store.directory.touch()
    with pytest.raises(RunbookError, match="Not a directory"):
        store.refuse_unwritable()


def test_a_place_where_nothing_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    for incidents in ("/proc/incidents", tmp_path / "file" / "incidents"):
        with pytest.raises(RunbookError, match="runbooks_incidents_dir"):
            EvidenceStore(str(incidents), "INC-1", "prod").refuse_unwritable()


def test_no_room(tmp_path):
    with no_room(), pytest.raises(RunbookError, match="Free space"):
        EvidenceStore(str(tmp_path), "INC-1", "prod").refuse_unwritable()
