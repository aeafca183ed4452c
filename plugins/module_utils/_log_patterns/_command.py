# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs on disk: ``python -m ansible_collections.sre.runbooks.plugins.module_utils._log_patterns._command app.log``."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _mine


def main() -> int:
    """Patterns of the files together, in words or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m …_log_patterns", description="What logs say, as patterns, and what of it is new.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="plain or gzip; one of each replica")
    parser.add_argument("--since", metavar="TIME", default="",
                        help="when the incident began, ISO 8601, or 'errors' for when errors began to rise; without it nothing is compared")
    parser.add_argument("--baseline", type=float, default=_mine.BASELINE, metavar="SECONDS",
                        help="time before it to compare with (default %(default)s)")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="patterns to show (default %(default)s)")
    parser.add_argument("--assign", metavar="OUT", type=pathlib.Path,
                        help="write the number of each record's pattern there, one a line, to be joined with the log; for one FILE, without --since")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    options = parser.parse_args()
    try:
        _mine.prepare(lambda line: t.cast(None, sys.stderr.write(f"{line}\n")))
        found = _assigned(options) if options.assign else _files.patterns_of(options.files, options.since, options.baseline)
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    sys.stdout.write("\n".join(found["says"]) + "\n\n")
    for number, pattern in enumerate(found["patterns"][:options.top], 1):
        sys.stdout.write(f"{number:>5} {pattern['before']:>9} {pattern['since']:>9}  {pattern['level']:8}  {pattern['template'][:160]}\n")
    return 0


def _assigned(options: argparse.Namespace) -> Json:
    if options.since or len(options.files) != 1:
        raise InvalidInput("--assign numbers the records of one FILE, all of them.", "Leave out --since and the other files.")
    found, numbers = _files.numbered(options.files[0])
    try:
        options.assign.write_text("".join(f"{number}\n" for number in numbers), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"Cannot write {options.assign}: {error.strerror}.", "Name a file that this user may write.") from error
    return found


if __name__ == "__main__":
    raise SystemExit(main())
