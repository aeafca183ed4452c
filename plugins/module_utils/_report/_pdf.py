# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page on paper, printed by a browser that is installed: it draws the page as people see it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_SECONDS = 120
#: the page asks for nothing, and nothing may be asked for
_OPTIONS = ("--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer", "--disable-background-networking", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND")


def browser() -> str:
    """Path of the first browser that is there.

    :raises InvalidInput: where none is.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not found:
        raise InvalidInput(f"A PDF is asked for, and none of {', '.join(BROWSERS)} is installed on the host that runs this task.",
                           "Install Chromium, or leave pdf out: report.html prints as well. Nothing was sent.")
    return found


def write(page: pathlib.Path, pdf: pathlib.Path, program: str) -> pathlib.Path:
    """Print a page; the file is readable for its owner only.

    :param program: as ``browser`` found it.
    """
    with tempfile.TemporaryDirectory(prefix="report-") as profile:
        printed = pathlib.Path(profile) / "report.pdf"
        # As root Chromium begins only without its sandbox; the page has no script, and none is let run.
        without = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = [program, *_OPTIONS, *without, f"--user-data-dir={profile}", f"--print-to-pdf={printed}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunbookError(f"The report is written, but not as PDF: {program}: {error}.", "Print report.html, or try again.") from error
        if not printed.is_file():
            raise RunbookError(f"The report is written, but not as PDF: {program} ended with {done.returncode} and wrote no file.",
                               f"Print report.html. It said: {done.stderr.decode(errors='replace').strip()[-300:]}")
        printed.chmod(0o600)
        shutil.move(printed, pdf)
    return pdf
