# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table against the direct reads: one definition of a threshold, and names that exist."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._history import _promql, _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._table import Row
from ansible_collections.sre.runbooks.plugins.modules import signal_history_info

WINGS = {"memory_leak": "_memory", "db_pool_exhaustion": "_pool", "auth_degradation": "_auth", "api_gateway_overload": "_gateway", "crash_loop": "_crash"}


def source(package: str) -> str:
    import importlib
    import inspect
    return inspect.getsource(importlib.import_module(f"ansible_collections.sre.runbooks.plugins.module_utils.{package}._signals"))


@pytest.mark.parametrize("row", _table.ROWS, ids=lambda row: row.name)
def test_a_row_names_a_signal_that_is_read_directly(row: Row):
    assert not row.direct or f'"{row.direct}"' in source(WINGS[row.incident_type])
    assert row.why and row.words and row.series and re.fullmatch(r"\d+[mh]", row.holds)


def test_names_are_unique_and_every_type_is_documented():
    names = [row.name for row in _table.ROWS]
    assert len(names) == len(set(names))
    assert set(re.findall(r"V\((\w+)\)", yaml.safe_load(signal_history_info.DOCUMENTATION)["options"]["incident_type"]["description"][0])) == set(WINGS)
    assert {row.incident_type for row in _table.ROWS} == set(WINGS)


@pytest.mark.parametrize("row", _table.ROWS, ids=lambda row: row.name)
def test_prometheus_regular_expressions_know_no_lookaround(row: Row):
    assert "(?!" not in _promql.measured(row, _promql.EVERYWHERE) and "(?=" not in _promql.measured(row, _promql.EVERYWHERE)
