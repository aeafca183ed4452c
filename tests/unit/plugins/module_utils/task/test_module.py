# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a module raises is one failed task: a paragraph that helps, and no secret."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt

SECRET = "sesame-4711"
SPEC = {"api_token": {"type": "str", "no_log": True}, "workload": {"type": "str"}}
PARAMS = {"api_token": SECRET, "workload": "checkout", "namespace": "shop", "cluster_name": "prod"}


def raising(error):
    def run(_task):
        raise error
    return run


@pytest.mark.parametrize("error", [KeyError("items"), TypeError("'NoneType' object is not iterable"), RecursionError(), MemoryError(),
                                   UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), OSError(28, "No space left on device"),
                                   SystemExit(1), GeneratorExit(), type("PanicException", (BaseException,), {})("a library in Rust"),
                                   ValueError(f"Invalid header value b'Bearer {SECRET}\\n'"), ImportError("no module")])
@pytest.mark.parametrize("verbosity", [0, 3])
def test_any_exception_is_one_paragraph(error, verbosity):
    result = attempt(SPEC, raising(error), Task(PARAMS), verbosity)
    assert result["failed"] and not result["changed"]
    assert "\n" not in result["msg"] and result["msg"].startswith("Cluster prod: ") and "shop checkout" in result["msg"]
    assert type(error).__name__ in result["msg"] and result["next_step"] in result["msg"]
    assert SECRET not in str(result)
    assert ("traceback" in result) == (verbosity == 3)


def test_a_refusal_keeps_its_own_words():
    assert attempt(SPEC, raising(Refused("No.", "Ask.", why=1)), Task(PARAMS), 3) == {
        "changed": False, "failed": True, "msg": "No. Ask.", "next_step": "Ask.", "why": 1}


def test_a_result_is_passed_on():
    assert attempt(SPEC, lambda _task: {"says": []}, Task(PARAMS), 0) == {"changed": False, "says": []}


def test_no_room_for_what_a_tool_has_printed_changes_nothing_about_its_error(tmp_path):
    (tmp_path / "incidents").touch()
    params = {**PARAMS, "incident_id": "INC-1", "incidents_dir": str(tmp_path / "incidents")}
    assert attempt(SPEC, raising(Refused("No.", "Ask.", output="all of it")), Task(params), 0)["msg"] == "No. Ask."
