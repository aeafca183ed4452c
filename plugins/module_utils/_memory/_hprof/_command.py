# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A heap dump on disk: ``python -m ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._command dump.hprof``."""

from __future__ import annotations

import argparse
import gc
import json
import os
import pathlib
import sys
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _pages
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import HeapAnalysis


def main() -> int:
    """Analyse a dump and write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m …_hprof", description="What keeps the memory of a JVM, from its heap dump.")
    parser.add_argument("file", help="HPROF dump, plain, gzip or zstd")
    parser.add_argument("--before", metavar="OTHER", help="an earlier dump, or the text of jcmd GC.class_histogram: say what has grown")
    parser.add_argument("--histogram", action="store_true", help="the class histogram only; reads the file once, as it comes")
    parser.add_argument("--scratch", metavar="DIRECTORY", help="room for a compressed dump and for what does not fit in memory")
    parser.add_argument("--all-references", action="store_true", help="count weak and soft references, and only the dump's own roots")
    for form, meaning in (("json", "everything"), ("markdown", "a report"), ("html", "a page with pictures")):
        parser.add_argument(f"--{form}", metavar="FILE", help=f"write {meaning} there")
    options = parser.parse_args()
    gc.disable()  # the compiler makes many objects that stay, and collecting in vain takes a tenth of a short run
    if not options.histogram:
        _pages.make_ready(options.file)
    from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _analysis
    try:
        analysis = _analysis.answer(options.file, lambda line: sys.stderr.write(f"… {line}\n"), before=options.before,
                                    histogram_only=options.histogram, scratch=options.scratch,
                                    references="all" if options.all_references else "strong")
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join([*analysis.says, *(f"! {line}" for line in analysis.warnings)]) + "\n")
    for path, text in _texts(options, analysis):
        try:
            pathlib.Path(path).write_text(text, "utf-8")
        except OSError as error:
            sys.stderr.write(f"Cannot write {path}: {error.strerror}.\n")
            return 1
    return 0


def _texts(options: argparse.Namespace, analysis: HeapAnalysis) -> list[tuple[str, str]]:
    texts = []
    if options.json:
        texts.append((options.json, json.dumps(analysis.to_json(), indent=1)))
    if options.markdown:
        from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _markdown
        texts.append((options.markdown, _markdown.render(analysis)))
    if options.html:
        from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _page
        texts.append((options.html, _page.render(analysis)))
    return texts


def _leave(status: int) -> t.NoReturn:
    """End at once: to take the compiler apart first would be a fifth of a short run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _leave(main())
