#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: heap_analysis_info
short_description: What keeps the memory of a JVM, from its heap dump
version_added: 0.1.0
description:
  - Reads an HPROF dump (1.0.1 and 1.0.2, identifiers of 4 and 8 bytes, plain, gzip or zstd, as M(sre.runbooks.heap_dump) saves it)
    and says which object keeps most of the heap, by which fields it is reached, and what lies in it. Where nothing stands out it
    claims no suspect. Works offline and reads only.
  - Of a dump that ends early, the histogram of what can be read is given, and the offset where it ends; retained sizes are not.
  - With O(incident_id) the whole result is saved as evidence - JSON, a report in Markdown, and a page with pictures.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.evidence
options:
  path:
    description: The dump, on the host that runs the task.
    type: path
    required: true
  before:
    description:
      - An earlier dump of the same application, or the saved text of C(jcmd GC.class_histogram), to say which classes and collections
        have grown. A dump is analysed first, which takes as long again.
    type: path
  histogram_only:
    description: Give the class histogram only. The file is read once, and nothing is written to disk.
    type: bool
    default: false
  scratch:
    description:
      - Directory with room for a compressed dump while it is read, and for large tables when memory is short.
        By default the system's temporary directory.
    type: path
  rows:
    description: Most rows of each list in the result; the saved files have more.
    type: int
    default: 25
  cluster_name:
    description: Name under which the evidence is saved, or the host's name in the inventory.
    type: str
    default: cluster
"""

EXAMPLES = r"""
- name: Analyse a dump
  sre.runbooks.heap_analysis_info:
    path: api-server.hprof

- name: Analyse the dump of an incident against the histogram of an hour before
  sre.runbooks.heap_analysis_info:
    path: incidents/INC-1234/prod-eu1/heap/api-server-7d4b.hprof.zst
    before: api-server.histogram
    incident_id: INC-1234
"""

RETURN = r"""
outcome:
  description: V(suspects), V(healthy) (no suspect is claimed), or V(histogram) (the graph of references was not built).
  type: str
  returned: success
analysis:
  description:
    - The findings - file, totals, layout, histogram, dominators, suspects (with path, groups and code_areas), collections,
      duplicate_strings, class_loaders, thread_locals, threads, references, savings (with where, bytes and advice), growth,
      warnings, timings and peak_memory_bytes.
  type: dict
  returned: success
evidence:
  description: Paths of the evidence that was saved.
  type: list
  elements: str
  returned: with incident_id
tables:
  description: Figures for a report, each with title, header and rows.
  type: list
  elements: dict
  returned: success
fixes:
  description: What would keep the suspects from growing again.
  type: list
  elements: str
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.sre.runbooks.plugins.module_utils._task._module import EVIDENCE_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **EVIDENCE_SPEC,
    "path": {"type": "path", "required": True},
    "before": {"type": "path"},
    "histogram_only": {"type": "bool", "default": False},
    "scratch": {"type": "path"},
    "rows": {"type": "int", "default": 25},
    "cluster_name": {"type": "str", "default": "cluster"},
}


def run(task: Task) -> Result:
    """Analyse the dump."""
    from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _pages
    p = task.params
    if not p["histogram_only"]:
        _pages.make_ready(p["path"])
    from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof import _analysis, _for_report, _markdown, _page
    analysis = _analysis.answer(p["path"], task.progress, before=p["before"], histogram_only=p["histogram_only"], scratch=p["scratch"])
    whole = analysis.to_json()
    result: Result = {"outcome": analysis.outcome, "says": analysis.says + analysis.warnings,
                      "tables": [table.to_json() for table in _for_report.tables(analysis)], "fixes": _for_report.fixes(analysis),
                      "analysis": {key: value[:p["rows"]] if isinstance(value, list) else value for key, value in whole.items()}}
    store = task.evidence()
    if store:
        store.save_json("heap/analysis.json", "heap_analysis", p["path"], whole)
        store.save_text("heap/analysis.md", "heap_analysis", p["path"], _markdown.render(analysis))
        store.save_text("heap/analysis.html", "heap_analysis", p["path"], _page.render(analysis))
        result["evidence"] = [str(store.path(f"heap/analysis.{form}")) for form in ("json", "md", "html")]
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
