# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that are missing or broken are told apart, and nothing that their import raises gets through."""

from __future__ import annotations

import pathlib
import re

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core import _optional
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

ROOT = pathlib.Path(__file__).resolve().parents[5]
#: packages that are imported by another name
IMPORTED_AS = {"cel-expr-python": "cel_expr_python", "google-re2": "re2", "prometheus-client": "prometheus_client", "psycopg2-binary": "psycopg2"}


def test_every_requirement_is_looked_for():
    names = re.findall(r"(?m)^([a-z0-9-]+)[>=]", (ROOT / "requirements.txt").read_text())
    assert sorted(IMPORTED_AS.get(name, name) for name in names) == sorted(_optional.REQUIREMENTS)


def test_what_is_there_is_no_matter():
    assert _optional.absent(["json"]) == {}
    _optional.require("json")


@pytest.mark.parametrize("text, why", [
    (None, "is missing"),
    ("import what_is_not_there_either", "is broken .No module named 'what_is_not_there_either'"),
    ("raise ImportError('libx.so.3: cannot open shared object file')", "is broken .ImportError: libx"),
    ("raise RuntimeError('half of it')", "is broken .RuntimeError: half of it"),
    ("raise SystemExit(3)", "is broken .SystemExit: 3"),
    ("this is no Python", "is broken .SyntaxError"),
])
def test_what_cannot_be_imported(tmp_path, monkeypatch, text, why):
    name = f"package_{abs(hash(text)) % 10 ** 6}"
    if text:
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidInput, match=f"{name} {why}.*pip install -r requirements.txt"):
        _optional.require("json", name)


def test_no_import_of_a_library_fails_otherwise():
    assert [str(path) for path in (ROOT / "plugins").rglob("*.py") if re.search(r"(?m)^except ImportError", path.read_text())] == []
