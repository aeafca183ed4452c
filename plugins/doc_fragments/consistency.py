# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that check the consistency of a database."""

from __future__ import annotations


class ModuleDocFragment:
    """Which rules, and within which bounds."""

    DOCUMENTATION = r"""
options:
  rules_files:
    description: YAML files of rules (see docs/consistency-rules.md). The built-in rules of the demo shop where none is given.
    type: list
    elements: path
    default: []
  rules:
    description: More rules; one replaces a rule of the same name.
    type: list
    elements: dict
    default: []
  check_name:
    description:
      - Where the results go among the incident's evidence, and which interrupted check is continued. Another name begins anew.
    type: str
    default: check
  resume:
    description: Keep what an interrupted or partly failed check of that name has finished. It saw an earlier snapshot, and is marked so.
    type: bool
    default: true
  parallel:
    description: Rules that are checked at the same time, each on a connection of its own.
    type: int
    default: 2
  work_mem_mb:
    description: Memory of each of them on the server before it sorts on disk.
    type: int
    default: 64
  rows_per_range:
    description: Rows that are read at a time where an index makes it cheap to read by ranges of the key.
    type: int
    default: 2000000
  statement_timeout:
    description: Seconds that a statement may take; 0 for no limit.
    type: float
    default: 1800.0
  lock_timeout:
    description: Seconds to wait for a table that somebody has locked.
    type: float
    default: 10.0
  sample_rows:
    description: Rows of each rule in the result, 0 for none. All rows are in the exported file.
    type: int
    default: 10
  sample_customers:
    description: Whether those rows name the customer.
    type: bool
    default: false
  parquet_above:
    description: Rows from which Parquet is written instead of CSV, where the Python package pyarrow is installed.
    type: int
    default: 100000
"""
