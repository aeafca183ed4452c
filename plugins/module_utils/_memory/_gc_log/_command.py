# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A garbage collection log on disk: ``python -m ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._command gc.log``."""

from __future__ import annotations

import argparse
import json
import sys

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log import _analysis


def main() -> int:
    """Analyse each file, in words or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m …_gc_log", description="Pauses, rates and leaks from a JVM's garbage collection log.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="log of -Xlog:gc* or -XX:+PrintGCDetails, plain or gzip")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    parser.add_argument("--long-safepoint", type=float, default=_analysis.LONG_SAFEPOINT, metavar="SECONDS",
                        help="from when a stop counts as long (default %(default)s)")
    options = parser.parse_args()
    try:
        for name in options.files:
            found = _analysis.of_file(name, options.long_safepoint)
            text = json.dumps(found, indent=1) if options.json else "\n".join([f"{name}:", *(f"  {line}" for line in found["says"])])
            sys.stdout.write(text + "\n")
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
