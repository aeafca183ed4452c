# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PDF is printed by a browser that is installed, and asking for one without it is refused before anything is written."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._report import _pdf


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a program of our own where a browser is looked for."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/sbin:/bin")
    monkeypatch.setattr(_pdf, "BROWSERS", ("chromium-of-the-test",))

    def put(script):
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "chromium-of-the-test"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o700)
    return put


def test_without_a_browser_it_is_refused_in_a_sentence(install):
    with pytest.raises(InvalidInput, match="A PDF is asked for, and none of chromium-of-the-test is installed"):
        _pdf.browser()


def test_the_page_is_printed_for_its_owner_only(install, tmp_path):
    install('for one; do case $one in --print-to-pdf=*) printf %s "$*" > "${one#*=}";; esac; done\n')
    pdf = _pdf.write(tmp_path / "report.html", tmp_path / "report.pdf", _pdf.browser())
    assert pdf.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "report.html").as_uri() in pdf.read_text() and "--host-resolver-rules=MAP * ~NOTFOUND" in pdf.read_text()


def test_a_browser_that_prints_nothing_is_told(install, tmp_path):
    install("echo no display >&2; exit 3\n")
    with pytest.raises(RunbookError, match="ended with 3 and wrote no file") as told:
        _pdf.write(tmp_path / "report.html", tmp_path / "report.pdf", _pdf.browser())
    assert "no display" in told.value.next_step
